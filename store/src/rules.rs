//! What is allowed to whom, kept in memory for as long as the database says that it is the same.
//!
//! Every decision reads the version of the rules together with everything else it depends on, in one
//! statement; triggers draw another `rules_version` in the transaction that changes a rule. So a
//! change holds for the first decision after it, on every node, and thousands of rules are read once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sallyport_domain::declared::{AccessPolicy, Activity, ConnectionProfile};
use sallyport_domain::policy::Rules;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::kept::Tx;
use crate::sql::Columns;

/// The rules that were read last, and which version they are.
#[derive(Default)]
pub(crate) struct LastRules(Mutex<Option<(i64, Arc<Rules>)>>);

impl LastRules {
    fn last(&self) -> MutexGuard<'_, Option<(i64, Arc<Rules>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These rules, if they are the last ones.
    pub(crate) fn at(&self, version: i64) -> Option<Arc<Rules>> {
        let last = self.last();
        let (_, rules) = last.as_ref().filter(|(of, _)| *of == version)?;
        Some(rules.clone())
    }

    /// The rules that `tx` sees, which are of this version.
    pub(crate) async fn read(&self, tx: &mut Tx, version: i64) -> Result<Arc<Rules>, StoreError> {
        if let Some(rules) = self.at(version) {
            return Ok(rules);
        }
        let rules = Arc::new(all(tx).await?);
        *self.last() = Some((version, rules.clone()));
        Ok(rules)
    }
}

/// Every policy, activity and profile.
async fn all(tx: &mut Tx) -> Result<Rules, StoreError> {
    let rows = sqlx::query(
        "SELECT kind, name, doc FROM noun WHERE kind IN ('access-policy', 'activity', 'connection-profile')
         ORDER BY kind, name",
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut rules = Rules::default();
    for row in &rows {
        match row.text("kind")?.as_str() {
            "access-policy" => rules.policies.push(row.json::<AccessPolicy>("doc")?),
            "activity" => named::<Activity>(&mut rules.activities, row)?,
            _ => named::<ConnectionProfile>(&mut rules.profiles, row)?,
        }
    }
    Ok(rules)
}

fn named<T: DeserializeOwned>(
    into: &mut BTreeMap<String, T>,
    row: &AnyRow,
) -> Result<(), StoreError> {
    into.insert(row.text("name")?, row.json("doc")?);
    Ok(())
}
