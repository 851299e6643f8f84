//! `sallyport ca`: what an OpenSSH client needs to go through the gateway with `ssh -J`.

use sallyport_domain::openssh::{HostPatterns, cert_authority_line, client_config};
use serde_json::{Value, json};

use crate::cli::{Ca, Server};
use crate::client::Client;
use crate::config::{Config, Environment, Overrides};
use crate::failure::{Failure, OrFail as _};
use crate::output::{Output, field};
use crate::serve::ca;

/// Asks the server, or reads the data folder.
pub fn run(
    asked: &Ca,
    server: &Server,
    overrides: &Overrides,
    output: Output,
) -> Result<(), Failure> {
    let hosts: HostPatterns = match &asked.hosts {
        Some(text) => text.parse().or_fail("--hosts")?,
        None => HostPatterns::default(),
    };
    let facts = if server.is_named() {
        from_server(asked, &hosts, &Client::new(server)?)?
    } else {
        from_folder(asked, &hosts, &Config::load(overrides, &Environment)?)?
    };
    let shown = if asked.openssh_config {
        "openssh_config"
    } else {
        "known_hosts"
    };
    output.show(&facts, |facts| field(facts, shown))
}

fn from_server(asked: &Ca, hosts: &HostPatterns, client: &Client) -> Result<Value, Failure> {
    let query: Vec<(&str, String)> = asked
        .hosts
        .iter()
        .map(|hosts| ("hosts", hosts.clone()))
        .collect();
    let mut facts = client.get("ssh-ca", &query)?;
    if let Some(user) = &asked.user {
        let address = field(&facts, "ssh_address");
        facts["openssh_config"] = client_config(user, &address, hosts).into();
    }
    Ok(facts)
}

fn from_folder(asked: &Ca, hosts: &HostPatterns, config: &Config) -> Result<Value, Failure> {
    let public_key = ca::of_folder(&config.data_dir)?;
    let address = match &config.ssh.public_address {
        Some(address) => address.clone(),
        None => config.ssh.listen.to_string(),
    };
    let user = asked.user.clone().or_else(|| std::env::var("USER").ok());
    if user.is_none() && asked.openssh_config {
        return Err(Failure::new("nobody is logged in here; say --user NAME"));
    }
    let openssh_config = user.map(|user| client_config(&user, &address, hosts));
    Ok(json!({
        "public_key": public_key,
        "known_hosts": cert_authority_line(&public_key, hosts),
        "ssh_address": address,
        "openssh_config": openssh_config,
    }))
}
