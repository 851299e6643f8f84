//! What comes back from the target: `-R`, the SSH agent, X11; and what a target may not open.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId};
use sallyport_tests::harness::{
    Daemon, Gateway, HostSpec, Ssh, Target, Tty, Tunnel, connect, echo, exchange, free_port,
    listens, run, tcp_service, tool, unix_service, wait_until,
};
use serde_json::json;
use tempfile::TempDir;

use super::forwards::{detail, wait_events};
use super::{SOON, events, noise, text};

#[test]
fn a_port_of_the_target_leads_back_to_the_client() {
    let gateway = Gateway::start();
    let service = tcp_service(|mut socket| {
        let _ = socket.write_all(b"hello ");
        echo(socket);
    });
    let back = free_port();
    let forward = format!("{back}:127.0.0.1:{service}");
    let tunnel = Tunnel::listening(&gateway.ssh("alice+reach"), &["-R", &forward], back);
    let data = noise(2_000_000, 11);
    for _ in 0..10 {
        let said = exchange(connect(back), &data).unwrap();
        assert!(said.starts_with(b"hello ") && said[6..] == data);
    }
    let admin = gateway.api("bob");
    let listening = &wait_events(&gateway, &admin, "reach", "forward.listening", 1)[0];
    assert_eq!(*detail(listening, "at"), format!("localhost:{back}"));
    assert_eq!(*detail(listening, "accepted"), true);
    for closed in wait_events(&gateway, &admin, "reach", "forward.closed", 10) {
        assert_eq!(detail(&closed, "forward"), "remote");
        assert_eq!(*detail(&closed, "bytes_in"), data.len() + 6);
        assert_eq!(*detail(&closed, "bytes_out"), data.len());
    }
    drop(tunnel);
    wait_until("the target listens no more", SOON, || !listens(back));
}

#[test]
fn the_target_chooses_a_port_and_tells_it() {
    let gateway = Gateway::start();
    let service = tcp_service(echo);
    let forwards = [
        format!("0:127.0.0.1:{service}"),
        format!("0:localhost:{service}"),
    ];
    let args = ["-R", forwards[0].as_str(), "-R", forwards[1].as_str()];
    let tunnel = Tunnel::start(&gateway.ssh("alice+reach"), &args);
    let ports = || -> Vec<u16> {
        let said = tunnel.said();
        let lines = said
            .lines()
            .filter_map(|line| line.strip_prefix("Allocated port "));
        lines
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect()
    };
    wait_until("both ports are told", SOON, || ports().len() == 2);
    for port in ports() {
        assert_eq!(exchange(connect(port), b"chosen").unwrap(), b"chosen");
    }
}

#[test]
fn a_forward_is_made_and_cancelled_in_a_running_connection() {
    let gateway = Gateway::start();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("master");
    let master = socket.to_str().unwrap();
    let ssh = gateway.ssh("alice+reach");
    let _master = Tunnel::start(&ssh, &["-M", "-S", master]);
    wait_until("the master runs", SOON, || socket.exists());
    let order = |order: &str, args: &[&str]| {
        let mut command = ssh.program("ssh");
        command
            .args(["-S", master, "-O", order])
            .args(args)
            .arg("127.0.0.1");
        run(command, SOON)
    };
    let (service, local, back) = (tcp_service(echo), free_port(), free_port());
    let forth = format!("{local}:127.0.0.1:{service}");
    let backwards = format!("{back}:127.0.0.1:{service}");
    for round in 0..3 {
        order("forward", &["-L", &forth]).ok();
        order("forward", &["-R", &backwards]).ok();
        for port in [local, back] {
            assert_eq!(
                exchange(connect(port), b"here").unwrap(),
                b"here",
                "{round}"
            );
        }
        order("cancel", &["-R", &backwards]).ok();
        order("cancel", &["-L", &forth]).ok();
        wait_until("nobody listens", SOON, || !listens(local) && !listens(back));
    }
    let admin = gateway.api("bob");
    wait_events(&gateway, &admin, "reach", "forward.cancelled", 3);
    // A port that is taken is the target's to refuse; the client hears it.
    let taken = format!("127.0.0.1:{service}:127.0.0.1:{service}");
    order("forward", &["-R", &taken]).failed();
    let listening = wait_events(&gateway, &admin, "reach", "forward.listening", 4);
    assert_eq!(*detail(&listening[3], "accepted"), false);
}

