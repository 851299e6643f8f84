//! Clients of other families: PuTTY's, Dropbear's, and two libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sallyport_tests::harness::{run, run_with_input, tool};

use super::super::noise;
use super::{Content, PATIENCE, Seen, Way, Ways};

/// The key in a client's own format.
fn converted(way: &Way, folder: &Path, program: &str, words: &[&str]) -> PathBuf {
    let key = folder.join(program);
    let mut convert = tool(program);
    let from = way.ssh.key_file().unwrap();
    match program {
        "puttygen" => convert.arg(from).args(words).arg("-o").arg(&key),
        _ => convert.args(words).arg(from).arg(&key),
    };
    run(convert, PATIENCE).ok();
    key
}

/// The fingerprint of the host key on the way.
fn fingerprint(way: &Way) -> String {
    let script = format!(
        "ssh-keyscan -t ed25519 -p {} 127.0.0.1 2>/dev/null | ssh-keygen -lf - | cut -d' ' -f2",
        way.ssh.port()
    );
    run(super::shell(&script), PATIENCE)
        .ok()
        .text()
        .trim()
        .to_owned()
}

/// One of PuTTY's programs, logged in.
fn putty(way: &Way, folder: &Path, program: &str) -> Command {
    let key = converted(way, folder, "puttygen", &["-O", "private"]);
    let mut command = tool(program);
    command
        .args(["-batch", "-P", &way.ssh.port().to_string()])
        .args(["-l", &way.ssh.login(), "-hostkey", &fingerprint(way), "-i"])
        .arg(key)
        .env("HOME", folder);
    command
}

#[test]
fn plink() {
    let ways = Ways::start();
    let plink = |way: &Way, words: &[&str], remote: &str, input: Vec<u8>| {
        let folder = way.local();
        let mut plink = putty(way, folder.path(), "plink");
        plink.args(words).arg("127.0.0.1");
        if !remote.is_empty() {
            plink.arg(remote);
        }
        Seen::of(run_with_input(plink, input, PATIENCE)).anonymous(way)
    };
    for (words, remote, input) in [
        (&["-T"][..], "echo out; echo err >&2; exit 7", Vec::new()),
        (&["-T"], "cat; exit 8", noise(2_000_000, 1)),
        (&["-T"], "kill -TERM $$; sleep 3", Vec::new()),
        (&["-T"], "", b"echo from a shell\nexit 9\n".to_vec()),
        (&["-T", "-C"], "sha256sum", noise(1_000_000, 2)),
        (
            &["-t"],
            "tty | cut -c1-5; stty size; echo $TERM; exit 3",
            Vec::new(),
        ),
        (&["-s"], "nosuchsystem", Vec::new()),
        (&["-T"], "exec >&-; sleep 0.3; exit 4", Vec::new()),
    ] {
        ways.same(&format!("plink {words:?} {remote:?}"), |way| {
            plink(way, words, remote, input.clone())
        });
    }
    ways.same("plink shares a connection", |way| {
        let folder = way.local();
        let mut master = putty(way, folder.path(), "plink");
        master.args(["-share", "-T", "127.0.0.1", "sleep 3; exit 5"]);
        master.env("XDG_RUNTIME_DIR", folder.path());
        let master = std::thread::spawn(move || Seen::of(run(master, PATIENCE)));
        std::thread::sleep(std::time::Duration::from_secs(1));
        let mut second = putty(way, folder.path(), "plink");
        second.args(["-share", "-T", "127.0.0.1", "echo shared; exit 6"]);
        let second = Seen::of(run(second, PATIENCE)).anonymous(way);
        (second, master.join().unwrap().anonymous(way))
    });
}

