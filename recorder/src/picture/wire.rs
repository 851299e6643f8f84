//! The framing around what draws: TPKT, MCS, Share Control and Share Data, fast-path. Nothing here fails for good:
//! bytes that are no PDU answer `None`.

/// TPKT's version, the first byte of a PDU that is not fast-path (T.123).
const TPKT_VERSION: u8 = 3;
/// The header of an X.224 data PDU behind TPKT's four bytes.
const X224_DATA: [u8; 3] = [2, 0xf0, 0x80];
/// T.125's choice numbers, in the upper six bits.
const SEND_DATA_REQUEST: u8 = 25;
const SEND_DATA_INDICATION: u8 = 26;

/// A PDU of either form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pdu<'a> {
    /// Fast-path (MS-RDPBCGR 2.2.8.1.2 and 2.2.9.1.2): its first byte and what follows the length.
    FastPath(u8, &'a [u8]),
    /// What follows the TPKT header.
    Tpkt(&'a [u8]),
}

/// Takes the first PDU off `bytes`. `None`: there is no whole one.
pub(super) fn next_pdu(bytes: &[u8]) -> Option<(Pdu<'_>, &[u8])> {
    let first = *bytes.first()?;
    if first == TPKT_VERSION {
        let length = usize::from(be16(bytes, 2)?);
        let (pdu, rest) = bytes.split_at_checked(length)?;
        return Some((Pdu::Tpkt(pdu.get(4..)?), rest));
    }
    if first & 3 != 0 {
        return None;
    }
    let short = *bytes.get(1)?;
    let (length, header) = match short & 0x80 {
        0 => (usize::from(short), 2),
        _ => (usize::from(be16(bytes, 1)? & 0x7fff), 3),
    };
    let (pdu, rest) = bytes.split_at_checked(length)?;
    Some((Pdu::FastPath(first, pdu.get(header..)?), rest))
}

/// Data on an MCS channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChannelData<'a> {
    /// Which channel.
    pub channel: u16,
    /// The bytes.
    pub data: &'a [u8],
}

/// Reads an X.224 data PDU with an MCS Send Data Request or Indication (T.125); others answer `None`.
pub(super) fn channel_data(tpkt: &[u8]) -> Option<ChannelData<'_>> {
    let mcs = tpkt.strip_prefix(&X224_DATA)?;
    if ![SEND_DATA_REQUEST, SEND_DATA_INDICATION].contains(&(mcs.first()? >> 2)) {
        return None;
    }
    let channel = be16(mcs, 3)?;
    let (length, from) = match *mcs.get(6)? {
        short @ 0..=0x7f => (usize::from(short), 7),
        0x80..=0xbf => (usize::from(be16(mcs, 6)? & 0x3fff), 8),
        // A length in fragments of 16 KiB; no RDP peer sends one.
        0xc0..=0xff => return None,
    };
    let data = mcs.get(from..)?.get(..length)?;
    Some(ChannelData { channel, data })
}

/// A Share Control PDU (MS-RDPBCGR 2.2.8.1.1.1.1), as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share<'a> {
    /// What follows the Share Control header.
    DemandActive(&'a [u8]),
    /// What follows the Share Control header.
    ConfirmActive(&'a [u8]),
    /// The picture ends until the next Demand Active.
    DeactivateAll,
    /// A Share Data PDU (2.2.8.1.1.1.2).
    Data {
        /// `pduType2`.
        kind: u8,
        /// Is the body compressed?
        compressed: bool,
        /// What follows the Share Data header.
        body: &'a [u8],
    },
    /// Any other.
    Other,
}

/// Takes the first Share Control PDU off the data of the I/O channel. `None`: there is no whole one.
pub(super) fn next_share(data: &[u8]) -> Option<(Share<'_>, &[u8])> {
    const HEADER: usize = 6;
    /// A flow PDU has this in place of a length, and eight bytes.
    const FLOW: u16 = 0x8000;
    let length = le16(data, 0)?;
    if length == FLOW {
        return Some((Share::Other, data.get(8..)?));
    }
    let (pdu, rest) = data.split_at_checked(usize::from(length))?;
    let kind = le16(pdu, 2)? & 0xf;
    let body = pdu.get(HEADER..)?;
    let share = match kind {
        1 => Share::DemandActive(body),
        3 => Share::ConfirmActive(body),
        6 => Share::DeactivateAll,
        7 => share_data(body)?,
        _ => Share::Other,
    };
    Some((share, rest))
}

fn share_data(body: &[u8]) -> Option<Share<'_>> {
    const PACKET_COMPRESSED: u8 = 0x20;
    Some(Share::Data {
        kind: *body.get(8)?,
        compressed: body.get(9)? & PACKET_COMPRESSED != 0,
        body: body.get(12..)?,
    })
}

/// Reads a number; `None` where there are too few bytes.
pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

/// Reads a number; `None` where there are too few bytes.
pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}
