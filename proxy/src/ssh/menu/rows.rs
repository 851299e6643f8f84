//! What there is to choose from, as lines of text.

use sallyport_domain::policy::Offer;

use super::text::{columns, fit, label, pad};

/// No column of a padded line is wider.
const WIDEST: usize = 32;
/// What stands before a policy.
const POLICY: &str = "policy ";
/// Between two columns.
const GAP: &str = "  ";

/// Everything one user may do, ready to be shown and searched.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<Row>,
    /// Widest host, friendly name, account and activity, up to [`WIDEST`].
    widths: [usize; 4],
    /// Widest policy that has to be told.
    policy: usize,
}

#[derive(Debug)]
struct Row {
    offer: Offer,
    /// Host, friendly name, account, activity: harmless.
    cells: [String; 4],
    /// Its policy, where there are several for the same.
    policy: String,
    /// What will be asked; left out where there is no room.
    asks: &'static str,
    /// The host in lower case.
    host: String,
    /// All of it in lower case.
    search: String,
}

impl Rows {
    /// Of these offers, in their order.
    pub fn new(offers: Vec<Offer>) -> Self {
        let rows: Vec<Row> = offers.into_iter().map(row).collect();
        let widest = |cell: usize| {
            let of_all = rows.iter().map(|row| columns(&row.cells[cell]));
            of_all.max().unwrap_or(0).min(WIDEST)
        };
        let widths = [widest(0), widest(1), widest(2), widest(3)];
        let policy = rows.iter().map(|row| columns(&row.policy)).max();
        Self {
            widths,
            policy: policy.unwrap_or(0),
            rows,
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The offer in that place.
    pub fn offer(&self, at: usize) -> Option<&Offer> {
        self.rows.get(at).map(|row| &row.offer)
    }

    /// The places of all that match: each word occurs somewhere, in any case. What is a host's name, or how it begins,
    /// comes first: who types a name means the host.
    pub fn matching(&self, filter: &str) -> Vec<usize> {
        let filter = filter.to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().collect();
        let fits = |row: &Row| words.iter().all(|word| row.search.contains(word));
        let mut found: Vec<usize> = (0..self.rows.len())
            .filter(|at| fits(&self.rows[*at]))
            .collect();
        let name = filter.trim();
        found.sort_by_key(|at| match self.rows[*at].host.as_str() {
            host if host == name => 0,
            host if host.starts_with(name) => 1,
            host if host.contains(name) => 2,
            _ => 3,
        });
        found
    }

    /// The only one on the host of that name, if there is just one.
    pub fn only_on(&self, host: &str) -> Option<usize> {
        let mut on = (0..self.rows.len()).filter(|at| self.rows[*at].host == host.to_lowercase());
        on.next().filter(|_| on.next().is_none())
    }

    /// Does a word in it begin with this letter?
    pub fn any_word_begins_with(&self, letter: char) -> bool {
        let begins = |row: &Row| {
            let mut words = row.search.split(|c: char| !c.is_alphanumeric());
            words.any(|word| word.starts_with(letter))
        };
        self.rows.iter().any(begins)
    }

    /// In words: where it leads.
    pub fn title(&self, at: usize) -> String {
        let Some(row) = self.rows.get(at) else {
            return String::new();
        };
        let [host, _, account, activity] = &row.cells;
        let comma = if row.policy.is_empty() { "" } else { ", " };
        format!("{host}, {activity} as {account}{comma}{}", row.policy)
    }

    /// One line of at most `most` columns: in columns of their own if they fit, else as short as it can be.
    pub fn line(&self, at: usize, most: usize) -> String {
        let Some(row) = self.rows.get(at) else {
            return String::new();
        };
        let [host, friendly, account, activity] = self.widths;
        // The same columns in every line: what a line alone would have room for does not count.
        let width = |cells: &[usize]| {
            let shown = cells.iter().filter(|width| **width > 0);
            shown.map(|width| width + GAP.len()).sum::<usize>() + self.policy
        };
        let line = if width(&[host, friendly, account, activity]) <= most {
            self.padded(row, &[0, 1, 2, 3])
        } else if width(&[host, account, activity]) <= most {
            self.padded(row, &[0, 2, 3])
        } else {
            // Where policies tell lines apart, they come before what need not be known.
            let [host, _, account, activity] = &row.cells;
            match row.policy.strip_prefix(POLICY) {
                Some(policy) => format!("{host} {activity} {policy}"),
                None => format!("{host} {account} {activity}"),
            }
        };
        let line = fit(line.trim_end(), most);
        let with_asks = format!("{line}{GAP}{}", row.asks);
        if row.asks.is_empty() || columns(&with_asks) > most {
            line
        } else {
            with_asks
        }
    }

    fn padded(&self, row: &Row, cells: &[usize]) -> String {
        let mut line = String::new();
        for cell in cells.iter().filter(|cell| self.widths[**cell] > 0) {
            let text = fit(&row.cells[*cell], self.widths[*cell]);
            line.push_str(&pad(&text, self.widths[*cell]));
            line.push_str(GAP);
        }
        line + &row.policy
    }
}

fn row(offer: Offer) -> Row {
    let cells = [
        label(&offer.host),
        label(&offer.friendly_name),
        label(&offer.account),
        label(&offer.activity),
    ];
    let policy = match offer.policy_matters {
        true => format!("{POLICY}{}", label(&offer.policy)),
        false => String::new(),
    };
    let asks = match (offer.needs_notes, offer.needs_ticket) {
        (true, true) => "asks for notes and a ticket",
        (true, false) => "asks for notes",
        (false, true) => "asks for a ticket",
        (false, false) => "",
    };
    let offer_host = cells[0].to_lowercase();
    let search = format!("{}\n{}", cells.join("\n"), label(&offer.policy)).to_lowercase();
    Row {
        offer,
        cells,
        policy,
        asks,
        host: offer_host,
        search,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::offer;
    use super::*;

    fn rows() -> Rows {
        Rows::new(vec![
            offer("db-01", "", "postgres", "shell"),
            Offer {
                friendly_name: "Web front end".into(),
                policy_matters: true,
                needs_notes: true,
                ..offer("web-01", "ops", "deploy", "root shell")
            },
        ])
    }

    #[test]
    fn lines_get_shorter_with_the_terminal() {
        let rows = rows();
        for (most, first, second) in [
            (
                100,
                "db-01                  postgres  shell",
                "web-01  Web front end  deploy    root shell  policy ops  asks for notes",
            ),
            (
                60,
                "db-01                  postgres  shell",
                "web-01  Web front end  deploy    root shell  policy ops",
            ),
            (
                50,
                "db-01   postgres  shell",
                "web-01  deploy    root shell  policy ops",
            ),
            (30, "db-01 postgres shell", "web-01 root shell ops"),
            (10, "db-01 pos…", "web-01 ro…"),
        ] {
            assert_eq!(rows.line(0, most), first, "{most}");
            assert_eq!(rows.line(1, most), second, "{most}");
        }
        assert_eq!(rows.line(7, 80), "");
    }

    #[test]
    fn all_words_must_match() {
        for (filter, found) in [
            ("", &[0, 1][..]),
            ("WEB", &[1]),
            ("shell", &[0, 1]),
            ("w", &[1]),
            ("e", &[1, 0]),
            ("front ops", &[1]),
            (" shell  db ", &[0]),
            ("nothing", &[]),
        ] {
            assert_eq!(rows().matching(filter), found, "{filter:?}");
        }
        assert_eq!(rows().only_on("WEB-01"), Some(1));
        assert_eq!(rows().only_on("web"), None);
        assert!(rows().any_word_begins_with('f') && !rows().any_word_begins_with('q'));
        assert_eq!(rows().title(1), "web-01, root shell as deploy, policy ops");
    }
}
