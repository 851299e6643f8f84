//! What somebody who named no host may ask for as a command: `ls` and `help`.

use sallyport_domain::policy::Offer;
use serde_json::json;

use super::rows::Rows;
use super::text::{columns, label, pad};

/// A command of the gateway itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `ls [PATTERN…] [--json]`
    List {
        /// What to look for; empty for everything.
        pattern: String,
        /// For programs?
        json: bool,
    },
    /// `help`
    Help,
}

/// The command that was typed, if it is one.
pub fn command(typed: &str) -> Option<Command> {
    let mut words = typed.split_whitespace();
    match words.next()? {
        "help" | "--help" | "-h" | "?" => Some(Command::Help),
        "ls" | "list" => {
            // Quotes that no shell has taken away.
            let words = words.map(|word| word.trim_matches(['\'', '"']));
            let (options, words): (Vec<&str>, Vec<&str>) =
                words.partition(|word| word.starts_with('-'));
            options
                .iter()
                .all(|option| *option == "--json")
                .then(|| Command::List {
                    pattern: words.join(" "),
                    json: !options.is_empty(),
                })
        }
        _ => None,
    }
}

/// What `help` says.
pub fn help(user: &str) -> String {
    let user = label(user);
    format!(
        "\
Sallyport: how to go where you may go. GATEWAY is this server, as you reached it.

  ssh {user}@GATEWAY                        a menu
  ssh {user}@GATEWAY ls [PATTERN] [--json]  a list; * and ? stand for anything
  ssh '{user}+HOST@GATEWAY'                 straight to a host
  ssh '{user}+ACTIVITY+HOST@GATEWAY'        if there is a choice; a _ stands for a space
  ssh '{user}+ACTIVITY+HOST+POLICY+NOTES@GATEWAY'
                                            with a policy and a note saying why

scp, sftp, rsync and git take the same names. The last column of ls is what stands before @GATEWAY.
"
    )
}

/// The list, one line each; empty if nothing matches.
///
/// Columns: host, friendly name (`-` without one), account, activity, connect string.
pub fn list(offers: &[Offer], pattern: &str) -> String {
    let found = matching(offers, pattern);
    let lines: Vec<[String; 5]> = found.iter().map(|offer| cells(offer)).collect();
    let widest = |cell: usize| lines.iter().map(|line| columns(&line[cell])).max();
    let widths: Vec<usize> = (0..4).map(|cell| widest(cell).unwrap_or(0)).collect();
    let mut list = String::new();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            list.push_str(&pad(cell, *width));
            list.push_str("  ");
        }
        list.push_str(&line[4]);
        list.push('\n');
    }
    list
}

/// The list as a JSON array.
pub fn list_json(offers: &[Offer], pattern: &str) -> String {
    let found = matching(offers, pattern);
    let list: Vec<serde_json::Value> = found
        .iter()
        .map(|offer| {
            let [host, _, account, activity, connect_string] = cells(offer);
            json!({
                "host": host,
                "friendly_name": label(&offer.friendly_name),
                "account": account,
                "activity": activity,
                "access_policy": label(&offer.policy),
                "needs_notes": offer.needs_notes,
                "needs_ticket": offer.needs_ticket,
                "connect_string": connect_string,
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Array(list))
}

fn cells(offer: &Offer) -> [String; 5] {
    let friendly = match offer.friendly_name.trim() {
        "" => "-",
        name => name,
    };
    [
        &offer.host,
        friendly,
        &offer.account,
        &offer.activity,
        &offer.connect_string,
    ]
    .map(label)
}

fn matching<'a>(offers: &'a [Offer], pattern: &str) -> Vec<&'a Offer> {
    if pattern.contains(['*', '?']) {
        let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
        let fits = |name: &str| {
            let name: Vec<char> = name.to_lowercase().chars().collect();
            is_like(&name, &pattern)
        };
        return offers
            .iter()
            .filter(|offer| fits(&offer.host) || fits(&offer.friendly_name))
            .collect();
    }
    let mut places = Rows::new(offers.to_vec()).matching(pattern);
    places.sort_unstable();
    places.into_iter().filter_map(|at| offers.get(at)).collect()
}

/// Does the whole text fit a pattern with `*` and `?`? Goes back to the last `*` only, so that no pattern takes long.
fn is_like(text: &[char], pattern: &[char]) -> bool {
    let (mut at, mut in_pattern) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some('*') => {
                last_star = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(c) if *c == '?' || *c == text[at] => {
                at += 1;
                in_pattern += 1;
            }
            Some(_) | None => match last_star {
                Some((star, taken)) => {
                    last_star = Some((star, taken + 1));
                    at = taken + 1;
                    in_pattern = star + 1;
                }
                None => return false,
            },
        }
    }
    pattern[in_pattern..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::super::tests::offer;
    use super::*;

    #[test]
    fn which_commands_there_are() {
        let list = |pattern: &str, json| {
            let pattern = pattern.to_owned();
            Some(Command::List { pattern, json })
        };
        for (typed, expected) in [
            ("ls", list("", false)),
            (" ls  web-* ", list("web-*", false)),
            ("ls 'web-*' \"x\"", list("web-* x", false)),
            ("ls --json", list("", true)),
            ("ls front end --json", list("front end", true)),
            ("ls -l", None),
            ("help", Some(Command::Help)),
            ("", None),
            ("lsof", None),
            ("uname -a", None),
        ] {
            assert_eq!(command(typed), expected, "{typed:?}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("web-*", "web-01", true),
            ("*", "", true),
            ("web-?", "web-01", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "ab ab a", false),
            ("?", "日", true),
            ("a*", "b", false),
        ] {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(
                is_like(&chars(text), &chars(pattern)),
                fits,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn lists_have_five_columns() {
        let offers = [
            offer("db-01", "ops", "postgres", "shell"),
            Offer {
                friendly_name: "Web\x1b front".into(),
                ..offer("web-01", "ops", "deploy", "root shell")
            },
        ];
        assert_eq!(
            list(&offers, ""),
            "db-01   -           postgres  shell       alice+db-01\n\
             web-01  Web? front  deploy    root shell  alice+web-01\n"
        );
        assert_eq!(list(&offers, "web-*").lines().count(), 1);
        assert_eq!(list(&offers, "nothing"), "");
        let json: serde_json::Value = serde_json::from_str(&list_json(&offers, "db")).unwrap();
        assert_eq!(json.as_array().unwrap().len(), 1);
        assert_eq!(json[0]["connect_string"], "alice+db-01");
        assert_eq!(json[0]["friendly_name"], "");
        assert!(help("alice").contains("ssh 'alice+HOST@GATEWAY'"));
    }
}
