//! The bare user name: a menu in a terminal, a numbered list elsewhere, `ls` and `help` as commands.

use std::process::Command;
use std::time::Duration;

use sallyport_tests::harness::{
    Gateway, Tty, recorded_output, run, run_with_input, tapes, wait_until,
};
use serde_json::{Value, json};

use super::{SOON, items, text};

/// `ssh alice@gateway` in a terminal, when the menu is there.
#[track_caller]
fn menu(gateway: &Gateway, cols: u16, rows: u16) -> Tty {
    let tty = Tty::start(gateway.ssh("alice").terminal(""), cols, rows);
    tty.wait_screen("Filter:", SOON);
    tty
}

/// The marked line.
#[track_caller]
fn marked(tty: &Tty) -> String {
    let screen = tty.screen();
    let found: Vec<&str> = screen
        .lines()
        .filter_map(|line| line.strip_prefix("> "))
        .collect();
    assert_eq!(found.len(), 1, "{screen}");
    found[0].to_owned()
}

#[track_caller]
fn wait_marked(tty: &Tty, host: &str) {
    tty.wait_screen(&format!("> {host}"), SOON);
}

#[track_caller]
fn sessions(gateway: &Gateway) -> Vec<Value> {
    let list = gateway
        .api("admin")
        .get("/api/v1/sessions")
        .expect(200)
        .json();
    items(&list).clone()
}

/// How many lines the menu has.
#[track_caller]
fn ways(gateway: &Gateway) -> usize {
    gateway.ssh("alice").exec("ls").ok().text().lines().count()
}

/// Waits until exactly these refusals of the user are in the access log.
#[track_caller]
fn wait_refusals(gateway: &Gateway, user: &str, codes: &[&str]) {
    wait_until("the refusals are on record", SOON, || {
        refusals(gateway, user) == codes
    });
}

#[track_caller]
fn refusals(gateway: &Gateway, user: &str) -> Vec<String> {
    let path = format!("/api/v1/access-log?user={user}&outcome=refused");
    let list = gateway.api("admin").get(&path).expect(200).json();
    items(&list)
        .iter()
        .map(|row| text(row, "code").to_owned())
        .collect()
}

#[test]
fn arrows_lead_to_a_session_like_any_other() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let ways = ways(&gateway);
    let tty = menu(&gateway, 80, 24);
    let first = marked(&tty);
    assert!(
        first.starts_with("all") && first.ends_with("everything"),
        "{first}"
    );
    assert!(
        tty.screen().contains(&format!("1 of {ways}")),
        "{}",
        tty.screen()
    );
    for unreachable in ["nopolicy", "nosecret"] {
        assert!(!tty.screen().contains(unreachable), "{}", tty.screen());
    }
    tty.send("\x1b[B\x1b[B");
    wait_marked(&tty, "commandsonly");
    tty.send("\x1bOB\x1b[A\x1b[F");
    wait_marked(&tty, "web");
    assert!(
        sessions(&gateway).is_empty(),
        "nothing is opened before a choice"
    );
    tty.send("\r");
    tty.wait_for("$ ", SOON);
    assert!(
        tty.screen().contains("Connecting: web, shell as"),
        "{}",
        tty.screen()
    );
    tty.line("echo in-$((6*7)) $TERM; stty size");
    tty.wait_screen("in-42 xterm-256color\n24 80", SOON);
    let session = gateway.session_with(&admin, "web", "Logged In");
    assert_eq!(
        (
            text(&session, "launch_point_id"),
            text(&session, "launch_point_name")
        ),
        ("menu", "Menu")
    );
    // Locked and unlocked like any other.
    let id = text(&session, "id");
    let lock = json!({ "title": "One moment", "message": "Please call." });
    admin
        .post(&format!("/api/v1/sessions/{id}/lock"), lock)
        .expect(200);
    tty.wait_screen("One moment", SOON);
    admin
        .post(&format!("/api/v1/sessions/{id}/unlock"), json!({}))
        .expect(200);
    tty.wait_screen("in-42", SOON);
    tty.line("exit 3");
    tty.wait_closed(SOON);
    assert_eq!(tty.exit_code(SOON), Some(3));
    gateway.session_with(&admin, "web", "Completed");
    let tapes = tapes(gateway.data());
    let recorded = String::from_utf8_lossy(&recorded_output(&tapes[0])).into_owned();
    assert!(tapes.len() == 1 && recorded.contains("in-42"), "{recorded}");
    assert!(
        !recorded.contains("Filter:"),
        "the menu is not the session's: {recorded}"
    );
}

