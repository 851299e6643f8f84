//! Rights: what an activity lets its user do on the host.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// One thing an activity may allow; everything not listed is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Right {
            $($(#[$doc])* $name),+
        }

        impl Right {
            /// Every right there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name used in declarations and events.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }
        }
    };
}

rights! {
    /// An interactive shell.
    Shell = "shell",
    /// Commands; carries scp, rsync and git as well.
    Exec = "exec",
    /// The `sftp` subsystem.
    Sftp = "sftp",
    /// Files to the target: writing, changing, removing them by sftp, scp or rsync; on a desktop,
    /// reading the client's drives and pasting its files. An activity that names neither this nor
    /// `download` has both; one that names one of them lacks the other. What a shell or another
    /// command does with files cannot be told apart and is not limited.
    Upload = "upload",
    /// Files from the target: reading them by sftp, scp or rsync; on a desktop, writing to the
    /// client's drives and copying files for it. See `upload`.
    Download = "download",
    /// Forwards from the client to somewhere behind the target (`ssh -L`, `-D`).
    LocalForward = "local-forward",
    /// Forwards from the target back to the client (`ssh -R`).
    RemoteForward = "remote-forward",
    /// SSH agent forwarding.
    Agent = "agent",
    /// X11 forwarding.
    X11 = "x11",
    /// Clipboard from the client to the target.
    ClipboardIn = "clipboard-in",
    /// Clipboard from the target to the client.
    ClipboardOut = "clipboard-out",
    /// Files on the clipboard, in the directions that the clipboard itself may go. Not part of those
    /// rights: a text is typed as fast as it is pasted, but files take out or bring in anything.
    ClipboardFiles = "clipboard-files",
    /// Drive redirection.
    Drives = "drives",
    /// Printer redirection.
    Printers = "printers",
    /// Smart card redirection: the target can use the client's cards.
    SmartCards = "smart-cards",
    /// Sound to the client.
    Audio = "audio",
    /// Sound from the client: the target can listen.
    Microphone = "microphone",
    /// Typing at a target's own log-in screen, where another account could be chosen. Without it nothing is typed at an
    /// RDP target that takes passwords only on its screen, before it has let the stored account in.
    TargetLogin = "target-login",
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
