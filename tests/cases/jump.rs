//! `ssh -J`: connections inside a connection, ended, authorised and recorded in the gateway.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sallyport_tests::harness::{
    Api, Client, Gateway, Jump, Tty, free_port, recorded_output, run, run_with_input, signal,
    tapes, tool, wait_until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{SOON, events, items, noise, text};

const PATIENCE: Duration = Duration::from_secs(60);

fn order(api: &Api, session: &Value, verb: &str, body: Value) -> Value {
    api.post(
        &format!("/api/v1/sessions/{}/{verb}", text(session, "id")),
        body,
    )
    .expect(200)
    .json()
}

fn show(api: &Api, session: &Value) -> Value {
    api.get(&format!("/api/v1/sessions/{}", text(session, "id")))
        .expect(200)
        .json()
}

/// What the access log says about refusals, newest first.
fn refusals(gateway: &Gateway) -> Vec<Value> {
    let log = gateway
        .api("bob")
        .get("/api/v1/access-log?page_size=100")
        .expect(200)
        .json();
    let mut rows = items(&log).clone();
    rows.retain(|row| row["outcome"] == "refused");
    rows
}

fn recorded(gateway: &Gateway, what: &str) -> bool {
    tapes(&gateway.data().join("tapes"))
        .iter()
        .any(|tape| String::from_utf8_lossy(&recorded_output(tape)).contains(what))
}

#[test]
fn a_jump_is_a_session_like_any_other() {
    let gateway = Gateway::start();
    let jump = Jump::new(&gateway);
    let done = jump.exec("sptarget@web", "id -un; echo through-$((40+2)); exit 3");
    assert_eq!(
        (done.code, done.text().as_str()),
        (3, "sptarget\nthrough-42\n"),
        "{}",
        done.err
    );
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "web", "Completed");
    for (field, value) in [
        ("user", "alice"),
        ("login_account", "sptarget"),
        ("source_ip", "127.0.0.1"),
        ("activity", "shell"),
        ("recording_mode", "strict"),
        ("close_code", "user"),
        ("launch_point_id", "proxy-jump"),
    ] {
        assert_eq!(text(&session, field), value, "{field}: {session:#}");
    }
    assert!(recorded(&gateway, "through-42"));
    let log = events(&admin, text(&session, "id"));
    let kinds: Vec<&str> = log.iter().map(|event| text(event, "kind")).collect();
    assert!(kinds.contains(&"secret.used"), "{kinds:?}");

    // The same without -J, as people wrote it before there was one.
    let mut proxied = jump.bare("ssh");
    proxied.args(["-o"]).arg(format!(
        "ProxyCommand={} -W %h:%p gateway",
        jump.command_line().replace(" -J gateway", "")
    ));
    proxied.args(["sptarget@web", "echo in"]);
    assert_eq!(run(proxied, PATIENCE).ok().text(), "in\n");

    // In a terminal, with what is typed.
    let tty = jump.terminal("sptarget@web", "");
    tty.wait_for("$ ", SOON);
    tty.line("echo typed-$((40+3)); exit");
    tty.wait_for("typed-43", SOON);
    tty.wait_closed(SOON);
    wait_until("it is on a tape", SOON, || recorded(&gateway, "typed-43"));
}

