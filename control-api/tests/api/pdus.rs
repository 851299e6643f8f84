//! What a target sends of its desktop, as the tapes of these tests hold it.

use std::time::Duration;

use sallyport_recorder::{DesktopBegun, Record, TapeWriter};

const IO: u16 = 1003;

/// Begins a desktop of that size on a tape.
pub fn begin(tape: &mut TapeWriter, width: u16, height: u16) {
    let begun = DesktopBegun {
        io_channel: IO,
        user: 1007,
        message_channel: None,
        channels: Vec::new(),
    };
    let demand = demand_active(width, height);
    let pdus = Record::FromTarget { pdus: &demand };
    let records = [Record::DesktopBegun(&begun), pdus];
    tape.append_at(Duration::from_millis(5), &records).unwrap();
}

/// Draws a square of one colour.
pub fn square(tape: &mut TapeWriter, at: u64, place: (u16, u16), side: u16, colour: [u8; 3]) {
    let pdus = bitmap(place, side, colour);
    let record = Record::FromTarget { pdus: &pdus };
    tape.append_at(Duration::from_millis(at), &[record])
        .unwrap();
}

/// Demand Active with the bitmap capability set alone (MS-RDPBCGR 2.2.1.13.1).
fn demand_active(width: u16, height: u16) -> Vec<u8> {
    let mut pdu = vec![3, 0, 0, 49, 2, 0xf0, 0x80, 0x68, 0, 1];
    pdu.extend(IO.to_be_bytes());
    pdu.extend([0x70, 0x80, 34, 34, 0, 0x11, 0, 0xea, 3, 1, 0, 0, 0]);
    pdu.extend([0, 0, 20, 0, 1, 0, 0, 0]);
    pdu.extend([2, 0, 16, 0, 32, 0, 1, 0, 1, 0, 1, 0]);
    pdu.extend(width.to_le_bytes());
    pdu.extend(height.to_le_bytes());
    pdu
}

/// A fast-path bitmap update of one uncompressed bitmap of 32 bits (MS-RDPBCGR 2.2.9.1.2.1.2).
fn bitmap((left, top): (u16, u16), side: u16, [red, green, blue]: [u8; 3]) -> Vec<u8> {
    let data = [blue, green, red, 0].repeat(usize::from(side) * usize::from(side));
    let mut body = Vec::new();
    let (right, bottom) = (left + side - 1, top + side - 1);
    for field in [1, 1, left, top, right, bottom, side, side, 32, 0] {
        body.extend(u16::to_le_bytes(field));
    }
    body.extend((data.len() as u16).to_le_bytes());
    body.extend(data);
    let length = body.len() as u16;
    let [high, low] = (6 + length).to_be_bytes();
    let mut pdu = vec![0, 0x80 | high, low, 1];
    pdu.extend(length.to_le_bytes());
    pdu.extend(body);
    pdu
}
