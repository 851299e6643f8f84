//! The table of operations: method, path, who may, what goes in and what comes out.

use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    Content, ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};

use crate::list::{COMMON, Listing};
use crate::nouns::{NOUNS, Noun};
use crate::recordings::RECORDINGS;
use crate::sessions::log::EVENTS;
use crate::sessions::show::SESSIONS;
use crate::trail::{ACCESS_LOG, AUDIT};
use sallyport_domain::declared as noun;

use HttpMethod::{Delete, Get, Post, Put};

const WATCH: &str = "Watch it live, over a WebSocket: JSON in text frames (`type` says what), terminal output in binary ones; `token` may stand in the \
    query, or among the protocols: `bearer.` and its base64 (URL alphabet, no padding), beside `sallyport.watch`. Of a desktop the binary ones are pictures, one each: kind u8 (1 keyframe, 2 tile, 3 pointer shape), x, y, width and height as u16 \
    (little-endian; of a pointer shape x and y are its hot spot), then a PNG. A keyframe undoes all that was told of pointer and cover; text frames are \
    `desktop` (`width`, `height`; at the start and when they change), `live` (all that is to be seen was sent), `pointer` (`x`, `y`, or `shape`: arrow or \
    hidden), `cover` (`shown`: the user sees a cover instead), `gap` (`faults`: so many parts could not be decoded), `event` and `end`. \
    Administrators may take control of a desktop, by JSON in text frames of their own: `take` (`mode`: exclusive, the user's own input is dropped meanwhile; or shared), \
    `release`, `key` (`scancode` of set 1, `extended`, `down`), `text` (`text`: typed as characters where the target takes them), \
    `mouse` (`x`, `y`, `buttons`: the sum of those that are down, 1 left, 2 right, 4 middle, 8 back, 16 forward; `wheel`: 120 is a notch away from the user). \
    They are answered by `control` (`yours`, `mode`, `reason`) and `refused` (`reason`). One viewer at a time has control, until he gives it back or leaves, \
    the session is locked or the connection ends; every input is recorded under his name";

/// Who may.
#[derive(Clone, Copy)]
enum Who {
    Anybody,
    LoggedIn,
    Readers,
    Users,
    Admins,
}

