//! The measurements: each takes one way to the target and answers one number.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sallyport_tests::harness::{Daemon, in_terminal};

use crate::subjects::Subject;

/// Connecting, authenticating and running `true`, in ms.
pub fn connect(subject: &Subject) -> f64 {
    let mut command = subject.ssh(false, "true");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let mut client = Daemon::spawn(command);
    // Not `Daemon::wait`, which looks every 5 ms.
    let status = client.child().wait().expect("a child can be waited for");
    assert!(
        status.success(),
        "{}: the client ended with {status}",
        subject.name
    );
    start.elapsed().as_secs_f64() * 1000.0
}

fn wait(subject: &Subject, client: &mut Daemon) {
    match client.wait(Duration::from_secs(120)) {
        Some(status) if status.success() => {}
        other => panic!("{}: the client ended with {other:?}", subject.name),
    }
}

/// From a key typed to its echo, in µs; `keys` of them.
pub fn echo(subject: &Subject, keys: usize) -> Vec<f64> {
    let (mut terminal, _client) = in_terminal(
        subject.ssh(true, "stty raw -echo; printf READY; exec cat"),
        80,
        24,
    );
    until(&mut terminal, b"READY");
    let mut times = Vec::with_capacity(keys);
    let mut seen = [0; 64];
    for n in 0..keys {
        let key = b'a' + (n % 26) as u8;
        std::thread::sleep(Duration::from_millis(3));
        let start = Instant::now();
        terminal
            .write_all(&[key])
            .expect("the terminal takes a key");
        loop {
            let count = terminal.read(&mut seen).expect("the terminal answers");
            if seen[..count].contains(&key) {
                break;
            }
        }
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times
}

/// Reads until a word has come.
pub fn until(terminal: &mut File, word: &[u8]) {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    while !all.windows(word.len()).any(|window| window == word) {
        let count = terminal
            .read(&mut chunk)
            .unwrap_or_else(|_| panic!("ended: {}", String::from_utf8_lossy(&all)));
        all.extend_from_slice(&chunk[..count]);
    }
}

/// How fast `remote` gives its output through this way, in MB/s: from the first byte to the last.
pub fn download(subject: &Subject, terminal: bool, remote: &str) -> f64 {
    let mut command = subject.ssh(terminal, remote);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut client = Daemon::spawn(command);
    let mut output = client.child().stdout.take().expect("a pipe");
    let mut chunk = vec![0; 256 * 1024];
    let first = output.read(&mut chunk).expect("output");
    let start = Instant::now();
    let mut bytes = 0;
    while let Ok(count @ 1..) = output.read(&mut chunk) {
        bytes += count;
    }
    let took = start.elapsed();
    wait(subject, &mut client);
    assert!(
        first > 0 && bytes > 1_000_000,
        "{}: only {bytes} bytes came",
        subject.name
    );
    bytes as f64 / 1e6 / took.as_secs_f64()
}

/// How fast the target takes `source`, `times` over, in MB/s.
pub fn upload(subject: &Subject, source: &[u8], times: usize) -> f64 {
    let mut command = subject.ssh(false, "echo go; cat >/dev/null; echo done");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = Daemon::spawn(command);
    let mut input = client.child().stdin.take().expect("a pipe");
    let mut output = client.child().stdout.take().expect("a pipe");
    let mut word = [0; 16];
    let _ = output.read(&mut word).expect("it says go");
    let start = Instant::now();
    for _ in 0..times {
        input.write_all(source).expect("it takes the input");
    }
    drop(input);
    let _ = output.read(&mut word).expect("it says done");
    let took = start.elapsed();
    wait(subject, &mut client);
    (source.len() * times) as f64 / 1e6 / took.as_secs_f64()
}

/// How fast a file of `bytes` comes or goes by sftp, in MB/s: the transfer alone.
pub fn sftp(subject: &Subject, verb: &str, from: &Path, to: &Path, bytes: u64) -> f64 {
    let (from, to) = (from.display(), to.display());
    let batch = format!("!date +%s%N\n{verb} {from} {to}\n!date +%s%N\n");
    let mut command = subject.sftp();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = Daemon::spawn(command);
    let mut input = client.child().stdin.take().expect("a pipe");
    input.write_all(batch.as_bytes()).expect("it takes orders");
    drop(input);
    let mut said = String::new();
    let mut output = client.child().stdout.take().expect("a pipe");
    output
        .read_to_string(&mut said)
        .expect("it says what it does");
    wait(subject, &mut client);
    let times: Vec<f64> = said.lines().filter_map(|line| line.parse().ok()).collect();
    let [begun, done] = times[..] else {
        panic!("{}: no times in {said:?}", subject.name);
    };
    bytes as f64 / 1e6 / ((done - begun) / 1e9)
}
