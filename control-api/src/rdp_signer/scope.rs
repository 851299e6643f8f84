//! What of a file is signed: the settings that rdpsign.exe signs, in its order.

use std::fmt::Write as _;

/// The settings that are signed if they are in a file, in the order and the spelling of rdpsign.exe. In files they
/// stand in small letters.
pub const SIGNED: [&str; 45] = [
    "Full Address",
    "Alternate Full Address",
    "PCB",
    "Use Redirection Server Name",
    "Server Port",
    "Negotiate Security Layer",
    "EnableCredSspSupport",
    "DisableConnectionSharing",
    "AutoReconnection Enabled",
    "GatewayHostname",
    "GatewayUsageMethod",
    "GatewayProfileUsageMethod",
    "GatewayCredentialsSource",
    "Support URL",
    "PromptCredentialOnce",
    "Require pre-authentication",
    "Pre-authentication server address",
    "Alternate Shell",
    "Shell Working Directory",
    "RemoteApplicationProgram",
    "RemoteApplicationExpandWorkingdir",
    "RemoteApplicationMode",
    "RemoteApplicationGuid",
    "RemoteApplicationName",
    "RemoteApplicationIcon",
    "RemoteApplicationFile",
    "RemoteApplicationFileExtensions",
    "RemoteApplicationCmdLine",
    "RemoteApplicationExpandCmdLine",
    "Prompt For Credentials",
    "Authentication Level",
    "AudioMode",
    "RedirectDrives",
    "RedirectPrinters",
    "RedirectCOMPorts",
    "RedirectSmartCards",
    "RedirectPOSDevices",
    "RedirectClipboard",
    "DevicesToRedirect",
    "DrivesToRedirect",
    "LoadBalanceInfo",
    "RedirectDirectX",
    "RDGIsKDCProxy",
    "KDCProxyName",
    "EventLogUploadAddress",
];

/// The lines of a file that are signed, each with the name that the scope has for it.
fn lines(text: &str) -> impl Iterator<Item = (&'static str, &str)> {
    let of = |name: &'static str| {
        let lines = text.split_terminator("\r\n");
        let is = move |line: &&str| {
            let own = line.split(':').next();
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        lines.filter(is).map(move |line| (name, line))
    };
    SIGNED.into_iter().flat_map(of)
}

/// The line that says what is signed, with its end.
pub fn line(text: &str) -> String {
    let names: Vec<&str> = lines(text).map(|(name, _)| name).collect();
    format!("signscope:s:{}\r\n", names.join(","))
}

/// The bytes that are signed: the lines, the scope's own and a NUL, in UTF-16LE without a byte order mark.
pub fn signed(text: &str, scope: &str) -> Vec<u8> {
    let mut signed = String::new();
    for (_, line) in lines(text) {
        let _ = write!(signed, "{line}\r\n");
    }
    signed.push_str(scope);
    signed.push('\0');
    signed.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
