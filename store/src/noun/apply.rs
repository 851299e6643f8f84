//! Applying a declaration: one transaction, all of it or nothing.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sallyport_domain::declared::{Declaration, NounKind};
use sallyport_domain::id::NounId;
use sallyport_domain::scope::ScopePath;
use serde_json::Value;

use super::item::{Item, items, key};
use super::proof::{self, Prepared};
use super::{Change, ChangeAction, Stored, find};
use crate::audit::{self, AuditObject, Deed};
use crate::error::{ApplyError, StoreError};
use crate::hint::Hint;
use crate::kept::Tx;
use crate::open::Store;
use crate::sql::{Lock, clean, lock, micros, new_id};
use crate::who::Author;

/// What one `apply` knows while it runs.
pub(super) struct Run<'a> {
    store: &'a Store,
    pub(super) by: &'a Author,
    now: DateTime<Utc>,
    /// Paths of the declared scopes.
    pub(super) scopes: Vec<String>,
    /// Ids of nouns looked up so far.
    pub(super) known: HashMap<(NounKind, String), NounId>,
}

/// A change with what its audit entry needs.
struct Done {
    change: Change,
    id: NounId,
    scope: ScopePath,
}

impl Store {
    /// Makes the nouns what the declaration says; those it does not mention stay as they are.
    ///
    /// One transaction: references are checked, every changed noun gets one audit entry, and any
    /// error leaves everything as it was. Applying the same twice changes nothing: a password or
    /// secret that is the stored one counts as unchanged. With `dry_run` nothing is kept.
    /// Secrets must have been resolved to their `value` before.
    ///
    /// # Errors
    /// [`ApplyError`], naming the noun, the field and what is allowed.
    pub async fn apply(
        &self,
        by: &Author,
        declaration: &Declaration,
        dry_run: bool,
        now: DateTime<Utc>,
    ) -> Result<Vec<Change>, ApplyError> {
        let items = items(declaration)?;
        // Hashing takes its time, so it is done before anybody has to wait for the transaction.
        let mut prepared = Vec::with_capacity(items.len());
        for item in &items {
            prepared.push(proof::prepare(self, item).await?);
        }
        let mut tx = self.begin().await?;
        lock(&mut tx, self.inner.dialect, Lock::Nouns).await?;
        let scopes = super::names(&mut tx, NounKind::Scope, &ScopePath::root()).await?;
        let mut run = Run {
            store: self,
            by,
            now,
            scopes,
            known: HashMap::new(),
        };
        let mut done = Vec::with_capacity(items.len());
        for (item, prepared) in items.iter().zip(&prepared) {
            done.push(run.item(&mut tx, item, prepared).await?);
        }
        let changed = done
            .iter()
            .any(|done| done.change.action != ChangeAction::Unchanged);
        if dry_run || !changed {
            tx.rollback().await?;
        } else {
            run.record(&mut tx, &done).await?;
            self.commit(tx, &[Hint::Policy]).await?;
        }
        Ok(done.into_iter().map(|done| done.change).collect())
    }
}

