//! The declared nouns, a collection each: list, show, declare, remove.
//!
//! All of them go through the store's `apply` and `remove_noun`: the API has no other way to change what is
//! declared than `sallyport apply` has.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use sallyport_domain::declared::{
    AccessPolicy, Account, Activity, Application, ConnectionProfile, Declaration, Group, Host,
    NounKind, Scope, User,
};
use sallyport_domain::role::Act;
use sallyport_store::{ChangeAction, NounRow};
use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::input::{Body, Params};
use crate::list::{Listing, paged};
use crate::problem::Problem;
use crate::sources;
use crate::state::Api;

/// A noun with a collection of its own.
pub trait Noun: DeserializeOwned + Send + 'static {
    /// What it is.
    const KIND: NounKind;
    /// Its collection under `/api/v1`.
    const COLLECTION: &'static str;
    /// Its name, which is also its place in the collection.
    fn name(&self) -> String;
    /// A declaration of it alone.
    fn declaration(self) -> Declaration;
}

macro_rules! nouns {
    ($($noun:ident = $collection:literal, $field:ident, |$it:ident| $name:expr;)+) => {
        $(impl Noun for $noun {
            const KIND: NounKind = NounKind::$noun;
            const COLLECTION: &'static str = $collection;

            fn name(&self) -> String {
                let $it = self;
                $name
            }

            fn declaration(self) -> Declaration {
                Declaration { $field: vec![self], ..Declaration::default() }
            }
        })+
    };
}

nouns! {
    Scope = "scopes", scopes, |it| it.path.to_string();
    User = "users", users, |it| it.name.clone();
    Group = "groups", groups, |it| it.name.clone();
    Application = "applications", applications, |it| it.name.clone();
    Host = "hosts", hosts, |it| it.name.clone();
    Account = "accounts", accounts, |it| it.full_name();
    Activity = "activities", activities, |it| it.name.clone();
    ConnectionProfile = "connection-profiles", connection_profiles, |it| it.name.clone();
    AccessPolicy = "access-policies", access_policies, |it| it.name.clone();
}

/// The list of any noun.
pub static NOUNS: Listing = Listing {
    name: "nouns",
    columns: &[
        "id",
        "kind",
        "name",
        "scope",
        "doc",
        "has_secret",
        "locked",
        "version",
        "created_at",
        "updated_at",
    ],
    filters: &[],
};

/// `GET /{collection}`
pub async fn list<T: Noun>(
    caller: Caller,
    State(api): State<Api>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    caller.require(Act::ReadNouns)?;
    let asked = NOUNS.asked(&headers, params)?;
    let query = asked.query.clone();
    let page = api.store.list_nouns(&caller.viewer, T::KIND, &query);
    let all = || {
        let (store, viewer) = (api.store.clone(), caller.viewer.clone());
        Ok(paged(&query, move |query| {
            let (store, viewer) = (store.clone(), viewer.clone());
            async move { store.list_nouns(&viewer, T::KIND, &query).await }
        }))
    };
    asked.answer(&caller, &api, page, all).await
}

/// `GET /{collection}/{name}`
pub async fn show<T: Noun>(
    caller: Caller,
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<NounRow>, Problem> {
    caller.require(Act::ReadNouns)?;
    visible(&caller, &api, T::KIND, &name).await.map(Json)
}

/// `PUT /{collection}/{name}`
pub async fn put<T: Noun>(
    caller: Caller,
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Body<T>,
) -> Result<(StatusCode, Json<NounRow>), Problem> {
    caller.require(Act::WriteNouns)?;
    let noun = body.read()?;
    if noun.name() != name {
        let told = format!(
            "the body declares `{}`, the path says `{name}`: they must be the same",
            noun.name()
        );
        return Err(Problem::unprocessable(told));
    }
    let declaration = noun.declaration();
    sources::resolved(&declaration)?;
    let changes = api
        .store
        .apply(&caller.author, &declaration, false, api.now())
        .await?;
    let created = changes
        .iter()
        .any(|change| change.action == ChangeAction::Created);
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(visible(&caller, &api, T::KIND, &name).await?)))
}

/// `DELETE /{collection}/{name}`
pub async fn remove<T: Noun>(
    caller: Caller,
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Act::WriteNouns)?;
    visible(&caller, &api, T::KIND, &name).await?;
    api.store
        .remove_noun(&caller.author, T::KIND, &name, api.now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The noun, or 404 if there is none that this caller may see.
pub async fn visible(
    caller: &Caller,
    api: &Api,
    kind: NounKind,
    name: &str,
) -> Result<NounRow, Problem> {
    api.store
        .noun(&caller.viewer, kind, name)
        .await?
        .ok_or_else(|| Problem::not_found(kind.as_str()))
}
