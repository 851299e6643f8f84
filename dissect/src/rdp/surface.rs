//! Surface commands in fast-path output (MS-RDPBCGR 2.2.9.2), as far as to find where frames end.

use super::output::{self, Update};
use super::{u16_le, u32_le};

/// FASTPATH_UPDATETYPE_SURFCMDS.
const SURFACE_COMMANDS: u8 = 0x4;
/// CMDTYPE_SET_SURFACE_BITS, CMDTYPE_FRAME_MARKER and CMDTYPE_STREAM_SURFACE_BITS.
const SET_BITS: u16 = 1;
const MARKER: u16 = 4;
const STREAM_BITS: u16 = 6;
/// Length of a command's type.
const KIND: usize = 2;
/// Length of a frame marker, type included.
const MARKER_LEN: usize = 8;
/// SURFACECMD_FRAMEACTION_END.
const END: u16 = 1;
/// Length of a bits command up to the pixels: its type, four edges, TS_BITMAP_DATA_EX.
const BITS_LEN: usize = 22;
/// Where in that the flags are, and the length of what follows.
const FLAGS_AT: usize = 11;
const LEN_AT: usize = 18;
/// EX_COMPRESSED_BITMAP_HEADER_PRESENT, and the length of that header.
const MORE_HEADER: u8 = 1;
const MORE_LEN: usize = 24;

/// Finds the ends of frames in one direction's output. Updates come in fragments, so it remembers where it is; of the
/// pixels it keeps nothing.
#[derive(Debug, Default)]
pub struct FrameEnds {
    /// The beginning of a command, as far as it came.
    head: Vec<u8>,
    /// Bytes of pixels that are still to come.
    pixels: usize,
    /// What came is not understood, up to the end of the update.
    lost: bool,
}

/// What the beginning of a command says.
enum Step {
    /// So many bytes of it are needed to know.
    Needs(usize),
    /// So many bytes of pixels follow.
    Pixels(usize),
    /// A frame begins.
    Begins,
    /// The frame of this number is whole.
    Ends(u32),
    /// Nobody knows how long it is.
    Unknown,
}

impl FrameEnds {
    /// Takes a fast-path output PDU; answers the number of the last frame that ends in it.
    pub fn take(&mut self, frame: &[u8]) -> Option<u32> {
        let mut ended = None;
        for update in output::updates(frame) {
            let Update { code, begins, data } = update;
            if code != SURFACE_COMMANDS {
                continue;
            }
            if begins {
                *self = Self::default();
            }
            // Compressed ones are not asked for: the client's wish for them does not reach the target.
            match data {
                Some(data) => ended = self.commands(data).or(ended),
                None => self.lost = true,
            }
        }
        ended
    }

    fn commands(&mut self, mut rest: &[u8]) -> Option<u32> {
        let mut ended = None;
        while !self.lost && !rest.is_empty() {
            let skipped = self.pixels.min(rest.len());
            self.pixels -= skipped;
            rest = rest.get(skipped..).unwrap_or_default();
            if let Step::Needs(len) = step(&self.head) {
                let more = len.saturating_sub(self.head.len()).min(rest.len());
                let (more, behind) = rest.split_at_checked(more).unwrap_or_default();
                self.head.extend_from_slice(more);
                rest = behind;
            }
            match step(&self.head) {
                Step::Needs(_) => continue,
                Step::Pixels(len) => self.pixels = len,
                Step::Begins => {}
                Step::Ends(number) => ended = Some(number),
                Step::Unknown => self.lost = true,
            }
            self.head.clear();
        }
        ended
    }
}

