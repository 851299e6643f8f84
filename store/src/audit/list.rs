//! Reading the trail.

use sallyport_domain::role::Act;
use sqlx::any::AnyRow;

use super::AuditEntry;
use crate::error::StoreError;
use crate::listing::{Filter, Listing, RowStream, SortKey, order};
use crate::open::Store;
use crate::query::{ListQuery, Page};
use crate::sql::{Columns, micros};
use crate::who::Viewer;

pub(super) fn read(row: &AnyRow) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        seq: row.int("seq")?,
        at: row.time("at")?,
        user: row.text("user_name")?,
        first_name: row.text("first_name")?,
        last_name: row.text("last_name")?,
        email: row.text("email")?,
        identity_provider: row.text("identity_provider")?,
        ip: row.text("ip")?,
        session: row.text("session_id")?,
        action: row.text("action")?,
        object_kind: row.text("object_kind")?,
        object_name: row.text("object_name")?,
        object_id: row.text("object_id")?,
        scope: row.word("scope")?,
        before: row.json("before")?,
        after: row.json("after")?,
        previous: row.text("previous")?,
        hash: row.text("hash")?,
    })
}

pub(super) const COLUMNS: &str =
    "seq, at, user_name, first_name, last_name, email, identity_provider, ip, session_id, action,
    object_kind, object_name, object_id, scope, before, after, previous, hash";

const SORT: &[SortKey] = &[
    SortKey {
        name: "at",
        sql: "at",
    },
    SortKey {
        name: "seq",
        sql: "seq",
    },
    SortKey {
        name: "user",
        sql: "user_name",
    },
    SortKey {
        name: "first_name",
        sql: "first_name",
    },
    SortKey {
        name: "last_name",
        sql: "last_name",
    },
    SortKey {
        name: "email",
        sql: "email",
    },
    SortKey {
        name: "identity_provider",
        sql: "identity_provider",
    },
    SortKey {
        name: "ip",
        sql: "ip",
    },
    SortKey {
        name: "action",
        sql: "action",
    },
    SortKey {
        name: "object_kind",
        sql: "object_kind",
    },
    SortKey {
        name: "object_name",
        sql: "object_name",
    },
    SortKey {
        name: "scope",
        sql: "scope",
    },
];

impl Store {
    /// Entries about what lies in the viewer's scope, newest first; none for who is neither auditor nor administrator.
    ///
    /// # Errors
    /// [`StoreError::UnknownSort`].
    pub async fn list_audit(
        &self,
        viewer: &Viewer,
        query: &ListQuery,
    ) -> Result<Page<AuditEntry>, StoreError> {
        self.page(listing(viewer, query)?, query, read).await
    }

    /// The same entries, all of them.
    pub fn export_audit(
        &self,
        viewer: &Viewer,
        query: &ListQuery,
    ) -> Result<RowStream<AuditEntry>, StoreError> {
        self.export(listing(viewer, query)?, read)
    }
}

fn listing(viewer: &Viewer, query: &ListQuery) -> Result<Listing, StoreError> {
    let mut filter = Filter::default();
    if viewer.may(Act::ReadAudit) {
        let within = filter.within("scope", &viewer.scope);
        filter.and(within);
    } else {
        filter.nothing();
    }
    filter.equal("user_name", query.user.as_deref());
    if let Some(action) = &query.action {
        let same = filter.text(action.as_str());
        let kinds = filter.text(format!("{action}."));
        let length = action.chars().count() + 1;
        filter.and(format!(
            "(action = {same} OR substr(action, 1, {length}) = {kinds})"
        ));
    }
    if let Some(session) = &query.session {
        let session = filter.text(session.as_str());
        filter.and(format!("(object_id = {session} OR session_id = {session})"));
    }
    if let Some(from) = query.from {
        let from = filter.int(micros(from));
        filter.and(format!("at >= {from}"));
    }
    if let Some(to) = query.to {
        let to = filter.int(micros(to));
        filter.and(format!("at <= {to}"));
    }
    filter.search(&["search"], &query.q);
    Ok(Listing {
        columns: COLUMNS,
        from: "audit",
        filter,
        order: order(&query.sort, "-seq", SORT, "seq")?,
    })
}
