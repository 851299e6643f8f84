//! What a client wants run: split into words as a shell does it.

use sallyport_dissect::path::Name;
use sallyport_dissect::{Reader, shell};

use crate::allocated;

pub fn run(data: &[u8]) {
    allocated::at_most((64 << 10) + 64 * data.len(), || {
        if let Some(words) = shell::words(data) {
            let quoted = words.iter().map(|word| quote(word)).collect::<Vec<_>>();
            let again = shell::words(&quoted.join(&b' '));
            assert_eq!(again, Some(words), "quoted and split again");
        }
        let _ = Reader::of_command(data);
    });
    if let Ok(name) = Name::new(data) {
        let shown = name.to_string();
        assert!(
            !shown.chars().any(char::is_control),
            "shown on a terminal: {shown:?}"
        );
        assert!(shown.len() <= 10 * data.len(), "{shown}");
    }
}

fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend(b"'\\''"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}
