//! Typed facts in a session's log.
//!
//! The same events stand in the database (to be searched) and on the tape (to be proven). None of
//! them ever carries the content of a secret.

use serde::{Deserialize, Serialize};

use crate::close::CloseReason;
use crate::id::{CommandId, ConnectionId};
use crate::right::Right;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For debugging a session.
    Debug,
    /// The course of things.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// The name in lists and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

macro_rules! events {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$fdoc:meta])* $field:ident : $ty:ty ),* $(,)? } = $code:literal, $level:ident, $message:literal
    );+ $(;)?) => {
        /// One fact.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Event {
            $( $(#[$doc])* #[serde(rename = $code)] $name { $( $(#[$fdoc])* $field : $ty ),* } ),+
        }

        impl Event {
            /// The stable name, dotted.
            pub fn code(&self) -> &'static str {
                match self { $( Self::$name { .. } => $code ),+ }
            }

            /// How much it matters.
            pub fn level(&self) -> Level {
                match self { $( Self::$name { .. } => Level::$level ),+ }
            }

            /// One line for people.
            pub fn message(&self) -> String {
                if let Self::Exit { channel, status, signal } = self {
                    return exit_message(*channel, *status, signal.as_deref());
                }
                match self { $( Self::$name { $($field),* } => { $( let _ = &$field; )* format!($message) } ),+ }
            }
        }
    };
}

fn exit_message(channel: u32, status: Option<u32>, signal: Option<&str>) -> String {
    match (status, signal) {
        (_, Some(signal)) => format!("channel {channel}: killed by signal {signal}"),
        (Some(status), None) => format!("channel {channel}: exit status {status}"),
        (None, None) => format!("channel {channel}: ended"),
    }
}

