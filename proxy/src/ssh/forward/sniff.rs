//! Which protocol is inside a forward? Its first bytes tell, in the case of those that matter.

/// A protocol known by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Secure Shell: a session past the recording.
    Ssh,
    /// Remote Desktop: likewise.
    Rdp,
    /// Remote framebuffer: likewise.
    Vnc,
    /// TLS: anything may be inside.
    Tls,
}

impl Protocol {
    /// The name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "SSH",
            Self::Rdp => "RDP",
            Self::Vnc => "VNC",
            Self::Tls => "TLS",
        }
    }

    /// Is it a session of its own, which the recording does not show?
    pub fn is_session(self) -> bool {
        match self {
            Self::Ssh | Self::Rdp | Self::Vnc => true,
            Self::Tls => false,
        }
    }
}

/// Bytes that are looked at.
const HEAD: usize = 8;

/// Looks at the beginning of one direction.
#[derive(Debug, Default)]
pub struct Sniffer {
    head: Vec<u8>,
    done: bool,
}

impl Sniffer {
    /// More bytes; answers once, when they tell.
    pub fn look(&mut self, data: &[u8]) -> Option<Protocol> {
        if self.done {
            return None;
        }
        let missing = HEAD.saturating_sub(self.head.len());
        self.head.extend(data.iter().take(missing));
        let found = protocol(&self.head);
        self.done = found.is_some() || self.head.len() >= HEAD;
        found
    }
}

fn protocol(head: &[u8]) -> Option<Protocol> {
    match head {
        [b'S', b'S', b'H', b'-', ..] => Some(Protocol::Ssh),
        [b'R', b'F', b'B', b' ', ..] => Some(Protocol::Vnc),
        // A handshake record of TLS 1.0 to 1.3 (RFC 8446 section 5.1).
        [22, 3, 0..=4, ..] => Some(Protocol::Tls),
        // TPKT around an X.224 connection request or confirm ([MS-RDPBCGR] 2.2.1.1).
        [3, 0, _, _, _, 0xe0 | 0xd0, ..] => Some(Protocol::Rdp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell() {
        let cases: [(&[u8], Option<Protocol>); 7] = [
            (b"SSH-2.0-x\r\n", Some(Protocol::Ssh)),
            (b"RFB 003.008\n", Some(Protocol::Vnc)),
            (b"\x16\x03\x01\x02\x00\x01", Some(Protocol::Tls)),
            (b"\x03\x00\x00\x13\x0e\xe0\x00\x00", Some(Protocol::Rdp)),
            (b"GET / HTTP/1.1", None),
            (b"SS", None),
            (b"", None),
        ];
        for (bytes, found) in cases {
            assert_eq!(Sniffer::default().look(bytes), found, "{bytes:?}");
            let mut slow = Sniffer::default();
            let told: Vec<_> = bytes.chunks(1).filter_map(|byte| slow.look(byte)).collect();
            assert_eq!(told, Vec::from_iter(found), "{bytes:?} byte by byte");
        }
    }

    #[test]
    fn only_the_beginning_counts() {
        let mut sniffer = Sniffer::default();
        assert_eq!(sniffer.look(b"somebody"), None);
        assert_eq!(sniffer.look(b"SSH-2.0-x"), None);
    }
}
