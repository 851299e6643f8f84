//! "Read the table again": what wakes those who wait for a change.
//!
//! A hint is never the news itself. Inside one process it is a bounded broadcast; between nodes on
//! one PostgreSQL it travels by NOTIFY. Who misses one finds the change at his next look.

use std::time::Duration;

use sallyport_domain::id::CommandId;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;

use crate::error::StoreError;
use crate::kept::Tx;
use crate::open::{Dialect, Store};

/// Which table to read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// There are new commands.
    Commands,
    /// This command was answered.
    CommandAnswered(CommandId),
    /// A session changed.
    Sessions,
    /// A session was made that waits for a node.
    Unowned,
    /// Nouns, locks or bars changed.
    Policy,
}

/// Hints a receiver may lag behind before it has to read everything.
pub(crate) const KEPT: usize = 1024;

const CHANNEL: &str = "sallyport_hint";

/// After a lost connection: how long until the next attempt, first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl Hint {
    fn to_payload(self, sender: &str) -> String {
        match self {
            Self::Commands => format!("{sender} commands"),
            Self::CommandAnswered(id) => format!("{sender} answered {id}"),
            Self::Sessions => format!("{sender} sessions"),
            Self::Unowned => format!("{sender} unowned"),
            Self::Policy => format!("{sender} policy"),
        }
    }

    /// What somebody else said; `None` for our own words and for what we do not know.
    fn from_payload(payload: &str, own: &str) -> Option<Self> {
        let mut words = payload.split(' ');
        if words.next()? == own {
            return None;
        }
        match (words.next()?, words.next()) {
            ("commands", None) => Some(Self::Commands),
            ("answered", Some(id)) => id.parse().ok().map(Self::CommandAnswered),
            ("sessions", None) => Some(Self::Sessions),
            ("unowned", None) => Some(Self::Unowned),
            ("policy", None) => Some(Self::Policy),
            _ => None,
        }
    }
}

impl Store {
    /// Commits, then tells everybody.
    pub(crate) async fn commit(&self, mut tx: Tx, hints: &[Hint]) -> Result<(), StoreError> {
        if self.inner.dialect == Dialect::Postgres {
            for hint in hints {
                // Inside the transaction: PostgreSQL sends it at the commit, or never.
                sqlx::query("SELECT pg_notify($1, $2)")
                    .bind(CHANNEL)
                    .bind(hint.to_payload(&self.inner.name))
                    .execute(&mut *tx)
                    .await?;
            }
        }
        tx.commit().await?;
        self.tell(hints);
        Ok(())
    }

    /// Tells everybody in this process.
    pub(crate) fn tell(&self, hints: &[Hint]) {
        for hint in hints {
            // Nobody listening is no fault.
            let _ = self.inner.hints.send(*hint);
        }
    }
}

/// Passes on what other nodes say, for ever.
pub(crate) async fn listen(url: String, own: String, hints: broadcast::Sender<Hint>) {
    let mut wait = BACKOFF.0;
    loop {
        match follow(&url, &own, &hints, &mut wait).await {
            Ok(()) => {
                tracing::warn!("lost the connection that listens for changes; connecting again")
            }
            Err(error) => {
                tracing::warn!(%error, "cannot listen for changes on other nodes; trying again")
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

/// Listens until the connection is lost.
async fn follow(
    url: &str,
    own: &str,
    hints: &broadcast::Sender<Hint>,
    wait: &mut Duration,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    *wait = BACKOFF.0;
    // Whatever was said while we did not listen is lost: everybody reads everything once.
    for hint in [Hint::Commands, Hint::Sessions, Hint::Unowned, Hint::Policy] {
        let _ = hints.send(hint);
    }
    while let Some(notification) = listener.try_recv().await? {
        if let Some(hint) = Hint::from_payload(notification.payload(), own) {
            let _ = hints.send(hint);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_survive_the_wire_and_one_s_own_are_ignored() {
        let id: CommandId = crate::sql::new_id();
        for hint in [
            Hint::Commands,
            Hint::CommandAnswered(id),
            Hint::Sessions,
            Hint::Unowned,
            Hint::Policy,
        ] {
            let payload = hint.to_payload("node-a");
            assert_eq!(Hint::from_payload(&payload, "node-b"), Some(hint));
            assert_eq!(Hint::from_payload(&payload, "node-a"), None);
        }
        for odd in [
            "",
            "x",
            "x unknown",
            "x answered",
            "x answered nothing",
            "x commands too many",
        ] {
            assert_eq!(Hint::from_payload(odd, "me"), None, "{odd}");
        }
    }
}