fn step(head: &[u8]) -> Step {
    let Some(kind) = u16_le(head, 0) else {
        return Step::Needs(KIND);
    };
    match kind {
        MARKER => match (u16_le(head, KIND), u32_le(head, KIND + 2)) {
            (Some(END), Some(number)) => Step::Ends(number),
            (Some(_), Some(_)) => Step::Begins,
            (Some(_) | None, _) => Step::Needs(MARKER_LEN),
        },
        SET_BITS | STREAM_BITS => match u32_le(head, LEN_AT) {
            Some(len) => {
                let more = head
                    .get(FLAGS_AT)
                    .is_some_and(|flags| flags & MORE_HEADER != 0);
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                Step::Pixels(len.saturating_add(if more { MORE_LEN } else { 0 }))
            }
            None => Step::Needs(BITS_LEN),
        },
        _ => Step::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(action: u16, number: u32) -> Vec<u8> {
        [
            &MARKER.to_le_bytes()[..],
            &action.to_le_bytes(),
            &number.to_le_bytes(),
        ]
        .concat()
    }

    fn bits(kind: u16, flags: u8, len: usize) -> Vec<u8> {
        let mut command = kind.to_le_bytes().to_vec();
        command.extend([0; 8]);
        command.extend([32, flags, 0, 3, 64, 0, 64, 0]);
        command.extend(u32::try_from(len).unwrap().to_le_bytes());
        if flags & MORE_HEADER != 0 {
            command.extend([4; MORE_LEN]);
        }
        // Pixels that look like markers.
        command.extend(marker(END, 99).into_iter().cycle().take(len));
        command
    }

    /// The data as updates of at most `size` bytes, each in a PDU of its own.
    fn sent(data: &[u8], size: usize) -> Vec<Vec<u8>> {
        let pieces: Vec<_> = data.chunks(size).collect();
        let last = pieces.len() - 1;
        let pdu = |(n, piece): (usize, &&[u8])| {
            let fragmentation = match n {
                0 if last == 0 => 0,
                0 => 2,
                n if n == last => 1,
                _ => 3,
            };
            let mut pdu = vec![0, 0x80, 0, fragmentation << 4 | SURFACE_COMMANDS];
            pdu.extend(u16::try_from(piece.len()).unwrap().to_le_bytes());
            pdu.extend_from_slice(piece);
            pdu[2] = u8::try_from(pdu.len()).unwrap_or(0);
            pdu
        };
        pieces.iter().enumerate().map(pdu).collect()
    }

    #[test]
    fn frames_end_where_their_markers_say_however_they_are_cut() {
        let data = [
            marker(0, 7),
            bits(STREAM_BITS, 0, 300),
            bits(SET_BITS, MORE_HEADER, 41),
            bits(SET_BITS, 0, 0),
            marker(END, 7),
        ]
        .concat();
        for size in 1..=data.len() {
            let mut ends = FrameEnds::default();
            let found: Vec<_> = sent(&data, size)
                .iter()
                .filter_map(|pdu| ends.take(pdu))
                .collect();
            assert_eq!(found, [7], "{size}");
        }
        let mut ends = FrameEnds::default();
        let two = [marker(END, 8), marker(END, 9)].concat();
        assert_eq!(ends.take(&sent(&two, 64)[0]), Some(9), "the last one");
    }

    #[test]
    fn what_is_not_understood_ends_with_its_update() {
        let mut ends = FrameEnds::default();
        let unknown = [&[9, 0][..], &marker(END, 1)].concat();
        let longer = bits(STREAM_BITS, 0, 300);
        for wrong in [
            &unknown,
            &longer[..60].to_vec(),
            &marker(END, 1)[..5].to_vec(),
        ] {
            assert_eq!(ends.take(&sent(wrong, 80)[0]), None);
            assert_eq!(ends.take(&sent(&marker(END, 2), 80)[0]), Some(2));
        }
        let mut compressed = sent(&marker(END, 3), 80).remove(0);
        compressed[3] |= 0x80;
        compressed.insert(4, 0x20);
        compressed[2] += 1;
        assert_eq!(ends.take(&compressed), None);
        let mut other = sent(&marker(END, 3), 80).remove(0);
        other[3] = 1;
        assert_eq!(ends.take(&other), None, "bitmaps");
    }
}