#[test]
fn typing_filters_and_no_key_paints_the_whole_screen() {
    let gateway = Gateway::start();
    let ways = ways(&gateway);
    let tty = menu(&gateway, 80, 24);
    tty.mark();
    tty.send("KEY");
    wait_marked(&tty, "keyed");
    assert!(
        tty.screen().contains("1 of 2 that match, of "),
        "{}",
        tty.screen()
    );
    tty.send("x");
    tty.wait_screen("Nothing matches", SOON);
    tty.send("\x7f\x7f\x7f\x7f");
    tty.wait_screen(&format!("1 of {ways}"), SOON);
    assert!(!tty.output().contains("\x1b[2J"), "{:?}", tty.output());
    tty.mark();
    tty.send("\x1b[B");
    wait_marked(&tty, "badcred");
    assert!(tty.output().len() < 120, "{:?}", tty.output());
    // A sequence in pieces, with less time between them than the Escape key is given.
    for piece in ["\x1b", "[", "B"] {
        tty.send(piece);
        std::thread::sleep(Duration::from_millis(10));
    }
    wait_marked(&tty, "commandsonly");
    tty.send("web");
    wait_marked(&tty, "web");
    tty.send("\x1b");
    tty.wait_screen(&format!("1 of {ways}"), SOON);
}

#[test]
fn notes_and_ticket_are_asked_for_and_kept() {
    let gateway = Gateway::start();
    let admin = gateway.api("bob");
    let tty = menu(&gateway, 60, 20);
    tty.send("noted\r");
    tty.wait_screen("Notes (why you need this session):", SOON);
    tty.send("\r");
    tty.wait_screen("Notes are required here.", SOON);
    tty.send("Überprüfung + more\r");
    tty.wait_for("$ ", SOON);
    let session = gateway.session_with(&admin, "noted", "Logged In");
    assert_eq!(text(&session, "notes"), "Überprüfung + more");
    tty.line("exit");
    tty.wait_closed(SOON);

    let tty = menu(&gateway, 60, 20);
    tty.send("ticketed\r");
    tty.wait_screen("Ticket number:", SOON);
    tty.send("CHG-17\r");
    tty.wait_for("$ ", SOON);
    let session = gateway.session_with(&admin, "ticketed", "Logged In");
    assert_eq!(text(&session, "ticket"), "CHG-17");
    // Notes and ticket are the session's; the log of the server has neither.
    assert!(!gateway.log().contains("CHG-17") && !gateway.log().contains("Überprüfung"));
}

#[test]
fn one_of_several_policies_can_be_chosen() {
    let gateway = Gateway::start();
    let tty = menu(&gateway, 100, 24);
    tty.send("twoways-standard");
    wait_marked(&tty, "twoways");
    assert!(
        marked(&tty).ends_with("policy twoways-standard"),
        "{}",
        marked(&tty)
    );
    tty.send("\r");
    tty.wait_for("$ ", SOON);
    let session = gateway.session_with(&gateway.api("bob"), "twoways", "Logged In");
    assert_eq!(text(&session, "access_policy"), "twoways-standard");
}

#[test]
fn a_refusal_comes_back_to_the_menu() {
    let gateway = Gateway::start();
    let tty = menu(&gateway, 80, 24);
    tty.send("badcred\r");
    tty.wait_screen("badcred refused the stored credential", SOON);
    tty.wait_screen("Filter: badcred", SOON);
    tty.send("\x15keyed\r");
    tty.wait_for("$ ", SOON);
    tty.line("echo in-$((6*7))");
    tty.wait_screen("in-42", SOON);
    tty.line("exit 5");
    assert_eq!(tty.exit_code(SOON), Some(5));
    wait_refusals(&gateway, "alice", &["target_refused_credential"]);
}

#[test]
fn the_terminal_may_change_its_size() {
    let gateway = Gateway::start();
    let ways = ways(&gateway);
    let tty = menu(&gateway, 80, 24);
    tty.send("\x1b[F");
    wait_marked(&tty, "web");
    tty.resize(40, 12);
    tty.wait_screen(&format!("{ways} of {ways}; Page Down shows more"), SOON);
    wait_marked(&tty, "web");
    assert!(tty.screen().lines().count() <= 12, "{}", tty.screen());
    tty.send("\r");
    tty.wait_for("$ ", SOON);
    tty.line("stty size");
    tty.wait_screen("12 40", SOON);
    tty.resize(100, 30);
    tty.line("stty size");
    tty.wait_screen("30 100", SOON);
}

