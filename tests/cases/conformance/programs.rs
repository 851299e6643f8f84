//! Programs that go by SSH: git and Ansible.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sallyport_tests::harness::{KEY_ACCOUNT, run, tool};

use super::super::noise;
use super::{PATIENCE, Seen, Way, Ways};

/// Runs git commands, one after the other, in `folder`.
fn git(way: &Way, folder: &Path, script: &str) -> Seen {
    let mut bash = super::shell(script);
    bash.current_dir(folder)
        .env("GIT_SSH_COMMAND", way.ssh.command_line())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0");
    for name in ["AUTHOR", "COMMITTER"] {
        bash.env(format!("GIT_{name}_NAME"), "Alice")
            .env(format!("GIT_{name}_EMAIL"), "alice@acme.example")
            .env(format!("GIT_{name}_DATE"), "2001-02-03T04:05:06Z");
    }
    Seen::of(run(bash, PATIENCE + Duration::from_secs(5)))
}

#[test]
fn git_by_ssh() {
    let ways = Ways::jumping();
    let seen = ways.same("git", |way| {
        let (here, there) = (way.local(), way.folder());
        let store = format!("{}/store.git", there.path().display());
        way.ssh
            .exec(&format!("git init -q --bare -b main {store}"))
            .ok();
        let url = format!("ssh://127.0.0.1{store}");
        fs::write(here.path().join("noise"), noise(3_000_000, 8)).unwrap();
        let script = format!(
            "set -e
            git clone -q {url} one 2>&1; cd one; git checkout -q -B main
            for i in $(seq 1 40); do echo $i >f$i; git add f$i; git commit -q -m $i; done
            cp ../noise .; git add noise; git commit -q -m noise
            git push -q origin main 2>&1
            git ls-remote origin
            git clone -q --depth 1 {url} ../two; cat ../two/.git/shallow
            cd ../two; git fetch -q --unshallow; git log --oneline | wc -l
            git checkout -q -b side; git commit -q --allow-empty -m side; git push -q origin side
            cd ../one; git fetch -q; git branch -r; git push origin :side 2>&1
            git -C ../two reset -q --hard HEAD~2; git -C ../two commit -q --allow-empty -m other
            git -C ../two push -q origin HEAD:main 2>&1 | grep -c rejected
            git archive --remote={url} main f1 | tar t
            sha256sum noise ../two/f39
            git clone -q ssh://127.0.0.1{store}-none three 2>&1 || echo $?"
        );
        let seen = git(way, here.path(), &script);
        seen.without(&here, "HERE").without(&there, "THERE")
    });
    assert!(seen.code == 0 && seen.err.is_empty(), "{seen:?}");
}

/// A playbook of the usual modules, all of which leave something to compare.
const PLAYBOOK: &str = "
- hosts: all
  gather_facts: false
  tasks:
    - ping:
    - command: echo from a command
      register: said
    - debug: var=said.stdout
    - shell: 'echo $0; cat; exit 3'
      args: { stdin: 'input to a shell' }
      register: shell
      failed_when: shell.rc != 3
    - debug: var=shell.stdout_lines
    - copy: { src: big, dest: 'THERE/big', mode: '0640' }
    - copy: { content: 'a line', dest: 'THERE/an odd name' }
    - fetch: { src: 'THERE/big', dest: fetched, flat: true }
    - file: { path: 'THERE/folder', state: directory, mode: '0700' }
    - script: local.sh one two
      register: script
    - debug: var=script.stdout_lines
    - stat: { path: 'THERE/big', get_checksum: true }
      register: big
    - debug: var=big.stat.checksum
    - command: /no/such/program
";

fn ansible(way: &Way, pipelining: bool) -> (Seen, bool) {
    let (here, there) = (way.local(), way.folder());
    let path = |name: &str| here.path().join(name);
    fs::write(path("big"), noise(2_000_000, 10)).unwrap();
    fs::write(path("local.sh"), "#!/bin/sh\necho \"$@\"; id -un\n").unwrap();
    let playbook = PLAYBOOK.replace("THERE", &there.path().display().to_string());
    fs::write(path("play.yml"), playbook).unwrap();
    // Ansible takes quotes around all of it away.
    let words = way
        .ssh
        .command_line()
        .replacen("ssh ", "-o BatchMode=yes ", 1);
    let inventory = format!(
        "target ansible_host=127.0.0.1 ansible_python_interpreter=/usr/bin/python3 ansible_remote_tmp=/tmp/.ansible-{KEY_ACCOUNT}\n"
    );
    fs::write(path("hosts"), inventory).unwrap();
    fs::write(path("ansible.cfg"), "").unwrap();
    let mut ansible = tool("ansible-playbook");
    ansible
        .args(["-i", "hosts", "play.yml"])
        .current_dir(here.path())
        .env("ANSIBLE_SSH_COMMON_ARGS", words)
        .env("ANSIBLE_SSH_CONTROL_PATH_DIR", here.path())
        // Shared connections would outlive the case.
        .env(
            "ANSIBLE_SSH_ARGS",
            "-o ControlMaster=auto -o ControlPersist=3s",
        )
        .env("ANSIBLE_PIPELINING", if pipelining { "1" } else { "0" })
        .env("ANSIBLE_NOCOLOR", "1")
        .env("ANSIBLE_LOCAL_TEMP", here.path())
        .env("ANSIBLE_CONFIG", path("ansible.cfg"))
        .env("HOME", here.path());
    let seen = Seen::of(run(ansible, 2 * PATIENCE));
    let same = fs::read(path("fetched")).ok() == fs::read(path("big")).ok();
    let seen = seen.without(&here, "HERE").without(&there, "THERE");
    (seen, same)
}

#[test]
fn ansible_by_ssh() {
    let ways = Ways::start();
    for pipelining in [false, true] {
        let (seen, same) = ways.same("ansible", |way| ansible(way, pipelining));
        let recap = String::from_utf8_lossy(&seen.out).into_owned();
        assert!(
            same && recap.contains("ok=13") && recap.contains("failed=1"),
            "{recap}"
        );
    }
}
