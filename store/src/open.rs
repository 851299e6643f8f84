//! The store itself: opening, closing, asking whether it answers.

use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, Connection, Executor};
use tokio::sync::{Semaphore, broadcast};
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::error::StoreError;
use crate::hint::{self, Hint};
use crate::kept::{Asking, Kept, Tx};
use crate::migrate;
use crate::password::Passwords;
use crate::rules::LastRules;
use crate::vault::{VaultError, VaultKey};

/// The store. Clones share one set of connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) dialect: Dialect,
    /// For SQLite, whose writers wait for each other here, in order, and never meet `SQLITE_BUSY`.
    kept: Option<KeptConnections>,
    pub(crate) reader: AnyPool,
    pub(crate) vault: VaultKey,
    pub(crate) passwords: Passwords,
    pub(crate) hints: broadcast::Sender<Hint>,
    pub(crate) rules: LastRules,
    /// Turns of exports.
    pub(crate) exports: Semaphore,
    /// Tells our own notifications from those of others.
    pub(crate) name: String,
    listener: Option<AbortHandle>,
}

/// The connections to SQLite that the pool does not have.
struct KeptConnections {
    writer: Kept,
    asker: Kept,
}

/// Which database it is. The few differences hang on this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Begins a transaction that will write. On SQLite the lock is taken at once: taking it later
    /// may fail when another process wrote in between.
    pub(crate) fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// Begins a transaction that sees one instant of the database.
    fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN DEFERRED",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// Every commit reaches the disk before it is answered; readers never wait for the writer.
const SQLITE_WRITER: &str =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
    PRAGMA busy_timeout = 5000; PRAGMA recursive_triggers = ON; PRAGMA secure_delete = ON;
    PRAGMA journal_size_limit = 67108864";
const SQLITE_READER: &str =
    "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000; PRAGMA query_only = ON";

const SQLITE_READERS: u32 = 6;
const EXPORTS: usize = 2;
const POSTGRES_CONNECTIONS: u32 = 10;
const ACQUIRE: Duration = Duration::from_secs(10);

impl Store {
    /// Connects to `url` (`sqlite:///path?mode=rwc` or `postgres://…`) and brings the schema up to date.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`], [`StoreError::SchemaTooNew`], or what the database says.
    pub async fn open(url: &str, vault: VaultKey) -> Result<Self, StoreError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let (dialect, kept, reader) = if url.starts_with("sqlite:") {
            let (kept, reader) = open_sqlite(url).await?;
            (Dialect::Sqlite, Some(kept), reader)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let pool = open_postgres(url).await?;
            (Dialect::Postgres, None, pool)
        } else {
            return Err(bad_url(url, "it begins with neither sqlite: nor postgres:"));
        };
        check_vault_key(&reader, &vault).await?;
        let name = Uuid::now_v7().to_string();
        let (hints, _) = broadcast::channel(hint::KEPT);
        let listener = match dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres => {
                let listening = hint::listen(url.to_owned(), name.clone(), hints.clone());
                Some(tokio::spawn(listening).abort_handle())
            }
        };
        let passwords = Passwords::new();
        let exports = Semaphore::new(EXPORTS);
        let inner = Inner {
            dialect,
            kept,
            reader,
            vault,
            passwords,
            hints,
            rules: LastRules::default(),
            exports,
            name,
            listener,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Closes every connection; what is under way is finished first.
    pub async fn close(&self) {
        self.inner.stop_listening();
        self.inner.reader.close().await;
        if let Some(KeptConnections { writer, asker }) = &self.inner.kept {
            asker.close().await;
            writer.close().await;
        }
    }

    /// Does the database answer?
    pub async fn ping(&self) -> Result<(), StoreError> {
        // By the connection on which log-ins depend.
        sqlx::query("SELECT 1")
            .execute(&mut *self.ask().await?)
            .await?;
        Ok(())
    }

    /// Hints from now on. Who lags behind reads his tables again.
    pub fn hints(&self) -> broadcast::Receiver<Hint> {
        self.inner.hints.subscribe()
    }

    /// A transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self.kept_writer() {
            Some(writer) => Tx::Kept(writer.begin().await?),
            None => Tx::Lent(self.inner.reader.begin().await?),
        })
    }

    /// SQLite's one connection that writes.
    pub(crate) fn kept_writer(&self) -> Option<&Kept> {
        self.inner.kept.as_ref().map(|kept| &kept.writer)
    }

    /// A connection for one short question.
    pub(crate) async fn ask(&self) -> Result<Asking, StoreError> {
        Ok(match &self.inner.kept {
            Some(kept) => Asking::Kept(kept.asker.turn().await?),
            None => Asking::Lent(self.inner.reader.acquire().await?),
        })
    }

    /// A transaction that sees one instant.
    pub(crate) async fn snapshot(&self) -> Result<Tx, StoreError> {
        let begin = self.inner.dialect.begin_snapshot();
        Ok(Tx::Lent(self.inner.reader.begin_with(begin).await?))
    }
}

