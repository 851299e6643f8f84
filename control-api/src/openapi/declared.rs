//! The declared nouns as OpenAPI shows them.
//!
//! The domain knows no OpenAPI, so its shapes are told again here; a test compares the field names with
//! those that the domain's own types accept.

#![allow(dead_code, missing_docs)]

use std::collections::BTreeMap;

use utoipa::ToSchema;

type Labels = BTreeMap<String, String>;

/// Everything an administrator can declare; what it does not mention stays as it is.
#[derive(ToSchema)]
pub struct Declaration {
    scopes: Option<Vec<Scope>>,
    users: Option<Vec<User>>,
    groups: Option<Vec<Group>>,
    applications: Option<Vec<Application>>,
    hosts: Option<Vec<Host>>,
    accounts: Option<Vec<Account>>,
    activities: Option<Vec<Activity>>,
    connection_profiles: Option<Vec<ConnectionProfile>>,
    access_policies: Option<Vec<AccessPolicy>>,
}

/// A tenant or site.
#[derive(ToSchema)]
pub struct Scope {
    #[schema(example = "acme/berlin")]
    path: String,
    name: Option<String>,
    labels: Option<Labels>,
    geo: Option<Geo>,
}

/// A point on earth, in degrees.
#[derive(ToSchema)]
pub struct Geo {
    lat: f64,
    lon: f64,
}

/// A secret on its way in. It never comes back out.
#[derive(ToSchema)]
pub struct Secret {
    #[schema(write_only, format = "password")]
    value: String,
}

/// What somebody may do on the control plane.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub enum Role {
    User,
    Auditor,
    Admin,
}

/// A person.
#[derive(ToSchema)]
pub struct User {
    #[schema(example = "alice")]
    name: String,
    /// What the roles reach.
    scope: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    roles: Option<Vec<Role>>,
    password: Option<Secret>,
    /// SSH public keys, `ssh-ed25519 AAAA…`.
    ssh_keys: Option<Vec<String>>,
    labels: Option<Labels>,
}

/// A set of people.
#[derive(ToSchema)]
pub struct Group {
    name: String,
    scope: Option<String>,
    /// User names.
    members: Option<Vec<String>>,
    labels: Option<Labels>,
}

/// A non-human with an API key.
#[derive(ToSchema)]
pub struct Application {
    name: String,
    scope: Option<String>,
    roles: Option<Vec<Role>>,
    api_key: Option<Secret>,
    labels: Option<Labels>,
}

/// A target machine.
#[derive(ToSchema)]
pub struct Host {
    #[schema(example = "web-01")]
    name: String,
    scope: Option<String>,
    friendly_name: Option<String>,
    /// IP address or DNS name.
    address: String,
    kind: Option<HostKind>,
    ssh: Option<SshEndpoint>,
    rdp: Option<RdpEndpoint>,
    labels: Option<Labels>,
}

/// What a host is.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub enum HostKind {
    Workstation,
    Laptop,
    Server,
    NetworkDevice,
}

/// How a host is reached by SSH.
#[derive(ToSchema)]
pub struct SshEndpoint {
    #[schema(default = 22)]
    port: Option<u16>,
    host_keys: Option<HostKeys>,
    on_mismatch: Option<OnMismatch>,
    /// Weak algorithms the host may be spoken to with, because it has nothing better: `diffie-hellman-group14-sha1`,
    /// `diffie-hellman-group-exchange-sha1`, `diffie-hellman-group1-sha1`, `ssh-rsa`, `aes256-cbc`, `aes192-cbc`, `aes128-cbc`,
    /// `3des-cbc`, `hmac-sha1-etm@openssh.com` and `hmac-sha1`.
    #[schema(example = json!(["ssh-rsa", "aes128-cbc"]))]
    legacy_algorithms: Option<Vec<String>>,
}

/// `first-use`, or the public keys that are believed.
#[derive(ToSchema, serde::Serialize)]
#[serde(untagged)]
pub enum HostKeys {
    FirstUse(String),
    Pinned(Vec<String>),
}

/// What happens when a host shows another key.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub enum OnMismatch {
    Block,
    LogAndAllow,
    Allow,
}

/// How a host is reached by RDP.
#[derive(ToSchema)]
pub struct RdpEndpoint {
    #[schema(default = 3389)]
    port: Option<u16>,
    /// `first-use`, `ca`, or the SHA-256 of the certificate's public key (SubjectPublicKeyInfo) in hexadecimal.
    certificate: Option<String>,
    on_mismatch: Option<OnMismatch>,
}

/// A log-in on a host; its full name is `name@host`.
#[derive(ToSchema)]
pub struct Account {
    name: String,
    host: String,
    kind: Option<AccountKind>,
    secret: Option<AccountSecret>,
    /// User names; owners see the sessions made with it.
    owners: Option<Vec<String>>,
}

/// Whose account it is.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub enum AccountKind {
    Requester,
    Managed,
    Ephemeral,
    Vault,
}

/// What opens an account.
#[derive(ToSchema)]
pub struct AccountSecret {
    password: Option<Secret>,
    /// OpenSSH or PEM form, without a passphrase.
    private_key: Option<Secret>,
}

