use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::rdp::page::client::Gallery;
use crate::rdp::page::paint::Depth;
use crate::rdp::page::{Choice, Field, Form, Item, Notice, Progress, Tone};

const ENTER: u8 = 0x1c;
const ESCAPE: u8 = 0x01;
const BACKSPACE: u8 = 0x0e;
const TAB: u8 = 0x0f;
const SHIFT: u8 = 0x2a;
const UP: u8 = 0x48;
const DOWN: u8 = 0x50;
const PAGE_UP: u8 = 0x49;
const PAGE_DOWN: u8 = 0x51;
const HOME: u8 = 0x47;
const END: u8 = 0x4f;

fn hosts(count: usize) -> Page {
    let items = (0..count).map(|n| Item {
        label: format!("{}-{n:02}", ["web", "database", "mail", "büro"][n % 4]),
        detail: format!("10.0.{}.{n}, {}", n % 7, ["production", "staging"][n % 2]),
    });
    Page::Choice(Choice {
        title: "Where to?".to_owned(),
        prompt: "You may open a desktop on these hosts.".to_owned(),
        items: items.collect(),
        filter: String::new(),
    })
}

fn field(label: &str, value: &str, is_secret: bool, is_required: bool) -> Field {
    Field {
        label: label.to_owned(),
        value: Zeroizing::new(value.to_owned()),
        is_secret,
        is_required,
    }
}

fn form() -> Page {
    Page::Form(Form {
        title: "Before you open database-01".to_owned(),
        explanation: "This host is in production. Say what you are going to do there; whoever reviews the recording \
                      reads it first."
            .to_owned(),
        complaint: String::new(),
        fields: vec![
            field("Reason", "Nightly backup failed", false, true),
            field("Ticket", "", false, false),
            field("Code from your authenticator", "", true, true),
        ],
        button: "Continue".to_owned(),
    })
}

fn refusal() -> Page {
    Page::Notice(Notice {
        title: "You may not open database-01".to_owned(),
        lines: vec![
            "No rule lets alice open a desktop on this host at this time.".to_owned(),
            String::new(),
            "Ask an administrator, or request access in the console. Reference: 0192f3c4-77ab."
                .to_owned(),
        ],
        tone: Tone::Refusal,
        hint: "This window closes in 30 seconds.".to_owned(),
        button: Some("Close".to_owned()),
    })
}

fn progress() -> Page {
    Page::Progress(Progress {
        title: "Connecting to web-01…".to_owned(),
        lines: vec!["Waiting for the host to answer.".to_owned()],
        elapsed: Duration::from_secs(4),
        hint: "Press Esc to give up.".to_owned(),
    })
}

fn banner() -> Page {
    Page::Notice(Notice {
        title: "Notice to users".to_owned(),
        lines: (1..40)
            .map(|n| format!("{n}. This system is for authorised use only; everything on it is recorded and reviewed."))
            .collect(),
        tone: Tone::Info,
        hint: "Press Enter to accept, Esc to leave.".to_owned(),
        button: Some("I accept".to_owned()),
    })
}

fn waiting() -> Page {
    Page::Notice(Notice {
        title: "Waiting for approval".to_owned(),
        lines: vec![
            "Somebody else has to allow this session. They have been told.".to_owned(),
            "Requested at 14:03 UTC by alice for database-01.".to_owned(),
        ],
        tone: Tone::Wait,
        hint: "Keep this window open. Press Esc to withdraw the request.".to_owned(),
        button: None,
    })
}

/// Presses a key, with its release.
fn key(screen: &mut Screen, code: u8) -> Outcome {
    let extended = matches!(code, UP | DOWN | PAGE_UP | PAGE_DOWN | HOME | END);
    let event = |released| Input::Scancode {
        code,
        extended,
        released,
    };
    let outcome = screen.input(event(false));
    assert_eq!(screen.input(event(true)), Outcome::None);
    outcome
}

fn type_in(screen: &mut Screen, text: &str) {
    for unit in text.encode_utf16() {
        for released in [false, true] {
            let outcome = screen.input(Input::Unicode { unit, released });
            assert_eq!(outcome, Outcome::None);
        }
    }
}

