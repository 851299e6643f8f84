//! What must be known of a desktop's connection before its PDUs can be read.

use serde::{Deserialize, Serialize};

/// The MCS channels of the leg to the target (MS-RDPBCGR 1.3.1.1): the ids in which the PDUs on the tape speak.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesktopBegun {
    /// The I/O channel.
    pub io_channel: u16,
    /// The client's user channel, the initiator of what it sends.
    pub user: u16,
    /// The message channel, if there is one.
    #[serde(default)]
    pub message_channel: Option<u16>,
    /// The static virtual channels that were joined.
    #[serde(default)]
    pub channels: Vec<DesktopChannel>,
}

/// A static virtual channel (MS-RDPBCGR 2.2.1.3.4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesktopChannel {
    /// Its name as the client gave it: at most 7 characters.
    pub name: String,
    /// Its MCS channel id.
    pub id: u16,
}
