//! The access log: every log-in and every refusal.

use chrono::{DateTime, Utc};
use sallyport_domain::id::SessionId;
use sallyport_domain::role::Act;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::listing::{Filter, Listing, RowStream, SortKey, order};
use crate::open::Store;
use crate::query::{ListQuery, Page};
use crate::script::Statement;
use crate::session::{SessionType, kind};
use crate::sql::{Columns, clean, micros};
use crate::who::Viewer;

/// How a log-in went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginOutcome {
    /// Let in.
    Accepted,
    /// Not let in.
    Refused,
}

impl LoginOutcome {
    /// The text shown and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}

/// One attempt to get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// When.
    pub at: DateTime<Utc>,
    /// By which way.
    pub kind: SessionType,
    /// The name that was given; need not exist.
    pub user: String,
    /// From where.
    pub source_ip: String,
    /// `password`, `publickey`, `token`, `api-key`, `none`.
    pub method: String,
    /// How it went.
    pub outcome: LoginOutcome,
    /// A stable code of the refusal; empty if accepted.
    pub code: String,
    /// The full reason.
    pub text: String,
    /// What it was for: `console`, or the host that was asked for; empty if none was named.
    pub service_provider: String,
    /// The session it led to.
    pub session: Option<SessionId>,
}

/// An entry of the access log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRow {
    /// Its id; sorts by time.
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// By which way.
    #[serde(rename = "type")]
    pub kind: SessionType,
    /// The name that was given.
    pub user: String,
    /// From where.
    pub source_ip: String,
    /// How it was to be proven.
    pub method: String,
    /// How it went.
    pub outcome: LoginOutcome,
    /// A stable code of the refusal.
    pub code: String,
    /// The full reason.
    pub text: String,
    /// What it was for: `console`, or the host that was asked for; empty if none was named.
    pub service_provider: String,
    /// The session it led to.
    pub session: Option<SessionId>,
}

const COLUMNS: &str =
    "id, at, kind, user_name, source_ip, method, outcome, code, text, service_provider,
    session_id";

const SORT: &[SortKey] = &[
    SortKey {
        name: "at",
        sql: "at",
    },
    SortKey {
        name: "type",
        sql: "kind",
    },
    SortKey {
        name: "user",
        sql: "user_name",
    },
    SortKey {
        name: "source_ip",
        sql: "source_ip",
    },
    SortKey {
        name: "method",
        sql: "method",
    },
    SortKey {
        name: "outcome",
        sql: "outcome",
    },
    SortKey {
        name: "code",
        sql: "code",
    },
    SortKey {
        name: "service_provider",
        sql: "service_provider",
    },
];

impl Store {
    /// Writes an attempt to get in into the access log. It belongs to the scope of the user whose
    /// name was given; to the root if there is none of that name.
    pub async fn record_login(&self, login: &Login) -> Result<(), StoreError> {
        let mut batch = self.batch();
        batch.record_login(login);
        batch.commit().await
    }

    /// The access log, newest first: of the viewer's scope for auditors and administrators, else
    /// his own. Filters: `q`, `user`, `kind`, `accepted`, `session`, `from`, `to`.
    ///
    /// # Errors
    /// [`StoreError::UnknownSort`].
    pub async fn list_logins(
        &self,
        viewer: &Viewer,
        query: &ListQuery,
    ) -> Result<Page<LoginRow>, StoreError> {
        self.page(listing(viewer, query)?, query, read).await
    }

    /// The same entries, all of them.
    pub fn export_logins(
        &self,
        viewer: &Viewer,
        query: &ListQuery,
    ) -> Result<RowStream<LoginRow>, StoreError> {
        self.export(listing(viewer, query)?, read)
    }
}

fn listing(viewer: &Viewer, query: &ListQuery) -> Result<Listing, StoreError> {
    let mut filter = Filter::default();
    if viewer.may(Act::ReadAudit) {
        let within = filter.within("scope", &viewer.scope);
        filter.and(within);
    } else {
        filter.equal("user_name", Some(&viewer.name));
    }
    filter.equal("user_name", query.user.as_deref());
    filter.equal("kind", query.kind.as_deref());
    filter.equal("session_id", query.session.as_deref());
    if let Some(accepted) = query.accepted {
        let outcome = if accepted {
            LoginOutcome::Accepted
        } else {
            LoginOutcome::Refused
        };
        filter.equal("outcome", Some(outcome.as_str()));
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
        from: "login",
        filter,
        order: order(&query.sort, "-at", SORT, "id")?,
    })
}

fn read(row: &AnyRow) -> Result<LoginRow, StoreError> {
    Ok(LoginRow {
        id: row.text("id")?,
        at: row.time("at")?,
        kind: kind(row)?,
        user: row.text("user_name")?,
        source_ip: row.text("source_ip")?,
        method: row.text("method")?,
        outcome: row.word("outcome")?,
        code: row.text("code")?,
        text: row.text("text")?,
        service_provider: row.text("service_provider")?,
        session: row.parsed_or_null("session_id")?,
    })
}

impl Batch {
    /// As [`Store::record_login`].
    pub fn record_login(&mut self, login: &Login) {
        let user = clean(&login.user).into_owned();
        let search = [
            user.as_str(),
            login.kind.as_str(),
            &login.source_ip,
            &login.method,
            login.outcome.as_str(),
            &login.code,
            &login.text,
            &login.service_provider,
        ];
        let search = clean(&search.join("\n").to_lowercase()).into_owned();
        self.script().add(
            Statement::new(
                "INSERT INTO login (id, at, kind, user_name, scope, source_ip, method, outcome, code, text, session_id,
                    search, service_provider)
                 VALUES ($1, $2, $3, $4,
                    COALESCE((SELECT scope FROM noun WHERE kind IN ('user', 'application') AND key = $4 LIMIT 1), ''),
                    $5, $6, $7, $8, $9, $10, $11, $12)",
            )
            .bind(Uuid::now_v7().to_string())
            .bind(micros(login.at))
            .bind(login.kind.as_str())
            .bind(user)
            .bind(clean(&login.source_ip).into_owned())
            .bind(clean(&login.method).into_owned())
            .bind(login.outcome.as_str())
            .bind(clean(&login.code).into_owned())
            .bind(clean(&login.text).into_owned())
            .bind(login.session.map(|id| id.to_string()))
            .bind(search)
            .bind(clean(&login.service_provider).into_owned()),
        );
    }
}
