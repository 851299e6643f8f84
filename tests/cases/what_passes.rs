//! What passes between client and target: shells, commands, terminals, signals; and what does not.

use std::time::Duration;

use sallyport_tests::harness::{Gateway, Tty, run, run_with_input};

use super::{SOON, events, noise, text};

#[test]
fn exit_statuses_are_the_targets() {
    let gateway = Gateway::start();
    for code in [0, 1, 2, 7, 42, 126, 127, 128, 200, 254, 255] {
        assert_eq!(
            gateway.ssh("alice+web").exec(&format!("exit {code}")).code,
            code
        );
    }
    let missing = gateway.ssh("alice+web").exec("/no/such/program");
    assert_eq!(missing.code, 127);
    assert!(missing.err.contains("/no/such/program"), "{}", missing.err);
}

#[test]
fn a_death_by_signal_looks_as_without_a_gateway() {
    let gateway = Gateway::start();
    for name in ["TERM", "KILL", "USR1"] {
        let remote = format!("kill -{name} $$; sleep 5");
        let mut direct = gateway.target().direct();
        direct.arg(&remote);
        let direct = run(direct, SOON);
        let through = gateway.ssh("alice+web").exec(&remote);
        assert_eq!(
            (through.code, &through.err),
            (direct.code, &direct.err),
            "{name}"
        );
    }
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "web", "Completed");
    let log = events(&admin, text(&session, "id"));
    let exit = log
        .iter()
        .find(|event| event["kind"] == "channel.exit")
        .expect("the exit is an event");
    assert!(exit.to_string().contains("USR1"), "{exit:#}");
}

#[test]
fn standard_error_stays_apart() {
    let gateway = Gateway::start();
    let done = gateway
        .ssh("alice+web")
        .exec("echo out; echo err >&2; printf 'more'; printf 'worse' >&2")
        .ok();
    assert_eq!(
        (done.text().as_str(), done.err.as_str()),
        ("out\nmore", "err\nworse")
    );
}

#[test]
fn bytes_pass_unchanged_both_ways() {
    let gateway = Gateway::start();
    let data = noise(5_000_000, 1);
    let done = gateway
        .ssh("alice+web")
        .limit(Duration::from_secs(60))
        .exec_with("cat", data.clone())
        .ok();
    assert!(
        done.out == data,
        "{} of {} bytes came back, or other ones",
        done.out.len(),
        data.len()
    );
    // The end of the input is passed on, and output after it still comes.
    let sorted = gateway
        .ssh("alice+web")
        .exec_with("sort; echo end", b"b\na\nc\n".to_vec())
        .ok();
    assert_eq!(sorted.text(), "a\nb\nc\nend\n");
    // A target that closes its input does not end the output.
    let head = gateway.ssh("alice+web").exec_with(
        "head -c 10; exec <&-; sleep 0.3; echo; echo end",
        noise(2_000_000, 2),
    );
    assert!(
        head.out.ends_with(b"\nend\n"),
        "{} bytes: {}",
        head.out.len(),
        head.err
    );
}

#[test]
fn a_shell_without_a_terminal_reads_commands() {
    let gateway = Gateway::start();
    let mut ssh = gateway.ssh("alice+web").program("ssh");
    ssh.args(["-T", "127.0.0.1"]);
    let done = run_with_input(ssh, b"id -un\necho warn >&2\nexit 5\n".to_vec(), SOON);
    assert_eq!(
        (done.code, done.text().as_str()),
        (5, "sptarget\n"),
        "{}",
        done.err
    );
    assert!(done.err.contains("warn"));
}

#[test]
fn the_environment_passes_as_the_target_allows() {
    let gateway = Gateway::start();
    let ssh = gateway
        .ssh("alice+web")
        .option("SetEnv=TEST_COLOUR=green OTHER_COLOUR=red");
    assert_eq!(
        ssh.exec("echo $TEST_COLOUR-$OTHER_COLOUR").ok().text(),
        "green-\n"
    );
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "web", "Completed");
    let log = events(&admin, text(&session, "id"));
    let named: Vec<_> = log
        .iter()
        .filter(|event| event["kind"] == "channel.env")
        .map(ToString::to_string)
        .collect();
    assert_eq!(named.len(), 2, "{log:#?}");
    assert!(
        !named.concat().contains("green"),
        "values may be secrets: {named:?}"
    );
}

