use std::fs;
use std::iter;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::SESSIONS;
use crate::harness::ACCOUNT;
use crate::harness::rdp::Certificate;
use crate::harness::target::ids;

/// Everything that is not configured by a case; the keymaps and the key of RDP's own security are
/// the package's, or those of the `newer` one's folder.
pub(super) fn make_folders(dir: &Path, newer: Option<&Path>) -> Certificate {
    // Places to mount over.
    fs::create_dir_all("/run/xrdp").unwrap();
    for folder in ["etc", "run/sockdir", "log", "home"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let sockets = dir.join("run/sockdir");
    fs::set_permissions(sockets, fs::Permissions::from_mode(0o3777)).unwrap();
    let (uid, gid) = ids(ACCOUNT);
    chown(dir.join("home"), Some(uid), Some(gid)).unwrap();
    let etc = dir.join("etc");
    let newer = newer.map(|newer| newer.join("etc/xrdp"));
    for folder in iter::once("/etc/xrdp".into()).chain(newer) {
        for entry in fs::read_dir::<PathBuf>(folder).unwrap().flatten() {
            let name = entry.file_name();
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && !name.to_string_lossy().ends_with(".sh") {
                fs::copy(entry.path(), etc.join(name)).unwrap();
            }
        }
    }
    fs::write(etc.join("reconnectwm.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(
        etc.join("reconnectwm.sh"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let pam = ["auth", "account", "session", "password"].map(|kind| {
        let module = if kind == "password" { "deny" } else { "unix" };
        format!("{kind} required pam_{module}.so\n")
    });
    fs::write(etc.join("pam"), pam.concat()).unwrap();
    Certificate::make(&etc, "xrdp.test")
}

/// `xrdp.ini`: what listens.
pub(super) fn xrdp_ini(port: u16, log: &Path) -> String {
    let log = log.display();
    format!(
        "[Globals]
ini_version=1
fork=true
port=tcp://127.0.0.1:{port}
tcp_nodelay=true
tcp_keepalive=true
security_layer=negotiate
crypt_level=high
certificate=/etc/xrdp/cert.pem
key_file=/etc/xrdp/key.pem
ssl_protocols=TLSv1.2, TLSv1.3
autorun=Xorg
allow_channels=true
allow_multimon=true
bitmap_cache=true
bitmap_compression=true
bulk_compression=true
max_bpp=32
new_cursors=true
use_fastpath=both
[Logging]
LogFile={log}/xrdp.log
LogLevel=INFO
EnableSyslog=false
[Channels]
rdpdr=true
rdpsnd=true
drdynvc=true
cliprdr=true
rail=true
xrdpvr=true
tcutils=true
[Xorg]
name=Xorg
lib=libxup.so
username=ask
password=ask
ip=127.0.0.1
port=-1
code=20
"
    )
}

/// `sesman.ini`: what starts sessions.
pub(super) fn sesman_ini(port: u16, first_number: u32, log: &Path) -> String {
    let last_number = first_number + SESSIONS;
    let log = log.display();
    format!(
        "[Globals]
ListenAddress=127.0.0.1
ListenPort={port}
EnableUserWindowManager=false
DefaultWindowManager=startwm.sh
ReconnectScript=reconnectwm.sh
[Security]
AllowRootLogin=false
MaxLoginRetry=4
AlwaysGroupCheck=false
RestrictOutboundClipboard=none
RestrictInboundClipboard=none
[Sessions]
X11DisplayOffset={first_number}
MaxDisplayNumber={last_number}
MaxSessions={SESSIONS}
KillDisconnected=false
DisconnectedTimeLimit=0
IdleTimeLimit=0
Policy=Default
[Logging]
LogFile={log}/sesman.log
LogLevel=INFO
EnableSyslog=false
[Xorg]
param=/usr/lib/xorg/Xorg
param=-config
param=xrdp/xorg.conf
param=-noreset
param=-nolisten
param=tcp
param=-logfile
param=.xorgxrdp.%s.log
[Chansrv]
FuseMountName=thinclient_drives
FileUmask=077
[ChansrvLogging]
LogLevel=INFO
EnableSyslog=false
[SessionVariables]
PULSE_SCRIPT=/etc/xrdp/pulse/default.pa
"
    )
}
