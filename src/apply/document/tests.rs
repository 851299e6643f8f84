use std::collections::BTreeMap;

use super::*;

const EXAMPLE: &str = include_str!("../../../examples/acme.yaml");

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("alice.pub"), "ssh-ed25519 AAAAC3Nz alice\n").unwrap();
    std::fs::write(dir.path().join("root_ed25519"), "-----BEGIN X-----\r\n").unwrap();
    dir
}

fn environment() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("ALICE_PASSWORD", "a-secret"),
        ("BOB_PASSWORD", "b-secret"),
        ("CAROL_PASSWORD", "c-secret"),
        ("ROBOT_KEY", "r-secret"),
        ("DEPLOY_PASSWORD", "d-secret"),
    ])
}

fn complaints(text: &str) -> Vec<String> {
    let dir = folder();
    let mut mistakes = read(text, dir.path(), &environment())
        .err()
        .unwrap_or_default();
    mistakes.sort_by_key(|mistake| mistake.at);
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_example_is_accepted_as_it_stands() {
    let dir = folder();
    let declaration = read(EXAMPLE, dir.path(), &environment()).unwrap();
    assert_eq!(declaration.users.len(), 3);
    let alice = declaration.users.first().unwrap();
    assert_eq!(
        alice.password.as_ref().unwrap().value.as_deref(),
        Some("a-secret")
    );
    assert_eq!(
        alice.ssh_keys,
        [sallyport_domain::declared::TextSource::Text(
            "ssh-ed25519 AAAAC3Nz alice".into()
        )]
    );
    let root = declaration.accounts.last().unwrap();
    let key = root.secret.as_ref().unwrap().private_key.as_ref().unwrap();
    assert_eq!(key.value.as_deref(), Some("-----BEGIN X-----"));
    assert_eq!(declaration.access_policies.len(), 2);
}

#[test]
fn an_empty_document_declares_nothing() {
    assert_eq!(complaints(""), Vec::<String>::new());
    assert_eq!(complaints("# only a comment\n"), Vec::<String>::new());
}

#[test]
fn each_mistake_says_where_it_is_and_what_is_allowed() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        (
            "hosts:\n  - { name: web, adress: 10.0.0.1 }\n",
            "2:18: unknown key `adress` in `hosts[0]`; allowed here: name, scope, friendly_name, address, kind, ssh, rdp, labels",
        ),
        (
            "hostz: []\n",
            "1:1: unknown key `hostz`; allowed here: scopes, users, groups, applications, hosts, accounts, activities, connection_profiles, access_policies",
        ),
        (
            "hosts:\n  - name: web\n    address: 10.0.0.1\n    ssh:\n      port: ninety\n",
            "5:13: `hosts[0].ssh.port` is `ninety`, but must be a whole number from 0 to 65535",
        ),
        (
            "hosts:\n  - name: web\n    address: 10.0.0.1\n    kind: sever\n",
            "4:11: `hosts[0].kind` is `sever`; allowed here: workstation, laptop, server, network-device",
        ),
        (
            "hosts:\n  - { name: web }\n",
            "2:5: `hosts[0]` lacks `address`",
        ),
        ("hosts: web\n", "1:8: `hosts` is `web`, but must be a list"),
        (
            "hosts:\n  - { name: web, address: a, ssh: { host_keys: last-use } }\n",
            "2:48: `hosts[0].ssh.host_keys` is `last-use`, but must be `first-use` or a list of public keys",
        ),
        (
            "users:\n  - name: alice\n    roles: admin\n",
            "3:12: `users[0].roles` is `admin`, but must be a list",
        ),
        (
            "users:\n  - name: alice\n    password: hunter2\n",
            "3:15: `users[0].password` must be { from_env: NAME }, { from_file: PATH } or { value: TEXT }",
        ),
        (
            "users:\n  - name: alice\n    password: { from_env: NOBODY_SET_THIS }\n",
            "3:27: the environment variable NOBODY_SET_THIS for `users[0].password` is not set",
        ),
        (
            "users:\n  - name: alice\n    password: { from_env: ALICE_PASSWORD, value: hunter2 }\n",
            "3:5: `users[0].password` needs exactly one of from_env, from_file, value",
        ),
        (
            "users:\n  - name: alice\n    password: { value: \"\" }\n",
            "3:5: `users[0].password` is empty",
        ),
        (
            "users:\n  - name: alice\n    ssh_keys: [{ from_file: nowhere.pub }]\n",
            "3:29: the file nowhere.pub for `users[0].ssh_keys[0]` cannot be read: No such file or directory (os error 2)",
        ),
        (
            "users:\n  - name: alice\n    ssh_keys: [nonsense]\n",
            "3:16: `users[0].ssh_keys[0]` is not an SSH public key: one line such as `ssh-ed25519 AAAA…`",
        ),
        (
            "accounts:\n  - { name: root, host: web, secret: {} }\n",
            "2:30: `accounts[0].secret` needs `password` or `private_key`",
        ),
        (
            "connection_profiles:\n  - { name: short, max_duration: soon }\n",
            "2:34: `connection_profiles[0].max_duration`: `soon` is not a length of time: write for example `8h`, `30m`, `90s` or `1h 30m`",
        ),
        (
            "activities:\n  - { name: web, protocol: ssh, account: root, permit_open: [db] }\n",
            "2:62: `activities[0].permit_open[0]`: `db` is not a destination (there is no port): write host:port, such as `db-*.internal:5432`, \
             `10.0.0.0/8:443`, `[::1]:22` or `*:8000-8999`, or an absolute path, such as `/run/*.sock`",
        ),
        (
            "scopes:\n  - path: /acme\n",
            "2:11: `scopes[0].path`: `/acme` is not a scope path: write names of letters, digits, `-`, `_` and `.`, joined by `/`",
        ),
        (
            "users:\n  - name: alice\n    name: bob\n",
            "3:5: the key `name` stands here twice",
        ),
    ] {
        let found = complaints(text);
        if found != [expected] {
            wrong.push(format!("{text}{found:#?}\nexpected: {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_mistakes_are_reported_in_the_order_of_the_document() {
    let text = "\
users:
  - name: alice
    pasword: { value: x }
  - { name: bob, roles: [boss] }
nonsense: 1
hosts:
  - name: web
    address: 10.0.0.1
    ssh: { port: 70000 }
  - name: db
    address: 10.0.0.2
";
    assert_eq!(
        complaints(text),
        [
            "3:5: unknown key `pasword` in `users[0]`; allowed here: name, scope, first_name, last_name, email, roles, password, ssh_keys, labels",
            "4:26: `users[1].roles[0]` is `boss`; allowed here: user, auditor, admin",
            "5:1: unknown key `nonsense`; allowed here: scopes, users, groups, applications, hosts, accounts, activities, connection_profiles, access_policies",
            "9:18: `hosts[0].ssh.port` is `70000`, but must be a whole number from 0 to 65535",
        ]
    );
}

#[test]
fn broken_yaml_says_where() {
    for (text, expected) in [
        ("users:\n  - { name: alice\n", "2:5: unclosed bracket '{'"),
        (
            "users:\n  - name: alice\n   scope: acme\n",
            "3:4: while parsing a block collection, did not find expected '-' indicator",
        ),
        (
            "users:\n\t- name: alice\n",
            "2:2: tabs disallowed within this context (block indentation)",
        ),
    ] {
        assert_eq!(complaints(text), [expected], "{text}");
    }
}

#[test]
fn no_mistake_shows_a_secret() {
    for text in [
        "users:\n  - { name: a, password: hunter2 }\n",
        "users:\n  - { name: a, password: [hunter2] }\n",
        "users:\n  - { name: a, password: { value: [hunter2] } }\n",
        "users:\n  - { name: a, password: { value: hunter2, from_env: ALICE_PASSWORD } }\n",
        "accounts:\n  - { name: a, host: h, secret: hunter2 }\n",
        "accounts:\n  - { name: a, host: h, secret: { password: hunter2 } }\n",
        "accounts:\n  - { name: a, host: h, secret: { private_key: { value: { hunter2: hunter2 } } } }\n",
    ] {
        let found = complaints(text).join("\n");
        assert!(
            !found.is_empty() && !found.contains("hunter2"),
            "{text}: {found}"
        );
    }
}

#[test]
fn the_whole_path_and_name_of_the_document_is_shown() {
    let dir = folder();
    let path = dir.path().join("x.yaml");
    std::fs::write(&path, "hostz: []\n").unwrap();
    let failure = load(&path, &environment()).err().unwrap().to_string();
    assert!(failure.starts_with(&format!(
        "sallyport: {}:1:1: unknown key `hostz`",
        path.display()
    )));
}
