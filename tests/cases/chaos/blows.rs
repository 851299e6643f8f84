//! What happens to all of them, at random; from one seed, so that a run can be had again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use rustix::process::Signal;
use sallyport_tests::harness::signal;
use serde_json::{Value, json};

use super::ground::Ground;
use super::jobs::Jobs;

/// What was done, when.
pub struct Journal {
    start: Instant,
    aloud: bool,
    lines: Mutex<Vec<String>>,
    counts: Mutex<BTreeMap<String, usize>>,
}

impl Journal {
    pub fn new(aloud: bool) -> Self {
        Self {
            start: Instant::now(),
            aloud,
            lines: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    /// A blow of this kind falls.
    fn blow(&self, kind: &str, how: &str) {
        *self
            .counts
            .lock()
            .unwrap()
            .entry(kind.to_owned())
            .or_default() += 1;
        self.note(format!("{kind} {how}").trim());
    }

    /// How many of each kind fell.
    pub fn counts(&self) -> String {
        let counts = self.counts.lock().unwrap();
        let each: Vec<String> = counts
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        each.join(", ")
    }

    pub fn note(&self, what: &str) {
        let line = format!("{:7.2} {what}", self.start.elapsed().as_secs_f64());
        if self.aloud {
            eprintln!("{line}");
        }
        self.lines.lock().unwrap().push(line);
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// Who deals out blows.
pub struct Blows<'a> {
    pub ground: &'a Ground,
    pub jobs: &'a Jobs,
    pub journal: &'a Journal,
    /// Set when all is to end.
    pub stop: &'a AtomicBool,
    /// From then on the gateway is left alive, so that what it leaks can be seen.
    pub spare: &'a AtomicBool,
    /// Held while the gateway cannot be started: it is down itself, or its database is.
    pub down: Mutex<()>,
}

fn millis(dice: &mut StdRng, least: u64, most: u64) -> Duration {
    Duration::from_millis(dice.random_range(least..most))
}

impl Blows<'_> {
    /// Kills and stops processes.
    pub fn processes(&self, mut dice: StdRng) {
        while !self.stop.load(Ordering::Relaxed) {
            let pause = millis(&mut dice, 200, 2500);
            let (kind, pick, how_long) = (
                dice.random_range(0..12),
                dice.random_range(0..1000),
                millis(&mut dice, 50, 2500),
            );
            match kind {
                0 | 1 => self.kill_gateway(how_long),
                2 => {
                    self.journal
                        .blow("stop the gateway", &format!("for {how_long:?}"));
                    self.ground.gateway.signal(Signal::STOP);
                    sleep(how_long);
                    self.ground.gateway.signal(Signal::CONT);
                }
                3..6 => self.client(pick, None),
                6..8 => self.client(pick, Some(how_long)),
                8..10 => self.server(pick, None),
                10 => self.server(pick, Some(how_long)),
                _ => {
                    self.journal.blow("restart sshd", "");
                    self.ground.target.restart();
                }
            }
            sleep(pause);
        }
    }

    fn kill_gateway(&self, how_long: Duration) {
        if self.spare.load(Ordering::Relaxed) {
            return;
        }
        let _down = self.down.lock().unwrap();
        self.journal.blow(
            "kill the gateway",
            &format!("and start it after {how_long:?}"),
        );
        self.ground.gateway.kill();
        sleep(how_long);
        self.ground.gateway.launch();
        self.journal.note("the gateway is back");
    }

    /// Kills a client, or stops it for a while.
    fn client(&self, pick: usize, stop: Option<Duration>) {
        let running = self.jobs.running();
        let Some(client) = running.get(pick % running.len().max(1)) else {
            return;
        };
        // Only while it is there: its id may be another's afterwards.
        let hit = |how| {
            let mut client = client.lock().unwrap();
            client.alive().then(|| client.signal(how)).is_some()
        };
        match stop {
            None => {
                self.journal.blow("kill a client", "");
                hit(Signal::KILL);
            }
            Some(how_long) => {
                self.journal
                    .blow("stop a client", &format!("for {how_long:?}"));
                hit(Signal::STOP);
                sleep(how_long);
                hit(Signal::CONT);
            }
        }
    }

    /// Kills a connection's process on the target, or stops it for a while.
    fn server(&self, pick: usize, stop: Option<Duration>) {
        let servers = children(self.ground.target.pid());
        let Some(&server) = servers.get(pick % servers.len().max(1)) else {
            return;
        };
        match stop {
            None => {
                self.journal.blow("kill a server's process", "");
                signal(server, Signal::KILL);
            }
            Some(how_long) => {
                self.journal
                    .blow("stop a server's process", &format!("for {how_long:?}"));
                signal(server, Signal::STOP);
                sleep(how_long);
                signal(server, Signal::CONT);
            }
        }
    }

    /// Spoils wires, disk, clock and database.
    pub fn surroundings(&self, mut dice: StdRng) {
        while !self.stop.load(Ordering::Relaxed) {
            let pause = millis(&mut dice, 100, 1500);
            let kind = dice.random_range(0..10);
            let how_long = millis(&mut dice, 200, 4000);
            match kind {
                0..5 => self.spoil_wire(&mut dice, how_long),
                5 => self.cut_wire(&mut dice, how_long),
                6 | 7 => self.fill_disk(dice.random_range(0..4 << 20), how_long),
                8 => {
                    let seconds = dice.random_range(-600..600);
                    if self.ground.step_clock(seconds) {
                        self.journal
                            .blow("set the clock", &format!("{seconds:+} s off"));
                    }
                }
                _ => self.lose_database(how_long),
            }
            sleep(pause);
        }
    }

    fn spoil_wire(&self, dice: &mut StdRng, how_long: Duration) {
        let wire = match dice.random_range(0..3) {
            0 => &self.ground.target_wire,
            _ => &self.ground.client_wire,
        };
        let settings = format!(
            "delay={} jitter={} loss={} rate={}",
            dice.random_range(0..150),
            dice.random_range(0..20),
            [0, 0, 1, 3, 10][dice.random_range(0..5)],
            [0, 0, 200, 2_000, 20_000][dice.random_range(0..5)],
        );
        self.journal
            .blow("spoil a wire", &format!("{settings} for {how_long:?}"));
        wire.order(&settings);
        sleep(how_long);
        wire.heal();
    }

    fn cut_wire(&self, dice: &mut StdRng, how_long: Duration) {
        let (name, wire) = match dice.random_range(0..2) {
            0 => ("target", &self.ground.target_wire),
            _ => ("client", &self.ground.client_wire),
        };
        self.journal
            .blow("cut a wire", &format!("({name}) for {how_long:?}"));
        wire.order("cut=1");
        sleep(how_long);
        wire.heal();
    }

    fn fill_disk(&self, but: u64, how_long: Duration) {
        if let Some(filler) = self.ground.fill_disk(but) {
            self.journal.blow(
                "fill the disk",
                &format!("but for {but} bytes, for {how_long:?}"),
            );
            sleep(how_long);
            std::fs::remove_file(filler).unwrap();
        }
    }

    fn lose_database(&self, how_long: Duration) {
        let Some(postgres) = &self.ground.postgres else {
            return;
        };
        let _down = self.down.lock().unwrap();
        self.journal
            .blow("stop the database", &format!("for {how_long:?}"));
        postgres.down();
        sleep(how_long);
        postgres.up();
    }

    /// Gives orders to live sessions.
    pub fn orders(&self, mut dice: StdRng) {
        let admin = self.ground.gateway.api("bob");
        while !self.stop.load(Ordering::Relaxed) {
            sleep(millis(&mut dice, 50, 900));
            let (pick, kind) = (dice.random_range(0..1000), dice.random_range(0..12));
            let how_long = millis(&mut dice, 50, 6000);
            let Some(answer) = admin.try_get("/api/v1/sessions?class=active&page_size=50") else {
                continue;
            };
            let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let Some(live) = list["items"].as_array().filter(|live| !live.is_empty()) else {
                continue;
            };
            let session = live[pick % live.len()]["id"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let order = |verb: &str, body: Value| {
                let path = format!("/api/v1/sessions/{session}/{verb}");
                let answer = admin.try_request("POST", &path, body.to_string().as_bytes());
                let status = answer.map_or(0, |answer| answer.status);
                self.journal.blow(verb, &format!("{session}: {status}"));
            };
            match kind {
                0..6 => {
                    order(
                        "lock",
                        json!({ "title": "Held up", "message": "For a moment." }),
                    );
                    sleep(how_long);
                    // Some end behind the lock.
                    match kind {
                        0 => order("terminate", json!({ "reason": "enough" })),
                        _ => order("unlock", json!({})),
                    }
                }
                6 => order("terminate", json!({ "reason": "enough" })),
                7 => order("end", json!({})),
                8 => order("extend", json!({})),
                _ => order("message", json!({ "text": "hold on" })),
            }
        }
    }
}

/// The processes that another one started.
fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
