//! What all lists have in common: filters, sorting, pages, and the same rows as CSV.

use std::future::Future;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use sallyport_domain::event::Level;
use sallyport_domain::status::{StateClass, Status};
use sallyport_store::{ListQuery, Page, StoreError};
use serde::Serialize;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::csv;
use crate::input::Params;
use crate::problem::Problem;
use crate::state::Api;

/// What every list takes besides its filters.
pub const COMMON: [&str; 7] = ["q", "sort", "from", "to", "page", "page_size", "columns"];
/// Rows of one piece of a CSV answer.
const CHUNK: usize = 200;

/// A list that can be asked for.
pub struct Listing {
    /// Its name in file names and in the audit trail.
    pub name: &'static str,
    /// The columns of its CSV form, in their order.
    pub columns: &'static [&'static str],
    /// What it can be filtered by.
    pub filters: &'static [&'static str],
}

/// What was asked of a list.
pub struct Asked {
    /// Which rows.
    pub query: ListQuery,
    /// Which columns, if as CSV.
    pub csv: Option<Vec<&'static str>>,
    listing: &'static Listing,
    filter: Value,
}

impl Listing {
    /// Reads a request.
    pub fn asked(&'static self, headers: &HeaderMap, params: Params) -> Result<Asked, Problem> {
        let params = params.known(&COMMON, self.filters)?;
        let columns =
            csv::choose(self.columns, params.get("columns")).map_err(Problem::bad_request)?;
        let filter = params
            .iter()
            .map(|(name, value)| json!([name, value]))
            .collect();
        Ok(Asked {
            query: query(&params)?,
            csv: wants_csv(headers).then_some(columns),
            listing: self,
            filter,
        })
    }
}

impl Asked {
    /// Answers with a page, or with every row as CSV; the latter is an export and is put on record.
    pub async fn answer<T: Serialize + Send + 'static>(
        self,
        caller: &Caller,
        api: &Api,
        page: impl Future<Output = Result<Page<T>, StoreError>>,
        all: impl FnOnce() -> Result<
            futures::stream::BoxStream<'static, Result<T, StoreError>>,
            StoreError,
        >,
    ) -> Result<Response, Problem> {
        let Some(columns) = self.csv else {
            return Ok(Json(page.await?).into_response());
        };
        let rows = all()?;
        let object = sallyport_store::AuditObject {
            kind: "list",
            name: self.listing.name,
            id: "",
            scope: &caller.viewer.scope,
        };
        caller
            .note(
                api,
                "list.exported",
                object,
                json!({ "filter": self.filter, "columns": columns }),
            )
            .await?;
        as_csv(self.listing.name, columns, rows)
    }
}

/// Every row of a list that the store gives in pages only.
pub fn paged<T, F>(
    query: &ListQuery,
    fetch: impl Fn(ListQuery) -> F + Send + 'static,
) -> futures::stream::BoxStream<'static, Result<T, StoreError>>
where
    T: Send + 'static,
    F: Future<Output = Result<Page<T>, StoreError>> + Send + 'static,
{
    let first = ListQuery {
        page: 1,
        page_size: ListQuery::MAX_PAGE_SIZE,
        ..query.clone()
    };
    stream::try_unfold((Some(first), fetch), |(next, fetch)| async move {
        let Some(query) = next else {
            return Ok::<_, StoreError>(None);
        };
        let page = fetch(query.clone()).await?;
        let more =
            u64::from(page.page) * u64::from(page.page_size) < page.total && !page.items.is_empty();
        let next = more.then(|| ListQuery {
            page: query.page + 1,
            ..query
        });
        Ok(Some((stream::iter(page.items).map(Ok), (next, fetch))))
    })
    .try_flatten()
    .boxed()
}

/// Sends rows as they come. If one cannot be read, the answer breaks off instead of ending: a cut list must
/// not look like a whole one.
fn as_csv<T: Serialize + Send + 'static>(
    name: &str,
    columns: Vec<&'static str>,
    rows: impl Stream<Item = Result<T, StoreError>> + Send + 'static,
) -> Result<Response, Problem> {
    let header = csv::header(&columns).map_err(Problem::internal)?;
    let lines = rows.chunks(CHUNK).map(move |chunk| lines(&columns, chunk));
    let body = Body::from_stream(stream::iter([Ok(Bytes::from(header))]).chain(lines));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(csv::CONTENT_TYPE),
    );
    let file = format!("attachment; filename=\"{name}.csv\"");
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_str(&file).map_err(Problem::internal)?,
    );
    Ok(response)
}

fn lines<T: Serialize>(
    columns: &[&str],
    chunk: Vec<Result<T, StoreError>>,
) -> Result<Bytes, BrokenOff> {
    let broken = |cause: &dyn std::fmt::Display| {
        tracing::error!(%cause, "a CSV answer broke off");
        BrokenOff
    };
    let values = chunk
        .into_iter()
        .map(|row| {
            serde_json::to_value(row.map_err(|error| broken(&error))?)
                .map_err(|error| broken(&error))
        })
        .collect::<Result<Vec<_>, _>>()?;
    csv::rows(columns, &values)
        .map(Bytes::from)
        .map_err(|error| broken(&error))
}

#[derive(Debug, thiserror::Error)]
#[error("the list broke off")]
struct BrokenOff;

/// CSV if the header names it before JSON.
fn wants_csv(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get_all(header::ACCEPT)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|line| line.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .find(|range| matches!(*range, "text/csv" | "application/json"))
        == Some("text/csv")
}

