//! What an update travels in: fast-path PDUs and Share Data PDUs, from the server to the client.

/// `updateCode` of the hidden pointer, MS-RDPBCGR 2.2.9.1.2.1.5.
const FASTPATH_UPDATETYPE_PTR_NULL: u8 = 5;
/// `updateCode` of the client's own pointer, MS-RDPBCGR 2.2.9.1.2.1.6.
const FASTPATH_UPDATETYPE_PTR_DEFAULT: u8 = 6;
/// `pduType2` of a pointer update.
const PDUTYPE2_POINTER: u8 = 0x1b;
/// `messageType` of a system pointer.
const TS_PTRMSGTYPE_SYSTEM: u16 = 1;
/// `systemPointerType` of the client's own pointer; nought hides it.
const SYSPTR_DEFAULT: u32 = 0x7f00;

/// Lengths from here on take two bytes in a fast-path header.
const LONG_LENGTH: usize = 0x80;
/// `pduType` of a Share Data PDU, with the version of the protocol.
const PDUTYPE_DATA: u16 = 0x17;
/// Medium priority.
const STREAM_MED: u8 = 2;
/// Bytes of the Share Control and Share Data headers.
const SHARE_HEADERS: u16 = 18;
/// User ids count from here in MCS.
const MCS_BASE: u16 = 1001;

/// Where slow-path PDUs to a client belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareAddress {
    /// `shareId` of the Demand Active PDU.
    pub share_id: u32,
    /// The MCS user that sends: the gateway's own, at least 1001. It is also `pduSource`.
    pub user: u16,
    /// The I/O channel.
    pub channel: u16,
}

/// A pointer that every client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemPointer {
    /// The client's own arrow.
    Default,
    /// None at all.
    Hidden,
}

impl SystemPointer {
    /// As a fast-path PDU, MS-RDPBCGR 2.2.9.1.2.1.5 and 2.2.9.1.2.1.6.
    pub fn fast_path(self) -> Vec<u8> {
        let code = match self {
            Self::Default => FASTPATH_UPDATETYPE_PTR_DEFAULT,
            Self::Hidden => FASTPATH_UPDATETYPE_PTR_NULL,
        };
        fast_path(code, &[])
    }

    /// As a TPKT packet with a Share Data PDU, MS-RDPBCGR 2.2.9.1.1.4.
    pub fn slow_path(self, address: ShareAddress) -> Vec<u8> {
        let pointer = match self {
            Self::Default => SYSPTR_DEFAULT,
            Self::Hidden => 0,
        };
        let mut body = TS_PTRMSGTYPE_SYSTEM.to_le_bytes().to_vec();
        body.extend([0, 0]);
        body.extend(pointer.to_le_bytes());
        share_data(address, PDUTYPE2_POINTER, &body)
    }
}

/// A fast-path PDU with one update that is not fragmented, MS-RDPBCGR 2.2.9.1.2.
///
/// `update` is at most [`super::MAX_PDU`] bytes with headers; its length must not need more than 15 bits.
pub(super) fn fast_path(code: u8, update: &[u8]) -> Vec<u8> {
    // The header, its length of one byte, the update's header and that one's length.
    let short = update.len() + 5;
    let mut pdu = Vec::with_capacity(short + 1);
    // Action: fast-path. No flags: TLS protects it.
    pdu.push(0);
    if short < LONG_LENGTH {
        pdu.push(low_16(short).to_be_bytes()[1]);
    } else {
        pdu.extend((low_16(short + 1) | 0x8000).to_be_bytes());
    }
    pdu.push(code);
    pdu.extend(low_16(update.len()).to_le_bytes());
    pdu.extend(update);
    pdu
}

/// A Share Data PDU in an MCS Send Data Indication, with X.224 and TPKT, MS-RDPBCGR 2.2.8.1.1.1.2.
pub(super) fn share_data(address: ShareAddress, pdu_type: u8, body: &[u8]) -> Vec<u8> {
    let length = low_16(body.len());
    let total = length.saturating_add(SHARE_HEADERS);
    let mut pdu = Vec::with_capacity(body.len() + 40);
    // TPKT, X.224 Data, Send Data Indication.
    pdu.extend([3, 0]);
    pdu.extend(total.saturating_add(15).to_be_bytes());
    pdu.extend([2, 0xf0, 0x80, 0x68]);
    pdu.extend(address.user.saturating_sub(MCS_BASE).to_be_bytes());
    pdu.extend(address.channel.to_be_bytes());
    // High priority, first and last segment; the length always in its long form.
    pdu.push(0x70);
    pdu.extend((total | 0x8000).to_be_bytes());
    // Share Control Header.
    pdu.extend(total.to_le_bytes());
    pdu.extend(PDUTYPE_DATA.to_le_bytes());
    pdu.extend(address.user.to_le_bytes());
    // Share Data Header; the uncompressed length counts from `pduType2` on.
    pdu.extend(address.share_id.to_le_bytes());
    pdu.extend([0, STREAM_MED]);
    pdu.extend(length.saturating_add(4).to_le_bytes());
    pdu.extend([pdu_type, 0, 0, 0]);
    pdu.extend(body);
    pdu
}

/// Callers keep lengths below 16 KiB.
fn low_16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironrdp_pdu::fast_path::{FastPathHeader, FastPathUpdatePdu, UpdateCode};

    #[test]
    fn lengths_take_one_byte_or_two() {
        for (body, header) in [(0, 2), (122, 2), (123, 3), (124, 3), (16_000, 3)] {
            let pdu = fast_path(1, &vec![7; body]);
            let whole = ironrdp_pdu::find_size(&pdu).unwrap().unwrap();
            assert_eq!(whole.length, pdu.len());
            let decoded: FastPathHeader = ironrdp_core::decode(&pdu[..header]).unwrap();
            assert_eq!(decoded.data_length, pdu.len() - header);
            let update: FastPathUpdatePdu = ironrdp_core::decode(&pdu[header..]).unwrap();
            assert_eq!(
                (update.update_code, update.data.len()),
                (UpdateCode::Bitmap, body)
            );
        }
    }

    #[test]
    fn pointers_are_shown_and_hidden() {
        assert_eq!(SystemPointer::Hidden.fast_path(), [0, 5, 5, 0, 0]);
        assert_eq!(SystemPointer::Default.fast_path(), [0, 5, 6, 0, 0]);
    }
}
