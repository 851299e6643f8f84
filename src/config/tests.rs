use std::collections::BTreeMap;

use super::*;

fn load(text: Option<&str>, environment: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.toml");
    if let Some(text) = text {
        std::fs::write(&path, text).unwrap();
    }
    let overrides = Overrides {
        config: text.map(|_| path),
        data_dir: None,
    };
    let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
    Config::load(&overrides, &environment).map_err(|failure| {
        failure
            .to_string()
            .replace(&format!("{}/", dir.path().display()), "")
            .replace("sallyport: ", "")
    })
}

#[test]
fn everything_is_on_the_loopback_until_configured() {
    let config = load(None, &[]).ok().unwrap();
    assert_eq!(config.ssh.listen.to_string(), "127.0.0.1:2222");
    assert_eq!(config.rdp.listen.to_string(), "127.0.0.1:3390");
    assert!(config.rdp.nla && config.rdp.tls);
    assert_eq!(
        (config.rdp.public_address, config.rdp.certificate),
        (None, None)
    );
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:8443");
    assert_eq!(
        config.data_dir,
        std::env::current_dir().unwrap().join("data")
    );
    assert_eq!(config.tapes.dir, config.data_dir.join("tapes"));
    assert_eq!(config.tapes.min_free, 64 << 20);
    assert_eq!(config.serve.grace, Duration::from_secs(10));
    assert!(
        config.store_url.starts_with("sqlite:///"),
        "{}",
        config.store_url
    );
    assert!(
        config.store_url.ends_with("/data/sallyport.db?mode=rwc"),
        "{}",
        config.store_url
    );
    assert!(!config.log.json);
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = "[ssh]\nlisten = \"127.0.0.1:22\"\nbanner = \"hello\"\n[serve]\ngrace = \"3s\"\n";
    let environment = [
        ("SALLYPORT_SSH_LISTEN", "[::1]:2022"),
        ("SALLYPORT_LOG", "debug"),
        ("SALLYPORT_LOG_FORMAT", "json"),
        ("SALLYPORT_VAULT_KEY", "00ff"),
        ("SALLYPORT_URL", "https://else.example"),
        ("SALLYPORT_TOKEN", "t"),
        ("HOME", "/root"),
    ];
    let config = load(Some(text), &environment).ok().unwrap();
    assert_eq!(config.ssh.listen.to_string(), "[::1]:2022");
    assert_eq!(config.ssh.banner.as_deref(), Some("hello"));
    assert_eq!(config.serve.grace, Duration::from_secs(3));
    assert_eq!(
        config.vault_key.as_ref().map(|key| key.as_str()),
        Some("00ff")
    );
    assert_eq!(
        config.log,
        Log {
            filter: "debug".into(),
            json: true
        }
    );
}

#[test]
fn paths_in_a_file_start_at_the_file() {
    let text = "[serve]\napply = \"first.yaml\"\ndata_dir = \"/srv/sallyport\"\n[tapes]\nurl = \"file:///var/tapes\"\n[store]\nurl = \"sqlite:///var/db/x.db\"\n";
    let config = load(Some(text), &[("SALLYPORT_SERVE_APPLY", "other.yaml")])
        .ok()
        .unwrap();
    assert_eq!(config.serve.apply, Some(PathBuf::from("other.yaml")));
    assert_eq!(config.data_dir, PathBuf::from("/srv/sallyport"));
    assert_eq!(config.tapes.dir, PathBuf::from("/var/tapes"));
    assert_eq!(config.store_url, "sqlite:///var/db/x.db?mode=rwc");

    let config = load(Some(text), &[]).ok().unwrap();
    assert!(config.serve.apply.unwrap().is_absolute());
}

