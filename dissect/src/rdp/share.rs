//! The share layer, on the I/O channel (MS-RDPBCGR 2.2.8.1.1.1).

use std::ops::Range;

use super::{Malformed, u16_le, u32_le};

/// Length of a Share Control header.
const CONTROL: usize = 6;
/// Length of a Share Data header, the Share Control header included.
const DATA: usize = 18;
/// The low bits of a pduType; the rest is the protocol's version, 1.
const KIND: u16 = 0x0f;
const VERSION: u16 = 0x10;
/// A flow PDU says this where others have their length; nobody sends them, and they mean nothing to us.
const FLOW: u16 = 0x8000;
/// Low priority, as everybody sends it (streamId).
const LOW: u8 = 1;

/// A PDU of the share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharePdu {
    /// What it is.
    pub kind: ShareKind,
    /// Where it lies in what was looked at, header included.
    pub place: Range<usize>,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareKind {
    /// The server offers capabilities; a desktop begins.
    DemandActive,
    /// The client answers with its own.
    ConfirmActive,
    /// The desktop ends; another may begin.
    DeactivateAll,
    /// The server sends the client elsewhere.
    Redirection,
    /// Data of this kind (pduType2), of the share with that id.
    Data(DataKind, u32),
    /// Flow control; without meaning.
    Flow,
    /// Something else.
    Other(u16),
}

macro_rules! data_kinds {
    ($($(#[$doc:meta])* $name:ident = $value:literal),+ $(,)?) => {
        /// What Share Data are (pduType2, MS-RDPBCGR 2.2.8.1.1.1.2).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum DataKind {
            $($(#[$doc])* $name,)+
            /// One that is not looked at.
            Other(u8),
        }

        impl DataKind {
            /// The kind of that number.
            pub fn of(byte: u8) -> Self {
                match byte {
                    $($value => Self::$name,)+
                    other => Self::Other(other),
                }
            }

            /// Its number.
            pub fn byte(self) -> u8 {
                match self {
                    $(Self::$name => $value,)+
                    Self::Other(byte) => byte,
                }
            }
        }
    };
}

data_kinds! {
    /// Pixels, palettes, orders.
    Update = 0x02,
    /// Control: cooperate, request, grant.
    Control = 0x14,
    /// The mouse pointer.
    Pointer = 0x1b,
    /// Keys and mouse.
    Input = 0x1c,
    /// Synchronize.
    Synchronize = 0x1f,
    /// The client wants parts of the screen again.
    RefreshRect = 0x21,
    /// The client wants no output for now, or again.
    SuppressOutput = 0x23,
    /// The client would like to leave.
    ShutdownRequest = 0x24,
    /// It may not.
    ShutdownDenied = 0x25,
    /// Who logged on, or why not, and what a client can come back with.
    SaveSessionInfo = 0x26,
    /// The client lists its fonts, of which it has none.
    FontList = 0x27,
    /// The server does so.
    FontMap = 0x28,
    /// Bitmaps that the client kept from earlier sessions.
    BitmapCachePersistentList = 0x2b,
    /// Why the connection ends.
    SetErrorInfo = 0x2f,
    /// Monitors of the desktop.
    MonitorLayout = 0x37,
    /// The client has shown a frame.
    FrameAcknowledge = 0x38,
}

/// The PDUs of one piece of data on the I/O channel: usually one, but several may be sent together.
///
/// # Errors
/// If one is shorter than its header, or longer than what is there.
pub fn parse(data: &[u8]) -> impl Iterator<Item = Result<SharePdu, Malformed>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = data.get(at..).filter(|rest| !rest.is_empty())?;
        let found = one(rest);
        let start = at;
        at = match &found {
            Ok((_, len)) => start + len,
            Err(_) => data.len(),
        };
        Some(found.map(|(kind, len)| SharePdu {
            kind,
            place: start..start + len,
        }))
    })
}

