//! Lists: filters into SQL, pages, and streams without end for exports.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use sallyport_domain::scope::ScopePath;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, Arguments, AssertSqlSafe};
use tokio::sync::mpsc;

use crate::error::StoreError;
use crate::open::Store;
use crate::query::{ListQuery, Page};
use crate::sql::Columns;

/// Every row of a list, as the database gives them.
pub type RowStream<T> = BoxStream<'static, Result<T, StoreError>>;

/// A longer text to search for is cut.
const LONGEST_SEARCH: usize = 200;

/// Rows of an export that wait for a slow reader.
const EXPORT_AHEAD: usize = 64;

/// A reader slower than this loses his export: it holds a connection of the database.
const EXPORT_STALL: Duration = Duration::from_secs(60);

#[derive(Clone)]
enum Bind {
    Text(String),
    Int(i64),
}

/// Conditions of a list, and the values in them. Values are always bound, never written into the SQL.
#[derive(Clone, Default)]
pub(crate) struct Filter {
    clauses: Vec<String>,
    binds: Vec<Bind>,
}

impl Filter {
    /// The placeholder of a text.
    pub(crate) fn text(&mut self, value: impl Into<String>) -> String {
        self.binds
            .push(Bind::Text(value.into().replace('\0', "\u{fffd}")));
        format!("${}", self.binds.len())
    }

    /// The placeholder of a number.
    pub(crate) fn int(&mut self, value: i64) -> String {
        self.binds.push(Bind::Int(value));
        format!("${}", self.binds.len())
    }

    /// One more condition; made of placeholders and our own words only.
    pub(crate) fn and(&mut self, clause: String) {
        self.clauses.push(clause);
    }

    /// No row at all.
    pub(crate) fn nothing(&mut self) {
        self.and("1 = 0".to_owned());
    }

    /// `column` is `value`.
    pub(crate) fn equal(&mut self, column: &str, value: Option<&str>) {
        if let Some(value) = value {
            let value = self.text(value);
            self.and(format!("{column} = {value}"));
        }
    }

