//! What idle desktops cost.

use std::thread;
use std::time::Duration;

use sallyport_tests::harness::RdpClient;

use super::threads::memory;
use super::{Desktops, PATIENCE, Place};
use crate::rows::Row;
use crate::table::OURS;

/// Those who come before anything is counted: what the first ones cost once is not what each of them costs.
const FIRST: usize = 4;
/// Clients that log in at a time.
const AT_ONCE: usize = 4;
/// Until all that was drawn at the beginning is on the tracks.
const SETTLE: Duration = Duration::from_secs(5);

impl Desktops {
    /// Clients of the shadow server: all see the same desktop, which stands still.
    pub(super) fn memory(&mut self) {
        let mut clients = Vec::new();
        self.come(&mut clients, FIRST);
        let before = memory(self.gateway.pid());
        self.come(&mut clients, self.plan.idle);
        let after = memory(self.gateway.pid());
        assert!(clients.iter_mut().all(RdpClient::alive), "some have left");
        let each = (after - before) / 1024.0 / self.plan.idle as f64;
        self.table.add(Row::IdleDesktop, OURS, each);
    }

    /// So many more, each at a desktop that is shown.
    fn come(&self, clients: &mut Vec<RdpClient>, count: usize) {
        let all = clients.len() + count;
        while clients.len() < all {
            let few = AT_ONCE.min(all - clients.len());
            let start = |_| self.client(Place::Shadow, OURS).start();
            let mut these: Vec<_> = (0..few).map(start).collect();
            for client in &mut these {
                client.wait_desktop(PATIENCE);
            }
            clients.append(&mut these);
        }
        thread::sleep(SETTLE);
    }
}
