//! The container: MP4 (ISO/IEC 14496-12 and -15), written from its start to its end without going back.
//!
//! Pictures lie in many small `mdat` boxes, each written when it is full; their index (`moov`) is the last box. So memory
//! holds a few bytes for each picture and no more, and a film that was cut off has no index: no player takes it for whole.

use std::io::Write;
use std::num::NonZeroU32;
use std::time::Duration;

use shiguredo_mp4::boxes::{
    Avc1Box, AvccBox, Brand, Co64Box, DinfBox, FtypBox, HdlrBox, MdhdBox, MdiaBox, MediaHeader,
    MinfBox, MoovBox, MvhdBox, SampleEntry, StblBox, StcoBox, StscBox, StscEntry, StsdBox, StssBox,
    StszBox, SttsBox, SttsEntry, TkhdBox, TrakBox, UnknownBox, VisualSampleEntryFields, VmhdBox,
};
use shiguredo_mp4::{
    BoxSize, BoxType, Either, Encode, FixedPointNumber, LanguageCode, Mp4FileTime, Uint,
};

use super::super::ExportError;
use super::encoder::{Picture, Sets};

/// The film's clock: milliseconds.
const TIMESCALE: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);
/// Bytes of pictures that are written at once, or one picture if it has more.
const CHUNK: usize = 256 << 10;
/// Bytes of a box before its content.
const BOX_HEAD: usize = 8;
/// Where colours are told (14496-12, 12.1.5): BT.709 primaries, transfer and matrix, and the narrow range of values.
const COLOURS: [u8; 11] = [b'n', b'c', b'l', b'x', 0, 1, 0, 1, 0, 1, 0];

/// What the index says of all pictures together.
pub(super) struct Shape {
    /// Pixels in a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// When the recording began, since 1970.
    pub recorded: Duration,
}

/// Writes a film.
pub(super) struct Container<'a> {
    out: &'a mut dyn Write,
    position: u64,
    chunk: Vec<u8>,
    in_chunk: u32,
    index: Index,
    /// The time of the last picture, in milliseconds.
    last: Option<u64>,
}

/// Where which picture lies: all that grows with the film.
#[derive(Default)]
struct Index {
    sizes: Vec<u32>,
    keyframes: Vec<NonZeroU32>,
    lengths: Vec<SttsEntry>,
    chunks: Vec<u64>,
    /// From which chunk on there are how many pictures in each.
    in_chunks: Vec<StscEntry>,
}

impl<'a> Container<'a> {
    /// Begins a film.
    pub fn begin(out: &'a mut dyn Write) -> Result<Self, ExportError> {
        let kind = FtypBox {
            major_brand: Brand::ISOM,
            minor_version: 512,
            compatible_brands: vec![Brand::ISOM, Brand::ISO2, Brand::AVC1, Brand::MP41],
        };
        let head = kind.encode_to_vec().map_err(failed)?;
        out.write_all(&head)?;
        Ok(Self {
            out,
            position: head.len() as u64,
            chunk: Vec::new(),
            in_chunk: 0,
            index: Index::default(),
            last: None,
        })
    }

    /// Adds a picture that is shown from `at` on.
    pub fn add(&mut self, at: Duration, picture: &Picture) -> Result<(), ExportError> {
        let at = millis(at);
        if let Some(before) = self.last.replace(at) {
            self.index.lasts(at.saturating_sub(before));
        }
        if !self.chunk.is_empty() && self.chunk.len() + picture.data.len() > CHUNK {
            self.write_chunk()?;
        }
        let size = u32::try_from(picture.data.len());
        self.index.sizes.push(size.map_err(failed)?);
        if picture.is_keyframe {
            self.index
                .keyframes
                .push(number(self.index.sizes.len() - 1)?);
        }
        self.chunk.extend_from_slice(&picture.data);
        self.in_chunk += 1;
        Ok(())
    }

    fn write_chunk(&mut self) -> Result<(), ExportError> {
        let length = u32::try_from(BOX_HEAD + self.chunk.len()).map_err(failed)?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(b"mdat")?;
        self.out.write_all(&self.chunk)?;
        self.index.chunk(self.position, self.in_chunk)?;
        self.position += u64::from(length);
        self.chunk.clear();
        self.in_chunk = 0;
        Ok(())
    }

    /// Ends the film at `end`, with its index.
    pub fn finish(mut self, end: Duration, shape: &Shape, sets: &Sets) -> Result<(), ExportError> {
        let end = millis(end);
        if let Some(before) = self.last {
            self.index.lasts(end.saturating_sub(before));
            self.write_chunk()?;
        }
        let moov = movie(self.index, end, shape, sets)?;
        self.out.write_all(&moov.encode_to_vec().map_err(failed)?)?;
        Ok(())
    }
}

impl Index {
    /// The last picture is shown for so many milliseconds.
    fn lasts(&mut self, millis: u64) {
        let sample_delta = u32::try_from(millis).unwrap_or(u32::MAX);
        match self.lengths.last_mut() {
            Some(last) if last.sample_delta == sample_delta => last.sample_count += 1,
            Some(_) | None => self.lengths.push(SttsEntry {
                sample_count: 1,
                sample_delta,
            }),
        }
    }

    fn chunk(&mut self, position: u64, sample_per_chunk: u32) -> Result<(), ExportError> {
        // Behind the head of its box.
        self.chunks.push(position + BOX_HEAD as u64);
        let last = self.in_chunks.last();
        if last.is_none_or(|last| last.sample_per_chunk != sample_per_chunk) {
            self.in_chunks.push(StscEntry {
                first_chunk: number(self.chunks.len() - 1)?,
                sample_per_chunk,
                sample_description_index: NonZeroU32::MIN,
            });
        }
        Ok(())
    }

