use super::*;

/// One thing to choose.
pub(super) fn offer(host: &str, policy: &str, account: &str, activity: &str) -> Offer {
    Offer {
        host: host.into(),
        friendly_name: String::new(),
        account: account.into(),
        activity: activity.into(),
        policy: policy.into(),
        policy_matters: false,
        needs_notes: false,
        needs_ticket: false,
        connect_string: format!("alice+{host}"),
    }
}

fn hosts(count: usize) -> Vec<Offer> {
    (1..=count)
        .map(|n| offer(&format!("web-{n:02}"), "ops", "deploy", "shell"))
        .collect()
}

fn demanding() -> Offer {
    Offer {
        needs_notes: true,
        needs_ticket: true,
        ..offer("vault", "night", "root", "root shell")
    }
}

/// A menu, and the terminal that shows it.
struct Bench {
    menu: Menu,
    screen: vt100::Parser,
    outcome: Option<Outcome>,
}

impl Bench {
    fn new(term: &str, (cols, rows): (u16, u16), offers: Vec<Offer>) -> Self {
        let terminal = Terminal {
            term: term.to_owned(),
            size: (cols.into(), rows.into()),
        };
        let mut bench = Self {
            menu: Menu::new("alice", offers, Some(&terminal)),
            screen: vt100::Parser::new(rows, cols, 0),
            outcome: None,
        };
        let first = bench.menu.open();
        bench.show(&first);
        bench
    }

    fn show(&mut self, paint: &str) {
        self.screen.process(paint.as_bytes());
    }

    fn typed(&mut self, keys: &str) -> String {
        let step = self.menu.typed(keys.as_bytes());
        self.show(&step.paint);
        self.outcome = step.outcome.or(self.outcome.take());
        step.paint
    }

    fn seen(&self) -> String {
        self.screen.screen().contents()
    }

    fn marked(&self) -> String {
        let seen = self.seen();
        let marked: Vec<&str> = seen.lines().filter(|line| line.starts_with("> ")).collect();
        assert_eq!(marked.len(), 1, "{seen}");
        marked[0][2..].to_owned()
    }

    fn chosen(&self) -> &Choice {
        match &self.outcome {
            Some(Outcome::Chosen(choice)) => choice,
            other => panic!("{other:?}\n{}", self.seen()),
        }
    }
}

#[test]
fn arrows_and_enter() {
    let mut bench = Bench::new("xterm", (80, 24), hosts(5));
    assert_eq!(bench.marked(), "web-01  deploy  shell");
    bench.typed("\x1b[B\x1b[B\x1b[A");
    assert_eq!(bench.marked(), "web-02  deploy  shell");
    assert!(bench.seen().contains("2 of 5"), "{}", bench.seen());
    bench.typed("\x1b[F\x1b[B\x1b[B");
    assert_eq!(bench.marked(), "web-05  deploy  shell");
    bench.typed("\x1b[H\x1b[A\r");
    assert_eq!(bench.chosen().host, "web-01");
    assert_eq!(
        (
            bench.chosen().activity.as_str(),
            bench.chosen().policy.as_str()
        ),
        ("shell", "ops")
    );
    assert_eq!(bench.seen(), "Connecting: web-01, shell as deploy");
}

#[test]
fn a_sequence_split_over_packets_is_one_key() {
    let mut bench = Bench::new("xterm", (80, 24), hosts(5));
    for piece in ["\x1b", "[", "B", "\x1bO", "B"] {
        bench.typed(piece);
    }
    assert_eq!(bench.marked(), "web-03  deploy  shell");
    bench.typed("0");
    let first = bench.menu.typed(&"ü".as_bytes()[..1]);
    assert_eq!(first.outcome, None);
    bench.menu.typed(&"ü".as_bytes()[1..]);
    let paint = bench.menu.resized((80, 24));
    bench.show(&paint);
    assert!(bench.seen().contains("Filter: 0ü"), "{}", bench.seen());
}

