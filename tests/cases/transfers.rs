//! Files are events: what happened to which file, with digests; directions as rights; no content on the tape.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use sallyport_tests::harness::{
    Api, Daemon, Done, Gateway, Ssh, run, run_with_input, tapes, tool, wait_until,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{SOON, items, noise, text};

const PATIENCE: Duration = Duration::from_secs(120);

fn local() -> TempDir {
    TempDir::with_prefix("sp-local-").unwrap()
}

fn sha(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// All events of one kind of the newest session on `host`, oldest first, once that session is over.
#[track_caller]
fn told(gateway: &Gateway, host: &str, kind: &str) -> Vec<Value> {
    let admin = gateway.api("bob");
    let session = gateway.session_with(&admin, host, "Completed");
    of_kind(&admin, text(&session, "id"), kind)
}

fn of_kind(admin: &Api, session: &str, kind: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for page in 1.. {
        let query = format!("type={kind}&page_size=100&page={page}");
        let list = admin
            .get(&format!("/api/v1/sessions/{session}/events?{query}"))
            .expect(200)
            .json();
        let found = items(&list);
        if found.is_empty() {
            break;
        }
        all.extend(found.iter().map(|event| event["detail"].clone()));
    }
    all
}

/// The one transfer of `path` among `transfers`.
#[track_caller]
fn of<'a>(transfers: &'a [Value], path: &str) -> &'a Value {
    let mut found = transfers.iter().filter(|transfer| transfer["path"] == path);
    match (found.next(), found.next()) {
        (Some(one), None) => one,
        _ => panic!("not one transfer of {path} in {transfers:#?}"),
    }
}

#[track_caller]
fn whole(transfer: &Value, direction: &str, content: &[u8]) {
    assert_eq!(transfer["direction"], direction, "{transfer:#}");
    assert_eq!(transfer["bytes"], content.len(), "{transfer:#}");
    assert_eq!(transfer["size"], content.len(), "{transfer:#}");
    assert_eq!(transfer["sha256"], sha(content), "{transfer:#}");
    assert_eq!(transfer["result"], "ok", "{transfer:#}");
    let marks = (
        &transfer["whole"],
        &transfer["in_order"],
        &transfer["offset"],
    );
    assert_eq!(
        marks,
        (&true.into(), &true.into(), &0.into()),
        "{transfer:#}"
    );
}

/// `sftp` with more options than a batch.
fn sftp(ssh: &Ssh, options: &[&str], batch: &str) -> Done {
    let mut command = ssh.program("sftp");
    command.args(options).args(["-b", "-", "127.0.0.1"]);
    run_with_input(command, batch.as_bytes().to_vec(), PATIENCE)
}

#[test]
fn what_sftp_does_is_told() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    let (h, t) = (here.path().display(), there.path().display());
    let data = noise(3_000_001, 1);
    fs::write(here.path().join("up"), &data).unwrap();
    fs::write(here.path().join("empty"), b"").unwrap();
    let batch = format!(
        "mkdir {t}/d\nput {h}/up {t}/d/a\nput {h}/empty {t}/d/empty\nchmod 640 {t}/d/a\nln -s a {t}/d/soft\n\
         ln {t}/d/a {t}/d/hard\nrename {t}/d/a {t}/d/b\nls {t}/d\nget {t}/d/b {h}/down\nget {t}/d/empty {h}/down0\n\
         cp {t}/d/b {t}/d/c\nrm {t}/d/b\nrmdir {t}/d/none\n"
    );
    let done = sftp(&gateway.ssh("alice+web"), &[], &batch);
    assert!(done.all().contains("none"), "{}", done.all());
    assert!(fs::read(here.path().join("down")).unwrap() == data);

    let transfers = told(&gateway, "web", "file.transferred");
    whole(of(&transfers, &format!("{t}/d/a")), "upload", &data);
    whole(of(&transfers, &format!("{t}/d/b")), "download", &data);
    let empty: Vec<_> = transfers
        .iter()
        .filter(|it| it["path"] == format!("{t}/d/empty"))
        .collect();
    assert_eq!(empty.len(), 2);
    whole(empty[0], "upload", b"");
    whole(empty[1], "download", b"");
    for (kind, fields) in [
        (
            "file.folder_made",
            vec![("path", format!("{t}/d")), ("result", "ok".into())],
        ),
        (
            "file.renamed",
            vec![("path", format!("{t}/d/a")), ("to", format!("{t}/d/b"))],
        ),
        (
            "file.linked",
            vec![("path", format!("{t}/d/soft")), ("to", "a".into())],
        ),
        (
            "file.linked",
            vec![("path", format!("{t}/d/hard")), ("to", format!("{t}/d/a"))],
        ),
        (
            "file.changed",
            vec![("path", format!("{t}/d/a")), ("change", "mode 0640".into())],
        ),
        (
            "file.copied",
            vec![("path", format!("{t}/d/b")), ("to", format!("{t}/d/c"))],
        ),
        (
            "file.removed",
            vec![("path", format!("{t}/d/b")), ("result", "ok".into())],
        ),
        (
            "file.removed",
            vec![
                ("path", format!("{t}/d/none")),
                ("result", "no such file".into()),
            ],
        ),
        (
            "file.listed",
            vec![("path", format!("{t}/d/")), ("result", "ok".into())],
        ),
        (
            "file.opened",
            vec![("path", format!("{t}/d/a")), ("access", "write".into())],
        ),
        ("channel.rest", vec![("stream", "in".into())]),
        ("channel.rest", vec![("stream", "out".into())]),
    ] {
        let events = told(&gateway, "web", kind);
        let matching = events
            .iter()
            .any(|event| fields.iter().all(|(field, value)| event[*field] == *value));
        assert!(matching, "no {kind} with {fields:?} in {events:#?}");
    }
}