#[test]
fn a_terminal_has_the_clients_type_and_size_and_follows_it() {
    let gateway = Gateway::start();
    let tty = Tty::start(gateway.ssh("alice+web").terminal(""), 101, 37);
    tty.wait_for("$ ", SOON);
    tty.line("stty size; echo $TERM; tty");
    tty.wait_screen("37 101", SOON);
    tty.wait_screen("xterm-256color", SOON);
    tty.wait_screen("/dev/pts/", SOON);
    tty.line("trap 'echo now $(stty size)' WINCH; echo armed");
    tty.wait_screen("\narmed", SOON);
    tty.resize(90, 30);
    tty.line("");
    tty.wait_screen("now 30 90", SOON);
    tty.line("exit 9");
    tty.wait_closed(SOON);
    assert_eq!(tty.exit_code(SOON), Some(9));
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "web", "Completed");
    assert_eq!(text(&session, "close_reason"), "Closed by user");
}

#[test]
fn keys_reach_programs() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+web");
    // ^C ends a program; Ctrl+X is only taken when an extension is offered.
    tty.line("sleep 60; echo interrupted=$?");
    std::thread::sleep(Duration::from_millis(400));
    tty.send("\x03");
    tty.line("cat -v");
    std::thread::sleep(Duration::from_millis(400));
    tty.mark();
    tty.send("\x18\x1b[A\u{e4}\r");
    tty.wait_for("^X^[[AM-CM-$", SOON);
    tty.send("\x04");
    tty.line("vi -u NONE /tmp/never-written 2>/dev/null || echo no vi");
    std::thread::sleep(Duration::from_millis(500));
    tty.send("\x1b:q!\r");
    std::thread::sleep(Duration::from_millis(700));
    tty.line("echo back-$((40+2))");
    tty.wait_screen("back-42", SOON);
}

#[test]
fn signals_reach_the_program() {
    let gateway = Gateway::start();
    let said = sallyport_tests::harness::Client::block(async {
        let client =
            sallyport_tests::harness::Client::password(gateway.ssh_port, "alice+web", "alice")
                .await;
        let mut channel = client.session().await;
        channel
            .exec(
                true,
                "trap 'echo caught; exit 3' USR1; echo ready; while :; do sleep 0.1; done",
            )
            .await
            .unwrap();
        let mut said = String::new();
        let mut status = None;
        while let Some(message) = channel.wait().await {
            match message {
                russh::ChannelMsg::Data { data } => {
                    said.push_str(&String::from_utf8_lossy(&data));
                    if said == "ready\n" {
                        channel.signal(russh::Sig::USR1).await.unwrap();
                    }
                }
                russh::ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                _ => {}
            }
        }
        (said, status)
    });
    assert_eq!(said, ("ready\ncaught\n".to_owned(), Some(3)));
}

#[test]
fn many_channels_on_one_connection() {
    let gateway = Gateway::start();
    let socket = gateway.dir().join("mux");
    let path = format!("ControlPath={}", socket.display());
    let ssh = gateway.ssh("alice+web").option(&path);
    let mut master = ssh.clone().option("ControlMaster=yes").program("ssh");
    master.args(["-N", "127.0.0.1"]);
    let _master = sallyport_tests::harness::Daemon::spawn(master);
    sallyport_tests::harness::wait_until("the master connection", SOON, || socket.exists());
    let running: Vec<_> = (0..8)
        .map(|n| {
            let ssh = ssh.clone();
            std::thread::spawn(move || ssh.exec(&format!("sleep 0.{n}; echo {n}; exit {n}")))
        })
        .collect();
    for (n, one) in running.into_iter().enumerate() {
        let done = one.join().unwrap();
        assert_eq!(
            (done.code, done.text()),
            (n as i32, format!("{n}\n")),
            "{}",
            done.err
        );
    }
    let admin = gateway.api("bob");
    let list = admin.get("/api/v1/sessions?host=web").json();
    assert_eq!(list["total"], 1, "one connection is one session");
}

