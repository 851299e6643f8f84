//! Forwards: what programs see at both ends of `-L`, `-R`, `-D`, `-W`, sockets, the agent and X11.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use sallyport_tests::harness::{
    Tunnel, connect, echo, exchange, free_port, run, socks, tcp_service, unix_service, wait_until,
};

use super::super::forwards_back::{Agent, Display};
use super::super::{SOON, noise};
use super::{Content, PATIENCE, Seen, Way, Ways};

/// Speaks first, and is done: what hangs gateways that wait for the client.
fn herald() -> u16 {
    tcp_service(|mut socket: TcpStream| {
        let _ = socket.write_all(b"220 welcome\r\n");
    })
}

/// Answers only when its peer has said everything.
fn judge() -> u16 {
    tcp_service(|mut socket: TcpStream| {
        let mut heard = Vec::new();
        let _ = socket.read_to_end(&mut heard);
        thread::sleep(Duration::from_millis(200));
        let _ = socket.write_all(format!("{} bytes\n", heard.len()).as_bytes());
        let _ = socket.write_all(&noise(300_000, 3));
    })
}

/// Says what it has to say, ends its direction, and listens on.
fn listener() -> u16 {
    tcp_service(|mut socket: TcpStream| {
        let _ = socket.write_all(&noise(200_000, 4));
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let _ = std::io::copy(&mut socket, &mut std::io::sink());
    })
}

/// `ssh -W`: one forward on the client's own streams.
fn netcat(way: &Way, to: &str, input: Vec<u8>) -> Seen {
    let mut ssh = way.ssh.program("ssh");
    ssh.args(["-W", to, "127.0.0.1"]);
    Seen::of(sallyport_tests::harness::run_with_input(
        ssh, input, PATIENCE,
    ))
}

#[test]
fn one_forward_on_standard_streams() {
    let ways = Ways::start();
    let local = |port: u16| format!("127.0.0.1:{port}");
    let (herald, judge, listener, echoes) = (
        local(herald()),
        local(judge()),
        local(listener()),
        local(tcp_service(echo)),
    );
    let nobody = local(free_port());
    for (case, to, input) in [
        ("a server that speaks first", &herald, Vec::new()),
        ("a server that waits for the end", &judge, noise(500_000, 1)),
        ("a server that ends first", &listener, noise(500_000, 2)),
        ("an echo", &echoes, noise(3_000_000, 3)),
        ("an echo of nothing", &echoes, Vec::new()),
        ("nobody there", &nobody, Vec::new()),
        (
            "a name that does not resolve",
            &"no-such-name.invalid:80".to_owned(),
            Vec::new(),
        ),
    ] {
        ways.same(&format!("-W: {case}"), |way| netcat(way, to, input.clone()));
    }
    for n in 0..10 {
        ways.same(&format!("-W: a fresh connection, {n}"), |way| {
            netcat(way, &herald, Vec::new())
        });
    }
}

