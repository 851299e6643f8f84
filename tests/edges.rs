//! Which crate may import what: the table of the architecture, checked on what Cargo sees.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::tidy::repository;

/// What a crate may know.
struct Edges {
    name: &'static str,
    /// The crates of this repository that it may import.
    ours: &'static [&'static str],
    /// Libraries that it must not import, because what they are for is another crate's matter.
    never: &'static [&'static str],
}

const SQL: &str = "sqlx";
const HTTP: [&str; 7] = [
    "axum",
    "hyper",
    "hyper-util",
    "ureq",
    "utoipa",
    "tokio-tungstenite",
    "reqwest",
];

const EDGES: [Edges; 8] = [
    Edges {
        name: "sallyport-domain",
        ours: &[],
        never: &[
            "tokio",
            "tokio-util",
            "futures",
            "russh",
            "rustls",
            "rustix",
            "tracing",
            "tempfile",
            "rand",
            SQL,
        ],
    },
    Edges {
        name: "sallyport-dissect",
        ours: &[],
        never: &[
            "tokio",
            "tokio-util",
            "futures",
            "russh",
            "rustix",
            "tracing",
            "chrono",
            "tempfile",
            SQL,
        ],
    },
    Edges {
        name: "sallyport-store",
        ours: &["sallyport-domain"],
        never: &["russh", "rustls", "crc32c", "vt100"],
    },
    Edges {
        name: "sallyport-recorder",
        ours: &["sallyport-domain"],
        never: &[
            "russh",
            "rustls",
            "tokio",
            "argon2",
            "chacha20poly1305",
            SQL,
        ],
    },
    Edges {
        name: "sallyport-proxy",
        ours: &[
            "sallyport-domain",
            "sallyport-dissect",
            "sallyport-store",
            "sallyport-recorder",
        ],
        never: &["argon2", "chacha20poly1305", SQL],
    },
    Edges {
        name: "sallyport-control-api",
        ours: &["sallyport-domain", "sallyport-store", "sallyport-recorder"],
        never: &["russh", "argon2", "chacha20poly1305", SQL],
    },
    Edges {
        name: "sallyport",
        ours: &[
            "sallyport-domain",
            "sallyport-store",
            "sallyport-recorder",
            "sallyport-proxy",
            "sallyport-control-api",
        ],
        never: &["russh", "argon2", "chacha20poly1305", SQL],
    },
    Edges {
        name: "sallyport-tests",
        // The domain for the events on tapes.
        ours: &["sallyport-domain", "sallyport-recorder"],
        never: &[SQL],
    },
];

/// The crates that speak HTTP.
const SPEAK_HTTP: [&str; 3] = ["sallyport", "sallyport-control-api", "sallyport-tests"];

/// Every crate of the workspace with what it imports outside its own tests.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut imports = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let wanted = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|wanted| wanted["kind"] != "dev");
        imports.insert(
            text(&package["name"]),
            wanted.map(|wanted| text(&wanted["name"])).collect(),
        );
    }
    imports
}

#[test]
fn crates_import_only_what_they_may_know() {
    let imports = imports();
    let known: BTreeSet<&str> = EDGES.iter().map(|edges| edges.name).collect();
    let found: BTreeSet<&str> = imports.keys().map(String::as_str).collect();
    assert_eq!(found, known, "a crate without a line in the table");
    let mut wrong = Vec::new();
    for edges in &EDGES {
        for import in &imports[edges.name] {
            let ours = import.starts_with("sallyport");
            let http = HTTP.contains(&import.as_str()) && !SPEAK_HTTP.contains(&edges.name);
            if (ours && !edges.ours.contains(&import.as_str()))
                || edges.never.contains(&import.as_str())
                || http
            {
                wrong.push(format!("{} must not import {import}", edges.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_domain_reads_no_clock_and_touches_no_file() {
    let mut wrong = Vec::new();
    let mut folders = vec![repository().join("domain/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in [
                "Utc::now",
                "Instant::now",
                "SystemTime",
                "Local::now",
                "std::fs",
                "std::net",
                "std::env",
                "std::process",
                "thread::",
            ] {
                if code.contains(word) && !path.ends_with("tests.rs") {
                    wrong.push(format!("{}: {word}", path.display()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "time and everything outside is a value to the domain:\n{}",
        wrong.join("\n")
    );
}
