//! Connection passwords: made for oneself, to log in by RDP where one's own password will not do.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use sallyport_domain::connect_string::{self, ConnectString};
use sallyport_domain::declared::Protocol;
use sallyport_domain::policy::{self, Decision, Offer};
use sallyport_domain::refusal::Refusal;
use sallyport_domain::role::Act;
use sallyport_store::{
    CONNECTION_PASSWORD_LONGEST, ConnectionPasswordRow, ConnectionPasswordTerms,
    NewConnectionPassword, SessionType, Uses,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::caller::Caller;
use crate::input::Body;
use crate::problem::Problem;
use crate::sessions::orders::printable;
use crate::sessions::request::on_record;
use crate::state::Api;

/// How long one lives unless asked for otherwise.
const LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// What the password is to be good for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionPasswordRequest {
    /// This host only: its name or friendly name.
    #[schema(example = "desk-01")]
    host: Option<String>,
    /// This activity only.
    #[schema(example = "desktop")]
    activity: Option<String>,
    /// For so many seconds: 300 without it, at most 43200.
    ttl_s: Option<i64>,
    /// `one` (the default), or `many` until it runs out.
    #[schema(value_type = Option<String>, example = "one")]
    uses: Option<Uses>,
}

/// A connection password as it is shown.
#[derive(Serialize)]
pub struct Shown {
    #[serde(flatten)]
    row: ConnectionPasswordRow,
    /// The user name to give with it.
    login: String,
}

/// The same with the password, which is never shown again.
#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    shown: Shown,
    password: String,
}

/// One's own ones.
#[derive(Serialize)]
pub struct All {
    items: Vec<Shown>,
}

/// `POST /connection-passwords`
pub async fn make(
    caller: Caller,
    State(api): State<Api>,
    body: Body<ConnectionPasswordRequest>,
) -> Result<Response, Problem> {
    caller.require(Act::UseSessions)?;
    let asked = body.read_or_default()?;
    let lifetime = lifetime(asked.ttl_s)?;
    let (host, activity) = reached(&api, &caller, asked.host, asked.activity).await?;
    let terms = ConnectionPasswordTerms {
        host,
        activity,
        uses: asked.uses.unwrap_or_default(),
        lifetime,
    };
    let NewConnectionPassword { row, password } = issue(&api, &caller, &terms).await?;
    let location = format!("/api/v1/connection-passwords/{}", row.id);
    let made = Made {
        shown: shown(&caller, row),
        password: password.to_string(),
    };
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(made),
    )
        .into_response())
}

/// `GET /connection-passwords`: one's own that are still good, without the passwords.
pub async fn list(caller: Caller, State(api): State<Api>) -> Result<Json<All>, Problem> {
    let rows = api
        .store
        .connection_passwords(caller.identity.id, api.now())
        .await?;
    let items = rows.into_iter().map(|row| shown(&caller, row)).collect();
    Ok(Json(All { items }))
}

