use std::fs;
use std::path::{Path, PathBuf};

use sallyport_recorder::{Entry, TapeReader, Timed};

/// Every tape below a folder, oldest first.
pub fn tapes(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "tape")
            {
                found.push(path);
            }
        }
    }
    found.sort_by_key(|path| fs::metadata(path).and_then(|file| file.created()).ok());
    found
}

/// Everything on a tape.
pub fn entries(tape: &Path) -> Vec<Timed> {
    let mut reader =
        TapeReader::open(tape).unwrap_or_else(|error| panic!("{}: {error}", tape.display()));
    let mut entries = Vec::new();
    while let Some(entry) = reader
        .next()
        .unwrap_or_else(|error| panic!("{}: {error}", tape.display()))
    {
        entries.push(entry);
    }
    entries
}

/// All that the target wrote to its standard output, or terminal, as far as the tape holds it.
pub fn recorded_output(tape: &Path) -> Vec<u8> {
    let mut output = Vec::new();
    for timed in entries(tape) {
        if let Entry::Output {
            stderr: false,
            data,
            ..
        } = timed.entry
        {
            output.extend(data);
        }
    }
    output
}

/// All input in clear on a tape, and how many bytes of it are masked for good.
pub fn recorded_input(tape: &Path) -> (Vec<u8>, u64) {
    let (mut clear, mut withheld, mut revealed) = (Vec::new(), 0, 0);
    for timed in entries(tape) {
        match timed.entry {
            Entry::Input { data, .. } => clear.extend(data),
            Entry::InputRevealed { data, .. } => {
                revealed += data.len() as u64;
                clear.extend(data);
            }
            Entry::InputMasked { bytes, .. } => withheld += u64::from(bytes),
            _ => {}
        }
    }
    (clear, withheld - revealed)
}
