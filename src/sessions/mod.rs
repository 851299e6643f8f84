//! `sallyport sessions …`: everything about live and ended sessions goes through the API.

mod meters;
mod picture;
mod rdp_file;
mod watch;

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{SessionList, Sessions};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output::{Output, field, fields, page, time};

/// What the API calls the type of a session of RDP.
pub const DESKTOP: &str = "PAM RDP";

/// Runs one of the commands.
pub fn run(client: &Client, command: &Sessions, output: Output) -> Result<(), Failure> {
    match command {
        Sessions::List(list) => show_list(client, list, output),
        Sessions::Show { id } => {
            let session = client.get(&path(id), &[])?;
            output.show(&session, |session| fields(&meters::in_words(session)))
        }
        Sessions::Events { id } => events(client, id, output),
        Sessions::Lock { id, title, message } => {
            let body = json!({ "title": title, "message": message });
            order(client, id, "lock", &body, output)
        }
        Sessions::Unlock { id } => order(client, id, "unlock", &json!({}), output),
        Sessions::End { id, reason } => {
            order(client, id, "end", &json!({ "reason": reason }), output)
        }
        Sessions::Terminate { id, cancel, reason } => {
            let body = json!({ "cancel": cancel, "reason": reason });
            order(client, id, "terminate", &body, output)
        }
        Sessions::Extend { id, by } => {
            let body = by
                .as_ref()
                .map_or_else(|| json!({}), |by| json!({ "by": by }));
            order(client, id, "extend", &body, output)
        }
        Sessions::Message { id, text } => {
            order(client, id, "message", &json!({ "text": text }), output)
        }
        Sessions::RdpFile {
            id,
            password,
            output: file,
        } => rdp_file::write(client, id, *password, file.as_deref(), output),
        Sessions::Watch { id, png, plain } => show(client, id, png.as_deref(), *plain, output),
    }
}

/// A terminal here, a desktop as a picture.
fn show(
    client: &Client,
    id: &str,
    png: Option<&Path>,
    plain: bool,
    output: Output,
) -> Result<(), Failure> {
    let session = client.get(&path(id), &[])?;
    let is_desktop = field(&session, "type") == DESKTOP;
    match png {
        Some(file) if is_desktop => picture::take(client, id, file, output),
        Some(_) => Err(Failure::new(
            "--png takes pictures of desktops, and this session is a terminal (SSH): watch it without --png",
        )),
        None if is_desktop => Err(Failure::new(format!(
            "this session is a desktop (RDP), which no terminal can show: open {}/watch/{} in a browser, \
             or write what it shows now to a file with --png FILE",
            client.base(),
            escape(id)
        ))),
        None => watch::run(client, id, plain, output),
    }
}

fn path(id: &str) -> String {
    format!("sessions/{}", escape(id))
}

fn show_list(client: &Client, list: &SessionList, output: Output) -> Result<(), Failure> {
    let sessions = client.get("sessions", &parameters(list))?;
    output.show(&sessions, |sessions| {
        page(
            sessions,
            &[
                "ID",
                "STATUS",
                "USER",
                "HOST",
                "ACTIVITY",
                "REQUESTED",
                "END",
                "FROM",
            ],
            |row| {
                let end = if field(row, "ended_at").is_empty() {
                    "scheduled_end"
                } else {
                    "ended_at"
                };
                vec![
                    field(row, "id"),
                    field(row, "status"),
                    field(row, "user"),
                    field(row, "host"),
                    field(row, "activity"),
                    time(row, "requested_at"),
                    time(row, end),
                    field(row, "source_ip"),
                ]
            },
        )
    })
}

fn parameters(list: &SessionList) -> Vec<(&'static str, String)> {
    let mut parameters = vec![
        ("sort", list.sort.clone()),
        ("page", list.paging.page.to_string()),
        ("page_size", list.paging.page_size.to_string()),
    ];
    for (name, value) in [
        ("q", &list.query),
        ("status", &list.status),
        ("user", &list.user),
        ("host", &list.host),
        ("from", &list.from),
        ("to", &list.to),
    ] {
        if let Some(value) = value {
            parameters.push((name, value.clone()));
        }
    }
    if list.live {
        parameters.push(("open", "true".to_owned()));
    }
    parameters
}

/// The whole log, page by page.
fn events(client: &Client, id: &str, output: Output) -> Result<(), Failure> {
    let mut items: Vec<Value> = Vec::new();
    for number in 1.. {
        let query = [
            ("page", format!("{number}")),
            ("page_size", "100".to_owned()),
        ];
        let list = client.get(&format!("{}/events", path(id)), &query)?;
        let rows = list
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let total = list.get("total").and_then(Value::as_u64).unwrap_or(0);
        let last = rows.is_empty();
        items.extend(rows);
        if last || items.len() as u64 >= total {
            break;
        }
    }
    let all = json!({ "total": items.len(), "items": items });
    output.show(&all, |all| {
        page(all, &["LINE", "TIME", "LEVEL", "KIND", "MESSAGE"], |row| {
            vec![
                field(row, "line"),
                time(row, "at"),
                field(row, "level"),
                field(row, "kind"),
                field(row, "message"),
            ]
        })
    })
}

/// Gives an order and says when it took effect. One that nobody confirmed is a failure.
fn order(
    client: &Client,
    id: &str,
    verb: &str,
    body: &Value,
    output: Output,
) -> Result<(), Failure> {
    let answer = client.post(&format!("{}/{verb}", path(id)), &[], body)?;
    output.show(&answer, |answer| confirmation(verb, answer))?;
    if answer.get("confirmed") == Some(&Value::Bool(false)) {
        return Err(Failure::new(format!(
            "{verb}: ordered, but not confirmed by the session in time; see `sallyport sessions events {id}`"
        )));
    }
    Ok(())
}

fn confirmation(verb: &str, answer: &Value) -> String {
    if answer.get("confirmed") == Some(&Value::Bool(false)) {
        return String::new();
    }
    if field(answer, "outcome") == "already_so" {
        return format!("{verb}: it was so already");
    }
    let ordered = field(answer, "ordered_at");
    let effective = field(answer, "effective_at");
    let mut text = format!("{verb}: ordered {ordered}, in effect {effective}");
    let nobody = Vec::new();
    let connections = answer
        .get("connections")
        .and_then(Value::as_array)
        .unwrap_or(&nobody);
    for connection in connections {
        text.push_str(&format!(
            "\n  connection {} at {}",
            field(connection, "connection"),
            field(connection, "at")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmations_carry_both_times() {
        let answer = json!({
            "command": "c", "ordered_at": "T1", "effective_at": "T2", "outcome": "done",
            "connections": [{"connection": "k", "at": "T3"}]
        });
        assert_eq!(
            confirmation("lock", &answer),
            "lock: ordered T1, in effect T2\n  connection k at T3"
        );
        assert_eq!(confirmation("lock", &json!({ "confirmed": false })), "");
        assert_eq!(
            confirmation("lock", &json!({ "outcome": "already_so" })),
            "lock: it was so already"
        );
    }
}
