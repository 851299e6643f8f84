//! Where everything stands in a YAML document: line and column of each key and value.
//!
//! The deserializer names the place of its own complaints; this index serves those that come later
//! (an environment variable that is not set, a file that is missing) and names the key around a
//! complaint.

use serde_saphyr::granit_parser::{Event, Marker, Parser, ScanError, Span};

/// A place in the document, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
}

/// A node of the document.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Such as `users[0].password.from_env`; empty for the document itself.
    pub path: String,
    /// Where its value starts.
    pub at: Position,
    /// Where its key stands, if it has one.
    pub key: Option<Position>,
    /// The bytes it takes up, from the first of its value.
    pub bytes: std::ops::Range<usize>,
    /// Its text, if it is a scalar.
    pub text: Option<String>,
}

/// All nodes, in the order of the document.
#[derive(Debug, Default)]
pub(super) struct Places {
    nodes: Vec<Place>,
    /// Anchors tie nodes together, so that they cannot be read one by one.
    pub anchored: bool,
}

/// An open collection while the document is walked.
struct Open {
    node: usize,
    /// For a mapping: the key whose value comes next.
    key: Option<(String, Position)>,
    mapping: bool,
    items: usize,
}

impl Places {
    /// Walks a document.
    pub fn of(text: &str) -> Result<Self, ScanError> {
        let mut places = Self::default();
        let mut open: Vec<Open> = Vec::new();
        for next in Parser::new_from_str(text) {
            let (event, span) = next?;
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "not our enum; the rest has no place"
            )]
            match event {
                Event::Scalar(value, _, anchor, _) => {
                    places.anchored |= anchor != 0;
                    places.scalar(&mut open, value.into_owned(), span);
                }
                Event::SequenceStart(_, anchor, _) => {
                    places.anchored |= anchor != 0;
                    places.collection(&mut open, span, false);
                }
                Event::MappingStart(_, anchor, _) => {
                    places.anchored |= anchor != 0;
                    places.collection(&mut open, span, true);
                }
                Event::SequenceEnd | Event::MappingEnd => places.close(&mut open, span),
                Event::Alias(_) => {
                    places.anchored = true;
                    places.scalar(&mut open, String::new(), span);
                }
                _ => {}
            }
        }
        Ok(places)
    }

    /// The node of a path.
    pub fn get(&self, path: &str) -> Option<&Place> {
        self.nodes.iter().find(|node| node.path == path)
    }

    /// The items of a list or the values of a mapping, directly below a path.
    pub fn children<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Place> {
        self.nodes
            .iter()
            .filter(move |node| !node.path.is_empty() && parent(&node.path) == path)
    }

    /// The node whose key or value starts exactly here, or the innermost one that holds the place.
    pub fn around(&self, at: Position) -> Option<&Place> {
        let exact = self
            .nodes
            .iter()
            .rev()
            .find(|node| node.key == Some(at) || (node.at == at && node.text.is_some()));
        exact.or_else(|| self.nodes.iter().rev().find(|node| node.at <= at))
    }

    fn scalar(&mut self, open: &mut [Open], text: String, span: Span) {
        if let Some(parent) = open
            .last_mut()
            .filter(|parent| parent.mapping && parent.key.is_none())
        {
            parent.key = Some((text, position(span.start)));
            return;
        }
        self.add(open, span, Some(text));
    }

    fn collection(&mut self, open: &mut Vec<Open>, span: Span, mapping: bool) {
        let node = self.add(open, span, None);
        open.push(Open {
            node,
            key: None,
            mapping,
            items: 0,
        });
    }

    fn close(&mut self, open: &mut Vec<Open>, span: Span) {
        let Some(closed) = open.pop() else { return };
        if let (Some(node), Some(end)) = (self.nodes.get_mut(closed.node), span.end.byte_offset()) {
            node.bytes.end = end.max(node.bytes.start);
        }
    }

    fn add(&mut self, open: &mut [Open], span: Span, text: Option<String>) -> usize {
        let (path, key) = match open.last_mut() {
            None => (String::new(), None),
            Some(parent) => {
                let above = self
                    .nodes
                    .get(parent.node)
                    .map_or("", |node| node.path.as_str());
                if parent.mapping {
                    let (name, at) = parent.key.take().unwrap_or_default();
                    let path = if above.is_empty() {
                        name
                    } else {
                        format!("{above}.{name}")
                    };
                    (path, Some(at))
                } else {
                    parent.items += 1;
                    (format!("{above}[{}]", parent.items - 1), None)
                }
            }
        };
        self.nodes.push(Place {
            path,
            at: position(span.start),
            key,
            bytes: span.byte_range().unwrap_or_default(),
            text,
        });
        self.nodes.len() - 1
    }
}

impl Default for Position {
    fn default() -> Self {
        Self { line: 1, column: 1 }
    }
}

/// `users[0]` is the parent of `users[0].name`, `users` that of `users[0]`.
pub(super) fn parent(path: &str) -> &str {
    let end = path.rfind(['.', '[']).unwrap_or(0);
    path.get(..end).unwrap_or_default()
}

/// The last part of a path: `name` of `users[0].name`.
pub(super) fn leaf(path: &str) -> &str {
    match path.rfind('.') {
        Some(dot) => path.get(dot + 1..).unwrap_or_default(),
        None => path,
    }
}

fn position(marker: Marker) -> Position {
    Position {
        line: marker.line() as u64,
        column: marker.col() as u64 + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "users:\n  - name: alice\n    password: { from_env: A }\nhosts: []\n";

    #[test]
    fn every_node_has_its_place() {
        let places = Places::of(TEXT).unwrap();
        for (path, key, at) in [
            ("users", Some((1, 1)), (2, 3)),
            ("users[0]", None, (2, 5)),
            ("users[0].name", Some((2, 5)), (2, 11)),
            ("users[0].password.from_env", Some((3, 17)), (3, 27)),
            ("hosts", Some((4, 1)), (4, 8)),
        ] {
            let place = places.get(path).unwrap_or_else(|| panic!("{path}"));
            let pair = |at: Position| (at.line, at.column);
            assert_eq!((place.key.map(pair), pair(place.at)), (key, at), "{path}");
        }
        let names: Vec<&str> = places.children("").map(|node| node.path.as_str()).collect();
        assert_eq!(names, ["users", "hosts"]);
        let names: Vec<&str> = places
            .children("users")
            .map(|node| node.path.as_str())
            .collect();
        assert_eq!(names, ["users[0]"]);
        assert_eq!(
            places
                .around(Position {
                    line: 3,
                    column: 17
                })
                .unwrap()
                .path,
            "users[0].password.from_env"
        );
        assert!(!places.anchored);
        assert!(Places::of("a: &x 1\nb: *x\n").unwrap().anchored);
    }

    #[test]
    fn paths() {
        for (path, above, last) in [
            ("users", "", "users"),
            ("users[0]", "users", "users[0]"),
            ("users[0].name", "users[0]", "name"),
        ] {
            assert_eq!((parent(path), leaf(path)), (above, last));
        }
    }
}
