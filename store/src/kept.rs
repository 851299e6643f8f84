//! Connections to SQLite that are never given back.
//!
//! Whoever returns a connection to sqlx's pool pays for it: on a task of its own it is asked whether it
//! is still alive, by the thread that runs it. A file does not hang up, and these questions, with the
//! double hand-over of sqlx's own BEGIN and COMMIT, were most of what a log-in cost. So one connection
//! that writes and one that answers short questions are kept, and whoever needs one waits for its turn.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Connection, Transaction};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
use tokio::time::timeout;

use crate::error::StoreError;
use crate::script::Piece;

/// A connection for one at a time. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Kept {
    /// `None` once it is closed.
    connection: Arc<Mutex<Option<AnyConnection>>>,
    /// A transaction was begun, and neither made good nor undone yet. Belongs to who has the turn.
    begun: Arc<AtomicBool>,
    /// How long a turn is waited for.
    patience: Duration,
}

/// A turn.
pub(crate) type Turn = OwnedMappedMutexGuard<Option<AnyConnection>, AnyConnection>;

impl Kept {
    /// The connection, to be kept.
    pub(crate) fn new(connection: AnyConnection, patience: Duration) -> Self {
        Self {
            connection: Arc::new(Mutex::new(Some(connection))),
            begun: Arc::default(),
            patience,
        }
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) -> Result<Turn, sqlx::Error> {
        let turn = timeout(self.patience, self.connection.clone().lock_owned()).await;
        let turn = turn.map_err(|_| sqlx::Error::PoolTimedOut)?;
        OwnedMutexGuard::try_map(turn, Option::as_mut).map_err(|_| sqlx::Error::PoolClosed)
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<KeptTx, StoreError> {
        self.begin_with(Piece::begin()).await
    }

    /// Begins a transaction with the statements of `opening`, which begins it.
    pub(crate) async fn begin_with(&self, opening: Piece) -> Result<KeptTx, StoreError> {
        let mut turn = self.turn().await?;
        self.undo_rest(&mut turn).await;
        // Before it is true: from here on dropping it undoes it.
        self.begun.store(true, Ordering::Release);
        let mut tx = KeptTx {
            turn,
            kept: self.clone(),
        };
        opening.run(&mut tx.turn).await?;
        Ok(tx)
    }

    /// Carries out a whole transaction, from its beginning to its commit.
    pub(crate) async fn run(&self, whole: Piece) -> Result<(), StoreError> {
        self.begin_with(whole).await?.settle();
        Ok(())
    }

    /// Undoes what a dropped transaction left. SQLite has done so itself after some errors, and then says
    /// so; if it fails otherwise, the next transaction cannot begin, and tries again.
    async fn undo_rest(&self, turn: &mut Turn) {
        if !self.begun.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = run(turn, "ROLLBACK").await {
            tracing::debug!(%error, "nothing to undo");
        }
        self.begun.store(false, Ordering::Release);
    }

    /// Waits for what is under way, and closes it.
    pub(crate) async fn close(&self) {
        let connection = self.connection.lock().await.take();
        if let Some(connection) = connection {
            let _ = connection.close().await;
        }
    }
}

async fn run(turn: &mut Turn, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(&mut **turn).await?;
    Ok(())
}

/// A transaction on a kept connection. Undone if it is dropped.
pub(crate) struct KeptTx {
    turn: Turn,
    kept: Kept,
}

impl KeptTx {
    async fn commit(mut self) -> Result<(), sqlx::Error> {
        run(&mut self.turn, "COMMIT").await?;
        self.settle();
        Ok(())
    }

