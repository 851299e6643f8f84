//! RDP (MS-RDPBCGR), as far as a relay has to look at it.
//!
//! Both handshakes are the gateway's own; in between whole PDUs are relayed as they are, with the ids of their leg
//! exchanged in place. So these readers find out what a PDU is and where its parts lie; they take nothing apart that is
//! not needed and put nothing together again that the gateway has not made itself.

pub mod capabilities;
pub mod clipboard;
pub mod devices;
pub mod dynamic;
mod fact;
pub mod frame;
pub mod input;
pub mod logon;
pub mod mcs;
pub mod ntlm;
pub mod output;
#[cfg(test)]
mod played;
pub mod share;
pub mod static_channel;
pub mod surface;

pub use fact::{ChannelFact, Lacking};

/// What came is not RDP, or more than is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// A little-endian number at `at`.
fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

/// A little-endian number at `at`.
fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// A big-endian number at `at`.
fn u16_be(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}
