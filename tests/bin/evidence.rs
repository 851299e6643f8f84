//! What the tape holds: after a `kill -9`, and per byte of output.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use sallyport_tests::harness::{Daemon, Gateway, recorded_output, tapes, wait_until};

use crate::subjects::Subject;

/// Kills the gateway under a flood, in a terminal or not; answers how many bytes the client saw that the
/// recording lacks. The gateway runs again afterwards.
pub fn missing_after_kill(
    gateway: &Gateway,
    subject: &Subject,
    terminal: bool,
    after: Duration,
) -> f64 {
    let seen = gateway.dir().join("seen");
    // Without a terminal, no more than is recorded in full.
    let flood = match terminal {
        true => "stty -onlcr; seq 1 100000000",
        false => "for i in $(seq 1 300); do seq $i 1 $((i+2000)); sleep 0.005; done; sleep 60",
    };
    let mut client = subject.ssh(terminal, flood);
    client
        .stdin(Stdio::null())
        .stdout(fs::File::create(&seen).expect("a file"))
        .stderr(Stdio::null());
    let mut client = Daemon::spawn(client);
    wait_until("output comes", Duration::from_secs(20), || {
        fs::metadata(&seen).is_ok_and(|file| file.len() > 0)
    });
    std::thread::sleep(after);
    gateway.kill();
    client
        .wait(Duration::from_secs(20))
        .expect("the client notices");
    let seen = fs::read(&seen).expect("what the client saw");
    let tape = tapes(gateway.data()).pop().expect("a tape");
    let held = recorded_output(&tape);
    let alike = seen.iter().zip(&held).take_while(|(a, b)| a == b).count();
    gateway.launch();
    (seen.len() - alike) as f64
}

/// Bytes of the newest tape per byte of output on it.
pub fn tape_ratio(gateway: &Gateway) -> Option<f64> {
    let tape = tapes(gateway.data()).pop()?;
    let output = recorded_output(&tape).len();
    Some(fs::metadata(&tape).ok()?.len() as f64 / output as f64)
}
