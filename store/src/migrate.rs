//! Brings the schema up to date.

use sqlx::{AnyConnection, Connection};

use crate::error::StoreError;
use crate::open::Dialect;
use crate::sql::Columns;

/// A step of the schema: its number, and its SQL for SQLite and for PostgreSQL.
struct Step {
    version: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

/// Every step, in order. See `migrations/README.md`.
const STEPS: &[Step] = &[
    Step {
        version: 1,
        sqlite: include_str!("../../migrations/sqlite/0001_initial.sql"),
        postgres: include_str!("../../migrations/postgres/0001_initial.sql"),
    },
    Step {
        version: 2,
        sqlite: include_str!("../../migrations/sqlite/0002_where_from.sql"),
        postgres: include_str!("../../migrations/postgres/0002_where_from.sql"),
    },
    Step {
        version: 3,
        sqlite: include_str!("../../migrations/sqlite/0003_cheap_decisions.sql"),
        postgres: include_str!("../../migrations/postgres/0003_cheap_decisions.sql"),
    },
    Step {
        version: 4,
        sqlite: include_str!("../../migrations/sqlite/0004_rdp.sql"),
        postgres: include_str!("../../migrations/postgres/0004_rdp.sql"),
    },
    Step {
        version: 5,
        sqlite: include_str!("../../migrations/sqlite/0005_meters.sql"),
        postgres: include_str!("../../migrations/postgres/0005_meters.sql"),
    },
];

/// Applies the missing steps in one transaction. Of several nodes that start at once one does it, the others wait.
pub(crate) async fn migrate(
    connection: &mut AnyConnection,
    dialect: Dialect,
) -> Result<(), StoreError> {
    let mut tx = connection.begin_with(dialect.begin_write()).await?;
    if dialect == Dialect::Postgres {
        sqlx::query("SELECT pg_advisory_xact_lock(7310579612101)")
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)")
        .execute(&mut *tx)
        .await?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version")
        .fetch_one(&mut *tx)
        .await?;
    let found = row.int("version")?;
    let known = STEPS.last().map_or(0, |step| step.version);
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for step in STEPS.iter().filter(|step| step.version > found) {
        let sql = match dialect {
            Dialect::Sqlite => step.sqlite,
            Dialect::Postgres => step.postgres,
        };
        sqlx::raw_sql(sql).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
            .bind(step.version)
            .execute(&mut *tx)
            .await?;
        tracing::info!(version = step.version, "database schema updated");
    }
    Ok(tx.commit().await?)
}