/// What may be done.
#[derive(ToSchema)]
pub struct Activity {
    name: String,
    protocol: Protocol,
    /// The account on whichever host it is done.
    account: String,
    /// Without `upload` and `download` an activity has both; with one of them only that.
    rights: Option<Vec<Right>>,
    /// Where forwards may lead (`local-forward`): `host:port` with `*`, address ranges and port ranges (`db-*.internal:5432`, `10.0.0.0/8:443`,
    /// `*:8000-8999`), or absolute paths. Absent: anywhere.
    permit_open: Option<Vec<String>>,
    /// Where the target may listen (`remote-forward`); the same patterns. Absent: anywhere.
    permit_listen: Option<Vec<String>>,
}

/// How a target is spoken to.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub enum Protocol {
    Ssh,
    Rdp,
}

/// One thing an activity may allow.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub enum Right {
    Shell,
    Exec,
    Sftp,
    Upload,
    Download,
    LocalForward,
    RemoteForward,
    Agent,
    X11,
    ClipboardIn,
    ClipboardOut,
    ClipboardFiles,
    Drives,
    Printers,
    SmartCards,
    Audio,
    Microphone,
    TargetLogin,
}

/// How long and under which conditions a session runs.
#[derive(ToSchema)]
pub struct ConnectionProfile {
    name: String,
    #[schema(example = "8h")]
    max_duration: String,
    #[schema(example = "30m")]
    idle_timeout: Option<String>,
    end_notice: Option<Vec<String>>,
    extension: Option<Extension>,
    recording: Option<RecordingMode>,
    keystrokes: Option<bool>,
    require: Option<Vec<Requirement>>,
}

/// How much longer a user may stay.
#[derive(ToSchema)]
pub struct Extension {
    #[schema(example = "15m")]
    by: String,
    limit: u32,
}

/// What happens when a recording cannot be written.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum RecordingMode {
    Strict,
    BestEffort,
    Off,
}

/// What a request must carry.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub enum Requirement {
    Notes,
    Ticket,
}

/// Who may do what where, under which profile.
#[derive(ToSchema)]
pub struct AccessPolicy {
    name: String,
    scope: Option<String>,
    users: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    applications: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
    host_labels: Option<Labels>,
    activities: Vec<String>,
    connection_profile: String,
}

#[cfg(test)]
mod tests {
    use sallyport_domain::declared as real;
    use serde::de::DeserializeOwned;
    use utoipa::PartialSchema;

    /// The names that a domain type accepts: its complaint about an unknown field lists them.
    fn accepted<T: DeserializeOwned>() -> Vec<String> {
        let error = match serde_json::from_str::<T>(r#"{"no such field": 1}"#) {
            Ok(_) => panic!("accepts unknown fields"),
            Err(error) => error.to_string(),
        };
        let list = error.split("expected").nth(1).unwrap().to_owned();
        let mut names: Vec<String> = list
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    }

    fn shown<T: PartialSchema>() -> Vec<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        let mut names: Vec<String> = schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_shapes_shown_are_those_accepted() {
        assert_eq!(
            shown::<super::Declaration>(),
            accepted::<real::Declaration>()
        );
        assert_eq!(shown::<super::Scope>(), accepted::<real::Scope>());
        assert_eq!(shown::<super::Geo>(), accepted::<real::Geo>());
        assert_eq!(shown::<super::User>(), accepted::<real::User>());
        assert_eq!(shown::<super::Group>(), accepted::<real::Group>());
        assert_eq!(
            shown::<super::Application>(),
            accepted::<real::Application>()
        );
        assert_eq!(shown::<super::Host>(), accepted::<real::Host>());
        assert_eq!(
            shown::<super::SshEndpoint>(),
            accepted::<real::SshEndpoint>()
        );
        assert_eq!(
            shown::<super::RdpEndpoint>(),
            accepted::<real::RdpEndpoint>()
        );
        assert_eq!(shown::<super::Account>(), accepted::<real::Account>());
        assert_eq!(
            shown::<super::AccountSecret>(),
            accepted::<real::AccountSecret>()
        );
        assert_eq!(shown::<super::Activity>(), accepted::<real::Activity>());
        assert_eq!(
            shown::<super::ConnectionProfile>(),
            accepted::<real::ConnectionProfile>()
        );
        assert_eq!(shown::<super::Extension>(), accepted::<real::Extension>());
        assert_eq!(
            shown::<super::AccessPolicy>(),
            accepted::<real::AccessPolicy>()
        );
        assert_eq!(
            accepted::<real::SecretSource>(),
            ["from_env", "from_file", "value"]
        );
    }

    #[test]
    fn the_words_shown_are_those_accepted() {
        let words = |schema: serde_json::Value| -> Vec<String> {
            serde_json::from_value(schema["enum"].clone()).unwrap()
        };
        let rights = words(serde_json::to_value(super::Right::schema()).unwrap());
        let real: Vec<&str> = sallyport_domain::right::Right::ALL
            .iter()
            .map(|right| right.as_str())
            .collect();
        assert_eq!(rights, real);
        let roles = words(serde_json::to_value(super::Role::schema()).unwrap());
        let real: Vec<&str> = sallyport_domain::role::Role::ALL
            .iter()
            .map(|role| role.as_str())
            .collect();
        assert_eq!(roles, real);
    }
}
