//! What has to hold afterwards, whatever happened.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use sallyport_recorder::track::rebuild;
use sallyport_recorder::{Entry, PictureReader, TapeReader, verify};
use sallyport_tests::harness::{Api, Gateway, run, tapes};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::ground::Ground;
use super::jobs::{Job, Jobs, Kind};
use super::passed::{Digest, Passed, read};

/// What the gateway holds while nothing happens.
#[derive(Debug, Clone, Copy)]
pub struct Holdings {
    pub files: usize,
    pub threads: usize,
    pub connection_tasks: u64,
    pub other_tasks: u64,
    pub rss_kib: u64,
}

impl Holdings {
    pub fn of(gateway: &Gateway) -> Self {
        let (connection_tasks, other_tasks) = gateway.tasks();
        Self {
            connection_tasks,
            other_tasks,
            files: gateway.open_files(),
            threads: gateway.threads(),
            rss_kib: gateway.rss_kib(),
        }
    }
}

/// Everything that is wrong.
pub struct Account<'a> {
    ground: &'a Ground,
    jobs: &'a Jobs,
    pub wrong: Vec<String>,
}

impl<'a> Account<'a> {
    pub fn new(ground: &'a Ground, jobs: &'a Jobs) -> Self {
        Self {
            ground,
            jobs,
            wrong: Vec::new(),
        }
    }

    /// Checks sessions, tapes and clients against each other; answers how much there was.
    pub fn check(&mut self) -> String {
        let admin = self.ground.gateway.api("bob");
        let sessions = all(&admin, "/api/v1/sessions?sort=requested_at");
        for session in &sessions {
            self.ended_once(&admin, session);
        }
        let tapes = self.tapes();
        self.recordings(&admin);
        let jobs = self.jobs.done();
        let (mut complete, mut bytes) = (0, 0);
        for job in &jobs {
            let mine = sessions
                .iter()
                .filter(|session| session["notes"] == *job.id);
            let ids: Vec<&str> = mine.filter_map(|session| session["id"].as_str()).collect();
            let passed: Vec<&Passed> = ids
                .iter()
                .filter_map(|id| tapes.get(*id))
                .flatten()
                .collect();
            bytes += passed
                .iter()
                .map(|tape| tape.out_bytes + tape.in_bytes)
                .sum::<u64>();
            complete += usize::from(job.code == Some(0));
            self.recorded(job, &passed);
            self.digested(job, &passed);
            self.complete(job);
        }
        let trail = self.ground.gateway.cli("admin", &["audit", "verify"]);
        let trail = run(trail, Duration::from_secs(30));
        if trail.code != 0 {
            self.wrong
                .push(format!("the audit trail does not verify: {}", trail.all()));
        }
        let pictures = self.pictures();
        format!(
            "{} jobs ({complete} complete), {} sessions, {} tapes, {bytes} bytes on them, {pictures}",
            jobs.len(),
            sessions.len(),
            tapes.values().map(Vec::len).sum::<usize>()
        )
    }

    fn ended_once(&mut self, admin: &Api, session: &Value) {
        let id = session["id"].as_str().unwrap_or_default();
        let told = format!("session {id} ({}, {})", session["notes"], session["status"]);
        if !session["ended_at"].is_string() || !session["close_code"].is_string() {
            self.wrong
                .push(format!("{told} has no end, or no reason: {session:#}"));
        }
        let events = all(admin, &format!("/api/v1/sessions/{id}/events?"));
        let count = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count();
        let ends = count("session.ended");
        if ends != 1 {
            self.wrong
                .push(format!("{told} ended {ends} times: {events:#?}"));
        }
        let path = format!("/api/v1/sessions/{id}/connections");
        let connections = admin.get(&path).expect(200).json();
        for connection in connections["items"].as_array().into_iter().flatten() {
            if !connection["closed_at"].is_string() {
                self.wrong.push(format!(
                    "{told}: a connection without an end: {connection:#}"
                ));
            }
        }
    }

    /// The tapes by their sessions. Those that could not be finished on a full disk are, at a start.
    fn tapes(&mut self) -> HashMap<String, Vec<Passed>> {
        let folder = self.ground.disk.path();
        if tapes(folder)
            .iter()
            .any(|tape| !verify(tape).is_ok_and(|report| report.is_whole()))
        {
            self.ground.gateway.terminate(Duration::from_secs(30));
            self.ground.gateway.launch();
        }
        let mut found: HashMap<String, Vec<Passed>> = HashMap::new();
        for tape in tapes(folder) {
            match read(&tape) {
                Ok((session, passed)) => {
                    if !passed.whole {
                        self.wrong.push(format!(
                            "{}: not finished: {:?}",
                            tape.display(),
                            verify(&tape)
                        ));
                    }
                    if passed.through_lock > 0 {
                        self.wrong.push(format!(
                            "{}: {} bytes passed while locked",
                            tape.display(),
                            passed.through_lock
                        ));
                    }
                    found.entry(session).or_default().push(passed);
                }
                // A crash before the first word of the header leaves nothing, and nothing had passed.
                Err(_) if fs::metadata(&tape).is_ok_and(|file| file.len() < 1024) => {}
                Err(error) => self.wrong.push(format!("{}: {error}", tape.display())),
            }
        }
        found
    }

