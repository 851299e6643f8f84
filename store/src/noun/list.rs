//! Listing the nouns.

use sallyport_domain::declared::NounKind;
use sallyport_domain::role::Act;
use sqlx::any::AnyRow;

use super::{NounRow, key};
use crate::error::StoreError;
use crate::listing::{Filter, Listing, SortKey, order};
use crate::open::Store;
use crate::query::{ListQuery, Page};
use crate::sql::Columns;
use crate::who::Viewer;

const COLUMNS: &str = "n.id AS id, n.kind AS kind, n.name AS name, n.scope AS scope, n.doc AS doc, n.locked AS locked,
    n.version AS version, n.created_at AS created_at, n.updated_at AS updated_at,
    (SELECT COUNT(*) FROM secret s WHERE s.owner_id = n.id)
        + (SELECT COUNT(*) FROM credential c WHERE c.noun_id = n.id) AS secrets";

const SORT: &[SortKey] = &[
    SortKey {
        name: "name",
        sql: "n.key",
    },
    SortKey {
        name: "scope",
        sql: "n.scope",
    },
    SortKey {
        name: "created_at",
        sql: "n.created_at",
    },
    SortKey {
        name: "updated_at",
        sql: "n.updated_at",
    },
    SortKey {
        name: "locked",
        sql: "n.locked",
    },
];

impl Store {
    /// The nouns of a kind that the viewer may see, by name. Filters: `q`.
    ///
    /// Auditors and administrators see those in their scope, and all activities and profiles,
    /// which are everybody's vocabulary; others see themselves.
    ///
    /// # Errors
    /// [`StoreError::UnknownSort`].
    pub async fn list_nouns(
        &self,
        viewer: &Viewer,
        kind: NounKind,
        query: &ListQuery,
    ) -> Result<Page<NounRow>, StoreError> {
        let mut filter = visible(viewer, kind);
        filter.search(&["n.search"], &query.q);
        self.page(listing(filter, &query.sort)?, query, read).await
    }

    /// One noun; `None` if there is none or the viewer may not see it.
    pub async fn noun(
        &self,
        viewer: &Viewer,
        kind: NounKind,
        name: &str,
    ) -> Result<Option<NounRow>, StoreError> {
        let mut filter = visible(viewer, kind);
        filter.equal("n.key", Some(&key(kind, name)));
        let page = self
            .page(listing(filter, "")?, &ListQuery::default(), read)
            .await?;
        Ok(page.items.into_iter().next())
    }
}

fn visible(viewer: &Viewer, kind: NounKind) -> Filter {
    let mut filter = Filter::default();
    filter.equal("n.kind", Some(kind.as_str()));
    if !viewer.may(Act::ReadNouns) {
        filter.equal("n.id", Some(&viewer.id.to_string()));
        return filter;
    }
    match kind {
        NounKind::Activity | NounKind::ConnectionProfile => {}
        NounKind::Scope
        | NounKind::User
        | NounKind::Group
        | NounKind::Application
        | NounKind::Host
        | NounKind::Account
        | NounKind::AccessPolicy => {
            let within = filter.within("n.scope", &viewer.scope);
            filter.and(within);
        }
    }
    filter
}

fn listing(filter: Filter, sort: &str) -> Result<Listing, StoreError> {
    Ok(Listing {
        columns: COLUMNS,
        from: "noun n",
        filter,
        order: order(sort, "name", SORT, "n.id")?,
    })
}

fn read(row: &AnyRow) -> Result<NounRow, StoreError> {
    Ok(NounRow {
        id: row.parsed("id")?,
        kind: row.word("kind")?,
        name: row.text("name")?,
        scope: row.word("scope")?,
        doc: row.json("doc")?,
        has_secret: row.int("secrets")? > 0,
        locked: row.flag("locked")?,
        version: row.int("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}
