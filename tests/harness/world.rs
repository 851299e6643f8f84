use std::fmt::Write;

use super::RdpHost;
use super::target::{ACCOUNT, KEY_ACCOUNT};

/// The password of a user of the test world: unusual, so that a search for it finds nothing else.
pub fn passwords(user: &str) -> String {
    format!("{user}-Kp3!wendehals-{}", user.len())
}

/// One host of the test world, with one policy that lets alice (through her group) in.
#[derive(Debug, Clone)]
pub struct HostSpec {
    /// Its name.
    pub name: String,
    /// Its address: 127.0.0.1, if not said otherwise.
    pub address: String,
    /// Its port there.
    pub port: u16,
    /// `first-use`, or a YAML list of keys.
    pub host_keys: String,
    /// The activities allowed; none means that no policy names the host.
    pub activities: Vec<&'static str>,
    /// The connection profiles; one policy for each.
    pub profiles: Vec<&'static str>,
    /// The variable with the account's password; none means an account without a secret.
    pub secret: Option<&'static str>,
    /// Its scope.
    pub scope: &'static str,
    /// More about its SSH endpoint, as YAML: `, key: value`.
    pub ssh: String,
}

impl HostSpec {
    /// A host with the activity `shell` under the profile `standard`.
    pub fn new(name: &str, port: u16) -> Self {
        Self {
            name: name.to_owned(),
            address: "127.0.0.1".to_owned(),
            port,
            host_keys: "first-use".to_owned(),
            activities: vec!["shell"],
            profiles: vec!["standard"],
            secret: Some("PW_ACCOUNT"),
            scope: "acme/berlin",
            ssh: String::new(),
        }
    }

