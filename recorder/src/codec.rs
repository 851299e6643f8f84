//! Records to bytes and back; the layout is in [`crate::format`].

use std::time::Duration;

use crate::format::{array_at, u32_at, u64_at};
use crate::{Entry, Record, Stream, Timed};

/// Bytes of a record before its payload.
pub(crate) const RECORD_HEAD: usize = 8 + 4 + 1 + 4;
const NO_CHANNEL: u32 = u32::MAX;

const OUTPUT: u8 = 1;
const OUTPUT_ERR: u8 = 2;
const INPUT: u8 = 3;
const INPUT_MASKED: u8 = 4;
const INPUT_REVEALED: u8 = 5;
const INPUT_KEPT: u8 = 6;
const CHANNEL_OPENED: u8 = 7;
const RESIZE: u8 = 8;
const EOF: u8 = 9;
const EXIT: u8 = 10;
const CHANNEL_CLOSED: u8 = 11;
const MARKER: u8 = 12;
const BULK: u8 = 13;
const BULK_DIGEST: u8 = 14;
const GAP: u8 = 15;
const DESKTOP_BEGUN: u8 = 16;
const FROM_TARGET: u8 = 17;
const FROM_CLIENT: u8 = 18;
const COVERED: u8 = 19;
const FROM_VIEWER: u8 = 20;

/// Appends a record's bytes. Fails only if an event cannot be turned into JSON.
pub(crate) fn encode(
    at: Duration,
    record: &Record<'_>,
    out: &mut Vec<u8>,
) -> Result<(), serde_json::Error> {
    let time = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
    let (channel, kind) = address(record);
    out.extend_from_slice(&time.to_le_bytes());
    out.extend_from_slice(&channel.to_le_bytes());
    out.push(kind);
    let len_at = out.len();
    out.extend_from_slice(&[0; 4]);
    payload(record, out)?;
    let len = u32::try_from(out.len() - len_at - 4).unwrap_or(u32::MAX);
    out[len_at..len_at + 4].copy_from_slice(&len.to_le_bytes());
    Ok(())
}

fn address(record: &Record<'_>) -> (u32, u8) {
    match *record {
        Record::Output {
            channel,
            stderr: false,
            ..
        } => (channel, OUTPUT),
        Record::Output {
            channel,
            stderr: true,
            ..
        } => (channel, OUTPUT_ERR),
        Record::Input { channel, .. } => (channel, INPUT),
        Record::InputMasked { channel, .. } => (channel, INPUT_MASKED),
        Record::InputRevealed { channel, .. } => (channel, INPUT_REVEALED),
        Record::InputKeptMasked { channel, .. } => (channel, INPUT_KEPT),
        Record::ChannelOpened { channel, .. } => (channel, CHANNEL_OPENED),
        Record::Resize { channel, .. } => (channel, RESIZE),
        Record::Eof { channel, .. } => (channel, EOF),
        Record::Exit { channel, .. } => (channel, EXIT),
        Record::ChannelClosed { channel } => (channel, CHANNEL_CLOSED),
        Record::Marker(_) => (NO_CHANNEL, MARKER),
        Record::Bulk { channel, .. } => (channel, BULK),
        Record::BulkDigest { channel, .. } => (channel, BULK_DIGEST),
        Record::Gap { .. } => (NO_CHANNEL, GAP),
        Record::DesktopBegun(_) => (NO_CHANNEL, DESKTOP_BEGUN),
        Record::FromTarget { .. } => (NO_CHANNEL, FROM_TARGET),
        Record::FromClient { .. } => (NO_CHANNEL, FROM_CLIENT),
        Record::FromViewer { .. } => (NO_CHANNEL, FROM_VIEWER),
        Record::Covered { .. } => (NO_CHANNEL, COVERED),
    }
}

