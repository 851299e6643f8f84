//! Commands: exit statuses, signals, the three streams, their ends, sizes and odd bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::thread;
use std::time::Duration;

use sallyport_tests::harness::{run, run_with_input};

use super::super::noise;
use super::{PATIENCE, Seen, Way, Ways};

/// What a command gets on its standard input.
#[derive(Clone, Copy)]
enum Input {
    Nothing,
    Text(&'static str),
    Noise(usize),
    /// One line of that many bytes.
    Line(usize),
}

impl Input {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Noise(size) => noise(size, 41),
            Self::Line(size) => vec![b'x'; size],
        }
    }
}

use Input::{Line, Noise, Nothing, Text};

/// Remote commands and their input.
const COMMANDS: &[(&str, Input)] = &[
    ("true", Nothing),
    ("/no/such/program", Nothing),
    ("exec /dev/null", Nothing),
    (
        "echo out; echo err >&2; printf more; printf worse >&2; exit 3",
        Nothing,
    ),
    ("echo only an error >&2", Nothing),
    ("printf 'no newline at the end'", Nothing),
    // Streams that end before the program, and the other way round.
    ("exec >&-; sleep 0.3; echo late >&2; exit 4", Nothing),
    ("exec 2>&-; sleep 0.2; echo late; exit 4", Nothing),
    ("exec >&- 2>&-; sleep 0.4; exit 5", Nothing),
    ("exec <&- >&- 2>&-; sleep 0.3; exit 6", Noise(300_000)),
    ("(sleep 0.4; echo late; echo later >&2) & exit 7", Nothing),
    (
        "sleep 30 </dev/null >/dev/null 2>&1 & echo left; exit 8",
        Nothing,
    ),
    (
        "(exec >&-; sleep 0.3; echo on stderr >&2) & exit 9",
        Nothing,
    ),
    // Input: none, empty, not read, read in part, read to its end.
    ("cat; echo end", Nothing),
    ("cat", Text("a")),
    ("cat -A", Text("no newline")),
    ("wc -c", Noise(1)),
    ("wc -c", Noise(32_767)),
    ("wc -c", Noise(32_768)),
    ("wc -c", Noise(32_769)),
    ("wc -c", Noise(2_097_152)),
    ("wc -c", Noise(2_097_153)),
    ("sort; echo end", Text("b\na\nc\n")),
    ("exit 11", Noise(3_000_000)),
    (
        "head -c 10 | od -An -tx1; exec <&-; sleep 0.3; echo end",
        Noise(3_000_000),
    ),
    (
        "exec <&-; sleep 0.2; echo closed; exit 12",
        Noise(1_000_000),
    ),
    ("sleep 0.5; wc -c", Noise(4_000_000)),
    ("tee >(sha256sum >&2) | sha256sum", Noise(1_000_003)),
    // What a terminal, a proxy or a text protocol would change.
    (
        "cat",
        Text("\n~.\n~?\n\r\n~~\n\u{18}\u{3}\u{4}\u{1a}\u{11}\u{13}\0\u{ff}"),
    ),
    (
        "printf '\\377\\376\\0\\1\\2\\r\\n\\x1b[31m'; printf '\\377\\0\\200' >&2",
        Nothing,
    ),
    ("sha256sum", Line(8_000_000)),
    ("head -c 6000000 /dev/zero | tr '\\0' y", Nothing),
    (
        "for i in 1 2 3 4 5 6 7 8; do echo $i; echo e$i >&2; done",
        Nothing,
    ),
    (
        "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 13",
        Nothing,
    ),
    // Signals end it, with what it said before.
    ("echo before; kill -TERM $$; sleep 5", Nothing),
    ("echo before; kill -KILL $$; sleep 5", Nothing),
    ("kill -SEGV $$; sleep 5", Nothing),
    ("kill -HUP $$; sleep 5", Nothing),
    ("kill -USR1 $$; sleep 5", Nothing),
    ("kill -VTALRM $$; sleep 5", Nothing),
    // Where it runs.
    (
        "pwd; id -un; echo $0; shopt -q login_shell || echo no login shell",
        Nothing,
    ),
    (
        "tty; echo \"term=$TERM\"; test -t 0 || echo no terminal",
        Nothing,
    ),
    (
        "env | grep -c '^SSH_C'; echo $PATH; umask; ulimit -n",
        Nothing,
    ),
    (
        "ps -o stat= -p $$ | tr -d 's<+'; ls /proc/self/fd | wc -l",
        Nothing,
    ),
    // Words the shells on both sides see.
    (
        "echo 'a  b' \"c\td\" $((1+1)) `echo x` \\$HOME; # a comment",
        Nothing,
    ),
    ("echo line1\necho line2\nexit 14\n", Nothing),
    ("  echo spaces  ", Nothing),
    ("-n", Nothing),
    ("", Text("echo from a shell; exit 15\n")),
    ("head -c 50000 /dev/zero | tr '\\0' z; kill -9 $$", Nothing),
];

