use super::Certificate;
use crate::harness::ACCOUNT;

/// One host of the test world that is reached by RDP, with one policy for each profile that lets
/// alice (through her group) in.
#[derive(Debug, Clone)]
pub struct RdpHost {
    name: String,
    port: u16,
    certificate: String,
    on_mismatch: &'static str,
    rights: Vec<&'static str>,
    profiles: Vec<&'static str>,
    secret: Option<&'static str>,
}

impl RdpHost {
    /// A host on this port of 127.0.0.1 whose first certificate is believed, with the activity
    /// `desktop`, which allows nothing besides, under the profile `standard`.
    pub fn new(name: &str, port: u16) -> Self {
        Self {
            name: name.to_owned(),
            port,
            certificate: "first-use".to_owned(),
            on_mismatch: "block",
            rights: Vec::new(),
            profiles: vec!["standard"],
            secret: Some("PW_ACCOUNT"),
        }
    }

    /// Believed only with this certificate.
    pub fn pinned(self, certificate: &Certificate) -> Self {
        self.certificate(&certificate.key_fingerprint())
    }

    /// With this about its certificate: `first-use`, `ca`, or the SHA-256 of its public key.
    pub fn certificate(mut self, rule: &str) -> Self {
        rule.clone_into(&mut self.certificate);
        self
    }

    /// With this answer to another certificate: `block`, `log-and-allow`, `allow`.
    pub fn on_mismatch(mut self, rule: &'static str) -> Self {
        self.on_mismatch = rule;
        self
    }

    /// With an activity of its own, `desktop-NAME`, that has these rights.
    pub fn rights(mut self, rights: &[&'static str]) -> Self {
        self.rights = rights.to_vec();
        self
    }

    /// Under these profiles instead; without any, no policy names it.
    pub fn profiles(mut self, profiles: &[&'static str]) -> Self {
        self.profiles = profiles.to_vec();
        self
    }

    /// With the password in this variable instead, or none.
    pub fn secret(mut self, variable: Option<&'static str>) -> Self {
        self.secret = variable;
        self
    }

    /// Its activity.
    pub fn activity(&self) -> String {
        match self.rights.is_empty() {
            true => "desktop".to_owned(),
            false => format!("desktop-{}", self.name),
        }
    }

    /// The host, as an item of `hosts`.
    pub(in crate::harness) fn yaml(&self) -> String {
        let Self {
            name,
            port,
            certificate,
            on_mismatch,
            ..
        } = self;
        format!(
            "{{ name: {name}, scope: acme/berlin, friendly_name: The {name} machine, address: 127.0.0.1, \
             rdp: {{ port: {port}, certificate: \"{certificate}\", on_mismatch: {on_mismatch} }}, \
             labels: {{ env: test }} }}"
        )
    }

    /// Its account, as an item of `accounts`.
    pub(in crate::harness) fn account_yaml(&self) -> String {
        let secret = self.secret.map_or(String::new(), |variable| {
            format!(", secret: {{ password: {{ from_env: {variable} }} }}")
        });
        let name = &self.name;
        format!("{{ name: {ACCOUNT}, host: {name}, kind: managed{secret} }}")
    }

    /// Its own activity, if it has one, as an item of `activities`.
    pub(in crate::harness) fn activity_yaml(&self) -> Option<String> {
        (!self.rights.is_empty()).then(|| {
            format!(
                "{{ name: {}, protocol: rdp, account: {ACCOUNT}, rights: [{}] }}",
                self.activity(),
                self.rights.join(", ")
            )
        })
    }

    /// Its policies, as items of `access_policies`.
    pub(in crate::harness) fn policies_yaml(&self) -> Vec<String> {
        let (name, activity) = (&self.name, self.activity());
        let policy = |profile: &&str| {
            format!(
                "{{ name: {name}-{profile}, scope: acme, groups: [operators], applications: [robot], \
                 hosts: [{name}], activities: [{activity}], connection_profile: {profile} }}"
            )
        };
        self.profiles.iter().map(policy).collect()
    }
}
