//! Where does it lead: to the SSH port of a declared host, or elsewhere?

use std::fmt;
use std::net::IpAddr;

use sallyport_domain::declared::{Host, Protocol};
use sallyport_domain::policy;
use sallyport_domain::refusal::Refusal;

use crate::connection::Connection;
use crate::enter::store_unavailable;
use crate::node::Node;
use crate::notice::printable;
use crate::ssh::shared::Shared;

/// What a client that names no port means.
const SSH_PORT: u32 = 22;
/// Hosts at one address that are looked at.
const MAX_CANDIDATES: usize = 50;

/// Where the client wants a channel to, in its own words.
#[derive(Debug, Clone)]
pub struct Asked {
    /// A name or an address.
    pub host: String,
    /// A port.
    pub port: u32,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host: String = printable(&self.host).chars().take(256).collect();
        match self.port {
            SSH_PORT => f.write_str(&host),
            port if host.contains(':') => write!(f, "[{host}]:{port}"),
            port => write!(f, "{host}:{port}"),
        }
    }
}

/// Where it leads.
pub enum Leads {
    /// To the SSH port of this host.
    ToHost(Box<Host>),
    /// To something that is nobody's SSH port.
    Elsewhere,
}

/// Finds out. In the lobby there is no elsewhere: a host that is not declared and one that this user
/// may not know of are refused in the same words.
pub async fn leads(
    node: &Node,
    outer: &Shared,
    connection: Option<&Connection>,
    asked: &Asked,
) -> Result<Leads, Refusal> {
    let found = node.store.hosts_called(&asked.host).await;
    let found = found.map_err(store_unavailable)?;
    let mut hosts = endpoints(found, asked, connection.is_some());
    if let Some(connection) = connection {
        let own = connection.permit().host().clone();
        if is_own(&own, &hosts, asked) {
            return Ok(Leads::ToHost(Box::new(own)));
        }
        if hosts.is_empty() {
            return Ok(Leads::Elsewhere);
        }
    }
    hosts.truncate(MAX_CANDIDATES);
    one_of(asked, known(node, outer, hosts).await?)
}

/// Those whose SSH port was asked for. Port 22 also means "its SSH port", as for a client that was
/// told no port: one that is really there comes first. From a target an address is just that, and
/// its port 22 another one than that of the host declared there.
fn endpoints(mut hosts: Vec<Host>, asked: &Asked, from_target: bool) -> Vec<Host> {
    hosts.retain(|host| host.ssh.is_some());
    let exact = |host: &Host| {
        let own = host.ssh.as_ref().map(|ssh| u32::from(ssh.port));
        own == Some(asked.port)
    };
    if hosts.iter().any(exact) {
        hosts.retain(exact);
    } else if asked.port != SSH_PORT {
        hosts.clear();
    } else if from_target {
        hosts.retain(|host| !host.address.eq_ignore_ascii_case(&asked.host));
    }
    hosts
}

/// From a target, its own address and every loopback address lead back to itself.
fn is_own(own: &Host, hosts: &[Host], asked: &Asked) -> bool {
    if hosts.iter().any(|host| host.name == own.name) {
        return true;
    }
    let loopback = asked.host.eq_ignore_ascii_case("localhost")
        || asked.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let port = own.ssh.as_ref().map(|ssh| u32::from(ssh.port));
    loopback && hosts.is_empty() && port == Some(asked.port)
}

/// Those that this user may know of.
async fn known(node: &Node, outer: &Shared, hosts: Vec<Host>) -> Result<Vec<Host>, Refusal> {
    let user = match outer.guest() {
        Some(guest) => guest.identity.name.as_str(),
        None => return Ok(Vec::new()),
    };
    let mut known = Vec::new();
    for host in hosts {
        let snapshot = node.store.policy_snapshot(user, &host.name).await;
        let snapshot = snapshot.map_err(store_unavailable)?;
        if snapshot.user_locked {
            return Err(Refusal::UserLocked);
        }
        if policy::is_known(&snapshot, Protocol::Ssh) {
            known.push(host);
        }
    }
    Ok(known)
}

fn one_of(asked: &Asked, mut hosts: Vec<Host>) -> Result<Leads, Refusal> {
    match (hosts.pop(), hosts.len()) {
        (None, _) => Err(Refusal::NoPolicy {
            host: asked.to_string(),
        }),
        (Some(host), 0) => Ok(Leads::ToHost(Box::new(host))),
        (Some(last), 1..) => {
            let mut names: Vec<String> = hosts.into_iter().map(|host| host.name).collect();
            names.push(last.name);
            Err(Refusal::SeveralHosts {
                address: asked.to_string(),
                hosts: names.join(", "),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, port: Option<u16>) -> Host {
        let ssh = port.map(|port| serde_json::json!({ "port": port }));
        serde_json::from_value(
            serde_json::json!({ "name": name, "address": "10.0.0.5", "ssh": ssh }),
        )
        .unwrap()
    }

    fn names(hosts: &[Host]) -> Vec<&str> {
        hosts.iter().map(|host| host.name.as_str()).collect()
    }

    #[test]
    fn the_port_tells_hosts_apart_and_22_stands_for_any() {
        let hosts = || vec![host("a", Some(22)), host("b", Some(2200)), host("c", None)];
        let asked = |host: &str, port| Asked {
            host: host.to_owned(),
            port,
        };
        for (port, expected) in [(22, vec!["a"]), (2200, vec!["b"]), (80, vec![])] {
            let found = endpoints(hosts(), &asked("10.0.0.5", port), false);
            assert_eq!(names(&found), expected, "{port}");
        }
        let odd = || vec![host("b", Some(2200)), host("d", Some(2201))];
        for (to, port, from_target, expected) in [
            ("10.0.0.5", 22, false, vec!["b", "d"]),
            ("10.0.0.5", 2201, false, vec!["d"]),
            ("10.0.0.5", 2201, true, vec!["d"]),
            ("10.0.0.5", 22, true, vec![]),
        ] {
            let found = endpoints(odd(), &asked(to, port), from_target);
            assert_eq!(names(&found), expected, "{to}:{port}");
        }
        let named = endpoints(vec![host("b", Some(2200))], &asked("b", 22), true);
        assert_eq!(names(&named), ["b"]);
    }

    #[test]
    fn a_target_reaches_itself_by_its_loopback() {
        let own = host("a", Some(2200));
        let asked = |host: &str, port| Asked {
            host: host.to_owned(),
            port,
        };
        for (host, port, expected) in [
            ("localhost", 2200, true),
            ("127.0.0.1", 2200, true),
            ("::1", 2200, true),
            ("127.0.0.1", 8080, false),
            ("10.0.0.6", 2200, false),
        ] {
            assert_eq!(is_own(&own, &[], &asked(host, port)), expected, "{host}");
        }
    }

    #[test]
    fn several_hosts_are_named_and_none_is_like_an_unknown_one() {
        let asked = Asked {
            host: "10.0.0.5".into(),
            port: 22,
        };
        let several = one_of(&asked, vec![host("a", Some(22)), host("b", Some(22))]);
        assert_eq!(
            several.err(),
            Some(Refusal::SeveralHosts {
                address: "10.0.0.5".into(),
                hosts: "a, b".into(),
            })
        );
        assert_eq!(
            one_of(&asked, Vec::new()).err(),
            Some(Refusal::NoPolicy {
                host: "10.0.0.5".into(),
            })
        );
    }
}
