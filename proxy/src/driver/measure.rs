//! What passes on the session's connections, once a second; the store hears of it now and then, and at the end.

use std::time::Instant;

use sallyport_domain::meters::Meters;
use sallyport_store::Passed;

use super::Driver;
use crate::connection::Connection;
use crate::ledger::Entry;
use crate::meter::{Counts, INTERVAL};

fn passed(counts: Counts, meters: Option<Meters>) -> Passed {
    Passed {
        bytes_in: counts.bytes_in,
        bytes_out: counts.bytes_out,
        meters,
    }
}

impl Driver {
    /// Looks at the meters if it is time. Called after every turn, as naps end early while there is mail.
    pub(super) fn measure(&mut self) {
        let now = Instant::now();
        if now.saturating_duration_since(self.measured) < INTERVAL {
            return;
        }
        self.measured = now;
        for (id, meter) in &mut self.meters {
            let Some(connection) = self.connections.get(id) else {
                continue;
            };
            meter.sample(now, connection.counts(), connection.readings());
            if let Some(meters) = meter.due(now) {
                let passed = Box::new(passed(meter.counts(), Some(meters)));
                self.ledger.add(Entry::ConnectionMeasured(*id, passed));
            }
        }
    }

    /// What there is to say of a connection that is over.
    pub(super) fn last_measured(&mut self, connection: &Connection) -> Passed {
        let (counts, readings) = (connection.counts(), connection.readings());
        let meter = self.meters.remove(&connection.id);
        let meters = meter.and_then(|meter| meter.end(Instant::now(), counts, readings));
        passed(counts, meters)
    }
}
