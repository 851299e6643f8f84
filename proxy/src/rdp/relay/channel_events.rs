//! What is found out about channels, as events of the session.

use sallyport_dissect::path::Name;
use sallyport_dissect::rdp::devices::DeviceKind;
use sallyport_dissect::rdp::mcs::Sender;
use sallyport_dissect::rdp::{ChannelFact, Lacking};
use sallyport_domain::event::Event;

use crate::file_events::{self, hexadecimal};

/// Why something is refused.
pub const NO_RIGHT: &str = "no right of the activity allows it";

/// The event for a fact of channel `number`, at `now` on the clock of the facts.
pub fn of(fact: ChannelFact, number: usize, now: u64) -> Event {
    let channel = u32::try_from(number).unwrap_or(u32::MAX);
    match fact {
        ChannelFact::File(fact) => file_events::of(fact, channel, now),
        ChannelFact::Copied {
            from,
            formats,
            files,
        } => Event::ClipboardCopied {
            channel,
            direction: direction(from),
            formats,
            files,
        },
        ChannelFact::Pasted {
            from,
            format,
            bytes,
            sha256,
            whole,
        } => Event::ClipboardPasted {
            channel,
            direction: direction(from),
            format,
            bytes,
            sha256: hexadecimal(&sha256),
            whole,
        },
        ChannelFact::FilesListed { from, names, count } => Event::ClipboardFiles {
            channel,
            direction: direction(from),
            files: names.iter().map(Name::to_string).collect(),
            count,
        },
        ChannelFact::DeviceOffered { kind, name } => offered(channel, kind, &name),
        ChannelFact::DeviceRemoved { kind, name } => removed(channel, kind, &name),
        ChannelFact::Printed {
            printer,
            bytes,
            sha256,
            whole,
        } => Event::Printed {
            channel,
            printer: printer.to_string(),
            bytes,
            sha256: hexadecimal(&sha256),
            whole,
        },
        ChannelFact::Monitors {
            count,
            width,
            height,
        } => Event::MonitorsChanged {
            monitors: count,
            width,
            height,
        },
        ChannelFact::NotOpened { name } => no_right(format!("dynamic channel {name}")),
        ChannelFact::Refused(lacking) => no_right(refused(lacking)),
        ChannelFact::Dropped(why) => Event::PduDropped {
            channel,
            why: why.to_string(),
        },
        ChannelFact::Closed(why) => Event::ProtocolBroken {
            channel,
            why: why.to_string(),
        },
    }
}

fn offered(channel: u32, kind: DeviceKind, name: &Name) -> Event {
    Event::DeviceOffered {
        channel,
        device: kind.as_str().to_owned(),
        name: name.to_string(),
    }
}

fn removed(channel: u32, kind: DeviceKind, name: &Name) -> Event {
    Event::DeviceRemoved {
        channel,
        device: kind.as_str().to_owned(),
        name: name.to_string(),
    }
}

/// As the rights call it.
fn direction(from: Sender) -> String {
    match from {
        Sender::Client => "in",
        Sender::Server => "out",
    }
    .to_owned()
}

fn no_right(what: String) -> Event {
    Event::RightRefused {
        what,
        why: NO_RIGHT.to_owned(),
    }
}

fn refused(lacking: Lacking) -> String {
    match lacking {
        Lacking::Clipboard(from) => format!("clipboard {}", direction(from)),
        Lacking::ClipboardFiles(from) => format!("files on the clipboard {}", direction(from)),
        Lacking::Device(kind) => format!("{} of the client", kind.as_str()),
    }
}