fn execute(way: &Way, command: &[u8], input: Vec<u8>) -> Seen {
    let mut ssh = way.ssh.program("ssh");
    ssh.args(["-T", "127.0.0.1"]);
    if !command.is_empty() {
        ssh.arg(OsStr::from_bytes(command));
    }
    Seen::of(run_with_input(ssh, input, PATIENCE))
}

#[test]
fn commands_end_and_say_the_same() {
    let ways = Ways::jumping();
    for (command, input) in COMMANDS {
        ways.same(command, |way| {
            execute(way, command.as_bytes(), input.bytes())
        });
    }
}

#[test]
fn every_exit_status_on_a_shared_connection() {
    let ways = Ways::jumping();
    ways.same_as("exit 0 to 255", (0..256).collect::<Vec<i32>>(), |way| {
        let mux = way.mux(&[]);
        let quarter = |first: i32| {
            let ssh = mux.ssh.clone();
            thread::spawn(move || {
                (first..first + 64)
                    .map(|code| ssh.exec(&format!("exit {code}")).code)
                    .collect::<Vec<_>>()
            })
        };
        let running: Vec<_> = [0, 64, 128, 192].map(quarter).into();
        running
            .into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect()
    });
}

#[test]
fn odd_and_long_commands() {
    let ways = Ways::jumping();
    let every: Vec<u8> = (1..=255).filter(|byte| *byte != b'\'').collect();
    let mut odd = b"printf %s '".to_vec();
    odd.extend(&every);
    odd.extend(b"' | od -An -tx1");
    let direct = ways.same("every byte in a command", |way| {
        execute(way, &odd, Vec::new())
    });
    assert!(
        direct.out.windows(6).any(|hex| hex == b" fe ff"),
        "{direct:?}"
    );
    for size in [4_096, 32_768, 65_536, 120_000] {
        let mut long = b"echo ${#x} x".to_vec();
        long.resize(size, b'x');
        ways.same(&format!("a command of {size} bytes"), |way| {
            execute(way, &long, Vec::new())
        });
    }
}

#[test]
fn the_environment() {
    let ways = Ways::start();
    let show = "env | grep -E '^(TEST|LC|LANG|OTHER|PATH_)' | sort | grep -v '^LC_ALL'";
    let many = (0..120)
        .map(|n| format!("TEST_{n}=value-{n}"))
        .collect::<Vec<_>>()
        .join(" ");
    let long = format!("TEST_LONG={}", "v".repeat(20_000));
    for (case, set) in [
        (
            "accepted and refused",
            "TEST_A=1 OTHER=2 LANG=C.UTF-8 LC_TIME=C",
        ),
        (
            "odd values",
            "TEST_EMPTY= \"TEST_SPACE=a  b\" TEST_EQ=a=b=c TEST_UTF8=\u{e4}\u{20ac}\u{1f980}",
        ),
        ("many", many.as_str()),
        ("long", long.as_str()),
        (
            "a refused name that matters",
            "LD_PRELOAD=/nothing PATH=/nothing HOME=/nothing",
        ),
    ] {
        let direct = ways.same(&format!("environment: {case}"), |way| {
            let ssh = way.ssh.clone().option(&format!("SetEnv={set}"));
            Seen::of(ssh.exec(show))
        });
        assert!(
            case.starts_with("a refused") || !direct.out.is_empty(),
            "{direct:?}"
        );
    }
}