#[test]
fn typing_filters() {
    let mut bench = Bench::new("xterm", (80, 24), hosts(20));
    bench.typed("12");
    assert_eq!(bench.marked(), "web-12  deploy  shell");
    assert!(
        bench.seen().contains("1 of 1 that match, of 20"),
        "{}",
        bench.seen()
    );
    assert_eq!(bench.seen().matches("deploy").count(), 1);
    bench.typed("x");
    assert!(
        bench.seen().contains("Nothing matches."),
        "{}",
        bench.seen()
    );
    bench.typed("\r");
    assert_eq!(bench.outcome, None);
    bench.typed("\x7f\x7f");
    // web-01 and web-10 to web-19.
    assert!(
        bench.seen().contains("1 of 11 that match"),
        "{}",
        bench.seen()
    );
    bench.typed("\x1b");
    assert!(bench.menu.is_waiting());
    let step = bench.menu.settle();
    bench.show(&step.paint);
    assert!(bench.seen().contains("1 of 20"), "{}", bench.seen());
    assert_eq!(bench.outcome, None);
}

#[test]
fn a_long_list_scrolls_and_pages() {
    let mut bench = Bench::new("xterm", (60, 10), hosts(99));
    let shown = bench.seen();
    assert!(shown.contains("1 of 99; Page Down shows more"), "{shown}");
    assert!(shown.lines().count() <= 10, "{shown}");
    for place in 2..=99 {
        bench.typed("\x1b[B");
        assert_eq!(bench.marked(), format!("web-{place:02}  deploy  shell"));
        assert_eq!(bench.seen().lines().next(), shown.lines().next());
    }
    bench.typed("\x1b[5~");
    let up = bench.marked();
    assert!(up.as_str() > "web-90" && up.as_str() < "web-99", "{up}");
    bench.typed("\x1b[1~\x1b[6~");
    assert!(bench.marked().as_str() > "web-03", "{}", bench.marked());
}

#[test]
fn moving_writes_no_more_than_the_lines_that_changed() {
    let mut bench = Bench::new("xterm", (80, 24), hosts(15));
    let paint = bench.typed("\x1b[B");
    assert!(paint.len() < 80, "{paint:?}");
    assert!(
        paint.contains("> web-02  deploy  shell") && !paint.contains("web-01"),
        "{paint:?}"
    );
    let paint = bench.typed("\x1b[A");
    assert!(!paint.contains("\x1b[2J"), "{paint:?}");
}

#[test]
fn it_works_at_forty_columns_and_below() {
    let mut offers = hosts(30);
    offers[1].friendly_name = "Ein sehr langer Name für einen Rechner 日本語".into();
    offers[2].host = "a-host-with-quite-a-long-name.example.org".into();
    for size in [(40, 12), (40, 24), (20, 8), (10, 5), (200, 50)] {
        let mut bench = Bench::new("xterm", size, offers.clone());
        for _ in 0..40 {
            bench.typed("\x1b[B");
            let seen = bench.seen();
            assert!(
                seen.lines().any(|line| line.starts_with("> ")),
                "{size:?}\n{seen}"
            );
            assert!(seen.contains("Filter:"), "{size:?}\n{seen}");
        }
        bench.typed("\r");
        assert_eq!(bench.chosen().host, "web-30");
    }
}

#[test]
fn another_size_is_painted_anew() {
    let mut bench = Bench::new("xterm", (80, 24), hosts(30));
    bench.typed("\x1b[F");
    for (cols, rows) in [(40, 10), (120, 40), (80, 24)] {
        bench.screen.screen_mut().set_size(rows, cols);
        let paint = bench.menu.resized((cols.into(), rows.into()));
        bench.show(&paint);
        assert_eq!(bench.marked(), "web-30  deploy  shell");
        assert!(bench.seen().lines().count() <= rows.into());
    }
}

#[test]
fn names_cannot_steer_the_terminal() {
    let mut offers = hosts(2);
    offers[0].friendly_name = "\x1b[2Jgone\u{202e}".into();
    offers[0].activity = "shell\r\n".into();
    for term in ["xterm", "dumb"] {
        let bench = Bench::new(term, (80, 24), offers.clone());
        assert!(bench.seen().contains("?[2Jgone?"), "{}", bench.seen());
        assert!(bench.seen().contains("web-02"), "{}", bench.seen());
    }
}