fn query(params: &Params) -> Result<ListQuery, Problem> {
    let text = |name: &str| params.get(name).map(str::to_owned);
    Ok(ListQuery {
        q: text("q").unwrap_or_default(),
        status: words(
            params,
            "status",
            &Status::ALL.map(|status| (status.as_str(), status)),
        )?,
        class: words(
            params,
            "class",
            &CLASSES.map(|class| (class.as_str(), class)),
        )?,
        user: text("user").or_else(|| text("application")),
        group: text("group"),
        host: text("host"),
        activity: text("activity"),
        account: text("account"),
        kind: text("type"),
        open: params.read("open", "true or false")?,
        session: text("session"),
        action: text("action"),
        accepted: words(params, "outcome", &[("accepted", true), ("refused", false)])?.pop(),
        level: words(
            params,
            "level",
            &LEVELS.map(|level| (level.as_str(), level)),
        )?
        .pop(),
        from: params
            .get("from")
            .map(|text| time("from", text, false))
            .transpose()?,
        to: params
            .get("to")
            .map(|text| time("to", text, true))
            .transpose()?,
        sort: text("sort").unwrap_or_default(),
        page: params.read("page", "a number from 1")?.unwrap_or(1),
        page_size: params
            .read("page_size", "a number from 1 to 100")?
            .unwrap_or(ListQuery::PAGE_SIZE),
    })
}

const CLASSES: [StateClass; 4] = [
    StateClass::Active,
    StateClass::Closed,
    StateClass::Failed,
    StateClass::Suspended,
];
const LEVELS: [Level; 4] = [Level::Debug, Level::Info, Level::Warn, Level::Error];

/// The values of a parameter that may be repeated or hold several words with commas between.
fn words<T: Copy>(params: &Params, name: &str, known: &[(&str, T)]) -> Result<Vec<T>, Problem> {
    let given = params
        .all(name)
        .flat_map(|value| value.split(','))
        .map(str::trim);
    given
        .map(|word| {
            let found = known
                .iter()
                .find(|(text, _)| text.eq_ignore_ascii_case(word));
            found.map(|(_, value)| *value).ok_or_else(|| {
                let allowed: Vec<&str> = known.iter().map(|(text, _)| *text).collect();
                Problem::bad_request(format!(
                    "`{word}` is not allowed for `{name}`; choose of: {}",
                    allowed.join(", ")
                ))
            })
        })
        .collect()
}

/// A time, or a day: its beginning, or for the end of a range its last microsecond.
fn time(name: &str, text: &str, end_of_day: bool) -> Result<DateTime<Utc>, Problem> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let day = text
        .parse::<NaiveDate>()
        .ok()
        .map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let day = match day {
        Some(day) if end_of_day => day
            .checked_add_days(Days::new(1))
            .map(|next| next - chrono::TimeDelta::microseconds(1)),
        given => given,
    };
    day.ok_or_else(|| {
        Problem::bad_request(format!(
            "`{text}` is not allowed for `{name}`; write a time such as 2026-01-31T08:00:00Z or a day such as 2026-01-31"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn filters_are_read() {
        let query = query(&params(&[
            ("status", "Locked,Logged In"),
            ("status", "failed"),
            ("class", "active"),
            ("from", "2026-01-31"),
            ("to", "2026-01-31"),
            ("outcome", "refused"),
            ("application", "robot"),
        ]))
        .unwrap();
        assert_eq!(
            query.status,
            [Status::Locked, Status::LoggedIn, Status::Failed]
        );
        assert_eq!(query.class, [StateClass::Active]);
        assert_eq!(
            query.from.unwrap().to_rfc3339(),
            "2026-01-31T00:00:00+00:00"
        );
        assert_eq!(
            query.to.unwrap().to_rfc3339(),
            "2026-01-31T23:59:59.999999+00:00"
        );
        assert_eq!(query.accepted, Some(false));
        assert_eq!(query.user.as_deref(), Some("robot"));
    }

    #[test]
    fn wrong_values_are_named_with_what_is_allowed() {
        for (name, value, told) in [
            ("status", "Asleep", "Waiting for Approval"),
            ("class", "open", "suspended"),
            ("level", "loud", "debug, info, warn, error"),
            ("from", "yesterday", "2026-01-31T08:00:00Z"),
            ("page", "-1", "a number from 1"),
            ("open", "maybe", "true or false"),
        ] {
            let problem = query(&params(&[(name, value)])).unwrap_err();
            assert_eq!(problem.status().as_u16(), 400);
            assert!(
                problem.detail().contains(value) && problem.detail().contains(told),
                "{}",
                problem.detail()
            );
        }
    }

    #[test]
    fn csv_is_given_to_those_who_ask_for_it_first() {
        for (accept, csv) in [
            ("text/csv", true),
            ("text/csv; charset=utf-8", true),
            ("text/csv, application/json", true),
            ("application/json, text/csv", false),
            ("*/*", false),
            ("text/html,*/*", false),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_csv(&headers), csv, "{accept}");
        }
    }

    #[tokio::test]
    async fn all_pages_are_read_once() {
        let fetch = |query: ListQuery| async move {
            let first = (query.page - 1) * 100;
            Ok(Page {
                items: (first..250.min(first + 100)).collect(),
                total: 250,
                page: query.page,
                page_size: 100,
            })
        };
        let all: Vec<u32> = paged(&ListQuery::default(), fetch)
            .try_collect()
            .await
            .unwrap();
        assert_eq!(all, (0..250).collect::<Vec<_>>());
    }
}