impl Inner {
    fn stop_listening(&self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop_listening();
    }
}

fn bad_url(url: &str, problem: impl ToString) -> StoreError {
    // Whatever stands before an @ may be a password.
    let shown = match url.rsplit_once('@') {
        Some((before, after)) => format!(
            "{}://…@{after}",
            before.split(':').next().unwrap_or_default()
        ),
        None => url.to_owned(),
    };
    StoreError::BadUrl {
        url: shown,
        problem: problem.to_string(),
    }
}

fn options(connections: u32, setup: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        // A connection keeps its prepared statements for as long as it lives.
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if !setup.is_empty() {
                    connection.execute(sqlx::raw_sql(setup)).await?;
                }
                Ok(())
            })
        })
}

/// A vault sealed with another key must not be written to with this one.
async fn check_vault_key(reader: &AnyPool, vault: &VaultKey) -> Result<(), StoreError> {
    let this = vault.id();
    let other =
        sqlx::query_scalar::<_, String>("SELECT key_id FROM secret WHERE key_id <> $1 LIMIT 1")
            .bind(this.clone())
            .fetch_optional(reader)
            .await?;
    match other {
        None => Ok(()),
        Some(sealed_with) => Err(VaultError::OtherKey { sealed_with, this }.into()),
    }
}

async fn open_sqlite(url: &str) -> Result<(KeptConnections, AnyPool), StoreError> {
    let (path, mode) = sqlite_path(url)?;
    if mode == "rwc" {
        // Made here, because SQLite would make it readable for others; its journal files take the same mode.
        let made = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);
        made.map_err(|error| bad_url(url, format!("{path}: {error}")))?;
    }
    let url = format!(
        "sqlite://{}?mode=rw",
        path.replace('%', "%25")
            .replace('?', "%3f")
            .replace('#', "%23")
    );
    let mut writer = connect(&url, SQLITE_WRITER).await?;
    migrate::migrate(&mut writer, Dialect::Sqlite).await?;
    let kept = KeptConnections {
        writer: Kept::new(writer, ACQUIRE),
        asker: Kept::new(connect(&url, SQLITE_READER).await?, ACQUIRE),
    };
    let reader = options(SQLITE_READERS, SQLITE_READER)
        .min_connections(1)
        .test_before_acquire(false);
    Ok((kept, reader.connect(&url).await?))
}

async fn connect(url: &str, setup: &'static str) -> Result<AnyConnection, StoreError> {
    let mut connection = AnyConnection::connect(url).await?;
    connection.execute(sqlx::raw_sql(setup)).await?;
    Ok(connection)
}

/// The absolute path in a SQLite address, and its mode.
fn sqlite_path(url: &str) -> Result<(String, String), StoreError> {
    let rest = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let mode = match parameters {
        "" | "mode=rwc" => "rwc",
        "mode=rw" => "rw",
        _ => return Err(bad_url(url, "the only parameter is mode, rwc or rw")),
    };
    if path.is_empty() || path.contains(":memory:") {
        return Err(bad_url(url, "it names no file"));
    }
    let absolute = std::path::absolute(path).map_err(|error| bad_url(url, error))?;
    match absolute.into_os_string().into_string() {
        Ok(path) => Ok((path, mode.to_owned())),
        Err(_) => Err(bad_url(url, "its path is not UTF-8")),
    }
}

async fn open_postgres(url: &str) -> Result<AnyPool, StoreError> {
    let pool = options(POSTGRES_CONNECTIONS, "")
        .min_connections(2)
        .connect(url)
        .await
        .map_err(|error| match error {
            sqlx::Error::Configuration(problem) => bad_url(url, problem),
            other => other.into(),
        })?;
    let mut connection = pool.acquire().await?;
    migrate::migrate(&mut connection, Dialect::Postgres).await?;
    drop(connection);
    Ok(pool)
}