#[test]
fn content_of_files_is_not_on_the_tape() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    let (h, t) = (here.path().display(), there.path().display());
    let planted = b"Xq7-planted-content-drehleier-";
    fs::write(here.path().join("up"), planted.repeat(50_000)).unwrap();
    let ssh = gateway.ssh("alice+web").limit(PATIENCE);
    ssh.sftp(&format!("put {h}/up {t}/a\nget {t}/a {h}/down\n"))
        .ok();
    for mode in ["-O", "-s"] {
        ssh.scp(&[mode, &format!("{h}/up"), &format!("127.0.0.1:{t}/b")])
            .ok();
        ssh.scp(&[mode, &format!("127.0.0.1:{t}/b"), &format!("{h}/back")])
            .ok();
    }
    let copy = format!("127.0.0.1:{t}/c");
    for (from, to) in [
        (format!("{h}/up"), copy.clone()),
        (copy, format!("{h}/again")),
    ] {
        let mut rsync = tool("rsync");
        rsync.args(["-W", "-e", &ssh.command_line(), &from, &to]);
        run(rsync, PATIENCE).ok();
    }
    told(&gateway, "web", "channel.rest");
    let tapes = tapes(gateway.data());
    assert!(tapes.len() >= 7, "{tapes:?}");
    for tape in tapes {
        let bytes = fs::read(&tape).unwrap();
        let found = bytes.windows(16).any(|at| at == &planted[..16]);
        assert!(!found, "a file's content is on {}", tape.display());
        assert!(bytes.len() < 200_000, "{} bytes of tape", bytes.len());
    }
}

#[test]
fn deep_pipelines_and_resumed_transfers() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    let (h, t) = (here.path().display(), there.path().display());
    let data = noise(40_000_000, 2);
    fs::write(here.path().join("up"), &data).unwrap();
    let ssh = gateway.ssh("alice+web");
    let batch = format!("put {h}/up {t}/a\nget {t}/a {h}/down\n");
    for options in [["-R", "64", "-B", "261120"], ["-R", "256", "-B", "4096"]] {
        sftp(&ssh, &options, &batch).ok();
        assert!(fs::read(here.path().join("down")).unwrap() == data);
        let transfers = told(&gateway, "web", "file.transferred");
        assert_eq!(transfers.len(), 2);
        whole(&transfers[0], "upload", &data);
        whole(&transfers[1], "download", &data);
    }

    let middle = 15_000_000;
    fs::write(here.path().join("down"), &data[..middle]).unwrap();
    fs::write(there.path().join("a"), &data[..middle]).unwrap();
    sftp(
        &ssh,
        &[],
        &format!("reput {h}/up {t}/a\nreget {t}/a {h}/down\n"),
    )
    .ok();
    assert!(fs::read(here.path().join("down")).unwrap() == data);
    assert!(fs::read(there.path().join("a")).unwrap() == data);
    let transfers = told(&gateway, "web", "file.transferred");
    assert_eq!(transfers.len(), 2);
    for (transfer, direction) in transfers.iter().zip(["upload", "download"]) {
        assert_eq!(transfer["direction"], direction);
        assert_eq!(transfer["offset"], middle, "{transfer:#}");
        assert_eq!(transfer["bytes"], data.len() - middle, "{transfer:#}");
        assert_eq!(transfer["sha256"], sha(&data[middle..]), "{transfer:#}");
        assert_eq!(transfer["whole"], false, "{transfer:#}");
    }
}

