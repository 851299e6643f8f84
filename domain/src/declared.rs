//! What an administrator declares: the nouns of the control plane, as `sallyport apply` reads them
//! and the API takes and gives them.
//!
//! Names are the identity: applying a document twice changes nothing. Secrets appear here only on
//! the way in, as a [`SecretSource`]; nothing that comes back out carries one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::destination::Destination;
use crate::right::Right;
use crate::role::Role;
use crate::scope::ScopePath;
use crate::span::Span;

mod endpoint;

pub use endpoint::{CertificateTrust, HostKeys, OnMismatch, RdpEndpoint, SshEndpoint};

/// Free-form key and value pairs.
pub type Labels = BTreeMap<String, String>;

/// One document for `sallyport apply`. What it does not mention stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Declaration {
    /// Tenants and sites.
    pub scopes: Vec<Scope>,
    /// People.
    pub users: Vec<User>,
    /// Sets of people.
    pub groups: Vec<Group>,
    /// Non-humans with API keys.
    pub applications: Vec<Application>,
    /// Target machines.
    pub hosts: Vec<Host>,
    /// Log-ins on hosts.
    pub accounts: Vec<Account>,
    /// What may be done.
    pub activities: Vec<Activity>,
    /// How long and under which conditions.
    pub connection_profiles: Vec<ConnectionProfile>,
    /// Who may do what where.
    pub access_policies: Vec<AccessPolicy>,
}

/// Which noun a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NounKind {
    /// [`Scope`]; its name is its path.
    Scope,
    /// [`User`].
    User,
    /// [`Group`].
    Group,
    /// [`Application`].
    Application,
    /// [`Host`].
    Host,
    /// [`Account`]; its name is `account@host`.
    Account,
    /// [`Activity`].
    Activity,
    /// [`ConnectionProfile`].
    ConnectionProfile,
    /// [`AccessPolicy`].
    AccessPolicy,
}

impl NounKind {
    /// In the order in which a document must be applied: what is referred to comes first.
    pub const ALL: [Self; 9] = [
        Self::Scope,
        Self::User,
        Self::Group,
        Self::Application,
        Self::Host,
        Self::Account,
        Self::Activity,
        Self::ConnectionProfile,
        Self::AccessPolicy,
    ];

    /// The name in the database and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::User => "user",
            Self::Group => "group",
            Self::Application => "application",
            Self::Host => "host",
            Self::Account => "account",
            Self::Activity => "activity",
            Self::ConnectionProfile => "connection-profile",
            Self::AccessPolicy => "access-policy",
        }
    }
}

/// A tenant or site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Where it hangs in the tree; its parents need not be declared.
    pub path: ScopePath,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// Free-form.
    #[serde(default)]
    pub labels: Labels,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo: Option<Geo>,
}

/// A point on earth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geo {
    /// Latitude, -90 to 90.
    pub lat: f64,
    /// Longitude, -180 to 180.
    pub lon: f64,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// What she logs in with.
    pub name: String,
    /// What her roles reach.
    #[serde(default)]
    pub scope: ScopePath,
    /// Given name.
    #[serde(default)]
    pub first_name: String,
    /// Family name.
    #[serde(default)]
    pub last_name: String,
    /// E-mail address.
    #[serde(default)]
    pub email: String,
    /// What she may do on the control plane.
    #[serde(default = "user_role")]
    pub roles: Vec<Role>,
    /// Her password, on the way in only.
    #[serde(default, skip_serializing)]
    pub password: Option<SecretSource>,
    /// Her SSH public keys (`ssh-ed25519 AAAA… comment`).
    #[serde(default)]
    pub ssh_keys: Vec<TextSource>,
    /// Free-form.
    #[serde(default)]
    pub labels: Labels,
}

fn user_role() -> Vec<Role> {
    vec![Role::User]
}

/// A set of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Unique name.
    pub name: String,
    /// Where it belongs.
    #[serde(default)]
    pub scope: ScopePath,
    /// User names.
    #[serde(default)]
    pub members: Vec<String>,
    /// Free-form.
    #[serde(default)]
    pub labels: Labels,
}

/// A non-human with an API key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Unique name.
    pub name: String,
    /// What its roles reach.
    #[serde(default)]
    pub scope: ScopePath,
    /// What it may do on the control plane.
    #[serde(default = "user_role")]
    pub roles: Vec<Role>,
    /// Its API key, on the way in only.
    #[serde(default, skip_serializing)]
    pub api_key: Option<SecretSource>,
    /// Free-form.
    #[serde(default)]
    pub labels: Labels,
}

/// A target machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Unique name; what people connect to.
    pub name: String,
    /// Where it belongs.
    #[serde(default)]
    pub scope: ScopePath,
    /// Another name it answers to.
    #[serde(default)]
    pub friendly_name: String,
    /// IP address or DNS name.
    pub address: String,
    /// What it is.
    #[serde(default)]
    pub kind: HostKind,
    /// How it is reached by SSH, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshEndpoint>,
    /// How it is reached by RDP, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rdp: Option<RdpEndpoint>,
    /// Free-form; policies may select by them.
    #[serde(default)]
    pub labels: Labels,
}

