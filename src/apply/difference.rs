//! What an application changed, or would change, for people to read.

use serde_json::Value;

use crate::output::field;
use crate::table::printable;

/// A line for each noun that differs, its changed fields below it, and a sum.
pub(super) fn text(answer: &Value) -> String {
    let nobody = Value::Null;
    let changes = answer.get("changes").unwrap_or(&nobody);
    let mut text = String::new();
    let (mut created, mut altered, mut removed, mut same) = (0, 0, 0, 0);
    for change in changes.as_array().into_iter().flatten() {
        let what = format!("{} {}", field(change, "kind"), field(change, "name"));
        let before = change.get("before").unwrap_or(&nobody);
        let after = change.get("after").unwrap_or(&nobody);
        let sign = match field(change, "action").as_str() {
            "unchanged" => {
                same += 1;
                continue;
            }
            "created" => {
                created += 1;
                '+'
            }
            "removed" => {
                removed += 1;
                '-'
            }
            _ => {
                altered += 1;
                '~'
            }
        };
        text.push_str(&format!("{sign} {}\n", clean(&what)));
        if sign == '~' {
            fields(&mut text, before, after);
        }
    }
    let dry_run = answer.get("dry_run") == Some(&Value::Bool(true));
    let sum = format!("{created} created, {altered} changed, {removed} removed, {same} unchanged");
    text.push_str(&if dry_run {
        format!("would be: {sum}\n")
    } else {
        format!("{sum}\n")
    });
    text
}

/// How many nouns are not as they were.
pub(super) fn changed(changes: &Value) -> usize {
    let differs = |change: &&Value| field(change, "action") != "unchanged";
    changes
        .as_array()
        .into_iter()
        .flatten()
        .filter(differs)
        .count()
}

/// The fields that differ. Secrets are in neither side; the store says "changed" in their place.
fn fields(text: &mut String, before: &Value, after: &Value) {
    let names = |side: &Value| {
        side.as_object()
            .map(|fields| fields.keys().cloned().collect::<Vec<String>>())
            .unwrap_or_default()
    };
    let mut all = names(before);
    all.extend(names(after));
    all.sort();
    all.dedup();
    for name in all {
        let (old, new) = (before.get(&name), after.get(&name));
        if old == new {
            continue;
        }
        let line = match (old, new) {
            (None | Some(Value::Null), Some(new)) => format!("{name}: {new}"),
            (Some(old), None | Some(Value::Null)) => format!("{name}: {old} -> nothing"),
            (Some(old), Some(new)) => format!("{name}: {old} -> {new}"),
            (None, None) => continue,
        };
        text.push_str(&format!("    {}\n", clean(&line)));
    }
}

fn clean(text: &str) -> String {
    text.chars().map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_read_as_a_list() {
        let answer = json!({ "dry_run": true, "changes": [
            {"kind": "host", "name": "web-01", "action": "changed",
             "before": {"address": "10.0.0.1", "kind": "server", "labels": {}},
             "after": {"address": "10.0.0.2", "kind": "server", "labels": {"env": "prod"}}},
            {"kind": "user", "name": "alice", "action": "created", "before": null, "after": {"name": "alice"}},
            {"kind": "user", "name": "bob", "action": "changed", "before": {}, "after": {"password": "changed"}},
            {"kind": "group", "name": "g", "action": "unchanged", "before": null, "after": null},
        ]});
        assert_eq!(
            text(&answer),
            "~ host web-01\n    address: \"10.0.0.1\" -> \"10.0.0.2\"\n    labels: {} -> {\"env\":\"prod\"}\n\
             + user alice\n~ user bob\n    password: \"changed\"\n\
             would be: 1 created, 2 changed, 0 removed, 1 unchanged\n"
        );
        assert_eq!(changed(answer.get("changes").unwrap()), 3);
    }

    #[test]
    fn nothing_to_do_says_so() {
        let answer = json!({ "dry_run": false, "changes": [] });
        assert_eq!(
            text(&answer),
            "0 created, 0 changed, 0 removed, 0 unchanged\n"
        );
    }
}