/// Names that are hard to write down, as bytes and as the log has them.
const ODD: [(&[u8], &str); 6] = [
    (b"two words", "two words"),
    (b"new\nline", "new\\nline"),
    (
        "Gr\u{f6}\u{df}e \u{2713}".as_bytes(),
        "Gr\u{f6}\u{df}e \u{2713}",
    ),
    (b"bad\xff\xfeutf8", "bad\\xff\\xfeutf8"),
    (b"quo'te\"s$(id)`*?", "quo'te\"s$(id)`*?"),
    (b"back\\slash", "back\\\\slash"),
];

#[test]
fn odd_names() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    let tree = here.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for (n, (bytes, _)) in (0..).zip(ODD) {
        fs::write(
            tree.join(OsStr::from_bytes(bytes)),
            noise(1000 + n, n as u64),
        )
        .unwrap();
    }
    let (h, t) = (here.path().display(), there.path().display());
    let ssh = gateway.ssh("alice+web").limit(PATIENCE);
    let check = |direction: &str, folder: &str| {
        let transfers = told(&gateway, "web", "file.transferred");
        for (n, (_, written)) in (0..).zip(ODD) {
            let content = noise(1000 + n, n as u64);
            whole(
                of(&transfers, &format!("{folder}/{written}")),
                direction,
                &content,
            );
        }
    };
    ssh.sftp(&format!("put -r {h}/tree {t}/by-sftp\n")).ok();
    check("upload", &format!("{t}/by-sftp"));
    ssh.sftp(&format!("get -r {t}/by-sftp {h}/by-sftp\n")).ok();
    check("download", &format!("{t}/by-sftp"));
    let remote = format!("127.0.0.1:{t}/by-scp");
    ssh.scp(&["-s", "-r", &format!("{h}/tree"), &remote]).ok();
    check("upload", &format!("{t}/by-scp"));
    ssh.scp(&["-s", "-r", &remote, &format!("{h}/by-scp")]).ok();
    check("download", &format!("{t}/by-scp"));
    for folder in ["by-sftp", "by-scp"] {
        let mut diff = tool("diff");
        diff.arg("-r").arg(&tree).arg(here.path().join(folder));
        run(diff, SOON).ok();
    }
}

#[test]
fn legacy_scp_is_told_file_by_file() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    let (h, t) = (here.path().display(), there.path().display());
    fs::create_dir_all(here.path().join("tree/sub")).unwrap();
    let (one, two) = (noise(700_000, 4), noise(20, 5));
    fs::write(here.path().join("tree/one"), &one).unwrap();
    fs::write(here.path().join("tree/sub/two words"), &two).unwrap();
    let ssh = gateway.ssh("alice+web").limit(PATIENCE);
    let remote = format!("127.0.0.1:{t}/copy");
    ssh.scp(&["-O", "-rp", &format!("{h}/tree"), &remote]).ok();
    let up = told(&gateway, "web", "file.transferred");
    whole(of(&up, &format!("{t}/copy/one")), "upload", &one);
    whole(of(&up, &format!("{t}/copy/sub/two words")), "upload", &two);
    assert_eq!(told(&gateway, "web", "file.folder_made").len(), 2);

    ssh.scp(&["-O", "-rp", &remote, &format!("{h}/back")]).ok();
    let down = told(&gateway, "web", "file.transferred");
    whole(of(&down, &format!("{t}/copy/one")), "download", &one);
    whole(
        of(&down, &format!("{t}/copy/sub/two words")),
        "download",
        &two,
    );

    ssh.scp(&[
        "-O",
        &format!("{h}/tree/one"),
        &format!("127.0.0.1:{t}/named"),
    ])
    .ok();
    let named = told(&gateway, "web", "file.transferred");
    whole(&named[0], "upload", &one);
    assert_eq!(
        (text(&named[0], "path"), text(&named[0], "name")),
        (&*format!("{t}/named"), "one")
    );

    let missing = ssh
        .scp(&["-O", &format!("127.0.0.1:{t}/missing"), &format!("{h}/x")])
        .failed();
    assert!(missing.all().contains("No such file"), "{}", missing.all());
    let failed = told(&gateway, "web", "file.not_opened");
    assert!(
        text(&failed[0], "result").contains("No such file"),
        "{failed:#?}"
    );
}

