//! Several writes of the data plane in one transaction: one flush of the disk for all of them.

use crate::error::StoreError;
use crate::hint::Hint;
use crate::kept::Tx;
use crate::open::Store;

/// Writes that become visible together, or not at all. Dropping it undoes them.
///
/// What answers a command comes last: it takes its turn at the audit trail's end, and keeps it.
pub struct Batch {
    pub(crate) store: Store,
    pub(crate) tx: Tx,
    pub(crate) hints: Vec<Hint>,
}

impl Store {
    /// Begins one.
    pub async fn batch(&self) -> Result<Batch, StoreError> {
        Ok(Batch {
            tx: self.begin().await?,
            store: self.clone(),
            hints: Vec::new(),
        })
    }
}

impl Batch {
    /// Makes it so, then tells everybody.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.hints.dedup();
        self.store.commit(self.tx, &self.hints).await
    }
}
