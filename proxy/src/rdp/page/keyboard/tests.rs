use super::layouts::LAYOUTS;
use super::*;

const SHIFT: (u8, bool) = (0x2a, false);
const CONTROL: (u8, bool) = (0x1d, false);
const ALT: (u8, bool) = (0x38, false);
const ALT_GR: (u8, bool) = (0x38, true);
const CAPS: (u8, bool) = (0x3a, false);

fn key(keyboard: &mut Keyboard, code: u8, extended: bool, released: bool) -> Vec<Key> {
    let input = Input::Scancode {
        code,
        extended,
        released,
    };
    keyboard.take(input).into_iter().flatten().collect()
}

fn press(keyboard: &mut Keyboard, held: &[(u8, bool)], code: u8) -> String {
    for &(code, extended) in held {
        key(keyboard, code, extended, false);
    }
    let keys = key(keyboard, code, false, false);
    key(keyboard, code, false, true);
    for &(code, extended) in held {
        key(keyboard, code, extended, true);
    }
    written(&keys)
}

fn written(keys: &[Key]) -> String {
    keys.iter()
        .filter_map(|key| match key {
            Key::Character(c) => Some(*c),
            _ => None,
        })
        .collect()
}

#[test]
fn every_table_has_a_character_for_every_key() {
    for layout in &LAYOUTS {
        let missing: Vec<u8> = (0x02..=0x0d)
            .chain(0x10..=0x1b)
            .chain(0x1e..=0x29)
            .chain(0x2b..=0x35)
            .chain([0x56])
            .filter(|&code| layout.plain(code).is_none())
            .collect();
        assert!(missing.is_empty(), "{}: {missing:?}", layout.name);
        let shift = Keys {
            shift: true,
            caps: false,
            third_level: false,
        };
        let letters: String = [0x10, 0x1e, 0x2c]
            .iter()
            .filter_map(|&code| layout.character(code, shift))
            .collect();
        assert!(
            letters.chars().all(char::is_uppercase),
            "{}: {letters}",
            layout.name
        );
    }
}

/// Every printable ASCII character can be typed somehow: passwords have them all.
#[test]
fn every_layout_types_all_of_ascii() {
    for layout in &LAYOUTS {
        let mut typed = String::new();
        for code in 0x02..=0x56 {
            for level in 0..4 {
                let keys = Keys {
                    shift: level % 2 == 1,
                    caps: false,
                    third_level: level >= 2,
                };
                if let Some(c) = layout.character(code, keys) {
                    typed.push(accent_alone(c).unwrap_or(c));
                }
            }
        }
        let missing: String = ('!'..='~').filter(|&c| !typed.contains(c)).collect();
        // Windows has no other way to these than the number pad.
        let known = match layout.name {
            "Italian" => "`~",
            _ => "",
        };
        assert_eq!(missing, known, "{}", layout.name);
    }
}

#[test]
fn layouts_differ() {
    let nothing: &[(u8, bool)] = &[];
    for (layout, held, code, expected) in [
        (0x409, nothing, 0x15, "y"),
        (0x407, nothing, 0x15, "z"),
        (0x407, &[SHIFT], 0x03, "\""),
        (0x407, &[ALT_GR], 0x10, "@"),
        (0x407, &[CONTROL, ALT], 0x10, "@"),
        (0x407, &[CONTROL, ALT_GR], 0x56, "|"),
        (0xc07, nothing, 0x0c, "ß"),
        (0x1_0407, nothing, 0x27, "ö"),
        (0x40c, nothing, 0x10, "a"),
        (0x40c, nothing, 0x02, "&"),
        (0x40c, &[SHIFT], 0x02, "1"),
        (0x40c, &[ALT_GR], 0x0b, "@"),
        (0x40c, &[SHIFT], 0x29, ""),
        (0x809, &[SHIFT], 0x04, "£"),
        (0x809, &[SHIFT], 0x28, "@"),
        (0x809, nothing, 0x2b, "#"),
        (0x40a, nothing, 0x27, "ñ"),
        (0x410, &[ALT_GR, SHIFT], 0x1a, "{"),
        (0x41d, nothing, 0x1a, "å"),
        (0x415, &[ALT_GR, SHIFT], 0x26, "Ł"),
        (0x409, &[ALT_GR], 0x10, ""),
        (0x419, nothing, 0x10, "q"),
        (0, nothing, 0x10, "q"),
        (u32::MAX, nothing, 0x10, "q"),
    ] {
        let mut keyboard = Keyboard::new(layout);
        let found = press(&mut keyboard, held, code);
        assert_eq!(found, expected, "{code:#x} on {layout:#x} with {held:?}");
    }
}