#[test]
fn pscp_and_psftp() {
    let ways = Ways::start();
    for mode in ["-scp", "-sftp"] {
        ways.same(&format!("pscp {mode}"), |way| {
            let (here, there) = (way.local(), way.folder());
            let (h, t) = (
                here.path().display().to_string(),
                there.path().display().to_string(),
            );
            fs::create_dir(here.path().join("tree")).unwrap();
            for (name, size) in [
                ("empty", 0),
                ("one", 1),
                ("two words", 3_000_001),
                ("\u{e4}", 32_768),
            ] {
                fs::write(here.path().join("tree").join(name), noise(size, 3)).unwrap();
            }
            let copy = |from: String, to: String| {
                let mut pscp = putty(way, here.path(), "pscp");
                pscp.args([mode, "-q", "-r", &from, &to]);
                let seen = Seen::of(run(pscp, PATIENCE)).anonymous(way);
                seen.without(&here, "LOCAL").without(&there, "FAR")
            };
            let up = copy(format!("{h}/tree"), format!("127.0.0.1:{t}/"));
            let down = copy(format!("127.0.0.1:{t}/tree"), format!("{h}/back"));
            let missing = copy(format!("127.0.0.1:{t}/missing"), h.clone());
            let files = ["empty", "one", "two words", "\u{e4}"].map(|name| {
                fs::read(here.path().join("back").join(name))
                    .ok()
                    .map(Content)
            });
            (up, down, missing, files)
        });
    }
    let (seen, files) = ways.same("psftp", |way| {
        let (here, there) = (way.local(), way.folder());
        fs::write(here.path().join("up"), noise(6_000_001, 4)).unwrap();
        let batch = "lcd LOCAL\ncd FAR\npwd\nput up\nls nothing\nget up down\nmkdir d\nmv up d/moved\nreget d/moved down\nchmod 600 d/moved\nmput up\nrm up\nget none\nrmdir d\ndel d/moved\nrmdir d\nquit\n"
            .replace("LOCAL", &here.path().display().to_string())
            .replace("FAR", &there.path().display().to_string());
        let script = here.path().join("batch");
        fs::write(&script, batch).unwrap();
        let mut psftp = putty(way, here.path(), "psftp");
        psftp.args(["-be", "-b"]).arg(&script).arg("127.0.0.1");
        let seen = Seen::of(run(psftp, PATIENCE))
            .anonymous(way).without(&here, "LOCAL").without(&there, "FAR");
        (seen, fs::read(here.path().join("down")).ok().map(Content))
    });
    assert!(files == Some(Content(noise(6_000_001, 4))), "{seen:?}");
}

#[test]
fn dbclient() {
    let ways = Ways::start();
    for (words, remote, input) in [
        (&[][..], "echo out; echo err >&2; exit 7", Vec::new()),
        (&[], "cat; exit 8", noise(2_000_000, 1)),
        (&[], "sleep 0.3; wc -c", noise(3_000_000, 5)),
        (&[], "kill -TERM $$; sleep 3", Vec::new()),
        (&["-T"], "", b"echo from a shell\nexit 9\n".to_vec()),
        (&[], "exec >&- 2>&-; sleep 0.3; exit 4", Vec::new()),
        (&["-K", "1"], "sleep 4; echo end", Vec::new()),
    ] {
        ways.same(&format!("dbclient {words:?} {remote:?}"), |way| {
            let folder = way.local();
            let key = converted(
                way,
                folder.path(),
                "dropbearconvert",
                &["openssh", "dropbear"],
            );
            let mut dbclient = tool("dbclient");
            dbclient
                .args([
                    "-y",
                    "-y",
                    "-p",
                    &way.ssh.port().to_string(),
                    "-l",
                    &way.ssh.login(),
                    "-i",
                ])
                .arg(key)
                .args(words)
                .arg("127.0.0.1")
                .env("HOME", folder.path());
            if !remote.is_empty() {
                dbclient.arg(remote);
            }
            let mut seen =
                Seen::of(run_with_input(dbclient, input.clone(), PATIENCE)).anonymous(way);
            // It warns about every host key, and shows it.
            seen.err = seen
                .err
                .lines()
                .filter(|line| {
                    !line.contains("WARNING")
                        && !line.contains("Host key")
                        && !line.contains("fingerprint")
                })
                .collect();
            seen
        });
    }
}

/// Runs one of the probes with Debian's Python; answers a line for each thing tried.
fn probe(way: &Way, name: &str) -> Vec<String> {
    let (here, there) = (way.local(), way.folder());
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cases/conformance/probes")
        .join(name);
    let mut python = tool("/usr/bin/python3");
    python
        .arg(script)
        .args([way.ssh.port().to_string(), way.ssh.login()])
        .arg(way.ssh.key_file().unwrap())
        .args([here.path(), there.path()])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("SSH_AUTH_SOCK");
    let seen = Seen::of(run(python, 3 * PATIENCE))
        .without(&here, "LOCAL")
        .without(&there, "FAR");
    assert!(seen.code == 0, "{name}, {}: {seen:?}", way.name);
    String::from_utf8_lossy(&seen.out)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn paramiko() {
    let said = Ways::start().same("paramiko", |way| probe(way, "paramiko_probe.py"));
    assert!(said.len() == 18, "{said:#?}");
}

#[test]
fn asyncssh() {
    let said = Ways::start().same("asyncssh", |way| probe(way, "asyncssh_probe.py"));
    assert!(
        said.len() == 31 && !said.iter().any(|line| line.contains("hangs")),
        "{said:#?}"
    );
}
