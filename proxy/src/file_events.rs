//! What is found out about files, as events of the session.

use std::fmt::Write;

use sallyport_dissect::{Act, Direction, Fact, Outcome, Transfer};
use sallyport_domain::event::Event;
use sallyport_domain::right::Right;
use sallyport_recorder::Stream;

/// The right that a direction needs.
pub fn right(direction: Direction) -> Right {
    match direction {
        Direction::Upload => Right::Upload,
        Direction::Download => Right::Download,
    }
}

/// The event for a fact of channel `channel`, at `now` on the clock of the facts.
pub fn of(fact: Fact, channel: u32, now: u64) -> Event {
    match fact {
        Fact::Opened {
            path,
            access,
            outcome: Outcome::Done,
        } => Event::FileOpened {
            channel,
            path: path.to_string(),
            access: access.to_string(),
        },
        Fact::Opened {
            path,
            access,
            outcome,
        } => Event::FileNotOpened {
            channel,
            path: path.to_string(),
            access: access.to_string(),
            result: outcome.to_string(),
        },
        Fact::Transferred(transfer) => transferred(&transfer, channel, now),
        Fact::Acted { act, outcome } => acted(&act, channel, outcome.to_string()),
        Fact::Refused { what, path, lacks } => Event::FileRefused {
            channel,
            what: what.to_owned(),
            path: path.to_string(),
            right: right(lacks),
        },
        Fact::Synchronised { direction, paths } => Event::FilesSynchronised {
            channel,
            direction: direction.map_or("unknown", Direction::as_str).to_owned(),
            paths: paths.iter().map(ToString::to_string).collect(),
        },
        Fact::Rest {
            direction,
            bytes,
            sha256,
        } => Event::ChannelRest {
            channel,
            stream: stream(direction).as_str().to_owned(),
            bytes,
            sha256: hexadecimal(&sha256),
        },
    }
}

/// The stream that carries what goes `direction`.
fn stream(direction: Direction) -> Stream {
    match direction {
        Direction::Upload => Stream::In,
        Direction::Download => Stream::Out,
    }
}

fn acted(act: &Act, channel: u32, result: String) -> Event {
    let (path, to) = act.names();
    let (path, to) = (
        path.to_string(),
        to.map_or_else(String::new, ToString::to_string),
    );
    match act {
        Act::List(_) => Event::FolderListed {
            channel,
            path,
            result,
        },
        Act::Rename { .. } => Event::FileRenamed {
            channel,
            path,
            to,
            result,
        },
        Act::Remove(_) | Act::RemoveFolder(_) => Event::FileRemoved {
            channel,
            path,
            folder: matches!(act, Act::RemoveFolder(_)),
            result,
        },
        Act::MakeFolder(_) => Event::FolderMade {
            channel,
            path,
            result,
        },
        Act::Link { symbolic, .. } => Event::FileLinked {
            channel,
            path,
            to,
            symbolic: *symbolic,
            result,
        },
        Act::ReadLink(_) => Event::LinkRead {
            channel,
            path,
            result,
        },
        Act::Change { change, .. } => Event::FileChanged {
            channel,
            path,
            change: change.clone(),
            result,
        },
        Act::Copy { .. } => Event::FileCopied {
            channel,
            path,
            to,
            result,
        },
    }
}

fn transferred(transfer: &Transfer, channel: u32, now: u64) -> Event {
    Event::FileTransferred {
        channel,
        path: transfer.path.to_string(),
        name: transfer.name.as_ref().map(ToString::to_string),
        direction: transfer.direction.as_str().to_owned(),
        offset: transfer.offset,
        bytes: transfer.bytes,
        size: transfer.size,
        sha256: hexadecimal(&transfer.sha256),
        in_order: transfer.in_order,
        whole: transfer.whole,
        result: transfer.outcome.to_string(),
        duration_ms: now.saturating_sub(transfer.began),
    }
}

/// A digest in words.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
