//! Recorded desktops in pictures: one at a time, and what a player needs to know before it shows any.

use std::collections::HashMap;
use std::path::Path as FilePath;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sallyport_domain::id::NounId;
use sallyport_recorder::picture::Rect;
use sallyport_recorder::track::{self, PictureReader, Standing, TrackError};
use sallyport_recorder::{TapeHeader, TapeReader};
use sallyport_store::{RecordingRow, SessionRow, SessionType};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::caller::Caller;
use crate::input::Params;
use crate::problem::Problem;
use crate::recordings::note;
use crate::state::Api;
use crate::tapes;

/// A player asks for many pictures: so long after the first, further ones are the same look at the recording.
const SAME_LOOK: Duration = Duration::from_secs(600);
/// The most looks remembered; of further ones, every picture is put on record.
const LOOKS: usize = 4096;

/// `GET /recordings/{connection}/pictures`
pub async fn picture(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let (recording, session) = desktop(&caller, &api, &id).await?;
    let at = moment(&params.known(&["at"], &[])?)?;
    let path = tapes::path(&api, &recording.path)?;
    looked(&caller, &api, &recording, &session).await?;
    let png = match draw(&api, &path, at, None).await? {
        Drawn::Png(png) => png,
        Drawn::Damaged(track) => match draw(&api, &path, at, Some(track)).await? {
            Drawn::Png(png) => png,
            Drawn::Damaged(_) => {
                return Err(Problem::internal("a track that was just made is damaged"));
            }
        },
    };
    let kind = HeaderValue::from_static("image/png");
    Ok(([(header::CONTENT_TYPE, kind)], png).into_response())
}

/// What a player needs to know before it shows any picture. Times are seconds since the recording's start.
#[derive(Debug, Serialize, ToSchema)]
pub struct PictureIndex {
    /// How long the recording is; of one that goes on, how far its pictures are.
    #[schema(example = 1804.25)]
    duration: f64,
    /// Are there pictures of all of it?
    finished: bool,
    /// The most pixels a row of its pictures has.
    width: u16,
    /// The most rows.
    height: u16,
    /// Where a picture is found most quickly; at most 4096 places.
    keyframes: Vec<f64>,
    activity: PictureActivity,
}

/// How much changed when.
#[derive(Debug, Serialize, ToSchema)]
pub struct PictureActivity {
    /// How long each interval is.
    interval: f64,
    /// How often the picture changed in each, from the start on; at most 480 intervals. Behind them it did not change.
    changes: Vec<u32>,
}

/// `GET /recordings/{connection}/pictures/index`
pub async fn index(
    caller: Caller,
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<PictureIndex>, Problem> {
    let (recording, session) = desktop(&caller, &api, &id).await?;
    let path = tapes::path(&api, &recording.path)?;
    looked(&caller, &api, &recording, &session).await?;
    api.tracks.make(&path, None).await?;
    let read = move || open(&path)?.index();
    let index = blocking(read).await?;
    Ok(Json(PictureIndex {
        duration: index.length.as_secs_f64(),
        finished: index.finished,
        width: index.width,
        height: index.height,
        keyframes: index.keyframes.iter().map(Duration::as_secs_f64).collect(),
        activity: PictureActivity {
            interval: index.activity.interval.as_secs_f64(),
            changes: index.activity.changes,
        },
    }))
}

/// The recording, if it may be read and is of a desktop.
async fn desktop(
    caller: &Caller,
    api: &Api,
    id: &str,
) -> Result<(RecordingRow, SessionRow), Problem> {
    let (recording, session) = caller.recording(api, id).await?;
    require_desktop(&session)?;
    Ok((recording, session))
}

/// Fails if a session's recording has no pictures.
pub fn require_desktop(session: &SessionRow) -> Result<(), Problem> {
    match session.kind {
        SessionType::PamRdp => Ok(()),
        SessionType::PamSsh
        | SessionType::Console
        | SessionType::WebSso
        | SessionType::Esso
        | SessionType::Pam => Err(Problem::unprocessable(
            "the recording is of a terminal (SSH) and has no pictures: export it as asciicast or text",
        )),
    }
}

fn moment(params: &Params) -> Result<Duration, Problem> {
    let seconds = params.get("at").and_then(|text| text.parse().ok());
    let moment = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    moment.ok_or_else(|| {
        Problem::bad_request(
            "say which picture: `at` is its time, in seconds since the start, for example ?at=12.5",
        )
    })
}

/// What came of drawing a picture.
enum Drawn {
    /// The picture.
    Png(Vec<u8>),
    /// The track has its end and does not hold together before it: which file that is.
    Damaged(u64),
}

/// The picture at that time, with the pointer. A track that was found damaged is made anew.
async fn draw(
    api: &Api,
    tape: &FilePath,
    at: Duration,
    damaged: Option<u64>,
) -> Result<Drawn, Problem> {
    let standing = api.tracks.make(tape, damaged).await?;
    let place = api.tracks.drawing().await?;
    let tape = tape.to_owned();
    blocking(move || {
        // Held until it is drawn, whether somebody waits for it or not.
        let _place = place;
        let mut track = open(&tape)?;
        let (canvas, reached) = track.canvas_at(at)?.ok_or(TrackError::NoPicture)?;
        if !reached && standing == Standing::Whole {
            return Ok(Drawn::Damaged(track.file_number()?));
        }
        let canvas = canvas.with_pointer();
        let image = canvas.image().ok_or(TrackError::NoPicture)?;
        track::png(image, Rect::whole(image.width, image.height)).map(Drawn::Png)
    })
    .await
}

/// The track of a tape.
pub fn open(tape: &FilePath) -> Result<PictureReader, TrackError> {
    let header: TapeHeader = TapeReader::open(tape)?.header().clone();
    PictureReader::open(&track::path_of(tape), &header)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TrackError> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(Problem::internal)??)
}

impl From<TrackError> for Problem {
    fn from(error: TrackError) -> Self {
        match error {
            TrackError::NoPicture | TrackError::NotADesktop => {
                Self::unprocessable(error.to_string())
            }
            TrackError::Tape(_)
            | TrackError::Io { .. }
            | TrackError::NotATrack { .. }
            | TrackError::OtherTape { .. }
            | TrackError::Broken { .. }
            | TrackError::Png(_) => Self::internal(error),
        }
    }
}

/// Puts it on record that somebody looks at the recording: once, not for every picture of it.
async fn looked(
    caller: &Caller,
    api: &Api,
    recording: &RecordingRow,
    session: &SessionRow,
) -> Result<(), Problem> {
    let look = (caller.viewer.id, recording.id.into());
    if api.looks.is_same(look, Instant::now()) {
        return Ok(());
    }
    note(
        caller,
        api,
        "recording.viewed",
        recording,
        session,
        json!({}),
    )
    .await?;
    api.looks.remember(look, Instant::now());
    Ok(())
}

/// Who looked at which recording lately.
#[derive(Default)]
pub struct Looks(Mutex<HashMap<(NounId, Uuid), Instant>>);

impl Looks {
    fn is_same(&self, look: (NounId, Uuid), now: Instant) -> bool {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = looks
            .get(&look)
            .map(|at| now.saturating_duration_since(*at));
        since.is_some_and(|since| since < SAME_LOOK)
    }

    fn remember(&self, look: (NounId, Uuid), now: Instant) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= LOOKS {
            looks.retain(|_, at| now.saturating_duration_since(*at) < SAME_LOOK);
        }
        if looks.len() < LOOKS {
            looks.insert(look, now);
        }
    }
}
