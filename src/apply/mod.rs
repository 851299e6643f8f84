//! `sallyport apply`: a YAML declaration becomes rows of the store.

mod difference;
mod document;
mod mistake;
mod places;
mod request;
mod sources;

use chrono::{DateTime, Utc};
use sallyport_store::{Author, Change, Store};
use serde_json::{Value, json};

use crate::cli::{Apply, Server};
use crate::client::Client;
use crate::config::{Config, Environment, Overrides};
use crate::failure::{Failure, OrFail as _};
use crate::output::Output;
use crate::serve;

pub use document::load;

/// Applies a file, to a server if one is named, else to the store of the data folder.
pub fn run(
    apply: &Apply,
    server: &Server,
    overrides: &Overrides,
    output: Output,
) -> Result<(), Failure> {
    let declaration = load(&apply.file, &Environment)?;
    let answer = if server.is_named() {
        let client = Client::new(server)?;
        let query = [("dry_run", apply.dry_run.to_string())];
        client.post("apply", &query, &request::body(&declaration)?)?
    } else {
        let config = Config::load(overrides, &Environment)?;
        let changes = tokio::runtime::Runtime::new()
            .or_fail("starting")?
            .block_on(async {
                let store = serve::open_store(&config).await?;
                let changes = store
                    .apply(&Author::system(), &declaration, apply.dry_run, now())
                    .await
                    .map_err(|error| Failure::new(format!("{}: {error}", apply.file.display())));
                store.close().await;
                changes
            })?;
        json!({ "dry_run": apply.dry_run, "changes": changes })
    };
    output.show(&answer, difference::text)
}

/// Applies a file to an open store and answers how many nouns it changed.
pub async fn at_start(store: &Store, path: &std::path::Path) -> Result<usize, Failure> {
    let declaration = load(path, &Environment)?;
    let changes: Vec<Change> = store
        .apply(&Author::system(), &declaration, false, now())
        .await
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let changed = serde_json::to_value(&changes).unwrap_or(Value::Null);
    Ok(difference::changed(&changed))
}

/// As exact as the store keeps it.
pub fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
}