impl Run<'_> {
    async fn item(
        &mut self,
        tx: &mut Tx,
        item: &Item,
        prepared: &Prepared,
    ) -> Result<Done, ApplyError> {
        let existing = find(tx, item.kind, &key(item.kind, &item.name)).await?;
        self.check_names(tx, item, existing.as_ref()).await?;
        let links = self.links(tx, item).await?;
        let scope = self.scope(tx, item, &links).await?;
        let id = existing
            .as_ref()
            .map_or_else(new_id, |existing| existing.id);
        self.known.insert((item.kind, item.name.clone()), id);
        let doc = clean(&item.doc.to_string()).into_owned();
        let same_doc = existing
            .as_ref()
            .is_some_and(|old| old.scope == scope && (old.text == doc || old.doc == item.doc));
        let version = existing.as_ref().map_or(1, |old| old.version + 1);
        if existing.is_none() {
            self.insert(tx, item, id, &scope, &doc).await?;
        }
        let secrets = proof::store(tx, self.store, id, item, prepared, self.now).await?;
        let action = match (&existing, same_doc && secrets.is_empty()) {
            (None, _) => ChangeAction::Created,
            (Some(_), true) => ChangeAction::Unchanged,
            (Some(_), false) => ChangeAction::Changed,
        };
        if action != ChangeAction::Unchanged {
            for scope in existing.iter().map(|old| &old.scope).chain([&scope]) {
                self.reaches(item, scope)?;
            }
        }
        if action == ChangeAction::Changed {
            self.update(tx, item, id, &scope, &doc, version).await?;
        }
        if !same_doc {
            link(tx, id, &links).await?;
        }
        if item.kind == NounKind::Scope && existing.is_none() {
            self.scopes.push(item.name.clone());
        }
        let change = told(item, action, existing, &secrets);
        Ok(Done { change, id, scope })
    }

    async fn insert(
        &self,
        tx: &mut Tx,
        item: &Item,
        id: NounId,
        scope: &ScopePath,
        doc: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO noun (id, kind, name, key, alias, scope, doc, search, version, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9)",
        )
        .bind(id.to_string())
        .bind(item.kind.as_str())
        .bind(item.name.as_str())
        .bind(key(item.kind, &item.name))
        .bind(item.alias.as_deref())
        .bind(scope.as_str())
        .bind(doc)
        .bind(search_text(&item.name, scope, &item.doc))
        .bind(micros(self.now))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    async fn update(
        &self,
        tx: &mut Tx,
        item: &Item,
        id: NounId,
        scope: &ScopePath,
        doc: &str,
        version: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE noun SET alias = $2, scope = $3, doc = $4, search = $5, version = $6, updated_at = $7 WHERE id = $1",
        )
        .bind(id.to_string())
        .bind(item.alias.as_deref())
        .bind(scope.as_str())
        .bind(doc)
        .bind(search_text(&item.name, scope, &item.doc))
        .bind(version)
        .bind(micros(self.now))
        .execute(&mut **tx)
        .await?;
        if item.kind == NounKind::Host {
            // Accounts lie where their host does.
            sqlx::query(
                "UPDATE noun SET scope = $2 WHERE kind = 'account' AND id IN
                    (SELECT noun_id FROM noun_link WHERE field = 'host' AND target_id = $1)",
            )
            .bind(id.to_string())
            .bind(scope.as_str())
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }

    /// One audit entry a change; after everything else, see [`Lock`].
    async fn record(&self, tx: &mut Tx, done: &[Done]) -> Result<(), StoreError> {
        for Done { change, id, scope } in done {
            if change.action == ChangeAction::Unchanged {
                continue;
            }
            let kind = change.kind.as_str();
            let object = AuditObject {
                kind,
                name: &change.name,
                id: &id.to_string(),
                scope,
            };
            let action = format!("{kind}.{}", change.action.as_str());
            let deed = Deed {
                action: &action,
                object,
                before: &change.before,
                after: &change.after,
            };
            audit::record(tx, self.store, self.by, deed, self.now).await?;
        }
        Ok(())
    }
}

/// What is told of a change; of a secret only that it changed.
fn told(item: &Item, action: ChangeAction, existing: Option<Stored>, secrets: &[&str]) -> Change {
    let mut after = item.doc.clone();
    if let Value::Object(fields) = &mut after {
        let changed = |field: &&str| ((*field).to_owned(), Value::from("changed"));
        fields.extend(secrets.iter().map(changed));
    }
    Change {
        kind: item.kind,
        name: item.name.clone(),
        action,
        before: existing.map_or(Value::Null, |old| old.doc),
        after,
    }
}

async fn link(tx: &mut Tx, id: NounId, links: &[(&str, NounId)]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM noun_link WHERE noun_id = $1")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    for (field, target) in links {
        sqlx::query("INSERT INTO noun_link (noun_id, field, target_id) VALUES ($1, $2, $3)")
            .bind(id.to_string())
            .bind(*field)
            .bind(target.to_string())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// What a search looks in: the values, not the names of the fields.
fn search_text(name: &str, scope: &ScopePath, doc: &Value) -> String {
    fn leaves(value: &Value, text: &mut String) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => text.push_str(&format!("{number}\n")),
            Value::String(word) => text.push_str(&format!("{word}\n")),
            Value::Array(values) => values.iter().for_each(|value| leaves(value, text)),
            Value::Object(fields) => fields.values().for_each(|value| leaves(value, text)),
        }
    }
    let mut text = format!("{name}\n{scope}\n");
    leaves(doc, &mut text);
    clean(&text.to_lowercase()).into_owned()
}
