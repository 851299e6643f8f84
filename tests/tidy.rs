//! Style rules that a compiler does not know, checked over every file of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines a source file may have, without its tests.
const MAX_FILE_LINES: usize = 600;
/// Lines a file of tests may have: they are mostly tables.
const MAX_TEST_LINES: usize = 1300;
/// Lines a function may have.
const MAX_FUNCTION_LINES: usize = 70;

/// The top of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the repository")
        .to_owned()
}

/// A text file of the repository.
struct Source {
    path: String,
    text: String,
    /// A test from its first line to its last?
    is_test: bool,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The part that is in the product: without tests.
    fn product(&self) -> &str {
        let end = self
            .text
            .find("#[cfg(test)]\nmod tests {")
            .unwrap_or(self.text.len());
        if self.is_test { "" } else { &self.text[..end] }
    }

    /// Its numbered lines, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.product()
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The files that are compiled for tests only because this one says so: `#[cfg(test)] mod name;`.
    fn test_modules(&self) -> Vec<String> {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let folder = match file {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            other => format!("{folder}/{}", other.trim_end_matches(".rs")),
        };
        let mut lines = self.text.lines().map(str::trim).peekable();
        let mut found = Vec::new();
        while let Some(line) = lines.next() {
            let next = lines.peek().and_then(|next| next.rsplit_once("mod "));
            if let ("#[cfg(test)]", Some((_, module))) = (line, next)
                && let Some(module) = module.strip_suffix(';')
            {
                found.push(format!("{folder}/{module}.rs"));
                found.push(format!("{folder}/{module}/"));
            }
        }
        found
    }
}

/// Every text file, without what is built, fetched or generated.
fn sources() -> Vec<Source> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let relative = path
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                let skipped = [".git", "target", "data", "node_modules"].contains(&name.as_str());
                if !skipped && relative != "patches/russh" {
                    walk(root, &path, found);
                }
                continue;
            }
            let known = [
                ".rs", ".toml", ".md", ".yaml", ".yml", ".sql", ".sh", ".patch",
            ];
            if (known.iter().any(|end| name.ends_with(end))
                || ["Makefile", "run"].contains(&name.as_str()))
                && let Ok(text) = fs::read_to_string(&path)
            {
                let is_test = relative.starts_with("tests/")
                    || relative.starts_with("fuzz/")
                    || relative.contains("/tests/");
                found.push(Source {
                    path: relative,
                    text,
                    is_test,
                });
            }
        }
    }
    let root = repository();
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    let tests: Vec<String> = found
        .iter()
        .filter(|source| source.is_rust())
        .flat_map(Source::test_modules)
        .collect();
    for source in &mut found {
        source.is_test |= tests.iter().any(|test| source.path.starts_with(test));
    }
    assert!(
        found.len() > 20,
        "the walk found only {} files",
        found.len()
    );
    found
}

/// Fails with everything that is wrong, not only the first.
#[track_caller]
fn nothing_wrong(rule: &str, wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

/// Looks for words in product code.
fn words(rule: &str, forbidden: &[&str]) {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        for (at, line) in source.code() {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{at}: {word}", source.path));
            }
        }
    }
    nothing_wrong(rule, wrong);
}

#[test]
fn files_are_short() {
    let wrong = sources()
        .into_iter()
        .filter(Source::is_rust)
        .filter_map(|source| {
            let (lines, most) = match source.is_test {
                true => (source.text.lines().count(), MAX_TEST_LINES),
                false => (source.product().lines().count(), MAX_FILE_LINES),
            };
            (lines > most).then(|| format!("{}: {lines} lines, at most {most}", source.path))
        });
    nothing_wrong(
        "a file is short enough to be read; split it",
        wrong.collect(),
    );
}

