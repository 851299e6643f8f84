//! What the list of everything a user may do depends on, for all hosts at one instant.

use std::collections::{HashMap, HashSet};

use sallyport_domain::policy::{Survey, SurveyedHost};
use serde::Deserialize;

use crate::error::StoreError;
use crate::facts;
use crate::kept::Tx;
use crate::open::Store;
use crate::sql::Columns;

/// As much of an account's document as is needed.
#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Store {
    /// Everything the list of what `user` may do depends on: a few queries, however many hosts there are.
    pub async fn policy_survey(&self, user: &str) -> Result<Survey, StoreError> {
        let mut tx = self.snapshot().await?;
        let known = facts::person(&mut tx, user).await?;
        let mut survey = Survey {
            base: known.snapshot,
            hosts: Vec::new(),
        };
        survey.base.rules = self.inner.rules.read(&mut tx, known.rules_version).await?;
        let barred = barred(&mut tx, &known.user_id).await?;
        let mut accounts = accounts(&mut tx).await?;
        let rows = sqlx::query("SELECT id, doc FROM noun WHERE kind = 'host'")
            .fetch_all(&mut *tx)
            .await?;
        for row in &rows {
            let id = row.text("id")?;
            survey.hosts.push(SurveyedHost {
                host: row.json("doc")?,
                barred: barred.contains(&id),
                accounts: accounts.remove(&id).unwrap_or_default(),
            });
        }
        tx.commit().await?;
        Ok(survey)
    }
}

/// The hosts an administrator barred the user from.
async fn barred(tx: &mut Tx, user: &str) -> Result<HashSet<String>, StoreError> {
    let rows = sqlx::query("SELECT host_id FROM host_bar WHERE user_id = $1")
        .bind(user)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| row.text("host_id")).collect()
}

/// By host: the names of its accounts, and whether the vault holds a secret for each.
async fn accounts(tx: &mut Tx) -> Result<HashMap<String, Vec<(String, bool)>>, StoreError> {
    let rows = sqlx::query(
        "SELECT l.target_id AS host_id, n.doc AS doc, (SELECT COUNT(*) FROM secret s WHERE s.owner_id = n.id) AS secrets
         FROM noun n JOIN noun_link l ON l.noun_id = n.id AND l.field = 'host' WHERE n.kind = 'account' ORDER BY n.name",
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut accounts: HashMap<String, Vec<(String, bool)>> = HashMap::new();
    for row in &rows {
        let account: Named = row.json("doc")?;
        let on = accounts.entry(row.text("host_id")?).or_default();
        on.push((account.name, row.int("secrets")? > 0));
    }
    Ok(accounts)
}
