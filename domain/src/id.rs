//! Identifiers: one type for each thing, so that they cannot be mixed up.
//!
//! All are UUIDs (version 7 where the store mints them, so that they sort by time).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// A declared noun: user, host, account, …
    NounId,
    /// A session.
    SessionId,
    /// One client joined to one target inside a session; also names its tape.
    ConnectionId,
    /// An order to a live session.
    CommandId,
    /// A viewer's place from which he can control a desktop; a new one each time he asks.
    SeatId,
    /// One running `sallyport serve`.
    NodeId,
}
