//! The PROXY protocol, version 2: who is behind a load balancer (haproxy's `proxy-protocol.txt`,
//! section 2.2).
//!
//! ```text
//!  0  signature  0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A
//! 12  version 2 (high four bits) | command (low): 0 LOCAL, 1 PROXY
//! 13  family (high): 0 unspecified, 1 IPv4, 2 IPv6, 3 unix | transport (low): 0 unspecified, 1 stream, 2 datagram
//! 14  length of all that follows, u16, big-endian
//! 16  source address, destination address, source port, destination port, then TLVs: type u8, length u16, value
//! ```
//!
//! The header comes before the first byte of the protocol behind it. Believe it only from peers that
//! are configured as balancers: anybody can write one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header that is read, in bytes, signature included. Balancers send some hundred.
pub const LONGEST: usize = 4096;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes before the addresses.
const FIXED: usize = 16;
/// The TLV with a CRC-32C of the whole header.
const TYPE_CRC32C: u8 = 0x03;
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The balancer's own, such as a health check: it speaks for nobody.
    Local,
    /// Somebody's behind the balancer of whom it can say no address (unspecified family, unix socket).
    Unnamed,
    /// This client's.
    Client {
        /// Where the client connects from; an IPv4 address in IPv6 clothes is given as IPv4.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
}

/// What the bytes so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// At least so many more bytes belong to the header; never more than do. Never 0.
    Needs(usize),
    /// The header, whole: its first `len` bytes are not part of what follows.
    Whole {
        /// Whose connection it is.
        origin: Origin,
        /// Length of the header in bytes.
        len: usize,
    },
}

/// Why the bytes are no header that can be believed. The connection must be closed: what follows
/// would be taken for the balancer's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Something else came. A client that connects without the balancer looks like this.
    #[error("it does not begin with a PROXY protocol v2 header")]
    Signature,
    /// A version other than 2.
    #[error("version {0} of the PROXY protocol is not known, only 2")]
    Version(u8),
    /// A command other than LOCAL and PROXY.
    #[error("command {0} of the PROXY protocol is not known")]
    Command(u8),
    /// An address family or transport that the protocol does not have.
    #[error("address family and transport {0:#04x} of the PROXY protocol are not known")]
    Family(u8),
    /// Datagrams.
    #[error("the PROXY protocol header is about datagrams, and this is a stream")]
    Datagram,
    /// More than [`LONGEST`] bytes.
    #[error("the PROXY protocol header has {0} bytes, at most {LONGEST} are read")]
    TooLong(usize),
    /// The addresses do not fit into the length that the header gives.
    #[error("the PROXY protocol header is too short for its addresses")]
    ShortAddresses,
    /// A TLV reaches beyond the header's end.
    #[error("a field of the PROXY protocol header reaches beyond its end")]
    CutField,
    /// The checksum that the header carries is another one.
    #[error("the checksum of the PROXY protocol header does not match")]
    Checksum,
}

/// Reads a header from the first bytes of a connection. Call it again with more bytes as long as it
/// needs some; it complains as soon as no bytes could make it good.
///
/// # Errors
/// [`BadHeader`]; the connection must be closed.
pub fn parse(bytes: &[u8]) -> Result<Progress, BadHeader> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] {
        return Err(BadHeader::Signature);
    }
    if let Some(&byte) = bytes.get(12) {
        check_command(byte)?;
    }
    if let Some(&byte) = bytes.get(13) {
        check_family(byte)?;
    }
    let Some(fixed) = bytes.first_chunk::<FIXED>() else {
        return Ok(Progress::Needs(FIXED - bytes.len()));
    };
    let len = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if len > LONGEST {
        return Err(BadHeader::TooLong(len));
    }
    let Some(header) = bytes.get(..len) else {
        return Ok(Progress::Needs(len - bytes.len()));
    };
    Ok(Progress::Whole {
        origin: origin(header)?,
        len,
    })
}

