//! The command line: what can be typed, with its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A privileged-access jump server: brokered, recorded and controlled SSH sessions.
#[derive(Debug, Parser)]
#[command(name = "sallyport", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Common {
    /// Print JSON instead of text; errors become {"errors": [...]} on the error stream
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub server: Server,
    /// The server's data folder, for commands that work without a server [default: ./data]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// The server's configuration file (TOML)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How a server is reached.
#[derive(Debug, Clone, Args)]
pub struct Server {
    /// The server's API, for example https://127.0.0.1:8443
    #[arg(long, global = true, value_name = "URL", env = "SALLYPORT_URL")]
    pub url: Option<String>,
    /// A token of `sallyport login`, or an application's API key
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "SALLYPORT_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// A PEM file with the certificate to trust; the system's certificates without it
    #[arg(long, global = true, value_name = "FILE", env = "SALLYPORT_CA")]
    pub ca: Option<PathBuf>,
}

impl Server {
    /// Was a server named at all? Commands that can do without one then work on local files.
    pub fn is_named(&self) -> bool {
        self.url.as_deref().is_some_and(|url| !url.is_empty())
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server: SSH proxy and HTTPS API
    #[command(after_help = SERVE_HELP)]
    Serve,
    /// Declare users, hosts, accounts, activities, profiles and policies from a YAML file
    #[command(after_help = APPLY_HELP)]
    Apply(Apply),
    /// List, show, watch and control sessions
    #[command(subcommand)]
    Sessions(Sessions),
    /// List, replay, export and verify recordings
    #[command(subcommand)]
    Recordings(Recordings),
    /// Check a tape, or every tape of a folder, without any server
    Verify {
        /// A .tape file, or a folder of them
        path: PathBuf,
    },
    /// Ask for user and password, and print a token for SALLYPORT_TOKEN
    Login {
        /// The user; asked for if not given
        #[arg(long, short)]
        user: Option<String>,
    },
    /// Make a password to log in by RDP with, for one use or a short time
    #[command(after_help = CONNECTION_PASSWORD_HELP)]
    ConnectionPassword(ConnectionPassword),
    /// Lock and unlock users
    #[command(subcommand)]
    Users(Users),
    /// Print what an OpenSSH client needs to go through the gateway with ssh -J
    #[command(after_help = CA_HELP)]
    Ca(Ca),
    /// Read and check the audit trail
    #[command(subcommand)]
    Audit(Audit),
}

const SERVE_HELP: &str = "\
Every key of the configuration file is also an environment variable,
SALLYPORT_<SECTION>_<KEY>, for example SALLYPORT_SSH_LISTEN; the environment wins.
Sections and keys:
  [ssh]    listen, public_address, banner, target_timeout
  [rdp]    listen, public_address, security (nla, tls), certificate, private_key, kdc (REALM=host:port, …),
           signing_certificate, signing_key (PEM files; they sign .rdp files, which are unsigned without)
  [api]    listen, certificate, private_key, token_lifetime
  [store]  url
  [tapes]  url, min_free
  [serve]  apply, data_dir, grace, node_name, gateway_group
  [limits] login_grace, lobby_idle, max_unauthenticated, keepalive
  [log]    filter (also SALLYPORT_LOG), format (text or json)
Secrets come from the environment only: SALLYPORT_VAULT_KEY, SALLYPORT_ADMIN_PASSWORD.";

const APPLY_HELP: &str = "\
With SALLYPORT_URL the declaration goes to that server; without, it is written into
the store of the data folder (or of --config), which may be in use by a server.
Applying a file twice changes nothing. What it does not mention stays as it is.";

const CA_HELP: &str = "\
Without --openssh-config: the line for ~/.ssh/known_hosts that makes the client believe every
host key the gateway vouches for. With it: lines for ~/.ssh/config, after which `ssh web-01`
goes through the gateway. With SALLYPORT_URL both come from that server; without, from the data
folder (or --config).";

const EXPORT_HELP: &str = "\
A terminal (SSH) is exported as asciicast or text. Of a desktop (RDP) there are films, pictures, and what happened as text:
  sallyport recordings export ID --format mp4 -o desktop.mp4
  sallyport recordings export ID --format png-at --at 12.5s -o desktop.png";

const WATCH_HELP: &str = "\
A terminal (SSH) is shown here. A desktop (RDP) is shown in a browser: open the server's address
with /watch/ID behind it, for example https://127.0.0.1:8443/watch/ID. The user is told of whoever
watches, of pictures too.";

const CONNECTION_PASSWORD_HELP: &str = "\
RDP clients with network level authentication (NLA) cannot log in with the password of
`sallyport login`. Give them this one, with the user name printed above it. It is shown only now,
and works for whoever has it until it is used or runs out.";

/// `sallyport connection-password`.
#[derive(Debug, Args)]
pub struct ConnectionPassword {
    /// Good for this host only
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Good for this activity only
    #[arg(long, value_name = "ACTIVITY")]
    pub activity: Option<String>,
    /// How long it is good, for example 5m, at most 12h
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    pub ttl: String,
    /// How often it may be used
    #[arg(long, value_enum, default_value_t = Uses::One)]
    pub uses: Uses,
}

/// How often a connection password may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Uses {
    /// Once
    One,
    /// As often as wanted, until it runs out
    Many,
}

