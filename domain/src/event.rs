//! Typed facts in a session's log.
//!
//! The same events stand in the database (to be searched) and on the tape (to be proven). None of
//! them ever carries the content of a secret.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::algorithm::Negotiated;
use crate::close::CloseReason;
use crate::control::ControlOver;
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

/// What a forward is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardKind {
    /// From the client to somewhere behind the target (`ssh -L`, `-D`, `-W`).
    Local,
    /// From the target back to the client (`ssh -R`).
    Remote,
    /// To the client's SSH agent.
    Agent,
    /// To the client's X server.
    X11,
}

impl ForwardKind {
    /// The name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Agent => "agent",
            Self::X11 => "x11",
        }
    }
}

impl fmt::Display for ForwardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    ClientConnected { /** Which connection. */ connection: ConnectionId, /** Client's address. */ source_ip: String, /** Its software. */ client: String, /** What its leg agreed on. */ #[serde(default)] algorithms: Negotiated }
        = "connection.client", Info, "client connected from {source_ip} ({client}; {algorithms})";
    /// She came with a certificate.
    CertificateUsed { /** Which connection. */ connection: ConnectionId, /** Whose. */ user: String, /** The authority's name for it. */ key_id: String, /** Its serial number. */ serial: u64, /** Fingerprint of the authority's key. */ authority: String }
        = "connection.certificate", Info, "{user} came with the certificate {key_id}, serial {serial}, of the authority {authority}";
    /// The target answered.
    TargetConnected { /** Which connection. */ connection: ConnectionId, /** Address and port. */ address: String, /** Fingerprint of its key. */ host_key: String, /** Cipher of the target leg. */ cipher: String, /** What its leg agreed on. */ #[serde(default)] algorithms: Negotiated }
        = "connection.target", Info, "target {address} connected, host key {host_key} ({algorithms})";
    /// The target was spoken to with weak algorithms, as its declaration allows.
    LegacyAlgorithm { /** Which connection. */ connection: ConnectionId, /** Which host. */ host: String, /** Their names, comma-separated. */ algorithms: String }
        = "target.legacy_algorithm", Warn, "{host} was reached with weak algorithms: {algorithms}";
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
    /// A connection to a declared host runs inside this one, as a session of its own.
    Jumped { /** Where to, in the client's words. */ to: String, /** Which host that is. */ host: String }
        = "connection.jump", Info, "a connection to {to} runs inside this one, as a session of its own on {host}";
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
    /// The target listens for a remote forward, or said no.
    ForwardListening { /** Where on the target. */ at: String, /** Did the target agree? */ accepted: bool }
        = "forward.listening", Info, "target asked to listen at {at} (accepted by target: {accepted})";
    /// The target listens no more.
    ForwardCancelled { /** Where it did. */ at: String, /** Why. */ why: String }
        = "forward.cancelled", Info, "target no longer listens at {at}: {why}";
    /// A connection inside a forward was made.
    ForwardOpened { /** Number of its channel. */ channel: u32, /** Which kind. */ forward: ForwardKind, /** Who connected. */ from: String, /** To where. */ to: String }
        = "forward.opened", Info, "channel {channel}: {forward} forward from {from} to {to}";
    /// A connection inside a forward was asked for and not allowed.
    ForwardRefused { /** Which kind. */ forward: ForwardKind, /** Who connected. */ from: String, /** To where. */ to: String, /** Code of the refusal. */ code: String, /** Why. */ why: String }
        = "forward.refused", Warn, "{forward} forward from {from} to {to} refused: {why}";
    /// The other side could not make a connection inside a forward.
    ForwardFailed { /** Which kind. */ forward: ForwardKind, /** Who connected. */ from: String, /** To where. */ to: String, /** What the other side said. */ error: String }
        = "forward.failed", Info, "{forward} forward from {from} to {to} failed: {error}";
    /// A connection inside a forward carries a session of its own, which this recording does not show.
    ForwardCarries { /** Number of its channel. */ channel: u32, /** SSH, RDP or VNC. */ protocol: String, /** To where. */ to: String }
        = "forward.carries", Warn, "channel {channel}: the forward to {to} carries {protocol}, which is not recorded";
    /// A connection inside a forward is over.
    ForwardClosed {
        /** Number of its channel. */ channel: u32, /** Which kind. */ forward: ForwardKind, /** Who connected. */ from: String, /** To where. */ to: String, /** Why. */ why: String,
        /** Bytes from the client. */ bytes_in: u64, /** Bytes to the client. */ bytes_out: u64, /** SHA-256 of those from the client. */ sha256_in: String, /** SHA-256 of those to the client. */ sha256_out: String,
        /** How long it was open. */ duration_ms: u64, /** The protocol inside, if its first bytes show it. */ protocol: Option<String>
    } = "forward.closed", Info, "channel {channel}: {forward} forward to {to} closed by {why} after {duration_ms} ms, {bytes_in} bytes in, {bytes_out} bytes out";
    /// A file was opened. What passed through it is in `file.transferred`, once it is closed.
    FileOpened { /** Which channel. */ channel: u32, /** Which file. */ path: String, /** read, write, or read and write. */ access: String }
        = "file.opened", Debug, "channel {channel}: {path} opened ({access})";
    /// A file was not opened.
    FileNotOpened { /** Which channel. */ channel: u32, /** Which file. */ path: String, /** read, write, or read and write. */ access: String, /** Why not. */ result: String }
        = "file.not_opened", Info, "channel {channel}: {path} not opened ({access}): {result}";
    /// A file's bytes have passed, all or in part.
    FileTransferred { /** Which channel. */ channel: u32, /** The file on the target. */ path: String, /** What the sender calls it, where the target alone knows whether `path` is a folder (scp). */ name: Option<String>, /** upload or download. */ direction: String, /** Offset of its first byte. */ offset: u64, /** How many bytes passed. */ bytes: u64, /** Size of the whole file, if known. */ size: Option<u64>, /** SHA-256 of the bytes by ascending offset. */ sha256: String, /** Each byte once? If not, the digest is that of the bytes as they passed, from where they went back. */ in_order: bool, /** The whole file, from 0 to its end, without holes? */ whole: bool, /** ok, or what went wrong. */ result: String, /** From its opening, in milliseconds. */ duration_ms: u64 }
        = "file.transferred", Info, "channel {channel}: {direction} of {path}, {bytes} bytes from {offset}, SHA-256 {sha256} (whole: {whole}, {result})";
    /// A folder was listed.
    FolderListed { /** Which channel. */ channel: u32, /** Which folder. */ path: String, /** ok, or what went wrong. */ result: String }
        = "file.listed", Debug, "channel {channel}: folder {path} listed ({result})";
    /// A file or folder was renamed.
    FileRenamed { /** Which channel. */ channel: u32, /** From. */ path: String, /** To. */ to: String, /** ok, or what went wrong. */ result: String }
        = "file.renamed", Info, "channel {channel}: {path} renamed to {to} ({result})";
    /// A file or folder was removed.
    FileRemoved { /** Which channel. */ channel: u32, /** Which. */ path: String, /** A folder? */ folder: bool, /** ok, or what went wrong. */ result: String }
        = "file.removed", Info, "channel {channel}: {path} removed ({result})";
    /// A folder was made.
    FolderMade { /** Which channel. */ channel: u32, /** Which. */ path: String, /** ok, or what went wrong. */ result: String }
        = "file.folder_made", Info, "channel {channel}: folder {path} made ({result})";
    /// A link was made.
    FileLinked { /** Which channel. */ channel: u32, /** The link. */ path: String, /** What it points at. */ to: String, /** Symbolic? */ symbolic: bool, /** ok, or what went wrong. */ result: String }
        = "file.linked", Info, "channel {channel}: {path} linked to {to} ({result})";
    /// A symbolic link was read.
    LinkRead { /** Which channel. */ channel: u32, /** Which. */ path: String, /** ok, or what went wrong. */ result: String }
        = "file.link_read", Debug, "channel {channel}: link {path} read ({result})";
    /// Attributes of a file were changed.
    FileChanged { /** Which channel. */ channel: u32, /** Which. */ path: String, /** What was set, such as `mode 0640`. */ change: String, /** ok, or what went wrong. */ result: String }
        = "file.changed", Info, "channel {channel}: {path} changed to {change} ({result})";
    /// A file was copied on the target; its bytes did not pass.
    FileCopied { /** Which channel. */ channel: u32, /** From. */ path: String, /** To. */ to: String, /** ok, or what went wrong. */ result: String }
        = "file.copied", Info, "channel {channel}: {path} copied to {to} ({result})";
    /// A request without the right to it was answered by the gateway and has not reached the target.
    FileRefused { /** Which channel. */ channel: u32, /** What was asked. */ what: String, /** On which file. */ path: String, /** Which right is missing. */ right: Right }
        = "file.refused", Warn, "channel {channel}: {what} of {path} refused: no right to {right}";
    /// Trees were brought in line by rsync; `channel.rest` has the digests of its streams.
    FilesSynchronised { /** Which channel. */ channel: u32, /** upload, download, or unknown. */ direction: String, /** Paths on the target, as asked for. */ paths: Vec<String> }
        = "file.synchronised", Info, "channel {channel}: rsync {direction} {paths:?}";
    /// What passed in a channel that carries files, beside the files' content.
    ChannelRest { /** Which channel. */ channel: u32, /** in or out. */ stream: String, /** How many bytes. */ bytes: u64, /** SHA-256 of them. */ sha256: String }
        = "channel.rest", Debug, "channel {channel}: {bytes} bytes {stream} beside the files, SHA-256 {sha256}";
    /// A peer did not keep to the protocol of a channel that carries files, and the channel was closed.
    ProtocolBroken { /** Which channel. */ channel: u32, /** What it was. */ why: String }
        = "channel.protocol", Error, "channel {channel} closed: the protocol was broken by {why}";
    /// Something was copied, and the other side of a desktop heard of it. Never says what it is.
    ClipboardCopied { /** Which channel. */ channel: u32, /** in (to the target) or out. */ direction: String, /** In which formats it can be had, the first of them. */ formats: Vec<String>, /** Are there files among it? */ files: bool }
        = "clipboard.copied", Info, "channel {channel}: copied, to be pasted {direction}, as {formats:?}";
    /// What was copied was handed over to the other side of a desktop. Never says what it is.
    ClipboardPasted { /** Which channel. */ channel: u32, /** in (to the target) or out. */ direction: String, /** In which format. */ format: String, /** How many bytes passed. */ bytes: u64, /** SHA-256 of them. */ sha256: String, /** All of it? */ whole: bool }
        = "clipboard.pasted", Info, "channel {channel}: {bytes} bytes pasted {direction} as {format}, SHA-256 {sha256} (whole: {whole})";
    /// The other side of a desktop was told which files were copied. Their content is in `file.transferred`, once it was pasted.
    ClipboardFiles { /** Which channel. */ channel: u32, /** in (to the target) or out. */ direction: String, /** The first of them. */ files: Vec<String>, /** How many there are. */ count: u32 }
        = "clipboard.files", Info, "channel {channel}: {count} files copied, to be pasted {direction}: {files:?}";
    /// A client offered a device, and its target heard of it.
    DeviceOffered { /** Which channel. */ channel: u32, /** drive, printer or smart card. */ device: String, /** How it is called. */ name: String }
        = "device.offered", Info, "channel {channel}: {device} {name} offered";
    /// A client took a device away.
    DeviceRemoved { /** Which channel. */ channel: u32, /** drive, printer or smart card. */ device: String, /** How it was called. */ name: String }
        = "device.removed", Info, "channel {channel}: {device} {name} taken away";
    /// A target sent something to a printer of the client.
    Printed { /** Which channel. */ channel: u32, /** Which printer. */ printer: String, /** How many bytes passed. */ bytes: u64, /** SHA-256 of them. */ sha256: String, /** All of it? */ whole: bool }
        = "printer.printed", Info, "channel {channel}: {bytes} bytes printed on {printer}, SHA-256 {sha256} (whole: {whole})";
    /// A peer sent something in a channel of a desktop that cannot be read; it was dropped.
    PduDropped { /** Which channel. */ channel: u32, /** What it was. */ why: String }
        = "channel.dropped", Warn, "channel {channel}: dropped {why}";
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
    /// A desktop is shown, or shown in another size.
    DesktopShown { /** Pixels. */ width: u16, /** Pixels. */ height: u16 }
        = "desktop.shown", Info, "a desktop of {width}x{height} pixels";
    /// The client has told its monitors, for the target to follow.
    MonitorsChanged { /** How many. */ monitors: u32, /** Pixels, all together. */ width: u32, /** Pixels. */ height: u32 }
        = "desktop.monitors", Info, "{monitors} monitors of {width}x{height} pixels together";
    /// The target says that somebody has logged on.
    LoggedOn { /** May be empty. */ domain: String, /** May be empty. */ user: String, /** The session on the target. */ session: Option<u32> }
        = "target.logged_on", Info, "the target has logged on {domain}\\{user} (session {session:?})";
    /// The target says that something is in the way of a log-on (MS-RDPBCGR 2.2.10.1.1.4.1).
    LogonTrouble { /** ErrorNotificationType. */ notification: u32, /** ErrorNotificationData. */ data: u32 }
        = "target.logon_trouble", Warn, "the target has trouble with a log-on: type {notification:#x}, data {data:#x}";
    /// A viewer's input goes to the target of a desktop from here on.
    ControlTaken { /** Of which connection's desktop. */ connection: ConnectionId, /** Who. */ viewer: String, /** Is the user's own input dropped meanwhile? */ exclusive: bool }
        = "control.taken", Warn, "{viewer} took control (exclusive: {exclusive})";
    /// It does not any more.
    ControlReleased { /** Of which connection's desktop. */ connection: ConnectionId, /** Who had it. */ viewer: String, /** Why he has it no more. */ why: ControlOver }
        = "control.released", Info, "{viewer} is no longer in control: {why}";
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
