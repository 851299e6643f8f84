//! How much one leg may make us hold: the receive windows of its channels, and what waits beside data.
//!
//! A new channel gets a window of one packet. It grows while it is used up and consumed, as a
//! transfer's does, as far as the leg's budget goes: a peer that fills a thousand channels that
//! nobody reads gets a packet for each of them, and no more. What a window has grown by is given back
//! when its channel is gone. So a connection holds at most, for each of its two legs,
//! [`GROWTH`] + channels × [`FIRST_WINDOW`] + [`BESIDE_DATA`] bytes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::algorithms::PACKET;

/// The receive window of a new channel, in bytes.
pub const FIRST_WINDOW: u32 = PACKET;
/// The largest one.
const LARGEST_WINDOW: u32 = 2 << 20;
/// How many times as large a window gets at once.
const FACTOR: u32 = 4;
/// By so many bytes all windows of a leg together may grow.
const GROWTH: usize = 16 << 20;
/// Of what the others leave one window gets this part at most: whoever comes later gets something as well.
const SHARE: usize = 8;
/// Bytes of requests and answers that may wait on all channels of a leg together.
const BESIDE_DATA: usize = 4 << 20;

/// What is used of a leg's budget.
#[derive(Debug, Default)]
pub struct Budget {
    growth: AtomicUsize,
    beside_data: AtomicUsize,
}

impl Budget {
    /// As much of `wish` bytes as a window may grow by that has grown by `grown` already.
    fn grow(&self, wish: u32, grown: u32) -> u32 {
        let mut granted = 0;
        let order = Ordering::Relaxed;
        let _ = self.growth.fetch_update(order, order, |used| {
            let share = (GROWTH - used + grown as usize) / SHARE;
            let share = u32::try_from(share).unwrap_or(u32::MAX);
            granted = wish.min(share.saturating_sub(grown));
            Some(used + granted as usize)
        });
        granted
    }

    /// So many bytes beside data come to wait. Is there room for them?
    pub fn take_in(&self, bytes: usize) -> bool {
        self.beside_data.fetch_add(bytes, Ordering::Relaxed) + bytes <= BESIDE_DATA
    }

    /// They wait no longer.
    pub fn let_go(&self, bytes: usize) {
        self.beside_data.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The receive window of one channel.
#[derive(Debug)]
pub struct Window {
    budget: Arc<Budget>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What the peer may send beyond what was consumed.
    size: u32,
    /// Consumed, and not announced yet.
    consumed: u32,
}

impl Window {
    /// A new channel's.
    pub fn new(budget: Arc<Budget>) -> Self {
        let state = State {
            size: FIRST_WINDOW,
            consumed: 0,
        };
        Self {
            budget,
            state: Mutex::new(state),
        }
    }

    /// So many bytes were consumed. By how many the window is to be opened now; 0 until it is worth
    /// a packet (RFC 4254 section 5.2).
    pub fn consumed(&self, bytes: usize) -> u32 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        state.consumed = state.consumed.saturating_add(bytes);
        if state.consumed < state.size / 2 {
            return 0;
        }
        let larger = state.size.saturating_mul(FACTOR).min(LARGEST_WINDOW);
        let grown = state.size - FIRST_WINDOW;
        let more = self.budget.grow(larger - state.size, grown);
        state.size += more;
        std::mem::take(&mut state.consumed).saturating_add(more)
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let grown = (state.size - FIRST_WINDOW) as usize;
        self.budget.growth.fetch_sub(grown, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes the peer may send, with everything consumed at once, until the window is at rest.
    fn opened(window: &Window) -> u32 {
        let mut open = FIRST_WINDOW;
        for _ in 0..8 {
            open = window.consumed(open as usize);
            assert!(open >= FIRST_WINDOW, "a window that was used up stays shut");
        }
        open
    }

    #[test]
    fn a_window_grows_while_it_is_used_and_gives_back_what_it_grew_by() {
        let budget = Arc::<Budget>::default();
        let window = Window::new(budget.clone());
        assert_eq!(window.consumed(1), 0, "a keystroke is not worth a packet");
        let rest = FIRST_WINDOW as usize - 1;
        assert_eq!(window.consumed(rest), FACTOR * FIRST_WINDOW);
        drop(window);
        let window = Window::new(budget.clone());
        assert_eq!(opened(&window), LARGEST_WINDOW);
        drop(window);
        assert_eq!(budget.growth.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_thousand_channels_stay_within_the_budget_and_each_has_a_window() {
        let budget = Arc::<Budget>::default();
        let windows: Vec<_> = (0..1000).map(|_| Window::new(budget.clone())).collect();
        let sizes: Vec<_> = windows.iter().map(opened).collect();
        let all: usize = sizes.iter().map(|size| *size as usize).sum();
        assert!(all <= GROWTH + 1000 * FIRST_WINDOW as usize, "{all}");
        assert_eq!(sizes[0], LARGEST_WINDOW);
        assert!(sizes[3] > LARGEST_WINDOW / 2, "{:?}", &sizes[..20]);
        assert!(sizes[19] > 4 * FIRST_WINDOW, "{:?}", &sizes[..20]);
        assert!(sizes.iter().all(|size| *size >= FIRST_WINDOW));
    }
}
