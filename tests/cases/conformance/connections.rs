//! The connection itself: options of the client, sharing, rekeying, keep-alives, long silence.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use sallyport_tests::harness::{Daemon, run, run_with_input, wait_until};

use super::super::{SOON, noise};
use super::{Content, PATIENCE, Seen, Way, Ways};

/// Runs a script with `SSH` as the client's command line and `OUT` as a folder on the target.
fn script(way: &Way, script: &str, input: &[u8]) -> Seen {
    let folder = way.folder();
    let script = script
        .replace("SSH", &way.ssh.command_line())
        .replace("OUT", &folder.path().display().to_string());
    Seen::of(run_with_input(
        super::shell(&script),
        input.to_vec(),
        2 * PATIENCE,
    ))
    .without(&folder, "OUT")
}

#[test]
fn options_of_the_client() {
    let ways = Ways::jumping();
    for (case, text) in [
        ("-n", "SSH -n 127.0.0.1 'cat; echo end'"),
        ("-T without a command", "SSH -T 127.0.0.1; echo $?"),
        (
            "-f",
            "SSH -f 127.0.0.1 'sleep 0.5; echo done >OUT/x' >/dev/null 2>&1; echo $?; sleep 2; cat OUT/x",
        ),
        ("-N", "timeout --foreground 1 SSH -N 127.0.0.1; echo $?"),
        (
            "-T -C",
            "head -c 2000000 /dev/zero | SSH -C -T 127.0.0.1 sha256sum",
        ),
        (
            "RemoteCommand",
            "SSH -o RemoteCommand='echo remote; exit 3' 127.0.0.1; echo $?",
        ),
        ("StdinNull", "SSH -o StdinNull=yes 127.0.0.1 'wc -c'"),
        ("input closed", "SSH 127.0.0.1 'wc -c; exit 4' <&-; echo $?"),
        (
            "everything closed",
            "SSH 127.0.0.1 'echo x; echo y >&2; exit 5' <&- >&- 2>&-; echo $?",
        ),
        (
            "error output closed",
            "SSH 127.0.0.1 'echo x; echo y >&2; exit 6' 2>&-; echo $?",
        ),
        (
            "in a loop that reads",
            "printf '1\\n2\\n3\\n' | while read n; do SSH -n 127.0.0.1 \"echo $n\"; done",
        ),
        (
            "in a loop that is eaten",
            "printf '1\\n2\\n3\\n' | while read n; do SSH 127.0.0.1 \"echo $n; cat\"; done",
        ),
        (
            "in a pipeline",
            "SSH 127.0.0.1 'head -c 3000000 /dev/zero' | SSH 127.0.0.1 sha256sum",
        ),
        (
            "in a substitution",
            "x=$(SSH 127.0.0.1 'printf \"a\\nb\\n\\n\"'); echo \"[$x]\"",
        ),
    ] {
        ways.same(case, |way| script(way, text, b"input\n"));
    }
}

