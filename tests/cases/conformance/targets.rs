//! Targets that are not OpenSSH: Dropbear, and a server that does what is allowed and rare.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use sallyport_tests::harness::{
    ACCOUNT, ACCOUNT_PASSWORD, Daemon, Gateway, HostSpec, Ssh, Target, free_port, run, tool,
    wait_until,
};

use super::super::{SOON, noise};
use super::{Content, PATIENCE, Seen, Way, Ways};

/// Waits until a server listens.
fn listening(command: std::process::Command, port: u16) -> Daemon {
    let daemon = Daemon::spawn(command);
    wait_until("the target listens", SOON, || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    daemon
}

/// Dropbear, which takes the account's password.
fn dropbear() -> (Daemon, tempfile::TempDir, Ways) {
    let folder = tempfile::TempDir::with_prefix("sp-dropbear-").unwrap();
    let (key, port) = (folder.path().join("key"), free_port());
    let mut keygen = tool("dropbearkey");
    keygen.args(["-t", "ed25519", "-f"]).arg(&key);
    run(keygen, PATIENCE).ok();
    let mut server = tool("/usr/sbin/dropbear");
    server
        .args(["-F", "-E", "-p", &format!("127.0.0.1:{port}"), "-P"])
        .arg(folder.path().join("pid"))
        .arg("-r")
        .arg(&key)
        .stderr(fs::File::create(folder.path().join("log")).unwrap());
    let daemon = listening(server, port);
    let target = Target::shared();
    let gateway = Gateway::around(target.clone())
        .host(HostSpec::new("other", port))
        .start();
    let askpass = target.dir().join("askpass");
    fs::copy(gateway.dir().join("askpass"), askpass).unwrap();
    let direct = Ssh::direct(&target)
        .at(port)
        .with_password(ACCOUNT, ACCOUNT_PASSWORD);
    let through = gateway.ssh("alice+other");
    (
        daemon,
        folder,
        Ways::between(direct, gateway, through, target),
    )
}

#[test]
fn dropbear_as_target() {
    let (_daemon, _folder, ways) = dropbear();
    for (remote, input) in [
        ("echo out; echo err >&2; exit 7", Vec::new()),
        ("cat; exit 8", noise(2_000_000, 1)),
        ("kill -TERM $$; sleep 3", Vec::new()),
        ("exec >&-; sleep 0.3; echo late >&2; exit 4", Vec::new()),
        ("sleep 0.3; wc -c", noise(3_000_000, 2)),
        ("head -c 3000000 /dev/zero | tr '\\0' y; exit 5", Vec::new()),
        ("exit 6", noise(1_000_000, 3)),
    ] {
        ways.same(remote, |way| {
            Seen::of(way.ssh.exec_with(remote, input.clone()))
        });
    }
    ways.same("a terminal", |way| {
        Seen::of(run(way.ssh.terminal("stty size | wc -w; exit 3"), PATIENCE))
    });
    ways.same("an unknown subsystem", |way| {
        let mut ssh = way.ssh.program("ssh");
        ssh.args(["-s", "127.0.0.1", "nosuchsystem"]);
        Seen::of(run(ssh, PATIENCE))
    });
    ways.same("scp by its old protocol", |way| {
        let folder = way.local();
        let there = way.target.folder_of(ACCOUNT);
        let (up, down) = (folder.path().join("up"), folder.path().join("down"));
        fs::write(&up, noise(2_000_000, 6)).unwrap();
        let far = format!("127.0.0.1:{}/x", there.path().display());
        let text = |path: &Path| path.display().to_string();
        let sent = way.ssh.scp(&["-O", "-q", &text(&up), &far]).code;
        let got = way.ssh.scp(&["-O", "-q", &far, &text(&down)]).code;
        (sent, got, fs::read(&down).ok().map(Content))
    });
}

#[test]
fn a_server_that_does_what_is_rare() {
    let target = Target::shared();
    let folder = tempfile::TempDir::with_prefix("sp-odd-").unwrap();
    let authorized = folder.path().join("authorized");
    fs::copy(target.dir().join("account_ed25519.pub"), &authorized).unwrap();
    let port = free_port();
    let mut server = tool("/usr/bin/python3");
    server
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/conformance/probes/odd_server.py"))
        .arg(port.to_string())
        .arg(target.dir().join("host_ed25519"))
        .arg(&authorized)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let _daemon = listening(server, port);
    let gateway = Gateway::around(target.clone())
        .host(HostSpec::new("odd", port).activities(&["everything"]))
        .start();
    let (direct, through) = (Ssh::direct(&target).at(port), gateway.ssh("alice+odd"));
    let ways = Ways::between(direct, gateway, through, Arc::clone(&target));
    for command in [
        "refused",
        "status-first",
        "eof-first",
        "no-status",
        "eof-no-status",
        "killed",
        "huge-status",
        "silent",
        "only-stderr",
    ] {
        ways.same(command, |way: &Way| {
            Seen::of(way.ssh.exec_with(command, noise(20_000, 1)))
        });
    }
    ways.same("a shell", |way| {
        let mut ssh = way.ssh.program("ssh");
        ssh.args(["-T", "127.0.0.1"]);
        Seen::of(run(ssh, PATIENCE))
    });
    // How a target's end of the connection is told is the gateway's own; that it ends is not.
    for command in ["disconnects", "aborts"] {
        ways.same(command, |way| {
            let seen = Seen::of(way.ssh.exec(command));
            (seen.code, seen.timed_out, Content(seen.out))
        });
    }
}