#[test]
fn dead_keys_wait_for_their_letter() {
    // German: acute, then e; circumflex, then blank; grave, then x.
    let mut german = Keyboard::new(0x407);
    assert_eq!(press(&mut german, &[], 0x0d), "");
    assert_eq!(press(&mut german, &[], 0x12), "é");
    assert_eq!(press(&mut german, &[], 0x29), "");
    assert_eq!(press(&mut german, &[], 0x39), "^");
    assert_eq!(press(&mut german, &[SHIFT], 0x0d), "");
    assert_eq!(press(&mut german, &[], 0x2d), "`x");
    // Twice the same: one that stands alone.
    assert_eq!(press(&mut german, &[], 0x29), "");
    assert_eq!(press(&mut german, &[], 0x29), "^");
    // Escape forgets it.
    assert_eq!(press(&mut german, &[], 0x0d), "");
    assert_eq!(press(&mut german, &[], 0x01), "");
    assert_eq!(press(&mut german, &[], 0x12), "e");
}

#[test]
fn caps_lock_is_switched_once_per_press() {
    let mut keyboard = Keyboard::new(0x409);
    for _ in 0..5 {
        key(&mut keyboard, CAPS.0, CAPS.1, false);
    }
    key(&mut keyboard, CAPS.0, CAPS.1, true);
    assert!(keyboard.has_caps());
    assert_eq!(press(&mut keyboard, &[], 0x1e), "A");
    assert_eq!(press(&mut keyboard, &[SHIFT], 0x1e), "a");
    assert_eq!(press(&mut keyboard, &[], 0x02), "1");
    let mut french = Keyboard::new(0x40c);
    french.take(Input::Locks {
        caps: true,
        num: true,
    });
    assert_eq!(press(&mut french, &[], 0x02), "1");
    assert_eq!(french.layout_name(), "French");
}

#[test]
fn a_synchronisation_lets_go_of_everything() {
    let mut keyboard = Keyboard::new(0x407);
    key(&mut keyboard, SHIFT.0, SHIFT.1, false);
    key(&mut keyboard, CONTROL.0, CONTROL.1, false);
    keyboard.take(Input::Locks {
        caps: false,
        num: false,
    });
    assert_eq!(press(&mut keyboard, &[], 0x15), "z");
    assert!(
        key(&mut keyboard, 0x48, false, false) == [Key::Up],
        "without Num Lock"
    );
}

#[test]
fn the_number_pad_follows_num_lock() {
    let mut keyboard = Keyboard::new(0x407);
    assert_eq!(press(&mut keyboard, &[], 0x48), "8");
    assert_eq!(press(&mut keyboard, &[], 0x52), "0");
    assert_eq!(press(&mut keyboard, &[], 0x53), ",");
    assert!(key(&mut keyboard, 0x48, true, false) == [Key::Up]);
    assert!(key(&mut keyboard, 0x1c, true, false) == [Key::Enter]);
    assert_eq!(written(&key(&mut keyboard, 0x35, true, false)), "/");
    press(&mut keyboard, &[], 0x45);
    assert!(key(&mut keyboard, 0x47, false, false) == [Key::Home]);
}

#[test]
fn control_and_u_erases_where_u_is() {
    for (layout, code) in [(0x409, 0x16), (0x407, 0x16), (0x40c, 0x16)] {
        let mut keyboard = Keyboard::new(layout);
        key(&mut keyboard, CONTROL.0, CONTROL.1, false);
        assert!(key(&mut keyboard, code, false, false) == [Key::EraseAll]);
        assert!(
            key(&mut keyboard, 0x1e, false, false).is_empty(),
            "Ctrl+A writes nothing"
        );
    }
}

#[test]
fn characters_come_as_they_are() {
    let mut keyboard = Keyboard::new(0x407);
    let mut unicode = |unit, released| -> Vec<Key> {
        let input = Input::Unicode { unit, released };
        keyboard.take(input).into_iter().flatten().collect()
    };
    assert_eq!(written(&unicode(0xe4, false)), "ä");
    assert_eq!(written(&unicode(0xe4, true)), "");
    // A character beyond 16 bits, whole and broken.
    assert_eq!(written(&unicode(0xd83e, false)), "");
    assert_eq!(written(&unicode(0xdd80, false)), "🦀");
    assert_eq!(written(&unicode(0xdd80, false)), "");
    assert_eq!(written(&unicode(0xd83e, false)), "");
    assert_eq!(written(&unicode(0x61, false)), "a");
    assert!(unicode(0x0d, false) == [Key::Enter]);
    assert!(unicode(0x08, false) == [Key::Backspace]);
    assert!(unicode(0x00, false).is_empty());
}

#[test]
fn no_event_upsets_it() {
    let mut keyboard = Keyboard::new(0x40c);
    for _ in 0..3 {
        for code in 0..=u8::MAX {
            for flags in 0..4_u8 {
                key(&mut keyboard, code, flags & 1 == 1, flags & 2 == 2);
            }
            let unit = u16::from(code) * 257;
            keyboard.take(Input::Unicode {
                unit,
                released: false,
            });
        }
    }
}