#[test]
fn a_socket_of_the_target_leads_back() {
    let gateway = Gateway::start();
    let there = gateway.target().folder();
    let here = tempfile::tempdir().unwrap();
    let service = here.path().join("service.sock");
    unix_service(&service, echo);
    let back = there.path().join("back.sock");
    let forward = format!("{}:{}", back.display(), service.display());
    let _tunnel = Tunnel::start(&gateway.ssh("alice+reach"), &["-R", &forward]);
    wait_until("the target listens", SOON, || back.exists());
    let data = noise(500_000, 12);
    let socket = UnixStream::connect(&back).unwrap();
    assert!(exchange(socket, &data).unwrap() == data);
    let admin = gateway.api("bob");
    let closed = &wait_events(&gateway, &admin, "reach", "forward.closed", 1)[0];
    assert_eq!(*detail(closed, "to"), back.display().to_string());
}

#[test]
fn what_may_not_listen_is_refused_and_a_terminal_says_why() {
    let gateway = Gateway::start();
    let service = tcp_service(echo);
    let (inside, outside) = (free_port(), 40_000 + free_port() % 1000);
    let ssh = gateway.ssh("alice+narrow");
    let forward = format!("{inside}:127.0.0.1:{service}");
    let tunnel = Tunnel::listening(&ssh, &["-R", &forward], inside);
    drop(tunnel);
    let admin = gateway.api("bob");
    for place in [format!("{outside}"), format!("*:{inside}"), "0".to_owned()] {
        let forward = format!("{place}:127.0.0.1:{service}");
        let mut tunnel = Tunnel::start(&ssh, &["-R", &forward]);
        let ended = tunnel.process().wait(SOON).expect("ssh gives up");
        assert_eq!(ended.code(), Some(255), "{}", tunnel.said());
        let said = tunnel.said();
        assert!(said.contains("remote port forwarding failed"), "{said}");
        let refused = &wait_events(&gateway, &admin, "narrow", "forward.refused", 1)[0];
        assert_eq!(detail(refused, "code"), "listen_not_allowed");
        assert!(!listens(outside));
    }
    let tty = Tty::start(
        with_args(&ssh, &["-tt", "-R", &format!("{outside}:127.0.0.1:1")]),
        80,
        24,
    );
    tty.wait_screen("does not let the target listen at", SOON);
    tty.wait_for("$ ", SOON);
}

/// `ssh ARGS HOST`.
fn with_args(ssh: &Ssh, args: &[&str]) -> std::process::Command {
    let mut command = ssh.program("ssh");
    command.args(args).arg("127.0.0.1");
    command
}

/// An SSH agent with one key.
pub(super) struct Agent {
    dir: TempDir,
    _agent: Daemon,
}

impl Agent {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let mut agent = tool("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket);
        agent.stdout(Stdio::null());
        let agent = Daemon::spawn(agent);
        wait_until("the agent runs", SOON, || socket.exists());
        let key = dir.path().join("key");
        let mut keygen = tool("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "in-the-agent", "-f"]);
        run(
            {
                keygen.arg(&key);
                keygen
            },
            SOON,
        )
        .ok();
        let mut add = tool("ssh-add");
        add.arg(&key).env("SSH_AUTH_SOCK", &socket);
        run(add, SOON).ok();
        Self { dir, _agent: agent }
    }

    pub(super) fn forwarded(&self, ssh: Ssh) -> Ssh {
        let socket = self.dir.path().join("agent");
        ssh.option(&format!("IdentityAgent={}", socket.display()))
            .option("ForwardAgent=yes")
    }
}

#[test]
fn the_agent_is_used_on_the_target_also_by_thirty_at_once() {
    let gateway = Gateway::start();
    let agent = Agent::start();
    let ssh = agent.forwarded(gateway.ssh("alice+reach"));
    let listed = ssh.exec("ssh-add -l").ok().text();
    assert!(listed.contains("in-the-agent"), "{listed}");
    // It signs there, and the signature is good here.
    let signed = ssh
        .exec("cd $(mktemp -d); ssh-add -L >k.pub; printf data >d; ssh-keygen -q -Y sign -n probe -f k.pub d; cat d.sig")
        .ok();
    let signature = agent.dir.path().join("d.sig");
    fs::write(&signature, &signed.out).unwrap();
    let mut verify = tool("ssh-keygen");
    verify
        .args(["-Y", "check-novalidate", "-n", "probe", "-s"])
        .arg(&signature);
    sallyport_tests::harness::run_with_input(verify, b"data".to_vec(), SOON).ok();
    for at_once in [3, 30, 30] {
        let script = format!("for i in $(seq {at_once}); do ssh-add -l & done; wait");
        let listed = ssh.exec(&script).ok().text();
        assert_eq!(listed.matches("in-the-agent").count(), at_once, "{listed}");
    }
    let admin = gateway.api("bob");
    let closed = wait_events(&gateway, &admin, "reach", "forward.closed", 30);
    assert_eq!(detail(&closed[0], "forward"), "agent");
    let used = wait_events(&gateway, &admin, "reach", "right.used", 2);
    assert!(used.iter().any(|event| *detail(event, "right") == "agent"));
}

#[test]
fn without_the_right_there_is_no_agent_and_the_terminal_says_why() {
    let gateway = Gateway::start();
    let agent = Agent::start();
    let ssh = agent.forwarded(gateway.ssh("alice+web"));
    let listed = ssh
        .exec("echo agent=$SSH_AUTH_SOCK; ssh-add -l 2>&1; true")
        .ok()
        .text();
    assert!(listed.starts_with("agent=\n"), "{listed}");
    let tty = Tty::start(ssh.terminal(""), 80, 24);
    tty.wait_screen("does not allow agent", SOON);
    tty.wait_for("$ ", SOON);
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "web", "Logged In");
    let log = events(&admin, text(&session, "id"));
    assert!(
        log.iter().any(|event| event["kind"] == "right.refused"),
        "{log:#?}"
    );
}

