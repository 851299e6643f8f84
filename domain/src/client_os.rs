//! Which operating system a client runs on, as far as its software says so.

/// OpenSSH as distributions and systems build it: what stands behind its version, and what that means.
const BUILT_FOR: [(&str, &str); 6] = [
    ("Debian-", "Linux/Debian"),
    ("Raspbian-", "Linux/Raspbian"),
    ("Ubuntu-", "Linux/Ubuntu"),
    ("FreeBSD-", "FreeBSD"),
    ("DragonFly-", "DragonFly"),
    ("NetBSD_Secure_Shell-", "NetBSD"),
];
/// Clients that are made for one system only, by how their software version begins or what it contains.
const WINDOWS_ONLY: [&str; 4] = [
    "OpenSSH_for_Windows",
    "WinSCP_",
    "TTSSH/",
    "FlowSsh: Bitvise",
];
/// What the gateway calls a client of RDP begins like this, then comes the build that it says it is (MS-RDPBCGR 2.2.1.3.2).
pub const RDP: &str = "RDP client build ";
/// Builds that clients give on every system: rdesktop's and older FreeRDP's, and newer FreeRDP's.
const ANYWHERE: [u32; 2] = [2600, 18_363];

/// The system of a client by its identification: `SSH-2.0-...` (RFC 4253 section 4.2), or what the gateway calls a client of
/// RDP. `None` where nothing is sure. It is the client's own word: good for finding sessions, not for deciding anything.
pub fn of(client: &str) -> Option<&'static str> {
    match client.strip_prefix(RDP) {
        Some(rest) => rdp(rest),
        None => ssh(client.strip_prefix("SSH-2.0-")?),
    }
}

fn ssh(software: &str) -> Option<&'static str> {
    if WINDOWS_ONLY.iter().any(|name| software.contains(name)) {
        return Some("Windows");
    }
    let (_, comment) = software
        .strip_prefix("OpenSSH_")
        .and_then(|rest| rest.split_once(' '))?;
    let built = BUILT_FOR.iter().find(|(mark, _)| comment.starts_with(mark));
    built.map(|(_, system)| *system)
}

fn rdp(rest: &str) -> Option<&'static str> {
    let build: u32 = rest.split(' ').next()?.parse().ok()?;
    match build {
        build if ANYWHERE.contains(&build) => None,
        7600 | 7601 => Some("Windows 7"),
        9200 => Some("Windows 8"),
        9600 => Some("Windows 8.1"),
        10_240..20_000 => Some("Windows 10"),
        20_348 => Some("Windows Server 2022"),
        22_000..40_000 => Some("Windows 11"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_says_where_it_runs() {
        for (client, system) in [
            (
                "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3",
                Some("Linux/Debian"),
            ),
            (
                "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.5",
                Some("Linux/Ubuntu"),
            ),
            (
                "SSH-2.0-OpenSSH_9.2p1 Raspbian-2+deb12u3",
                Some("Linux/Raspbian"),
            ),
            ("SSH-2.0-OpenSSH_9.7 FreeBSD-20240806", Some("FreeBSD")),
            ("SSH-2.0-OpenSSH_for_Windows_9.5", Some("Windows")),
            ("SSH-2.0-WinSCP_release_6.3.5", Some("Windows")),
            ("SSH-2.0-TTSSH/3.1 Win32", Some("Windows")),
            (
                "SSH-2.0-9.31 FlowSsh: Bitvise SSH Client (Tunnelier) 9.31",
                Some("Windows"),
            ),
            ("SSH-2.0-OpenSSH_9.9", None),
            ("SSH-2.0-PuTTY_Release_0.81", None),
            ("SSH-2.0-libssh2_1.11.0 Debian-1", None),
            ("SSH-2.0-OpenSSH_9.9 not Debian-2", None),
            ("RDP client build 19041 on DESKTOP-7", Some("Windows 10")),
            (
                "RDP client build 20348 on JUMP",
                Some("Windows Server 2022"),
            ),
            ("RDP client build 26100 on DESKTOP-7", Some("Windows 11")),
            ("RDP client build 7601 on OLD", Some("Windows 7")),
            ("RDP client build 18363 on a-penguin", None),
            ("RDP client build 2600 on a-penguin", None),
            ("RDP client build 0 on browser", None),
            ("RDP client build 4000000000 on x", None),
            ("RDP client build many", None),
            ("", None),
        ] {
            assert_eq!(of(client), system, "{client}");
        }
    }
}
