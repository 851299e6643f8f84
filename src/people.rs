//! `login`, `connection-password`, `users` and `audit`: small commands that only talk to a server.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cli::{Audit, ConnectionPassword, Users, Uses};
use crate::client::{Client, escape};
use crate::failure::Failure;
use crate::output::{Output, field, page, time};
use crate::prompt;

/// Asks who it is and prints a token. A one-time password is exchanged for one of the user's own.
pub fn login(client: &Client, user: Option<&str>, output: Output) -> Result<(), Failure> {
    let user = match user {
        Some(user) => user.to_owned(),
        None => prompt::ask("User: ")?,
    };
    let password = prompt::ask_secret(&format!("Password of {user}: "))?;
    let mut answer = post_login(client, &user, &password)?;
    if answer.get("must_change_password") == Some(&Value::Bool(true)) {
        let new = new_password()?;
        let newcomer = client.with_token(&field(&answer, "token"));
        let change = json!({ "current_password": password.as_str(), "new_password": new.as_str() });
        newcomer.post("password", &[], &change)?;
        answer = post_login(client, &user, &new)?;
    }
    output.show(&answer, |answer| field(answer, "token"))
}

fn post_login(client: &Client, user: &str, password: &str) -> Result<Value, Failure> {
    client.login(&json!({ "username": user, "password": password }))
}

fn new_password() -> Result<Zeroizing<String>, Failure> {
    let new = prompt::ask_secret("This password is good for once. Your new password: ")?;
    if prompt::somebody_types() {
        let again = prompt::ask_secret("Once more: ")?;
        if *again != *new {
            return Err(Failure::new(
                "the two passwords differ; run `sallyport login` again",
            ));
        }
    }
    Ok(new)
}

/// Makes a password for RDP and prints it with the user name to give.
pub fn connection_password(
    client: &Client,
    asked: &ConnectionPassword,
    output: Output,
) -> Result<(), Failure> {
    let ttl = humantime::parse_duration(&asked.ttl).map_err(|_| {
        Failure::new(format!(
            "--ttl is `{}`, but must be a length of time, for example 5m or 12h",
            asked.ttl
        ))
    })?;
    let uses = match asked.uses {
        Uses::One => "one",
        Uses::Many => "many",
    };
    let body = json!({ "host": asked.host, "activity": asked.activity, "ttl_s": ttl.as_secs(), "uses": uses });
    let made = client.post("connection-passwords", &[], &body)?;
    output.show(&made, |made| {
        let often = match asked.uses {
            Uses::One => "for one use ",
            Uses::Many => "",
        };
        format!(
            "user name  {}\npassword   {}\ngood       {often}until {} (UTC)",
            field(made, "login"),
            field(made, "password"),
            time(made, "expires_at")
        )
    })
}

/// Locks and unlocks users.
pub fn users(client: &Client, command: &Users, output: Output) -> Result<(), Failure> {
    let (name, verb, body) = match command {
        Users::Lock { name, reason } => (name, "lock", json!({ "reason": reason })),
        Users::Unlock { name } => (name, "unlock", json!({})),
    };
    let answer = client.post(&format!("users/{}/{verb}", escape(name)), &[], &body)?;
    output.show(&answer, |_| format!("{name}: {verb}ed"))
}

/// Reads and checks the audit trail.
pub fn audit(client: &Client, command: &Audit, output: Output) -> Result<(), Failure> {
    match command {
        Audit::List { query, paging } => {
            let mut parameters = vec![
                ("page", paging.page.to_string()),
                ("page_size", paging.page_size.to_string()),
            ];
            if let Some(query) = query {
                parameters.push(("q", query.clone()));
            }
            let list = client.get("audit", &parameters)?;
            output.show(&list, |list| {
                page(
                    list,
                    &["SEQ", "TIME", "USER", "FROM", "ACTION", "OBJECT"],
                    |row| {
                        vec![
                            field(row, "seq"),
                            time(row, "at"),
                            field(row, "user"),
                            field(row, "ip"),
                            field(row, "action"),
                            format!(
                                "{} {}",
                                field(row, "object_kind"),
                                field(row, "object_name")
                            ),
                        ]
                    },
                )
            })
        }
        Audit::Verify => {
            let report = client.get("audit/verify", &[])?;
            output.show(&report, |report| {
                format!(
                    "{} entries, head {}",
                    field(report, "entries"),
                    field(report, "head")
                )
            })?;
            match report.get("fault").filter(|fault| !fault.is_null()) {
                None => Ok(()),
                Some(fault) => Err(Failure::new(format!(
                    "the audit trail is broken at entry {}: {}",
                    field(fault, "seq"),
                    field(fault, "problem")
                ))),
            }
        }
    }
}
