use std::time::Duration;

use sallyport_dissect::rdp::capabilities::Takes;
use sallyport_dissect::rdp::input::Locks;
use uuid::Uuid;

use super::*;

const DESKTOP: Desktop = Desktop {
    share: 1,
    width: 800,
    height: 600,
    depth: 32,
    takes: Takes {
        fast_path: true,
        characters: true,
        side_buttons: false,
    },
    counts_frames: false,
};

fn key(code: u8, down: bool) -> Event {
    Event::Key(Key {
        code,
        extended: false,
        down,
    })
}

fn control(n: u128, exclusive: bool) -> (Control, mpsc::Sender<ControlInput>) {
    let (sender, inputs) = mpsc::channel(4);
    let seat = Uuid::from_u128(n).into();
    (
        Control::new("bob".to_owned(), seat, exclusive, inputs),
        sender,
    )
}

fn a() -> ControlInput {
    ControlInput::Key {
        scancode: 0x1e,
        extended: false,
        down: true,
    }
}

#[tokio::test]
async fn only_whoever_has_control_is_heard_and_only_as_long() {
    let driver = watch::Sender::new(None);
    let (user, mut steering) = (Share::default(), Steering::new(driver.subscribe()));
    assert!(steering.turn(&user).is_some_and(|events| events.is_empty()));
    let (given, hand) = control(1, false);
    hand.send(a()).await.unwrap();
    let nothing = tokio::time::timeout(Duration::from_millis(20), steering.next()).await;
    assert!(nothing.is_err(), "control was not given");
    driver.send_replace(Some(Arc::new(given)));
    assert!(matches!(steering.next().await, Next::Turned));
    steering.turn(&user);
    assert!(!steering.excludes_user());
    let Next::Input(input) = steering.next().await else {
        panic!("an input");
    };
    assert_eq!(steering.events(input, &DESKTOP), [key(0x1e, true)]);
    // Taken away while he holds a key: it is let go, and his way is closed.
    driver.send_replace(None);
    assert!(matches!(steering.next().await, Next::Turned));
    assert_eq!(steering.turn(&user), Some(vec![key(0x1e, false)]));
    assert!(hand.is_closed());
    assert_eq!(steering.turn(&user), None);
}

#[tokio::test]
async fn the_user_lets_go_of_everything_when_she_is_kept_out() {
    let driver = watch::Sender::new(None);
    let (user, mut steering) = (Share::default(), Steering::new(driver.subscribe()));
    user.see(&key(0x2a, true));
    user.see(&Event::Locks(Locks::of(0x02)));
    let (given, hand) = control(1, true);
    driver.send_replace(Some(Arc::new(given)));
    assert_eq!(steering.turn(&user), Some(vec![key(0x2a, false)]));
    assert!(steering.excludes_user());
    drop(hand);
    let seat = Uuid::from_u128(1).into();
    assert!(matches!(steering.next().await, Next::Gone(left) if left == seat));
    let told_once = tokio::time::timeout(Duration::from_millis(20), steering.next()).await;
    assert!(told_once.is_err());
    assert!(steering.excludes_user(), "until the driver says otherwise");
    // Her own Caps Lock, which did not reach the target.
    user.see_locks(&key(0x3a, true));
    driver.send_replace(None);
    let locks = Event::Locks(Locks::of(0x06));
    assert_eq!(steering.turn(&user), Some(vec![locks]));
}

#[test]
fn the_mouse_is_told_as_what_changed_within_the_desktop() {
    let driver = watch::Sender::new(None);
    let mut steering = Steering::new(driver.subscribe());
    let mut mouse = |x, y, buttons, wheel| {
        let input = ControlInput::Mouse {
            x,
            y,
            buttons,
            wheel,
        };
        steering.events(input, &DESKTOP)
    };
    let place = (799, 599);
    let moved = Event::Mouse(Mouse::moved(place));
    let button = |button, down| Event::Mouse(Mouse::button(button, down, place));
    assert_eq!(mouse(9999, 9999, 1, 0), [moved, button(Button::Left, true)]);
    // The fourth button is not there.
    assert_eq!(
        mouse(799, 599, 2 | 8, 0),
        [button(Button::Left, false), button(Button::Right, true)]
    );
    let wheel = Event::Mouse(Mouse::wheel(-255, place));
    assert_eq!(
        mouse(799, 599, 0, -9999),
        [button(Button::Right, false), wheel]
    );
    assert_eq!(mouse(799, 599, 0, 0), []);
}

#[test]
fn text_is_typed_where_the_target_takes_it_and_never_on_the_tape() {
    let driver = watch::Sender::new(None);
    let mut steering = Steering::new(driver.subscribe());
    let character = |code, down| Event::Character(Character { code, down });
    let typed = steering.events(ControlInput::Text("é\n".to_owned()), &DESKTOP);
    assert_eq!(
        typed,
        [
            character(0xe9, true),
            character(0xe9, false),
            key(ENTER, true),
            key(ENTER, false)
        ]
    );
    assert_eq!(
        masked(&typed),
        [
            character(0, true),
            character(0, false),
            key(0, true),
            key(0, false)
        ]
    );
    let mut without = DESKTOP;
    without.takes.characters = false;
    let typed = steering.events(ControlInput::Text("x\t".to_owned()), &without);
    assert_eq!(typed, [key(TAB, true), key(TAB, false)]);
}
