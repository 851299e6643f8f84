//! Terminals: modes, size, type, keys, job control, and a terminal without a person.

use std::time::Duration;

use sallyport_tests::harness::{Tty, run_with_input, tool};

use super::super::SOON;
use super::{PATIENCE, Seen, Way, Ways};

/// `ssh -tt` with its input from a pipe, once the program on the far side is there to take it: a
/// terminal that is not raw yet would take the bytes for keys.
fn piped(way: &Way, remote: &str, input: &[u8]) -> Seen {
    let words = way.ssh.command_line();
    let folder = way.folder();
    let mark = folder.path().join("ready").display().to_string();
    let remote = remote.replace("echo ready", &format!("echo ready | tee {mark}"));
    let waits = if remote.contains(&mark) {
        format!("until [ -s {mark} ]; do sleep 0.1; done; sleep 0.1; ")
    } else {
        String::new()
    };
    let script = format!("({waits}cat) | {words} -tt 127.0.0.1 {}", quoted(&remote));
    Seen::of(run_with_input(
        super::shell(&script),
        input.to_vec(),
        PATIENCE,
    ))
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[test]
fn terminals_with_piped_input() {
    let ways = Ways::jumping();
    let every: Vec<u8> = (0..=255).collect();
    let raw = "stty raw -echo; echo ready; head -c 256 | od -An -tx1";
    for (case, remote, input) in [
        (
            "settings",
            "stty -a | tr -d '\\n'; echo $TERM; exit 3",
            &b""[..],
        ),
        ("echo", "cat", b"one\ntwo\n\x04"),
        (
            "an end in the middle of a line",
            "cat; echo end",
            b"abc\x04\x04",
        ),
        (
            "an interrupt",
            "trap 'echo caught; exit 5' INT; echo ready; read x",
            b"\x03",
        ),
        (
            "a quit",
            "trap 'echo quit; exit 5' QUIT; echo ready; read x",
            b"\x1c",
        ),
        (
            "both streams are one",
            "echo out; echo err >&2; exit 6",
            b"",
        ),
        ("death by a signal", "kill -TERM $$; sleep 3", b""),
        ("every byte raw", raw, &every),
        ("no carriage returns", "stty -onlcr; printf 'a\\nb\\n'", b""),
        ("much output", "seq 1 60000", b""),
        ("a long line", "head -c 300000 /dev/zero | tr '\\0' x", b""),
        (
            "a flood and its end",
            "head -c 2000000 /dev/zero | base64 -w 76; exit 9",
            b"",
        ),
    ] {
        ways.same(&format!("-tt: {case}"), |way| piped(way, remote, input));
    }
}

#[test]
fn a_terminal_passes_on_what_the_clients_one_is() {
    let ways = Ways::start();
    // Modes set here before ssh starts are part of its request (RFC 4254 section 8).
    for settings in [
        "sane",
        "-echo",
        "-icanon min 3",
        "intr ^B erase ^H",
        "-onlcr iutf8",
    ] {
        ways.same(&format!("stty {settings}"), |way| {
            let script = format!(
                "stty {settings}; {} -tt 127.0.0.1 'stty -a | sed s/speed.*baud//; stty size; echo $TERM; exit 7'",
                way.ssh.command_line()
            );
            let mut bash = tool("bash");
            bash.args(["-c", &script]);
            let tty = Tty::start(bash, 123, 45);
            tty.wait_closed(SOON);
            (tty.exit_code(SOON), String::from_utf8_lossy(&tty.raw()).into_owned())
        });
    }
}

/// A person's session: what she types, and what she waits for before that.
fn dialogue(way: &Way, steps: &[(&str, &str)]) -> (Option<i32>, String) {
    let tty = Tty::start(way.ssh.terminal(""), 90, 30);
    tty.wait_for("$ ", SOON);
    tty.line("PS1='> '; clear; set +o history");
    std::thread::sleep(Duration::from_millis(200));
    for (wait, keys) in steps {
        if !wait.is_empty() {
            tty.wait_screen(wait, SOON);
        }
        // Typed at a prompt that is there, not at one that is about to be.
        std::thread::sleep(Duration::from_millis(300));
        tty.send(keys);
    }
    tty.wait_closed(SOON);
    // The shell's process ids differ.
    let screen = tty
        .screen()
        .lines()
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.starts_with("Connection to"))
        .collect::<Vec<_>>()
        .join("\n");
    (tty.exit_code(SOON), screen)
}

#[test]
fn dialogues_look_the_same() {
    let ways = Ways::jumping();
    let job = ways.same("job control", |way| {
        dialogue(
            way,
            &[
                ("", "sleep 50; echo after=$?\r"),
                ("sleep 50", "\x1a"),
                ("Stopped", "fg\r"),
                ("", ""),
                ("fg\nsleep 50", "\x03"),
                ("", "echo back-$((1+1))\r"),
                ("back-2", "exit 21\r"),
            ],
        )
    });
    assert_eq!(job.0, Some(21), "{job:?}");
    ways.same("typing is echoed, passwords are not", |way| {
        dialogue(
            way,
            &[
                ("", "read -s -p 'secret: ' x; echo; echo ${#x}\r"),
                ("secret: ", "abcdef\r"),
                ("\n6", "echo \u{e4}\u{20ac}\r"),
                ("\n\u{e4}\u{20ac}", "\x04"),
            ],
        )
    });
    ways.same("an editor", |way| {
        dialogue(
            way,
            &[
                ("", "bind 'set enable-bracketed-paste off'; echo hello world\x01\x1bf\x0b\r"),
                ("", "tput cols; tput lines; printf '\\033[5;10Hthere'; sleep 0.2; clear; echo at the e''nd\r"),
                ("at the end", "exit\r"),
            ],
        )
    });
}

#[test]
fn a_resize_arrives_at_once() {
    let ways = Ways::start();
    ways.same("resizes", |way| {
        let remote =
            "trap 'stty size' WINCH; echo ready; while ! read -t 0.1 x; do :; done; exit 2";
        let tty = Tty::start(way.ssh.terminal(remote), 80, 24);
        tty.wait_for("ready", SOON);
        for (cols, rows) in [(81, 25), (200, 60), (2, 2), (250, 120), (80, 24)] {
            tty.mark();
            // OpenSSH misses a change that comes just before it waits.
            std::thread::sleep(Duration::from_millis(300));
            tty.resize(cols, rows);
            tty.wait_for(&format!("{rows} {cols}\r\n"), SOON);
        }
        tty.send("\r");
        tty.wait_closed(SOON);
        tty.exit_code(SOON)
    });
}