    /// From every desktop's tape its pictures can be painted again, with nothing in them that cannot be decoded; answers
    /// how many there are.
    fn pictures(&mut self) -> String {
        let folder = tempfile::TempDir::with_prefix("sp-chaos-").unwrap();
        let track = folder.path().join("track");
        let (mut desktops, mut keys, mut shown) = (0, 0, 0);
        for tape in tapes(self.ground.disk.path()) {
            let Ok(mut reader) = TapeReader::open(&tape) else {
                continue;
            };
            let mut is_desktop = false;
            while let Ok(Some(timed)) = reader.next() {
                is_desktop |= matches!(timed.entry, Entry::DesktopBegun(_));
                keys += usize::from(matches!(timed.entry, Entry::FromClient { .. }));
            }
            if !is_desktop {
                continue;
            }
            desktops += 1;
            let painted = rebuild(&tape, &track)
                .and_then(|_| PictureReader::open(&track, reader.header()))
                .and_then(|mut track| track.canvas_at(Duration::MAX));
            let told = tape.display();
            match painted {
                Ok(Some((canvas, _))) => {
                    shown += usize::from(canvas.image().is_some());
                    if canvas.faults > 0 {
                        self.wrong
                            .push(format!("{told}: {} faults in its pictures", canvas.faults));
                    }
                }
                // Killed before anything was drawn.
                Ok(None) => {}
                Err(error) => self
                    .wrong
                    .push(format!("{told}: cannot be painted: {error}")),
            }
        }
        if shown == 0 || keys == 0 {
            self.wrong.push(format!(
                "{desktops} desktops, of which {shown} showed anything, and {keys} times something of their users"
            ));
        }
        format!("{desktops} desktops ({shown} with pictures)")
    }

    /// The store knows every tape, and that it is finished.
    fn recordings(&mut self, admin: &Api) {
        let rows = all(admin, "/api/v1/recordings?");
        for row in &rows {
            if !row["finished_at"].is_string() || row["state"] == "recording" {
                self.wrong
                    .push(format!("a recording without an end: {row:#}"));
            }
        }
        for tape in tapes(self.ground.disk.path()) {
            if TapeReader::open(&tape).is_err() {
                continue;
            }
            let name = tape.file_stem().unwrap_or_default().to_string_lossy();
            if !rows.iter().any(|row| row["id"] == *name) {
                self.wrong
                    .push(format!("{}: the store does not know it", tape.display()));
            }
        }
    }

    /// Nothing came to either side that is not on a tape.
    fn recorded(&mut self, job: &Job, tapes: &[&Passed]) {
        let seen = fs::read(&job.seen).unwrap_or_default();
        let got = fs::read(&job.got).unwrap_or_default();
        let out: u64 = tapes.iter().map(|tape| tape.out_bytes).sum();
        let input: u64 = tapes.iter().map(|tape| tape.in_bytes).sum();
        let told = format!(
            "{job:?}: {} seen, {} got; {out} out and {input} in on {} tapes",
            seen.len(),
            got.len(),
            tapes.len()
        );
        if job.kind == Kind::Shell {
            return self.shown(job, &seen, tapes);
        }
        if seen.len() as u64 > out || got.len() as u64 > input {
            self.wrong
                .push(format!("more passed than was recorded: {told}"));
        }
        let content = |bytes: &[u8], held: fn(&Passed) -> &Vec<u8>| {
            tapes.iter().any(|tape| held(tape).starts_with(bytes)) || bytes.is_empty()
        };
        if matches!(job.kind, Kind::Down | Kind::Drip) && !content(&seen, |tape| &tape.out) {
            self.wrong.push(format!(
                "the client saw something else than the tape holds: {told}"
            ));
        }
        if job.kind == Kind::Up && !content(&got, |tape| &tape.input) {
            self.wrong.push(format!(
                "the target got something else than the tape holds: {told}"
            ));
        }
        if let [
            Passed {
                out_at_lock: Some(most),
                ..
            },
        ] = tapes
            && matches!(job.kind, Kind::Down | Kind::Drip)
            && seen.len() as u64 > *most
        {
            self.wrong.push(format!(
                "{} bytes passed a lock: {told}",
                seen.len() as u64 - most
            ));
        }
    }

