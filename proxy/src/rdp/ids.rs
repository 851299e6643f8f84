//! MCS ids of the two legs, and which channel of one is which of the other.

use sallyport_recorder::{DesktopBegun, DesktopChannel};

/// The ids of one leg (MS-RDPBCGR 1.3.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// The I/O channel.
    pub io: u16,
    /// The user's own channel.
    pub user: u16,
    /// The static virtual channels, in the order in which the client asked for them; `None` for one that does not exist
    /// on this leg.
    pub channels: Vec<Option<u16>>,
}

impl Ids {
    /// Those that the gateway gives a client that asked for so many channels.
    pub fn of_front(channels: usize) -> Self {
        const IO: u16 = 1003;
        let count = u16::try_from(channels).unwrap_or(u16::MAX - IO - 2);
        Self {
            io: IO,
            user: IO + 1 + count,
            channels: (0..count).map(|n| Some(IO + 1 + n)).collect(),
        }
    }

    /// Everything a client has to join.
    pub fn to_join(&self) -> impl Iterator<Item = u16> + '_ {
        [self.user, self.io]
            .into_iter()
            .chain(self.channels.iter().flatten().copied())
    }
}

/// What a PDU's channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The I/O channel; its id on the other leg.
    Io(u16),
    /// The static channel of that number, and its id on the other leg.
    Static(usize, u16),
    /// A channel that the other leg does not have.
    Nowhere,
}

/// Translates ids of one leg into those of the other.
#[derive(Debug, Clone)]
pub struct Translation {
    from: Ids,
    to: Ids,
}

impl Translation {
    /// From one leg to the other.
    pub fn new(from: Ids, to: Ids) -> Self {
        Self { from, to }
    }

    /// Where a PDU in that channel goes.
    pub fn of(&self, channel: u16) -> Place {
        if channel == self.from.io {
            return Place::Io(self.to.io);
        }
        let number = self
            .from
            .channels
            .iter()
            .position(|id| *id == Some(channel));
        let there = number.and_then(|number| Some((number, (*self.to.channels.get(number)?)?)));
        there.map_or(Place::Nowhere, |(number, id)| Place::Static(number, id))
    }

    /// The id of that static channel on the leg it goes to.
    pub fn channel(&self, number: usize) -> Option<u16> {
        self.to.channels.get(number).copied().flatten()
    }

    /// The user and the I/O channel of the leg it comes from: whoever answers there uses them.
    pub fn there(&self) -> (u16, u16) {
        (self.from.user, self.from.io)
    }

    /// The same of the leg it goes to: whoever adds something of his own uses them.
    pub fn beyond(&self) -> (u16, u16) {
        (self.to.user, self.to.io)
    }

    /// The user on the leg it goes to.
    pub fn user(&self) -> u16 {
        self.to.user
    }
}

/// The ids of a target's leg as the tape keeps them.
pub fn begun(ids: &Ids, names: &[String]) -> DesktopBegun {
    let channels = names.iter().zip(&ids.channels);
    DesktopBegun {
        io_channel: ids.io,
        user: ids.user,
        message_channel: None,
        channels: channels
            .filter_map(|(name, id)| {
                Some(DesktopChannel {
                    name: name.clone(),
                    id: (*id)?,
                })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_that_one_leg_lacks_leads_nowhere() {
        let front = Ids::of_front(3);
        assert_eq!(
            front.to_join().collect::<Vec<_>>(),
            [1007, 1003, 1004, 1005, 1006]
        );
        let back = Ids {
            io: 1003,
            user: 1009,
            channels: vec![Some(1004), None, Some(1005)],
        };
        let there = Translation::new(front.clone(), back.clone());
        assert_eq!(there.of(1003), Place::Io(1003));
        assert_eq!(there.of(1006), Place::Static(2, 1005));
        assert_eq!(there.of(1005), Place::Nowhere);
        assert_eq!(there.of(4711), Place::Nowhere);
        let back = Translation::new(back, front);
        assert_eq!(back.of(1005), Place::Static(2, 1006));
        assert_eq!(back.user(), 1007);
    }
}
