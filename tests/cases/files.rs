//! Files: sftp, scp in both its modes, rsync, git.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sallyport_tests::harness::{Gateway, Ssh, run, tool};
use tempfile::TempDir;

use super::{SOON, events, noise, text};

const PATIENCE: Duration = Duration::from_secs(60);

fn local() -> TempDir {
    TempDir::with_prefix("sp-local-").unwrap()
}

#[test]
fn sftp_carries_files_both_ways() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    let data = noise(8_000_000, 3);
    fs::write(here.path().join("up"), &data).unwrap();
    let (h, t) = (here.path().display(), there.path().display());
    let batch = format!(
        "mkdir {t}/d\nput {h}/up {t}/d/file\nchmod 640 {t}/d/file\nls -l {t}/d\nget {t}/d/file {h}/down\nrename {t}/d/file {t}/renamed\n"
    );
    let done = gateway.ssh("alice+web").limit(PATIENCE).sftp(&batch).ok();
    assert!(done.text().contains("-rw-r-----"), "{}", done.text());
    assert!(
        fs::read(here.path().join("down")).unwrap() == data,
        "the file that came back is another one"
    );
    assert!(fs::read(there.path().join("renamed")).unwrap() == data);
    let missing = gateway
        .ssh("alice+web")
        .sftp(&format!("get {t}/nothing {h}/nothing\n"))
        .failed();
    assert!(missing.all().contains("not found"), "{}", missing.all());

    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "web", "Completed");
    let log = events(&admin, text(&session, "id"));
    let used = log
        .iter()
        .find(|event| event["kind"] == "right.used")
        .expect("the use of a right is an event");
    assert!(used.to_string().contains("sftp"), "{used:#}");
}

#[test]
fn scp_in_both_its_modes() {
    let gateway = Gateway::start();
    for mode in ["-O", "-s"] {
        let (here, there) = (local(), gateway.target().folder());
        let data = noise(3_000_000, 4);
        fs::create_dir(here.path().join("tree")).unwrap();
        for name in ["one", "two words"] {
            fs::write(here.path().join("tree").join(name), &data).unwrap();
        }
        let remote = format!("127.0.0.1:{}", there.path().display());
        let ssh = gateway.ssh("alice+web").limit(PATIENCE);
        ssh.scp(&[
            mode,
            "-rp",
            &here.path().join("tree").display().to_string(),
            &format!("{remote}/copy"),
        ])
        .ok();
        ssh.scp(&[
            mode,
            "-rp",
            &format!("{remote}/copy"),
            &here.path().join("back").display().to_string(),
        ])
        .ok();
        for name in ["one", "two words"] {
            assert!(
                fs::read(here.path().join("back").join(name)).unwrap() == data,
                "{mode} {name}"
            );
        }
        ssh.scp(&[
            mode,
            &format!("{remote}/missing"),
            &here.path().display().to_string(),
        ])
        .failed();
    }
}

#[test]
fn rsync_keeps_a_tree_the_same() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    for n in 0..30u64 {
        let folder = here.path().join(format!("d{}", n % 5));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("f{n}")), noise(50_000 + n as usize, n)).unwrap();
    }
    let sync = |from: String, to: String| {
        let mut rsync = tool("rsync");
        rsync.args([
            "-a",
            "--delete",
            "--stats",
            "-e",
            &gateway.ssh("alice+web").command_line(),
            &from,
            &to,
        ]);
        run(rsync, PATIENCE).ok()
    };
    let remote = format!("127.0.0.1:{}/copy/", there.path().display());
    sync(format!("{}/", here.path().display()), remote.clone());
    fs::write(here.path().join("d1/f1"), noise(60_001, 99)).unwrap();
    fs::remove_file(here.path().join("d2/f2")).unwrap();
    sync(format!("{}/", here.path().display()), remote.clone());
    let back = local();
    sync(remote, format!("{}/", back.path().display()));
    let mut diff = tool("diff");
    diff.arg("-r").arg(here.path()).arg(back.path());
    run(diff, SOON).ok();
}

fn git(folder: &Path, ssh: &Ssh, words: &[&str]) -> Command {
    let mut git = tool("git");
    git.args(words)
        .current_dir(folder)
        .env("GIT_SSH_COMMAND", ssh.command_line());
    git.env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    for (name, value) in [("AUTHOR", "Alice"), ("COMMITTER", "Alice")] {
        git.env(format!("GIT_{name}_NAME"), value)
            .env(format!("GIT_{name}_EMAIL"), "alice@acme.example");
    }
    git
}

#[test]
fn git_clones_and_pushes() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    let ssh = gateway.ssh("alice+web");
    let store = format!("{}/store.git", there.path().display());
    ssh.exec(&format!("git init -q --bare -b main {store}"))
        .ok();
    let url = format!("ssh://127.0.0.1{store}");
    run(
        git(here.path(), &ssh, &["clone", "-q", &url, "first"]),
        PATIENCE,
    )
    .ok();
    let first = here.path().join("first");
    fs::write(first.join("data"), noise(2_000_000, 5)).unwrap();
    for words in [
        &["checkout", "-q", "-B", "main"][..],
        &["add", "data"],
        &["commit", "-q", "-m", "data"],
        &["push", "-q", "origin", "main"],
    ] {
        run(git(&first, &ssh, words), PATIENCE).ok();
    }
    run(
        git(here.path(), &ssh, &["clone", "-q", &url, "second"]),
        PATIENCE,
    )
    .ok();
    assert!(
        fs::read(here.path().join("second/data")).unwrap() == fs::read(first.join("data")).unwrap()
    );
}

#[test]
fn a_killed_transfer_leaves_nothing_running() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    fs::write(here.path().join("big"), noise(64_000_000, 6)).unwrap();
    let mut command = gateway.ssh("alice+web").program("scp");
    command
        .args(["-l", "40000"])
        .arg(here.path().join("big"))
        .arg(format!("127.0.0.1:{}/big", there.path().display()));
    let transfer = sallyport_tests::harness::Daemon::spawn(command);
    let arriving = || fs::metadata(there.path().join("big")).map_or(0, |file| file.len());
    sallyport_tests::harness::wait_until("the transfer runs", SOON, || arriving() > 1_000_000);
    drop(transfer);
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, "web", "Completed");
    assert!(
        ["user", "network"].contains(&text(&session, "close_code")),
        "{session:#}"
    );
    let stopped = arriving();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(arriving(), stopped, "something still writes on the target");
}
