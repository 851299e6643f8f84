//! `sallyport`: the command line of the jump server. Parse, build, run, exit.

mod apply;
mod cli;
mod client;
mod config;
mod failure;
mod output;
mod people;
mod prompt;
mod recordings;
mod serve;
mod sessions;
mod ssh_ca;
mod table;
mod view;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command, Common};
use crate::client::Client;
use crate::config::{Config, Environment, Overrides};
use crate::failure::Failure;
use crate::output::Output;
use crate::recordings::Archive;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if cli.common.json {
                eprintln!("{}", failure.to_json());
            } else {
                eprintln!("{failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let common = &cli.common;
    let output = Output { json: common.json };
    let overrides = Overrides {
        config: common.config.clone(),
        data_dir: common.data_dir.clone(),
    };
    let client = || Client::new(&common.server);
    match &cli.command {
        Command::Serve => serve::run(Config::load(&overrides, &Environment)?),
        Command::Apply(apply) => apply::run(apply, &common.server, &overrides, output),
        Command::Sessions(command) => sessions::run(&client()?, command, output),
        Command::Recordings(command) => {
            recordings::run(&archive(common, &overrides)?, command, output)
        }
        Command::Verify { path } => recordings::verify(path, output),
        Command::Login { user } => people::login(&client()?, user.as_deref(), output),
        Command::ConnectionPassword(asked) => {
            people::connection_password(&client()?, asked, output)
        }
        Command::Users(command) => people::users(&client()?, command, output),
        Command::Ca(ca) => ssh_ca::run(ca, &common.server, &overrides, output),
        Command::Audit(command) => people::audit(&client()?, command, output),
    }
}

/// A named server, or the tapes of the data folder.
fn archive(common: &Common, overrides: &Overrides) -> Result<Archive, Failure> {
    if common.server.is_named() {
        return Ok(Archive::Server(Client::new(&common.server)?));
    }
    Ok(Archive::Folder(
        Config::load(overrides, &Environment)?.tapes.dir,
    ))
}