#[test]
fn a_dumb_terminal_gets_numbers() {
    let gateway = Gateway::start();
    let mut command = gateway.ssh("alice").terminal("");
    command.env("TERM", "dumb");
    let tty = Tty::start(command, 40, 24);
    tty.wait_for("Where you may go:", SOON);
    tty.wait_for("q leaves: ", SOON);
    assert!(!tty.output().contains('\x1b'), "{:?}", tty.output());
    tty.line("twoways");
    tty.wait_for("1. twoways", SOON);
    tty.mark();
    tty.line("keyed");
    tty.wait_for("Connecting: keyed", SOON);
    tty.wait_for("$ ", SOON);
    tty.line("echo in-$((6*7)) $TERM");
    tty.wait_for("in-42 dumb", SOON);
}

#[test]
fn without_a_terminal_a_line_is_read_and_the_rest_is_the_sessions() {
    let gateway = Gateway::start();
    let pipe = |input: &str| {
        let mut command = gateway.ssh("alice").program("ssh");
        command.args(["-T", "127.0.0.1"]);
        run_with_input(command, input.as_bytes().to_vec(), Duration::from_secs(20))
    };
    let done = pipe("twoways-eff\n1\necho in-$((6*7)); exit 9\n");
    assert_eq!(done.code, 9, "{}", done.all());
    assert!(
        done.text().contains("1. twoways") && done.text().contains("in-42\n"),
        "{}",
        done.all()
    );
    let session = gateway.session_with(&gateway.api("bob"), "twoways", "Completed");
    assert_eq!(text(&session, "access_policy"), "twoways-effort");
    // What was meant for a session that is refused is no choice of another.
    let done = pipe("badcred\n1\n2\n").failed();
    assert_eq!(done.code, 255, "{}", done.all());
    assert!(
        done.err.contains("refused the stored credential"),
        "{}",
        done.all()
    );
    assert_eq!(pipe("").code, 1);
    assert_eq!(pipe("q\n").code, 0);
    assert_eq!(sessions(&gateway).len(), 2);
}

#[test]
fn a_list_as_a_command() {
    let gateway = Gateway::start();
    let list = gateway.ssh("alice").exec("ls").ok().text();
    assert!(
        list.lines().count() > 10 && !list.contains("nopolicy"),
        "{list}"
    );
    let web: Vec<&str> = list
        .lines()
        .filter(|line| line.starts_with("web "))
        .collect();
    let words: Vec<&str> = web[0].split_whitespace().collect();
    assert_eq!(words[..4], ["web", "The", "web", "machine"]);
    assert_eq!(words[5..], ["shell", "alice+web"]);
    assert!(
        list.contains("alice+shell+twoways+twoways-effort"),
        "{list}"
    );
    // The last column leads there.
    for connect in ["alice+web", "alice+shell+twoways+twoways-effort"] {
        gateway.ssh(connect).exec("true").ok();
    }
    let some = gateway.ssh("alice").exec("ls 'two*'").ok().text();
    assert_eq!(some.lines().count(), 2, "{some}");
    let json: Value =
        serde_json::from_str(&gateway.ssh("alice").exec("ls --json noted").ok().text()).unwrap();
    assert_eq!(json[0]["connect_string"], "alice+noted");
    assert_eq!(
        (&json[0]["needs_notes"], &json[0]["needs_ticket"]),
        (&json!(true), &json!(false))
    );
    let nothing = gateway.ssh("alice").exec("ls elsewhere").failed();
    assert_eq!((nothing.code, nothing.text().as_str()), (1, ""));
    assert!(
        nothing
            .err
            .contains("nothing you may reach matches elsewhere"),
        "{}",
        nothing.err
    );
    let help = gateway.ssh("alice").exec("help").ok().text();
    assert!(help.contains("ssh 'alice+HOST@GATEWAY'"), "{help}");
    // In a terminal, lines end as a terminal wants them.
    let tty = Tty::start(gateway.ssh("alice").terminal("ls web"), 80, 24);
    tty.wait_closed(SOON);
    assert!(
        tty.output().ends_with("alice+web\r\n"),
        "{:?}",
        tty.output()
    );
    assert!(
        sessions(&gateway)
            .iter()
            .all(|session| session["launch_point_id"] == "connect-string")
    );
}

