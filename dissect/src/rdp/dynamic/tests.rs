use super::super::played::{CLIENT, Played, TARGET, numbers};
use super::*;

const GRAPHICS: &str = "Microsoft::Windows::RDS::Graphics";

fn played() -> Played<Dynamic> {
    Played::new(Dynamic::default())
}

fn create(id: u8, name: &str) -> Vec<u8> {
    [&[0x10, id], name.as_bytes(), &[0]].concat()
}

fn created(id: u8, status: u32) -> Vec<u8> {
    [&[0x10, id][..], &status.to_le_bytes()].concat()
}

fn data(id: u8, message: &[u8]) -> Vec<u8> {
    [&[0x30, id], message].concat()
}

fn opened(name: &str) -> Played<Dynamic> {
    let mut played = played();
    played.send(TARGET, &create(7, name));
    played.client_gets(&[create(7, name)]);
    played.send(CLIENT, &created(7, 0));
    played.target_gets(&[created(7, 0)]);
    played
}

/// A message about graphics.
fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + body.len()).unwrap();
    let head = [kind.to_le_bytes(), [0, 0]].concat();
    [head, length.to_le_bytes().to_vec(), body.to_vec()].concat()
}

fn versions(sets: &[(u32, u32)]) -> Vec<u8> {
    let count = u16::try_from(sets.len()).unwrap();
    let mut body = count.to_le_bytes().to_vec();
    for (version, flags) in sets {
        body.extend(numbers(&[*version, 4, *flags]));
    }
    message(0x12, &body)
}

#[test]
fn what_is_not_on_the_list_is_refused_without_the_client() {
    let mut played = played();
    let core_input = "Microsoft::Windows::RDS::CoreInput";
    for _ in 0..2 {
        played.send(TARGET, &create(3, core_input));
        played.client_gets(&[]);
        played.target_gets(&[created(3, 0xc000_0001)]);
    }
    let name = Name::new(core_input.as_bytes()).unwrap();
    assert_eq!(played.facts(), [ChannelFact::NotOpened { name }]);
    // Ids of two and four bytes.
    played.send(TARGET, b"\x11\x03\x04URBDRC\0");
    played.send(TARGET, b"\x12\x03\x04\x05\x06URBDRC\0");
    played.target_gets(&[
        [b"\x11\x03\x04".as_slice(), &0xc000_0001_u32.to_le_bytes()].concat(),
        [
            b"\x12\x03\x04\x05\x06".as_slice(),
            &0xc000_0001_u32.to_le_bytes(),
        ]
        .concat(),
    ]);
}

#[test]
fn sound_needs_its_right_in_each_direction() {
    for (name, sound, microphone) in [
        ("AUDIO_PLAYBACK_DVC", true, false),
        ("AUDIO_PLAYBACK_LOSSY_DVC", true, false),
        ("AUDIO_INPUT", false, true),
    ] {
        let mut played = played();
        played.channel.protocol.set(Rules {
            sound: !sound,
            microphone: !microphone,
        });
        played.send(TARGET, &create(1, name));
        played.client_gets(&[]);
        played.channel.protocol.set(Rules { sound, microphone });
        played.send(TARGET, &create(1, name));
        played.client_gets(&[create(1, name)]);
    }
}

#[test]
fn what_the_server_draws_is_told_from_the_rest() {
    for (name, drawn) in [(GRAPHICS, true), ("ECHO", false)] {
        let mut played = opened(name);
        assert!(!played.channel.protocol.take_drawn(), "{name}: opened only");
        played.send(CLIENT, &data(7, &versions(&[(0x0008_0004, 0)])));
        assert!(!played.channel.protocol.take_drawn(), "{name}: the client");
        played.send(TARGET, &data(8, &message(1, b"under another id")));
        assert!(!played.channel.protocol.take_drawn(), "{name}: not open");
        played.send(TARGET, &data(7, &message(1, b"pixels")));
        assert_eq!(played.channel.protocol.take_drawn(), drawn, "{name}");
        assert!(!played.channel.protocol.take_drawn(), "{name}: told once");
    }
}

#[test]
fn nothing_passes_under_an_id_that_is_not_open() {
    let mut played = opened("ECHO");
    for side in [CLIENT, TARGET] {
        for pdu in [data(8, b"x"), vec![0x40, 8], vec![0x24, 8, 9, 0, 1]] {
            played.send(side, &pdu);
        }
        played.send(side, &data(7, b"echo"));
    }
    played.send(CLIENT, &created(8, 0));
    played.client_gets(&[data(7, b"echo")]);
    played.target_gets(&[data(7, b"echo")]);
    // Closed by both, it is gone; what was on its way then has come through.
    played.send(TARGET, &[0x40, 7]);
    played.send(CLIENT, &data(7, b"late"));
    played.send(CLIENT, &[0x40, 7]);
    played.client_gets(&[vec![0x40, 7]]);
    played.target_gets(&[data(7, b"late"), vec![0x40, 7]]);
    played.send(CLIENT, &data(7, b"too late"));
    played.target_gets(&[]);
    // The id can be used again; and a client that says no has no channel.
    played.send(TARGET, &create(7, "ECHO"));
    played.send(CLIENT, &created(7, 0x8000_4005));
    played.send(CLIENT, &data(7, b"none"));
    played.target_gets(&[created(7, 0x8000_4005)]);
    assert_eq!(played.facts(), []);
}

