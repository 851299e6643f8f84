//! Who has logged on, as a server tells it (Save Session Info, MS-RDPBCGR 2.2.10.1).

use super::share::data_body;
use super::u32_le;

/// The longest name that is kept, in characters.
const LONGEST: usize = 256;

/// What a server tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logon {
    /// Somebody is in.
    Done {
        /// The domain; may be empty.
        domain: String,
        /// The user; empty if the server does not say who.
        user: String,
        /// The session on the server.
        session: Option<u32>,
    },
    /// Something went wrong, or stands in the way (2.2.10.1.1.4.1).
    Trouble {
        /// `ErrorNotificationType`.
        kind: u32,
        /// `ErrorNotificationData`.
        data: u32,
    },
}

/// Reads a Share Data PDU of kind `SaveSessionInfo`; `None` if it tells nothing of that, or cannot be read.
pub fn read(pdu: &[u8]) -> Option<Logon> {
    let (kind, info) = data_body(pdu).split_at_checked(4)?;
    match u32_le(kind, 0)? {
        0 => first_version(info),
        1 => second_version(info),
        // Only that somebody is in.
        2 => Some(Logon::Done {
            domain: String::new(),
            user: String::new(),
            session: None,
        }),
        3 => extended(info),
        _ => None,
    }
}

/// TS_LOGON_INFO (2.2.10.1.1.1): fields of fixed length.
fn first_version(info: &[u8]) -> Option<Logon> {
    let domain = text(info.get(4..56)?, u32_le(info, 0)?);
    let user = text(info.get(60..572)?, u32_le(info, 56)?);
    Some(Logon::Done {
        domain,
        user,
        session: u32_le(info, 572),
    })
}

/// TS_LOGON_INFO_VERSION_2 (2.2.10.1.1.2): names behind the fixed part.
fn second_version(info: &[u8]) -> Option<Logon> {
    const NAMES: usize = 2 + 4 + 4 + 4 + 4 + 558;
    let (domain_len, user_len) = (u32_le(info, 10)?, u32_le(info, 14)?);
    let names = info.get(NAMES..)?;
    let (domain, rest) = names.split_at_checked(usize::try_from(domain_len).ok()?)?;
    let user = rest.get(..usize::try_from(user_len).ok()?)?;
    Some(Logon::Done {
        domain: text(domain, domain_len),
        user: text(user, user_len),
        session: u32_le(info, 6),
    })
}

/// TS_LOGON_INFO_EXTENDED (2.2.10.1.1.4), of which the errors are told.
fn extended(info: &[u8]) -> Option<Logon> {
    const COOKIE: u32 = 1;
    const ERRORS: u32 = 2;
    let fields = u32_le(info, 2)?;
    if fields & ERRORS == 0 {
        return None;
    }
    let mut rest = info.get(6..)?;
    if fields & COOKIE != 0 {
        let length = usize::try_from(u32_le(rest, 0)?).ok()?;
        rest = rest.get(4..)?.get(length..)?;
    }
    Some(Logon::Trouble {
        kind: u32_le(rest, 4)?,
        data: u32_le(rest, 8)?,
    })
}

/// A name of so many bytes, in 16-bit units, up to its zero.
fn text(bytes: &[u8], length: u32) -> String {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let units = bytes[..length.min(bytes.len())].chunks_exact(2);
    let units = units.map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let name: Vec<u16> = units.take_while(|unit| *unit != 0).take(LONGEST).collect();
    String::from_utf16_lossy(&name)
}

#[cfg(test)]
mod tests {
    use super::super::played::{numbers, utf16};
    use super::super::share::{DataKind, data};
    use super::*;

    fn told(kind: u32, info: &[u8]) -> Option<Logon> {
        let body = [&kind.to_le_bytes(), info].concat();
        let pdu = data(DataKind::SaveSessionInfo, 1002, 7, &body);
        for len in 0..pdu.len() {
            read(&pdu[..len]);
        }
        read(&pdu)
    }

    fn padded(text: &str, len: usize) -> Vec<u8> {
        let mut bytes = utf16(text);
        bytes.resize(len, 0);
        bytes
    }

    #[test]
    fn who_is_in_is_told_in_two_versions_or_not_at_all() {
        let svc = Logon::Done {
            domain: "CORP".to_owned(),
            user: "svc".to_owned(),
            session: Some(3),
        };
        let first = [
            numbers(&[10]),
            padded("CORP", 52),
            numbers(&[8]),
            padded("svc", 512),
            numbers(&[3]),
        ];
        assert_eq!(told(0, &first.concat()), Some(svc.clone()));
        let second = [
            vec![1, 0],
            numbers(&[576, 3, 10, 8]),
            vec![0; 558],
            padded("CORP", 10),
            padded("svc", 8),
        ];
        assert_eq!(told(1, &second.concat()), Some(svc));
        let somebody = Logon::Done {
            domain: String::new(),
            user: String::new(),
            session: None,
        };
        assert_eq!(told(2, &[0; 576]), Some(somebody));
    }

    #[test]
    fn trouble_is_told_behind_the_cookie() {
        let cookie = [numbers(&[28]), vec![9; 28]].concat();
        let errors = numbers(&[8, 0xffff_fffe, 2]);
        let info = [vec![0, 0], numbers(&[3]), cookie.clone(), errors].concat();
        let trouble = Logon::Trouble {
            kind: 0xffff_fffe,
            data: 2,
        };
        assert_eq!(told(3, &info), Some(trouble));
        let info = [vec![0, 0], numbers(&[1]), cookie].concat();
        assert_eq!(told(3, &info), None);
        assert_eq!(told(9, &[0; 600]), None);
    }
}
