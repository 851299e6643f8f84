//! Which keys were pressed, from recorded input (MS-RDPBCGR 2.2.8.1.1.3 and 2.2.8.1.2).

use super::wire::{ChannelData, Pdu, Share, channel_data, le16, next_pdu, next_share};

/// Share Data's type of input.
const INPUT: u8 = 0x1c;

/// A key or a character that went down or up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Press {
    /// A key, by its scancode; 0 where it was left out of the recording.
    Key {
        /// The scancode.
        code: u8,
        /// One of the extended ones?
        extended: bool,
        /// Pressed?
        down: bool,
    },
    /// A unit of a character; 0 where it was left out.
    Character {
        /// In UTF-16.
        unit: u16,
        /// Pressed?
        down: bool,
    },
}

/// All that were pressed or released in whole PDUs of a client ([`crate::Record::FromClient`]).
pub(crate) fn presses(pdus: &[u8], io_channel: u16) -> Vec<Press> {
    let mut found = Vec::new();
    let mut rest = pdus;
    while let Some((pdu, after)) = next_pdu(rest) {
        rest = after;
        match pdu {
            // What follows something that cannot be read is not guessed at.
            Pdu::FastPath(header, body) => drop(fast_path(header, body, &mut found)),
            Pdu::Tpkt(tpkt) => {
                if let Some(data) = channel_data(tpkt).filter(|data| data.channel == io_channel) {
                    slow_path(data, &mut found);
                }
            }
        }
    }
    found
}

fn fast_path(header: u8, body: &[u8], found: &mut Vec<Press>) -> Option<()> {
    const RELEASED: u8 = 1;
    const EXTENDED: u8 = 2;
    let (count, mut events) = match header >> 2 & 0xf {
        0 => body.split_first().map(|(count, events)| (*count, events))?,
        count => (count, body),
    };
    for _ in 0..count {
        let (event, rest) = events.split_first()?;
        let length = match event >> 5 {
            0 => 1,
            1 | 2 | 5 => 6,
            3 => 0,
            4 => 2,
            6 => 4,
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        events = rest;
        let down = event & RELEASED == 0;
        match event >> 5 {
            0 => found.push(Press::Key {
                code: *content.first()?,
                extended: event & EXTENDED != 0,
                down,
            }),
            4 => found.push(Press::Character {
                unit: le16(content, 0)?,
                down,
            }),
            _ => {}
        }
    }
    Some(())
}

fn slow_path(data: ChannelData<'_>, found: &mut Vec<Press>) {
    const KEY: u16 = 4;
    const CHARACTER: u16 = 5;
    const EXTENDED: u16 = 0x0100;
    const RELEASED: u16 = 0x8000;
    let mut rest = data.data;
    while let Some((share, after)) = next_share(rest) {
        rest = after;
        let Share::Data {
            kind: INPUT, body, ..
        } = share
        else {
            continue;
        };
        for event in body.get(4..).unwrap_or_default().chunks_exact(12) {
            let number = |at| le16(event, at).unwrap_or_default();
            let (flags, unit) = (number(6), number(8));
            let down = flags & RELEASED == 0;
            match number(4) {
                KEY => found.push(Press::Key {
                    code: u8::try_from(unit & 0xff).unwrap_or_default(),
                    extended: flags & EXTENDED != 0,
                    down,
                }),
                CHARACTER => found.push(Press::Character { unit, down }),
                _ => {}
            }
        }
    }
}
