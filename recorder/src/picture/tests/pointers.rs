//! Pointers and mice.

use ironrdp_pdu::fast_path::FastPathUpdate;
use ironrdp_pdu::pointer::{
    CachedPointerAttribute, ColorPointerAttribute, Point16, PointerAttribute,
    PointerPositionAttribute, PointerUpdateData,
};

use super::*;

fn update(update: PointerUpdateData<'_>) -> Vec<u8> {
    sent::single(&FastPathUpdate::Pointer(update))
}

fn arrow(cache_index: u16, xor_mask: &[u8]) -> PointerUpdateData<'_> {
    PointerUpdateData::New(PointerAttribute {
        xor_bpp: 32,
        color_pointer: ColorPointerAttribute {
            cache_index,
            hot_spot: Point16 { x: 1, y: 0 },
            width: 2,
            height: 1,
            xor_mask,
            and_mask: &[0, 0],
        },
    })
}

#[test]
fn a_pointer_has_a_shape_a_place_and_may_be_hidden() {
    let mut desktop = desktop(64, 48);
    assert_eq!(*desktop.pointer(), Pointer::default());
    let mask = [3, 2, 1, 255, 6, 5, 4, 128];
    desktop.from_target(&update(arrow(4, &mask)), AT);
    let shape = desktop.pointer().shape.clone().unwrap();
    assert_eq!(
        (shape.width, shape.height, shape.hot_x, shape.hot_y),
        (2, 1, 1, 0)
    );
    assert_eq!(shape.rgba, [1, 2, 3, 255, 4, 5, 6, 128]);
    desktop.from_target(&update(PointerUpdateData::SetHidden), AT);
    assert!(desktop.pointer().hidden);
    let other = [0; 8];
    desktop.from_target(&update(arrow(5, &other)), AT);
    let cached = CachedPointerAttribute { cache_index: 4 };
    desktop.from_target(&update(PointerUpdateData::Cached(cached)), AT);
    assert_eq!(desktop.pointer().shape.as_ref(), Some(&shape));
    assert!(!desktop.pointer().hidden);
    let place = PointerPositionAttribute { x: 30, y: 20 };
    desktop.from_target(&update(PointerUpdateData::SetPosition(place)), AT);
    assert_eq!((desktop.pointer().x, desktop.pointer().y), (30, 20));
    desktop.from_target(&update(PointerUpdateData::SetDefault), AT);
    assert_eq!(desktop.pointer().shape, None);
    // Slow-path: cached, then hidden.
    let slow = |body: &[u8]| sent::indication(sent::IO, &sent::share_data(0x1b, body));
    desktop.from_target(&slow(&[7, 0, 0, 0, 4, 0]), AT);
    assert_eq!(desktop.pointer().shape.as_ref(), Some(&shape));
    desktop.from_target(&slow(&[1, 0, 0, 0, 0, 0, 0, 0]), AT);
    assert!(desktop.pointer().hidden);
    assert_eq!(desktop.faults(), 0);
    assert!(!desktop.is_damaged(), "the pointer is not in the picture");
}

#[test]
fn a_pointer_that_is_not_known_becomes_an_arrow() {
    let mut desktop = desktop(64, 48);
    let cached = CachedPointerAttribute { cache_index: 4 };
    desktop.from_target(&update(PointerUpdateData::Cached(cached)), AT);
    assert_eq!(desktop.faults(), 1);
    let mask = [0; 8];
    desktop.from_target(&update(arrow(40_000, &mask)), AT);
    assert_eq!(desktop.faults(), 2);
    desktop.from_target(&update(arrow(1, &mask[..4])), AT);
    assert_eq!(desktop.faults(), 3);
    assert_eq!(desktop.pointer().shape, None);
}

#[test]
fn the_mouse_is_where_the_client_moved_it() {
    let mut desktop = desktop(640, 480);
    // A key, a move, a wheel without a place, and a key that is masked.
    let input = [
        0x10, 19, 0x00, 0x1e, 0x20, 0, 8, 0x2c, 1, 0xc8, 0, 0x20, 0x78, 2, 0, 0, 0, 0, 0x01,
    ];
    assert_eq!(usize::from(input[1]), input.len());
    desktop.from_client(&input, AT);
    assert_eq!((desktop.pointer().x, desktop.pointer().y), (300, 200));
    // Slow-path: toggles, then a button.
    let mut body = vec![2, 0, 0, 0];
    body.extend([0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
    body.extend([0, 0, 0, 0, 1, 0x80, 0, 0x90, 10, 0, 20, 0]);
    desktop.from_client(&sent::request(&sent::share_data(0x1c, &body)), AT);
    assert_eq!((desktop.pointer().x, desktop.pointer().y), (10, 20));
    // Many events have their number in a byte of its own; an extended button has a place too.
    desktop.from_client(&[0, 10, 1, 0x40, 1, 0x80, 5, 0, 6, 0], AT);
    assert_eq!((desktop.pointer().x, desktop.pointer().y), (5, 6));
    desktop.from_client(&[0x10, 4, 0x20, 1, 0xff], AT);
    assert_eq!(desktop.faults(), 0);
}
