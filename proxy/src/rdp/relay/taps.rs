//! What is inside the static channels: one reader for each, which both pumps hand their chunks to.
//!
//! A reader is held while a chunk is read, never while it is handed on. What the gateway itself has to say in a channel
//! waits here for the pump of its direction.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sallyport_dissect::Allowed;
use sallyport_dissect::rdp::ChannelFact;
use sallyport_dissect::rdp::clipboard::{self, Clipboard, Gives};
use sallyport_dissect::rdp::devices::{self, Devices};
use sallyport_dissect::rdp::dynamic::{self, Dynamic};
use sallyport_dissect::rdp::mcs::Sender;
use sallyport_dissect::rdp::static_channel::{Channel, Onward, Passing, Protocol};
use sallyport_domain::permit::Permit;
use sallyport_domain::right::Right;
use tokio::sync::Notify;

use super::channels;

/// The reader of one channel.
enum Tap {
    Clipboard(Box<Channel<Clipboard>>),
    Devices(Box<Channel<Devices>>),
    Dynamic(Box<Channel<Dynamic>>),
    /// What passes is not looked at.
    Unread,
}

/// All channels, by number.
pub struct Taps {
    taps: Mutex<Vec<Tap>>,
    began: Instant,
    /// Something waits for the pump to the target, or to the client.
    to_target: Notify,
    to_client: Notify,
}

/// Chunks for a channel.
pub struct Ours {
    /// Its number.
    pub number: usize,
    /// The chunks.
    pub chunks: Vec<Vec<u8>>,
}

impl Taps {
    /// Those of channels with these names.
    pub fn new(names: &[String]) -> Self {
        let tap = |name: &String| match name.to_ascii_lowercase().as_str() {
            channels::CLIPBOARD => Tap::Clipboard(Box::new(Channel::new(Clipboard::default()))),
            channels::DEVICES => Tap::Devices(Box::new(Channel::new(Devices::default()))),
            channels::DYNAMIC => Tap::Dynamic(Box::new(Channel::new(Dynamic::default()))),
            _ => Tap::Unread,
        };
        Self {
            taps: Mutex::new(names.iter().map(tap).collect()),
            began: Instant::now(),
            to_target: Notify::new(),
            to_client: Notify::new(),
        }
    }

    fn taps(&self) -> MutexGuard<'_, Vec<Tap>> {
        self.taps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On the clock of the facts, in milliseconds.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A chunk of one side.
    pub fn pass(&self, from: Sender, number: usize, chunk: &[u8], permit: &Permit) -> Passing {
        let now = self.now();
        let mut taps = self.taps();
        let (passing, ours) = match taps.get_mut(number) {
            Some(Tap::Clipboard(channel)) => {
                channel.protocol.set(clipboard_rules(permit), now);
                pass(channel, from, chunk)
            }
            Some(Tap::Devices(channel)) => {
                channel.protocol.set(device_rules(permit), now);
                pass(channel, from, chunk)
            }
            Some(Tap::Dynamic(channel)) => {
                channel.protocol.set(dynamic_rules(permit));
                pass(channel, from, chunk)
            }
            Some(Tap::Unread) | None => {
                let passing = Passing {
                    onward: Onward::AsItIs,
                    facts: Vec::new(),
                };
                (passing, [false; 2])
            }
        };
        for (waits, pump) in ours.into_iter().zip([&self.to_target, &self.to_client]) {
            if waits {
                pump.notify_one();
            }
        }
        passing
    }

    /// Waits until there is something of ours, as if that side had sent it.
    pub async fn ours(&self, as_of: Sender) {
        match as_of {
            Sender::Client => self.to_target.notified().await,
            Sender::Server => self.to_client.notified().await,
        }
    }

    /// What there is of ours and may go now.
    pub fn take_ours(&self, as_of: Sender) -> Vec<Ours> {
        let mut taps = self.taps();
        let taken = taps.iter_mut().map(|tap| match tap {
            Tap::Clipboard(channel) => channel.take_ours(as_of),
            Tap::Devices(channel) => channel.take_ours(as_of),
            Tap::Dynamic(channel) => channel.take_ours(as_of),
            Tap::Unread => Vec::new(),
        });
        let numbered = taken.enumerate();
        numbered
            .filter(|(_, chunks)| !chunks.is_empty())
            .map(|(number, chunks)| Ours { number, chunks })
            .collect()
    }

    /// Has something for the picture come in a dynamic channel since the last call?
    pub fn take_drawn(&self) -> bool {
        self.taps().iter_mut().any(|tap| match tap {
            Tap::Dynamic(channel) => channel.protocol.take_drawn(),
            Tap::Clipboard(_) | Tap::Devices(_) | Tap::Unread => false,
        })
    }

    /// Nothing more comes: what is under way is told as far as it came, with the number of its channel.
    pub fn finish(&self) -> Vec<(usize, ChannelFact)> {
        let mut taps = self.taps();
        let facts = taps.iter_mut().map(|tap| match tap {
            Tap::Clipboard(channel) => channel.finish(),
            Tap::Devices(channel) => channel.finish(),
            Tap::Dynamic(channel) => channel.finish(),
            Tap::Unread => Vec::new(),
        });
        let numbered = facts.enumerate();
        numbered
            .flat_map(|(number, facts)| facts.into_iter().map(move |fact| (number, fact)))
            .collect()
    }
}

/// What becomes of a chunk; and is there something of ours now, for the target, for the client?
fn pass<P: Protocol>(channel: &mut Channel<P>, from: Sender, chunk: &[u8]) -> (Passing, [bool; 2]) {
    let passing = channel.pass(from, chunk);
    let ours = [Sender::Client, Sender::Server].map(|side| channel.has_ours(side));
    (passing, ours)
}

fn clipboard_rules(permit: &Permit) -> clipboard::Rules {
    let has = |right| permit.right(right).is_ok();
    let gives = |content, direction| Gives {
        content: has(content),
        files: has(Right::ClipboardFiles) && has(direction),
    };
    clipboard::Rules {
        client: gives(Right::ClipboardIn, Right::Upload),
        target: gives(Right::ClipboardOut, Right::Download),
    }
}

fn device_rules(permit: &Permit) -> devices::Rules {
    let has = |right| permit.right(right).is_ok();
    devices::Rules {
        drives: has(Right::Drives),
        printers: has(Right::Printers),
        smart_cards: has(Right::SmartCards),
        files: Allowed {
            upload: has(Right::Upload),
            download: has(Right::Download),
        },
    }
}

fn dynamic_rules(permit: &Permit) -> dynamic::Rules {
    dynamic::Rules {
        sound: permit.right(Right::Audio).is_ok(),
        microphone: permit.right(Right::Microphone).is_ok(),
    }
}
