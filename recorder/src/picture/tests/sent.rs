//! PDUs as peers send them, made with IronRDP's encoders.

use std::borrow::Cow;

use ironrdp_core::{Encode, encode_vec};
use ironrdp_dvc::pdu::{CreateRequestPdu, DataFirstPdu, DataPdu, DrdynvcDataPdu, DrdynvcServerPdu};
use ironrdp_egfx::pdu::{
    Codec1Type, CreateSurfacePdu, EndFramePdu, GfxPdu, MapSurfaceToOutputPdu, PixelFormat,
    ResetGraphicsPdu, StartFramePdu, Timestamp, WireToSurface1Pdu,
};
use ironrdp_graphics::zgfx::wrap_uncompressed;
use ironrdp_pdu::bitmap::{BitmapData, BitmapUpdateData, Compression};
use ironrdp_pdu::fast_path::{
    EncryptionFlags, FastPathHeader, FastPathUpdate, FastPathUpdatePdu, Fragmentation, UpdateCode,
};
use ironrdp_pdu::geometry::{ExclusiveRectangle, InclusiveRectangle};
use ironrdp_pdu::mcs::{SendDataIndication, SendDataRequest};
use ironrdp_pdu::x224::X224;

use crate::{DesktopBegun, DesktopChannel};

pub const IO: u16 = 1003;
pub const DYNAMIC: u16 = 1004;
const USER: u16 = 1007;
const SHARE: u32 = 0x0001_03ea;
const PIPELINE: u32 = 9;

pub fn begun() -> DesktopBegun {
    DesktopBegun {
        io_channel: IO,
        user: USER,
        message_channel: None,
        channels: vec![DesktopChannel {
            name: "drdynvc".into(),
            id: DYNAMIC,
        }],
    }
}

/// Data from the target on an MCS channel.
pub fn indication(channel_id: u16, data: &[u8]) -> Vec<u8> {
    let pdu = SendDataIndication {
        initiator_id: 1002,
        channel_id,
        user_data: Cow::Borrowed(data),
    };
    encode_vec(&X224(pdu)).unwrap()
}

/// Data from the client on the I/O channel.
pub fn request(data: &[u8]) -> Vec<u8> {
    let pdu = SendDataRequest {
        initiator_id: USER,
        channel_id: IO,
        user_data: Cow::Borrowed(data),
    };
    encode_vec(&X224(pdu)).unwrap()
}

pub fn share_control(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(6 + body.len()).unwrap();
    let mut pdu = length.to_le_bytes().to_vec();
    pdu.extend((0x10 | kind).to_le_bytes());
    pdu.extend(USER.to_le_bytes());
    pdu.extend_from_slice(body);
    pdu
}

pub fn share_data(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut data = SHARE.to_le_bytes().to_vec();
    let length = u16::try_from(body.len()).unwrap();
    data.extend([0, 1]);
    data.extend(length.to_le_bytes());
    data.extend([kind, 0, 0, 0]);
    data.extend_from_slice(body);
    share_control(7, &data)
}

fn capability(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + body.len()).unwrap();
    let mut set = kind.to_le_bytes().to_vec();
    set.extend(length.to_le_bytes());
    set.extend_from_slice(body);
    set
}

fn capabilities(before: &[u8], sets: &[Vec<u8>]) -> Vec<u8> {
    let combined = sets.concat();
    let mut body = before.to_vec();
    body.extend(4u16.to_le_bytes());
    body.extend(u16::try_from(4 + combined.len()).unwrap().to_le_bytes());
    body.extend(b"RDP\0");
    body.extend(u16::try_from(sets.len()).unwrap().to_le_bytes());
    body.extend([0, 0]);
    body.extend(combined);
    body
}

/// A Demand Active, with a set and a codec that nobody knows before the size.
pub fn demand_active(width: u16, height: u16) -> Vec<u8> {
    let mut bitmap = Vec::new();
    for field in [32, 1, 1, 1, width, height, 0, 1, 1, 0x0c00, 1, 0] {
        bitmap.extend(u16::to_le_bytes(field));
    }
    let sets = [
        capability(0x7777, b"what?"),
        capability(0x1d, &[1; 20]),
        capability(2, &bitmap),
    ];
    let mut body = capabilities(&SHARE.to_le_bytes(), &sets);
    body.extend([0; 4]);
    indication(IO, &share_control(1, &body))
}

/// A Confirm Active that gives RemoteFX that id, behind a codec that nobody knows.
pub fn confirm_active(remote_fx: u8) -> Vec<u8> {
    let mut codecs = vec![2];
    codecs.extend([7; 16]);
    codecs.extend([9, 2, 0, 0xaa, 0xbb]);
    codecs.extend([
        0x12, 0x2f, 0x77, 0x76, 0x72, 0xbd, 0x63, 0x44, 0xaf, 0xb3, 0xb7, 0x3c, 0x9c, 0x6f, 0x78,
        0x86, remote_fx, 0, 0,
    ]);
    let mut before = SHARE.to_le_bytes().to_vec();
    before.extend([0xea, 3]);
    request(&share_control(
        3,
        &capabilities(&before, &[capability(0x1d, &codecs)]),
    ))
}

pub fn deactivate_all() -> Vec<u8> {
    indication(IO, &share_control(6, &[0; 7]))
}

