use super::*;

fn set(kind: u16, fields: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend_from_slice(&u16::try_from(fields.len() + 4).unwrap().to_le_bytes());
    bytes.extend_from_slice(fields);
    bytes
}

fn body(originator: bool, sets: &[Vec<u8>], tail: &[u8]) -> Vec<u8> {
    let all = sets.concat();
    let mut bytes = 0x103eau32.to_le_bytes().to_vec();
    if originator {
        bytes.extend_from_slice(&1002u16.to_le_bytes());
    }
    bytes.extend_from_slice(&4u16.to_le_bytes());
    bytes.extend_from_slice(&u16::try_from(all.len() + 4).unwrap().to_le_bytes());
    bytes.extend_from_slice(b"RDP\0");
    bytes.extend_from_slice(&u16::try_from(sets.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&all);
    bytes.extend_from_slice(tail);
    bytes
}

fn bitmap(depth: u16, width: u16, height: u16) -> Vec<u8> {
    let mut fields = vec![0; 24];
    fields[..2].copy_from_slice(&depth.to_le_bytes());
    fields[8..10].copy_from_slice(&width.to_le_bytes());
    fields[10..12].copy_from_slice(&height.to_le_bytes());
    set(BITMAP, &fields)
}

fn codec(guid: [u8; 16], id: u8, properties: &[u8]) -> Vec<u8> {
    let mut bytes = guid.to_vec();
    bytes.push(id);
    bytes.extend_from_slice(&u16::try_from(properties.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(properties);
    bytes
}

#[test]
fn an_offer_keeps_what_is_not_known_and_loses_what_cannot_be_recorded() {
    let unknown = set(0x99, &[1, 2, 3]);
    // Keys by place, the extended mouse, and the second kind of fast-path.
    let mut input = [0; 84];
    input[0] = 0x25;
    let two = [
        &[2][..],
        &codec([9; 16], 1, &[7]),
        &codec(REMOTEFX, 0, &[5, 5]),
    ]
    .concat();
    let sets = [
        bitmap(32, 1024, 768),
        unknown.clone(),
        set(INPUT, &input),
        set(BITMAP_CACHE_HOST_SUPPORT, &[1, 0, 0, 0]),
        set(VIRTUAL_CHANNEL, &[1, 0, 0, 0, 0x40, 6, 0, 0]),
        set(FRAME_ACKNOWLEDGE, &[2, 0, 0, 0]),
        set(BITMAP_CODECS, &two),
    ];
    let (rewritten, desktop) = demand_active(&body(false, &sets, &[0; 4])).unwrap();
    let expected = Desktop {
        share: 0x103ea,
        width: 1024,
        height: 768,
        depth: 32,
        takes: Takes {
            fast_path: true,
            characters: false,
            side_buttons: true,
        },
        counts_frames: true,
    };
    assert_eq!(desktop, expected);
    let one = [&[1][..], &codec(REMOTEFX, 0, &[5, 5])].concat();
    let left = [
        bitmap(32, 1024, 768),
        unknown,
        set(INPUT, &input),
        set(VIRTUAL_CHANNEL, &[0, 0, 0, 0, 0x40, 6, 0, 0]),
        set(BITMAP_CODECS, &one),
    ];
    assert_eq!(rewritten, body(false, &left, &[0; 4]));
}

#[test]
fn an_answer_asks_for_no_orders_and_no_caches() {
    let mut order = vec![0xff; 84];
    order[ORDER_FLAGS..ORDER_FLAGS + 2].copy_from_slice(&0xaau16.to_le_bytes());
    let sets = [
        bitmap(24, 800, 600),
        set(ORDER, &order),
        set(BITMAP_CACHE_REV2, &[0; 36]),
        set(GLYPH_CACHE, &[0; 48]),
        set(
            BITMAP_CODECS,
            &[&[1][..], &codec(REMOTEFX, 4, &[])].concat(),
        ),
    ];
    let sent = body(true, &sets, &[]);
    assert_eq!(confirmed_depth(&sent), Some(24));
    let rewritten = confirm_active(&sent, false).unwrap();
    order[ORDER_FLAGS..ORDER_FLAGS + 2].copy_from_slice(&0x2au16.to_le_bytes());
    order[ORDER_SUPPORT..ORDER_SUPPORT + 32].fill(0);
    order[ORDER_EX_FLAGS..ORDER_EX_FLAGS + 2].fill(0);
    let left = [bitmap(24, 800, 600), set(ORDER, &order)];
    assert_eq!(rewritten, body(true, &left, &[]));
}

#[test]
fn frames_are_acknowledged_where_they_are_counted() {
    let own = set(FRAME_ACKNOWLEDGE, &[9, 0, 0, 0]);
    let ours = set(FRAME_ACKNOWLEDGE, &[2, 0, 0, 0]);
    for (sent, counted, expected) in [
        (vec![bitmap(32, 8, 8)], false, vec![bitmap(32, 8, 8)]),
        (vec![own, bitmap(32, 8, 8)], false, vec![bitmap(32, 8, 8)]),
        (
            vec![bitmap(32, 8, 8)],
            true,
            vec![bitmap(32, 8, 8), ours.clone()],
        ),
        (
            vec![ours.clone(), bitmap(32, 8, 8)],
            true,
            vec![bitmap(32, 8, 8), ours.clone()],
        ),
    ] {
        let rewritten = confirm_active(&body(true, &sent, &[5; 3]), counted).unwrap();
        assert_eq!(rewritten, body(true, &expected, &[5; 3]));
    }
}

#[test]
fn what_is_cut_off_or_lies_about_its_length_is_refused() {
    let sets = [bitmap(32, 1024, 768), set(0x99, &[1, 2, 3])];
    let whole = body(false, &sets, &[]);
    for len in 0..whole.len() {
        assert!(demand_active(&whole[..len]).is_err(), "{len}");
    }
    let mut lying = whole.clone();
    lying[16 + 2] = 3;
    assert!(
        demand_active(&lying).is_err(),
        "a set shorter than its header"
    );
    assert!(demand_active(&body(false, &[], &[])).is_err(), "no size");
}
