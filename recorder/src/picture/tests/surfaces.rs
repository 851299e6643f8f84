//! Surface commands.

use ironrdp_graphics::rfx::TileDecoder;
use ironrdp_graphics::subband_reconstruction;
use ironrdp_graphics::{color_conversion, dwt, image_processing, quantization, rlgr};
use ironrdp_pdu::codecs::rfx::{
    Block, ChannelsPdu, CodecChannel, CodecVersionsPdu, ContextPdu, EntropyAlgorithm,
    FrameBeginPdu, FrameEndPdu, OperatingMode, Quant, RegionPdu, RfxChannel, RfxRectangle, SyncPdu,
    Tile, TileSetPdu,
};
use ironrdp_pdu::geometry::ExclusiveRectangle;
use ironrdp_pdu::surface_commands::{
    ExtendedBitmapDataPdu, FrameAction, FrameMarkerPdu, SurfaceBitsPdu, SurfaceCommand,
};

use super::*;

const SIDE: usize = 64;

fn bits(codec_id: u8, bpp: u8, to: Rect, data: &[u8]) -> SurfaceCommand<'_> {
    SurfaceCommand::SetSurfaceBits(SurfaceBitsPdu {
        destination: ExclusiveRectangle {
            left: to.x,
            top: to.y,
            right: to.x + to.width,
            bottom: to.y + to.height,
        },
        extended_bitmap_data: ExtendedBitmapDataPdu {
            bpp,
            codec_id,
            width: to.width,
            height: to.height,
            header: None,
            data,
        },
    })
}

/// In fragments, as a large command comes.
fn commands(commands: Vec<SurfaceCommand<'_>>) -> Vec<u8> {
    let whole = sent::encoded(&FastPathUpdate::SurfaceCommands(commands));
    let pieces: Vec<&[u8]> = whole.chunks(10_000).collect();
    let last = pieces.len() - 1;
    let code = UpdateCode::SurfaceCommands;
    let mut pdus = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let fragment = match (at == 0, at == last) {
            (true, true) => Fragmentation::Single,
            (true, false) => Fragmentation::First,
            (false, true) => Fragmentation::Last,
            (false, false) => Fragmentation::Next,
        };
        pdus.extend(fast_path(&[(code, fragment, piece)]));
    }
    pdus
}

fn marker(frame_action: FrameAction) -> SurfaceCommand<'static> {
    SurfaceCommand::FrameMarker(FrameMarkerPdu {
        frame_action,
        frame_id: Some(3),
    })
}

#[test]
fn raw_surfaces_are_drawn() {
    let unfilled = |bytes: usize| -> Vec<u8> {
        let turned = colours();
        let pixels = turned.iter().rev().flatten();
        pixels
            .flat_map(|colour| bgrx(*colour)[..bytes].to_vec())
            .collect()
    };
    for bpp in [24, 32] {
        let data = unfilled(usize::from(bpp) / 8);
        let mut desktop = desktop(8, 6);
        let sent = commands(vec![
            marker(FrameAction::Begin),
            bits(0, bpp, rect(2, 3, 3, 2), &data),
            marker(FrameAction::End),
        ]);
        desktop.from_target(&sent, AT);
        assert_eq!(desktop.faults(), 0);
        assert_eq!(desktop.take_damage(), [rect(2, 3, 3, 2)]);
        colours_at(&desktop, 2, 3);
    }
}

fn quant() -> Quant {
    Quant {
        ll3: 6,
        lh3: 6,
        hl3: 6,
        hh3: 6,
        lh2: 6,
        hl2: 6,
        hh2: 6,
        lh1: 6,
        hl1: 6,
        hh1: 6,
    }
}

fn gradient() -> Vec<u8> {
    let pixel = |at: usize| [(at % SIDE * 4) as u8, (at / SIDE * 4) as u8, 120, 255];
    (0..SIDE * SIDE).flat_map(pixel).collect()
}

/// The three components of a tile.
fn components(rgba: &[u8]) -> [Vec<u8>; 3] {
    let mut planes = [[0i16; SIDE * SIDE]; 3];
    let [y, cb, cr] = &mut planes;
    let format = image_processing::PixelFormat::RgbA32;
    color_conversion::to_64x64_ycbcr_tile(rgba, 64, 64, 256, format, y, cb, cr).unwrap();
    planes.map(|mut plane| {
        dwt::encode(&mut plane, &mut [0; SIDE * SIDE]);
        quantization::encode(&mut plane, &quant());
        subband_reconstruction::encode(&mut plane[4032..]);
        let mut data = vec![0; 8192];
        let length = rlgr::encode(EntropyAlgorithm::Rlgr3, &plane, &mut data).unwrap();
        data.truncate(length);
        data
    })
}

