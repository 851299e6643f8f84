//! The graphics pipeline.

use ironrdp_egfx::pdu::{Codec1Type, Color, GfxPdu, SolidFillPdu};
use ironrdp_graphics::clearcodec::ClearCodecEncoder;
use ironrdp_pdu::geometry::ExclusiveRectangle;
use sent::{frame, graphics, open_pipeline, surface};

use super::*;

fn to(left: u16, top: u16, width: u16, height: u16) -> ExclusiveRectangle {
    ExclusiveRectangle {
        left,
        top,
        right: left + width,
        bottom: top + height,
    }
}

fn with_surface(width: u16, height: u16) -> Desktop {
    let mut desktop = desktop(640, 480);
    desktop.from_target(&open_pipeline(), AT);
    desktop.from_target(&graphics(&surface(width, height)), AT);
    // What was mapped is painted with the first frame.
    let [start, _, end] = frame(Codec1Type::Uncompressed, to(0, 0, 1, 1), vec![]);
    desktop.from_target(&graphics(&[start, end]), AT);
    assert_eq!(desktop.take_damage(), [Rect::whole(width, height)]);
    desktop
}

fn rows_down() -> Vec<u8> {
    colours()
        .iter()
        .flatten()
        .flat_map(|colour| bgrx(*colour))
        .collect()
}

fn planar() -> Vec<u8> {
    let rgb: Vec<u8> = colours().iter().flatten().flatten().copied().collect();
    let mut data = vec![0; 200];
    let length = BitmapStreamEncoder::new(3, 2)
        .encode_bitmap::<RgbChannels>(&rgb, &mut data, true)
        .unwrap();
    data.truncate(length);
    data
}

#[test]
fn surfaces_become_the_picture() {
    let clear = ClearCodecEncoder::new().encode(&rows_down(), 3, 2);
    let codecs = [
        (Codec1Type::Uncompressed, rows_down()),
        (Codec1Type::Planar, planar()),
        (Codec1Type::ClearCodec, clear),
    ];
    for (codec, data) in codecs {
        let mut desktop = with_surface(12, 9);
        desktop.from_target(&graphics(&frame(codec, to(4, 5, 3, 2), data)), AT);
        assert_eq!(desktop.faults(), 0, "{codec:?}");
        assert_eq!(desktop.take_damage(), [rect(4, 5, 3, 2)], "{codec:?}");
        colours_at(&desktop, 4, 5);
    }
}

#[test]
fn large_messages_come_in_blocks() {
    let mut desktop = with_surface(100, 80);
    let fill: Vec<u8> = (0..100 * 80u32)
        .flat_map(|n| [n as u8, (n >> 8) as u8, 7, 0])
        .collect();
    let sent = graphics(&frame(Codec1Type::Uncompressed, to(0, 0, 100, 80), fill));
    desktop.from_target(&sent, AT);
    assert_eq!(desktop.faults(), 0);
    let n = 60 * 100 + 33u32;
    assert_eq!(pixel(&desktop, 33, 60), [7, (n >> 8) as u8, n as u8]);
}

#[test]
fn bitmaps_and_the_pipeline_draw_into_one_picture() {
    let mut desktop = with_surface(16, 9);
    let red = Color {
        b: 0,
        g: 0,
        r: 255,
        xa: 0,
    };
    let [start, _, end] = frame(Codec1Type::Uncompressed, to(0, 0, 1, 1), vec![]);
    let fill = GfxPdu::SolidFill(SolidFillPdu {
        surface_id: 1,
        fill_pixel: red,
        rectangles: vec![to(0, 0, 16, 9)],
    });
    desktop.from_target(&graphics(&[start, fill, end]), AT);
    let data = [9, 8, 7, 0];
    desktop.from_target(
        &fast_bitmaps(vec![bitmap((3, 3), (1, 1), 32, false, &data)]),
        AT,
    );
    assert_eq!(pixel(&desktop, 3, 3), [7, 8, 9]);
    assert_eq!(pixel(&desktop, 2, 3), [255, 0, 0]);
    assert_eq!(desktop.faults(), 0);
}

#[test]
fn what_the_pipeline_cannot_decode_is_counted() {
    let mut desktop = with_surface(12, 9);
    for codec in [
        Codec1Type::Avc420,
        Codec1Type::Avc444,
        Codec1Type::ClearCodec,
    ] {
        let before = desktop.faults();
        let stream = vec![0x11; 40];
        desktop.from_target(&graphics(&frame(codec, to(0, 0, 3, 2), stream)), AT);
        assert_eq!(desktop.faults(), before + 1, "{codec:?}");
    }
    desktop.from_target(
        &graphics(&frame(Codec1Type::Planar, to(4, 5, 3, 2), planar())),
        AT,
    );
    colours_at(&desktop, 4, 5);
    let before = desktop.faults();
    desktop.from_target(&graphics(&surface(9000, 9)), AT);
    assert_eq!(desktop.faults(), before + 1, "a desktop too wide");
    // A message of 4 GiB is announced: no more is taken of the channel.
    desktop.from_target(&sent::dynamic(&[0x28, 9, 0xff, 0xff, 0xff, 0xff, 0]), AT);
    assert_eq!(desktop.faults(), before + 2);
    desktop.from_target(&graphics(&surface(20, 20)), AT);
    assert_eq!(desktop.image().unwrap().width, 12);
}

#[test]
fn other_channels_are_no_matter() {
    let mut desktop = with_surface(12, 9);
    desktop.from_target(&sent::open_channel(7, "AUDIO_PLAYBACK_DVC"), AT);
    desktop.from_target(&sent::dynamic(&[0x30, 7, 1, 2, 3]), AT);
    desktop.from_target(&sent::dynamic(&[0x50, 0, 1, 0]), AT);
    assert_eq!(desktop.faults(), 0);
    // Closed and opened again, with another number.
    desktop.from_target(&sent::dynamic(&[0x40, 9]), AT);
    desktop.from_target(&graphics(&surface(20, 20)), AT);
    assert_eq!(desktop.image().unwrap().width, 12);
    desktop.from_target(&open_pipeline(), AT);
    desktop.from_target(&graphics(&surface(20, 20)), AT);
    assert_eq!(desktop.image().unwrap().width, 20);
    assert_eq!(desktop.faults(), 0);
}
