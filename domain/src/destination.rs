//! Where a forward may lead, and where it may listen: `db-*.internal:5432`, `10.0.0.0/8:443`.
//!
//! The target resolves names, not we: a name is compared as the client wrote it, and an address
//! range matches literal addresses only. Whoever wants both writes both.

use core::net::IpAddr;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One end of a forward, as the client or the target named it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// A port (RFC 4254 section 7).
    Tcp {
        /// A name or an address; empty stands for every address of the listener.
        host: String,
        /// 0 asks the listener to choose.
        port: u16,
    },
    /// A socket in the file system (OpenSSH's `streamlocal`).
    Unix {
        /// Its path.
        path: String,
    },
}

impl Endpoint {
    /// A TCP endpoint; `None` for a port that cannot exist.
    pub fn tcp(host: &str, port: u32) -> Option<Self> {
        let (host, port) = (host.to_owned(), u16::try_from(port).ok()?);
        Some(Self::Tcp { host, port })
    }

    /// A socket in the file system.
    pub fn unix(path: &str) -> Self {
        Self::Unix {
            path: path.to_owned(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.is_empty() => write!(f, "*:{port}"),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path } => f.write_str(path),
        }
    }
}

/// A pattern of endpoints; serialised as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination {
    text: String,
    pattern: Pattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Tcp { hosts: Hosts, first: u16, last: u16 },
    Unix(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    Any,
    /// Names only, in lower case.
    Names(String),
    /// Literal addresses only: the network, and how many of its bits count.
    Network(IpAddr, u32),
}

/// Why a text is no pattern of destinations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is not a destination ({problem}): write host:port, such as `db-*.internal:5432`, `10.0.0.0/8:443`, \
     `[::1]:22` or `*:8000-8999`, or an absolute path, such as `/run/*.sock`"
)]
pub struct BadDestination {
    given: String,
    problem: &'static str,
}

impl Destination {
    /// Does the pattern cover the endpoint?
    pub fn covers(&self, endpoint: &Endpoint) -> bool {
        match (&self.pattern, endpoint) {
            (Pattern::Tcp { hosts, first, last }, Endpoint::Tcp { host, port }) => {
                (*first..=*last).contains(port) && hosts.cover(host)
            }
            (Pattern::Unix(pattern), Endpoint::Unix { path }) => {
                is_plain(path) && matches(pattern, path)
            }
            (Pattern::Tcp { .. }, Endpoint::Unix { .. })
            | (Pattern::Unix(_), Endpoint::Tcp { .. }) => false,
        }
    }
}

impl Hosts {
    fn cover(&self, host: &str) -> bool {
        let address = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        match (self, address) {
            (Self::Any, _) => true,
            (Self::Names(pattern), None) => matches(pattern, &host.to_ascii_lowercase()),
            (Self::Network(network, bits), Some(address)) => {
                network.is_ipv4() == address.is_ipv4()
                    && masked(*network, *bits) == masked(address, *bits)
            }
            (Self::Names(_), Some(_)) | (Self::Network(..), None) => false,
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        if let Ok(address) = address.parse::<IpAddr>() {
            let all = if address.is_ipv4() { 32 } else { 128 };
            let bits = match bits {
                "" if !text.contains('/') => all,
                bits => bits
                    .parse()
                    .map_err(|_| "that is no length of a network prefix")?,
            };
            return if bits <= all {
                Ok(Self::Network(address, bits))
            } else {
                Err("the network prefix is too long")
            };
        }
        if text.contains('/') {
            return Err("there is no IP address before the slash");
        }
        if text.is_empty() {
            return Err("there is no host before the port");
        }
        // `10.*` would let in a name such as 10.example.com, and no address at all.
        if text
            .chars()
            .all(|c| c.is_ascii_digit() || ".*:".contains(c))
        {
            return Err("addresses are given as a range, such as 10.0.0.0/8");
        }
        if !text
            .chars()
            .all(|c| c.is_alphanumeric() || "-_.*".contains(c))
        {
            return Err("that is no host name");
        }
        Ok(Self::Names(text.to_ascii_lowercase()))
    }
}

/// The first `bits` bits of an address.
fn masked(address: IpAddr, bits: u32) -> u128 {
    let (number, all) = match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    number.checked_shr(all - bits).unwrap_or(0)
}

/// An absolute path without detours: `/run/../etc` is not below `/run`.
fn is_plain(path: &str) -> bool {
    path.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

/// Does `text` match a pattern in which `*` stands for any characters?
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        // The earliest place leaves the most for what follows.
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

fn parse_ports(text: &str) -> Result<(u16, u16), &'static str> {
    if text == "*" {
        return Ok((0, u16::MAX));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok((first, last)),
        (Ok(_), Ok(_)) => Err("that is no range of ports"),
        (Err(_), _) | (_, Err(_)) => Err("there is no port from 1 to 65535 after the last colon"),
    }
}

fn parse(text: &str) -> Result<Pattern, &'static str> {
    if text.starts_with('/') {
        return if is_plain(text) {
            Ok(Pattern::Unix(text.to_owned()))
        } else {
            Err("the path has empty or dotted parts")
        };
    }
    let (host, ports) = text.rsplit_once(':').ok_or("there is no port")?;
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed
            .strip_suffix(']')
            .or_else(|| bracketed.contains("]/").then_some(bracketed))
            .ok_or("a bracket is not closed")?
            .replace("]/", "/"),
        None if host.contains(':') => return Err("an IPv6 address is written in brackets"),
        None => host.to_owned(),
    };
    let (first, last) = parse_ports(ports)?;
    let hosts = Hosts::parse(&host)?;
    Ok(Pattern::Tcp { hosts, first, last })
}

impl TryFrom<String> for Destination {
    type Error = BadDestination;

    fn try_from(text: String) -> Result<Self, BadDestination> {
        match parse(&text) {
            Ok(pattern) => Ok(Self { text, pattern }),
            Err(problem) => Err(BadDestination {
                given: text,
                problem,
            }),
        }
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.text
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Patterns in words, for a refusal.
pub fn list(destinations: &[Destination]) -> String {
    let words: Vec<&str> = destinations.iter().map(|d| d.text.as_str()).collect();
    match words.as_slice() {
        [] => "none".to_owned(),
        words => words.join(", "),
    }
}

#[cfg(test)]
mod tests;
