//! Requests that the target has not answered.

use std::collections::HashMap;

use super::open::Serial;
use super::request::Flags;
use crate::fact::{Act, Malformed};
use crate::path::Name;

/// Requests that may be outstanding.
const MAX_PENDING: usize = 16 * 1024;
/// Bytes of names in them.
const MAX_NAMES: usize = 4 << 20;

/// What the answer to a request will mean.
#[derive(Debug)]
pub enum Asked {
    Open(Name, Flags),
    Close(Option<Serial>),
    Read {
        file: Option<Serial>,
        offset: u64,
        len: u32,
    },
    Write(Option<Serial>),
    Stat(Option<Serial>),
    /// A size is set.
    Set {
        file: Option<Serial>,
        size: Option<u64>,
        act: Act,
    },
    Act(Act),
    Harmless,
}

impl Asked {
    fn names(&self) -> usize {
        match self {
            Self::Open(path, _) => path.as_bytes().len(),
            Self::Set { act, .. } | Self::Act(act) => {
                let (one, other) = act.names();
                one.as_bytes().len() + other.map_or(0, |name| name.as_bytes().len())
            }
            Self::Close(_)
            | Self::Read { .. }
            | Self::Write(_)
            | Self::Stat(_)
            | Self::Harmless => 0,
        }
    }
}

/// The outstanding requests by id.
#[derive(Debug, Default)]
pub struct Pending {
    asked: HashMap<u32, Asked>,
    names: usize,
}

impl Pending {
    /// A request goes to the target.
    pub fn add(&mut self, id: u32, what: Asked) -> Result<(), Malformed> {
        self.names += what.names();
        if self.asked.len() >= MAX_PENDING || self.names > MAX_NAMES {
            return Err(Malformed::TooMany("requests without an answer"));
        }
        match self.asked.insert(id, what) {
            None => Ok(()),
            Some(_) => Err(Malformed::Unexpected("a request id that is in use")),
        }
    }

    /// Its answer is here.
    pub fn take(&mut self, id: u32) -> Result<Asked, Malformed> {
        let asked = self.asked.remove(&id);
        let asked = asked.ok_or(Malformed::Unexpected("an answer that nobody asked for"))?;
        self.names -= asked.names();
        Ok(asked)
    }

    /// Nothing will be answered any more.
    pub fn finish(&mut self) -> impl Iterator<Item = Asked> {
        self.names = 0;
        let mut left: Vec<_> = self.asked.drain().collect();
        left.sort_by_key(|(id, _)| *id);
        left.into_iter().map(|(_, asked)| asked)
    }
}