#[test]
fn ways_past_the_gateway_are_not_agreed_on() {
    let mut played = played();
    played.send(TARGET, &[0x80, 0, 10, 0, 0, 0, 1, 0, 0, 0]);
    played.client_gets(&[]);
    played.send(TARGET, &[0x50, 0, 3, 0]);
    played.client_gets(&[vec![0x50, 0, 3, 0]]);
    played.send(TARGET, &[0xf0, 0]);
    played.client_gets(&[]);
    assert_eq!(
        played.facts(),
        [ChannelFact::Dropped(Malformed(
            "a PDU of no kind that dynamic channels have"
        ))]
    );
}

#[test]
fn h264_is_negotiated_away() {
    let mut played = opened(GRAPHICS);
    let asked = versions(&[
        (0x0008_0004, 0),
        (0x0008_0105, 0x10),
        (0x000a_0002, 0),
        (0x000a_0301, 0x40),
        (0x000a_0701, 0x80),
        // A version of the future.
        (0x000b_0000, 0),
    ]);
    played.send(CLIENT, &data(7, &asked));
    let left = versions(&[
        (0x0008_0004, 0x02),
        (0x0008_0105, 0x02),
        (0x000a_0002, 0x22),
        (0x000a_0301, 0x20),
        (0x000a_0701, 0xa2),
    ]);
    played.target_gets(&[data(7, &left)]);
    // 10.1, which is H.264 and nothing else.
    let only = [&[1, 0][..], &numbers(&[0x000a_0100, 16, 0, 0, 0, 0])].concat();
    played.send(CLIENT, &data(7, &message(0x12, &only)));
    played.target_gets(&[]);
    assert_eq!(
        played.facts(),
        [ChannelFact::Dropped(Malformed(
            "a client has no graphics capabilities that are known"
        ))]
    );
}

#[test]
fn a_client_has_no_pictures_from_other_sessions() {
    let mut played = opened(GRAPHICS);
    let kept = [&[200, 0][..], &[9; 12 * 200]].concat();
    let offer = message(0x10, &kept);
    let total = u16::try_from(offer.len()).unwrap().to_le_bytes();
    let (one, two) = offer.split_at(1500);
    played.send(CLIENT, &[&[0x24, 7], &total[..], one].concat());
    played.target_gets(&[]);
    played.send(CLIENT, &data(7, two));
    played.target_gets(&[data(7, &message(0x10, &[0, 0]))]);
    // Frames are acknowledged as they are.
    let frame = message(0x0d, &numbers(&[0, 5, 5]));
    played.send(CLIENT, &data(7, &frame));
    played.target_gets(&[data(7, &frame)]);
    // Nothing else is said by clients.
    played.send(CLIENT, &data(7, &message(0x0e, &[0; 12])));
    played.target_gets(&[]);
    assert_eq!(played.facts(), []);
}

#[test]
fn what_a_client_says_of_graphics_is_read_or_does_not_pass() {
    let mut played = opened(GRAPHICS);
    let frame = message(0x0d, &numbers(&[0, 5, 5]));
    let broken = [
        // Compressed.
        vec![0x70, 7, 1, 2, 3],
        // Cut off, and longer than it says.
        data(7, &frame[..12]),
        data(7, &message(0x12, &[2, 0])),
        // Longer than anything.
        vec![0x28, 7, 0, 0, 0, 1, 1],
        // More of it than it says.
        vec![0x20, 7, 1, 2, 3],
    ];
    for pdu in broken {
        played.send(CLIENT, &pdu);
        played.target_gets(&[]);
        assert_eq!(played.facts().len(), 1, "{pdu:?}");
    }
    // Pictures pass, whatever they are.
    let pictures = data(7, &[0xe0; 1500]);
    played.send(TARGET, &pictures);
    played.client_gets(&[pictures]);
}

#[test]
fn there_are_not_many_open_at_once() {
    let mut played = played();
    for id in 0..=u8::try_from(MOST_OPEN).unwrap() {
        played.send(TARGET, &create(id, "ECHO"));
    }
    assert_eq!(played.to_client.len(), MOST_OPEN);
    assert_eq!(played.to_target.len(), 1);
}

#[test]
fn monitors_are_told_once_they_change() {
    let mut played = opened("Microsoft::Windows::RDS::DisplayControl");
    let monitor = |left: u32, width: u32| numbers(&[0, left, 0, width, 1080, 0, 0, 0, 100, 100]);
    let layout = |monitors: &[Vec<u8>]| {
        let count = u32::try_from(monitors.len()).unwrap();
        data(
            7,
            &[numbers(&[2, 16 + 40 * count, 40, count]), monitors.concat()].concat(),
        )
    };
    let to_the_left = 1280_u32.wrapping_neg();
    let two = layout(&[monitor(0, 1920), monitor(to_the_left, 1280)]);
    for _ in 0..2 {
        played.send(CLIENT, &two);
    }
    played.target_gets(&[two.clone(), two.clone()]);
    let told = ChannelFact::Monitors {
        count: 2,
        width: 3200,
        height: 1080,
    };
    assert_eq!(played.facts(), [told]);
    // Cut off, it passes and tells nothing.
    played.send(CLIENT, &two[..two.len() - 1]);
    assert_eq!(played.to_target.len(), 1);
    assert_eq!(played.facts(), []);
}