fn click(screen: &mut Screen, target: Target) -> Outcome {
    screen.take_damage();
    let place = place(screen, target);
    let (x, y) = (place.left + place.width / 2, place.top + place.height / 2);
    assert_eq!(screen.input(Input::Move { x, y }), Outcome::None);
    let press = Input::Button {
        x,
        y,
        pressed: true,
    };
    assert_eq!(screen.input(press), Outcome::None);
    screen.input(Input::Button {
        x,
        y,
        pressed: false,
    })
}

fn place(screen: &Screen, target: Target) -> Rectangle {
    let places = screen.hot.places().iter();
    places.rev().find(|place| place.1 == target).unwrap().0
}

fn submitted(outcome: &Outcome) -> Vec<&str> {
    match outcome {
        Outcome::Submitted(values) => values.iter().map(|value| value.as_str()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_host_is_found_by_typing() {
    let mut screen = Screen::new(800, 600, 0x409, hosts(40));
    assert_eq!(key(&mut screen, ENTER), Outcome::Chosen(0));
    type_in(&mut screen, "DATA stag 1");
    // database-01, -05, … are all in staging; those with a 1 somewhere in name or address.
    assert_eq!(key(&mut screen, ENTER), Outcome::Chosen(1));
    key(&mut screen, DOWN);
    assert_eq!(key(&mut screen, ENTER), Outcome::Chosen(5));
    type_in(&mut screen, "!");
    assert_eq!(key(&mut screen, ENTER), Outcome::None, "nothing matches");
    key(&mut screen, BACKSPACE);
    assert_eq!(key(&mut screen, ENTER), Outcome::Chosen(1));
    assert_eq!(key(&mut screen, ESCAPE), Outcome::Cancelled);
}

#[test]
fn keys_go_through_a_long_list() {
    let mut screen = Screen::new(640, 480, 0x409, hosts(40));
    screen.take_damage();
    let at = |screen: &mut Screen| {
        // Whatever is chosen is seen.
        screen.take_damage();
        match key(screen, ENTER) {
            Outcome::Chosen(at) => {
                screen.take_damage();
                assert!(!place(screen, Target::Row(at)).is_empty());
                at
            }
            other => panic!("{other:?}"),
        }
    };
    key(&mut screen, END);
    assert_eq!(at(&mut screen), 39);
    key(&mut screen, DOWN);
    key(&mut screen, UP);
    assert_eq!(at(&mut screen), 38);
    key(&mut screen, PAGE_UP);
    let page = 38 - at(&mut screen);
    assert!(page > 2, "a page is {page} rows");
    key(&mut screen, PAGE_DOWN);
    assert_eq!(at(&mut screen), 38);
    key(&mut screen, HOME);
    assert_eq!(at(&mut screen), 0);
}

#[test]
fn the_mouse_chooses_and_the_wheel_scrolls() {
    let mut screen = Screen::new(800, 600, 0x409, hosts(40));
    assert_eq!(click(&mut screen, Target::Row(3)), Outcome::Chosen(3));
    screen.input(Input::Wheel(-120));
    assert_eq!(click(&mut screen, Target::Row(5)), Outcome::Chosen(5));
    assert!(
        screen
            .hot
            .places()
            .iter()
            .all(|place| place.1 != Target::Row(2)),
        "scrolled by three"
    );
    // A part of a notch is kept for later.
    for _ in 0..3 {
        screen.input(Input::Wheel(-14));
    }
    screen.take_damage();
    assert!(
        screen
            .hot
            .places()
            .iter()
            .all(|place| place.1 != Target::Row(3))
    );
    assert_eq!(click(&mut screen, Target::Cancel), Outcome::Cancelled);
}

#[test]
fn a_click_needs_both_its_halves_on_the_same_thing() {
    let mut screen = Screen::new(800, 600, 0x409, hosts(40));
    screen.take_damage();
    let (one, two) = (
        place(&screen, Target::Row(1)),
        place(&screen, Target::Row(2)),
    );
    let button = |place: Rectangle, pressed| Input::Button {
        x: place.left,
        y: place.top,
        pressed,
    };
    assert_eq!(
        screen.input(button(one, false)),
        Outcome::None,
        "only let go"
    );
    screen.input(button(one, true));
    assert_eq!(
        screen.input(button(two, false)),
        Outcome::None,
        "let go elsewhere"
    );
    screen.input(button(one, true));
    type_in(&mut screen, "mail");
    screen.take_damage();
    assert_eq!(
        screen.input(button(one, false)),
        Outcome::None,
        "the list moved meanwhile"
    );
    type_in(&mut screen, "x");
    screen.input(button(one, true));
    assert_eq!(
        screen.input(button(one, false)),
        Outcome::None,
        "not drawn yet"
    );
}

#[test]
fn a_form_is_filled_in_by_keys() {
    let mut screen = Screen::new(1024, 768, 0x407, form());
    // The first empty field has the keyboard.
    type_in(&mut screen, "OPS-7");
    key(&mut screen, TAB);
    assert_eq!(
        key(&mut screen, ENTER),
        Outcome::None,
        "the code is missing"
    );
    // By scan codes, on a German keyboard: z and ö.
    for code in [0x15, 0x27, 0x02] {
        key(&mut screen, code);
    }
    let outcome = key(&mut screen, ENTER);
    assert_eq!(
        submitted(&outcome),
        ["Nightly backup failed", "OPS-7", "zö1"]
    );
    // Back to the reason, which is emptied: required.
    screen.input(Input::Scancode {
        code: SHIFT,
        extended: false,
        released: false,
    });
    key(&mut screen, TAB);
    key(&mut screen, TAB);
    screen.input(Input::Scancode {
        code: SHIFT,
        extended: false,
        released: true,
    });
    screen.input(Input::Scancode {
        code: 0x1d,
        extended: false,
        released: false,
    });
    key(&mut screen, 0x16);
    screen.input(Input::Scancode {
        code: 0x1d,
        extended: false,
        released: true,
    });
    assert_eq!(key(&mut screen, ENTER), Outcome::None);
    type_in(&mut screen, "x");
    assert_eq!(submitted(&key(&mut screen, ENTER)), ["x", "OPS-7", "zö1"]);
    assert_eq!(key(&mut screen, ESCAPE), Outcome::Cancelled);
}

#[test]
fn a_form_is_filled_in_by_mouse() {
    let mut screen = Screen::new(800, 600, 0x409, form());
    assert_eq!(click(&mut screen, Target::Field(2)), Outcome::None);
    type_in(&mut screen, "123456");
    let outcome = click(&mut screen, Target::Accept);
    assert_eq!(submitted(&outcome), ["Nightly backup failed", "", "123456"]);
    assert_eq!(click(&mut screen, Target::Cancel), Outcome::Cancelled);
    // Tab to the buttons.
    key(&mut screen, TAB);
    key(&mut screen, TAB);
    assert_eq!(
        key(&mut screen, 0x39),
        Outcome::Cancelled,
        "blank on the button"
    );
}

#[test]
fn notices_are_answered() {
    for (page, enter) in [
        (refusal(), Outcome::Submitted(Vec::new())),
        (banner(), Outcome::Submitted(Vec::new())),
        (waiting(), Outcome::Submitted(Vec::new())),
        (progress(), Outcome::None),
    ] {
        let mut screen = Screen::new(800, 600, 0x409, page);
        screen.take_damage();
        assert_eq!(key(&mut screen, ENTER), enter);
        assert_eq!(key(&mut screen, ESCAPE), Outcome::Cancelled);
        type_in(&mut screen, "x ");
    }
    let mut screen = Screen::new(800, 600, 0x409, refusal());
    assert_eq!(
        click(&mut screen, Target::Accept),
        Outcome::Submitted(Vec::new())
    );
}

#[test]
fn only_what_changed_is_painted() {
    let mut screen = Screen::new(1920, 1080, 0x409, hosts(40));
    let format = Format::new(Depth::Bits24);
    assert!(screen.fast_path(format).next().is_some());
    assert_eq!(screen.fast_path(format).count(), 0);

    key(&mut screen, DOWN);
    let damage = screen.take_damage();
    let area: u32 = damage
        .iter()
        .map(|r| u32::from(r.width) * u32::from(r.height))
        .sum();
    assert!(area > 0 && area < 1920 * 1080 / 10, "{damage:?}");

    key(&mut screen, ESCAPE);
    screen.set_elapsed(Duration::from_secs(1));
    assert_eq!(screen.take_damage(), [], "nothing looks different");
    screen.forget_what_was_seen();
    assert_eq!(screen.take_damage(), [Rectangle::new(0, 0, 1920, 1080)]);
}

#[test]
fn seconds_pass() {
    let mut screen = Screen::new(800, 600, 0x409, progress());
    screen.take_damage();
    screen.set_elapsed(Duration::from_millis(4900));
    assert_eq!(screen.take_damage(), []);
    screen.set_elapsed(Duration::from_secs(65));
    assert_ne!(screen.take_damage(), []);
}

#[test]
fn nothing_of_a_page_before_is_left() {
    let mut used = Screen::new(800, 600, 0x409, hosts(40));
    used.take_damage();
    used.show(progress());
    let after = used.picture().area();
    let mut fresh = Screen::new(800, 600, 0x409, progress());
    assert_eq!(fresh.picture().area(), after);
    assert!(used.canvas.pixels() == fresh.canvas.pixels());
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        (any::<u8>(), any::<bool>(), any::<bool>()).prop_map(|(code, extended, released)| {
            Input::Scancode {
                code,
                extended,
                released,
            }
        }),
        (any::<u16>(), any::<bool>())
            .prop_map(|(unit, released)| Input::Unicode { unit, released }),
        (any::<bool>(), any::<bool>()).prop_map(|(caps, num)| Input::Locks { caps, num }),
        (0_u16..900, 0_u16..700).prop_map(|(x, y)| Input::Move { x, y }),
        (any::<u16>(), 0_u16..700, any::<bool>()).prop_map(|(x, y, pressed)| Input::Button {
            x,
            y,
            pressed
        }),
        any::<i16>().prop_map(Input::Wheel),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn no_input_upsets_a_page(
        kind in 0_usize..10,
        (width, height) in (0_u16..900, 0_u16..700),
        layout in any::<u32>(),
        inputs in proptest::collection::vec((any_input(), any::<bool>()), 0..60),
    ) {
        let mut screen = Screen::new(width, height, layout, pages().swap_remove(kind).1);
        for (input, is_painted) in inputs {
            screen.input(input);
            if is_painted {
                for rectangle in screen.take_damage() {
                    let area = screen.picture().area();
                    prop_assert_eq!(rectangle.intersection(&area), rectangle);
                }
            }
        }
        screen.resize(height, width);
        let shown = screen.canvas.pixels().len();
        screen.take_damage();
        prop_assert_eq!(screen.canvas.pixels().len(), shown);
    }
}

/// Pages of every kind on desktops of every size; set PAGES to a folder to look at them.
#[test]
fn every_page_is_drawn_on_every_desktop() {
    let gallery = Gallery::new();
    for (width, height) in [
        (1, 1),
        (40, 30),
        (200, 200),
        (640, 480),
        (800, 600),
        (1024, 768),
        (1920, 1080),
        (4096, 2160),
    ] {
        for (name, page) in pages() {
            let mut screen = Screen::new(width, height, 0x407, page);
            screen.take_damage();
            match name {
                "choice" => {
                    type_in(&mut screen, "prod 1");
                    key(&mut screen, DOWN);
                }
                "form" => {
                    key(&mut screen, TAB);
                    key(&mut screen, 0x3a);
                    type_in(&mut screen, "123456");
                }
                "form-missing" => {
                    key(&mut screen, ENTER);
                }
                _ => {}
            }
            screen.take_damage();
            let area = screen.canvas.area();
            gallery.save(
                &format!("{name}-{width}x{height}"),
                area,
                screen.canvas.pixels(),
            );
        }
    }
}

fn pages() -> Vec<(&'static str, Page)> {
    vec![
        ("choice", hosts(240)),
        ("choice-all", hosts(240)),
        ("choice-few", hosts(3)),
        ("choice-none", hosts(0)),
        ("form", form()),
        ("form-missing", form()),
        ("refusal", refusal()),
        ("banner", banner()),
        ("waiting", waiting()),
        ("progress", progress()),
    ]
}