impl Host {
    /// The TCP port where it speaks the protocol, if it does.
    pub fn port(&self, protocol: Protocol) -> Option<u16> {
        match protocol {
            Protocol::Ssh => self.ssh.as_ref().map(|ssh| ssh.port),
            Protocol::Rdp => self.rdp.as_ref().map(|rdp| rdp.port),
        }
    }
}

/// What a host is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKind {
    /// A workstation.
    Workstation,
    /// A laptop.
    Laptop,
    /// A server.
    #[default]
    Server,
    /// A switch, router, firewall, …
    NetworkDevice,
}

/// A log-in on a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The log-in name on the host.
    pub name: String,
    /// The host's name.
    pub host: String,
    /// Whose it is.
    #[serde(default)]
    pub kind: AccountKind,
    /// What opens it, on the way in only.
    #[serde(default, skip_serializing)]
    pub secret: Option<AccountSecret>,
    /// User names; owners see the sessions made with it.
    #[serde(default)]
    pub owners: Vec<String>,
}

impl Account {
    /// The name of the row: accounts are unique on their host.
    pub fn full_name(&self) -> String {
        format!("{}@{}", self.name, self.host)
    }
}

/// Whose account it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountKind {
    /// The user's own on the host.
    Requester,
    /// Owned by the product; its secret is in the vault.
    #[default]
    Managed,
    /// Made for one session.
    Ephemeral,
    /// Its secret comes from another vault.
    Vault,
}

/// What opens an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSecret {
    /// A password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// A private key in OpenSSH or PEM form, without a passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<SecretSource>,
}

/// Where a secret is read from. Exactly one of the three.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSource {
    /// An environment variable of whoever runs `apply`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_env: Option<String>,
    /// A file, relative to the document; one trailing newline is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_file: Option<String>,
    /// The secret itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretSource")
            .field("from_env", &self.from_env)
            .field("from_file", &self.from_file)
            .finish_non_exhaustive()
    }
}

/// A public text, given here or in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TextSource {
    /// The text itself.
    Text(String),
    /// A file that holds it, relative to the document.
    File {
        /// Its path.
        from_file: String,
    },
}

/// What may be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Unique name.
    pub name: String,
    /// Over which protocol.
    pub protocol: Protocol,
    /// The account on whichever host it is done.
    pub account: String,
    /// What it allows.
    #[serde(default)]
    pub rights: Vec<Right>,
    /// Where `local-forward` may lead; anywhere if this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit_open: Option<Vec<Destination>>,
    /// Where `remote-forward` may listen on the target; anywhere if this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit_listen: Option<Vec<Destination>>,
}

/// How a target is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Secure Shell.
    Ssh,
    /// Remote Desktop Protocol.
    Rdp,
}

impl Protocol {
    /// The name in declarations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Rdp => "rdp",
        }
    }
}

/// How long and under which conditions a session runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionProfile {
    /// Unique name.
    pub name: String,
    /// The scheduled end is the start plus this.
    pub max_duration: Span,
    /// Without human input for this long, the session ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Span>,
    /// How long before the end the user is told, in her client.
    #[serde(default)]
    pub end_notice: Vec<Span>,
    /// Whether the user may stay longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<Extension>,
    /// What happens when a recording cannot be written.
    #[serde(default)]
    pub recording: RecordingMode,
    /// Which keys are pressed on a desktop is recorded, too; without it, that some are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keystrokes: bool,
    /// What a request must carry.
    #[serde(default)]
    pub require: Vec<Requirement>,
}

/// How much longer a user may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// By how much each time.
    pub by: Span,
    /// How often.
    pub limit: u32,
}

/// What happens when a recording cannot be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingMode {
    /// Nothing passes that the tape does not hold; if it cannot be written the session ends.
    #[default]
    Strict,
    /// The session goes on and the gap is marked.
    BestEffort,
    /// Nothing is recorded but the events.
    Off,
}

impl RecordingMode {
    /// The name in declarations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::BestEffort => "best_effort",
            Self::Off => "off",
        }
    }
}

/// What a request must carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// Why.
    Notes,
    /// A ticket number.
    Ticket,
}

/// Who may do what where, under which profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessPolicy {
    /// Unique name.
    pub name: String,
    /// Where it belongs; it reaches hosts in this scope and below.
    #[serde(default)]
    pub scope: ScopePath,
    /// User names.
    #[serde(default)]
    pub users: Vec<String>,
    /// Group names.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Application names.
    #[serde(default)]
    pub applications: Vec<String>,
    /// Host names.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Hosts that carry all these labels as well.
    #[serde(default)]
    pub host_labels: Labels,
    /// Activity names.
    pub activities: Vec<String>,
    /// The profile's name.
    pub connection_profile: String,
}

#[cfg(test)]
mod tests;
