//! What users put into their OpenSSH client's files to go through the gateway (ssh_config(5),
//! sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT").

/// Host name patterns of ssh_config: `web-*`, `db-??`, `!web-99`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPatterns(Vec<String>);

/// What is no list of patterns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host pattern: write names with * and ?, apart by spaces or commas, such as web-*,db-01"
)]
pub struct BadPattern(String);

impl Default for HostPatterns {
    /// Every host.
    fn default() -> Self {
        Self(vec!["*".to_owned()])
    }
}

impl std::str::FromStr for HostPatterns {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let harmless = |c: char| c.is_alphanumeric() || "*?!._-:[]".contains(c);
        let mut patterns = Vec::new();
        for pattern in text.split([' ', ',']).filter(|pattern| !pattern.is_empty()) {
            // It ends up in a file that says which programs to run.
            if !pattern.chars().all(harmless) {
                return Err(BadPattern(pattern.escape_default().to_string()));
            }
            patterns.push(pattern.to_owned());
        }
        if patterns.is_empty() {
            return Err(BadPattern(String::new()));
        }
        Ok(Self(patterns))
    }
}

/// The line of known_hosts that makes a client believe every host key the authority vouches for.
pub fn cert_authority_line(public_key: &str, hosts: &HostPatterns) -> String {
    let hosts = hosts.0.join(",");
    format!("@cert-authority {hosts} {public_key} sallyport")
}

/// The lines of ssh_config that lead to `hosts` through the gateway at `address` (`host:port`).
///
/// The inner user is `user` as well: where no account has that name, whatever is allowed is meant.
pub fn client_config(user: &str, address: &str, hosts: &HostPatterns) -> String {
    let (gateway, port) = address.rsplit_once(':').unwrap_or((address, "22"));
    let gateway = gateway.trim_matches(['[', ']']);
    let mut patterns = hosts.0.join(" ");
    if hosts.0.iter().any(|pattern| pattern.starts_with('*')) {
        // The way to the gateway must not lead through the gateway.
        patterns.push_str(" !sallyport");
    }
    format!(
        "Host sallyport\n    HostName {gateway}\n    Port {port}\n    User {user}\n\n\
         Host {patterns}\n    ProxyJump sallyport\n    User {user}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_list_of_patterns() {
        for (text, expected) in [
            ("web-*", &["web-*"][..]),
            ("web-*,db-01  !web-99", &["web-*", "db-01", "!web-99"]),
            ("[10.0.0.5]:2200", &["[10.0.0.5]:2200"]),
        ] {
            let patterns: HostPatterns = text.parse().unwrap();
            assert_eq!(patterns.0, expected, "{text}");
        }
        for text in ["", " , ", "a\nProxyCommand=x", "a;b", "a\"b", "a\tb"] {
            assert!(text.parse::<HostPatterns>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_lines_for_a_client() {
        let all = HostPatterns::default();
        assert_eq!(
            cert_authority_line("ssh-ed25519 AAAA", &all),
            "@cert-authority * ssh-ed25519 AAAA sallyport"
        );
        assert_eq!(
            client_config(
                "alice",
                "gateway.example:2222",
                &"web-* db-01".parse().unwrap()
            ),
            "Host sallyport\n    HostName gateway.example\n    Port 2222\n    User alice\n\n\
             Host web-* db-01\n    ProxyJump sallyport\n    User alice\n"
        );
        let config = client_config("alice", "[::1]:2222", &all);
        assert!(config.contains("HostName ::1\n"), "{config}");
        assert!(config.contains("Host * !sallyport\n"), "{config}");
    }
}