#[test]
fn rdp_offers_what_it_is_told_to() {
    for (security, offered) in [
        ("[\"nla\", \"tls\"]", Some((true, true))),
        ("[\"tls\"]", Some((false, true))),
        ("\"nla\"", Some((true, false))),
        ("\"nla,tls\"", Some((true, true))),
        ("[]", None),
        ("[\"rdp\"]", None),
        ("[\"nla\", \"none\"]", None),
    ] {
        let text = format!("[rdp]\nsecurity = {security}\n");
        match (load(Some(&text), &[]), offered) {
            (Ok(config), Some(offered)) => {
                assert_eq!((config.rdp.nla, config.rdp.tls), offered, "{security}")
            }
            (Err(complaint), None) => assert!(
                complaint.ends_with("but must be one or more of: nla, tls"),
                "{complaint}"
            ),
            (Ok(_), None) => panic!("{security} is accepted"),
            (Err(complaint), Some(_)) => panic!("{security}: {complaint}"),
        }
    }
    let text = "[rdp]\nkdc = [\"CORP=dc1\", \"dc2:88\"]\n";
    let complaint = load(Some(text), &[]).err().unwrap();
    assert!(
        complaint.ends_with("but must be a list of `REALM=host` or `REALM=host:port`"),
        "{complaint}"
    );
    let text = "[rdp]\nkdc = [\"CORP=dc1\", \"corp.example=dc1\"]\n";
    let kdcs = load(Some(text), &[]).ok().unwrap().rdp.kdcs;
    assert!(kdcs.mode("svc@corp.example").is_some() && kdcs.mode("svc").is_none());
    let text = "[rdp]\npublic_address = \"gate.example:3389\"\ncertificate = \"rdp.pem\"\n";
    let complaint = load(Some(text), &[]).err().unwrap();
    assert_eq!(
        complaint,
        "rdp.certificate is given without rdp.private_key; give both or neither"
    );
    let text_of_signer = "[rdp]\nsigning_key = \"files.key\"\n";
    let complaint = load(Some(text_of_signer), &[]).err().unwrap();
    assert_eq!(
        complaint,
        "rdp.signing_key is given without rdp.signing_certificate; give both or neither"
    );
    let certificate = [("SALLYPORT_RDP_SIGNING_CERTIFICATE", "/keys/files.pem")];
    let rdp = load(Some(text_of_signer), &certificate).ok().unwrap().rdp;
    let (certificate, signing_key) = rdp.signing_certificate.unwrap();
    assert_eq!(certificate, PathBuf::from("/keys/files.pem"));
    assert!(signing_key.is_absolute() && signing_key.ends_with("files.key"));
    assert_eq!(rdp.certificate, None);
    let key = [("SALLYPORT_RDP_PRIVATE_KEY", "/keys/rdp.key")];
    let rdp = load(Some(text), &key).ok().unwrap().rdp;
    assert_eq!(rdp.public_address.as_deref(), Some("gate.example:3389"));
    let (certificate, private_key) = rdp.certificate.unwrap();
    assert!(certificate.is_absolute() && certificate.ends_with("rdp.pem"));
    assert_eq!(private_key, PathBuf::from("/keys/rdp.key"));
}

#[test]
fn all_complaints_are_reported_with_their_line() {
    let text = "\
[ssh]
listen = \"nowhere\"
lisen = \"127.0.0.1:1\"

[sesh]
x = 1

[api]
listen = [1]
certificate = \"a.pem\"

[vault]
key = \"secret-in-clear\"

[tapes]
min_free = \"lots\"
";
    let complaints = load(
        Some(text),
        &[
            ("SALLYPORT_SSH_LISTENN", "x"),
            ("SALLYPORT_SERVE_GRACE", "0s"),
        ],
    )
    .err()
    .unwrap();
    let expected = "\
gateway.toml:3: unknown key `lisen` in [ssh]; allowed here: listen, public_address, banner, target_timeout, algorithms, host_keys, user_ca_keys, proxy_protocol_from
gateway.toml:5: unknown section `sesh`; allowed here: ssh, rdp, api, store, tapes, serve, limits, log
gateway.toml:9: `api.listen` is one text or number, not an array
gateway.toml:13: a secret does not belong into this file; give it as SALLYPORT_VAULT_KEY
environment: unknown variable SALLYPORT_SSH_LISTENN; allowed here: SALLYPORT_SSH_LISTEN, SALLYPORT_SSH_PUBLIC_ADDRESS, SALLYPORT_SSH_BANNER, SALLYPORT_SSH_TARGET_TIMEOUT, SALLYPORT_SSH_ALGORITHMS, SALLYPORT_SSH_HOST_KEYS, SALLYPORT_SSH_USER_CA_KEYS, SALLYPORT_SSH_PROXY_PROTOCOL_FROM
gateway.toml:2: `ssh.listen` is `nowhere`, but must be an address and a port, for example `127.0.0.1:2222` or `[::]:2222`
api.certificate is given without api.private_key; give both or neither
gateway.toml:16: `tapes.min_free` is `lots`, but must be a size, for example `64MiB`, `10GiB` or `1048576`
SALLYPORT_SERVE_GRACE: `serve.grace` is `0s`, but must be a length of time, for example `10s`, `5m` or `12h`";
    assert_eq!(complaints, expected);
    assert!(!complaints.contains("secret-in-clear"));
}

#[test]
fn broken_toml_and_a_missing_file() {
    let complaint = load(Some("[ssh\nlisten = 1\n"), &[]).err().unwrap();
    assert!(complaint.starts_with("gateway.toml:1: "), "{complaint}");

    let overrides = Overrides {
        config: Some(PathBuf::from("/nowhere/gateway.toml")),
        data_dir: None,
    };
    let complaint = Config::load(&overrides, &BTreeMap::new()).err().unwrap();
    assert_eq!(
        complaint.to_string(),
        "sallyport: /nowhere/gateway.toml: the configuration cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn a_wrong_store_url_is_not_shown() {
    let complaint = load(None, &[("SALLYPORT_STORE_URL", "mysql://root:hunter2@db")])
        .err()
        .unwrap();
    assert_eq!(
        complaint,
        "SALLYPORT_STORE_URL: `store.url` must be `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`"
    );
}