/// `sallyport ca`.
#[derive(Debug, Args)]
pub struct Ca {
    /// Print lines for ~/.ssh/config instead
    #[arg(long)]
    pub openssh_config: bool,
    /// For these hosts only, as patterns apart by commas, for example web-*,db-01
    #[arg(long, value_name = "PATTERNS")]
    pub hosts: Option<String>,
    /// Whose log-in name at the gateway [default: who is logged in at the server, else $USER]
    #[arg(long, short, value_name = "NAME")]
    pub user: Option<String>,
}

/// `sallyport apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// The declaration
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// Print what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `sallyport sessions …`.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// List sessions, newest first
    List(SessionList),
    /// Show one session
    Show {
        /// The session's id
        id: String,
    },
    /// Show a session's log
    #[command(visible_alias = "log")]
    Events {
        /// The session's id
        id: String,
    },
    /// Freeze a session: its user sees title and message, input is discarded
    Lock {
        /// The session's id
        id: String,
        /// Headline in the user's client
        #[arg(long, default_value = "Session locked")]
        title: String,
        /// Text below it
        #[arg(long, default_value = "")]
        message: String,
    },
    /// Thaw a locked session
    Unlock {
        /// The session's id
        id: String,
    },
    /// End a session in order
    End {
        /// The session's id
        id: String,
        /// Shown to the user
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Cut a session's connections now
    Terminate {
        /// The session's id
        id: String,
        /// Also cancel the session, so that it cannot be entered again
        #[arg(long)]
        cancel: bool,
        /// Shown to the user
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Move a session's scheduled end
    Extend {
        /// The session's id
        id: String,
        /// By how much, for example 15m; the profile's step if not given
        #[arg(long)]
        by: Option<String>,
    },
    /// Show a text in the user's client
    Message {
        /// The session's id
        id: String,
        /// The text
        text: String,
    },
    /// Write a file that opens an RDP client with the session in it
    RdpFile {
        /// The session's id
        id: String,
        /// Also make a password for one use within five minutes, and show it
        #[arg(long)]
        password: bool,
        /// Where to; the standard output if not given
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Watch a live session in this terminal (q or Ctrl-C leaves), or take a picture of its desktop
    #[command(after_help = WATCH_HELP)]
    Watch {
        /// The session's id
        id: String,
        /// Write what a desktop (RDP) shows now to this file, as PNG, and leave
        #[arg(long, value_name = "FILE", conflicts_with = "plain")]
        png: Option<PathBuf>,
        /// Print the output as it comes, for pipes; the default when this is no terminal
        #[arg(long)]
        plain: bool,
    },
}

/// `sallyport sessions list`.
#[derive(Debug, Clone, Args)]
pub struct SessionList {
    /// Search in every column
    #[arg(short, long)]
    pub query: Option<String>,
    /// Only this status, for example "Logged In"
    #[arg(long)]
    pub status: Option<String>,
    /// Only sessions that have not ended
    #[arg(long)]
    pub live: bool,
    /// Only this user
    #[arg(long)]
    pub user: Option<String>,
    /// Only this host
    #[arg(long)]
    pub host: Option<String>,
    /// Active at or after this time (RFC 3339)
    #[arg(long)]
    pub from: Option<String>,
    /// Active at or before this time (RFC 3339)
    #[arg(long)]
    pub to: Option<String>,
    /// A column, with - for descending
    #[arg(long, allow_hyphen_values = true, default_value = "-requested_at")]
    pub sort: String,
    #[command(flatten)]
    pub paging: Paging,
}

/// One page of a list.
#[derive(Debug, Clone, Args)]
pub struct Paging {
    /// Which page, from 1
    #[arg(long, default_value_t = 1)]
    pub page: u32,
    /// Rows a page, at most 100
    #[arg(long, default_value_t = 25)]
    pub page_size: u32,
}

/// `sallyport recordings …`. A recording is named by its connection, its session, or its file.
#[derive(Debug, Subcommand)]
pub enum Recordings {
    /// List recordings
    List(Paging),
    /// Play a recording of a terminal (SSH) in this one
    #[command(
        after_help = "Keys: space pause, left/right seek 5 s, + and - speed, i skip idle time, q quit."
    )]
    Replay {
        /// A connection's or session's id, or a .tape file
        recording: String,
        /// How fast, for example 2 or 0.5
        #[arg(long, default_value_t = 1.0)]
        speed: f64,
        /// Cut pauses longer than this, for example 2s
        #[arg(long, value_name = "SPAN")]
        idle: Option<String>,
        /// Which channel, if there are several terminals
        #[arg(long)]
        channel: Option<u32>,
        /// Print the output at once, without timing; the default when this is no terminal
        #[arg(long)]
        plain: bool,
    },
    /// Write a recording in another format
    #[command(after_help = EXPORT_HELP)]
    Export(Export),
    /// Check a recording's checksums and chain
    Verify {
        /// A connection's or session's id, or a .tape file
        recording: String,
    },
}

