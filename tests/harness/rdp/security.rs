/// What keeps a connection secret (MS-RDPBCGR 5.3 and 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// The best that both sides know.
    Any,
    /// TLS, and the log-in before anything is shown (CredSSP).
    Nla,
    /// TLS.
    Tls,
    /// RDP's own, with RC4.
    Rdp,
}