#[test]
fn a_shared_connection_with_twenty_commands() {
    let ways = Ways::jumping();
    let twenty = ways.same("twenty at once", |way| {
        let mux = way.mux(&[]);
        let running: Vec<_> = (0..20u64)
            .map(|n| {
                let ssh = mux.ssh.clone().limit(PATIENCE);
                thread::spawn(move || {
                    let remote = format!("echo {n} >&2; sha256sum; sleep 0.{n:02}; exit {n}");
                    Seen::of(ssh.exec_with(&remote, noise(100_000 + n as usize, n)))
                })
            })
            .collect();
        running
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(
        twenty
            .iter()
            .enumerate()
            .all(|(n, seen)| seen.code == n as i32)
    );
    ways.same("a client of a shared connection is killed", |way| {
        let mux = way.mux(&[]);
        let mut client = Daemon::spawn(mux.ssh.command("cat /dev/zero"));
        thread::sleep(Duration::from_millis(500));
        client.signal(Signal::KILL);
        client.wait(SOON);
        Seen::of(mux.ssh.exec("echo the others go on; exit 4"))
    });
    ways.same("a master that is told to go", |way| {
        let mut mux = way.mux(&[]);
        let ssh = mux.ssh.clone();
        let last =
            thread::spawn(move || Seen::of(ssh.exec("echo begun; sleep 1; echo done; exit 3")));
        thread::sleep(Duration::from_millis(500));
        let mut stop = mux.ssh.program("ssh");
        stop.args(["-O", "stop", "127.0.0.1"]);
        let stop = Seen::of(run(stop, SOON)).code;
        let last = last.join().unwrap();
        (
            stop,
            last,
            mux.master.wait(SOON).map(|status| status.code()),
        )
    });
}

/// `size` bytes to the target and back again, with these options.
fn round_trip(way: &Way, options: &[&str], size: usize) -> (i32, Content) {
    let mut ssh = way.ssh.clone().limit(PATIENCE * 2);
    for option in options {
        ssh = ssh.option(option);
    }
    let done = ssh.exec_with("cat", noise(size, 7));
    (done.code, Content(done.out))
}

#[test]
fn new_keys_in_the_middle_of_transfers() {
    let ways = Ways::jumping();
    let (small, large) = (8 << 20, 200 << 20);
    for (case, options, size) in [
        ("every megabyte", &["RekeyLimit=1M"][..], small),
        ("every 64 megabytes", &["RekeyLimit=64M"], large),
        ("every second", &["RekeyLimit=default 1"], small),
        (
            "chacha20",
            &["RekeyLimit=2M", "Ciphers=chacha20-poly1305@openssh.com"],
            small,
        ),
        (
            "aes-gcm",
            &["RekeyLimit=2M", "Ciphers=aes256-gcm@openssh.com"],
            small,
        ),
    ] {
        let (code, content) = ways.same(case, |way| round_trip(way, options, size));
        assert!(
            code == 0 && content == Content(noise(size, 7)),
            "{case}: {content:?}"
        );
    }
    let target = sallyport_tests::harness::Target::with("RekeyLimit 1M\n");
    let ways = Ways::to(std::sync::Arc::new(target));
    ways.same("the target wants new keys every megabyte", |way| {
        round_trip(way, &[], small)
    });
}

#[test]
fn silence_with_keep_alives_both_ways() {
    // Eight hours at the usual 60 s are 480 questions each way; here they come every second.
    let quiet = if super::wide() { 480 } else { 20 };
    let target =
        sallyport_tests::harness::Target::with("ClientAliveInterval 1\nClientAliveCountMax 3\n");
    let ways = Ways::to(std::sync::Arc::new(target));
    ways.same("silence", |way| {
        let ssh = way
            .ssh
            .clone()
            .option("ServerAliveInterval=1")
            .option("ServerAliveCountMax=3")
            .limit(Duration::from_secs(quiet + 60));
        Seen::of(ssh.exec(&format!("echo before; sleep {quiet}; echo after; exit 5")))
    });
}

#[test]
fn a_connection_without_a_channel_stays() {
    let ways = Ways::start();
    ways.same("-N", |way| {
        let mut ssh = way
            .ssh
            .clone()
            .option("ServerAliveInterval=1")
            .program("ssh");
        ssh.args(["-N", "127.0.0.1"]);
        let mut client = Daemon::spawn(ssh);
        thread::sleep(Duration::from_secs(5));
        let stayed = client.alive();
        client.signal(Signal::INT);
        (stayed, client.wait(SOON).map(|status| status.code()))
    });
}

#[test]
fn a_program_in_the_background_ends_by_itself() {
    let ways = Ways::start();
    ways.same("-f", |way| {
        let folder = way.folder();
        let mark = folder.path().join("done");
        let remote = format!("sleep 1; echo here >{}", mark.display());
        let mut ssh = way.ssh.program("ssh");
        ssh.args(["-f", "127.0.0.1", &remote]);
        ssh.stdout(std::process::Stdio::null());
        let mut client = Daemon::spawn(ssh);
        let code = client.wait(SOON).and_then(|status| status.code());
        let early = mark.exists();
        wait_until("the program has ended", SOON, || mark.exists());
        (code, early, fs::read_to_string(&mark).unwrap())
    });
}
