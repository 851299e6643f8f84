//! What Prometheus reads: a handful of counters, without names of people or hosts.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub struct Metrics {
    logins_accepted: AtomicU64,
    logins_refused: AtomicU64,
    commands_confirmed: AtomicU64,
    commands_denied: AtomicU64,
    commands_unconfirmed: AtomicU64,
    /// Requests by the first digit of their status.
    requests: [AtomicU64; 6],
}

/// How a command went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It took effect.
    Confirmed,
    /// The session refused it.
    Denied,
    /// No answer in time.
    Unconfirmed,
}

impl Metrics {
    /// Somebody tried to log in.
    pub fn login(&self, accepted: bool) {
        let counter = if accepted {
            &self.logins_accepted
        } else {
            &self.logins_refused
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A command was ordered.
    pub fn command(&self, how: Answered) {
        let counter = match how {
            Answered::Confirmed => &self.commands_confirmed,
            Answered::Denied => &self.commands_denied,
            Answered::Unconfirmed => &self.commands_unconfirmed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A request was answered.
    pub fn request(&self, status: u16) {
        if let Some(counter) = self.requests.get(usize::from(status / 100)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// In Prometheus' text format; `sessions` by status come from the store, `tasks` from those who run them.
    pub fn render(&self, sessions: &[(&str, u64)], tasks: &[(&str, u64)]) -> String {
        let mut text = String::new();
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        section(
            &mut text,
            "sallyport_sessions",
            "gauge",
            "Sessions that have not ended, by status.",
            "status",
            sessions,
        );
        section(
            &mut text,
            "sallyport_tasks",
            "gauge",
            "Tasks that run or wait in this process: those of connections, and the rest.",
            "of",
            tasks,
        );
        let logins = [
            ("accepted", of(&self.logins_accepted)),
            ("refused", of(&self.logins_refused)),
        ];
        section(
            &mut text,
            "sallyport_api_logins_total",
            "counter",
            "Log-ins at the API.",
            "outcome",
            &logins,
        );
        let commands = [
            ("confirmed", of(&self.commands_confirmed)),
            ("denied", of(&self.commands_denied)),
            ("unconfirmed", of(&self.commands_unconfirmed)),
        ];
        section(
            &mut text,
            "sallyport_api_commands_total",
            "counter",
            "Orders to live sessions.",
            "outcome",
            &commands,
        );
        let classes = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"];
        let requests: Vec<_> = classes
            .into_iter()
            .zip(self.requests.iter().map(of))
            .skip(1)
            .collect();
        section(
            &mut text,
            "sallyport_api_requests_total",
            "counter",
            "Requests, by class of their status.",
            "status",
            &requests,
        );
        text
    }
}

fn section(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    label: &str,
    values: &[(&str, u64)],
) {
    // Writing into a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (value, count) in values {
        let _ = writeln!(text, "{name}{{{label}=\"{value}\"}} {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_rendered_with_their_labels() {
        let metrics = Metrics::default();
        metrics.login(true);
        metrics.login(false);
        metrics.login(false);
        metrics.command(Answered::Denied);
        metrics.request(204);
        metrics.request(404);
        let text = metrics.render(&[("Logged In", 3)], &[("connections", 7)]);
        for line in [
            "# TYPE sallyport_sessions gauge",
            "sallyport_tasks{of=\"connections\"} 7",
            "sallyport_sessions{status=\"Logged In\"} 3",
            "sallyport_api_logins_total{outcome=\"refused\"} 2",
            "sallyport_api_commands_total{outcome=\"denied\"} 1",
            "sallyport_api_requests_total{status=\"2xx\"} 1",
            "sallyport_api_requests_total{status=\"4xx\"} 1",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} in\n{text}");
        }
    }
}
