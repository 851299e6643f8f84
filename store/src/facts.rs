//! What a decision depends on besides the rules: who somebody is, and what a host is to her.

use std::sync::LazyLock;

use sallyport_domain::declared::Host;
use sallyport_domain::policy::Snapshot;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::sql::{Columns, clean};

/// What is known of a user, and of a host if one was asked for.
pub(crate) struct Known {
    /// The user's id; empty for a stranger.
    pub(crate) user_id: String,
    /// The version of the rules that go with it.
    pub(crate) rules_version: i64,
    /// All of it, without the rules.
    pub(crate) snapshot: Snapshot,
}

/// The one called `$1`.
const WHO: &str = "who AS (
    SELECT id, kind, locked FROM noun WHERE kind IN ('user', 'application') AND key = $1
    ORDER BY kind DESC LIMIT 1)";

/// The host called so: a name counts more than a friendly name.
fn target(name: &str) -> String {
    format!(
        "target AS (
            SELECT id, doc, 0 AS place FROM noun WHERE kind = 'host' AND key = {name}
            UNION ALL SELECT id, doc, 1 FROM noun WHERE kind = 'host' AND alias = {name}
            ORDER BY place LIMIT 1)"
    )
}

/// The rules' version, and facts of `who`. `CROSS JOIN` makes SQLite join in this order, here and below:
/// from the one that is known to the few that are its own.
const OF_WHO: &str =
    "SELECT 'rules' AS fact, '' AS id, '' AS content, version AS number FROM rules_version
    UNION ALL SELECT kind, id, '', locked FROM who
    UNION ALL SELECT 'group', n.id, n.name, 0 FROM who CROSS JOIN noun_link l CROSS JOIN noun n
        WHERE l.target_id = who.id AND l.field = 'members' AND n.id = l.noun_id";

/// Facts of `target`, also of what it is to `who`.
const OF_TARGET: &str = "SELECT 'host', id, doc, 0 FROM target
    UNION ALL SELECT 'barred', b.host_id, '', 0 FROM who CROSS JOIN target CROSS JOIN host_bar b
        WHERE b.user_id = who.id AND b.host_id = target.id
    UNION ALL SELECT 'account', n.id, n.doc, (SELECT COUNT(*) FROM secret s WHERE s.owner_id = n.id)
        FROM target CROSS JOIN noun_link l CROSS JOIN noun n
        WHERE l.target_id = target.id AND l.field = 'host' AND n.id = l.noun_id AND n.kind = 'account'
    UNION ALL SELECT 'asked-ahead', '', '', COUNT(*) FROM target CROSS JOIN session s
        WHERE s.user_name = $1 AND s.host_id = target.id AND s.final = 0 AND s.origin = 'api'";

static ALL: LazyLock<String> = LazyLock::new(|| {
    let target = target("$2");
    format!("WITH {WHO}, {target} {OF_WHO} UNION ALL {OF_TARGET}")
});
static PERSON: LazyLock<String> = LazyLock::new(|| format!("WITH {WHO} {OF_WHO}"));
static HOST: LazyLock<String> =
    LazyLock::new(|| format!("WITH {} SELECT doc FROM target", target("$1")));

/// What is known of a user and a host, in one question. The host is found by its name or its friendly
/// name, in any case.
pub(crate) async fn of(
    connection: &mut AnyConnection,
    user: &str,
    host: &str,
) -> Result<Known, StoreError> {
    let rows = sqlx::query(ALL.as_str())
        .bind(clean(user).into_owned())
        .bind(clean(&host.to_lowercase()).into_owned())
        .fetch_all(connection)
        .await?;
    read(user, &rows)
}

/// What is known of a user.
pub(crate) async fn person(
    connection: &mut AnyConnection,
    user: &str,
) -> Result<Known, StoreError> {
    let rows = sqlx::query(PERSON.as_str())
        .bind(clean(user).into_owned())
        .fetch_all(connection)
        .await?;
    read(user, &rows)
}

/// The host of that name or friendly name, in any case.
pub(crate) async fn host(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<Option<Host>, StoreError> {
    let row = sqlx::query(HOST.as_str())
        .bind(clean(&name.to_lowercase()).into_owned())
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.json("doc")).transpose()
}

fn read(user: &str, rows: &[AnyRow]) -> Result<Known, StoreError> {
    let mut user_id = String::new();
    let mut rules_version = 0;
    let mut snapshot = Snapshot {
        user: clean(user).into_owned(),
        ..Snapshot::default()
    };
    for row in rows {
        let number = row.int("number")?;
        let fact = row.text("fact")?;
        match fact.as_str() {
            "user" | "application" => {
                user_id = row.text("id")?;
                snapshot.is_application = fact == "application";
                snapshot.user_locked = number != 0;
            }
            "group" => snapshot.groups.push(row.text("content")?),
            "rules" => rules_version = number,
            "host" => snapshot.host = Some((row.parsed("id")?, row.json("content")?)),
            "barred" => snapshot.host_barred = true,
            "account" => {
                let account = (row.parsed("id")?, row.json("content")?, number > 0);
                snapshot.accounts.push(account);
            }
            "asked-ahead" => snapshot.asked_ahead = number > 0,
            other => return Err(StoreError::damaged("a fact", other)),
        }
    }
    snapshot.groups.sort();
    snapshot
        .accounts
        .sort_by(|(_, one, _), (_, other, _)| one.name.cmp(&other.name));
    Ok(Known {
        user_id,
        rules_version,
        snapshot,
    })
}
