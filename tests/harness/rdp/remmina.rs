use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::{run_with_input, tool};

/// What Remmina hides passwords with in its files: a key of 24 bytes for 3DES, and where it begins, of 8.
const SECRET: [u8; 32] = [b'k'; 32];
/// The same in base64, as its settings have it.
const SECRET_TEXT: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
/// For a small program, on a machine that is busy.
const ONE_CALL: Duration = Duration::from_secs(30);

/// Remmina's settings and one connection in this home folder: no questions, no news, and a window that shows the desktop
/// and nothing else. Answers the file of the connection.
pub(super) fn make_files(home: &Path, connection: &[(&str, String)], password: &str) -> PathBuf {
    let settings = home.join(".config/remmina");
    fs::create_dir_all(&settings).unwrap();
    let text = format!(
        "[remmina_pref]\nsecret={SECRET_TEXT}\nperiodic_usage_stats_permitted=false\n\
         periodic_news_permitted=false\ndisable_tray_icon=true\nhide_connection_toolbar=true\n\
         always_show_tab=false\nalways_show_notes=false\nfullscreen_toolbar_visibility=2\n"
    );
    fs::write(settings.join("remmina.pref"), text).unwrap();
    let lines = connection
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"));
    let password = hidden(password);
    let text = format!(
        "[remmina]\n{}password={password}\n",
        lines.collect::<String>()
    );
    let file = home.join("target.remmina");
    fs::write(&file, text).unwrap();
    file
}

/// A password as it stands in the file of a connection.
fn hidden(password: &str) -> String {
    let mut plain = password.as_bytes().to_vec();
    // At least one 0 ends it.
    plain.resize((plain.len() + 1).next_multiple_of(8), 0);
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let (key, start) = SECRET.split_at(24);
    let mut openssl = tool("openssl");
    openssl
        .args(["enc", "-des-ede3-cbc", "-nopad", "-a", "-A"])
        .args(["-K", &hex(key), "-iv", &hex(start)]);
    run_with_input(openssl, plain, ONE_CALL).ok().text()
}
