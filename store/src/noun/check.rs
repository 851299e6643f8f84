//! What must hold before a noun is written: its names are free, what it names exists, and it lies
//! where its author may write.

use sallyport_domain::declared::NounKind;
use sallyport_domain::id::NounId;
use sallyport_domain::scope::ScopePath;

use super::apply::Run;
use super::item::{Item, key};
use super::{Stored, find};
use crate::error::ApplyError;
use crate::kept::Tx;
use crate::sql::Columns;

/// How many existing names a complaint about an unknown one lists.
const SHOWN: usize = 20;

impl Run<'_> {
    /// Where it belongs; that place must exist.
    pub(super) async fn scope(
        &self,
        tx: &mut Tx,
        item: &Item,
        links: &[(&str, NounId)],
    ) -> Result<ScopePath, ApplyError> {
        let Some(scope) = &item.scope else {
            let host = links
                .iter()
                .find(|(field, _)| *field == "host")
                .map(|(_, id)| id.to_string());
            let row = sqlx::query("SELECT scope FROM noun WHERE id = $1")
                .bind(host)
                .fetch_one(&mut **tx)
                .await?;
            return Ok(row.word("scope")?);
        };
        let above = |known: &String| {
            ScopePath::try_from(known.clone()).is_ok_and(|known| scope.contains(&known))
        };
        if item.kind == NounKind::Scope
            || *scope == ScopePath::root()
            || self.scopes.iter().any(above)
        {
            return Ok(scope.clone());
        }
        Err(unknown(
            item,
            "scope",
            NounKind::Scope,
            scope.as_str(),
            super::names(tx, NounKind::Scope, &self.by.reach).await?,
        ))
    }

    pub(super) fn reaches(&self, item: &Item, scope: &ScopePath) -> Result<(), ApplyError> {
        if self.by.reach.contains(scope) {
            return Ok(());
        }
        Err(ApplyError::OutOfReach {
            kind: item.kind.as_str(),
            name: item.name.clone(),
            scope: scope.to_string(),
            reach: self.by.reach.to_string(),
        })
    }

    /// Names that must not mean two things: users and applications ask for sessions under their
    /// names, hosts answer to their name and their friendly name.
    pub(super) async fn check_names(
        &self,
        tx: &mut Tx,
        item: &Item,
        existing: Option<&Stored>,
    ) -> Result<(), ApplyError> {
        if let Some(existing) = existing.filter(|existing| existing.name != item.name) {
            let by = format!("{} {}", item.kind.as_str(), existing.name);
            return Err(taken(item, &item.name, by));
        }
        let other = match item.kind {
            NounKind::User => Some(NounKind::Application),
            NounKind::Application => Some(NounKind::User),
            NounKind::Host => return self.check_host_names(tx, item).await,
            NounKind::Scope
            | NounKind::Group
            | NounKind::Account
            | NounKind::Activity
            | NounKind::ConnectionProfile
            | NounKind::AccessPolicy => None,
        };
        if let Some(other) = other
            && find(tx, other, &item.name).await?.is_some()
        {
            return Err(taken(
                item,
                &item.name,
                format!("{} {}", other.as_str(), item.name),
            ));
        }
        Ok(())
    }

    async fn check_host_names(&self, tx: &mut Tx, item: &Item) -> Result<(), ApplyError> {
        let own = key(NounKind::Host, &item.name);
        let rows = sqlx::query(
            "SELECT name, key FROM noun WHERE kind = 'host' AND key <> $1 AND (key = $2 OR alias = $2 OR alias = $1)",
        )
        .bind(own.as_str())
        .bind(item.alias.as_deref().unwrap_or(own.as_str()))
        .fetch_all(&mut **tx)
        .await?;
        match rows.first() {
            None => Ok(()),
            Some(row) => {
                let both = format!(
                    "{} / {}",
                    item.name,
                    item.alias.as_deref().unwrap_or_default()
                );
                Err(taken(
                    item,
                    both.trim_end_matches(" / "),
                    format!("host {}", row.text("name")?),
                ))
            }
        }
    }

    /// The ids of everything it names.
    pub(super) async fn links(
        &mut self,
        tx: &mut Tx,
        item: &Item,
    ) -> Result<Vec<(&'static str, NounId)>, ApplyError> {
        let mut links = Vec::with_capacity(item.names.len());
        for (field, kind, name) in &item.names {
            let place = (*kind, name.clone());
            let id = match self.known.get(&place) {
                Some(id) => *id,
                None => match find(tx, *kind, &key(*kind, name)).await? {
                    Some(found) if found.name == *name => {
                        self.known.insert(place, found.id);
                        found.id
                    }
                    Some(_) | None => {
                        return Err(unknown(
                            item,
                            field,
                            *kind,
                            name,
                            super::names(tx, *kind, &self.by.reach).await?,
                        ));
                    }
                },
            };
            links.push((*field, id));
        }
        Ok(links)
    }
}

fn taken(item: &Item, taken: &str, by: String) -> ApplyError {
    ApplyError::NameTaken {
        kind: item.kind.as_str(),
        name: item.name.clone(),
        taken: taken.to_owned(),
        by,
    }
}

fn unknown(
    item: &Item,
    field: &'static str,
    wanted: NounKind,
    value: &str,
    mut names: Vec<String>,
) -> ApplyError {
    let more = names.len() > SHOWN;
    names.truncate(SHOWN);
    let allowed = match (names.is_empty(), more) {
        (true, _) => "none is declared yet".to_owned(),
        (false, false) => names.join(", "),
        (false, true) => format!("{}, …", names.join(", ")),
    };
    let (kind, name, wanted) = (item.kind.as_str(), item.name.clone(), wanted.as_str());
    ApplyError::UnknownReference {
        kind,
        name,
        field,
        wanted,
        value: value.to_owned(),
        allowed,
    }
}