#[test]
fn ports_sockets_and_socks() {
    let ways = Ways::start();
    let (herald, judge, echoes) = (herald(), judge(), tcp_service(echo));
    let _ = ways.same("-L", |way| {
        let (one, two, none) = (free_port(), free_port(), free_port());
        let to = |here: u16, there: u16| format!("{here}:127.0.0.1:{there}");
        let tunnel = Tunnel::listening(
            &way.ssh,
            &[
                "-L",
                &to(one, herald),
                "-L",
                &to(two, judge),
                "-L",
                &to(none, free_port()),
            ],
            none,
        );
        let heard: Vec<_> = (0..20)
            .map(|_| exchange(connect(one), b"").ok().map(Content))
            .collect();
        let judged = exchange(connect(two), &noise(400_000, 5)).ok().map(Content);
        let refused = exchange(connect(none), b"")
            .map(Content)
            .map_err(|error| error.kind());
        let many: Vec<_> = (0..30)
            .map(|n| {
                thread::spawn(move || {
                    exchange(connect(two), &noise(10_000 + n, 6))
                        .ok()
                        .map(Content)
                })
            })
            .collect::<Vec<_>>()
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect();
        let said = tunnel.said();
        let said: Vec<_> = said
            .lines()
            .filter(|line| !line.contains("Permanently added"))
            // Which number a channel has is chance.
            .map(|line| line.replace(|c: char| c.is_ascii_digit(), ""))
            .collect();
        (heard, judged, refused, many, said)
    });
    let _ = ways.same("-R", |way| {
        let (port, none) = (free_port(), free_port());
        let (to, nowhere) = (
            format!("{port}:127.0.0.1:{echoes}"),
            format!("{none}:127.0.0.1:{}", free_port()),
        );
        let _tunnel = Tunnel::listening(&way.ssh, &["-R", &to, "-R", &nowhere], none);
        let back = exchange(connect(port), &noise(2_000_000, 7))
            .ok()
            .map(Content);
        let refused = exchange(connect(none), b"")
            .map(Content)
            .map_err(|error| error.kind());
        (back, refused)
    });
    ways.same("-R on a port that the account may not have", |way| {
        let mut ssh = way
            .ssh
            .clone()
            .option("ExitOnForwardFailure=yes")
            .program("ssh");
        ssh.args(["-N", "-R", "1:127.0.0.1:1", "127.0.0.1"]);
        Seen::of(run(ssh, PATIENCE))
    });
    ways.same("-D", |way| {
        let port = free_port();
        let _tunnel = Tunnel::listening(&way.ssh, &["-D", &port.to_string()], port);
        let through =
            |host: &str, to: u16| socks(port, host, to).and_then(|wire| exchange(wire, b"x"));
        let heard: Vec<_> = (0..5)
            .map(|_| through("localhost", herald).ok().map(Content))
            .collect();
        (
            heard,
            through("127.0.0.1", free_port()).is_err(),
            through("no-such.invalid", 80).is_err(),
        )
    });
    ways.same("sockets", |way| {
        let (here, there) = (way.local(), way.folder());
        let (far, near) = (there.path().join("far"), here.path().join("near"));
        unix_service(&far, echo);
        let mut chmod = sallyport_tests::harness::tool("chmod");
        chmod.arg("777").arg(&far);
        run(chmod, SOON).ok();
        let back = there.path().join("back");
        let (local, remote) = (
            format!("{}:{}", near.display(), far.display()),
            format!("{}:127.0.0.1:{echoes}", back.display()),
        );
        let _tunnel = Tunnel::start(&way.ssh, &["-L", &local, "-R", &remote]);
        wait_until("the sockets are there", SOON, || {
            near.exists() && back.exists()
        });
        let through = |path: &std::path::Path| {
            let wire = std::os::unix::net::UnixStream::connect(path).unwrap();
            exchange(wire, &noise(700_000, 8)).ok().map(Content)
        };
        (through(&near), through(&back))
    });
}

#[test]
fn the_agent() {
    let ways = Ways::start();
    let agent = Agent::start();
    for at_once in [1, 3, 30] {
        let script = format!(
            "for i in $(seq {at_once}); do ssh-add -l & done; wait; test -S \"$SSH_AUTH_SOCK\""
        );
        ways.same(&format!("{at_once} uses of the agent"), |way| {
            Seen::of(
                agent
                    .forwarded(way.ssh.clone())
                    .limit(PATIENCE)
                    .exec(&script),
            )
        });
    }
    ways.same("a fresh connection each time", |way| {
        let ssh = agent.forwarded(way.ssh.clone());
        (0..5)
            .map(|_| Seen::of(ssh.exec("ssh-add -l")))
            .collect::<Vec<_>>()
    });
    // From the target on to another account with the key of the agent: the key is not known there.
    ways.same("a key that the next host does not know", |way| {
        let remote = format!(
            "ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes -p {} {}@127.0.0.1 true; echo $?",
            way.target.port(),
            sallyport_tests::harness::ACCOUNT
        );
        Seen::of(agent.forwarded(way.ssh.clone()).exec(&remote))
    });
}

#[test]
fn x11() {
    let ways = Ways::start();
    let display = Display::start();
    // One after the other: both ways lead to one account, whose xauth file has one writer at a time.
    let turn = Mutex::new(());
    for option in ["-X", "-Y"] {
        ways.same(&format!("xdpyinfo {option}"), |way| {
            let _turn = turn.lock().unwrap();
            let remote =
                "xdpyinfo | grep -E 'version|dimensions|number of screens'; echo ${DISPLAY%%:*}";
            Seen::of(run(display.command(&way.ssh, &[option], remote), PATIENCE))
        });
    }
    ways.same("no display here", |way| {
        let mut ssh = way.ssh.program("ssh");
        ssh.args(["-Y", "127.0.0.1", "echo \"[$DISPLAY]\""]);
        Seen::of(run(ssh, PATIENCE))
    });
}