#[test]
fn the_inner_name_says_which_account() {
    let gateway = Gateway::start();
    let jump = Jump::new(&gateway);
    for (login, account) in [
        ("sptarget@web", "sptarget"),
        // Her own name leaves it open: ssh sends one even if nobody typed it.
        ("alice@web", "sptarget"),
        ("alice@keyed", "spkeyed"),
        ("sptarget+shell@WEB", "sptarget"),
        ("sptarget+shell+web-standard@web", "sptarget"),
        ("sptarget+shell++an upgrade@noted", "sptarget"),
        ("alice+shell+twoways-effort@twoways", "sptarget"),
    ] {
        let done = jump.exec(login, "id -un");
        assert_eq!(
            (done.code, done.text().trim()),
            (0, account),
            "{login}: {}",
            done.err
        );
    }
    let noted = gateway
        .newest_session(&gateway.api("bob"), "noted")
        .unwrap();
    assert_eq!(text(&noted, "notes"), "an upgrade");
    for (login, reasons) in [
        (
            "root@web",
            &["you may not log in as root on web", "sptarget"][..],
        ),
        ("spkeyed@web", &["you may not log in as spkeyed on web"]),
        ("sptarget+desktop@web", &["you may not do desktop on web"]),
        (
            "alice@noted",
            &["needs a note", "sptarget+shell++why@noted"],
        ),
        ("alice@twoways", &["sptarget+shell+twoways-effort@twoways"]),
        ("sptarget+a+b+c+d@web", &["does not say as whom"]),
        ("sptarget@filesonly", &["does not allow exec"]),
        ("sptarget@badcred", &["refused the stored credential"]),
    ] {
        let done = jump.exec(login, "echo in").failed();
        for reason in reasons {
            assert!(done.all().contains(reason), "{login}: {:?}", done.all());
        }
        assert!(!done.text().contains("in\n"), "{login} was let in");
    }
}

#[test]
fn what_is_no_declared_host_is_refused_where_the_client_shows_it() {
    let gateway = Gateway::start();
    let jump = Jump::new(&gateway);
    let target = format!("127.0.0.1:{}", gateway.target().port());
    for (to, words) in [
        ("nowhere", "no access policy lets you reach nowhere"),
        // A host that is there and not for her: the same words.
        ("nopolicy", "no access policy lets you reach nopolicy"),
        ("web:23", "no access policy lets you reach web:23"),
        ("192.0.2.7", "no access policy lets you reach 192.0.2.7"),
        (&target, "several hosts are at"),
        ("127.0.0.1", "several hosts are at"),
    ] {
        let (host, port) = to.split_once(':').unwrap_or((to, "22"));
        let mut ssh = jump.program("ssh");
        ssh.args(["-p", port, &format!("sptarget@{host}"), "echo in"]);
        let done = run(ssh, PATIENCE).failed();
        assert!(
            done.all().contains("administratively prohibited") && done.all().contains(words),
            "{to}: {:?}",
            done.all()
        );
    }
    let several = jump.exec("sptarget@127.0.0.1", "true").failed().all();
    assert!(several.contains("twoways"), "{several}");
    assert!(!several.contains("nopolicy"), "{several}");
    // On record, with the reason.
    wait_until("it is in the access log", SOON, || {
        let refused = refusals(&gateway);
        ["no_policy", "several_hosts"].iter().all(|code| {
            refused.iter().any(|row| {
                row["code"] == *code && row["user"] == "alice" && row["method"] == "publickey"
            })
        })
    });
    let mut forward = jump.bare("ssh");
    forward.args(["-W", "192.0.2.7:80", "gateway"]);
    let done = run(forward, PATIENCE).failed();
    assert!(done.all().contains("192.0.2.7:80"), "{:?}", done.all());

    run(gateway.cli("bob", &["users", "lock", "alice"]), SOON).ok();
    let locked = jump.exec("sptarget@web", "echo in").failed();
    assert!(
        locked.all().contains("your account is locked"),
        "{:?}",
        locked.all()
    );
}

#[test]
fn one_address_is_one_host() {
    let gateway = Gateway::builder();
    let own = sallyport_tests::harness::Target::sshd();
    let port = own.port();
    let gateway = gateway
        .host(sallyport_tests::harness::HostSpec::new("alone", port))
        .start();
    let jump = Jump::new(&gateway);
    let mut ssh = jump.program("ssh");
    ssh.args(["-p", &port.to_string(), "sptarget@127.0.0.1", "echo in"]);
    assert_eq!(run(ssh, PATIENCE).ok().text(), "in\n");
    gateway.session_with(&gateway.api("bob"), "alone", "Completed");
}