#[test]
fn what_is_no_command_of_the_gateway_is_refused() {
    let gateway = Gateway::start();
    let refused = gateway.ssh("alice").exec("uname -a").failed();
    assert_eq!(refused.code, 255);
    assert!(
        refused.err.contains("name a host") && refused.err.contains("ls"),
        "{}",
        refused.err
    );
    let refused = gateway.ssh("alice").sftp("ls\n").failed();
    assert!(refused.all().contains("name a host"), "{}", refused.all());
    wait_refusals(&gateway, "alice", &["no_host_named", "no_host_named"]);
}

#[test]
fn who_may_go_nowhere_is_told_so() {
    let gateway = Gateway::start();
    let dave = |command: Command| run(command, SOON).failed();
    let ssh = gateway.ssh("dave").password_of("dave");
    for command in [ssh.command("ls"), ssh.terminal("")] {
        let done = dave(command);
        assert!(
            done.all()
                .contains("no access policy lets you reach any host"),
            "{}",
            done.all()
        );
        assert_eq!(done.code, 255);
    }
    wait_refusals(&gateway, "dave", &["nothing_to_reach", "nothing_to_reach"]);
    run(
        gateway.cli("bob", &["users", "lock", "alice", "--reason", "test"]),
        SOON,
    )
    .ok();
    let locked = gateway.ssh("alice").exec("ls").failed();
    assert!(
        locked.all().contains("your account is locked"),
        "{}",
        locked.all()
    );
    wait_refusals(&gateway, "alice", &["user_locked"]);
}

#[test]
fn leaving_opens_nothing() {
    let gateway = Gateway::start();
    for (keys, code) in [("\x03", 130), ("\x04", 0), ("q", 0), ("web\x03", 130)] {
        let tty = menu(&gateway, 80, 24);
        tty.send(keys);
        tty.wait_closed(SOON);
        assert_eq!(tty.exit_code(SOON), Some(code), "{keys:?}");
    }
    assert!(sessions(&gateway).is_empty());
    assert!(tapes(gateway.data()).is_empty());
}

#[test]
fn all_channels_of_a_connection_follow_its_first_choice() {
    let gateway = Gateway::start();
    let socket = gateway.dir().join("control");
    let master = gateway
        .ssh("alice")
        .option("ControlMaster=yes")
        .option(&format!("ControlPath={}", socket.display()));
    let tty = Tty::start(master.terminal(""), 80, 24);
    tty.wait_screen("Filter:", SOON);
    let second = gateway
        .ssh("alice")
        .option(&format!("ControlPath={}", socket.display()));
    let refused = second.exec("echo in").failed();
    assert!(refused.all().contains("name a host"), "{}", refused.all());
    let other = Tty::start(second.terminal(""), 80, 24);
    other.wait_screen("Filter:", SOON);
    tty.send("keyed\r");
    tty.wait_for("$ ", SOON);
    // The other menu was still open.
    other.wait_for("This connection goes to keyed now.", SOON);
    other.wait_for("$ ", SOON);
    other.line("echo other-$((6*7))");
    other.wait_screen("other-42", SOON);
    assert_eq!(second.exec("echo in").ok().text(), "in\n");
    let found = sessions(&gateway);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(text(&found[0], "host"), "keyed");
    other.line("exit");
    other.wait_closed(SOON);
    tty.line("exit");
    tty.wait_closed(SOON);
}

#[test]
fn an_idle_menu_goes_away() {
    let gateway = Gateway::builder()
        .config("[limits]\nlobby_idle = \"2s\"\n")
        .start();
    let tty = menu(&gateway, 80, 24);
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(900));
        tty.send("\x1b[B");
    }
    tty.wait_for("no host was chosen within 2 seconds", SOON);
    tty.wait_closed(SOON);
    assert!(!tty.screen().contains("Filter:"), "{}", tty.screen());
    wait_until("its socket is closed", SOON, || gateway.open_files() < 60);
}

#[test]
fn noise_is_no_choice() {
    let gateway = Gateway::start();
    let tty = menu(&gateway, 20, 6);
    tty.send_bytes(
        &super::noise(4000, 5)
            .into_iter()
            .filter(|byte| ![3, 4, b'\r', b'\n', b'q', b'~'].contains(byte))
            .collect::<Vec<u8>>(),
    );
    tty.send("\x1b[H\x15");
    tty.wait_screen("Filter:", SOON);
    tty.send("\x15web");
    wait_marked(&tty, "web");
    assert_eq!(gateway.ssh("alice+web").exec("echo in").ok().text(), "in\n");
}