    /// What was not recorded has its digest: every stream and every file is a part of the noise.
    fn digested(&mut self, job: &Job, tapes: &[&Passed]) {
        let noise = &self.jobs.noise;
        let sha = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        let digests: Vec<&Digest> = tapes.iter().flat_map(|tape| &tape.digests).collect();
        for digest in &digests {
            let from = usize::try_from(digest.offset).unwrap();
            let to = from + usize::try_from(digest.bytes).unwrap();
            if noise.get(from..to).map(sha).as_ref() != Some(&digest.sha256) {
                self.wrong.push(format!("{job:?}: a wrong {digest:?}"));
            }
        }
        let counted = match job.kind {
            Kind::SftpGet | Kind::SftpPut | Kind::ScpDown | Kind::ScpUp | Kind::Forward => true,
            Kind::Down | Kind::Up | Kind::Drip | Kind::Shell => false,
            Kind::RsyncDown | Kind::RsyncUp | Kind::Desktop => false,
        };
        let whole = |digest: &&&Digest| digest.offset == 0 && digest.bytes == job.len as u64;
        if counted && job.code == Some(0) && job.len > 0 && !digests.iter().any(|one| whole(&one)) {
            self.wrong.push(format!(
                "{job:?} succeeded without a digest of it: {digests:?}"
            ));
        }
    }

    /// Each line that a terminal showed is on the tape.
    fn shown(&mut self, job: &Job, seen: &[u8], tapes: &[&Passed]) {
        let held: Vec<String> = tapes
            .iter()
            .map(|tape| String::from_utf8_lossy(&tape.out).into_owned())
            .collect();
        for line in 1..=25 {
            let word = format!("{}-{}-", job.id, 1000 + line);
            let on_tape = held.iter().any(|tape| tape.contains(&word));
            if String::from_utf8_lossy(seen).contains(&word) && !on_tape {
                self.wrong.push(format!(
                    "{job:?}: the client saw {word}, which no tape holds"
                ));
            }
        }
    }

    /// What a client calls a success is one: nothing is cut off in silence.
    fn complete(&mut self, job: &Job) {
        if job.code != Some(0) {
            return;
        }
        let file = match job.kind {
            Kind::Down | Kind::SftpGet | Kind::ScpDown | Kind::RsyncDown | Kind::Forward => {
                &job.seen
            }
            Kind::Up | Kind::SftpPut | Kind::ScpUp | Kind::RsyncUp => &job.got,
            Kind::Drip => {
                let seen = fs::read_to_string(&job.seen).unwrap_or_default();
                let whole: String = (1..=40).map(|i| format!("{}-{i}\n", job.id)).collect();
                if seen != whole {
                    self.wrong.push(format!("{job:?} succeeded with {seen:?}"));
                }
                return;
            }
            Kind::Shell | Kind::Desktop => return,
        };
        let came = fs::read(file).unwrap_or_default();
        if came != self.jobs.noise[..job.len] {
            self.wrong
                .push(format!("{job:?} succeeded, but {} bytes came", came.len()));
        }
    }

    /// The gateway gives back what it took.
    pub fn leaks(&mut self, before: Holdings) -> Holdings {
        let gateway = &self.ground.gateway;
        let small = |now: Holdings| {
            now.files <= before.files + 12
                && now.connection_tasks == 0
                && now.other_tasks <= before.other_tasks + 8
                && now.threads <= before.threads + 4
                && now.rss_kib <= before.rss_kib + (64 << 10)
        };
        let start = std::time::Instant::now();
        while !small(Holdings::of(gateway)) && start.elapsed() < Duration::from_secs(40) {
            std::thread::sleep(Duration::from_millis(250));
        }
        let now = Holdings::of(gateway);
        if !small(now) {
            self.wrong.push(format!(
                "the gateway held {before:?} before, and {now:?} afterwards"
            ));
        }
        now
    }
}

/// Every item of a list.
pub fn all(api: &Api, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    for page in 1.. {
        let joint = if path.contains('?') { '&' } else { '?' };
        let list = api
            .get(&format!("{path}{joint}page={page}&page_size=100"))
            .expect(200)
            .json();
        let Some(new) = list["items"].as_array().or(list.as_array()) else {
            panic!("no list: {list:#}");
        };
        items.extend(new.iter().cloned());
        if new.len() < 100 {
            break;
        }
    }
    items
}

/// Waits until no session is live; answers those that still are after the limit.
pub fn calm(api: &Api, limit: Duration) -> Vec<Value> {
    let live = || all(api, "/api/v1/sessions?class=active&class=suspended");
    let start = std::time::Instant::now();
    while !live().is_empty() && start.elapsed() < limit {
        std::thread::sleep(Duration::from_millis(200));
    }
    live()
}
