//! Several writes of the data plane in one transaction: one flush of the disk for all of them.

use chrono::{DateTime, Utc};
use sallyport_domain::command::Outcome;
use sallyport_domain::id::CommandId;

use crate::command;
use crate::error::StoreError;
use crate::hint::Hint;
use crate::open::Store;
use crate::script::Script;

/// Writes that become visible together, or not at all. Nothing happens before [`Batch::commit`].
pub struct Batch {
    store: Store,
    script: Script,
    answers: Vec<(CommandId, Outcome, DateTime<Utc>)>,
    hints: Vec<Hint>,
}

impl Store {
    /// An empty one.
    pub fn batch(&self) -> Batch {
        Batch {
            store: self.clone(),
            script: Script::default(),
            answers: Vec::new(),
            hints: Vec::new(),
        }
    }
}

impl Batch {
    /// What it does.
    pub(crate) fn script(&mut self) -> &mut Script {
        &mut self.script
    }

    pub(crate) fn hint(&mut self, hint: Hint) {
        if self.hints.last() != Some(&hint) {
            self.hints.push(hint);
        }
    }

    /// As [`Store::answer_command`]. Whatever the order, answers are written last: they take their turn
    /// at the audit trail's end, and keep it.
    pub fn answer_command(&mut self, id: CommandId, outcome: Outcome, effective_at: DateTime<Utc>) {
        self.answers.push((id, outcome, effective_at));
    }

    /// Makes it so, then tells everybody.
    ///
    /// # Errors
    /// Those of the writes in it.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        if self.answers.is_empty() {
            return self.store.run(self.script, &self.hints).await;
        }
        let mut tx = self.store.begin_with(self.script).await?;
        for (id, outcome, at) in &self.answers {
            if command::answer(&mut tx, &self.store, *id, outcome, *at).await? {
                self.hints.push(Hint::CommandAnswered(*id));
            }
        }
        self.store.commit(tx, &self.hints).await
    }
}