fn payload(record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match *record {
        Record::Output { data, .. }
        | Record::Input { data, .. }
        | Record::InputRevealed { data, .. } => out.extend_from_slice(data),
        Record::InputMasked { bytes, .. } | Record::InputKeptMasked { bytes, .. } => {
            out.extend_from_slice(&bytes.to_le_bytes());
        }
        Record::ChannelOpened { what, pty, .. } => {
            let (term, cols, rows) = pty.unwrap_or_default();
            let term = prefix(term, usize::from(u16::MAX));
            out.push(u8::from(pty.is_some()));
            out.extend_from_slice(&cols.to_le_bytes());
            out.extend_from_slice(&rows.to_le_bytes());
            out.extend_from_slice(&u16::try_from(term.len()).unwrap_or(0).to_le_bytes());
            out.extend_from_slice(term.as_bytes());
            out.extend_from_slice(what.as_bytes());
        }
        Record::Resize { cols, rows, .. } => {
            out.extend_from_slice(&cols.to_le_bytes());
            out.extend_from_slice(&rows.to_le_bytes());
        }
        Record::Eof { from_client, .. } => out.push(u8::from(from_client)),
        Record::Exit { status, signal, .. } => {
            out.push(u8::from(status.is_some()));
            out.extend_from_slice(&status.unwrap_or(0).to_le_bytes());
            out.push(u8::from(signal.is_some()));
            out.extend_from_slice(signal.unwrap_or_default().as_bytes());
        }
        Record::ChannelClosed { .. } => {}
        Record::Marker(event) => serde_json::to_writer(&mut *out, event)?,
        Record::Bulk { stream, bytes, .. } => {
            out.push(stream_byte(stream));
            out.extend_from_slice(&bytes.to_le_bytes());
        }
        Record::BulkDigest {
            stream,
            bytes,
            sha256,
            ..
        } => {
            out.push(stream_byte(stream));
            out.extend_from_slice(&bytes.to_le_bytes());
            out.extend_from_slice(&sha256);
        }
        Record::Gap { bytes } => out.extend_from_slice(&bytes.to_le_bytes()),
        Record::DesktopBegun(begun) => serde_json::to_writer(&mut *out, begun)?,
        Record::FromTarget { pdus } | Record::FromClient { pdus } => out.extend_from_slice(pdus),
        Record::FromViewer { viewer, pdus } => {
            let viewer = prefix(viewer, usize::from(u16::MAX));
            out.extend_from_slice(&u16::try_from(viewer.len()).unwrap_or(0).to_le_bytes());
            out.extend_from_slice(viewer.as_bytes());
            out.extend_from_slice(pdus);
        }
        Record::Covered { shown } => out.push(u8::from(shown)),
    }
    Ok(())
}

/// The longest prefix of at most `limit` bytes that ends between two characters.
fn prefix(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

fn stream_byte(stream: Stream) -> u8 {
    match stream {
        Stream::In => 0,
        Stream::Out => 1,
        Stream::Err => 2,
    }
}

fn stream_of(byte: u8) -> Option<Stream> {
    match byte {
        0 => Some(Stream::In),
        1 => Some(Stream::Out),
        2 => Some(Stream::Err),
        _ => None,
    }
}

/// Reads the record at the start of `bytes`; answers it and its length. `None`: the bytes hold no
/// whole record, which a frame whose checksum is right never says.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Timed, usize)> {
    if bytes.len() < RECORD_HEAD {
        return None;
    }
    let at = Duration::from_micros(u64_at(bytes, 0));
    let channel = u32_at(bytes, 8);
    let kind = bytes[12];
    let end = RECORD_HEAD.checked_add(u32_at(bytes, 13) as usize)?;
    let payload = bytes.get(RECORD_HEAD..end)?;
    let entry = entry(channel, kind, payload).unwrap_or_else(|| Entry::Unknown {
        channel,
        kind,
        data: payload.to_vec(),
    });
    Some((Timed { at, entry }, end))
}

/// Is the record at the start of `bytes` an event's?
pub(crate) fn is_marker(bytes: &[u8]) -> bool {
    bytes.get(12) == Some(&MARKER)
}

/// What follows the record at the start of `bytes`, if there is a whole one.
pub(crate) fn behind(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.len() < RECORD_HEAD {
        return None;
    }
    bytes.get(RECORD_HEAD.checked_add(u32_at(bytes, 13) as usize)?..)
}

/// Does a payload hold whole records and nothing else?
pub(crate) fn fills(payload: &[u8]) -> bool {
    let mut rest = payload;
    while let Some(next) = behind(rest) {
        rest = next;
    }
    rest.is_empty()
}