#[test]
fn what_the_target_refuses() {
    let target = std::sync::Arc::new(sallyport_tests::harness::Target::with("PermitTTY no\n"));
    let ways = Ways::to(target);
    ways.same("an unknown subsystem", |way| {
        let mut ssh = way.ssh.program("ssh");
        ssh.args(["-s", "127.0.0.1", "nosuchsystem"]);
        Seen::of(run(ssh, PATIENCE))
    });
    ways.same("a terminal", |way| {
        Seen::of(run(way.ssh.terminal("tty; exit 3"), PATIENCE))
    });
    ways.same("forwards to nobody", |way| {
        let mut ssh = way.ssh.program("ssh");
        ssh.args(["-T", "127.0.0.1", "echo ok"]);
        Seen::of(run(ssh, PATIENCE))
    });
}

#[test]
fn a_forced_command_stays_forced() {
    let target = sallyport_tests::harness::Target::with(
        "ForceCommand echo \"forced, instead of: $SSH_ORIGINAL_COMMAND\"; cat; exit 33\n",
    );
    let ways = Ways::to(std::sync::Arc::new(target));
    for command in ["ls -l 'a b'", "", "exit 1"] {
        ways.same(&format!("forced instead of {command:?}"), |way| {
            execute(way, command.as_bytes(), b"input\n".to_vec())
        });
    }
    ways.same("forced instead of sftp", |way| {
        let mut ssh = way.ssh.program("ssh");
        ssh.args(["-s", "127.0.0.1", "sftp"]);
        Seen::of(run_with_input(ssh, b"x".to_vec(), PATIENCE))
    });
}

#[test]
fn clients_that_leave_early() {
    let ways = Ways::jumping();
    let gone = |way: &Way, script: &str, remote: &str| {
        let folder = way.folder();
        let mark = folder.path().join("pid");
        let remote = remote.replace("MARK", &mark.display().to_string());
        let words = way.ssh.command_line();
        let script = script
            .replace("SSH", &format!("{words} 127.0.0.1"))
            .replace("REMOTE", &format!("'{remote}'"))
            .replace("RUNS", "until [ -s MARK ]; do sleep 0.1; done; sleep 0.5")
            .replace("MARK", &mark.display().to_string());
        let seen = Seen::of(run(super::shell(&script), 2 * PATIENCE));
        let pid = std::fs::read_to_string(&mark).unwrap_or_default();
        let path = format!("/proc/{}", pid.trim());
        // The program on the target goes as well, when its output or its connection does.
        let start = std::time::Instant::now();
        while std::path::Path::new(&path).exists() && start.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(20));
        }
        (seen, pid.is_empty(), std::path::Path::new(&path).exists())
    };
    let flood = "echo $$ >MARK; exec cat /dev/zero";
    for (case, script, remote) in [
        (
            "reader closes its pipe",
            "SSH REMOTE | head -c 100000 | wc -c; echo ${PIPESTATUS[0]}",
            flood,
        ),
        (
            "reader closes its pipe, program writes seldom",
            "SSH REMOTE | grep -m1 -o mark; echo ${PIPESTATUS[0]}",
            "echo $$ >MARK; echo a mark; while sleep 0.3; do echo more; done",
        ),
        (
            "client is terminated",
            "SSH REMOTE >/dev/null & RUNS; kill $!; wait $!",
            flood,
        ),
        (
            "client is killed",
            "SSH REMOTE >/dev/null & RUNS; kill -9 $!; wait $! 2>/dev/null",
            flood,
        ),
        (
            "client is killed while it sends",
            "SSH REMOTE </dev/zero & RUNS; kill -9 $!; wait $! 2>/dev/null",
            "echo $$ >MARK; exec cat >/dev/null",
        ),
        (
            "output closed at once",
            "SSH REMOTE >&-",
            "echo $$ >MARK; echo lost; exit 6",
        ),
    ] {
        let (_, unmarked, alive) = ways.same(case, |way| gone(way, script, remote));
        assert!(!unmarked && !alive, "{case}");
    }
}
