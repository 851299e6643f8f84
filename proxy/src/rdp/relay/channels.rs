//! Which channels pass: what the permit's rights allow, and nothing that has no right.

use sallyport_domain::permit::Permit;
use sallyport_domain::right::Right;

/// The static channel that carries the dynamic ones.
pub const DYNAMIC: &str = "drdynvc";
/// Clipboard (MS-RDPECLIP).
pub const CLIPBOARD: &str = "cliprdr";
/// Drives, printers, smart cards (MS-RDPEFS).
pub const DEVICES: &str = "rdpdr";
/// Sound to the client (MS-RDPEA).
const SOUND: &str = "rdpsnd";

/// The rights that a static channel takes, all of them: one cannot be told from the other yet. `None`: nobody may have it.
fn rights(name: &str) -> Option<&'static [Right]> {
    match name.to_ascii_lowercase().as_str() {
        CLIPBOARD => Some(&[Right::ClipboardIn, Right::ClipboardOut]),
        DEVICES => Some(&[Right::Drives, Right::Printers]),
        SOUND => Some(&[Right::Audio]),
        DYNAMIC => Some(&[]),
        _ => None,
    }
}

/// Which of the client's static channels the target gets.
pub fn wanted(names: &[String], permit: &Permit) -> Vec<bool> {
    let allowed = |name: &String| match rights(name) {
        Some([]) => true,
        Some(rights) => rights.iter().all(|right| permit.right(*right).is_ok()),
        None => false,
    };
    names.iter().map(allowed).collect()
}

/// May the target open a dynamic channel of that name? What brings input or pixels past the recorder may not.
pub fn may_open(name: &str, permit: &Permit) -> bool {
    match name {
        "Microsoft::Windows::RDS::DisplayControl" | "ECHO" => true,
        "AUDIO_PLAYBACK_DVC" | "AUDIO_PLAYBACK_LOSSY_DVC" => permit.right(Right::Audio).is_ok(),
        _ => false,
    }
}

/// Is what passes in the channel a picture, or steers one? The rest is recorded as events.
pub fn is_picture(name: &str) -> bool {
    name.eq_ignore_ascii_case(DYNAMIC)
}
