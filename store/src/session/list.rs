//! Finding sessions: for people, within what they may see, and for nodes.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sallyport_domain::id::{NodeId, NounId, SessionId};
use sallyport_domain::role::Act;
use sallyport_domain::status::Status;
use sqlx::AssertSqlSafe;

use super::read::{COLUMNS, MEASURED, shown, stored};
use super::{SessionRow, SessionType, StoredSession};
use crate::error::StoreError;
use crate::listing::{Filter, Listing, RowStream, SortKey, order};
use crate::open::Store;
use crate::query::{ListQuery, Page};
use crate::sql::micros;
use crate::who::Viewer;

const SORT: &[SortKey] = &[
    SortKey {
        name: "requested_at",
        sql: "s.requested_at",
    },
    SortKey {
        name: "provisioned_at",
        sql: "s.provisioned_at",
    },
    SortKey {
        name: "connected_at",
        sql: "s.connected_at",
    },
    SortKey {
        name: "scheduled_end",
        sql: "s.scheduled_end",
    },
    SortKey {
        name: "disconnected_at",
        sql: "s.disconnected_at",
    },
    SortKey {
        name: "ended_at",
        sql: "s.ended_at",
    },
    SortKey {
        name: "last_access_at",
        sql: "s.last_access_at",
    },
    SortKey {
        name: "duration_s",
        sql: "(s.ended_at - COALESCE(s.connected_at, s.provisioned_at, s.requested_at))",
    },
    SortKey {
        name: "id",
        sql: "s.id",
    },
    SortKey {
        name: "type",
        sql: "s.kind",
    },
    SortKey {
        name: "status",
        sql: "s.status",
    },
    SortKey {
        name: "user",
        sql: "s.user_name",
    },
    SortKey {
        name: "first_name",
        sql: "s.first_name",
    },
    SortKey {
        name: "last_name",
        sql: "s.last_name",
    },
    SortKey {
        name: "email",
        sql: "s.email",
    },
    SortKey {
        name: "identity_provider",
        sql: "s.identity_provider",
    },
    SortKey {
        name: "login_account",
        sql: "s.login_account",
    },
    SortKey {
        name: "host",
        sql: "s.host",
    },
    SortKey {
        name: "target_address",
        sql: "s.target_address",
    },
    SortKey {
        name: "target_port",
        sql: "s.target_port",
    },
    SortKey {
        name: "source_ip",
        sql: "s.source_ip",
    },
    SortKey {
        name: "client",
        sql: "s.client",
    },
    SortKey {
        name: "activity",
        sql: "s.activity",
    },
    SortKey {
        name: "access_policy",
        sql: "s.access_policy",
    },
    SortKey {
        name: "connection_profile",
        sql: "s.connection_profile",
    },
    SortKey {
        name: "recording_mode",
        sql: "s.recording_mode",
    },
    SortKey {
        name: "close_reason",
        sql: "s.close_reason",
    },
    SortKey {
        name: "deadline_reason",
        sql: "s.deadline_reason",
    },
    SortKey {
        name: "notes",
        sql: "s.notes",
    },
    SortKey {
        name: "ticket",
        sql: "s.ticket",
    },
    SortKey {
        name: "scope",
        sql: "s.scope",
    },
    SortKey {
        name: "node_name",
        sql: "s.node_name",
    },
    SortKey {
        name: "gateway_group",
        sql: "s.gateway_group",
    },
    SortKey {
        name: "launch_point_id",
        sql: "s.launch_point_id",
    },
    SortKey {
        name: "launch_point_name",
        sql: "s.launch_point_name",
    },
    SortKey {
        name: "service_provider",
        sql: "s.host",
    },
    SortKey {
        name: "locked",
        sql: "s.lock_title",
    },
];

/// What people see of one.
static SHOWN: LazyLock<String> = LazyLock::new(|| format!("{COLUMNS}, {MEASURED}"));

/// Which sessions (`s`) the viewer may see: auditors and administrators those in their scope;
/// everybody their own and those made with accounts they own.
pub(super) fn visible(viewer: &Viewer) -> Filter {
    let mut filter = Filter::default();
    let name = filter.text(viewer.name.as_str());
    let id = filter.text(viewer.id.to_string());
    let mut any = format!(
        "(s.user_name = {name} OR s.account_id IN
            (SELECT noun_id FROM noun_link WHERE field = 'owners' AND target_id = {id})"
    );
    if viewer.may(Act::ReadSessions) {
        let within = filter.within("s.scope", &viewer.scope);
        any.push_str(&format!(" OR {within}"));
    }
    any.push(')');
    filter.and(any);
    filter
}

