//! What administrators send: the document of `apply` as YAML, the same nouns as JSON.

use sallyport_domain::declared::Declaration;

use crate::{allocated, apply};

/// Aliases must not turn a small document into a large one.
const MOST: usize = 64 << 20;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Paths that lead out of the folder are the administrator's own business, and never end if they
    // lead to a device.
    if text.contains("..") || text.contains('/') && text.contains("from_file") {
        return;
    }
    // YAML breaks lines at a lone carriage return as well.
    let lines = text.matches(['\n', '\r']).count() as u64 + 1;
    match allocated::at_most(MOST, || apply::read(text)) {
        Ok(declaration) => written_and_read_again(&declaration),
        Err(complaints) => {
            assert!(!complaints.is_empty(), "refused without a word");
            for (line, _, told) in complaints {
                assert!(!told.is_empty() && line <= lines, "{line}: {told}");
            }
        }
    }
    if let Ok(declaration) = allocated::at_most(MOST, || serde_json::from_str::<Declaration>(text))
    {
        written_and_read_again(&declaration);
    }
}

fn written_and_read_again(declaration: &Declaration) {
    let written = serde_json::to_value(declaration).expect("a declaration can be written");
    let again: Declaration = serde_json::from_value(written.clone()).expect("and read again");
    assert_eq!(serde_json::to_value(&again).ok(), Some(written));
}