fn message(parts: &[[Vec<u8>; 3]], size: (i16, i16), regions: Vec<RfxRectangle>) -> Vec<u8> {
    let tile = |(at, [y_data, cb_data, cr_data]): (usize, &'_ [Vec<u8>; 3])| -> Tile<'_> {
        // The lifetime is that of `parts`.
        let _ = (y_data, cb_data, cr_data);
        Tile {
            y_quant_index: 0,
            cb_quant_index: 0,
            cr_quant_index: 0,
            x: at as u16,
            y: 0,
            y_data: &parts[at][0],
            cb_data: &parts[at][1],
            cr_data: &parts[at][2],
        }
    };
    let blocks = [
        Block::Sync(SyncPdu),
        Block::CodecVersions(CodecVersionsPdu),
        Block::Channels(ChannelsPdu(vec![RfxChannel {
            width: size.0,
            height: size.1,
        }])),
        Block::CodecChannel(CodecChannel::Context(ContextPdu {
            flags: OperatingMode::IMAGE_MODE,
            entropy_algorithm: EntropyAlgorithm::Rlgr3,
        })),
        Block::CodecChannel(CodecChannel::FrameBegin(FrameBeginPdu {
            index: 0,
            number_of_regions: 1,
        })),
        Block::CodecChannel(CodecChannel::Region(RegionPdu {
            rectangles: regions,
        })),
        Block::CodecChannel(CodecChannel::TileSet(TileSetPdu {
            entropy_algorithm: EntropyAlgorithm::Rlgr3,
            quants: vec![quant()],
            tiles: parts.iter().enumerate().map(tile).collect(),
        })),
        Block::CodecChannel(CodecChannel::FrameEnd(FrameEndPdu)),
    ];
    blocks.iter().flat_map(sent::encoded).collect()
}

/// What the codec makes of a tile.
fn decoded(parts: &[Vec<u8>; 3]) -> Vec<u8> {
    let tile = Tile {
        y_quant_index: 0,
        cb_quant_index: 0,
        cr_quant_index: 0,
        x: 0,
        y: 0,
        y_data: &parts[0],
        cb_data: &parts[1],
        cr_data: &parts[2],
    };
    let mut decoder = TileDecoder::new();
    let rgba = decoder.decode(&tile, &[quant()], EntropyAlgorithm::Rlgr3);
    rgba.unwrap().to_vec()
}

#[test]
fn remote_fx_tiles_are_drawn_where_their_region_is() {
    let parts = [components(&gradient()), components(&[40; SIDE * SIDE * 4])];
    let region = |x, y, width, height| RfxRectangle {
        x,
        y,
        width,
        height,
    };
    let regions = vec![region(0, 0, 10, 64), region(50, 20, 40, 8)];
    let data = message(&parts, (128, 64), regions);
    for id in [3, 5] {
        let mut desktop = desktop(200, 100);
        if id != 3 {
            desktop.from_client(&sent::confirm_active(id), AT);
        }
        let sent = commands(vec![bits(id, 32, rect(16, 8, 128, 64), &data)]);
        desktop.from_target(&sent, AT);
        assert_eq!(desktop.faults(), 0);
        let mut damage = desktop.take_damage();
        damage.sort_by_key(|rect| rect.x);
        assert_eq!(damage, [rect(16, 8, 10, 64), rect(66, 28, 40, 8)]);
        let tiles = [decoded(&parts[0]), decoded(&parts[1])];
        for y in 0..100u16 {
            for x in 0..200u16 {
                let (in_x, in_y) = (x.wrapping_sub(16), y.wrapping_sub(8));
                let drawn =
                    in_x < 10 && in_y < 64 || (50..90).contains(&in_x) && (20..28).contains(&in_y);
                let mut wanted = [0; 3];
                if drawn {
                    let (tile, column) = (usize::from(in_x) / SIDE, usize::from(in_x) % SIDE);
                    let at = (usize::from(in_y) * SIDE + column) * 4;
                    wanted.copy_from_slice(&tiles[tile][at..at + 3]);
                }
                assert_eq!(pixel(&desktop, x, y), wanted, "at {x},{y}");
            }
        }
        // The codec loses little.
        let [r, g, b] = pixel(&desktop, 16 + 5, 8 + 30);
        for (seen, sent) in [(r, 20), (g, 120), (b, 120)] {
            assert!(seen.abs_diff(sent) < 8, "{seen}, not {sent}");
        }
    }
}

#[test]
fn surfaces_that_cannot_be_drawn_are_counted() {
    let data = raw(bgrx);
    let mut desktop = desktop(8, 6);
    let sent = commands(vec![
        bits(0, 32, rect(7, 0, 3, 2), &data),
        bits(0, 32, rect(0, 0, 3, 2), &data[..20]),
        bits(0, 32, rect(0, 0, 0, 2), &data),
        bits(1, 32, rect(0, 0, 3, 2), &data),
        bits(3, 32, rect(0, 0, 3, 2), &data),
        bits(0, 32, rect(1, 1, 3, 2), &data),
    ]);
    desktop.from_target(&sent, AT);
    assert_eq!(desktop.faults(), 5);
    colours_at(&desktop, 1, 1);
    // More parts than anybody has.
    let parts = [components(&[40; SIDE * SIDE * 4])];
    let many = (0..5000).map(|n| RfxRectangle {
        x: n % 64,
        y: n % 63,
        width: 1,
        height: 1,
    });
    let data = message(&parts, (64, 64), many.collect());
    desktop.from_target(&commands(vec![bits(3, 32, rect(0, 0, 8, 6), &data)]), AT);
    assert_eq!(desktop.faults(), 6);
}