/// `DELETE /connection-passwords/{id}`
pub async fn remove(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: Uuid = id
        .parse()
        .map_err(|_| Problem::not_found("connection password"))?;
    api.store
        .remove_connection_password(&caller.author, caller.identity.id, id, api.now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes one for the caller.
pub async fn issue(
    api: &Api,
    caller: &Caller,
    terms: &ConnectionPasswordTerms,
) -> Result<NewConnectionPassword, Problem> {
    if caller.identity.application {
        return Err(Problem::conflict(
            "an application cannot log in by RDP, so there is no connection password for one",
        ));
    }
    let made =
        api.store
            .make_connection_password(&caller.author, caller.identity.id, terms, api.now());
    Ok(made.await?)
}

/// For one use of one activity on one host, within the next minutes.
pub fn once(host: &str, activity: &str) -> ConnectionPasswordTerms {
    ConnectionPasswordTerms {
        host: Some(host.to_owned()),
        activity: Some(activity.to_owned()),
        uses: Uses::One,
        lifetime: LIFETIME,
    }
}

fn shown(caller: &Caller, row: ConnectionPasswordRow) -> Shown {
    // The grammar has no place for an activity without a host.
    let activity = row.host.as_ref().and(row.activity.as_ref());
    let login = ConnectString {
        user: caller.identity.name.clone(),
        activity: activity.map(|name| name.replace(' ', "_")),
        host: row.host.clone(),
        ..ConnectString::default()
    };
    Shown {
        login: connect_string::render(&login),
        row,
    }
}

fn lifetime(seconds: Option<i64>) -> Result<TimeDelta, Problem> {
    let longest = CONNECTION_PASSWORD_LONGEST.num_seconds();
    match seconds {
        None => Ok(LIFETIME),
        Some(seconds) if (1..=longest).contains(&seconds) => Ok(TimeDelta::seconds(seconds)),
        Some(seconds) => Err(Problem::unprocessable(format!(
            "`ttl_s` is {seconds}, but must be 1 to {longest} seconds"
        ))),
    }
}

/// Host and activity by their declared names, if the caller may reach them by RDP once the conditions of the
/// policy are met: those are asked for at the log-in.
async fn reached(
    api: &Api,
    caller: &Caller,
    host: Option<String>,
    activity: Option<String>,
) -> Result<(Option<String>, Option<String>), Problem> {
    let said = |field, text: Option<String>| -> Result<Option<String>, Problem> {
        let text = text.map(|text| printable(field, &text)).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    };
    let (host, activity) = (said("host", host)?, said("activity", activity)?);
    if host.is_none() && activity.is_none() {
        return Ok((None, None));
    }
    let survey = api.store.policy_survey(&caller.viewer.name).await?;
    let found = policy::offers(&survey, Protocol::Rdp)
        .and_then(|offers| named(&offers, host.as_deref(), activity.as_deref()));
    match found {
        Ok(found) => Ok(found),
        Err(refusal) => {
            let place = host.clone().unwrap_or_default();
            let refusal = match host {
                Some(host) => why_not(api, caller, host, activity, refusal).await?,
                None => refusal,
            };
            Err(on_record(api, caller, SessionType::PamRdp, refusal, &place).await?)
        }
    }
}

/// The names of what is offered under the names that were given.
fn named(
    offers: &[Offer],
    host: Option<&str>,
    activity: Option<&str>,
) -> Result<(Option<String>, Option<String>), Refusal> {
    let lower = host.map(str::to_lowercase);
    let there = |offer: &&Offer| {
        lower.as_ref().is_none_or(|host| {
            offer.host.to_lowercase() == *host || offer.friendly_name.to_lowercase() == *host
        })
    };
    let offers: Vec<&Offer> = offers.iter().filter(there).collect();
    let Some(first) = offers.first() else {
        return Err(match host {
            Some(host) => Refusal::NoPolicy {
                host: host.to_owned(),
            },
            None => Refusal::NothingToReach,
        });
    };
    let host = host.map(|_| first.host.clone());
    let Some(asked) = activity else {
        return Ok((host, None));
    };
    let exact = offers.iter().find(|offer| offer.activity == asked);
    let typed = || {
        let mut offers = offers.iter();
        offers.find(|offer| offer.activity.replace(' ', "_") == asked)
    };
    match exact.or_else(typed) {
        Some(offer) => Ok((host, Some(offer.activity.clone()))),
        None => {
            let allowed: BTreeSet<&str> =
                offers.iter().map(|offer| offer.activity.as_str()).collect();
            Err(Refusal::NoSuchActivity {
                activity: asked.to_owned(),
                host: host.unwrap_or_else(|| "any host".to_owned()),
                allowed: allowed.into_iter().collect::<Vec<_>>().join(", "),
            })
        }
    }
}

/// What the policy itself says of that host, which may be more than that it is not offered: barred, no secret, …
async fn why_not(
    api: &Api,
    caller: &Caller,
    host: String,
    activity: Option<String>,
    otherwise: Refusal,
) -> Result<Refusal, Problem> {
    let user = &caller.viewer.name;
    let snapshot = api.store.policy_snapshot(user, &host).await?;
    let request = policy::Request {
        protocol: Protocol::Rdp,
        host,
        activity,
        account: None,
        policy: None,
        notes: None,
        ticket: None,
    };
    Ok(match policy::evaluate(&snapshot, &request) {
        Decision::Deny(refusal) => refusal,
        Decision::Allow(_) => otherwise,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(host: &str, friendly_name: &str, activity: &str) -> Offer {
        Offer {
            host: host.to_owned(),
            friendly_name: friendly_name.to_owned(),
            account: "deploy".to_owned(),
            activity: activity.to_owned(),
            policy: "p".to_owned(),
            policy_matters: false,
            needs_notes: false,
            needs_ticket: false,
            connect_string: String::new(),
        }
    }

    #[test]
    fn names_are_found_as_they_are_declared() {
        let offers = [
            offer("desk-01", "Front Desk", "desktop"),
            offer("desk-01", "Front Desk", "office work"),
            offer("desk-02", "", "kiosk"),
        ];
        let refused = |host, activity, of: &[Offer]| named(of, host, activity).unwrap_err();
        for (host, activity, found) in [
            (Some("DESK-01"), None, (Some("desk-01"), None)),
            (
                Some("front desk"),
                Some("desktop"),
                (Some("desk-01"), Some("desktop")),
            ),
            (None, Some("office_work"), (None, Some("office work"))),
            (None, Some("kiosk"), (None, Some("kiosk"))),
        ] {
            let (in_host, in_activity) = named(&offers, host, activity).unwrap();
            assert_eq!((in_host.as_deref(), in_activity.as_deref()), found);
        }
        assert_eq!(
            refused(Some("desk-01"), Some("kiosk"), &offers).to_string(),
            "you may not do kiosk on desk-01; you may: desktop, office work"
        );
        assert_eq!(
            refused(None, Some("none"), &offers).to_string(),
            "you may not do none on any host; you may: desktop, kiosk, office work"
        );
        let nowhere = refused(Some(""), None, &offers[..2]);
        assert!(matches!(nowhere, Refusal::NoPolicy { .. }));
        assert_eq!(refused(None, Some("x"), &[]), Refusal::NothingToReach);
    }
}