    /// `column` is one of `values`; no condition if there are none.
    pub(crate) fn one_of<'a>(&mut self, column: &str, values: impl IntoIterator<Item = &'a str>) {
        let places: Vec<String> = values.into_iter().map(|value| self.text(value)).collect();
        if !places.is_empty() {
            self.and(format!("{column} IN ({})", places.join(", ")));
        }
    }

    /// The condition that `column` is `scope` or below.
    pub(crate) fn within(&mut self, column: &str, scope: &ScopePath) -> String {
        if *scope == ScopePath::root() {
            return "1 = 1".to_owned();
        }
        let same = self.text(scope.as_str());
        let below = self.text(format!("{scope}/"));
        // Not LIKE: `_` may stand in a scope's name.
        let length = scope.as_str().chars().count() + 1;
        format!("({column} = {same} OR substr({column}, 1, {length}) = {below})")
    }

    /// One of the columns, all in lower case, contains `q`.
    pub(crate) fn search(&mut self, columns: &[&str], q: &str) {
        let q: String = q
            .trim()
            .to_lowercase()
            .chars()
            .take(LONGEST_SEARCH)
            .collect();
        if q.is_empty() {
            return;
        }
        let mut pattern = String::from("%");
        for letter in q.chars() {
            if matches!(letter, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('%');
        let pattern = self.text(pattern);
        let any: Vec<String> = columns
            .iter()
            .map(|column| format!("{column} LIKE {pattern} ESCAPE '\\'"))
            .collect();
        self.and(format!("({})", any.join(" OR ")));
    }

    fn arguments(&self) -> Result<AnyArguments, StoreError> {
        let mut arguments = AnyArguments::default();
        for bind in &self.binds {
            let added = match bind {
                Bind::Text(text) => arguments.add(text.clone()),
                Bind::Int(number) => arguments.add(*number),
            };
            added.map_err(|error| StoreError::Database(sqlx::Error::Encode(error)))?;
        }
        Ok(arguments)
    }

    fn condition(&self) -> String {
        if self.clauses.is_empty() {
            "1 = 1".to_owned()
        } else {
            self.clauses.join(" AND ")
        }
    }
}

/// A column a list may be sorted by.
pub(crate) struct SortKey {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// `ORDER BY` for what was asked, or for `default`. Ties are broken by `tie`, so that pages never overlap.
pub(crate) fn order(
    sort: &str,
    default: &str,
    keys: &[SortKey],
    tie: &str,
) -> Result<String, StoreError> {
    let wanted = if sort.is_empty() { default } else { sort };
    let (name, direction) = match wanted.strip_prefix('-') {
        Some(name) => (name, "DESC"),
        None => (wanted, "ASC"),
    };
    let Some(key) = keys.iter().find(|key| key.name == name) else {
        let allowed: Vec<&str> = keys.iter().map(|key| key.name).collect();
        return Err(StoreError::UnknownSort {
            given: sort.to_owned(),
            allowed: allowed.join(", "),
        });
    };
    // Empty values last in both directions, on both databases.
    Ok(format!(
        "{} IS NULL, {} {direction}, {tie} {direction}",
        key.sql, key.sql
    ))
}

/// A list: what it shows, of which rows, in which order.
pub(crate) struct Listing {
    pub(crate) columns: &'static str,
    pub(crate) from: &'static str,
    pub(crate) filter: Filter,
    pub(crate) order: String,
}

impl Listing {
    fn select(&self, rest: &str) -> String {
        let Self {
            columns,
            from,
            order,
            ..
        } = self;
        format!(
            "SELECT {columns} FROM {from} WHERE {} ORDER BY {order}{rest}",
            self.filter.condition()
        )
    }
}

impl Store {
    /// The page of the list that was asked for.
    pub(crate) async fn page<T>(
        &self,
        listing: Listing,
        query: &ListQuery,
        read: fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let (page, page_size) = (query.page(), query.page_size());
        let mut tx = self.snapshot().await?;
        let count = format!(
            "SELECT COUNT(*) AS total FROM {} WHERE {}",
            listing.from,
            listing.filter.condition()
        );
        let total = sqlx::query_with::<Any, _>(AssertSqlSafe(count), listing.filter.arguments()?)
            .fetch_one(&mut *tx)
            .await?
            .number("total")?;
        let offset = u64::from(page - 1) * u64::from(page_size);
        let sql = listing.select(&format!(" LIMIT {page_size} OFFSET {offset}"));
        let rows = sqlx::query_with::<Any, _>(AssertSqlSafe(sql), listing.filter.arguments()?)
            // Page numbers would fill the cache of prepared statements.
            .persistent(false)
            .fetch_all(&mut *tx)
            .await?;
        let items = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page {
            items,
            total,
            page,
            page_size,
        })
    }

    /// Every row of the list, read as fast as they are taken.
    pub(crate) fn export<T: Send + 'static>(
        &self,
        listing: Listing,
        read: fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<RowStream<T>, StoreError> {
        let arguments = listing.filter.arguments()?;
        let sql = listing.select("");
        let (sender, receiver) = mpsc::channel(EXPORT_AHEAD);
        let store = self.clone();
        tokio::spawn(async move {
            // Exports share few connections, so that they never take the last one.
            let Ok(_turn) = store.inner.exports.acquire().await else {
                return;
            };
            let query = sqlx::query_with::<Any, _>(AssertSqlSafe(sql), arguments).persistent(false);
            let mut rows = query.fetch(&store.inner.reader);
            while let Some(row) = rows.next().await {
                let item = row.map_err(StoreError::from).and_then(|row| read(&row));
                match tokio::time::timeout(EXPORT_STALL, sender.send(Some(item))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => {
                        tracing::warn!("an export was given up: its reader stalled");
                        return;
                    }
                }
            }
            let _ = sender.send(None).await;
        });
        // Only the end that was announced is the end: an export that was given up must not look whole.
        let next = |receiver: Option<mpsc::Receiver<Option<Result<T, StoreError>>>>| async move {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(Some(item)) => Some((item, Some(receiver))),
                Some(None) => None,
                None => Some((Err(StoreError::ExportStopped), None)),
            }
        };
        Ok(futures::stream::unfold(Some(receiver), next).boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_chosen_from_a_list() {
        let keys = [
            SortKey {
                name: "at",
                sql: "a.at",
            },
            SortKey {
                name: "user",
                sql: "lower(a.user_name)",
            },
        ];
        for (sort, expected) in [
            ("", Ok("a.at IS NULL, a.at DESC, id DESC")),
            ("at", Ok("a.at IS NULL, a.at ASC, id ASC")),
            (
                "-user",
                Ok("lower(a.user_name) IS NULL, lower(a.user_name) DESC, id DESC"),
            ),
            (
                "at; DROP TABLE audit",
                Err(
                    "cannot sort by `at; DROP TABLE audit`; choose one of: at, user (with `-` before it for descending)",
                ),
            ),
        ] {
            let order = order(sort, "-at", &keys, "id").map_err(|error| error.to_string());
            assert_eq!(order.as_deref().map_err(String::as_str), expected);
        }
    }

    #[test]
    fn what_is_searched_for_is_bound_and_taken_literally() {
        let mut filter = Filter::default();
        filter.search(&["a", "b"], " 50%_\\'; ");
        assert_eq!(
            filter.condition(),
            "(a LIKE $1 ESCAPE '\\' OR b LIKE $1 ESCAPE '\\')"
        );
        assert!(matches!(&filter.binds[0], Bind::Text(text) if text == "%50\\%\\_\\\\';%"));
        let mut none = Filter::default();
        none.search(&["a"], "  ");
        assert_eq!(none.condition(), "1 = 1");
    }
}
