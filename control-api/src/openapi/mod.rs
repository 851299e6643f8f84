//! `/api/v1/openapi.json`: one table of what there is, made into a document once.

mod declared;
mod paths;
mod shown;

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::caller::COOKIE;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| build().to_json().unwrap_or_default());

/// `GET /openapi.json`
pub async fn document() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.as_str(),
    )
}

fn build() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Sallyport")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Privileged sessions: who may, who does, and what was done. Errors are RFC 9457 problem details; what one \
             may not see is 404. Times are RFC 3339 in UTC. Lists answer CSV for `Accept: text/csv`.",
        ))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(paths::paths())
        .components(Some(components()))
        .security(Some([
            SecurityRequirement::new("token", [""; 0]),
            SecurityRequirement::new("cookie", [""; 0]),
        ]))
        .build()
}

fn components() -> Components {
    let mut components = Components::new();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("the token of a log-in, or an application's API key"))
        .build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(
        COOKIE,
        "the console's; what changes something needs `X-Requested-With` too",
    );
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let mut schemas = Vec::new();
    all_schemas(&mut schemas);
    components.schemas.extend(schemas);
    components
}

type Named = (String, RefOr<Schema>);

fn add<T: ToSchema + PartialSchema>(to: &mut Vec<Named>) {
    to.push((T::name().into_owned(), T::schema()));
    T::schemas(to);
}

fn all_schemas(to: &mut Vec<Named>) {
    add::<declared::Declaration>(to);
    add::<crate::problem::Problem>(to);
    add::<crate::login::LoginRequest>(to);
    add::<crate::login::LoggedIn>(to);
    add::<crate::login::PasswordChange>(to);
    add::<crate::login::Me>(to);
    add::<crate::pictures::PictureIndex>(to);
    add::<crate::nt_hash::OwnPassword>(to);
    add::<crate::ssh_ca::SshCa>(to);
    add::<crate::people::UserLock>(to);
    add::<crate::people::UserUnlock>(to);
    add::<crate::people::PinnedKeys>(to);
    add::<crate::people::PinnedRdpKeys>(to);
    add::<crate::connection_passwords::ConnectionPasswordRequest>(to);
    add::<crate::sessions::request::SessionRequest>(to);
    add::<crate::sessions::rdp_file::RdpFileRequest>(to);
    add::<crate::sessions::orders::Lock>(to);
    add::<crate::sessions::orders::Unlock>(to);
    add::<crate::sessions::orders::End>(to);
    add::<crate::sessions::orders::Terminate>(to);
    add::<crate::sessions::orders::Extend>(to);
    add::<crate::sessions::orders::Message>(to);
    add::<shown::Noun>(to);
    add::<shown::Applied>(to);
    add::<shown::ConnectionPassword>(to);
    add::<shown::NewConnectionPassword>(to);
    add::<shown::ConnectionPasswords>(to);
    add::<shown::Session>(to);
    add::<shown::Requested>(to);
    add::<shown::Event>(to);
    add::<shown::Connections>(to);
    add::<shown::OrderAnswer>(to);
    add::<shown::Many>(to);
    add::<shown::UserLocked>(to);
    add::<shown::Recording>(to);
    add::<shown::TapeReport>(to);
    add::<shown::AuditEntry>(to);
    add::<shown::AuditReport>(to);
    add::<shown::LoginEntry>(to);
}

#[cfg(test)]
mod tests;