/// One fast-path PDU with updates: code, fragmentation, bytes.
pub fn fast_path(updates: &[(UpdateCode, Fragmentation, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (update_code, fragmentation, data) in updates {
        let update = FastPathUpdatePdu {
            fragmentation: *fragmentation,
            update_code: *update_code,
            compression_flags: None,
            compression_type: None,
            data,
        };
        body.extend(encode_vec(&update).unwrap());
    }
    let mut pdu = encode_vec(&FastPathHeader::new(EncryptionFlags::empty(), body.len())).unwrap();
    pdu.extend(body);
    pdu
}

pub fn single(update: &FastPathUpdate<'_>) -> Vec<u8> {
    let code = UpdateCode::from(update);
    fast_path(&[(code, Fragmentation::Single, &encode_vec(update).unwrap())])
}

/// A bitmap at a place.
pub fn bitmap(
    (left, top): (u16, u16),
    (width, height): (u16, u16),
    bits_per_pixel: u16,
    compressed: bool,
    data: &[u8],
) -> BitmapData<'_> {
    let mut compression_flags = Compression::empty();
    if compressed {
        compression_flags |= Compression::BITMAP_COMPRESSION;
        compression_flags |= Compression::NO_BITMAP_COMPRESSION_HDR;
    }
    BitmapData {
        rectangle: InclusiveRectangle {
            left,
            top,
            right: left + width - 1,
            bottom: top + height - 1,
        },
        width,
        height,
        bits_per_pixel,
        compression_flags,
        compressed_data_header: None,
        bitmap_data: data,
    }
}

pub fn fast_bitmaps(rectangles: Vec<BitmapData<'_>>) -> Vec<u8> {
    single(&FastPathUpdate::Bitmap(BitmapUpdateData { rectangles }))
}

pub fn slow_bitmaps(rectangles: Vec<BitmapData<'_>>) -> Vec<u8> {
    let update = encode_vec(&BitmapUpdateData { rectangles }).unwrap();
    indication(IO, &share_data(2, &update))
}

/// A message on the channel that carries dynamic ones, in pieces of 1600 bytes.
pub fn dynamic(message: &[u8]) -> Vec<u8> {
    let pieces: Vec<&[u8]> = message.chunks(1600).collect();
    let last = pieces.len() - 1;
    let mut pdus = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let flags = u32::from(at == 0) | u32::from(at == last) << 1;
        let mut data = u32::try_from(message.len()).unwrap().to_le_bytes().to_vec();
        data.extend(flags.to_le_bytes());
        data.extend_from_slice(piece);
        pdus.extend(indication(DYNAMIC, &data));
    }
    pdus
}

fn server_pdu(pdu: &DrdynvcServerPdu) -> Vec<u8> {
    dynamic(&encode_vec(pdu).unwrap())
}

pub fn open_channel(id: u32, name: &str) -> Vec<u8> {
    server_pdu(&DrdynvcServerPdu::Create(CreateRequestPdu::new(
        id,
        name.into(),
    )))
}

pub fn open_pipeline() -> Vec<u8> {
    open_channel(PIPELINE, "Microsoft::Windows::RDS::Graphics")
}

/// Commands of the graphics pipeline, in one message of several blocks.
pub fn graphics(commands: &[GfxPdu]) -> Vec<u8> {
    let encoded: Vec<u8> = commands
        .iter()
        .flat_map(|command| encode_vec(command).unwrap())
        .collect();
    let message = wrap_uncompressed(&encoded);
    if message.len() <= 1590 {
        let data = DrdynvcDataPdu::Data(DataPdu::new(PIPELINE, message));
        return server_pdu(&DrdynvcServerPdu::Data(data));
    }
    let length = u32::try_from(message.len()).unwrap();
    let (first, rest) = message.split_at(1590);
    let first = DrdynvcDataPdu::DataFirst(DataFirstPdu::new(PIPELINE, length, first.to_vec()));
    let mut pdus = server_pdu(&DrdynvcServerPdu::Data(first));
    for block in rest.chunks(1590) {
        let block = DrdynvcDataPdu::Data(DataPdu::new(PIPELINE, block.to_vec()));
        pdus.extend(server_pdu(&DrdynvcServerPdu::Data(block)));
    }
    pdus
}

/// A new output of that size with one surface as large, shown at its origin.
pub fn surface(width: u16, height: u16) -> [GfxPdu; 3] {
    [
        GfxPdu::ResetGraphics(ResetGraphicsPdu {
            width: width.into(),
            height: height.into(),
            monitors: Vec::new(),
        }),
        GfxPdu::CreateSurface(CreateSurfacePdu {
            surface_id: 1,
            width,
            height,
            pixel_format: PixelFormat::XRgb,
        }),
        GfxPdu::MapSurfaceToOutput(MapSurfaceToOutputPdu {
            surface_id: 1,
            output_origin_x: 0,
            output_origin_y: 0,
        }),
    ]
}

/// A frame that draws one thing.
pub fn frame(codec_id: Codec1Type, to: ExclusiveRectangle, data: Vec<u8>) -> [GfxPdu; 3] {
    [
        GfxPdu::StartFrame(StartFramePdu {
            timestamp: Timestamp {
                milliseconds: 0,
                seconds: 0,
                minutes: 0,
                hours: 0,
            },
            frame_id: 5,
        }),
        GfxPdu::WireToSurface1(WireToSurface1Pdu {
            surface_id: 1,
            codec_id,
            pixel_format: PixelFormat::XRgb,
            destination_rectangle: to,
            bitmap_data: data,
        }),
        GfxPdu::EndFrame(EndFramePdu { frame_id: 5 }),
    ]
}

pub fn encoded(part: &impl Encode) -> Vec<u8> {
    encode_vec(part).unwrap()
}