fn listing(viewer: &Viewer, query: &ListQuery) -> Result<Listing, StoreError> {
    let mut filter = visible(viewer);
    filter.one_of(
        "s.status",
        query.status.iter().map(|status| status.as_str()),
    );
    let in_class = |status: &Status| query.class.contains(&status.class());
    if !query.class.is_empty() {
        filter.one_of(
            "s.status",
            Status::ALL.into_iter().filter(in_class).map(Status::as_str),
        );
    }
    filter.equal("s.user_name", query.user.as_deref());
    filter.equal("s.activity", query.activity.as_deref());
    filter.equal("s.login_account", query.account.as_deref());
    filter.equal("s.kind", query.kind.as_deref());
    if let Some(host) = &query.host {
        let host = filter.text(host.to_lowercase());
        filter.and(format!("(lower(s.host) = {host} OR s.host_id = {host})"));
    }
    if let Some(group) = &query.group {
        let group = filter.text(group.as_str());
        filter.and(format!(
            "s.user_name IN (SELECT m.name FROM noun g JOIN noun_link l ON l.noun_id = g.id JOIN noun m ON m.id = l.target_id
                WHERE g.kind = 'group' AND g.key = {group} AND l.field = 'members')"
        ));
    }
    if let Some(open) = query.open {
        filter.and(format!("s.final = {}", i64::from(!open)));
    }
    // A session that was active at any time in the range is in it.
    if let Some(from) = query.from {
        let from = filter.int(micros(from));
        filter.and(format!("(s.ended_at IS NULL OR s.ended_at >= {from})"));
    }
    if let Some(to) = query.to {
        let to = filter.int(micros(to));
        filter.and(format!("s.requested_at <= {to}"));
    }
    filter.search(&["s.search", "s.search_live"], &query.q);
    let order = order(&query.sort, "-requested_at", SORT, "s.id")?;
    Ok(Listing {
        columns: &SHOWN,
        from: "session s",
        filter,
        order,
    })
}

impl Store {
    /// One session; `None` if there is none or the viewer may not see it.
    pub async fn session(
        &self,
        viewer: &Viewer,
        id: &str,
    ) -> Result<Option<SessionRow>, StoreError> {
        let mut filter = visible(viewer);
        filter.equal("s.id", Some(&id.to_lowercase()));
        let listing = Listing {
            columns: &SHOWN,
            from: "session s",
            filter,
            order: "s.id".to_owned(),
        };
        let page = self.page(listing, &ListQuery::default(), shown).await?;
        Ok(page.items.into_iter().next())
    }

    /// The sessions the viewer may see, newest first. Filters: all of [`ListQuery`] but those of other lists.
    ///
    /// # Errors
    /// [`StoreError::UnknownSort`].
    pub async fn list_sessions(
        &self,
        viewer: &Viewer,
        query: &ListQuery,
    ) -> Result<Page<SessionRow>, StoreError> {
        self.page(listing(viewer, query)?, query, shown).await
    }

    /// The same sessions, all of them.
    pub fn export_sessions(
        &self,
        viewer: &Viewer,
        query: &ListQuery,
    ) -> Result<RowStream<SessionRow>, StoreError> {
        self.export(listing(viewer, query)?, shown)
    }

    /// The newest session made through the API that `user` may enter on that host now by SSH, with that
    /// activity if one is given. Available ones come before those that are locked or not ready yet.
    pub async fn enterable_session(
        &self,
        user: &str,
        host: NounId,
        activity: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<StoredSession>, StoreError> {
        self.enterable("<>", user, host, activity, now).await
    }

    /// The same by RDP.
    pub async fn enterable_rdp_session(
        &self,
        user: &str,
        host: NounId,
        activity: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<StoredSession>, StoreError> {
        self.enterable("=", user, host, activity, now).await
    }

    /// `is_rdp` is `=` or `<>`: a session is entered by the protocol it was asked for.
    async fn enterable(
        &self,
        is_rdp: &'static str,
        user: &str,
        host: NounId,
        activity: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Option<StoredSession>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM session s
             WHERE s.final = 0 AND s.origin = 'api' AND s.user_name = $1 AND s.host_id = $2 AND s.kind {is_rdp} $5
                AND ($3 = '' OR s.activity = $3) AND (s.scheduled_end IS NULL OR s.scheduled_end > $4)
                AND s.status IN ('Provisioning', 'Available', 'Logged In', 'Suspended', 'Locked')
             ORDER BY CASE WHEN s.status IN ('Available', 'Logged In') THEN 0 ELSE 1 END, s.requested_at DESC LIMIT 1"
        );
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(user)
            .bind(host.to_string())
            .bind(activity.unwrap_or_default())
            .bind(micros(now))
            .bind(SessionType::PamRdp.as_str())
            .fetch_optional(&mut *self.ask().await?)
            .await?;
        row.as_ref().map(stored).transpose()
    }

    /// A session as its node needs it, whoever asks.
    pub async fn stored_session(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM session s WHERE s.id = $1");
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(id.to_string())
            .fetch_optional(&mut *self.ask().await?)
            .await?;
        row.as_ref().map(stored).transpose()
    }

    /// The sessions that have not ended: of one node, or of all and of none.
    pub async fn live_sessions(
        &self,
        node: Option<NodeId>,
    ) -> Result<Vec<StoredSession>, StoreError> {
        let (of_node, node) = match node {
            Some(node) => (" AND s.node_id = $1", node.to_string()),
            None => ("", String::new()),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM session s WHERE s.final = 0{of_node} ORDER BY s.requested_at"
        );
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = if of_node.is_empty() {
            query
        } else {
            query.bind(node)
        };
        query
            .fetch_all(&self.inner.reader)
            .await?
            .iter()
            .map(stored)
            .collect()
    }

    /// The sessions that have not ended and wait for a node to adopt them.
    pub async fn unowned_sessions(&self) -> Result<Vec<StoredSession>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM session s WHERE s.final = 0 AND s.node_id IS NULL ORDER BY s.requested_at"
        );
        sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut *self.ask().await?)
            .await?
            .iter()
            .map(stored)
            .collect()
    }
}