/// What comes out.
enum Out {
    Json(u16, &'static str),
    Page(&'static str, &'static Listing),
    Nothing,
    Bytes(&'static str),
    Stream,
}

/// All operations.
pub fn paths() -> Paths {
    use Out::{Bytes, Json, Nothing, Page, Stream};
    let mut table = Table(Paths::new());
    table
        .op(Get, "/healthz", Who::Anybody, "Is the process alive?", None, Bytes("text/plain"))
        .op(Get, "/readyz", Who::Anybody, "Does the store answer?", None, Bytes("text/plain"))
        .op(Get, "/metrics", Who::Anybody, "Counters for Prometheus", None, Bytes("text/plain"))
        .op(Get, "/api/v1/openapi.json", Who::Anybody, "This document", None, Bytes("application/json"))
        .op(Post, "/api/v1/login", Who::Anybody, "Log in", Some("LoginRequest"), Json(200, "LoggedIn"))
        .op(Post, "/api/v1/logout", Who::LoggedIn, "Log out: the token is void at once", None, Nothing)
        .op(Post, "/api/v1/password", Who::LoggedIn, "Change one's own password; every token of the user is void afterwards", Some("PasswordChange"), Nothing)
        .op(Get, "/api/v1/me", Who::LoggedIn, "Who one is", None, Json(200, "Me"))
        .op(Post, "/api/v1/apply", Who::Admins, "Declare many nouns at once", Some("Declaration"), Json(200, "Applied"))
        .collection::<noun::Scope>("Scope")
        .collection::<noun::User>("User")
        .collection::<noun::Group>("Group")
        .collection::<noun::Application>("Application")
        .collection::<noun::Host>("Host")
        .collection::<noun::Account>("Account")
        .collection::<noun::Activity>("Activity")
        .collection::<noun::ConnectionProfile>("ConnectionProfile")
        .collection::<noun::AccessPolicy>("AccessPolicy")
        .op(Post, "/api/v1/users/me/nt-hash", Who::LoggedIn, "Let RDP's network level authentication work with one's own password: its NT hash is kept, sealed, until the password is changed", Some("OwnPassword"), Nothing)
        .op(Delete, "/api/v1/users/me/nt-hash", Who::LoggedIn, "Drop that hash", None, Nothing)
        .op(Post, "/api/v1/users/{name}/lock", Who::Admins, "Lock a user and his live sessions", Some("UserLock"), Json(200, "UserLocked"))
        .op(Post, "/api/v1/users/{name}/unlock", Who::Admins, "Unlock a user; his sessions are unlocked one by one", Some("UserUnlock"), Json(200, "UserLocked"))
        .op(Delete, "/api/v1/users/{name}/barred-hosts/{host}", Who::Admins, "Let a user begin activities on a host again", None, Nothing)
        .op(Get, "/api/v1/hosts/{name}/host-keys", Who::Readers, "The host keys pinned at first use", None, Json(200, "PinnedKeys"))
        .op(Delete, "/api/v1/hosts/{name}/host-keys", Who::Admins, "Forget them: the next connection pins again", None, Nothing)
        .op(Get, "/api/v1/hosts/{name}/rdp-keys", Who::Readers, "The keys of RDP certificates pinned at first use", None, Json(200, "PinnedRdpKeys"))
        .op(Delete, "/api/v1/hosts/{name}/rdp-keys", Who::Admins, "Forget them: the next connection pins again", None, Nothing)
        .op(Get, "/api/v1/connection-passwords", Who::LoggedIn, "One's own connection passwords that are still good, without the passwords", None, Json(200, "ConnectionPasswords"))
        .op(Post, "/api/v1/connection-passwords", Who::Users, "Make a password to log in by RDP with, for one use or a short time; at most 16 at once", Some("ConnectionPasswordRequest"), Json(201, "NewConnectionPassword"))
        .op(Delete, "/api/v1/connection-passwords/{id}", Who::LoggedIn, "Make one of one's own worthless", None, Nothing)
        .op(Get, "/api/v1/rdp", Who::Anybody, "A desktop, for an RDP client in a browser: RDCleanPath over a WebSocket, with `login:password` of a connection password as its authorisation", None, Stream)
        .op(Get, "/api/v1/ssh-ca", Who::LoggedIn, "What an SSH client needs to jump through the gateway; `hosts` narrows it to host name patterns", None, Json(200, "SshCa"))
        .op(Get, "/api/v1/sessions", Who::LoggedIn, "Sessions: users see their own and those made with accounts they own", None, Page("Session", &SESSIONS))
        .op(Post, "/api/v1/sessions", Who::Users, "Ask for a session that can be entered until its end", Some("SessionRequest"), Json(201, "Requested"))
        .op(Get, "/api/v1/sessions/{id}", Who::LoggedIn, "A session", None, Json(200, "Session"))
        .op(Get, "/api/v1/sessions/{id}/events", Who::LoggedIn, "A session's log", None, Page("Event", &EVENTS))
        .op(Get, "/api/v1/sessions/{id}/connections", Who::LoggedIn, "A session's connections", None, Json(200, "Connections"))
        .op(Get, "/api/v1/sessions/{id}/watch", Who::Readers, WATCH, None, Stream)
        .op(Post, "/api/v1/sessions/{id}/rdp-file", Who::Users, "A file that opens an RDP client with one's own session in it", Some("RdpFileRequest"), Bytes(crate::sessions::rdp_file::MEDIA_TYPE))
        .order("lock", Who::Admins, "Freeze it", "Lock")
        .order("unlock", Who::Admins, "Thaw it", "Unlock")
        .order("end", Who::Users, "End it", "End")
        .order("terminate", Who::Admins, "Cut its connections now", "Terminate")
        .order("extend", Who::Users, "Move its end", "Extend")
        .order("message", Who::Admins, "Show its user a text", "Message")
        .op(Get, "/api/v1/recordings", Who::Readers, "Recordings", None, Page("Recording", &RECORDINGS))
        .op(Get, "/api/v1/recordings/{id}", Who::Readers, "A recording, named by its connection", None, Json(200, "Recording"))
        .op(Get, "/api/v1/recordings/{id}/tape", Who::Readers, "The tape itself", None, Bytes("application/octet-stream"))
        .op(Get, "/api/v1/recordings/{id}/export", Who::Readers, "As `format` asciicast (of `channel`), text, or mp4: a film of a desktop, which stands still for at most `idle_cut` seconds where nothing changes (default 2; 0: nothing is left out)", None, Bytes("application/x-asciicast"))
        .op(Get, "/api/v1/recordings/{id}/pictures", Who::Readers, "What a recorded desktop showed `at` so many seconds after its start, with the pointer; if its pictures are not there, they are made first, which takes as long as the recording is large", None, Bytes("image/png"))
        .op(Get, "/api/v1/recordings/{id}/pictures/index", Who::Readers, "What a player of a recorded desktop needs to know: length, size, keyframes, and how much changed when", None, Json(200, "PictureIndex"))
        .op(Get, "/api/v1/recordings/{id}/verify", Who::Readers, "Check it", None, Json(200, "TapeReport"))
        .op(Get, "/api/v1/audit", Who::Readers, "The audit trail", None, Page("AuditEntry", &AUDIT))
        .op(Get, "/api/v1/audit/verify", Who::Readers, "Check its chain", None, Json(200, "AuditReport"))
        .op(Get, "/api/v1/access-log", Who::Readers, "Log-ins and refusals", None, Page("LoginEntry", &ACCESS_LOG));
    table.0
}

struct Table(Paths);

impl Table {
    fn op(
        &mut self,
        method: HttpMethod,
        path: &str,
        who: Who,
        summary: &str,
        body: Option<&str>,
        out: Out,
    ) -> &mut Self {
        let below = path.trim_start_matches("/api/v1").trim_start_matches('/');
        let mut operation = OperationBuilder::new()
            .tag(below.split(['/', '.']).next().unwrap_or_default())
            .summary(Some(summary))
            .description(Some(who.told()));
        if matches!(who, Who::Anybody) {
            operation = operation.security(SecurityRequirement::default());
        }
        for name in path.split(['{', '}']).skip(1).step_by(2) {
            operation = operation.parameter(parameter(name, ParameterIn::Path));
        }
        for name in query(path, &out) {
            operation = operation.parameter(parameter(name, ParameterIn::Query));
        }
        if let Some(name) = body {
            let body =
                RequestBodyBuilder::new().content("application/json", content(reference(name)));
            operation = operation.request_body(Some(body.required(Some(Required::True)).build()));
        }
        let problem = ResponseBuilder::new()
            .description("what is wrong, and what would be right")
            .content("application/problem+json", content(reference("Problem")));
        let (status, answer) = out.response();
        operation = operation
            .response(status.to_string(), answer)
            .response("default", problem);
        self.0
            .add_path_operation(path, vec![method], operation.build());
        self
    }

    fn collection<T: Noun>(&mut self, shape: &'static str) -> &mut Self {
        let all = format!("/api/v1/{}", T::COLLECTION);
        let one = format!("{all}/{{name}}");
        self.op(
            Get,
            &all,
            Who::Readers,
            "All of them",
            None,
            Out::Page("Noun", &NOUNS),
        )
        .op(
            Get,
            &one,
            Who::Readers,
            "One of them",
            None,
            Out::Json(200, "Noun"),
        )
        .op(
            Put,
            &one,
            Who::Admins,
            "Declare it; its secrets are write-only",
            Some(shape),
            Out::Json(200, "Noun"),
        )
        .op(
            Delete,
            &one,
            Who::Admins,
            "Remove it, if nothing refers to it",
            None,
            Out::Nothing,
        )
    }

    fn order(&mut self, verb: &str, who: Who, summary: &str, body: &str) -> &mut Self {
        let one = format!("/api/v1/sessions/{{id}}/{verb}");
        let many = format!("/api/v1/sessions/{verb}");
        let of_many =
            format!("{summary}: many at once, named by `ids` beside the rest of the body");
        self.op(
            Post,
            &one,
            who,
            summary,
            Some(body),
            Out::Json(200, "OrderAnswer"),
        )
        .op(
            Post,
            &many,
            who,
            &of_many,
            Some(body),
            Out::Json(200, "Many"),
        )
    }
}

impl Who {
    fn told(self) -> &'static str {
        match self {
            Self::Anybody => "Needs no log-in.",
            Self::LoggedIn => "For everybody who is logged in.",
            Self::Readers => "For auditors and administrators.",
            Self::Users => "For users and administrators.",
            Self::Admins => "For administrators.",
        }
    }
}

impl Out {
    fn response(self) -> (u16, Response) {
        let answer = ResponseBuilder::new();
        match self {
            Self::Json(status, name) => {
                let description = if status == 201 {
                    "made"
                } else {
                    "as it is now"
                };
                (
                    status,
                    answer
                        .description(description)
                        .content("application/json", content(reference(name)))
                        .build(),
                )
            }
            Self::Page(name, _) => {
                let answer = answer.description("one page, or every row as CSV");
                let csv = content(text(Type::String));
                (
                    200,
                    answer
                        .content("application/json", content(page(name)))
                        .content("text/csv", csv)
                        .build(),
                )
            }
            Self::Nothing => (204, answer.description("done").build()),
            Self::Bytes(kind) => (
                200,
                answer
                    .description("the content")
                    .content(kind, content(text(Type::String)))
                    .build(),
            ),
            Self::Stream => (101, answer.description("switched to a WebSocket").build()),
        }
    }
}

/// What may stand in the query.
fn query(path: &str, out: &Out) -> Vec<&'static str> {
    if let Out::Page(_, listing) = out {
        return COMMON.iter().chain(listing.filters).copied().collect();
    }
    match path.rsplit('/').next() {
        Some("apply") => vec!["dry_run"],
        Some("ssh-ca") => vec!["hosts"],
        Some("watch") => vec!["token", "connection", "channel"],
        Some("pictures") => vec!["at"],
        Some("export") => vec!["format", "channel"],
        Some(_) | None => Vec::new(),
    }
}

fn parameter(name: &str, place: ParameterIn) -> ParameterBuilder {
    let kind = match name {
        "page" | "page_size" | "channel" => Type::Integer,
        "at" => Type::Number,
        "dry_run" | "open" => Type::Boolean,
        _ => Type::String,
    };
    let required = if place == ParameterIn::Path {
        Required::True
    } else {
        Required::False
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(text(kind)))
}

fn text(kind: Type) -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(kind))
        .build()
        .into()
}

fn page(item: &str) -> Schema {
    let mut page =
        ObjectBuilder::new().property("items", ArrayBuilder::new().items(reference(item)));
    for name in ["total", "page", "page_size"] {
        page = page.property(name, text(Type::Integer));
    }
    ["items", "total", "page", "page_size"]
        .into_iter()
        .fold(page, ObjectBuilder::required)
        .build()
        .into()
}

fn reference(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

fn content(schema: impl Into<RefOr<Schema>>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}
