//! Recordings: what tapes there are, and who may see them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sallyport_domain::id::{ConnectionId, NodeId};
use sallyport_domain::role::Act;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::list::visible;
use super::{NewRecording, RecordingRow, RecordingState};
use crate::batch::Batch;
use crate::error::StoreError;
use crate::listing::{Filter, Listing, SortKey, order};
use crate::open::Store;
use crate::query::{ListQuery, Page};
use crate::script::Statement;
use crate::sql::{Columns, micros};
use crate::who::Viewer;

const COLUMNS: &str = "r.connection_id AS connection_id, r.session_id AS session_id, s.user_name AS user_name,
    s.host AS host, s.login_account AS login_account, s.activity AS activity, r.path AS path, r.state AS state,
    r.bytes AS bytes, r.root AS root, r.started_at AS started_at, r.finished_at AS finished_at";
const FROM: &str = "recording r JOIN session s ON s.id = r.session_id";

/// Ids in one question.
const ASKED_AT_ONCE: usize = 500;

const SORT: &[SortKey] = &[
    SortKey {
        name: "started_at",
        sql: "r.started_at",
    },
    SortKey {
        name: "finished_at",
        sql: "r.finished_at",
    },
    SortKey {
        name: "user",
        sql: "s.user_name",
    },
    SortKey {
        name: "host",
        sql: "s.host",
    },
    SortKey {
        name: "login_account",
        sql: "s.login_account",
    },
    SortKey {
        name: "activity",
        sql: "s.activity",
    },
    SortKey {
        name: "state",
        sql: "r.state",
    },
    SortKey {
        name: "bytes",
        sql: "r.bytes",
    },
];

impl Store {
    /// A tape begins.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] for an unknown session, [`StoreError::Exists`] if it has one.
    pub async fn insert_recording(&self, new: &NewRecording) -> Result<(), StoreError> {
        let mut batch = self.batch();
        batch.insert_recording(new);
        batch.commit().await
    }

    /// A tape is finished.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn finish_recording(
        &self,
        connection: ConnectionId,
        bytes: u64,
        root: &str,
        state: RecordingState,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut batch = self.batch();
        batch.finish_recording(connection, bytes, root, state, at);
        batch.commit().await
    }

    /// The recordings the viewer may see, newest first: those of the sessions in his scope for
    /// auditors and administrators, none for others. Filters: `q`, `session`, `user`, `host`,
    /// `activity`, `from`, `to`.
    ///
    /// # Errors
    /// [`StoreError::UnknownSort`].
    pub async fn recordings(
        &self,
        viewer: &Viewer,
        query: &ListQuery,
    ) -> Result<Page<RecordingRow>, StoreError> {
        let mut filter = readable(viewer);
        filter.equal("r.session_id", query.session.as_deref());
        filter.equal("s.user_name", query.user.as_deref());
        filter.equal("s.host", query.host.as_deref());
        filter.equal("s.activity", query.activity.as_deref());
        if let Some(from) = query.from {
            let from = filter.int(micros(from));
            filter.and(format!(
                "(r.finished_at IS NULL OR r.finished_at >= {from})"
            ));
        }
        if let Some(to) = query.to {
            let to = filter.int(micros(to));
            filter.and(format!("r.started_at <= {to}"));
        }
        filter.search(&["s.search", "s.search_live", "r.connection_id"], &query.q);
        let order = order(&query.sort, "-started_at", SORT, "r.connection_id")?;
        self.page(
            Listing {
                columns: COLUMNS,
                from: FROM,
                filter,
                order,
            },
            query,
            read,
        )
        .await
    }

    /// The recording of a connection; `None` if there is none or the viewer may not see it.
    pub async fn recording(
        &self,
        viewer: &Viewer,
        connection: &str,
    ) -> Result<Option<RecordingRow>, StoreError> {
        let mut filter = readable(viewer);
        filter.equal("r.connection_id", Some(&connection.to_lowercase()));
        let listing = Listing {
            columns: COLUMNS,
            from: FROM,
            filter,
            order: "r.connection_id".to_owned(),
        };
        Ok(self
            .page(listing, &ListQuery::default(), read)
            .await?
            .items
            .into_iter()
            .next())
    }

    /// What the store has heard of these recordings.
    pub async fn recording_states(
        &self,
        ids: &[ConnectionId],
    ) -> Result<HashMap<ConnectionId, RecordingState>, StoreError> {
        let mut states = HashMap::new();
        for some in ids.chunks(ASKED_AT_ONCE) {
            let places: Vec<String> = (1..=some.len()).map(|n| format!("${n}")).collect();
            let places = places.join(", ");
            let sql = format!(
                "SELECT connection_id, state FROM recording WHERE connection_id IN ({places})"
            );
            let query = sqlx::query(AssertSqlSafe(sql));
            let query = some
                .iter()
                .fold(query, |query, id| query.bind(id.to_string()));
            for row in query.fetch_all(&self.inner.reader).await? {
                states.insert(row.parsed("connection_id")?, row.word("state")?);
            }
        }
        Ok(states)
    }

    /// The recordings of a node's sessions that nobody has finished: a crash left them behind.
    pub async fn unfinished_recordings(
        &self,
        node: NodeId,
    ) -> Result<Vec<RecordingRow>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM {FROM} WHERE r.state = 'recording' AND s.node_id = $1");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(node.to_string())
            .fetch_all(&self.inner.reader)
            .await?;
        rows.iter().map(read).collect()
    }
}

/// Replaying needs more than seeing the session.
fn readable(viewer: &Viewer) -> Filter {
    let mut filter = visible(viewer);
    if viewer.may(Act::ReadRecordings) {
        let within = filter.within("s.scope", &viewer.scope);
        filter.and(within);
    } else {
        filter.nothing();
    }
    filter
}

fn read(row: &AnyRow) -> Result<RecordingRow, StoreError> {
    let bytes = row.int_or_null("bytes")?.map(u64::try_from).transpose();
    Ok(RecordingRow {
        id: row.parsed("connection_id")?,
        session: row.parsed("session_id")?,
        user: row.text("user_name")?,
        host: row.text("host")?,
        login_account: row.text("login_account")?,
        activity: row.text("activity")?,
        path: row.text("path")?,
        state: row.word("state")?,
        bytes: bytes.map_err(|error| StoreError::damaged("bytes", error))?,
        root: row.text_or_null("root")?,
        started_at: row.time("started_at")?,
        finished_at: row.time_or_null("finished_at")?,
    })
}

impl Batch {
    /// As [`Store::insert_recording`].
    pub fn insert_recording(&mut self, new: &NewRecording) {
        self.script().add(
            Statement::new(
                "INSERT INTO recording (connection_id, session_id, path, state, started_at)
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(new.connection.to_string())
            .bind(new.session.to_string())
            .bind(new.path.as_str())
            .bind(RecordingState::Recording.as_str())
            .bind(micros(new.started_at)),
        );
    }

    /// As [`Store::finish_recording`].
    pub fn finish_recording(
        &mut self,
        connection: ConnectionId,
        bytes: u64,
        root: &str,
        state: RecordingState,
        at: DateTime<Utc>,
    ) {
        self.script().add(
            Statement::new(
                "UPDATE recording SET bytes = $2, root = $3, state = $4, finished_at = $5
                 WHERE connection_id = $1",
            )
            .bind(connection.to_string())
            .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
            .bind(root)
            .bind(state.as_str())
            .bind(micros(at))
            .demand("recording", connection.to_string()),
        );
    }
}