events! {
    /// The session record was made.
    Requested { /** By whom. */ user: String, /** Where. */ host: String, /** What. */ activity: String }
        = "session.requested", Info, "{user} asked for {activity} on {host}";
    /// The policy allowed it.
    Authorised { /** By which policy. */ policy: String, /** Under which profile. */ profile: String }
        = "session.authorised", Info, "allowed by policy {policy} under profile {profile}";
    /// The policy refused it.
    Refused { /** Code of the refusal. */ code: String, /** What the user was told. */ text: String }
        = "session.refused", Warn, "refused ({code}): {text}";
    /// Pre-session actions are done.
    Provisioned {} = "session.provisioned", Info, "provisioned";
    /// It may be entered.
    Available {} = "session.available", Info, "available";
    /// A client came.
    ClientConnected { /** Which connection. */ connection: ConnectionId, /** Client's address. */ source_ip: String, /** Its software. */ client: String }
        = "connection.client", Info, "client connected from {source_ip} ({client})";
    /// The target answered.
    TargetConnected { /** Which connection. */ connection: ConnectionId, /** Address and port. */ address: String, /** Fingerprint of its key. */ host_key: String, /** Cipher of the target leg. */ cipher: String }
        = "connection.target", Info, "target {address} connected, host key {host_key}";
    /// Somebody is on the target.
    LoggedIn { /** Which connection. */ connection: ConnectionId, /** As whom. */ account: String }
        = "session.logged_in", Info, "logged in as {account}";
    /// The target could not be brought up.
    ConnectFailed { /** Which connection. */ connection: ConnectionId, /** Code. */ code: String, /** Why. */ error: String }
        = "connection.failed", Error, "connection failed ({code}): {error}";
    /// A host key was seen for the first time and pinned.
    HostKeyPinned { /** Which host. */ host: String, /** Fingerprint. */ host_key: String }
        = "host_key.pinned", Warn, "first use: host key {host_key} of {host} pinned";
    /// A host showed another key.
    HostKeyMismatch { /** Which host. */ host: String, /** What it showed. */ host_key: String, /** Went on? */ allowed: bool }
        = "host_key.mismatch", Error, "host key of {host} changed to {host_key} (allowed: {allowed})";
    /// A credential was used. Never says what it is.
    SecretUsed { /** Whose. */ account: String, /** Where. */ host: String, /** password or private_key. */ field: String, /** Which version. */ version: i64, /** By which permit: policy and activity. */ permit: String }
        = "secret.used", Info, "{field} version {version} of {account} used for {host} under {permit}";
    /// A channel was opened.
    ChannelOpened { /** Which connection. */ connection: ConnectionId, /** Number within it. */ channel: u32 }
        = "channel.opened", Debug, "channel {channel} opened";
    /// A right was used.
    RightUsed { /** Which channel. */ channel: u32, /** Which right. */ right: Right, /** Details: the command, the subsystem, the terminal. */ detail: String, /** Did the target agree? */ accepted: bool }
        = "right.used", Info, "channel {channel}: {right} {detail} (accepted by target: {accepted})";
    /// Something without a right was refused.
    RightRefused { /** What. */ what: String, /** Why. */ why: String }
        = "right.refused", Warn, "{what} refused: {why}";
    /// A terminal was asked for.
    Pty { /** Which channel. */ channel: u32, /** TERM. */ term: String, /** Columns. */ cols: u32, /** Rows. */ rows: u32 }
        = "channel.pty", Info, "channel {channel}: terminal {term} {cols}x{rows}";
    /// An environment variable was sent. Only its name is kept: values may be secrets.
    Env { /** Which channel. */ channel: u32, /** Its name. */ name: String, /** Did the target take it? */ accepted: bool }
        = "channel.env", Debug, "channel {channel}: environment {name} (accepted by target: {accepted})";
    /// A signal was sent.
    Signal { /** Which channel. */ channel: u32, /** Its name. */ name: String }
        = "channel.signal", Info, "channel {channel}: signal {name}";
    /// The remote program ended.
    Exit { /** Which channel. */ channel: u32, /** Status, if it exited. */ status: Option<u32>, /** Signal, if it was killed. */ signal: Option<String> }
        = "channel.exit", Info, "channel {channel}: {status:?} {signal:?}";
    /// A channel is closed.
    ChannelClosed { /** Which channel. */ channel: u32, /** Bytes from the client. */ bytes_in: u64, /** Bytes to the client. */ bytes_out: u64 }
        = "channel.closed", Debug, "channel {channel} closed, {bytes_in} bytes in, {bytes_out} bytes out";
    /// Output or input beyond the recorded amount: its digest instead.
    BulkDigest { /** Which channel. */ channel: u32, /** in, out or err. */ stream: String, /** All bytes of the stream. */ bytes: u64, /** SHA-256 of all of them. */ sha256: String }
        = "channel.digest", Info, "channel {channel}: {bytes} bytes {stream}, SHA-256 {sha256}";
    /// A command arrived and took effect.
    CommandDone { /** Which. */ command: CommandId, /** Verb. */ verb: String, /** By whom. */ by: String }
        = "command.done", Info, "{verb} by {by}";
    /// A command was refused.
    CommandDenied { /** Which. */ command: CommandId, /** Verb. */ verb: String, /** By whom. */ by: String, /** Why. */ why: String }
        = "command.denied", Warn, "{verb} by {by} refused: {why}";
    /// Locked.
    Locked { /** By whom. */ by: String, /** Headline. */ title: String, /** Text. */ message: String }
        = "session.locked", Warn, "locked by {by}: {title} {message}";
    /// Unlocked.
    Unlocked { /** By whom. */ by: String } = "session.unlocked", Info, "unlocked by {by}";
    /// The user was shown a message.
    Messaged { /** By whom. */ by: String, /** The text. */ text: String }
        = "session.message", Info, "message from {by}: {text}";
    /// The user was told of the end.
    EndWarned { /** Seconds left. */ remaining_s: i64 }
        = "session.end_warned", Info, "told that {remaining_s} s remain";
    /// The end was moved.
    Extended { /** By whom. */ by: String, /** Seconds. */ by_s: i64, /** How many so far. */ used: u32, /** Of how many. */ limit: u32 }
        = "session.extended", Info, "extended by {by_s} s by {by} ({used} of {limit})";
    /// Somebody watches.
    ViewerJoined { /** Who. */ viewer: String } = "viewer.joined", Info, "{viewer} watches";
    /// Nobody of that name watches any more.
    ViewerLeft { /** Who. */ viewer: String } = "viewer.left", Info, "{viewer} stopped watching";
    /// A connection is over.
    Disconnected { /** Which. */ connection: ConnectionId, /** Why. */ reason: CloseReason }
        = "connection.closed", Info, "disconnected: {reason}";
    /// Teardown begins.
    Canceling { /** Why. */ reason: CloseReason } = "session.canceling", Info, "ending: {reason}";
    /// It is over.
    Ended { /** Final status. */ status: String, /** Why. */ reason: CloseReason }
        = "session.ended", Info, "{status}: {reason}";
    /// The tape is finished.
    RecordingStored { /** Which connection's. */ connection: ConnectionId, /** Bytes in the file. */ bytes: u64, /** Root of its chain. */ root: String }
        = "recording.stored", Info, "recording stored, {bytes} bytes, root {root}";
    /// The tape could not be written.
    RecordingFailed { /** Which connection's. */ connection: ConnectionId, /** Why. */ error: String }
        = "recording.failed", Error, "recording failed: {error}";
    /// A part of the session is missing from the tape.
    RecordingGap { /** Which connection's. */ connection: ConnectionId, /** How much. */ bytes: u64 }
        = "recording.gap", Error, "{bytes} bytes were not recorded";
    /// A tape that a crash left behind was finished.
    RecordingRecovered { /** Which connection's. */ connection: ConnectionId, /** Bytes cut off its torn end. */ torn: u64 }
        = "recording.recovered", Warn, "recording finished after a crash, {torn} bytes of its torn end cut";
}