    fn tables(self, entry: SampleEntry) -> StblBox {
        let small = |offset: &u64| u32::try_from(*offset).ok();
        let offsets: Option<Vec<u32>> = self.chunks.iter().map(small).collect();
        StblBox {
            stsd_box: StsdBox {
                entries: vec![entry],
            },
            stts_box: SttsBox {
                entries: self.lengths,
            },
            ctts_box: None,
            cslg_box: None,
            stsc_box: StscBox {
                entries: self.in_chunks,
            },
            stsz_box: StszBox::Variable {
                entry_sizes: self.sizes,
            },
            stco_or_co64_box: match offsets {
                Some(chunk_offsets) => Either::A(StcoBox { chunk_offsets }),
                None => Either::B(Co64Box {
                    chunk_offsets: self.chunks,
                }),
            },
            stss_box: Some(StssBox {
                sample_numbers: self.keyframes,
            }),
            sdtp_box: None,
            unknown_boxes: Vec::new(),
        }
    }
}

fn movie(index: Index, end: u64, shape: &Shape, sets: &Sets) -> Result<MoovBox, ExportError> {
    let creation_time = Mp4FileTime::from_unix_time(shape.recorded);
    let media = MdiaBox {
        mdhd_box: MdhdBox {
            creation_time,
            modification_time: creation_time,
            timescale: TIMESCALE,
            duration: end,
            language: LanguageCode::UNDEFINED,
        },
        hdlr_box: HdlrBox {
            handler_type: HdlrBox::HANDLER_TYPE_VIDE,
            name: b"Sallyport\0".to_vec(),
        },
        minf_box: MinfBox {
            media_header: Some(MediaHeader::Vmhd(VmhdBox::default())),
            dinf_box: DinfBox::LOCAL_FILE,
            stbl_box: index.tables(sample_entry(shape, sets)?),
            unknown_boxes: Vec::new(),
        },
        unknown_boxes: Vec::new(),
    };
    Ok(MoovBox {
        mvhd_box: MvhdBox {
            creation_time,
            modification_time: creation_time,
            timescale: TIMESCALE,
            duration: end,
            rate: MvhdBox::DEFAULT_RATE,
            volume: MvhdBox::DEFAULT_VOLUME,
            matrix: MvhdBox::DEFAULT_MATRIX,
            next_track_id: 2,
        },
        trak_boxes: vec![TrakBox {
            tkhd_box: track_head(creation_time, end, shape)?,
            edts_box: None,
            mdia_box: media,
            unknown_boxes: Vec::new(),
        }],
        mvex_box: None,
        unknown_boxes: Vec::new(),
    })
}

fn track_head(
    creation_time: Mp4FileTime,
    duration: u64,
    shape: &Shape,
) -> Result<TkhdBox, ExportError> {
    Ok(TkhdBox {
        flag_track_enabled: true,
        flag_track_in_movie: true,
        flag_track_in_preview: false,
        flag_track_size_is_aspect_ratio: false,
        creation_time,
        modification_time: creation_time,
        track_id: 1,
        duration,
        layer: TkhdBox::DEFAULT_LAYER,
        alternate_group: TkhdBox::DEFAULT_ALTERNATE_GROUP,
        volume: TkhdBox::DEFAULT_VIDEO_VOLUME,
        matrix: TkhdBox::DEFAULT_MATRIX,
        width: FixedPointNumber::new(i16::try_from(shape.width).map_err(failed)?, 0),
        height: FixedPointNumber::new(i16::try_from(shape.height).map_err(failed)?, 0),
    })
}

/// How pictures are coded (14496-15, 5.4.2).
fn sample_entry(shape: &Shape, sets: &Sets) -> Result<SampleEntry, ExportError> {
    let Some(&[_, profile, compatibility, level]) = sets.sequence.first_chunk() else {
        return Err(failed("the encoder's parameters are too short"));
    };
    let colours = UnknownBox {
        box_type: BoxType::Normal(*b"colr"),
        box_size: BoxSize::U32((BOX_HEAD + COLOURS.len()) as u32),
        payload: COLOURS.to_vec(),
    };
    Ok(SampleEntry::Avc1(Avc1Box {
        visual: VisualSampleEntryFields {
            data_reference_index: VisualSampleEntryFields::DEFAULT_DATA_REFERENCE_INDEX,
            width: shape.width,
            height: shape.height,
            horizresolution: VisualSampleEntryFields::DEFAULT_HORIZRESOLUTION,
            vertresolution: VisualSampleEntryFields::DEFAULT_VERTRESOLUTION,
            frame_count: VisualSampleEntryFields::DEFAULT_FRAME_COUNT,
            compressorname: VisualSampleEntryFields::NULL_COMPRESSORNAME,
            depth: VisualSampleEntryFields::DEFAULT_DEPTH,
        },
        avcc_box: AvccBox {
            avc_profile_indication: profile,
            profile_compatibility: compatibility,
            avc_level_indication: level,
            // Lengths have four bytes.
            length_size_minus_one: Uint::new(3),
            sps_list: vec![sets.sequence.clone()],
            pps_list: vec![sets.picture.clone()],
            chroma_format: None,
            bit_depth_luma_minus8: None,
            bit_depth_chroma_minus8: None,
            sps_ext_list: Vec::new(),
        },
        unknown_boxes: vec![colours],
    }))
}

/// From a place in a list to its number, which begins with one.
fn number(place: usize) -> Result<NonZeroU32, ExportError> {
    let number = u32::try_from(place).map_err(failed)?;
    let number = NonZeroU32::MIN.checked_add(number);
    number.ok_or_else(|| failed("it has too many pictures"))
}

fn millis(at: Duration) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(u64::MAX)
}

fn failed(why: impl ToString) -> ExportError {
    ExportError::Film(why.to_string())
}
