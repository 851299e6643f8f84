//! What a list is asked for, and what it answers.

use chrono::{DateTime, Utc};
use sallyport_domain::event::Level;
use sallyport_domain::status::{StateClass, Status};
use serde::Serialize;

/// What a list is asked for. A list ignores the filters that are not about its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Case-insensitive substring of any shown column.
    pub q: String,
    /// Any of these statuses (sessions).
    pub status: Vec<Status>,
    /// Any of these classes (sessions).
    pub class: Vec<StateClass>,
    /// This user's.
    pub user: Option<String>,
    /// Those of the members of this group (sessions).
    pub group: Option<String>,
    /// On this host (sessions).
    pub host: Option<String>,
    /// With this activity (sessions).
    pub activity: Option<String>,
    /// With this log-in account (sessions).
    pub account: Option<String>,
    /// Of this type: `PAM SSH`, `CONSOLE`, … (sessions, log-ins).
    pub kind: Option<String>,
    /// Only those not yet ended, or only those ended (sessions).
    pub open: Option<bool>,
    /// Of this session only (recordings, log-ins).
    pub session: Option<String>,
    /// This action, or all that begin with it and a dot (audit).
    pub action: Option<String>,
    /// Only accepted, or only refused (log-ins).
    pub accepted: Option<bool>,
    /// At least this level (events).
    pub level: Option<Level>,
    /// Active at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Active at this time or earlier.
    pub to: Option<DateTime<Utc>>,
    /// A column, with `-` before it for descending; empty for the list's own order.
    pub sort: String,
    /// From 1; 0 is 1.
    pub page: u32,
    /// Up to [`ListQuery::MAX_PAGE_SIZE`]; 0 is [`ListQuery::PAGE_SIZE`].
    pub page_size: u32,
}

impl ListQuery {
    /// The largest page.
    pub const MAX_PAGE_SIZE: u32 = 100;
    /// The page if none is asked for.
    pub const PAGE_SIZE: u32 = 25;

    /// The page asked for, from 1.
    pub fn page(&self) -> u32 {
        self.page.max(1)
    }

    /// Its size within the limits.
    pub fn page_size(&self) -> u32 {
        match self.page_size {
            0 => Self::PAGE_SIZE,
            size => size.min(Self::MAX_PAGE_SIZE),
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page<T> {
    /// Its rows.
    pub items: Vec<T>,
    /// How many rows there are on all pages.
    pub total: u64,
    /// Which page this is, from 1.
    pub page: u32,
    /// How many rows a page has.
    pub page_size: u32,
}