#[test]
fn functions_are_short() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.is_rust()) {
        let mut open: Option<(usize, String, String)> = None;
        for (at, line) in source.product().lines().enumerate() {
            let trimmed = line.trim_start();
            let indent = &line[..line.len() - trimmed.len()];
            if let Some((start, name, closing)) = &open {
                // A trait's function without a body.
                let declared = trimmed.starts_with(')') && line.ends_with(';');
                if declared && closing.starts_with(indent) && closing.len() == indent.len() + 1 {
                    open = None;
                } else if line == closing {
                    let lines = at - start + 1;
                    if lines > MAX_FUNCTION_LINES {
                        wrong.push(format!(
                            "{}:{}: {lines} lines: {name}",
                            source.path,
                            start + 1
                        ));
                    }
                    open = None;
                }
            } else if is_function(trimmed) && !trimmed.ends_with(['}', ';']) {
                open = Some((at, trimmed.to_owned(), format!("{indent}}}")));
            }
        }
    }
    nothing_wrong(
        &format!("a function has at most {MAX_FUNCTION_LINES} lines; split it"),
        wrong,
    );
}

fn is_function(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.starts_with("pub") || ["const", "async", "crate)", "super)"].contains(word)
    });
    words.next() == Some("fn")
}

#[test]
fn the_product_does_not_panic() {
    words(
        "errors are values outside tests",
        &[
            ".unwrap()",
            ".expect(",
            "panic!(",
            "todo!(",
            "unimplemented!(",
            "unreachable!(",
            "dbg!(",
        ],
    );
}

#[test]
fn queues_are_bounded() {
    words(
        "an unbounded queue lets a peer spend our memory",
        &[
            "unbounded_channel",
            "UnboundedSender",
            "UnboundedReceiver",
            "unbounded()",
            "std::sync::mpsc::channel",
        ],
    );
}

#[test]
fn nothing_is_unsafe() {
    words(
        "the product has no unsafe code",
        &[
            "unsafe {",
            "unsafe fn",
            "unsafe impl",
            "#[allow(unsafe_code",
        ],
    );
}

#[test]
fn no_machine_paths() {
    // Put together, so that this file does not contain them.
    let forbidden = ["work", "root", "Users", "home"].map(|folder| format!("/{folder}/"));
    let mut wrong = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| !source.path.ends_with(".patch"))
    {
        for (at, line) in source.text.lines().enumerate() {
            for path in forbidden.iter().filter(|path| line.contains(path.as_str())) {
                // A path inside the home folder of the accounts on the test target is no machine's.
                if !line.contains(&format!("{path}{{")) && !line.contains(&format!("{path}sp")) {
                    wrong.push(format!("{}:{}: {path}", source.path, at + 1));
                }
            }
        }
    }
    nothing_wrong("paths of one machine do not belong here", wrong);
}

#[test]
fn lines_are_clean() {
    let mut wrong = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| !source.path.ends_with(".patch"))
    {
        for (at, line) in source.text.lines().enumerate() {
            if line.ends_with([' ', '\t']) {
                wrong.push(format!("{}:{}: blank at the end", source.path, at + 1));
            }
            if source.is_rust() && line.contains('\t') {
                wrong.push(format!("{}:{}: tab", source.path, at + 1));
            }
        }
        if !source.text.is_empty() && !source.text.ends_with('\n') {
            wrong.push(format!("{}: no newline at the end", source.path));
        }
    }
    nothing_wrong("lines end cleanly", wrong);
}

#[test]
fn every_file_says_what_it_holds() {
    let wrong = sources().into_iter().filter(|source| {
        let file = source.path.rsplit('/').next().unwrap_or_default();
        let root = source.is_rust() && ["lib.rs", "main.rs", "mod.rs"].contains(&file);
        root && !source.text.starts_with("//!")
    });
    nothing_wrong(
        "a crate and a folder begin with `//!` and what they are for",
        wrong.map(|source| source.path).collect(),
    );
}

#[test]
fn every_crate_has_the_lints() {
    let manifests = sources()
        .into_iter()
        .filter(|source| source.path.ends_with("Cargo.toml"))
        // No member of the workspace, and never part of the product.
        .filter(|source| !source.path.starts_with("fuzz/"));
    let wrong = manifests.filter(|source| {
        // The tests may unwrap; the rest of the rules they have in their own words.
        let own =
            source.path == "tests/Cargo.toml" && source.text.contains("unsafe_code = \"forbid\"");
        !own && !source.text.contains("[lints]\nworkspace = true")
    });
    nothing_wrong(
        "Cargo.toml takes the lints of the workspace",
        wrong.map(|source| source.path).collect(),
    );
}
