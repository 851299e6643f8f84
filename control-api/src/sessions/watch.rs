//! `GET /sessions/{id}/watch`: a live session over a WebSocket.
//!
//! Everything comes from the recording: first what is to be seen now, then what is added. Before the first byte is
//! shown the watching is ordered like any command, so it stands in the audit trail and on the tape, and the user
//! is told. The viewer's right is looked at again all the time. What a viewer of a desktop says is in [`control`].

mod control;
mod desktop;
mod feed;
mod terminal;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::stream::{SplitStream, StreamExt};
use sallyport_domain::command::Command;
use sallyport_domain::id::ConnectionId;
use sallyport_domain::role::Act;
use sallyport_store::{ConnectionRow, SessionRow, SessionType, Viewer};
use serde_json::json;
use tokio::time::Instant;

use self::control::{Allowance, Control};
use self::desktop::Desktop;
use self::feed::{Feed, Next, Over};
use self::terminal::Terminal;
use crate::caller::{Caller, on_session};
use crate::command;
use crate::input::Params;
use crate::problem::Problem;
use crate::state::Api;
use crate::tapes;

/// What a page names beside its token, and is answered with.
const PROTOCOL: &str = "sallyport.watch";
/// How often the tape is looked at.
const POLL: Duration = Duration::from_millis(50);
/// Why somebody has control no more, who did not give it back himself: what happened is among the events.
const TAKEN_AWAY: &str = "control was taken from you";
/// How often the viewer's right and the session are looked at again.
const RECHECK: Duration = Duration::from_secs(2);

/// `GET /sessions/{id}/watch`
pub async fn watch(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
    params: Params,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let session = caller.session(&api, &id, Act::WatchSessions).await?;
    let params = params.known(&["token", "connection", "channel"], &[])?;
    let channel = params.read("channel", "the number of a channel")?;
    if channel.is_some() && session.kind == SessionType::PamRdp {
        return Err(Problem::bad_request(
            "a desktop has no channels to choose from: leave out `channel`",
        ));
    }
    let connection = live_connection(&api, &session, params.get("connection")).await?;
    let path = tapes::path(&api, &connection.tape)?;
    let upgrade = upgrade.map_err(|_| {
        Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "connect with a WebSocket: this is a live stream",
        )
    })?;
    let full = |_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many people watch already",
        )
    };
    let place = Arc::clone(&api.viewers).try_acquire_owned().map_err(full)?;
    let tasks = api.tasks.clone();
    let watching = Watching {
        api,
        caller,
        session,
        connection: connection.id,
    };
    let upgrade = upgrade
        .max_message_size(4096)
        .max_frame_size(4096)
        .protocols([PROTOCOL]);
    Ok(upgrade.on_upgrade(move |socket| {
        tasks.track_future(async move {
            let _place = place;
            watching.run(socket, path, channel).await;
        })
    }))
}

/// The connection to watch: the one named, else the newest that is open.
async fn live_connection(
    api: &Api,
    session: &SessionRow,
    named: Option<&str>,
) -> Result<ConnectionRow, Problem> {
    if session.status.is_final() {
        return Err(Problem::conflict(
            "the session has ended; see its recordings",
        ));
    }
    let all = api.store.connections(session.id).await?;
    let open = all
        .into_iter()
        .filter(|connection| connection.closed_at.is_none());
    let wanted = open.filter(|connection| named.is_none_or(|id| connection.id.to_string() == id));
    let newest = wanted.max_by_key(|connection| connection.connected_at);
    let nobody =
        || Problem::conflict("nobody is connected to the session, so there is nothing to watch");
    let connection = newest.ok_or_else(nobody)?;
    match connection.tape.is_empty() {
        true => Err(Problem::conflict(
            "the session is not recorded, and only what is recorded can be watched",
        )),
        false => Ok(connection),
    }
}

/// One viewer of one connection.
struct Watching {
    api: Api,
    caller: Caller,
    session: SessionRow,
    connection: ConnectionId,
}

impl Watching {
    async fn run(self, socket: WebSocket, path: PathBuf, channel: Option<u32>) {
        let (sender, mut receiver) = socket.split();
        let mut feed = Feed::new(sender);
        let viewer = self.caller.viewer.name.clone();
        let joined = Command::ViewerJoined {
            viewer: viewer.clone(),
        };
        let over = match command::place(&self.api, &self.caller, &self.session, &joined).await {
            Ok(_) => {
                let over = self.follow(&mut feed, &mut receiver, path, channel).await;
                self.leave(viewer).await;
                over
            }
            Err(problem) => Over::Told(problem.detail().to_owned()),
        };
        if let Over::Told(reason) = over {
            let end = json!({ "type": "end", "reason": reason });
            let _ = feed.text(&end).await;
        }
        feed.close().await;
    }

