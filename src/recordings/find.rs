//! From what people name a recording by to its file.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sallyport_recorder::{TapeHeader, TapeReader};
use serde_json::{Value, json};

use crate::cli::Paging;
use crate::client::{Client, escape};
use crate::failure::{Failure, OrFail as _};
use crate::output::field;

use super::Archive;

/// A tape as a file; a downloaded one is removed when dropped.
pub(super) struct Tape {
    path: PathBuf,
    downloaded: bool,
}

impl Tape {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn here(path: PathBuf) -> Self {
        Self {
            path,
            downloaded: false,
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if self.downloaded {
            // Left behind in the temporary folder at worst, readable by its owner only.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The tape of a file, a connection or a session.
pub(super) fn tape(archive: &Archive, recording: &str) -> Result<Tape, Failure> {
    let file = Path::new(recording);
    if file.is_file() {
        return Ok(Tape::here(file.to_owned()));
    }
    match archive {
        Archive::Folder(folder) => in_folder(folder, recording),
        Archive::Server(client) => {
            let id = on_server(client, recording)?;
            download(client, &id)
        }
    }
}

/// All tapes below a folder, in the order of their paths, which is that of their days.
pub(super) fn tapes(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).or_fail(folder.display())? {
            let entry = entry.or_fail(folder.display())?;
            let path = entry.path();
            let kind = entry.file_type().or_fail(path.display())?;
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|end| end == "tape") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The list of a folder in the form of the API's, newest first.
pub(super) fn list(folder: &Path, paging: &Paging) -> Result<Value, Failure> {
    let mut rows = Vec::new();
    for path in tapes(folder)? {
        let bytes = std::fs::metadata(&path).map(|file| file.len()).unwrap_or(0);
        match header(&path) {
            Ok(header) => rows.push(json!({
                "id": header.connection,
                "session": header.session,
                "user": header.user,
                "host": header.host,
                "login_account": header.account,
                "activity": header.activity,
                "started_at": header.started_at,
                "bytes": bytes,
                "path": path,
            })),
            // One damaged file hides no other.
            Err(error) => {
                rows.push(json!({ "id": path, "state": format!("{error}"), "bytes": bytes }))
            }
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(field(row, "started_at")));
    let size = paging.page_size.clamp(1, 100) as usize;
    let number = paging.page.max(1) as usize;
    let total = rows.len();
    let items: Vec<Value> = rows
        .into_iter()
        .skip((number - 1) * size)
        .take(size)
        .collect();
    Ok(json!({ "items": items, "total": total, "page": number, "page_size": size }))
}

fn header(path: &Path) -> Result<TapeHeader, sallyport_recorder::TapeError> {
    TapeReader::open(path).map(|tape| tape.header().clone())
}

fn in_folder(folder: &Path, id: &str) -> Result<Tape, Failure> {
    let all = tapes(folder)?;
    let own_name = |path: &&PathBuf| path.file_stem().is_some_and(|name| name == id);
    if let Some(path) = all.iter().find(own_name) {
        return Ok(Tape::here(path.clone()));
    }
    let of_session: Vec<&PathBuf> = all
        .iter()
        .filter(|path| header(path).is_ok_and(|header| header.session.to_string() == id))
        .collect();
    match of_session.as_slice() {
        [path] => Ok(Tape::here((*path).clone())),
        [] => Err(Failure::new(format!(
            "there is no recording of a connection or session {id} in {}, and no such file; \
             see `sallyport recordings list`, or set SALLYPORT_URL to ask a server",
            folder.display()
        ))),
        several => Err(several_of(
            id,
            several.iter().filter_map(|path| path.file_stem()?.to_str()),
        )),
    }
}

fn several_of<'a>(session: &str, connections: impl Iterator<Item = &'a str>) -> Failure {
    let connections: Vec<&str> = connections.collect();
    Failure::new(format!(
        "session {session} has {} recordings; name one: {}",
        connections.len(),
        connections.join(", ")
    ))
}

/// The id of the recording on a server, by its own id or by its session's.
pub(super) fn on_server(client: &Client, id: &str) -> Result<String, Failure> {
    let not_found = match client.get(&format!("recordings/{}", escape(id)), &[]) {
        Ok(row) => return Ok(field(&row, "id")),
        Err(failure) => failure,
    };
    // The first failure says more than an empty list.
    let Ok(list) = client.get("recordings", &[("session", id.to_owned())]) else {
        return Err(not_found);
    };
    let rows = list
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let ids: Vec<String> = rows.iter().map(|row| field(row, "id")).collect();
    match ids.as_slice() {
        [] => Err(not_found),
        [id] => Ok(id.clone()),
        several => Err(several_of(id, several.iter().map(String::as_str))),
    }
}

fn download(client: &Client, id: &str) -> Result<Tape, Failure> {
    let path = std::env::temp_dir().join(format!("sallyport-{}.tape", uuid::Uuid::new_v4()));
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .or_fail(path.display())?;
    let tape = Tape {
        path,
        downloaded: true,
    };
    let mut bytes = client.download(&format!("recordings/{}/tape", escape(id)), &[])?;
    std::io::copy(&mut bytes, &mut file).or_fail("downloading the recording")?;
    Ok(tape)
}
