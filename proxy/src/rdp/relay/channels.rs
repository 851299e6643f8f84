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

/// May the target have that static channel at all? What passes in it is looked at again, so that one of the rights that it
/// serves is enough.
fn may_have(name: &str, permit: &Permit) -> bool {
    let has = |right| permit.right(right).is_ok();
    match name.to_ascii_lowercase().as_str() {
        CLIPBOARD => has(Right::ClipboardIn) || has(Right::ClipboardOut),
        DEVICES => has(Right::Drives) || has(Right::Printers) || has(Right::SmartCards),
        SOUND => has(Right::Audio),
        DYNAMIC => true,
        _ => false,
    }
}

/// Which of the client's static channels the target gets.
pub fn wanted(names: &[String], permit: &Permit) -> Vec<bool> {
    names.iter().map(|name| may_have(name, permit)).collect()
}

/// Is what passes in the channel a picture, or steers one? The rest is recorded as events.
pub fn is_picture(name: &str) -> bool {
    name.eq_ignore_ascii_case(DYNAMIC)
}
