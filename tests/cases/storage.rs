//! Full disks, read-only folders, databases that go away, PostgreSQL.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sallyport_tests::harness::{Daemon, Gateway, Postgres, Tty, run, tapes, tool, wait_until};
use serde_json::json;
use tempfile::TempDir;

use super::{SOON, events, items, text, time};

/// A small file system of its own; unmounted when dropped.
pub(super) struct SmallDisk(TempDir);

impl SmallDisk {
    /// Nothing, loudly, where mounting is not permitted.
    pub(super) fn mount(options: &str) -> Option<Self> {
        let dir = TempDir::with_prefix("sp-disk-").unwrap();
        let mut mount = tool("mount");
        mount
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir.path());
        let done = run(mount, SOON);
        if done.code != 0 {
            eprintln!(
                "NOT TESTED: this needs the right to mount a tmpfs: {}",
                done.err
            );
            return None;
        }
        Some(Self(dir))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, how: &str) {
        let mut mount = tool("mount");
        mount
            .args(["-o", &format!("remount,{how}")])
            .arg(self.path());
        run(mount, SOON).ok();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let mut umount = tool("umount");
        umount.arg("-l").arg(self.path());
        run(umount, SOON);
    }
}

fn on_disk(disk: &SmallDisk, min_free: &str) -> Gateway {
    Gateway::builder()
        .env(
            "SALLYPORT_TAPES_URL",
            &format!("file://{}", disk.path().display()),
        )
        .env("SALLYPORT_TAPES_MIN_FREE", min_free)
        .start()
}

#[test]
fn a_full_disk_ends_strict_sessions_and_refuses_new_ones() {
    let Some(disk) = SmallDisk::mount("size=12m") else {
        return;
    };
    let gateway = on_disk(&disk, "2MiB");
    let admin = gateway.api("bob");
    let tty = gateway.shell("alice+web");
    let seen_before = tty.raw().len();
    tty.line("seq 1 100000000");
    tty.wait_closed(Duration::from_secs(30));
    let session = gateway.newest_session(&admin, "web").unwrap();
    wait_until("it has ended", SOON, || {
        gateway.newest_session(&admin, "web").unwrap()["ended_at"].is_string()
    });
    let session = admin
        .get(&format!("/api/v1/sessions/{}", text(&session, "id")))
        .json();
    assert_eq!(
        text(&session, "close_code"),
        "recording_failed",
        "{session:#}"
    );
    assert_eq!(text(&session, "state_class"), "failed");
    assert!(
        tty.output().contains("cannot be recorded"),
        "the user is told: {:?}",
        &tty.output()[tty.output().len().saturating_sub(400)..]
    );
    // What he saw is on the tape, but for the last words of the gateway itself.
    let raw = tty.raw();
    let tape = tapes(disk.path()).pop().unwrap();
    let held = sallyport_tests::harness::recorded_output(&tape);
    let alike = raw.iter().zip(&held).take_while(|(a, b)| a == b).count();
    assert!(
        raw.len() - alike < 2000 && alike > seen_before,
        "{} bytes seen, {alike} of them on the tape",
        raw.len()
    );

    let refused = gateway.ssh("alice+web").exec("echo in").failed();
    assert!(
        refused.all().contains("cannot be recorded"),
        "{}",
        refused.all()
    );
    assert!(!refused.text().contains("in\n"));
    // Best effort goes on, and says what is missing.
    let out = gateway.ssh("alice+effort").exec("echo effort-$((40+2))");
    assert_eq!(out.text(), "effort-42\n", "{}", out.err);
    gateway.ssh("alice+unrecorded").exec("true").ok();
    // With room again everything is as before.
    for tape in tapes(disk.path()) {
        fs::remove_file(tape).unwrap();
    }
    gateway.ssh("alice+web").exec("true").ok();
}

#[test]
fn best_effort_goes_on_over_a_full_disk_and_marks_the_gap() {
    let Some(disk) = SmallDisk::mount("size=12m") else {
        return;
    };
    let gateway = on_disk(&disk, "1MiB");
    let admin = gateway.api("bob");
    let tty = gateway.shell("alice+effort");
    tty.line("seq 1 3000000; echo over-$((40+2))");
    tty.wait_for("over-42", Duration::from_secs(60));
    tty.line("exit");
    tty.wait_closed(SOON);
    let session = gateway.session_with(&admin, "effort", "Completed");
    let log = events(&admin, text(&session, "id"));
    assert!(
        log.iter().any(|event| event["kind"] == "recording.gap"),
        "{log:#?}"
    );
}

