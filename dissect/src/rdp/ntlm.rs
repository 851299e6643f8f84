//! Who logs in by NTLM (MS-NLMP 2.2.1.3): the one thing that has to be known before the library is asked to check it.

use super::{Malformed, u16_le, u32_le};

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
const AUTHENTICATE: u32 = 3;
const DOMAIN: usize = 28;
const USER: usize = 36;
const FLAGS: usize = 60;
const UNICODE: u32 = 1;
/// The longest name that is looked at, in bytes.
const LONGEST: usize = 2048;

/// The name in an AUTHENTICATE_MESSAGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The user, as typed.
    pub user: String,
    /// The domain; often empty, or the name of the client's machine.
    pub domain: String,
}

/// Is it an NTLM message of any kind?
pub fn is_ntlm(token: &[u8]) -> bool {
    token.starts_with(SIGNATURE)
}

/// The name in it, if it is an AUTHENTICATE_MESSAGE.
///
/// # Errors
/// If it is one and its fields lie outside of it, or are no text.
pub fn name(token: &[u8]) -> Result<Option<Name>, Malformed> {
    if !is_ntlm(token) || u32_le(token, 8) != Some(AUTHENTICATE) {
        return Ok(None);
    }
    let unicode = u32_le(token, FLAGS).is_some_and(|flags| flags & UNICODE != 0);
    Ok(Some(Name {
        user: text(token, USER, unicode)?,
        domain: text(token, DOMAIN, unicode)?,
    }))
}

fn text(token: &[u8], field: usize, unicode: bool) -> Result<String, Malformed> {
    const OUTSIDE: Malformed = Malformed("a field of an NTLM message lies outside of it");
    let len = usize::from(u16_le(token, field).ok_or(OUTSIDE)?);
    let at = u32_le(token, field + 4).and_then(|at| usize::try_from(at).ok());
    let at = at.ok_or(OUTSIDE)?;
    let end = at
        .checked_add(len)
        .filter(|_| len <= LONGEST)
        .ok_or(OUTSIDE)?;
    let bytes = token.get(at..end).ok_or(OUTSIDE)?;
    if !unicode {
        let text =
            std::str::from_utf8(bytes).map_err(|_| Malformed("a name in NTLM is no text"))?;
        return Ok(text.to_owned());
    }
    let units = bytes
        .chunks_exact(2)
        .map(|two| u16::from_le_bytes([two[0], two[1]]));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.map_err(|_| Malformed("a name in NTLM is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(user: &str, domain: &str) -> Vec<u8> {
        let wide =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let (user, domain) = (wide(user), wide(domain));
        let mut bytes = vec![0; 72];
        bytes[..8].copy_from_slice(SIGNATURE);
        bytes[8] = 3;
        bytes[FLAGS] = 1;
        for (field, value) in [(DOMAIN, &domain), (USER, &user)] {
            let at = u32::try_from(bytes.len()).unwrap();
            let len = u16::try_from(value.len()).unwrap().to_le_bytes();
            bytes[field..field + 2].copy_from_slice(&len);
            bytes[field + 4..field + 8].copy_from_slice(&at.to_le_bytes());
            bytes.extend_from_slice(value);
        }
        bytes
    }

    #[test]
    fn the_name_is_found() {
        let found = name(&message("alice+web-01", "CORP")).unwrap().unwrap();
        assert_eq!(
            (found.user.as_str(), found.domain.as_str()),
            ("alice+web-01", "CORP")
        );
        assert_eq!(name(b"NTLMSSP\0\x01\0\0\0"), Ok(None));
        assert_eq!(name(b"something"), Ok(None));
    }

    #[test]
    fn fields_outside_are_refused() {
        let whole = message("alice", "");
        for len in 12..whole.len() {
            assert!(name(&whole[..len]).is_err(), "{len}");
        }
    }
}
