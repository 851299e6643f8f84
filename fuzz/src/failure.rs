//! Why a command failed; the document's reader can say so.

#[expect(dead_code, reason = "only made, never shown here")]
#[path = "../../src/failure.rs"]
mod product;

pub use product::Failure;