fn git(directory: &std::path::Path, jump: &Jump, args: &[&str]) {
    let mut git = tool("git");
    git.args([
        "-c",
        "user.name=probe",
        "-c",
        "user.email=probe@example.com",
        "-c",
        "init.defaultBranch=main",
    ])
    .args(args)
    .current_dir(directory)
    .env("HOME", directory)
    .env("GIT_SSH_COMMAND", jump.command_line());
    run(git, PATIENCE).ok();
}

#[test]
fn files_go_through_a_jump() {
    let gateway = Gateway::start();
    let jump = Jump::new(&gateway);
    let (here, there) = (
        TempDir::with_prefix("sp-local-").unwrap(),
        gateway.target().folder(),
    );
    let (h, t) = (here.path().display(), there.path().display());
    let data = noise(8_000_000, 31);
    fs::write(here.path().join("up"), &data).unwrap();
    let same = |name: &str| fs::read(here.path().join(name)).unwrap() == data;
    let program = |name: &str, args: &[String]| {
        let mut command: Command = jump.program(name);
        command.args(args);
        command
    };

    let up = [format!("{h}/up"), format!("sptarget@web:{t}/scp")];
    run(program("scp", &up), PATIENCE).ok();
    let down = [
        "-O".to_owned(),
        format!("sptarget@web:{t}/scp"),
        format!("{h}/scp"),
    ];
    run(program("scp", &down), PATIENCE).ok();
    assert!(same("scp"));

    let batch = ["-b".to_owned(), "-".to_owned(), "sptarget@web".to_owned()];
    let commands = format!("put {h}/up {t}/sftp\nget {t}/sftp {h}/sftp\n");
    run_with_input(program("sftp", &batch), commands.into_bytes(), PATIENCE).ok();
    assert!(same("sftp"));

    let sync = |from: String, to: String| {
        let mut rsync = tool("rsync");
        rsync.args(["-a", "-e", &jump.command_line(), &from, &to]);
        run(rsync, PATIENCE).ok();
    };
    sync(format!("{h}/up"), format!("sptarget@web:{t}/rsync"));
    sync(format!("sptarget@web:{t}/rsync"), format!("{h}/rsync"));
    assert!(same("rsync"));

    jump.exec("sptarget@web", &format!("git init -q --bare {t}/r.git"))
        .ok();
    git(here.path(), &jump, &["init", "-q", "work"]);
    let work = here.path().join("work");
    fs::write(work.join("file"), &data).unwrap();
    git(&work, &jump, &["add", "."]);
    git(&work, &jump, &["commit", "-qm", "one"]);
    let remote = format!("ssh://sptarget@web{t}/r.git");
    git(&work, &jump, &["push", "-q", &remote, "HEAD:main"]);
    git(here.path(), &jump, &["clone", "-q", &remote, "again"]);
    assert!(same("again/file"));
}

#[test]
fn host_keys_are_vouched_for_and_stay_the_same() {
    let gateway = Gateway::start();
    let known = gateway.dir().join("authority");
    let line = run(
        {
            let mut ca = gateway.program();
            ca.args(["ca", "--hosts", "web,keyed,the*", "--data-dir"])
                .arg(gateway.data());
            ca
        },
        SOON,
    )
    .ok()
    .text();
    assert!(
        line.starts_with("@cert-authority web,keyed,the* ssh-ed25519 "),
        "{line}"
    );
    fs::write(&known, &line).unwrap();
    let strict = |lines: &str| {
        Jump::with(
            &gateway,
            &format!("  StrictHostKeyChecking yes\n  UserKnownHostsFile {lines}"),
        )
    };
    let authority = strict(&known.display().to_string());
    for host in ["web", "keyed", "WEB"] {
        authority.exec(&format!("alice@{host}"), "true").ok();
    }
    // Nothing else was believed.
    assert_eq!(fs::read_to_string(&known).unwrap(), line);
    let stranger = authority.exec("alice@effort", "true").failed();
    assert!(
        stranger.all().contains("Host key verification failed"),
        "{}",
        stranger.all()
    );
    // Another authority vouches for nothing here.
    let other = gateway.dir().join("other_authority");
    let key = gateway.public_key("stranger");
    fs::write(&other, format!("@cert-authority * {key}\n")).unwrap();
    strict(&other.display().to_string())
        .exec("alice@web", "true")
        .failed();

    // Without the authority: pinned at first, the same ever after, and one for each host.
    let pins = gateway.dir().join("pins");
    let _ = fs::remove_file(&pins);
    let first = Jump::with(
        &gateway,
        &format!("  UserKnownHostsFile {}", pins.display()),
    );
    first.exec("alice@web", "true").ok();
    first.exec("alice@keyed", "true").ok();
    let pinned = fs::read_to_string(&pins).unwrap();
    let keys: Vec<&str> = pinned
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .collect();
    assert_eq!(keys.len(), 2, "{pinned}");
    assert_ne!(keys[0], keys[1], "{pinned}");
    gateway.terminate(SOON);
    gateway.launch();
    strict(&pins.display().to_string())
        .exec("alice@web", "true")
        .ok();
}

