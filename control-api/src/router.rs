//! Every path of the API, on one page.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use sallyport_domain::declared::{
    AccessPolicy, Account, Activity, Application, ConnectionProfile, Group, Host, Scope, User,
};

use crate::input::{BODY_LIMIT, settled};
use crate::nouns::{self, Noun};
use crate::problem::Problem;
use crate::sessions::orders::{End, Extend, Lock, Message, Order, Terminate, Unlock};
use crate::sessions::{control, log, rdp_file, request, show, watch};
use crate::state::Api;
use crate::{
    apply, connection_passwords, console, desktop_door, health, login, nt_hash, openapi, people,
    pictures, recordings, ssh_ca, trail,
};

/// What opens something: pinned keys of hosts, passwords for connections.
fn keys() -> Router<Api> {
    Router::new()
        .route(
            "/hosts/{name}/host-keys",
            get(people::host_keys).delete(people::unpin),
        )
        .route(
            "/hosts/{name}/rdp-keys",
            get(people::rdp_keys).delete(people::unpin_rdp),
        )
        .route(
            "/connection-passwords",
            get(connection_passwords::list).post(connection_passwords::make),
        )
        .route(
            "/connection-passwords/{id}",
            delete(connection_passwords::remove),
        )
}

/// All of it.
pub fn router(api: Api) -> Router {
    let v1 = Router::new()
        .route("/openapi.json", get(openapi::document))
        .route("/login", post(login::login))
        .route("/logout", post(login::logout))
        .route("/password", post(login::change_password))
        .route("/me", get(login::me))
        .route("/apply", post(apply::apply))
        .merge(collection::<Scope>("{*name}"))
        .merge(collection::<User>("{name}"))
        .merge(collection::<Group>("{name}"))
        .merge(collection::<Application>("{name}"))
        .merge(collection::<Host>("{name}"))
        .merge(collection::<Account>("{name}"))
        .merge(collection::<Activity>("{name}"))
        .merge(collection::<ConnectionProfile>("{name}"))
        .merge(collection::<AccessPolicy>("{name}"))
        .route(
            "/users/me/nt-hash",
            post(nt_hash::keep).delete(nt_hash::forget),
        )
        .route("/users/{name}/lock", post(people::lock))
        .route("/users/{name}/unlock", post(people::unlock))
        .route("/users/{name}/barred-hosts/{host}", delete(people::unbar))
        .merge(keys())
        .route("/rdp", get(desktop_door::enter))
        .route("/ssh-ca", get(ssh_ca::show))
        .merge(sessions())
        .route("/recordings", get(recordings::list))
        .route("/recordings/{id}", get(recordings::show))
        .route("/recordings/{id}/tape", get(recordings::tape))
        .route("/recordings/{id}/export", get(recordings::export))
        .route("/recordings/{id}/pictures", get(pictures::picture))
        .route("/recordings/{id}/pictures/index", get(pictures::index))
        .route("/recordings/{id}/verify", get(recordings::verify))
        .route("/audit", get(trail::audit))
        .route("/audit/verify", get(trail::verify))
        .route("/access-log", get(trail::access_log));
    Router::new()
        .nest("/api/v1", v1)
        .merge(console::routes())
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn_with_state(api.clone(), around))
        .with_state(api)
}

/// Sessions: listed, asked for, watched, ordered about.
fn sessions() -> Router<Api> {
    Router::new()
        .route("/sessions", get(show::list).post(request::request))
        .route("/sessions/{id}", get(show::show))
        .route("/sessions/{id}/events", get(log::events))
        .route("/sessions/{id}/connections", get(log::connections))
        .route("/sessions/{id}/watch", get(watch::watch))
        .route("/sessions/{id}/rdp-file", post(rdp_file::file))
        .merge(orders::<Lock>())
        .merge(orders::<Unlock>())
        .merge(orders::<End>())
        .merge(orders::<Terminate>())
        .merge(orders::<Extend>())
        .merge(orders::<Message>())
}

/// A noun's collection; `name` is how its items are named in a path (a scope's name has slashes).
fn collection<T: Noun>(name: &str) -> Router<Api> {
    let all = format!("/{}", T::COLLECTION);
    let one = format!("/{}/{name}", T::COLLECTION);
    Router::new().route(&all, get(nouns::list::<T>)).route(
        &one,
        get(nouns::show::<T>)
            .put(nouns::put::<T>)
            .delete(nouns::remove::<T>),
    )
}

/// An order to one session, and to many.
fn orders<O: Order>() -> Router<Api> {
    Router::new()
        .route(
            &format!("/sessions/{{id}}/{}", O::VERB),
            post(control::one::<O>),
        )
        .route(&format!("/sessions/{}", O::VERB), post(control::many::<O>))
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!(
            "there is nothing at {}; see /api/v1/openapi.json",
            uri.path()
        ),
    )
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let told = format!(
        "{} does not take {method}; the `Allow` header says what it takes",
        uri.path()
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, told)
}

/// Counts every answer, and keeps answers out of caches and from being taken for what they are not.
async fn around(State(api): State<Api>, request: Request, next: Next) -> Response {
    let mut response = match settled(request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    api.metrics.request(response.status().as_u16());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