#[test]
fn how_to_leave() {
    for (keys, leaving) in [
        ("\x03", Leaving::Interrupted),
        ("\x04", Leaving::Quit),
        ("q", Leaving::Quit),
        ("web\x03", Leaving::Interrupted),
        ("\x1b[\x03", Leaving::Interrupted),
    ] {
        let mut bench = Bench::new("xterm", (80, 24), hosts(3));
        bench.typed(keys);
        assert_eq!(bench.outcome, Some(Outcome::Left(leaving)), "{keys:?}");
        assert_eq!(bench.seen(), "", "{keys:?}");
    }
    // Where something begins with it, it is looked for.
    let mut offers = hosts(2);
    offers.push(offer("qa-01", "ops", "deploy", "shell"));
    let mut bench = Bench::new("xterm", (80, 24), offers);
    assert!(!bench.seen().contains("q or"), "{}", bench.seen());
    bench.typed("q");
    assert_eq!(bench.outcome, None);
    assert_eq!(bench.marked(), "qa-01   deploy  shell");
}

#[test]
fn notes_and_ticket_are_asked_for() {
    let mut offers = hosts(1);
    offers.insert(0, demanding());
    let mut bench = Bench::new("xterm", (80, 24), offers.clone());
    bench.typed("\r");
    assert!(
        bench.seen().contains("Notes (why you need this session):"),
        "{}",
        bench.seen()
    );
    bench.typed(" \r");
    assert!(
        bench.seen().contains("Notes are required here."),
        "{}",
        bench.seen()
    );
    bench.typed(&format!(
        "Überprüfung + {}\x17done\x7f\r",
        "long ".repeat(40)
    ));
    assert!(bench.seen().contains("Ticket number:"), "{}", bench.seen());
    bench.typed("T-1\r");
    let choice = bench.chosen();
    let notes = choice.notes.as_deref().unwrap();
    assert!(
        notes.starts_with("Überprüfung + long long") && notes.ends_with("long don"),
        "{notes}"
    );
    assert_eq!(choice.ticket.as_deref(), Some("T-1"));
    // Ctrl-C goes back to the list and forgets what was answered.
    let mut bench = Bench::new("xterm", (80, 24), offers);
    bench.typed("\rwhy\x03");
    assert_eq!(bench.outcome, None);
    assert!(
        bench.seen().contains("Filter:") && !bench.seen().contains("why"),
        "{}",
        bench.seen()
    );
    bench.typed("\x1b[B\r");
    assert_eq!(
        (bench.chosen().host.as_str(), &bench.chosen().notes),
        ("web-01", &None)
    );
}

#[test]
fn a_refusal_comes_back_to_the_list() {
    for (term, again) in [("xterm", "\r"), ("dumb", "1\r")] {
        let mut bench = Bench::new(term, (80, 24), hosts(3));
        bench.typed(again);
        assert!(bench.outcome.take().is_some());
        let paint = bench
            .menu
            .refused("web-01 could not be reached: no\x1b route");
        bench.show(&paint);
        let seen = bench.seen();
        assert!(
            seen.contains("web-01 could not be reached: no? route"),
            "{seen}"
        );
        bench.typed(again);
        assert_eq!(bench.chosen().host, "web-01");
    }
}

