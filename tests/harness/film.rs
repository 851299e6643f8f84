//! Films of desktops, as a player sees them.

use std::time::Duration;

use rusty_h264_common::YuvFrame;
use rusty_h264_decoder::Decoder;
use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::demux::{Input, Mp4FileDemuxer};

use super::Picture;

/// A film in MP4, with H.264.
#[derive(Debug)]
pub struct Film {
    /// How long it is.
    pub length: Duration,
    /// How many pictures it has.
    pub pictures: usize,
    /// The last of them.
    pub last: Picture,
}

impl Film {
    /// Plays a film.
    pub fn of(bytes: &[u8]) -> Self {
        let mut demuxer = Mp4FileDemuxer::new();
        while let Some(wanted) = demuxer.required_input() {
            let position = wanted.position;
            let from = usize::try_from(position).unwrap();
            let data = &bytes[from.min(bytes.len())..];
            demuxer.handle_input(Input { position, data });
        }
        let tracks = demuxer.tracks().expect("a film");
        assert_eq!(tracks.len(), 1);
        let millis = tracks[0].duration * 1000 / u64::from(tracks[0].timescale.get());
        let mut stream = Vec::new();
        let mut pictures = 0;
        while let Some(sample) = demuxer.next_sample().unwrap() {
            if let Some(SampleEntry::Avc1(entry)) = sample.sample_entry {
                let sets = entry.avcc_box.sps_list.iter();
                for set in sets.chain(&entry.avcc_box.pps_list) {
                    unit(set, &mut stream);
                }
            }
            let from = usize::try_from(sample.data_offset).unwrap();
            let mut data = &bytes[from..from + sample.data_size];
            while let Some((length, rest)) = data.split_first_chunk() {
                let (one, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
                unit(one, &mut stream);
                data = rest;
            }
            pictures += 1;
        }
        let decoded = Decoder::new().decode_stream(&stream).unwrap();
        assert_eq!(decoded.len(), pictures);
        Self {
            length: Duration::from_millis(millis),
            pictures,
            last: picture(decoded.last().expect("a picture")),
        }
    }
}

/// As H.264's own files have it (annex B).
fn unit(unit: &[u8], stream: &mut Vec<u8>) {
    stream.extend([0, 0, 0, 1]);
    stream.extend_from_slice(unit);
}

/// Back from BT.709, narrow range.
fn picture(frame: &YuvFrame) -> Picture {
    let mut rgb = Vec::new();
    for y in 0..frame.height {
        for x in 0..frame.width {
            let colour = y / 2 * (frame.width / 2) + x / 2;
            let luma = (f64::from(frame.y[y * frame.width + x]) - 16.0) * 255.0 / 219.0;
            let of = |plane: &[u8]| (f64::from(plane[colour]) - 128.0) * 255.0 / 224.0;
            let (blue, red) = (of(&frame.u), of(&frame.v));
            // Rounded and cut to what a byte holds.
            rgb.extend([
                (luma + 1.5748 * red).round() as u8,
                (luma - 0.1873 * blue - 0.4681 * red).round() as u8,
                (luma + 1.8556 * blue).round() as u8,
            ]);
        }
    }
    Picture {
        width: frame.width,
        height: frame.height,
        rgb,
    }
}
