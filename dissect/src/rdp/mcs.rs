//! The MCS layer of a running connection (T.125): whose data it is, and to which channel it goes.

use std::ops::Range;

use super::{Malformed, u16_be};

/// TPKT header and X.224 data header.
const X224: usize = 7;
/// Where the fields of a Send Data PDU lie in its frame.
const INITIATOR: usize = X224 + 1;
const CHANNEL: usize = INITIATOR + 2;
const LENGTH: usize = CHANNEL + 3;
/// User ids are sent relative to this (T.125 section 7).
pub const FIRST_USER: u16 = 1001;
/// The most bytes one PDU carries: what its packed length can say.
pub const MOST: usize = 0x3fff;
/// Both bits say that the PDU is whole; priority is high. As everybody sends it.
const WHOLE: u8 = 0x70;

/// The choice of a DomainMCSPDU, in the high six bits of its first byte.
const DISCONNECT_ULTIMATUM: u8 = 8;
const SEND_DATA_REQUEST: u8 = 25;
const SEND_DATA_INDICATION: u8 = 26;

/// A PDU of the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainPdu {
    /// Data of a channel.
    Data(SendData),
    /// The peer ends the connection.
    Ultimatum,
    /// Something else; there is nothing else to come once a connection runs.
    Other(u8),
}

/// Data of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendData {
    /// Whose.
    pub initiator: u16,
    /// To or from which channel.
    pub channel: u16,
    /// Where the data lie in the frame.
    pub data: Range<usize>,
}

/// Who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A Send Data Request.
    Client,
    /// A Send Data Indication.
    Server,
}

/// Takes a whole TPKT frame apart.
///
/// # Errors
/// If it is not one with X.224 data, or shorter than it says.
pub fn parse(frame: &[u8]) -> Result<DomainPdu, Malformed> {
    if frame.get(4..X224) != Some(&[2, 0xf0, 0x80]) {
        return Err(Malformed("a TPKT without X.224 data"));
    }
    let choice = frame.get(X224).ok_or(Malformed("an empty X.224 PDU"))? >> 2;
    match choice {
        SEND_DATA_REQUEST | SEND_DATA_INDICATION => send_data(frame).map(DomainPdu::Data),
        DISCONNECT_ULTIMATUM => Ok(DomainPdu::Ultimatum),
        other => Ok(DomainPdu::Other(other)),
    }
}

fn send_data(frame: &[u8]) -> Result<SendData, Malformed> {
    const SHORT: Malformed = Malformed("a Send Data PDU is cut off");
    let initiator = u16_be(frame, INITIATOR).ok_or(SHORT)?;
    let channel = u16_be(frame, CHANNEL).ok_or(SHORT)?;
    let start = match frame.get(LENGTH) {
        Some(byte) if byte & 0x80 == 0 => LENGTH + 1,
        Some(byte) if byte & 0x40 == 0 => LENGTH + 2,
        Some(_) => return Err(Malformed("a Send Data PDU in fragments")),
        None => return Err(SHORT),
    };
    let len = match start - LENGTH {
        1 => usize::from(*frame.get(LENGTH).ok_or(SHORT)?),
        _ => usize::from(u16_be(frame, LENGTH).ok_or(SHORT)? & 0x3fff),
    };
    if start + len != frame.len() {
        return Err(Malformed("a Send Data PDU is not as long as it says"));
    }
    Ok(SendData {
        initiator: initiator
            .checked_add(FIRST_USER)
            .ok_or(Malformed("a user id beyond all"))?,
        channel,
        data: start..frame.len(),
    })
}

/// Exchanges the ids in a frame that [`parse`] found to be [`DomainPdu::Data`]: each leg has its own.
pub fn set_ids(frame: &mut [u8], initiator: u16, channel: u16) {
    if let Some(ids) = frame.get_mut(INITIATOR..CHANNEL + 2) {
        let user = initiator.saturating_sub(FIRST_USER);
        ids[..2].copy_from_slice(&user.to_be_bytes());
        ids[2..].copy_from_slice(&channel.to_be_bytes());
    }
}

