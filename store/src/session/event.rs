//! A session's log.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sallyport_domain::event::{Event, Level};
use sallyport_domain::id::SessionId;
use sqlx::any::AnyRow;

use super::EventRow;
use crate::error::StoreError;
use crate::listing::{Filter, Listing, RowStream, SortKey, order};
use crate::open::Store;
use crate::query::{ListQuery, Page};
use crate::script::{Script, Statement};
use crate::sql::{Columns, clean, json, micros};

/// Appends to the session's log. The session's row counts its lines, and is locked meanwhile, so
/// that two writers never give the same number.
pub(crate) fn append(
    script: &mut Script,
    id: SessionId,
    events: &[(DateTime<Utc>, Event)],
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    script.add(
        Statement::new("UPDATE session SET events = events + $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(i64::try_from(events.len()).unwrap_or(i64::MAX))
            .demand("session", id.to_string()),
    );
    write(script, id, events)
}

/// Writes events that the session's row counts already, as the last ones.
pub(super) fn write(
    script: &mut Script,
    id: SessionId,
    events: &[(DateTime<Utc>, Event)],
) -> Result<(), StoreError> {
    let mut left = i64::try_from(events.len()).unwrap_or(i64::MAX);
    for batch in events.chunks(BATCH) {
        let mut insert = Statement::new(INSERTS[batch.len()].as_str()).bind(id.to_string());
        for (at, event) in batch {
            left -= 1;
            insert = insert
                .bind(left)
                .bind(micros(*at))
                .bind(event.level().as_str())
                .bind(event.code())
                .bind(clean(&event.message()).into_owned())
                .bind(json(event)?);
        }
        script.add(insert);
    }
    Ok(())
}

/// Events in one statement: a session begins with a handful, file transfers make thousands a second.
const BATCH: usize = 32;
/// Values of an event, beside the session's id.
const WIDTH: usize = 6;
/// Statements that insert so many events.
static INSERTS: LazyLock<[String; BATCH + 1]> = LazyLock::new(|| std::array::from_fn(insert));

fn insert(rows: usize) -> String {
    let row = |row: usize| {
        let value = |n: usize| format!("${}", 1 + row * WIDTH + n);
        let line = format!("(SELECT events FROM session WHERE id = $1) - {}", value(1));
        let others: Vec<String> = (2..=WIDTH).map(value).collect();
        format!("($1, {line}, {})", others.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "INSERT INTO event (session_id, line, at, level, kind, message, detail) VALUES {}",
        rows.join(", ")
    )
}

const COLUMNS: &str = "line, at, level, kind, message, detail";

const SORT: &[SortKey] = &[
    SortKey {
        name: "line",
        sql: "line",
    },
    SortKey {
        name: "at",
        sql: "at",
    },
    SortKey {
        name: "level",
        sql: "level",
    },
    SortKey {
        name: "kind",
        sql: "kind",
    },
    SortKey {
        name: "message",
        sql: "message",
    },
];

impl Store {
    /// Appends to a session's log.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown session.
    pub async fn append_events(
        &self,
        id: SessionId,
        events: &[(DateTime<Utc>, Event)],
    ) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut script = Script::default();
        append(&mut script, id, events)?;
        self.run(script, &[]).await
    }

    /// A page of a session's log, by line. Filters: `q`, `level`, `kind`, `from`, `to`.
    /// Whether the viewer may see the session is asked with [`Store::session`].
    ///
    /// # Errors
    /// [`StoreError::UnknownSort`].
    pub async fn session_events(
        &self,
        id: SessionId,
        query: &ListQuery,
    ) -> Result<Page<EventRow>, StoreError> {
        self.page(listing(id, query)?, query, read).await
    }

    /// All of a session's log.
    pub fn export_events(
        &self,
        id: SessionId,
        query: &ListQuery,
    ) -> Result<RowStream<EventRow>, StoreError> {
        self.export(listing(id, query)?, read)
    }
}

fn listing(id: SessionId, query: &ListQuery) -> Result<Listing, StoreError> {
    let mut filter = Filter::default();
    filter.equal("session_id", Some(&id.to_string()));
    filter.equal("kind", query.kind.as_deref());
    if let Some(least) = query.level {
        let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
        filter.one_of(
            "level",
            levels
                .into_iter()
                .filter(|level| *level >= least)
                .map(Level::as_str),
        );
    }
    if let Some(from) = query.from {
        let from = filter.int(micros(from));
        filter.and(format!("at >= {from}"));
    }
    if let Some(to) = query.to {
        let to = filter.int(micros(to));
        filter.and(format!("at <= {to}"));
    }
    filter.search(&["lower(message)", "kind"], &query.q);
    Ok(Listing {
        columns: COLUMNS,
        from: "event",
        filter,
        order: order(&query.sort, "line", SORT, "line")?,
    })
}

fn read(row: &AnyRow) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        line: row.int("line")?,
        at: row.time("at")?,
        level: row.word("level")?,
        kind: row.text("kind")?,
        message: row.text("message")?,
        detail: row.json("detail")?,
    })
}