/// `sallyport recordings export`.
#[derive(Debug, Args)]
pub struct Export {
    /// A connection's or session's id, or a .tape file
    pub recording: String,
    /// Which format
    #[arg(long, value_enum, default_value_t = Format::Asciicast)]
    pub format: Format,
    /// Which channel, if there are several terminals
    #[arg(long)]
    pub channel: Option<u32>,
    /// Which picture of a desktop: how long after the start, for example 12.5s
    #[arg(long, value_name = "SPAN")]
    pub at: Option<String>,
    /// How long a film stands still at most where nothing changes, for example 5s; 0 leaves nothing out [default: 2s]
    #[arg(long, value_name = "SPAN")]
    pub idle_cut: Option<String>,
    /// Where to; the standard output if not given
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What a recording can be exported to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// asciicast v2, for asciinema
    Asciicast,
    /// Readable text with times
    Text,
    /// What a desktop (RDP) showed --at a time, as PNG
    PngAt,
    /// A film of a desktop (RDP), with H.264
    Mp4,
}

/// `sallyport users …`.
#[derive(Debug, Subcommand)]
pub enum Users {
    /// Lock a user: no log-in, and live sessions end
    Lock {
        /// The user's name
        name: String,
        /// Why, for the audit trail
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Unlock a user
    Unlock {
        /// The user's name
        name: String,
    },
}

/// `sallyport audit …`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List the audit trail, newest first
    List {
        /// Search in every column
        #[arg(short, long)]
        query: Option<String>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Check the chain of the whole trail
    Verify,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound_and_everything_has_help() {
        let command = Cli::command();
        command.clone().debug_assert();
        let mut open = vec![command];
        while let Some(command) = open.pop() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
            open.extend(command.get_subcommands().cloned());
        }
    }
}