/// Frames at most [`MOST`] bytes of data for a channel; appends to `out`. Nothing is appended if there are more.
pub fn frame(sender: Sender, initiator: u16, channel: u16, data: &[u8], out: &mut Vec<u8>) {
    debug_assert!(data.len() <= MOST);
    let Some(len) = u16::try_from(data.len())
        .ok()
        .filter(|_| data.len() <= MOST)
    else {
        return;
    };
    let choice = match sender {
        Sender::Client => SEND_DATA_REQUEST,
        Sender::Server => SEND_DATA_INDICATION,
    };
    let total = u16::try_from(LENGTH + 2 + data.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&[3, 0]);
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&[2, 0xf0, 0x80, choice << 2]);
    out.extend_from_slice(&initiator.saturating_sub(FIRST_USER).to_be_bytes());
    out.extend_from_slice(&channel.to_be_bytes());
    out.push(WHOLE);
    out.extend_from_slice(&(0x8000 | len).to_be_bytes());
    out.extend_from_slice(data);
}

/// Says that the connection is over: to a client that the provider ends it, to a server that the user does.
pub fn ultimatum(sender: Sender) -> [u8; 9] {
    // The reason is three bits across two bytes: provider-initiated 1, user-requested 3.
    let reason = match sender {
        Sender::Server => 0x20,
        Sender::Client => 0x21,
    };
    [3, 0, 0, 9, 2, 0xf0, 0x80, reason, 0x80]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_framed_is_found_again() {
        for len in [0, 1, 0x7f, 0x80, MOST] {
            let data = vec![7; len];
            let mut bytes = Vec::new();
            frame(Sender::Client, 1007, 1003, &data, &mut bytes);
            let DomainPdu::Data(found) = parse(&bytes).unwrap() else {
                panic!("{bytes:?}");
            };
            assert_eq!((found.initiator, found.channel), (1007, 1003));
            assert_eq!(bytes[found.data.clone()], data);
            set_ids(&mut bytes, 1004, 1010);
            let exchanged = SendData {
                initiator: 1004,
                channel: 1010,
                data: found.data,
            };
            assert_eq!(parse(&bytes).unwrap(), DomainPdu::Data(exchanged));
        }
    }

    #[test]
    fn ids_lie_where_the_library_says() {
        use ironrdp_pdu::mcs::SendDataIndication;
        use ironrdp_pdu::x224::X224;
        let pdu = SendDataIndication {
            initiator_id: 1002,
            channel_id: 1005,
            user_data: vec![1, 2, 3].into(),
        };
        let bytes = ironrdp_core::encode_vec(&X224(pdu)).unwrap();
        let DomainPdu::Data(found) = parse(&bytes).unwrap() else {
            panic!("{bytes:?}");
        };
        assert_eq!((found.initiator, found.channel), (1002, 1005));
        assert_eq!(bytes[found.data], [1, 2, 3]);
    }

    #[test]
    fn both_goodbyes_are_understood() {
        use ironrdp_pdu::mcs::{DisconnectReason, McsMessage};
        use ironrdp_pdu::x224::X224;
        for (sender, expected) in [
            (Sender::Server, DisconnectReason::ProviderInitiated),
            (Sender::Client, DisconnectReason::UserRequested),
        ] {
            let bytes = ultimatum(sender);
            assert_eq!(parse(&bytes), Ok(DomainPdu::Ultimatum));
            let X224(McsMessage::DisconnectProviderUltimatum(said)) =
                ironrdp_core::decode(&bytes).unwrap()
            else {
                panic!("{bytes:?}");
            };
            assert_eq!(said.reason, expected);
        }
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let mut bytes = Vec::new();
        frame(Sender::Server, 1002, 1003, &[1; 200], &mut bytes);
        for len in 0..bytes.len() {
            assert!(parse(&bytes[..len]).is_err(), "{len}");
        }
    }
}
