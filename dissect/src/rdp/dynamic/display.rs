//! The client's monitors (MS-RDPEDISP).

use super::super::{ChannelFact, u32_le};

/// DISPLAYCONTROL_PDU_TYPE_MONITOR_LAYOUT, behind which the layout lies (2.2.2.2).
const MONITOR_LAYOUT: u32 = 2;
const HEADER: usize = 16;
/// DISPLAYCONTROL_MONITOR_LAYOUT (2.2.2.2.1): flags, left, top, width, height and more.
const MONITOR: usize = 40;
/// More monitors than any client has.
const MOST: u32 = 64;

/// What a message of the client tells; `None` if it tells no monitors, or cannot be read.
pub fn monitors(message: &[u8]) -> Option<ChannelFact> {
    if u32_le(message, 0)? != MONITOR_LAYOUT {
        return None;
    }
    let count = u32_le(message, 12).filter(|count| (1..=MOST).contains(count))?;
    let mut monitors = message.get(HEADER..)?.chunks_exact(MONITOR);
    let (mut left, mut top, mut right, mut bottom) = (i64::MAX, i64::MAX, i64::MIN, i64::MIN);
    for _ in 0..count {
        let monitor = monitors.next()?;
        let signed = |at| Some(i64::from(u32_le(monitor, at)?.cast_signed()));
        let (x, y) = (signed(4)?, signed(8)?);
        let (width, height) = (u32_le(monitor, 12)?, u32_le(monitor, 16)?);
        left = left.min(x);
        top = top.min(y);
        right = right.max(x + i64::from(width));
        bottom = bottom.max(y + i64::from(height));
    }
    Some(ChannelFact::Monitors {
        count,
        width: u32::try_from(right - left).ok()?,
        height: u32::try_from(bottom - top).ok()?,
    })
}