#[test]
fn rsync_is_told_with_paths_and_digests() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    fs::write(here.path().join("one"), noise(300_000, 6)).unwrap();
    let remote = format!("127.0.0.1:{}/copy", there.path().display());
    let local = format!("{}/", here.path().display());
    for (from, to, direction) in [(&local, &remote, "upload"), (&remote, &local, "download")] {
        let mut rsync = tool("rsync");
        rsync.args([
            "-a",
            "-e",
            &gateway.ssh("alice+web").command_line(),
            from,
            to,
        ]);
        run(rsync, PATIENCE).ok();
        let synchronised = told(&gateway, "web", "file.synchronised");
        assert_eq!(synchronised.len(), 1);
        assert_eq!(synchronised[0]["direction"], direction);
        let path = synchronised[0]["paths"][0].as_str().unwrap();
        assert!(path.ends_with("/copy"), "{path}");
        let rest = told(&gateway, "web", "channel.rest");
        assert_eq!(rest.len(), 2);
        assert!(
            rest.iter()
                .all(|stream| stream["bytes"].as_u64().unwrap() > 0),
            "{rest:#?}"
        );
    }
}

#[test]
fn a_direction_without_the_right_is_refused_and_the_client_says_so() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    let (h, t) = (here.path().display(), there.path().display());
    let data = noise(200_000, 7);
    fs::write(here.path().join("mine"), &data).unwrap();
    fs::write(there.path().join("theirs"), &data).unwrap();
    gateway.target().give(&there.path().join("theirs"));
    let (up, down) = (gateway.ssh("alice+uponly"), gateway.ssh("alice+downonly"));
    let refusal = |done: Done, right: &str| {
        let done = done.failed();
        let said = format!("does not allow {right}");
        assert!(done.all().contains(&said), "{}", done.all());
    };

    let kept = sftp(&down, &[], &format!(
        "get {t}/theirs {h}/got\n-put {h}/mine {t}/new\n-rm {t}/theirs\n-mkdir {t}/d\n-rename {t}/theirs {t}/moved\n\
         -chmod 600 {t}/theirs\n-ln {t}/theirs {t}/hard\nls {t}\n"
    )).ok();
    assert!(kept.all().contains("Permission denied"), "{}", kept.all());
    let shown = kept.all().matches("does not allow upload").count();
    assert_eq!(shown, 1, "told once: {}", kept.all());
    assert!(fs::read(here.path().join("got")).unwrap() == data);
    let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
    assert_eq!(names(there.path()), 1, "nothing has changed");
    let refused = told(&gateway, "downonly", "file.refused");
    let what: Vec<&str> = refused.iter().map(|event| text(event, "what")).collect();
    assert_eq!(
        what,
        [
            "open for writing",
            "remove",
            "make folder",
            "rename",
            "change",
            "link"
        ]
    );
    assert!(refused.iter().all(|event| event["right"] == "upload"));

    let one_way = sftp(
        &up,
        &[],
        &format!("put {h}/mine {t}/new\nls {t}\n-get {t}/theirs {h}/stolen\n"),
    );
    assert!(one_way.ok().all().contains("does not allow download"));
    assert!(fs::read(there.path().join("new")).unwrap() == data);
    assert!(
        !here.path().join("stolen").exists()
            || fs::read(here.path().join("stolen")).unwrap().is_empty()
    );

    let (mine, theirs) = (format!("{h}/mine"), format!("127.0.0.1:{t}/theirs"));
    let (to, into) = (format!("127.0.0.1:{t}/x"), format!("{h}/x"));
    for mode in ["-O", "-s"] {
        refusal(down.scp(&[mode, &mine, &to]), "upload");
        refusal(up.scp(&[mode, &theirs, &into]), "download");
        down.scp(&[mode, &theirs, &into]).ok();
    }
    let rsync = |ssh: &Ssh, from: &str, to: &str| {
        let mut rsync = tool("rsync");
        rsync.args(["-e", &ssh.command_line(), from, to]);
        run(rsync, PATIENCE)
    };
    refusal(rsync(&down, &mine, &to), "upload");
    refusal(rsync(&up, &theirs, &into), "download");
    rsync(&down, &theirs, &into).ok();
    assert_eq!(names(there.path()), 2, "nothing more has come");
}