/// An X server without a screen, and the cookie that opens it.
pub(super) struct Display {
    name: String,
    dir: TempDir,
    _server: Daemon,
}

impl Display {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = dir.path().join("authority");
        let mut server = tool("Xvfb");
        server
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "640x480x24",
                "-nolisten",
                "tcp",
                "-auth",
            ])
            .arg(&authority)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        fs::write(&authority, "").unwrap();
        // The server reads its cookies when it starts, and its name is known only then: a cookie for any name does.
        Self::cookie(&authority, ":77");
        let mut server = Daemon::spawn(server);
        let mut line = String::new();
        let out = server.child().stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let name = format!(":{}", line.trim());
        Self::cookie(&authority, &name);
        Self {
            name,
            dir,
            _server: server,
        }
    }

    fn cookie(authority: &Path, display: &str) {
        let mut xauth = tool("xauth");
        let cookie = "5a11".repeat(8);
        xauth
            .arg("-f")
            .arg(authority)
            .args(["add", display, ".", &cookie]);
        run(xauth, SOON).ok();
    }

    fn authority(&self) -> PathBuf {
        self.dir.path().join("authority")
    }

    pub(super) fn command(&self, ssh: &Ssh, args: &[&str], remote: &str) -> std::process::Command {
        let mut command = ssh.program("ssh");
        command
            .args(args)
            .args(["127.0.0.1", remote])
            .env("DISPLAY", &self.name)
            .env("XAUTHORITY", self.authority());
        command
    }
}

#[test]
fn x_programs_show_at_the_client() {
    let gateway = Gateway::start();
    let display = Display::start();
    let ssh = gateway.ssh("alice+reach");
    for way in ["-Y", "-X"] {
        let seen = run(
            display.command(&ssh, &[way], "xdpyinfo"),
            Duration::from_secs(30),
        )
        .ok();
        assert!(
            seen.text().contains("640x480 pixels"),
            "{way}: {}",
            seen.all()
        );
    }
    // Several at once.
    let many = "for i in 1 2 3 4 5 6; do xdpyinfo & done; wait";
    let seen = run(
        display.command(&ssh, &["-Y"], many),
        Duration::from_secs(30),
    )
    .ok();
    assert_eq!(seen.text().matches("640x480 pixels").count(), 6);
    let admin = gateway.api("bob");
    let closed = wait_events(&gateway, &admin, "reach", "forward.closed", 6);
    assert_eq!(detail(&closed[0], "forward"), "x11");
    let session = gateway.session_with(&admin, "reach", "Completed");
    let log = format!("{:?}", events(&admin, text(&session, "id")));
    assert!(!log.contains("5a115a11"), "the cookie is in the log");
}

#[test]
fn without_the_right_there_is_no_x() {
    let gateway = Gateway::start();
    let display = Display::start();
    let ssh = gateway.ssh("alice+web");
    let seen = run(
        display.command(&ssh, &["-Y"], "echo display=$DISPLAY"),
        SOON,
    )
    .ok();
    assert_eq!(seen.text(), "display=\n");
    assert!(
        seen.err.contains("X11 forwarding request failed"),
        "{}",
        seen.err
    );
}

/// A target that opens channels nobody asked it for, notes what came of it, and never answers who
/// asks it for a forward.
#[derive(Clone, Default)]
struct Hostile {
    notes: Arc<Mutex<Vec<(&'static str, bool)>>>,
    opens: Arc<Mutex<Vec<ChannelOpenHandle>>>,
    replies: Arc<Mutex<Vec<server::GlobalReply>>>,
}

impl server::Handler for Hostile {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.opens.lock().unwrap().push(reply);
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        _: &str,
        _: u32,
        reply: server::GlobalReply,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.replies.lock().unwrap().push(reply);
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(id)?;
        let (handle, notes) = (session.handle(), self.notes.clone());
        // A connection to where it listens waits until it has said whether it does.
        let asks_back = self.replies.lock().unwrap().is_empty();
        tokio::spawn(async move {
            let note = |what, came: bool| notes.lock().unwrap().push((what, came));
            note("agent", handle.channel_open_agent().await.is_ok());
            note("x11", handle.channel_open_x11("127.0.0.1", 1).await.is_ok());
            if asks_back {
                let back = handle.channel_open_forwarded_tcpip("localhost", 22, "127.0.0.1", 1);
                note("forwarded", back.await.is_ok());
                let socket = handle.channel_open_forwarded_streamlocal("/tmp/x");
                note("socket", socket.await.is_ok());
            }
            note("session", handle.channel_open_session().await.is_ok());
            let direct = handle.channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1);
            note("direct", direct.await.is_ok());
            let _ = handle.exit_status_request(id, 0).await;
            let _ = handle.close(id).await;
        });
        Ok(())
    }
}

