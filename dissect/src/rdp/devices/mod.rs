//! Devices of the client that its target uses: drives, printers, smart cards (MS-RDPEFS, MS-RDPEPC, MS-RDPESC).
//!
//! The client announces them; from then on the target asks and the client answers, with an id that no two outstanding
//! requests share. What has no right is not announced, and who asks for it all the same is answered by the gateway. What
//! is read and written passes as it comes and is not kept. Seen from the target, what it reads is an upload.

mod client;
mod open;
mod pending;
mod request;
mod target;
mod wire;

use std::collections::HashMap;

use self::client::Reading;
use self::open::Opened;
use self::pending::Pending;
use self::target::Writing;
pub use self::wire::DeviceKind;
use self::wire::kind;
use super::mcs::Sender;
use super::static_channel::{Course, Out, Protocol, Verdict};
use super::{ChannelFact, Lacking, Malformed};
use crate::fact::Allowed;
use crate::path::Name;

/// Devices that a client may have.
const MOST_DEVICES: usize = 256;

/// Which devices may be used, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Drives.
    pub drives: bool,
    /// Printers.
    pub printers: bool,
    /// Smart cards.
    pub smart_cards: bool,
    /// Which way files of drives may go.
    pub files: Allowed,
}

impl Default for Rules {
    /// None.
    fn default() -> Self {
        Self {
            drives: false,
            printers: false,
            smart_cards: false,
            files: Allowed {
                upload: false,
                download: false,
            },
        }
    }
}

impl Rules {
    fn allow(&self, kind: DeviceKind) -> bool {
        match kind {
            DeviceKind::Drive => self.drives,
            DeviceKind::Printer => self.printers,
            DeviceKind::SmartCard => self.smart_cards,
            DeviceKind::Port => false,
        }
    }
}

/// A device that the target knows.
#[derive(Debug, Clone)]
struct Device {
    kind: DeviceKind,
    name: Name,
}

/// The devices of one client.
#[derive(Debug, Default)]
pub struct Devices {
    rules: Rules,
    now: u64,
    devices: HashMap<u32, Device>,
    pending: Pending,
    opened: Opened,
    reading: Option<Reading>,
    writing: Option<Writing>,
    /// Kinds whose lack was told.
    told: Vec<DeviceKind>,
}

impl Devices {
    /// What may be used from now on, and the time on the clock of the caller.
    pub fn set(&mut self, rules: Rules, now: u64) {
        (self.rules, self.now) = (rules, now);
    }

    fn refuse(&mut self, kind: DeviceKind, out: &mut Out) {
        if !self.told.contains(&kind) {
            self.told.push(kind);
            let lacking = Lacking::Device(kind);
            out.facts.push(ChannelFact::Refused(lacking));
        }
    }

    /// A device is gone, or all of them.
    fn gone(&mut self, device: Option<u32>, out: &mut Out) {
        self.pending.gone(device);
        self.opened.gone(device, &mut out.facts);
        self.devices
            .retain(|id, _| device.is_some_and(|gone| gone != *id));
    }
}

impl Protocol for Devices {
    /// The fields of a write up to its offset; those of an answer to a read are fewer.
    const HEAD: usize = wire::REQUEST + 12;
    const KEPT: usize = 1 << 20;

    fn begins(
        &mut self,
        from: Sender,
        head: &[u8],
        total: usize,
        out: &mut Out,
    ) -> Result<Course, Malformed> {
        match (wire::kind(head)?, from) {
            (kind::COMPLETION, Sender::Client) => self.completion_begins(head, total, out),
            (kind::REQUEST, Sender::Server) => self.request_begins(head, total, out),
            _ => Ok(Course::Keep),
        }
    }

    fn whole(&mut self, from: Sender, pdu: &[u8], out: &mut Out) -> Result<Verdict, Malformed> {
        let kind = wire::kind(pdu)?;
        match from {
            Sender::Client => match kind {
                kind::CLIENT_ID | kind::CLIENT_NAME | kind::CLIENT_CAPABILITIES => {
                    Ok(Verdict::Pass)
                }
                kind::DEVICE_LIST => self.announced(pdu, out),
                kind::DEVICES_REMOVED => self.removed(pdu, out),
                kind::COMPLETION => self.completed(pdu, out),
                _ => Err(Malformed(
                    "a PDU of a client about devices, of no known kind",
                )),
            },
            Sender::Server => match kind {
                // The target begins anew.
                kind::SERVER_ANNOUNCE => {
                    self.gone(None, out);
                    Ok(Verdict::Pass)
                }
                kind::CLIENT_ID | kind::SERVER_CAPABILITIES | kind::USER_LOGGED_ON => {
                    Ok(Verdict::Pass)
                }
                kind::DEVICE_REPLY => self.replied(pdu),
                kind::REQUEST => self.requested(pdu, out),
                kind::PRINTER_CACHE | kind::PRINTER_XPS => Ok(match self.rules.printers {
                    true => Verdict::Pass,
                    false => Verdict::Drop,
                }),
                _ => Err(Malformed(
                    "a PDU of a target about devices, of no known kind",
                )),
            },
        }
    }

    fn passes(&mut self, from: Sender, at: usize, data: &[u8], _: &mut Out) {
        match from {
            Sender::Client => self.reads(at, data),
            Sender::Server => self.writes(at, data),
        }
    }

    fn passed(&mut self, from: Sender, whole: bool, _: &mut Out) {
        match from {
            Sender::Client => self.has_read(whole),
            Sender::Server => self.writing = None,
        }
    }

    fn finishes(&mut self, out: &mut Out) {
        self.gone(None, out);
    }
}

/// The part of `data`, which lies at `at` in its PDU, that is content: `len` bytes from `begin` on. And how many bytes of
/// content were before it.
fn content(begin: usize, len: usize, at: usize, data: &[u8]) -> (usize, &[u8]) {
    let from = begin.saturating_sub(at).min(data.len());
    let to = (begin + len).saturating_sub(at).min(data.len());
    let before = at.saturating_sub(begin).min(len);
    (before, data.get(from..to).unwrap_or_default())
}

#[cfg(test)]
mod tests;