#[test]
fn half_a_gigabyte_each_way() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    let (h, t) = (here.path().display(), there.path().display());
    let data = noise(512 << 20, 8);
    fs::write(here.path().join("up"), &data).unwrap();
    let before = gateway.rss_kib();
    sftp(
        &gateway.ssh("alice+web"),
        &[],
        &format!("put {h}/up {t}/a\nget {t}/a {h}/down\n"),
    )
    .ok();
    let grown = gateway.rss_kib().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more memory");
    let transfers = told(&gateway, "web", "file.transferred");
    whole(&transfers[0], "upload", &data);
    whole(&transfers[1], "download", &data);
    assert!(fs::read(here.path().join("down")).unwrap() == data);
}

#[test]
fn many_small_files_are_all_told() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    fs::create_dir(here.path().join("tree")).unwrap();
    for n in 0..1500_u64 {
        fs::write(here.path().join(format!("tree/{n}")), noise(100, n)).unwrap();
    }
    let (h, t) = (here.path().display(), there.path().display());
    sftp(
        &gateway.ssh("alice+web"),
        &[],
        &format!("put -r {h}/tree {t}/tree\n"),
    )
    .ok();
    let transfers = told(&gateway, "web", "file.transferred");
    assert_eq!(transfers.len(), 1500);
    for n in [0, 700, 1499] {
        whole(
            of(&transfers, &format!("{t}/tree/{n}")),
            "upload",
            &noise(100, n),
        );
    }
}

#[test]
fn a_killed_client_leaves_a_partial_event() {
    let gateway = Gateway::start();
    let (here, there) = (local(), gateway.target().folder());
    let data = noise(64_000_000, 9);
    fs::write(here.path().join("big"), &data).unwrap();
    for mode in ["-s", "-O"] {
        let path = there.path().join(format!("big{mode}"));
        let mut command = gateway.ssh("alice+web").program("scp");
        command
            .args([mode, "-l", "40000"])
            .arg(here.path().join("big"))
            .arg(format!("127.0.0.1:{}", path.display()));
        let transfer = Daemon::spawn(command);
        let arrived = || fs::metadata(&path).map_or(0, |file| file.len());
        wait_until("the transfer runs", SOON, || arrived() > 1_000_000);
        drop(transfer);
        let transfers = told(&gateway, "web", "file.transferred");
        let partial = of(&transfers, &path.display().to_string());
        assert_eq!(partial["result"], "not finished", "{partial:#}");
        assert_eq!(partial["whole"], false, "{partial:#}");
        let bytes = usize::try_from(partial["bytes"].as_u64().unwrap()).unwrap();
        assert!(
            bytes as u64 >= arrived() && bytes < data.len(),
            "{partial:#}"
        );
        assert_eq!(partial["sha256"], sha(&data[..bytes]), "{partial:#}");
    }
}

/// `ssh -s HOST sftp` with these bytes.
fn sftp_of(ssh: &Ssh, bytes: &[u8]) -> Done {
    let mut command = ssh.program("ssh");
    command.args(["-s", "127.0.0.1", "sftp"]);
    run_with_input(command, bytes.to_vec(), SOON)
}

#[test]
fn what_is_not_sftp_is_stopped_with_a_reason() {
    let gateway = Gateway::start();
    // INIT, and then nonsense.
    let broken = b"\0\0\0\x05\x01\0\0\0\x03GET / HTTP/1.1\r\n\r\n";
    let done = sftp_of(&gateway.ssh("alice+web"), broken).failed();
    let said = "its protocol was broken by a packet of";
    assert!(done.all().contains(said), "{}", done.all());
    assert_eq!(told(&gateway, "web", "channel.protocol").len(), 1);
    // Where a direction is forbidden, what cannot be read does not pass at all.
    let done = sftp_of(&gateway.ssh("alice+downonly"), b"GET / HTTP/1.1\r\n\r\n").failed();
    let said = "broken by bytes that are not SFTP";
    assert!(done.all().contains(said), "{}", done.all());
    assert_eq!(told(&gateway, "downonly", "channel.protocol").len(), 1);
}