/// Starts one; answers its port and what it notes.
fn hostile() -> (u16, Hostile) {
    let notes = Hostile::default();
    let port = free_port();
    let key = russh::keys::load_secret_key(Target::shared().account_key(), None).unwrap();
    let target = notes.clone();
    thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async move {
            let config = Arc::new(server::Config {
                keys: vec![key],
                ..server::Config::default()
            });
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
                .await
                .unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                let running = server::run_stream(config.clone(), socket, target.clone());
                tokio::spawn(async move {
                    if let Ok(session) = running.await {
                        let _ = session.await;
                    }
                });
            }
        });
    });
    wait_until("it listens", SOON, || listens(port));
    (port, notes)
}

#[test]
fn a_target_opens_nothing_that_nobody_asked_for() {
    let (port, hostile) = hostile();
    let gateway = Gateway::builder()
        .host(HostSpec::new("hostile", port).activities(&["reaching"]))
        .start();
    gateway.ssh("alice+hostile").exec("open").ok();
    let came = hostile.notes.lock().unwrap().clone();
    assert_eq!(came.len(), 6);
    assert!(came.iter().all(|(_, came)| !came), "{came:?}");
    let admin = gateway.api("bob");
    let refused = wait_events(&gateway, &admin, "hostile", "forward.refused", 6);
    for event in refused {
        assert_eq!(*detail(&event, "code"), json!("not_asked_for"));
    }
}

#[test]
fn a_target_that_never_answers_a_forward_stalls_nothing_else() {
    let (port, hostile) = hostile();
    let gateway = Gateway::builder()
        .host(HostSpec::new("hostile", port).activities(&["reaching"]))
        .start();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("master");
    let local = free_port();
    let forth = format!("{local}:127.0.0.1:1");
    let ssh = gateway.ssh("alice+hostile");
    let args = [
        "-M",
        "-S",
        socket.to_str().unwrap(),
        "-L",
        &forth,
        "-R",
        "1:127.0.0.1:1",
    ];
    let mut tunnel = Tunnel::listening(&ssh, &args, local);
    let _waiting = [connect(local), connect(local)];
    wait_until("both are asked for", SOON, || {
        hostile.opens.lock().unwrap().len() == 2 && hostile.replies.lock().unwrap().len() == 1
    });
    let mut command = ssh.program("ssh");
    command.args(["-S", socket.to_str().unwrap(), "127.0.0.1", "open"]);
    run(command, SOON).ok();
    // And whoever wants to leave leaves.
    tunnel.process().signal(rustix::process::Signal::TERM);
    tunnel.process().wait(SOON).expect("ssh ends");
    gateway.session_with(&gateway.api("bob"), "hostile", "Completed");
}

#[test]
fn many_channels_of_one_connection_live_beside_each_other() {
    let gateway = Gateway::start();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let socket = folder.path().join("master");
    let (service, local) = (tcp_service(echo), free_port());
    let forward = format!("{local}:127.0.0.1:{service}");
    let ssh = gateway
        .ssh("alice+reach")
        .option("RekeyLimit=1M")
        .option("ServerAliveInterval=1");
    let args = ["-M", "-S", socket.to_str().unwrap(), "-L", &forward];
    let _master = Tunnel::listening(&ssh, &args, local);
    let share = format!("ControlPath={}", socket.display());
    thread::scope(|scope| {
        for n in 0..20 {
            let ssh = ssh.clone().option(&share).limit(Duration::from_secs(60));
            scope.spawn(move || {
                let data = noise(1_000_000, n);
                let back = ssh.exec_with(&format!("cat; exit {n}"), data.clone());
                assert!(
                    back.out == data && back.code == n as i32,
                    "{}: {}",
                    back.code,
                    back.err
                );
            });
            scope.spawn(move || {
                let data = noise(1_000_000, 100 + n);
                assert!(exchange(connect(local), &data).unwrap() == data);
            });
        }
    });
    let mut last = connect(local);
    last.write_all(b"still here").unwrap();
    last.read_exact(&mut [0; 10]).unwrap();
}