#[test]
fn a_read_only_folder_for_tapes_refuses_strict_sessions() {
    let Some(disk) = SmallDisk::mount("size=64m") else {
        return;
    };
    let gateway = on_disk(&disk, "1MiB");
    // A tmpfs refuses to turn read-only while files are open for writing: there is no live session.
    disk.remount("ro");
    let refused = gateway.ssh("alice+web").exec("echo in").failed();
    assert!(
        refused.all().contains("cannot be recorded"),
        "{}",
        refused.all()
    );
    disk.remount("rw");
    gateway.ssh("alice+web").exec("true").ok();
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named_at_the_start() {
    let outer = TempDir::with_prefix("sp-readonly-").unwrap();
    fs::set_permissions(
        outer.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let locked = outer.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    let folder = locked.join("data");
    // Root may write everywhere; anybody else may not.
    let product = outer.path().join("sallyport");
    fs::copy(sallyport_tests::harness::product(), &product).unwrap();
    let mut serve = tool("setpriv");
    serve
        .args(["--reuid", "nobody", "--clear-groups", "--"])
        .arg(&product);
    serve.args(["serve", "--data-dir"]).arg(&folder).env_clear();
    serve
        .env("SALLYPORT_SSH_LISTEN", "127.0.0.1:0")
        .env("SALLYPORT_API_LISTEN", "127.0.0.1:0");
    let done = run(serve, SOON).failed();
    assert!(
        done.all().contains(&folder.display().to_string()),
        "the folder is named: {}",
        done.all()
    );
    assert!(
        done.all().to_lowercase().contains("permission denied"),
        "{}",
        done.all()
    );
    assert!(!done.all().contains("panicked"), "{}", done.all());
}

#[test]
fn a_vault_key_that_others_can_read_is_refused() {
    let gateway = Gateway::start();
    gateway.terminate(SOON);
    let key = gateway.data().join("vault.key");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let said = gateway.launch_in_vain(SOON);
    assert!(
        said.contains("vault.key") && said.contains("chmod"),
        "{said}"
    );
    // Another key than the one that sealed is found out as well.
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let good = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let other = Gateway::start();
    fs::copy(other.data().join("vault.key"), &key).unwrap();
    gateway.launch_in_vain(SOON);
    fs::write(&key, good).unwrap();
    gateway.launch();
    gateway.ssh("alice+web").exec("true").ok();
}

/// Holds the write lock of an SQLite database until killed.
fn lock_database(path: &Path) -> Daemon {
    let script = "import sqlite3,sys,time\nc=sqlite3.connect(sys.argv[1],isolation_level=None,timeout=60)\nc.execute('BEGIN EXCLUSIVE')\nopen(sys.argv[2],'w').write('x')\ntime.sleep(120)";
    let flag = path.with_extension("locked");
    let mut python = tool("python3");
    python.args(["-c", script]).arg(path).arg(&flag);
    let daemon = Daemon::spawn(python);
    wait_until("the database is locked", Duration::from_secs(60), || {
        flag.exists()
    });
    daemon
}

#[test]
fn a_locked_sqlite_file_does_not_hold_the_deadline_up() {
    let gateway = Gateway::start();
    let tty = gateway.shell("alice+short");
    let session = gateway.session_with(&gateway.api("bob"), "short", "Logged In");
    let end = time(&session, "scheduled_end");
    let lock = lock_database(&gateway.data().join("sallyport.db"));
    tty.line("echo works-$((40+2))");
    tty.wait_screen("works-42", SOON);
    tty.wait_closed(SOON);
    let late = (chrono::Utc::now() - end).num_milliseconds();
    assert!(
        (-100..=1000).contains(&late),
        "cut {late} ms after the end, with the database locked"
    );
    drop(lock);
    let admin = gateway.api("bob");
    wait_until(
        "the end is written down later",
        Duration::from_secs(20),
        || {
            gateway
                .newest_session(&admin, "short")
                .is_some_and(|session| session["close_code"] == "deadline")
        },
    );
}

fn on_postgres(postgres: &Postgres) -> Gateway {
    Gateway::builder()
        .env("SALLYPORT_STORE_URL", &postgres.url())
        .start()
}

#[test]
fn the_whole_course_on_postgresql() {
    let postgres = Postgres::start();
    let gateway = on_postgres(&postgres);
    let (admin, alice) = (gateway.api("bob"), gateway.api("alice"));
    alice
        .post("/api/v1/sessions", json!({ "host": "web" }))
        .expect(201);
    let tty = gateway.shell("alice+web");
    let session = gateway.session_with(&admin, "web", "Logged In");
    let order = |verb: &str, body| {
        admin
            .post(
                &format!("/api/v1/sessions/{}/{verb}", text(&session, "id")),
                body,
            )
            .expect(200)
    };
    order("lock", json!({ "title": "Halt", "message": "m" }));
    tty.wait_screen("Halt", SOON);
    order("unlock", json!({}));
    tty.line("echo on-$((40+2))");
    tty.wait_screen("on-42", SOON);
    order("terminate", json!({ "cancel": true }));
    tty.wait_closed(Duration::from_secs(1));
    gateway.session_with(&admin, "web", "Canceled");
    let list = admin
        .get("/api/v1/sessions?q=ALICE&sort=-requested_at&status=Canceled")
        .expect(200)
        .json();
    assert_eq!(items(&list).len(), 1);
    let again = run(
        gateway.cli(
            "admin",
            &["apply", "-f", &gateway.world_file().display().to_string()],
        ),
        SOON,
    )
    .ok();
    assert!(
        again.text().contains("0 created, 0 changed"),
        "{}",
        again.text()
    );
    run(gateway.cli("admin", &["audit", "verify"]), SOON).ok();
    gateway.kill();
    gateway.launch();
    gateway.ssh("alice+web").exec("true").ok();
    run(gateway.cli("admin", &["audit", "verify"]), SOON).ok();
}

#[test]
fn a_stopped_postgresql_lets_sessions_live_and_end_in_time() {
    let postgres = Postgres::start();
    let gateway = on_postgres(&postgres);
    let tty = gateway.shell("alice+short");
    let session = gateway.session_with(&gateway.api("bob"), "short", "Logged In");
    let end = time(&session, "scheduled_end");
    postgres.down();
    tty.line("echo works-$((40+2))");
    tty.wait_screen("works-42", SOON);
    tty.wait_closed(SOON);
    let late = (chrono::Utc::now() - end).num_milliseconds();
    assert!(
        (-100..=1000).contains(&late),
        "cut {late} ms after the end, without a database"
    );
    // Nobody new gets in meanwhile, and is told.
    let refused = Tty::start(gateway.ssh("alice+web").terminal("echo in"), 80, 24);
    refused.wait_closed(Duration::from_secs(30));
    assert!(
        !refused.output().contains("in\r\n"),
        "{:?}",
        refused.output()
    );
    postgres.up();
    wait_until("it lets people in again", Duration::from_secs(30), || {
        gateway.ssh("alice+web").exec("true").code == 0
    });
    let admin = gateway.api("bob");
    wait_until(
        "the end is written down later",
        Duration::from_secs(20),
        || {
            gateway
                .newest_session(&admin, "short")
                .is_some_and(|session| session["close_code"] == "deadline")
        },
    );
}

#[test]
fn an_order_given_at_one_node_is_obeyed_by_another() {
    let postgres = Postgres::start();
    let node = || {
        Gateway::builder()
            .env("SALLYPORT_STORE_URL", &postgres.url())
            .env("SALLYPORT_VAULT_KEY", &"5a".repeat(32))
            .start()
    };
    let (first, second) = (node(), node());
    let there = Tty::start(
        first.ssh("alice+web").password_of("alice").terminal(""),
        80,
        24,
    );
    there.wait_for("$ ", SOON);
    let here = second.api("bob");
    let session = second.session_with(&here, "web", "Logged In");
    let order = |verb: &str, body| {
        let start = std::time::Instant::now();
        here.post(
            &format!("/api/v1/sessions/{}/{verb}", text(&session, "id")),
            body,
        )
        .expect(200);
        start.elapsed()
    };
    let took = order("lock", json!({ "title": "From elsewhere" }));
    there.wait_screen("From elsewhere", SOON);
    assert!(took < Duration::from_secs(1), "{took:?}");
    order("unlock", json!({}));
    order("terminate", json!({ "cancel": true }));
    there.wait_closed(Duration::from_secs(1));
    // A node that starts again takes nothing from the other.
    let live = Tty::start(
        first.ssh("alice+web").password_of("alice").terminal(""),
        80,
        24,
    );
    live.wait_for("$ ", SOON);
    second.kill();
    second.launch();
    live.line("echo still-$((40+2))");
    live.wait_screen("still-42", SOON);
}
