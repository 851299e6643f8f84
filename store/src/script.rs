//! Statements that are known before the first of them runs.
//!
//! Each statement that goes to SQLite on its own wakes SQLite's thread, and its answer wakes ours: for
//! what a log-in writes that cost more than the writing. So a whole transaction goes there in one piece.
//! PostgreSQL gets the same statements one after the other.

use std::borrow::Cow;
use std::fmt::Write;

use futures::TryStreamExt;
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Either, Executor};

use crate::error::StoreError;
use crate::hint::Hint;
use crate::kept::Tx;
use crate::open::{Dialect, Store};

/// What goes in one piece, at most: statements, and values of all of them together. SQLite's connection
/// keeps the pieces prepared, and long ones are seldom the same.
const IN_ONE_PIECE: (usize, usize) = (12, 160);

/// Fails if the statement before it changed no row. SQLite raises an error of one's own in triggers only,
/// and the smallest number has no absolute value.
const DEMAND: &str = "SELECT CASE WHEN changes() = 0 THEN abs(-9223372036854775807 - 1) END";

/// One statement with its values.
#[derive(Debug)]
pub(crate) struct Statement {
    sql: Cow<'static, str>,
    values: Vec<Value>,
    /// What there must be: the statement changes at least one row, or nothing of the script happens.
    demand: Option<Demand>,
}

#[derive(Debug)]
struct Demand {
    what: &'static str,
    name: String,
}

/// A value of a statement.
#[derive(Debug)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl Statement {
    /// A statement with `$1`, `$2`, … for its values.
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sql: sql.into(),
            values: Vec::new(),
            demand: None,
        }
    }

    /// Its next value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// If it changes no row, there is no `what` called `name`, and nothing of the script happens.
    pub(crate) fn demand(mut self, what: &'static str, name: String) -> Self {
        self.demand = Some(Demand { what, name });
        self
    }
}

impl Demand {
    fn unmet(self) -> StoreError {
        StoreError::NotFound {
            what: self.what,
            name: self.name,
        }
    }
}

/// Statements that are carried out together and in order, or not at all.
#[derive(Debug, Default)]
pub(crate) struct Script(Vec<Statement>);

impl Script {
    /// Adds one at the end.
    pub(crate) fn add(&mut self, statement: Statement) {
        self.0.push(statement);
    }

    /// Is it short enough to go in one piece?
    fn is_short(&self) -> bool {
        let values: usize = self.0.iter().map(|one| one.values.len()).sum();
        self.0.len() <= IN_ONE_PIECE.0 && values <= IN_ONE_PIECE.1
    }

    /// Carries them out one by one.
    async fn run_in(self, tx: &mut AnyConnection) -> Result<(), StoreError> {
        for statement in self.0 {
            let query = bind_all(&statement.sql, statement.values);
            let done = query.execute(&mut *tx).await?;
            if let Some(demand) = statement.demand
                && done.rows_affected() == 0
            {
                return Err(demand.unmet());
            }
        }
        Ok(())
    }

    /// As one text for SQLite.
    fn in_one_piece(self) -> Piece {
        let mut piece = Piece::begin();
        for statement in self.0 {
            let mut sql = String::with_capacity(statement.sql.len() + 16);
            renumber(&statement.sql, piece.values.len(), &mut sql);
            piece.push(&sql, None);
            piece.values.extend(statement.values);
            if statement.demand.is_some() {
                piece.push(DEMAND, statement.demand);
            }
        }
        piece
    }
}

/// Several statements of SQLite in one text.
pub(crate) struct Piece {
    sql: String,
    values: Vec<Value>,
    /// For each statement what is missing if it fails.
    demands: Vec<Option<Demand>>,
}

impl Piece {
    /// The beginning of a transaction.
    pub(crate) fn begin() -> Self {
        Self {
            sql: Dialect::Sqlite.begin_write().to_owned(),
            values: Vec::new(),
            demands: vec![None],
        }
    }

    fn push(&mut self, sql: &str, demand: Option<Demand>) {
        self.sql.push_str(";\n");
        self.sql.push_str(sql);
        self.demands.push(demand);
    }

    /// Carries it out. After an error the transaction may be open.
    pub(crate) async fn run(self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        let query = bind_all(&self.sql, self.values);
        let mut demands = self.demands.into_iter();
        let mut results = connection.fetch_many(query);
        loop {
            match results.try_next().await {
                Ok(Some(Either::Left(_))) => drop(demands.next()),
                Ok(Some(Either::Right(_))) => {}
                Ok(None) if demands.next().is_none() => return Ok(()),
                // SQLite's thread is gone, and maybe what it did.
                Ok(None) => return Err(sqlx::Error::WorkerCrashed.into()),
                Err(error) => {
                    return Err(match demands.next().flatten() {
                        Some(demand) => demand.unmet(),
                        None => error.into(),
                    });
                }
            }
        }
    }
}

fn bind_all(sql: &str, values: Vec<Value>) -> Query<'static, Any, AnyArguments> {
    // Every text is made of this crate's own statements.
    let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
    values.into_iter().fold(query, |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
    })
}

/// Writes `sql` with every `$n` as `$(n + by)`.
fn renumber(sql: &str, by: usize, into: &mut String) {
    let mut parts = sql.split('$');
    into.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let number: usize = number.parse().unwrap_or_default();
        let _ = write!(into, "${}{rest}", number + by);
    }
}

impl Store {
    /// Carries out a script in a transaction of its own, then tells everybody.
    pub(crate) async fn run(&self, script: Script, hints: &[Hint]) -> Result<(), StoreError> {
        match self.kept_writer() {
            Some(writer) if script.is_short() => {
                let mut piece = script.in_one_piece();
                piece.push("COMMIT", None);
                writer.run(piece).await?;
                self.tell(hints);
                Ok(())
            }
            Some(_) | None => {
                let tx = self.begin_with(script).await?;
                self.commit(tx, hints).await
            }
        }
    }

    /// Begins a transaction with a script.
    pub(crate) async fn begin_with(&self, script: Script) -> Result<Tx, StoreError> {
        match self.kept_writer() {
            Some(writer) if script.is_short() => {
                Ok(Tx::Kept(writer.begin_with(script.in_one_piece()).await?))
            }
            Some(_) | None => {
                let mut tx = self.begin().await?;
                script.run_in(&mut tx).await?;
                Ok(tx)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renumbered(sql: &str, by: usize) -> String {
        let mut into = String::new();
        renumber(sql, by, &mut into);
        into
    }

    #[test]
    fn values_of_later_statements_follow_those_of_earlier_ones() {
        for (sql, by, want) in [
            ("SELECT 1", 5, "SELECT 1"),
            ("VALUES ($1, $2, $10)", 0, "VALUES ($1, $2, $10)"),
            ("VALUES ($1, $2, $10)", 90, "VALUES ($91, $92, $100)"),
            ("$2 || $1", 1, "$3 || $2"),
        ] {
            assert_eq!(renumbered(sql, by), want);
        }
    }
}
