//! From pictures to H.264 (ITU-T H.264), in the form that MP4 holds.

use rusty_h264_common::nal::{emulation_prevent_into, emulation_unprevent, split_annex_b};
use rusty_h264_common::{BitReader, BitWriter, YuvPlanes};
use rusty_h264_encoder::{Encoder as H264, EncoderConfig};

use super::super::ExportError;

/// How coarse pictures may be, of 0 to 51: small print stays sharp. At 26, films are a fifth smaller.
const QUANTISER: u8 = 22;
/// A film can be entered at every so many pictures: after 10 seconds where much changes. Keyframes are most of what a
/// film of typing takes.
const PICTURES_A_KEYFRAME: u32 = 100;
/// The most blocks of 16x16 pixels that a picture may have (A.3.1, level 5.2): more, and hardly any player shows it.
const MAX_BLOCKS: usize = 36_864;

/// Kinds of units (table 7-1).
const KEYFRAME: u8 = 5;
const SEQUENCE_SET: u8 = 7;
const PICTURE_SET: u8 = 8;

/// A picture as MP4 holds it: units, each with its length before it.
pub(super) struct Picture {
    pub data: Vec<u8>,
    pub is_keyframe: bool,
}

/// What is told once for all pictures (7.3.2.1 and 7.3.2.2), as units.
pub(super) struct Sets {
    pub sequence: Vec<u8>,
    pub picture: Vec<u8>,
}

/// Codes one picture after the other; each needs those before it back to a keyframe.
pub(super) struct Encoder {
    inner: H264,
    sets: Option<Sets>,
}

impl Encoder {
    /// For pictures of that size; both sides must be even.
    pub fn new(width: u16, height: u16) -> Result<Self, ExportError> {
        let (columns, rows) = (usize::from(width), usize::from(height));
        if columns.div_ceil(16) * rows.div_ceil(16) > MAX_BLOCKS {
            return Err(ExportError::FilmTooLarge { width, height });
        }
        // Constrained Baseline: what every player knows, and what takes the least time. Nothing waits for pictures to come.
        let mut config = EncoderConfig::baseline(columns, rows);
        config.qp = QUANTISER;
        config.gop_size = PICTURES_A_KEYFRAME;
        config.min_keyint = PICTURES_A_KEYFRAME;
        config.framerate = 10.0;
        config.i_qp_offset = 0;
        // Flat and busy parts alike: a desktop's text is both.
        config.aq_strength = 0.0;
        // The search weighs all parts alike, too: a tenth quicker, and no larger.
        config.tune_satd_q = 0.0;
        // Not in this profile (A.2.1).
        config.weightp = false;
        Ok(Self {
            inner: H264::new(config).map_err(failed)?,
            sets: None,
        })
    }

    /// Codes the next picture.
    pub fn encode(&mut self, planes: &YuvPlanes<'_>) -> Result<Picture, ExportError> {
        let stream = self.inner.encode_planes(planes).map_err(failed)?;
        let mut picture = Picture {
            data: Vec::with_capacity(stream.len()),
            is_keyframe: false,
        };
        let (mut sequence, mut parameters) = (None, None);
        for unit in split_annex_b(&stream) {
            match unit.first().map(|head| head & 0x1f) {
                Some(SEQUENCE_SET) => sequence = Some(unit),
                Some(PICTURE_SET) => parameters = Some(unit),
                Some(kind) => {
                    picture.is_keyframe |= kind == KEYFRAME;
                    let length = u32::try_from(unit.len()).map_err(failed)?;
                    picture.data.extend_from_slice(&length.to_be_bytes());
                    picture.data.extend_from_slice(unit);
                }
                None => {}
            }
        }
        if let (None, Some(sequence), Some(parameters)) = (&self.sets, sequence, parameters) {
            let sequence = with_colours(sequence);
            self.sets = Some(Sets {
                sequence: sequence.ok_or_else(|| failed("its parameters cannot be read"))?,
                picture: parameters.to_vec(),
            });
        }
        Ok(picture)
    }

    /// What is told once for all pictures; `None` before the first.
    pub fn sets(&self) -> Option<&Sets> {
        self.sets.as_ref()
    }
}

/// Adds to a sequence parameter set what the encoder leaves out (E.1.1): which colours its numbers mean, and that pictures
/// are shown in the order they come, so that no player waits for others before it shows one.
fn with_colours(unit: &[u8]) -> Option<Vec<u8>> {
    let (head, content) = unit.split_first()?;
    let content = emulation_unprevent(content);
    let last = content.iter().rposition(|byte| *byte != 0)?;
    let stop = last * 8 + 7 - usize::try_from(content.get(last)?.trailing_zeros()).ok()?;
    let mut reader = BitReader::new(&content);
    let mut bits = BitWriter::new();
    // The last bit before the end says whether there is more: vui_parameters_present_flag.
    for _ in 0..stop.checked_sub(1)? {
        bits.write_bit(reader.read_bit().ok()?);
    }
    if reader.read_bit().ok()? {
        return None;
    }
    bits.write_bit(true);
    // aspect_ratio_info_present_flag, overscan_info_present_flag, video_signal_type_present_flag
    bits.write_bits(0b001, 3);
    // video_format: unspecified; video_full_range_flag; colour_description_present_flag
    bits.write_bits(0b1_0101, 5);
    // BT.709: colour_primaries, transfer_characteristics, matrix_coefficients
    bits.write_bits(0x01_0101, 24);
    // No chroma_loc_info, timing_info, nal_hrd, vcl_hrd, pic_struct; but bitstream_restriction.
    bits.write_bits(0b00_0001, 6);
    bits.write_bit(true);
    // max_bytes_per_pic_denom and max_bits_per_mb_denom: no limit; log2_max_mv_length_horizontal and _vertical: the most
    for value in [0, 0, 15, 15] {
        bits.write_ue(value);
    }
    // max_num_reorder_frames, max_dec_frame_buffering
    bits.write_ue(0);
    bits.write_ue(1);
    bits.rbsp_trailing_bits();
    let mut unit = vec![*head];
    emulation_prevent_into(&bits.into_bytes(), &mut unit);
    Some(unit)
}

fn failed(why: impl ToString) -> ExportError {
    ExportError::Film(why.to_string())
}
