//! The graphics pipeline (MS-RDPEGFX) on its dynamic channel (MS-RDPEDYC). Its surfaces are composed into the
//! desktop's one picture.

use ironrdp_dvc::DrdynvcClient;
use ironrdp_egfx::CHANNEL_NAME;
use ironrdp_egfx::client::{GraphicsPipelineClient, GraphicsPipelineHandler};
use ironrdp_egfx::decode::{DecodedFrame, DecoderError, DecoderResult, H264Decoder};
use ironrdp_session::composite_graphics_pipeline;
use ironrdp_session::image::DecodedImage;
use ironrdp_svc::SvcProcessor;

use super::damage::Damage;
use super::image::blank;
use super::wire::{le16, le32};
use super::{Fault, Rect};

/// The most bytes of a message on the static channel: a dynamic channel's piece is 1600 bytes (MS-RDPEDYC 3.1.5.1.4).
const MAX_STATIC: usize = 1 << 20;
/// The most bytes of a graphics message: uncompressed pixels of the largest usual desktop.
const MAX_MESSAGE: u32 = 48 << 20;

/// Puts the pieces on a static virtual channel together (MS-RDPBCGR 2.2.6.1).
#[derive(Default)]
struct Pieces {
    whole: Option<usize>,
    data: Vec<u8>,
}

impl Pieces {
    fn add(&mut self, piece: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        const FIRST: u32 = 1;
        const LAST: u32 = 2;
        const PACKET_COMPRESSED: u32 = 0x0020_0000;
        let broken = Fault("a piece of a channel's message is broken");
        let whole = le32(piece, 0).ok_or(broken)? as usize;
        let flags = le32(piece, 4).ok_or(broken)?;
        let data = piece.get(8..).ok_or(broken)?;
        if flags & FIRST != 0 {
            *self = Self {
                whole: Some(whole),
                data: Vec::new(),
            };
        }
        let fits = self.whole == Some(whole) && self.data.len() + data.len() <= whole;
        if flags & PACKET_COMPRESSED != 0 || whole > MAX_STATIC || !fits {
            *self = Self::default();
            return Err(broken);
        }
        self.data.extend_from_slice(data);
        if flags & LAST == 0 {
            return Ok(None);
        }
        let complete = self.data.len() == whole;
        let data = std::mem::take(self).data;
        complete.then_some(Some(data)).ok_or(broken)
    }
}

/// The head of a dynamic channel's PDU (MS-RDPEDYC 2.2).
struct Head<'a> {
    command: u8,
    channel: u32,
    /// What follows the channel's id.
    body: &'a [u8],
    /// How many bytes the length takes, in a PDU that has one: 0, 1 or 2 for 1, 2 or 4.
    length_size: u8,
}

impl<'a> Head<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        let (first, rest) = message.split_first()?;
        let (channel, size) = number(rest, first & 3)?;
        Some(Self {
            command: first >> 4,
            channel,
            body: rest.get(size..)?,
            length_size: first >> 2 & 3,
        })
    }
}

fn number(bytes: &[u8], size: u8) -> Option<(u32, usize)> {
    Some(match size {
        0 => (u32::from(*bytes.first()?), 1),
        1 => (u32::from(le16(bytes, 0)?), 2),
        _ => (le32(bytes, 0)?, 4),
    })
}

const CREATE: u8 = 1;
const DATA_FIRST: u8 = 2;
const DATA: u8 = 3;
const CLOSE: u8 = 4;
const DATA_FIRST_COMPRESSED: u8 = 6;
const DATA_COMPRESSED: u8 = 7;

/// The pipeline's channel, once the target opened it.
struct Open {
    channel: u32,
    client: DrdynvcClient,
    /// Updates that its decoder has given up so far.
    dropped: u64,
}

/// Follows the channel that carries dynamic channels.
#[derive(Default)]
pub(super) struct Graphics {
    pieces: Pieces,
    /// Nothing is kept for a pipeline that nobody uses: its history alone is 2.5 MB.
    open: Option<Open>,
}

impl Graphics {
    /// Takes the data of one MCS Send Data Indication. Answers how much of it could not be decoded.
    pub fn take(
        &mut self,
        data: &[u8],
        image: &mut Option<DecodedImage>,
        damage: &mut Damage,
    ) -> Result<u64, Fault> {
        let Some(message) = self.pieces.add(data)? else {
            return Ok(0);
        };
        let Some(head) = Head::read(&message) else {
            return Err(Fault("a dynamic channel's message is broken"));
        };
        if head.command == CREATE {
            if head.body.strip_suffix(&[0]) == Some(CHANNEL_NAME.as_bytes()) {
                self.open = Some(open(head.channel, &message)?);
            }
            return Ok(0);
        }
        let ours = |open: &&mut Open| open.channel == head.channel;
        let Some(open) = self.open.as_mut().filter(ours) else {
            return Ok(0);
        };
        match head.command {
            CLOSE => self.open = None,
            DATA | DATA_COMPRESSED => return draw(open, &message, image, damage),
            DATA_FIRST | DATA_FIRST_COMPRESSED => {
                let length = number(head.body, head.length_size);
                if length.is_none_or(|(length, _)| length > MAX_MESSAGE) {
                    // What follows it cannot be told from a message of its own.
                    self.open = None;
                    return Err(Fault("a graphics message is larger than any client takes"));
                }
                return draw(open, &message, image, damage);
            }
            _ => {}
        }
        Ok(0)
    }
}

fn open(channel: u32, create: &[u8]) -> Result<Open, Fault> {
    let pipeline = GraphicsPipelineClient::new(Box::new(Silent), Some(Box::new(NoVideo)));
    let mut client = DrdynvcClient::new().with_dynamic_channel(pipeline);
    let opened = client.process(create);
    opened.map_err(|_| Fault("the graphics channel cannot be opened"))?;
    Ok(Open {
        channel,
        client,
        dropped: 0,
    })
}

fn draw(
    open: &mut Open,
    message: &[u8],
    image: &mut Option<DecodedImage>,
    damage: &mut Damage,
) -> Result<u64, Fault> {
    let mut faults = u64::from(open.client.process(message).is_err());
    let Some(mut pipeline) = open.client.get_dvc_mut::<GraphicsPipelineClient>() else {
        return Ok(faults);
    };
    let pipeline = pipeline.processor_mut();
    faults += pipeline.dropped_updates() - open.dropped;
    open.dropped = pipeline.dropped_updates();
    if let Some((width, height)) = pipeline.take_output_reset() {
        match blank(width, height) {
            Ok(fresh) => {
                *image = Some(fresh);
                damage.add(Rect::whole(width, height));
            }
            Err(_) => faults += 1,
        }
    }
    let Some(image) = image.as_mut() else {
        return Ok(faults);
    };
    let composed = composite_graphics_pipeline(pipeline, image);
    let composed = composed.map_err(|_| Fault("surfaces cannot be composed"))?;
    for region in &composed.regions {
        damage.add(Rect::from(region));
    }
    Ok(faults)
}

/// Wants to hear nothing: the picture is taken from the compositor.
struct Silent;

impl GraphicsPipelineHandler for Silent {}

/// In place of a decoder of H.264, which is negotiated away: what comes nevertheless is dropped and counted.
struct NoVideo;

impl H264Decoder for NoVideo {
    fn decode(&mut self, _data: &[u8]) -> DecoderResult<DecodedFrame> {
        Err(DecoderError::msg("H.264 is not decoded"))
    }

    /// Without this, AVC444 would be passed over without being counted.
    fn supports_yuv420(&self) -> bool {
        true
    }
}