#[test]
fn the_api_and_the_command_line_say_how_to_jump() {
    let gateway = Gateway::start();
    let alice = gateway.api("alice");
    let told = alice
        .get("/api/v1/ssh-ca?hosts=web,keyed")
        .expect(200)
        .json();
    let address = format!("127.0.0.1:{}", gateway.ssh_port);
    assert_eq!(text(&told, "ssh_address"), address);
    assert!(
        text(&told, "known_hosts").starts_with("@cert-authority web,keyed ssh-ed25519 "),
        "{told:#}"
    );
    let bad = alice
        .get("/api/v1/ssh-ca?hosts=web%0AProxyCommand")
        .expect(422);
    assert!(bad.text().contains("host pattern"), "{}", bad.text());
    Api::anonymous(&gateway).get("/api/v1/ssh-ca").expect(401);

    let printed = run(
        gateway.cli("alice", &["ca", "--openssh-config", "--hosts", "web,keyed"]),
        SOON,
    )
    .ok()
    .text();
    assert_eq!(printed, text(&told, "openssh_config"));
    // It works as it stands.
    let config = gateway.dir().join("user_config");
    let files = gateway.dir().display();
    fs::write(
        &config,
        format!(
            "{printed}\nHost *\n  IdentityFile {files}/alice\n  IdentitiesOnly yes\n  BatchMode yes\n\
             \x20 StrictHostKeyChecking no\n  UserKnownHostsFile {files}/user_hosts\n"
        ),
    )
    .unwrap();
    for host in ["web", "keyed"] {
        let mut ssh = tool("ssh");
        ssh.arg("-F").arg(&config).args([host, "echo in"]);
        ssh.env_remove("SSH_AUTH_SOCK");
        assert_eq!(run(ssh, PATIENCE).ok().text(), "in\n", "{host}");
    }
}

/// An `ssh` that holds a connection to the gateway open for others.
fn master(jump: &Jump, socket: &std::path::Path) -> Tty {
    let mut master = jump.bare("ssh");
    master
        .args(["-N", "-M", "-S"])
        .arg(socket)
        .args(["-o", "ControlPersist=no", "gateway"]);
    let master = Tty::start(master, 80, 24);
    wait_until("the master is up", SOON, || socket.exists());
    master
}

/// A terminal on `login`, through the master.
fn through(jump: &Jump, socket: &std::path::Path, login: &str, remote: &str) -> Tty {
    let mut ssh = jump.bare("ssh");
    ssh.args(["-tt", "-o"]).arg(format!(
        "ProxyCommand={} -S {} -W %h:%p gateway",
        jump.command_line().replace(" -J gateway", ""),
        socket.display()
    ));
    ssh.args([login, remote]);
    Tty::start(ssh, 80, 24)
}