    /// Nothing is left to be undone.
    fn settle(self) {
        self.kept.begun.store(false, Ordering::Release);
    }
}

impl Drop for KeptTx {
    fn drop(&mut self) {
        if !self.kept.begun.load(Ordering::Acquire) {
            return;
        }
        // In a turn of its own, so that nothing stays locked until somebody writes again. Without a runtime
        // whoever writes next does it.
        if let Ok(runtime) = Handle::try_current() {
            let kept = self.kept.clone();
            runtime.spawn(async move {
                if let Ok(mut turn) = kept.turn().await {
                    kept.undo_rest(&mut turn).await;
                }
            });
        }
    }
}

/// A transaction. Undone if it is dropped.
pub(crate) enum Tx {
    /// On a connection of the pool.
    Lent(Transaction<'static, Any>),
    /// On the one that writes.
    Kept(KeptTx),
}

impl Tx {
    /// Makes it so.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Lent(tx) => tx.commit().await,
            Self::Kept(tx) => tx.commit().await,
        }
    }

    /// Undoes it.
    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Lent(tx) => tx.rollback().await,
            Self::Kept(mut tx) => {
                let kept = tx.kept.clone();
                kept.undo_rest(&mut tx.turn).await;
                Ok(())
            }
        }
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        match self {
            Self::Lent(tx) => tx,
            Self::Kept(tx) => &tx.turn,
        }
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match self {
            Self::Lent(tx) => tx,
            Self::Kept(tx) => &mut tx.turn,
        }
    }
}

/// A connection for a short question.
pub(crate) enum Asking {
    /// One of the pool.
    Lent(PoolConnection<Any>),
    /// The one that is kept for them.
    Kept(Turn),
}

impl Deref for Asking {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        match self {
            Self::Lent(connection) => connection,
            Self::Kept(turn) => turn,
        }
    }
}

impl DerefMut for Asking {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match self {
            Self::Lent(connection) => connection,
            Self::Kept(turn) => turn,
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    async fn kept() -> Kept {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::query("CREATE TABLE t (n BIGINT NOT NULL)")
            .execute(&mut connection)
            .await
            .unwrap();
        Kept::new(connection, Duration::from_millis(200))
    }

    async fn insert(tx: &mut KeptTx, n: i64) {
        let insert = sqlx::query("INSERT INTO t (n) VALUES ($1)").bind(n);
        insert.execute(&mut *tx.turn).await.unwrap();
    }

    async fn sum(kept: &Kept) -> i64 {
        let mut turn = kept.turn().await.unwrap();
        let row = sqlx::query("SELECT COALESCE(SUM(n), 0) AS n FROM t")
            .fetch_one(&mut *turn)
            .await
            .unwrap();
        row.get("n")
    }

    #[tokio::test]
    async fn what_is_dropped_is_undone() {
        let kept = kept().await;
        let mut tx = kept.begin().await.unwrap();
        insert(&mut tx, 1).await;
        tx.commit().await.unwrap();
        let mut tx = kept.begin().await.unwrap();
        insert(&mut tx, 10).await;
        drop(tx);
        tokio::task::yield_now().await;
        assert_eq!(sum(&kept).await, 1, "by itself");
        let mut tx = kept.begin().await.unwrap();
        insert(&mut tx, 100).await;
        drop(tx);
        let mut tx = kept.begin().await.unwrap();
        insert(&mut tx, 1000).await;
        tx.commit().await.unwrap();
        assert_eq!(sum(&kept).await, 1001, "by whoever comes next");
    }

    #[tokio::test]
    async fn a_beginning_that_is_given_up_holds_nobody_up() {
        let kept = kept().await;
        for _ in 0..200 {
            let begin = kept.begin();
            let _ = timeout(Duration::from_micros(50), begin).await;
        }
        let mut tx = kept.begin().await.unwrap();
        insert(&mut tx, 1).await;
        tx.commit().await.unwrap();
        assert_eq!(sum(&kept).await, 1);
    }

    #[tokio::test]
    async fn one_at_a_time_and_none_after_the_end() {
        let kept = kept().await;
        let tx = kept.begin().await.unwrap();
        let impatient = kept.begin().await.err();
        assert!(matches!(
            impatient,
            Some(StoreError::Database(sqlx::Error::PoolTimedOut))
        ));
        tx.commit().await.unwrap();
        kept.close().await;
        let late = kept.begin().await.err();
        assert!(matches!(
            late,
            Some(StoreError::Database(sqlx::Error::PoolClosed))
        ));
    }
}