#[test]
fn a_dumb_terminal_gets_numbers() {
    let mut offers = hosts(30);
    offers.insert(0, demanding());
    let mut bench = Bench::new("dumb", (40, 12), offers.clone());
    let seen = bench.seen();
    assert!(
        seen.contains(" 1. vault   root    root shell") && seen.contains("10. web-09"),
        "{seen}"
    );
    assert!(!seen.contains("web-10"), "{seen}");
    let paint = bench.typed("\r");
    assert!(
        paint.contains("20. web-19") && !paint.contains("\x1b"),
        "{paint:?}"
    );
    let paint = bench.typed("web-2\r");
    assert!(
        paint.contains(" 1. web-20") && paint.contains("10. web-29"),
        "{paint:?}"
    );
    let paint = bench.typed("77\r");
    assert!(
        paint.contains("There is no number 77, only 1 to 10."),
        "{paint:?}"
    );
    let paint = bench.typed("nowhere\r");
    assert!(paint.contains("Nothing matches"), "{paint:?}");
    let paint = bench.typed("13\x7f\x7f3");
    assert_eq!(paint, "13\x08 \x08\x08 \x083");
    bench.typed("\r");
    assert_eq!(bench.chosen().host, "web-22");
    // By name.
    let mut bench = Bench::new("", (40, 12), offers.clone());
    bench.typed("WEB-17\r");
    assert_eq!(bench.chosen().host, "web-17");
    // With questions, and back from them.
    let mut bench = Bench::new("dumb", (40, 12), offers.clone());
    bench.typed("1\rwhy\x03");
    assert_eq!(bench.outcome, None);
    bench.typed("1\r\rbecause\rT-7\r");
    let choice = bench.chosen();
    assert_eq!(
        (choice.notes.as_deref(), choice.ticket.as_deref()),
        (Some("because"), Some("T-7"))
    );
    for (keys, leaving) in [
        ("q\r", Leaving::Quit),
        ("\x04", Leaving::Quit),
        ("x\x03", Leaving::Interrupted),
    ] {
        let mut bench = Bench::new("dumb", (40, 12), offers.clone());
        bench.typed(keys);
        assert_eq!(bench.outcome, Some(Outcome::Left(leaving)));
    }
}

#[test]
fn without_a_terminal_a_line_is_read_and_the_rest_is_the_sessions() {
    let mut menu = Menu::new("alice", hosts(300), None);
    let first = menu.open();
    assert!(
        first.contains("300. web-300") && !first.contains('\r') && !first.contains('\x1b'),
        "{first}"
    );
    let input = b"web-2\r\n2\r\nhostname\n";
    let step = menu.typed(input);
    assert!(step.paint.contains("  2. web-21 "), "{}", step.paint);
    assert_eq!(&input[step.taken..], b"hostname\n");
    assert!(matches!(step.outcome, Some(Outcome::Chosen(choice)) if choice.host == "web-21"));
    // A last line without its end.
    let mut menu = Menu::new("alice", hosts(3), None);
    assert_eq!(menu.typed(b"3").outcome, None);
    assert!(
        matches!(menu.ended().outcome, Some(Outcome::Chosen(choice)) if choice.host == "web-03")
    );
    let mut menu = Menu::new("alice", hosts(3), None);
    assert_eq!(
        menu.ended().outcome,
        Some(Outcome::Left(Leaving::EndOfInput))
    );
}

#[test]
fn what_comes_after_the_choice_is_left() {
    let mut bench = Bench::new("xterm", (80, 24), hosts(3));
    let step = bench.menu.typed(b"\x1b[B\rhostname\r");
    assert_eq!(step.taken, 4);
    assert!(matches!(step.outcome, Some(Outcome::Chosen(choice)) if choice.host == "web-02"));
}

#[test]
fn noise_harms_nothing() {
    use rand::{RngCore, SeedableRng};
    let mut noise = vec![0; 200_000];
    rand::rngs::StdRng::seed_from_u64(7).fill_bytes(&mut noise);
    let terminal = |term: &str| Terminal {
        term: term.to_owned(),
        size: (17, 6),
    };
    for terminal in [None, Some(terminal("xterm")), Some(terminal("dumb"))] {
        let mut offers = hosts(30);
        offers.push(demanding());
        let mut menu = Menu::new("alice", offers, terminal.as_ref());
        menu.open();
        let mut left = &noise[..];
        while !left.is_empty() {
            let step = menu.typed(&left[..left.len().min(997)]);
            left = &left[step.taken..];
            if step.outcome.is_some() {
                menu.refused("again");
            }
        }
    }
}