#[test]
fn what_is_not_offered_is_refused_clearly() {
    let gateway = Gateway::start();
    let ssh = gateway.ssh("alice+web");

    let mut subsystem = ssh.program("ssh");
    subsystem.args(["-s", "127.0.0.1", "nosuchsystem"]);
    let done = run(subsystem, SOON).failed();
    assert!(
        done.err.contains("subsystem request failed"),
        "{}",
        done.err
    );

    let port = sallyport_tests::harness::free_port();
    let mut local = ssh.program("ssh");
    local.args(["-W", &format!("127.0.0.1:{port}"), "127.0.0.1"]);
    let done = run(local, SOON).failed();
    assert!(
        !done.text().contains("SSH-2.0"),
        "a forward passed: {}",
        done.text()
    );
    assert!(done.err.contains("forwarding failed"), "{}", done.err);

    let mut remote = ssh
        .clone()
        .option("ExitOnForwardFailure=yes")
        .program("ssh");
    remote.args(["-N", "-R", &format!("{port}:127.0.0.1:1"), "127.0.0.1"]);
    let done = run(remote, SOON).failed();
    assert!(
        done.err.contains("remote port forwarding failed"),
        "{}",
        done.err
    );

    let agent = gateway.dir().join("agent");
    let mut script = ssh.program("ssh");
    script.args([
        "-A",
        "-X",
        "127.0.0.1",
        "echo \"agent=$SSH_AUTH_SOCK display=$DISPLAY\"",
    ]);
    let script = {
        let words: Vec<_> = script
            .get_args()
            .skip(3)
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let mut shell = sallyport_tests::harness::tool("ssh-agent");
        shell.args(["-a", &agent.display().to_string(), "sh", "-c"]);
        shell.arg(format!(
            "DISPLAY=:77 {}",
            words
                .join(" ")
                .replace("'IdentityAgent=none'", "'IdentityAgent=SSH_AUTH_SOCK'")
        ));
        shell
    };
    let done = run(script, SOON).ok();
    assert_eq!(done.text(), "agent= display=\n", "{}", done.err);

    let admin = gateway.api("bob");
    let list = admin.get("/api/v1/sessions?host=web&page_size=100").json();
    let refused: Vec<String> = super::items(&list)
        .iter()
        .flat_map(|session| events(&admin, text(session, "id")))
        .filter(|event| event["kind"] == "right.refused")
        .map(|event| event.to_string().to_lowercase())
        .collect();
    for what in ["forward", "agent", "x11"] {
        assert!(
            refused.iter().any(|event| event.contains(what)),
            "no event says that {what} was refused: {refused:#?}"
        );
    }
}

#[test]
fn an_activity_allows_only_its_rights() {
    let gateway = Gateway::start();
    let shell = run_with_input(
        {
            let mut ssh = gateway.ssh("alice+commandsonly").program("ssh");
            ssh.args(["-T", "127.0.0.1"]);
            ssh
        },
        b"echo in\n".to_vec(),
        SOON,
    )
    .failed();
    assert!(shell.err.contains("does not allow shell"), "{}", shell.err);
    assert_eq!(
        gateway
            .ssh("alice+commandsonly")
            .exec("echo in")
            .ok()
            .text(),
        "in\n"
    );
    let sftp = gateway.ssh("alice+commandsonly").sftp("pwd\n").failed();
    assert!(
        !sftp.text().contains("Remote working directory"),
        "{}",
        sftp.all()
    );
    gateway.ssh("alice+filesonly").sftp("pwd\n").ok();
    // sftp by way of a command is a command.
    let mut hidden = gateway.ssh("alice+filesonly").program("ssh");
    hidden.args(["127.0.0.1", "/usr/lib/openssh/sftp-server"]);
    run(hidden, SOON).failed();
}