fn one(rest: &[u8]) -> Result<(ShareKind, usize), Malformed> {
    const SHORT: Malformed = Malformed("a share PDU is cut off");
    let total = u16_le(rest, 0).ok_or(SHORT)?;
    if total == FLOW {
        return Ok((ShareKind::Flow, rest.len()));
    }
    let len = usize::from(total);
    let kind = u16_le(rest, 2).ok_or(SHORT)? & KIND;
    if len < 4 || len > rest.len() {
        return Err(Malformed("a share PDU is not as long as it says"));
    }
    let kind = match kind {
        1 => ShareKind::DemandActive,
        3 => ShareKind::ConfirmActive,
        6 => ShareKind::DeactivateAll,
        10 => ShareKind::Redirection,
        7 => {
            let pdu = rest
                .get(..len)
                .filter(|pdu| pdu.len() >= DATA)
                .ok_or(SHORT)?;
            let id = u32_le(pdu, CONTROL).ok_or(SHORT)?;
            ShareKind::Data(DataKind::of(pdu[14]), id)
        }
        other => ShareKind::Other(other),
    };
    Ok((kind, len))
}

/// Says whose PDU it is (pduSource): the user's id, which each leg has its own of.
pub fn set_source(pdu: &mut [u8], user: u16) {
    if let Some(source) = pdu.get_mut(4..CONTROL) {
        source.copy_from_slice(&user.to_le_bytes());
    }
}

/// Whose PDU it is.
pub fn source(pdu: &[u8]) -> Option<u16> {
    u16_le(pdu, 4)
}

/// Does a Save Session Info PDU (MS-RDPBCGR 2.2.10.1) carry what a client can come back with by itself?
pub fn has_reconnect_cookie(pdu: &[u8]) -> bool {
    const EXTENDED: u32 = 3;
    const COOKIE: u32 = 1;
    let body = data_body(pdu);
    u32_le(body, 0) == Some(EXTENDED) && u32_le(body, 6).is_some_and(|fields| fields & COOKIE != 0)
}

/// What stands behind the Share Control header.
pub fn control_body(pdu: &[u8]) -> &[u8] {
    pdu.get(CONTROL..).unwrap_or_default()
}

/// What stands behind the Share Data header.
pub fn data_body(pdu: &[u8]) -> &[u8] {
    pdu.get(DATA..).unwrap_or_default()
}

/// Puts a Share Control header before a body.
pub fn control(kind: ShareKind, source: u16, body: &[u8]) -> Vec<u8> {
    let number = match kind {
        ShareKind::DemandActive => 1,
        ShareKind::ConfirmActive => 3,
        ShareKind::DeactivateAll => 6,
        ShareKind::Redirection => 10,
        ShareKind::Data(..) => 7,
        ShareKind::Flow => 0,
        ShareKind::Other(number) => number,
    };
    let len = u16::try_from(CONTROL + body.len()).unwrap_or(u16::MAX);
    let mut pdu = Vec::with_capacity(CONTROL + body.len());
    pdu.extend_from_slice(&len.to_le_bytes());
    pdu.extend_from_slice(&(number | VERSION).to_le_bytes());
    pdu.extend_from_slice(&source.to_le_bytes());
    pdu.extend_from_slice(body);
    pdu
}

/// Puts a Share Data header before a body.
pub fn data(kind: DataKind, source: u16, share: u32, body: &[u8]) -> Vec<u8> {
    // As everybody counts: from the pduType2 field on.
    let uncompressed = u16::try_from(body.len() + 4).unwrap_or(u16::MAX);
    let mut inner = Vec::with_capacity(DATA - CONTROL + body.len());
    inner.extend_from_slice(&share.to_le_bytes());
    inner.extend_from_slice(&[0, LOW]);
    inner.extend_from_slice(&uncompressed.to_le_bytes());
    inner.extend_from_slice(&[kind.byte(), 0, 0, 0]);
    inner.extend_from_slice(body);
    control(ShareKind::Data(kind, share), source, &inner)
}

