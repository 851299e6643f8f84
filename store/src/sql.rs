//! Small tools for SQL: times, ids and JSON out of rows, and text that every database takes.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::error::StoreError;
use crate::kept::Tx;
use crate::open::Dialect;

/// What writers on different nodes take turns for. Always taken in this order, the audit trail
/// last of everything a transaction does, so that no two wait for each other.
#[derive(Clone, Copy)]
pub(crate) enum Lock {
    /// The declared nouns.
    Nouns,
    /// The end of the audit trail.
    Audit,
}

/// Waits for the turn, until the transaction ends. SQLite has one writer anyway.
pub(crate) async fn lock(tx: &mut Tx, dialect: Dialect, what: Lock) -> Result<(), StoreError> {
    if dialect == Dialect::Postgres {
        let key: i64 = match what {
            Lock::Nouns => 7_310_579_612_102,
            Lock::Audit => 7_310_579_612_103,
        };
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(key)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// A time as it is stored.
pub(crate) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// A new id that sorts by time. The one clock the store reads.
pub(crate) fn new_id<T: From<Uuid>>() -> T {
    T::from(Uuid::now_v7())
}

/// A text without NUL, which PostgreSQL refuses: texts come from hostile clients as well.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A structure as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::damaged("a structure to be stored", error))
}

/// The name under which serde knows a plain enum.
pub(crate) fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(other) => Err(StoreError::damaged("a word to be stored", other)),
        Err(error) => Err(StoreError::damaged("a word to be stored", error)),
    }
}

/// Typed reading of columns; every failure names the column.
pub(crate) trait Columns {
    fn text(&self, column: &str) -> Result<String, StoreError>;
    fn text_or_null(&self, column: &str) -> Result<Option<String>, StoreError>;
    fn int(&self, column: &str) -> Result<i64, StoreError>;
    fn int_or_null(&self, column: &str) -> Result<Option<i64>, StoreError>;
    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError>;

    fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, StoreError> {
        let number = self.int(column)?;
        T::try_from(number).map_err(|_| StoreError::damaged(column, number))
    }

    fn time(&self, column: &str) -> Result<DateTime<Utc>, StoreError> {
        let micros = self.int(column)?;
        DateTime::from_timestamp_micros(micros).ok_or_else(|| StoreError::damaged(column, micros))
    }

    fn time_or_null(&self, column: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        match self.int_or_null(column)? {
            None => Ok(None),
            Some(micros) => match DateTime::from_timestamp_micros(micros) {
                Some(time) => Ok(Some(time)),
                None => Err(StoreError::damaged(column, micros)),
            },
        }
    }

    /// An id, a scope path, or anything else that is read from text.
    fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T, StoreError> {
        self.text(column)?
            .parse()
            .map_err(|error: T::Err| StoreError::damaged(column, error))
    }

    fn parsed_or_null<T: FromStr<Err: Display>>(
        &self,
        column: &str,
    ) -> Result<Option<T>, StoreError> {
        let text = self.text_or_null(column)?;
        text.map(|text| {
            text.parse()
                .map_err(|error: T::Err| StoreError::damaged(column, error))
        })
        .transpose()
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?)
            .map_err(|error| StoreError::damaged(column, error))
    }

    fn json_or_null<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let text = self.text_or_null(column)?;
        text.map(|text| {
            serde_json::from_str(&text).map_err(|error| StoreError::damaged(column, error))
        })
        .transpose()
    }

    /// A plain enum by its serde name.
    fn word<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        let text = self.text(column)?;
        serde_json::from_value(serde_json::Value::String(text))
            .map_err(|error| StoreError::damaged(column, error))
    }

    fn word_or_null<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let Some(text) = self.text_or_null(column)? else {
            return Ok(None);
        };
        serde_json::from_value(serde_json::Value::String(text))
            .map_err(|error| StoreError::damaged(column, error))
    }
}

impl Columns for AnyRow {
    fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn text_or_null(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn int(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn int_or_null(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        Ok(self.try_get(column)?)
    }
}
