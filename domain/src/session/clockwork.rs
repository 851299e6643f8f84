//! Everything that happens because time passes: warnings, idleness, the deadline.

use chrono::{DateTime, TimeDelta, Utc};

use super::admission::{EXTENSION_WINDOW, user_extension};
use super::effects::Effects;
use super::machine::{Phase, Session};
use super::{Action, Notice};
use crate::close::CloseReason;
use crate::event::Event;
use crate::span::Span;

/// While somebody types, the time of the last access is written down no more often than this.
const ACCESS_STORED_EVERY: Span = Span::from_secs(10);

impl Session {
    /// Sets the scheduled end from the limits, and the warnings that are still ahead of it.
    ///
    /// A warning that would have been due before `now` is left out: the user has just been told
    /// of the new end, or the session is shorter than the warning.
    pub(super) fn schedule_end(&mut self, now: DateTime<Utc>) {
        let Some(start) = self.times.provisioned_at else {
            return;
        };
        let end = later(later(start, self.terms.max_duration), self.granted);
        self.times.scheduled_end = Some(end);
        let mut warn_before: Vec<TimeDelta> = self
            .terms
            .end_notice
            .iter()
            .map(|span| span.delta())
            .filter(|span| *span > TimeDelta::zero())
            .collect();
        // Who may extend must be told while it is possible.
        if self.extensions_left() > 0 && !warn_before.iter().any(|span| *span <= EXTENSION_WINDOW) {
            warn_before.push(EXTENSION_WINDOW);
        }
        self.notices = warn_before
            .into_iter()
            .filter_map(|span| end.checked_sub_signed(span))
            .filter(|due| *due > now)
            .collect();
        self.notices.sort_unstable();
        self.notices.dedup();
    }

    /// Extensions the user has left.
    pub(super) fn extensions_left(&self) -> u32 {
        let limit = self.terms.extension.map_or(0, |extension| extension.limit);
        limit.saturating_sub(self.extensions_used)
    }

    /// Would Ctrl+X be honoured now? If not, the key belongs to the target.
    pub fn extendable(&self, now: DateTime<Utc>) -> bool {
        user_extension(self, now).is_ok()
    }

    /// Is there a connection that is not on its way out?
    pub(super) fn is_occupied(&self) -> bool {
        self.connections.len() > self.cut.len()
    }

    /// A human did something.
    pub(super) fn touch(&mut self, now: DateTime<Utc>) {
        self.idle_since = self.idle_since.max(Some(now));
        self.last_access_at = self.last_access_at.max(Some(now));
    }

    /// Somebody typed. What a locked session discards is no access.
    pub(super) fn human_input(&mut self, now: DateTime<Utc>, out: &mut Effects) {
        if matches!(self.phase, Phase::Open) && self.lock.is_none() && self.is_occupied() {
            self.touch(now);
            self.store_access(now, out);
        }
    }

    /// Gives the warnings that are due, as one. Those nobody is there to see wait for somebody.
    pub(super) fn warn(&mut self, now: DateTime<Utc>, out: &mut Effects) {
        let Some(end) = self.times.scheduled_end else {
            return;
        };
        let due = self.notices.partition_point(|at| *at <= now);
        if due == 0 || !self.is_occupied() || !matches!(self.phase, Phase::Open) {
            return;
        }
        self.notices.drain(..due);
        // Rounded up: a timer is late by some milliseconds, and 299 s reads like a mistake.
        let remaining_ms = end.signed_duration_since(now).num_milliseconds();
        let remaining_s = remaining_ms.saturating_add(999).div_euclid(1000).max(0);
        out.log(Event::EndWarned { remaining_s });
        out.notify(Notice::EndsSoon {
            at: end,
            remaining_s,
            extendable: self.extendable(now),
        });
        out.persist();
    }

    /// Ends it if its deadline has passed.
    pub(super) fn expire(&mut self, now: DateTime<Utc>, out: &mut Effects) {
        match (self.deadline(), &self.phase) {
            (Some(deadline), Phase::Open) if deadline.at <= now => {
                self.end(
                    CloseReason::Deadline {
                        limit: deadline.reason,
                    },
                    None,
                    out,
                );
            }
            (Some(_) | None, _) => {}
        }
    }

    /// A time it asked for has come; its deadline was looked at before.
    pub(super) fn tick(&mut self, now: DateTime<Utc>, out: &mut Effects) {
        // The timer is spent, so the next wish must be told even if it is the same.
        self.wake = None;
        if self.idle_end().is_some_and(|at| at <= now) {
            self.end(CloseReason::Idle, None, out);
        } else {
            self.warn(now, out);
            self.store_access(now, out);
        }
    }

    /// Asks to be woken at the next time anything is due. With `lazily`, only if that is sooner
    /// than the present wish: who types moves the idle end further away with every key.
    pub(super) fn arm(&mut self, lazily: bool, out: &mut Effects) {
        let next = self.next_wake();
        let wanted = match (next, self.wake) {
            (None, _) => false,
            (Some(next), Some(armed)) if lazily => next < armed,
            (Some(next), armed) => armed != Some(next),
        };
        if !wanted && lazily {
            return;
        }
        self.wake = next;
        if let (true, Some(at)) = (wanted, next) {
            out.push(Action::WakeAt(at));
        }
    }

    fn next_wake(&self) -> Option<DateTime<Utc>> {
        if !matches!(self.phase, Phase::Open) {
            return None;
        }
        let warning = self.notices.first().copied().filter(|_| self.is_occupied());
        [
            self.times.scheduled_end,
            warning,
            self.idle_end(),
            self.access_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When it will have been idle for too long, if nobody types. Runs only while somebody is
    /// connected and could type.
    fn idle_end(&self) -> Option<DateTime<Utc>> {
        let could_type =
            matches!(self.phase, Phase::Open) && self.lock.is_none() && self.is_occupied();
        match (self.idle_since, self.terms.idle_timeout) {
            (Some(since), Some(timeout)) if could_type => Some(later(since, timeout)),
            (Some(_) | None, Some(_) | None) => None,
        }
    }

    /// When the time of the last access is to be written down.
    fn access_due(&self) -> Option<DateTime<Utc>> {
        match (self.last_access_at, self.stored_access_at) {
            (Some(last), Some(stored)) if last > stored => Some(later(stored, ACCESS_STORED_EVERY)),
            (Some(last), None) => Some(last),
            (Some(_) | None, Some(_) | None) => None,
        }
    }

    fn store_access(&self, now: DateTime<Utc>, out: &mut Effects) {
        if self.access_due().is_some_and(|due| due <= now) {
            out.persist();
        }
    }
}

/// `at` + `span`; the end of time rather than an overflow.
fn later(at: DateTime<Utc>, span: Span) -> DateTime<Utc> {
    at.checked_add_signed(span.delta())
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