/// A desktop ends (MS-RDPBCGR 2.2.3.1).
pub fn deactivate_all(source: u16, share: u32) -> Vec<u8> {
    let mut body = share.to_le_bytes().to_vec();
    body.extend_from_slice(&[1, 0, 0]);
    control(ShareKind::DeactivateAll, source, &body)
}

/// Why the connection ends (MS-RDPBCGR 2.2.5.1.1).
pub fn set_error_info(source: u16, share: u32, code: u32) -> Vec<u8> {
    data(DataKind::SetErrorInfo, source, share, &code.to_le_bytes())
}

/// Asks for a part of the screen again (MS-RDPBCGR 2.2.11.2): left, top, width, height.
pub fn refresh(source: u16, share: u32, [left, top, width, height]: [u16; 4]) -> Vec<u8> {
    let mut body = vec![1, 0, 0, 0];
    // Both ends of a rectangle belong to it (TS_RECTANGLE16).
    let right = left.saturating_add(width.saturating_sub(1));
    let bottom = top.saturating_add(height.saturating_sub(1));
    for side in [left, top, right, bottom] {
        body.extend_from_slice(&side.to_le_bytes());
    }
    data(DataKind::RefreshRect, source, share, &body)
}

/// Says that a frame has arrived (MS-RDPRFX 2.2.3.1).
pub fn acknowledge(source: u16, share: u32, frame: u32) -> Vec<u8> {
    let kind = DataKind::FrameAcknowledge;
    data(kind, source, share, &frame.to_le_bytes())
}

/// Does a Suppress Output PDU (MS-RDPBCGR 2.2.11.3) ask for output, as opposed to none?
pub fn allows_output(pdu: &[u8]) -> bool {
    data_body(pdu).first().is_some_and(|allow| *allow != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_together_is_found_again() {
        let error = set_error_info(1002, 0x103ea, 7);
        let mut both = error.clone();
        both.extend(deactivate_all(1002, 0x103ea));
        let found: Vec<_> = parse(&both).map(Result::unwrap).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0].kind,
            ShareKind::Data(DataKind::SetErrorInfo, 0x103ea)
        );
        assert_eq!(data_body(&both[found[0].place.clone()]), 7u32.to_le_bytes());
        assert_eq!(found[1].kind, ShareKind::DeactivateAll);
        set_source(&mut both, 1009);
        assert_eq!(&both[4..6], 1009u16.to_le_bytes());
    }

    #[test]
    fn the_library_reads_the_same() {
        use ironrdp_pdu::rdp::headers::{ShareControlHeader, ShareControlPdu, ShareDataPdu};
        let bytes = set_error_info(1002, 0x103ea, 7);
        let header: ShareControlHeader = ironrdp_core::decode(&bytes).unwrap();
        assert_eq!((header.pdu_source, header.share_id), (1002, 0x103ea));
        let ShareControlPdu::Data(data) = header.share_control_pdu else {
            panic!("{header:?}");
        };
        assert!(matches!(
            data.share_data_pdu,
            ShareDataPdu::ServerSetErrorInfo(_)
        ));
        let bytes = refresh(1002, 1, [0, 0, 640, 480]);
        let header: ShareControlHeader = ironrdp_core::decode(&bytes).unwrap();
        let ShareControlPdu::Data(data) = header.share_control_pdu else {
            panic!("{header:?}");
        };
        let ShareDataPdu::RefreshRectangle(refresh) = data.share_data_pdu else {
            panic!("{data:?}");
        };
        let area = &refresh.areas_to_refresh[0];
        assert_eq!((area.right, area.bottom), (639, 479));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let bytes = refresh(1002, 1, [0, 0, 640, 480]);
        for len in 1..bytes.len() {
            assert!(parse(&bytes[..len]).next().unwrap().is_err(), "{len}");
        }
    }
}