fn check_command(byte: u8) -> Result<(), BadHeader> {
    match (byte >> 4, byte & 0x0f) {
        (2, 0 | 1) => Ok(()),
        (2, command) => Err(BadHeader::Command(command)),
        (version, _) => Err(BadHeader::Version(version)),
    }
}

fn check_family(byte: u8) -> Result<(), BadHeader> {
    match byte {
        0x00 | 0x11 | 0x12 | 0x21 | 0x22 | 0x31 | 0x32 => Ok(()),
        unknown => Err(BadHeader::Family(unknown)),
    }
}

/// Reads a whole header whose first 16 bytes were checked.
fn origin(header: &[u8]) -> Result<Origin, BadHeader> {
    let (fixed, body) = header.split_at(FIXED);
    if fixed[12] & 0x0f == 0 {
        // The family and all that follows mean nothing.
        return Ok(Origin::Local);
    }
    let (origin, addresses) = match fixed[13] {
        0x11 => (ipv4(body)?, 12),
        0x21 => (ipv6(body)?, 36),
        0x31 => (Origin::Unnamed, 216),
        0x12 | 0x22 | 0x32 => return Err(BadHeader::Datagram),
        _ => (Origin::Unnamed, 0),
    };
    let fields = body.get(addresses..).ok_or(BadHeader::ShortAddresses)?;
    check_fields(header, fields)?;
    Ok(origin)
}

fn ipv4(body: &[u8]) -> Result<Origin, BadHeader> {
    let address = |at| IpAddr::V4(Ipv4Addr::from(array::<4>(body, at)));
    whole(body, 12)?;
    Ok(client(body, 8, address(0), address(4)))
}

fn ipv6(body: &[u8]) -> Result<Origin, BadHeader> {
    let address = |at| IpAddr::V6(Ipv6Addr::from(array::<16>(body, at))).to_canonical();
    whole(body, 36)?;
    Ok(client(body, 32, address(0), address(16)))
}

fn whole(body: &[u8], len: usize) -> Result<(), BadHeader> {
    (body.len() >= len)
        .then_some(())
        .ok_or(BadHeader::ShortAddresses)
}

fn client(body: &[u8], ports: usize, source: IpAddr, destination: IpAddr) -> Origin {
    let port = |at| u16::from_be_bytes(array(body, at));
    Origin::Client {
        source: SocketAddr::new(source, port(ports)),
        destination: SocketAddr::new(destination, port(ports + 2)),
    }
}

/// Passes over the TLVs; a checksum among them must be right.
fn check_fields(header: &[u8], mut fields: &[u8]) -> Result<(), BadHeader> {
    while let [kind, high, low, rest @ ..] = fields {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, after) = rest.split_at_checked(len).ok_or(BadHeader::CutField)?;
        if *kind == TYPE_CRC32C {
            let told: [u8; 4] = value.try_into().map_err(|_| BadHeader::Checksum)?;
            let at = header.len() - rest.len();
            if checksum(header, at..at + 4) != u32::from_be_bytes(told) {
                return Err(BadHeader::Checksum);
            }
        }
        fields = after;
    }
    // Less than the head of a TLV.
    fields.is_empty().then_some(()).ok_or(BadHeader::CutField)
}

/// CRC-32C (Castagnoli) over the bytes, those at `zero` taken for zeros. A header is short and comes
/// once: no table is worth it.
fn checksum(bytes: &[u8], zero: std::ops::Range<usize>) -> u32 {
    let mut crc = u32::MAX;
    for (at, byte) in bytes.iter().enumerate() {
        crc ^= u32::from(if zero.contains(&at) { 0 } else { *byte });
        for _ in 0..8 {
            crc = (crc >> 1) ^ (POLYNOMIAL & 0u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

/// Reads `N` bytes; zeros where there are too few (callers check lengths first).
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let slice = bytes
        .get(at..at + N)
        .and_then(|slice| slice.try_into().ok());
    slice.unwrap_or([0; N])
}

#[cfg(test)]
mod tests;
