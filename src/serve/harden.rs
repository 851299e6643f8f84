//! Keeps secrets in memory out of core dumps and of other processes' reach.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use tracing::warn;

/// No core dumps, no tracing by others of the same user, and as many files as the system allows.
/// What the system refuses is logged and goes on: a server in a tight sandbox still serves.
pub fn harden() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        warn!(%error, "core dumps cannot be switched off");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        warn!(%error, "tracing of this process cannot be switched off");
    }
    // Every session takes a few descriptors; the usual soft limit of 1024 is soon reached.
    let files = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        warn!(%error, "the limit of open files cannot be raised");
    }
}