#[test]
fn two_hosts_through_one_connection_and_each_on_its_own() {
    let gateway = Gateway::start();
    let jump = Jump::new(&gateway);
    let socket = gateway.dir().join("ctl");
    let outer = master(&jump, &socket);
    let web = through(&jump, &socket, "sptarget@web", "");
    let keyed = through(&jump, &socket, "spkeyed@keyed", "");
    for tty in [&web, &keyed] {
        tty.wait_for("$ ", SOON);
    }
    let admin = gateway.api("bob");
    let on_web = gateway.session_with(&admin, "web", "Logged In");
    let on_keyed = gateway.session_with(&admin, "keyed", "Logged In");

    // A lock freezes its session and no other.
    order(&admin, &on_web, "lock", json!({ "title": "Stop here" }));
    web.wait_screen("Stop here", SOON);
    keyed.line("echo free-$((40+2))");
    keyed.wait_screen("free-42", SOON);
    order(&admin, &on_web, "unlock", json!({}));
    web.line("echo again-$((40+2))");
    web.wait_screen("again-42", SOON);

    // So does a cut: that client is gone, the other one goes on.
    let answer = order(
        &admin,
        &on_web,
        "terminate",
        json!({ "cancel": true, "reason": "enough" }),
    );
    assert!(answer["effective_at"].is_string(), "{answer:#}");
    web.wait_closed(Duration::from_secs(2));
    assert!(
        web.output().contains("Closed by administrator bob: enough"),
        "{:?}",
        web.output()
    );
    keyed.line("echo still-$((40+2))");
    keyed.wait_screen("still-42", SOON);

    // With the outer connection all of them go.
    signal(outer.pid(), Signal::KILL);
    keyed.wait_closed(SOON);
    wait_until("the session has ended", SOON, || {
        show(&admin, &on_keyed)["ended_at"].is_string()
    });
    let ended = show(&admin, &on_keyed);
    assert_eq!(text(&ended, "close_code"), "network", "{ended:#}");
}

#[test]
fn a_client_that_does_not_read_is_cut_through_a_jump_as_well() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let jump = Jump::new(&gateway);
    let tty = jump.terminal("sptarget@web", "yes a stream without an end");
    tty.wait_for("without an end", SOON);
    signal(tty.pid(), Signal::STOP);
    let session = gateway.session_with(&admin, "web", "Logged In");
    std::thread::sleep(Duration::from_secs(1));
    let start = Instant::now();
    let answer = order(&admin, &session, "terminate", json!({ "cancel": true }));
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert!(answer["effective_at"].is_string(), "{answer:#}");
    wait_until("it is canceled", SOON, || {
        show(&admin, &session)["status"] == "Canceled"
    });
    // Nothing was alive on the outer connection but this: it is gone too.
    let local = format!(":{:04X} ", gateway.ssh_port);
    let gone = || {
        // sl, local address, remote address, state: 01 is ESTABLISHED.
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
        let ours = |line: &str| line.get(..20).is_some_and(|own| own.contains(&local));
        !sockets
            .lines()
            .any(|line| ours(line) && line.contains(" 01 "))
    };
    wait_until(
        "the outer connection is reset",
        Duration::from_secs(2),
        gone,
    );
    signal(tty.pid(), Signal::CONT);
    tty.wait_closed(SOON);
}