    /// Somewhere else than on loopback.
    pub fn at(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// Under these profiles instead.
    pub fn profiles(mut self, profiles: &[&'static str]) -> Self {
        self.profiles = profiles.to_vec();
        self
    }

    /// With these activities instead.
    pub fn activities(mut self, activities: &[&'static str]) -> Self {
        self.activities = activities.to_vec();
        self
    }

    /// Believed only with this key.
    pub fn pinned(mut self, key: &str) -> Self {
        self.host_keys = format!("[\"{key}\"]");
        self
    }

    /// Reached also with these weak algorithms.
    pub fn legacy(mut self, algorithms: &[&str]) -> Self {
        self.ssh = format!(", legacy_algorithms: [{}]", algorithms.join(", "));
        self
    }

    /// With a password that the target refuses, or none at all.
    pub fn secret(mut self, variable: Option<&'static str>) -> Self {
        self.secret = variable;
        self
    }
}

/// What the gateway of a case is told to be.
#[derive(Debug, Clone)]
pub struct World {
    /// The hosts.
    pub hosts: Vec<HostSpec>,
    /// Those that are reached by RDP.
    pub rdp_hosts: Vec<RdpHost>,
    /// More connection profiles, as YAML list items.
    pub profiles: String,
    /// More of anything else, as YAML top-level keys that are not used here.
    pub more: String,
}

/// The connection profiles every world has.
const PROFILES: &str = "
  - { name: standard, max_duration: 8h, extension: { by: 15m, limit: 2 }, recording: strict }
  - { name: short, max_duration: 6s, end_notice: [3s], recording: strict }
  - { name: stretch, max_duration: 20s, end_notice: [18s], extension: { by: 40s, limit: 1 }, recording: strict }
  - { name: idle, max_duration: 1h, idle_timeout: 3s, recording: strict }
  - { name: effort, max_duration: 1h, recording: best_effort }
  - { name: unrecorded, max_duration: 1h, recording: off }
  - { name: noted, max_duration: 1h, recording: strict, require: [notes] }
  - { name: ticketed, max_duration: 1h, recording: strict, require: [ticket] }";

/// Every person and program of the test world, with scope and roles.
const PEOPLE: [(&str, &str, &str); 6] = [
    ("alice", "acme", "user"),
    ("bob", "acme", "admin"),
    ("carol", "acme", "auditor"),
    ("dave", "acme", "user"),
    ("erin", "globex", "admin"),
    ("frank", "globex", "auditor"),
];

impl World {
    /// Hosts for every profile, all the same machine on `port`.
    pub fn around(port: u16) -> Self {
        let plain = |name: &str| HostSpec::new(name, port);
        let hosts = vec![
            plain("web"),
            plain("keyed").activities(&["key-shell"]),
            plain("all").activities(&["everything"]),
            plain("short").profiles(&["short"]),
            plain("stretch").profiles(&["stretch"]),
            plain("idle").profiles(&["idle"]),
            plain("effort").profiles(&["effort"]),
            plain("unrecorded").profiles(&["unrecorded"]),
            plain("noted").profiles(&["noted"]),
            plain("ticketed").profiles(&["ticketed"]),
            plain("twoways").profiles(&["standard", "effort"]),
            plain("filesonly").activities(&["files"]),
            plain("commandsonly").activities(&["commands"]),
            plain("reach").activities(&["reaching"]),
            plain("narrow").activities(&["narrow"]),
            plain("downonly").activities(&["fetch"]),
            plain("uponly").activities(&["deliver"]),
            plain("nopolicy").activities(&[]),
            plain("badcred").secret(Some("PW_WRONG")),
            plain("nosecret").secret(None),
        ];
        Self {
            hosts,
            rdp_hosts: Vec::new(),
            profiles: String::new(),
            more: String::new(),
        }
    }

    /// The document for `apply`. Secrets come from the environment of whoever applies it.
    pub fn yaml(&self) -> String {
        let mut yaml = String::from(
            "scopes:\n  - { path: acme }\n  - { path: acme/berlin }\n  - { path: globex }\nusers:\n",
        );
        for (name, scope, role) in PEOPLE {
            let title = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
            let keys = if name == "alice" {
                ", ssh_keys: [{ from_file: alice.pub }]"
            } else {
                ""
            };
            let _ = writeln!(
                yaml,
                "  - {{ name: {name}, scope: {scope}, first_name: {title}, last_name: Probe, email: {name}@{scope}.example, \
                 roles: [{role}], password: {{ from_env: PW_{} }}{keys} }}",
                name.to_uppercase()
            );
        }
        yaml.push_str("groups:\n  - { name: operators, scope: acme, members: [alice] }\n");
        yaml.push_str("applications:\n  - { name: robot, scope: acme, roles: [user], api_key: { from_env: KEY_ROBOT } }\n");
        yaml.push_str("hosts:\n");
        for host in &self.hosts {
            let _ = writeln!(
                yaml,
                "  - {{ name: {}, scope: {}, friendly_name: The {} machine, address: {}, \
                 ssh: {{ port: {}, host_keys: {}{} }}, labels: {{ env: test }} }}",
                host.name, host.scope, host.name, host.address, host.port, host.host_keys, host.ssh
            );
        }
        for host in &self.rdp_hosts {
            let _ = writeln!(yaml, "  - {}", host.yaml());
        }
        self.accounts(&mut yaml);
        yaml.push_str(&format!(
            "activities:
  - {{ name: shell, protocol: ssh, account: {ACCOUNT}, rights: [shell, exec, sftp] }}
  - {{ name: key-shell, protocol: ssh, account: {KEY_ACCOUNT}, rights: [shell, exec, sftp] }}
  - {{ name: everything, protocol: ssh, account: {KEY_ACCOUNT}, rights: [shell, exec, sftp, local-forward, remote-forward, agent, x11] }}
  - {{ name: files, protocol: ssh, account: {ACCOUNT}, rights: [sftp] }}
  - {{ name: commands, protocol: ssh, account: {ACCOUNT}, rights: [exec] }}
  - {{ name: reaching, protocol: ssh, account: {ACCOUNT}, rights: [shell, exec, sftp, local-forward, remote-forward, agent, x11] }}
  - name: narrow
    protocol: ssh
    account: {ACCOUNT}
    rights: [shell, local-forward, remote-forward]
    permit_open: [\"127.0.0.0/8:12000-32000\", /tmp/sp-allowed-*]
    permit_listen: [\"localhost:12000-32000\"]
  - {{ name: fetch, protocol: ssh, account: {ACCOUNT}, rights: [exec, sftp, download] }}
  - {{ name: deliver, protocol: ssh, account: {ACCOUNT}, rights: [exec, sftp, upload] }}
  - {{ name: desktop, protocol: rdp, account: {ACCOUNT} }}\n"
        ));
        let own_activities = self.rdp_hosts.iter().filter_map(RdpHost::activity_yaml);
        for activity in own_activities {
            let _ = writeln!(yaml, "  - {activity}");
        }
        let _ = write!(
            yaml,
            "connection_profiles:{PROFILES}\n{}\naccess_policies:\n",
            self.profiles
        );
        for host in &self.hosts {
            for profile in host.profiles.iter().filter(|_| !host.activities.is_empty()) {
                let _ = writeln!(
                    yaml,
                    "  - {{ name: {}-{profile}, scope: acme, groups: [operators], applications: [robot], hosts: [{}], \
                     activities: [{}], connection_profile: {profile} }}",
                    host.name,
                    host.name,
                    host.activities.join(", ")
                );
            }
        }
        for policy in self.rdp_hosts.iter().flat_map(RdpHost::policies_yaml) {
            let _ = writeln!(yaml, "  - {policy}");
        }
        yaml.push_str(&self.more);
        yaml
    }

    fn accounts(&self, yaml: &mut String) {
        yaml.push_str("accounts:\n");
        for host in &self.hosts {
            let secret = host.secret.map_or(String::new(), |variable| {
                format!(", secret: {{ password: {{ from_env: {variable} }} }}")
            });
            let owners = if host.name == "web" {
                ", owners: [dave]"
            } else {
                ""
            };
            let _ = writeln!(
                yaml,
                "  - {{ name: {ACCOUNT}, host: {}, kind: managed{secret}{owners} }}",
                host.name
            );
            let _ = writeln!(
                yaml,
                "  - {{ name: {KEY_ACCOUNT}, host: {}, kind: managed, secret: {{ private_key: {{ from_file: account_key }} }} }}",
                host.name
            );
        }
        for host in &self.rdp_hosts {
            let _ = writeln!(yaml, "  - {}", host.account_yaml());
        }
    }

    /// The variables the document refers to.
    pub fn environment() -> Vec<(String, String)> {
        let mut variables: Vec<_> = PEOPLE
            .iter()
            .map(|(name, ..)| (format!("PW_{}", name.to_uppercase()), passwords(name)))
            .collect();
        variables.push(("PW_ACCOUNT".into(), super::target::ACCOUNT_PASSWORD.into()));
        variables.push(("PW_WRONG".into(), "Xt5-wrong-at-the-target-gimpel".into()));
        variables.push(("KEY_ROBOT".into(), passwords("robot")));
        variables
    }
}
