//! The cases, by what they are about.

mod algorithms;
mod api;
mod bad_targets;
mod browser;
mod budget;
mod chaos;
mod command_line;
mod conformance;
mod control;
mod crashes;
mod faults;
mod files;
mod flow;
mod forwards;
mod forwards_back;
mod freeze;
mod hostility;
mod jump;
mod life;
mod lists;
mod menu;
mod meters;
mod planted_secrets;
mod rdp_channels;
mod rdp_common;
mod rdp_control;
mod rdp_files;
mod rdp_graphics;
mod rdp_hostile;
mod rdp_lock;
mod rdp_peers;
mod rdp_room;
mod rdp_take_over;
mod rdp_targets;
mod rdp_watching;
mod rdp_ways_in;
mod recordings;
mod storage;
mod transfers;
mod typed_secrets;
mod watching;
mod ways_in;
mod what_passes;

use std::time::Duration;

use sallyport_tests::harness::Api;
use serde_json::Value;

/// Long enough for anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// A text field of a JSON object.
#[track_caller]
fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field]
        .as_str()
        .unwrap_or_else(|| panic!("`{field}` is missing in {object:#}"))
}

/// A time field of a JSON object.
#[track_caller]
fn time(object: &Value, field: &str) -> chrono::DateTime<chrono::Utc> {
    text(object, field)
        .parse()
        .unwrap_or_else(|error| panic!("`{field}`: {error} in {object:#}"))
}

/// The items of a list.
#[track_caller]
fn items(list: &Value) -> &Vec<Value> {
    list["items"]
        .as_array()
        .unwrap_or_else(|| panic!("no `items` in {list:#}"))
}

/// Bytes that do not repeat and do not compress; the same for the same seed.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    use rand::{RngCore, SeedableRng};
    let mut bytes = vec![0; len];
    rand::rngs::StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// The codes of a session's events, oldest first.
#[track_caller]
fn events(api: &Api, session: &str) -> Vec<Value> {
    let list = api
        .get(&format!("/api/v1/sessions/{session}/events?page_size=100"))
        .expect(200)
        .json();
    items(&list).clone()
}