/// How many records a payload holds, and the time of the last one.
pub(crate) fn count(payload: &[u8]) -> (u64, Option<Duration>) {
    let (mut records, mut last, mut rest) = (0, None, payload);
    while let Some(next) = behind(rest) {
        records += 1;
        last = Some(Duration::from_micros(u64_at(rest, 0)));
        rest = next;
    }
    (records, last)
}

/// `None`: a later version wrote it; the caller keeps it as [`Entry::Unknown`].
fn entry(channel: u32, kind: u8, payload: &[u8]) -> Option<Entry> {
    let u16_at = |at| u16::from_le_bytes(array_at(payload, at));
    let entry = match kind {
        OUTPUT | OUTPUT_ERR => Entry::Output {
            channel,
            stderr: kind == OUTPUT_ERR,
            data: payload.to_vec(),
        },
        INPUT => Entry::Input {
            channel,
            data: payload.to_vec(),
        },
        INPUT_REVEALED => Entry::InputRevealed {
            channel,
            data: payload.to_vec(),
        },
        INPUT_MASKED if payload.len() == 4 => Entry::InputMasked {
            channel,
            bytes: u32_at(payload, 0),
        },
        INPUT_KEPT if payload.len() == 4 => Entry::InputKeptMasked {
            channel,
            bytes: u32_at(payload, 0),
        },
        CHANNEL_OPENED => channel_opened(channel, payload)?,
        RESIZE if payload.len() == 4 => Entry::Resize {
            channel,
            cols: u16_at(0),
            rows: u16_at(2),
        },
        EOF if payload.len() == 1 => Entry::Eof {
            channel,
            from_client: payload[0] != 0,
        },
        EXIT if payload.len() >= 6 => Entry::Exit {
            channel,
            status: (payload[0] != 0).then(|| u32_at(payload, 1)),
            signal: (payload[5] != 0).then(|| String::from_utf8_lossy(&payload[6..]).into_owned()),
        },
        CHANNEL_CLOSED => Entry::ChannelClosed { channel },
        MARKER => Entry::Marker(serde_json::from_slice(payload).ok()?),
        BULK if payload.len() == 9 => Entry::Bulk {
            channel,
            stream: stream_of(payload[0])?,
            bytes: u64_at(payload, 1),
        },
        BULK_DIGEST if payload.len() == 41 => Entry::BulkDigest {
            channel,
            stream: stream_of(payload[0])?,
            bytes: u64_at(payload, 1),
            sha256: array_at(payload, 9),
        },
        GAP if payload.len() == 8 => Entry::Gap {
            bytes: u64_at(payload, 0),
        },
        DESKTOP_BEGUN => Entry::DesktopBegun(serde_json::from_slice(payload).ok()?),
        FROM_TARGET => Entry::FromTarget {
            pdus: payload.to_vec(),
        },
        FROM_CLIENT => Entry::FromClient {
            pdus: payload.to_vec(),
        },
        FROM_VIEWER => from_viewer(payload)?,
        COVERED if payload.len() == 1 => Entry::Covered {
            shown: payload[0] != 0,
        },
        _ => return None,
    };
    Some(entry)
}

fn from_viewer(payload: &[u8]) -> Option<Entry> {
    let (len, rest) = payload.split_at_checked(2)?;
    let len = usize::from(u16::from_le_bytes(array_at(len, 0)));
    let (viewer, pdus) = rest.split_at_checked(len)?;
    Some(Entry::FromViewer {
        viewer: String::from_utf8_lossy(viewer).into_owned(),
        pdus: pdus.to_vec(),
    })
}

fn channel_opened(channel: u32, payload: &[u8]) -> Option<Entry> {
    let u16_at = |at| u16::from_le_bytes(array_at(payload, at));
    let what_at = 7 + usize::from(u16_at(5));
    let term = payload.get(7..what_at)?;
    let what = payload.get(what_at..)?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Some(Entry::ChannelOpened {
        channel,
        what: text(what),
        pty: (payload[0] != 0).then(|| (text(term), u16_at(1), u16_at(3))),
    })
}

#[cfg(test)]
mod tests;