    /// Shows the tape until it ends, the viewer leaves, or may not watch any more.
    async fn follow(
        &self,
        feed: &mut Feed,
        receiver: &mut SplitStream<WebSocket>,
        path: PathBuf,
        channel: Option<u32>,
    ) -> Over {
        let mut view = match self.open(feed, path, channel).await {
            Ok(view) => view,
            Err(over) => return over,
        };
        let mut look = tokio::time::interval(POLL);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut recheck_at = Instant::now() + RECHECK;
        // Given back with this, whatever ends it.
        let mut control = Control::default();
        let mut allowance = Allowance::new();
        loop {
            let incoming = async {
                allowance.ready().await;
                receiver.next().await
            };
            let told = tokio::select! {
                incoming = incoming => match incoming {
                    Some(Ok(Message::Text(text))) => {
                        allowance.spend();
                        control.hear(self, &text).await
                    }
                    Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {
                        allowance.spend();
                        None
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Over::Gone,
                },
                () = control.taken_away() => control.lose(TAKEN_AWAY),
                () = self.api.stopping.cancelled() => return Over::Told("the gateway is shutting down".to_owned()),
                _ = look.tick() => {
                    match view.step(feed).await {
                        Ok(Next::Later) => {}
                        Ok(Next::AtOnce) => look.reset_immediately(),
                        Ok(Next::Ended) => return self.ended().await,
                        Err(over) => return over,
                    }
                    match Instant::now() >= recheck_at {
                        true => {
                            recheck_at = Instant::now() + RECHECK;
                            match self.recheck().await {
                                Ok(viewer) => control.recheck(&viewer),
                                Err(over) => return over,
                            }
                        }
                        false => None,
                    }
                }
            };
            if let Some(told) = told
                && let Err(over) = feed.text(&told).await
            {
                return over;
            }
        }
    }

    /// Opens what is to be seen of this session.
    async fn open(
        &self,
        feed: &mut Feed,
        path: PathBuf,
        channel: Option<u32>,
    ) -> Result<View, Over> {
        if self.session.kind == SessionType::PamRdp {
            return Ok(View::Desktop(Box::new(Desktop::open(path).await?)));
        }
        let mut terminal = Terminal::open(path, channel).await?;
        terminal.greet(feed).await?;
        Ok(View::Terminal(Box::new(terminal)))
    }

    /// Still somebody who may watch, and a connection to be watched?
    async fn recheck(&self) -> Result<Viewer, Over> {
        let unknown =
            |_| Over::Told("the gateway cannot check your right to watch any more".to_owned());
        let viewer = self.viewer().await.map_err(unknown)?;
        let id = self.session.id.to_string();
        let seen = match viewer {
            Some(viewer) if viewer.may(Act::WatchSessions) => {
                let session = self.api.store.session(&viewer, &id).await;
                let session = session.map_err(|error| unknown(error.into()))?;
                session
                    .filter(|session| viewer.scope.contains(&session.scope))
                    .map(|session| (session, viewer))
            }
            Some(_) | None => None,
        };
        let Some((session, viewer)) = seen else {
            return Err(Over::Told(
                "you may not watch this session any more".to_owned(),
            ));
        };
        if !session.status.is_final() {
            return Ok(viewer);
        }
        // Its node may have died without finishing the tape.
        Err(Over::Told(
            session
                .close_reason
                .unwrap_or_else(|| "the session has ended".to_owned()),
        ))
    }

    /// As whom he reads now, if he still may do anything.
    async fn viewer(&self) -> Result<Option<Viewer>, Problem> {
        let identity = self.caller.credential.identity(&self.api).await?;
        let free = identity.filter(|who| !who.locked && !who.must_change_password);
        Ok(free.map(|who| who.viewer()))
    }

    /// Does one of his roles allow that here, now? Who cannot be asked about may not.
    async fn may(&self, act: Act) -> bool {
        let viewer = self.viewer().await.ok().flatten();
        viewer.is_some_and(|viewer| viewer.may(act) && viewer.scope.contains(&self.session.scope))
    }

    async fn ended(&self) -> Over {
        let session = self
            .api
            .store
            .session(&self.caller.viewer, &self.session.id.to_string())
            .await;
        let reason = session
            .ok()
            .flatten()
            .and_then(|session| session.close_reason);
        Over::Told(reason.unwrap_or_else(|| "the connection has ended".to_owned()))
    }

    /// On record whatever happens: as an order while the session lives, else in the audit trail alone.
    async fn leave(&self, viewer: String) {
        let id = self.session.id.to_string();
        let now = self
            .api
            .store
            .session(&self.caller.viewer, &id)
            .await
            .ok()
            .flatten();
        let left = Command::ViewerLeft { viewer };
        let done = match now {
            Some(session) if session.status.is_final() => {
                self.caller
                    .note(
                        &self.api,
                        "session.viewer-left",
                        on_session(&session, &id),
                        json!({}),
                    )
                    .await
            }
            Some(session) => command::place(&self.api, &self.caller, &session, &left)
                .await
                .map(drop),
            None => command::place(&self.api, &self.caller, &self.session, &left)
                .await
                .map(drop),
        };
        if let Err(problem) = done {
            tracing::error!(session = %id, problem = problem.detail(), "that a viewer left could not be recorded");
        }
    }
}

/// What is to be seen.
enum View {
    Terminal(Box<Terminal>),
    Desktop(Box<Desktop>),
}

impl View {
    async fn step(&mut self, feed: &mut Feed) -> Result<Next, Over> {
        match self {
            Self::Terminal(terminal) => terminal.step(feed).await,
            Self::Desktop(desktop) => desktop.step(feed).await,
        }
    }
}
