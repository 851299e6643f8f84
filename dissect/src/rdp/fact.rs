//! What is found out about what passes in channels.

use super::Malformed;

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelFact {
    /// A PDU could not be read, and went nowhere.
    Dropped(Malformed),
    /// The same, once too often: nothing more passes in the channel.
    Closed(Malformed),
}
