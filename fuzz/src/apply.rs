//! The reader of `sallyport apply`'s document, as the program has it, without the program around it.

#[expect(dead_code, reason = "documents are given as text here")]
#[path = "../../src/apply/document.rs"]
mod document;
#[path = "../../src/apply/mistake.rs"]
mod mistake;
#[path = "../../src/apply/places.rs"]
mod places;
#[path = "../../src/apply/sources.rs"]
mod sources;

use std::collections::BTreeMap;
use std::path::Path;

use sallyport_domain::declared::Declaration;

/// A complaint: line, column, words.
pub type Complaint = (u64, u64, String);

/// Reads a document that may refer to the variable `PW`, and to no file.
pub fn read(text: &str) -> Result<Declaration, Vec<Complaint>> {
    let environment = BTreeMap::from([("PW", "from the environment")]);
    document::read(text, Path::new("/nowhere"), &environment).map_err(|mistakes| {
        let told = |mistake: mistake::Mistake| (mistake.at.line, mistake.at.column, mistake.text);
        mistakes.into_iter().map(told).collect()
    })
}