#[test]
fn one_that_stands_still_holds_up_no_other() {
    let gateway = Gateway::start();
    let jump = Jump::new(&gateway);
    let socket = gateway.dir().join("ctl");
    let _outer = master(&jump, &socket);
    let flood = through(
        &jump,
        &socket,
        "sptarget@web",
        "yes a stream without an end",
    );
    flood.wait_for("without an end", SOON);
    signal(flood.pid(), Signal::STOP);
    // Long enough for every window and buffer on the way to fill.
    std::thread::sleep(Duration::from_secs(2));
    let other = through(&jump, &socket, "spkeyed@keyed", "");
    other.wait_for("$ ", SOON);
    let start = Instant::now();
    for n in 0..20 {
        other.line(&format!("echo {n}-$((40+2))"));
        other.wait_for(&format!("{n}-42"), SOON);
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    signal(flood.pid(), Signal::CONT);
}

#[test]
fn a_server_that_stops_tells_those_who_jumped() {
    let gateway = Gateway::start();
    let jump = Jump::new(&gateway);
    let socket = gateway.dir().join("ctl");
    let outer = master(&jump, &socket);
    let web = through(&jump, &socket, "sptarget@web", "");
    web.wait_for("$ ", SOON);
    let took = gateway.terminate(Duration::from_secs(20));
    assert!(took < Duration::from_secs(5), "{took:?}");
    web.wait_closed(SOON);
    assert!(web.output().contains("Sallyport: "), "{:?}", web.output());
    outer.wait_closed(SOON);
    assert!(
        outer.output().contains("shutting down"),
        "{:?}",
        outer.output()
    );
}

#[test]
fn a_client_that_shows_a_password_is_let_in_and_it_is_kept_nowhere() {
    let gateway = Gateway::start();
    let secret = "Wq8-inner-eisvogel-nobody-asked";
    let status = Client::block(async {
        let outer = Client::password(gateway.ssh_port, "alice", "alice").await;
        let inner = outer.jump("web", "sptarget", secret).await;
        let mut channel = inner.session().await;
        channel.exec(true, "exit 7").await.unwrap();
        loop {
            match channel.wait().await {
                Some(russh::ChannelMsg::ExitStatus { exit_status }) => break exit_status,
                Some(_) => {}
                None => panic!("no exit status"),
            }
        }
    });
    assert_eq!(status, 7);
    gateway.session_with(&gateway.api("bob"), "web", "Completed");
    assert!(!gateway.log().contains(secret));
    let mut grep = tool("grep");
    grep.args(["-rlaF", secret]).arg(gateway.data());
    assert_eq!(run(grep, SOON).text(), "");
}

#[test]
fn a_forward_to_a_hosts_ssh_port_is_a_jump() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let jump = Jump::new(&gateway);
    for (to, host) in [
        ("keyed:22".to_owned(), "keyed"),
        // Back to the target itself, past the recording.
        (format!("localhost:{}", gateway.target().port()), "web"),
    ] {
        let port = free_port();
        let mut forward = gateway.ssh("alice+web").program("ssh");
        forward.args(["-L", &format!("127.0.0.1:{port}:{to}"), "-N", "127.0.0.1"]);
        let _forward = Tty::start(forward, 80, 24);
        wait_until("it listens", SOON, || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let mut ssh = jump.bare("ssh");
        ssh.args([
            "-p",
            &port.to_string(),
            "alice@127.0.0.1",
            "echo by-$((40+2))",
        ]);
        assert_eq!(run(ssh, PATIENCE).ok().text(), "by-42\n", "{to}");
        let inner = gateway.session_with(&admin, host, "Completed");
        assert_eq!(text(&inner, "user"), "alice");
    }
    assert!(recorded(&gateway, "by-42"));
    let list = admin.get("/api/v1/sessions?host=web").expect(200);
    let noted = items(&list.json()).iter().any(|session| {
        events(&admin, text(session, "id"))
            .iter()
            .any(|event| event["kind"] == "connection.jump")
    });
    assert!(noted, "the outer session does not say what runs inside it");
}

#[test]
fn who_jumps_is_not_idle_in_the_lobby() {
    let gateway = Gateway::builder()
        .config("[limits]\nlobby_idle = \"2s\"\n")
        .start();
    let jump = Jump::new(&gateway);
    let done = jump.exec("sptarget@web", "sleep 5; echo done").ok();
    assert_eq!(done.text(), "done\n");
}

#[test]
fn a_target_that_is_down_and_one_that_says_no_are_told_inside() {
    let gateway = Gateway::builder()
        .host(sallyport_tests::harness::HostSpec::new("down", free_port()))
        .start();
    let jump = Jump::new(&gateway);
    let done = jump.exec("sptarget@down", "true").failed();
    assert!(
        done.all().contains("could not be reached"),
        "{}",
        done.all()
    );
}
