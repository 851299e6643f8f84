//! Where the document's reader gets variables from.

#[expect(dead_code, reason = "only the trait is used")]
#[path = "../../src/config/strings.rs"]
mod strings;

pub use strings::Strings;
