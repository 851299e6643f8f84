//! What can go wrong, sorted by who is at fault.

use sallyport_domain::declared::NounKind;

use crate::vault::VaultError;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address of the database is none.
    #[error(
        "`{url}` is no address of a database: write sqlite:///path/to/file.db or postgres://user@host/database ({problem})"
    )]
    BadUrl {
        /// What was given, without its password.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The schema is newer than this program.
    #[error(
        "the database has schema version {found}, this program knows {known}: start a newer one"
    )]
    SchemaTooNew {
        /// In the database.
        found: i64,
        /// The newest of this program.
        known: i64,
    },
    /// A list cannot be sorted that way.
    #[error(
        "cannot sort by `{given}`; choose one of: {allowed} (with `-` before it for descending)"
    )]
    UnknownSort {
        /// What was asked for.
        given: String,
        /// What is possible.
        allowed: String,
    },
    /// A filter has a value that cannot be.
    #[error("`{given}` is not allowed for {filter}; choose one of: {allowed}")]
    BadFilter {
        /// Which filter.
        filter: &'static str,
        /// What was asked for.
        given: String,
        /// What is possible.
        allowed: String,
    },
    /// What is to be changed does not exist.
    #[error("there is no {what} {name}")]
    NotFound {
        /// Which kind of thing.
        what: &'static str,
        /// Its name or id.
        name: String,
    },
    /// It exists already.
    #[error("{what} exists already")]
    Exists {
        /// What.
        what: String,
    },
    /// A rule of the database forbids it, because something else needs it.
    #[error("the database refuses it: {constraint} stands in the way")]
    Constraint {
        /// The rule's name, or the columns it is about.
        constraint: String,
    },
    /// There are as many as there may be.
    #[error(
        "you have {limit} {what} already, which is the most: remove one, or wait until one runs out"
    )]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// What the database holds cannot be understood.
    #[error("{what} in the database is damaged: {problem}")]
    Damaged {
        /// Where.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// The account has no secret.
    #[error("there is no secret for {account} in the vault: declare one with `sallyport apply`")]
    NoSecret {
        /// Which account.
        account: String,
    },
    /// A secret could not be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A password cannot be one, or could not be hashed.
    #[error("the password cannot be used: {0}")]
    Password(String),
    /// An export did not reach its end.
    #[error("the export stopped before its end; ask for it again")]
    ExportStopped,
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
}

/// Why a declaration was not applied. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It names something that does not exist.
    #[error(
        "{kind} `{name}`: {field} names {wanted} `{value}`, which does not exist; allowed: {allowed}"
    )]
    UnknownReference {
        /// The noun that names it.
        kind: &'static str,
        /// Its name.
        name: String,
        /// In which field.
        field: &'static str,
        /// Which kind of noun it should be.
        wanted: &'static str,
        /// What it says.
        value: String,
        /// The first of those that exist.
        allowed: String,
    },
    /// A name that cannot be one.
    #[error("{kind} `{name}`: {problem}")]
    BadName {
        /// The noun.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What is wrong and what is allowed.
        problem: &'static str,
    },
    /// The same noun twice in one declaration.
    #[error("{kind} `{name}` is declared twice")]
    DeclaredTwice {
        /// The noun.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The name, or another name of it, belongs to something else.
    #[error("{kind} `{name}`: `{taken}` is already the name of {by}; choose another")]
    NameTaken {
        /// The noun.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The name that is taken.
        taken: String,
        /// By what.
        by: String,
    },
    /// A value that cannot be.
    #[error("{kind} `{name}`: {field}: {problem}")]
    BadValue {
        /// The noun.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Which field.
        field: &'static str,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// It may not go while others refer to it.
    #[error("{kind} `{name}` is still used by {by}; change or remove those first")]
    InUse {
        /// The noun.
        kind: &'static str,
        /// Its name.
        name: String,
        /// By what.
        by: String,
    },
    /// It does not exist.
    #[error("there is no {kind} `{name}`")]
    NotFound {
        /// The noun.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The author's rights do not reach its scope.
    #[error(
        "{kind} `{name}` lies in scope `{scope}`, which your rights do not reach (`{reach}` and below)"
    )]
    OutOfReach {
        /// The noun.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where it lies.
        scope: String,
        /// What the author's rights reach.
        reach: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreError {
    pub(crate) fn damaged(what: impl Into<String>, problem: impl ToString) -> Self {
        Self::Damaged {
            what: what.into(),
            problem: problem.to_string(),
        }
    }
}

/// Violated rules of the database become errors of their own; the rest is the database's fault.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error {
            // SQLite names the columns in its message only, PostgreSQL the rule.
            let name = || match database.constraint() {
                Some(name) => name.to_owned(),
                None => {
                    let message = database.message();
                    message
                        .split_once(": ")
                        .map_or(message, |(_, columns)| columns)
                        .to_owned()
                }
            };
            if database.is_unique_violation() {
                return Self::Exists { what: name() };
            }
            if database.is_foreign_key_violation() || database.is_check_violation() {
                return Self::Constraint { constraint: name() };
            }
        }
        Self::Database(error)
    }
}

impl From<sqlx::Error> for ApplyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<VaultError> for ApplyError {
    fn from(error: VaultError) -> Self {
        Self::Store(error.into())
    }
}

impl ApplyError {
    pub(crate) fn bad_value(
        kind: NounKind,
        name: &str,
        field: &'static str,
        problem: impl Into<String>,
    ) -> Self {
        Self::BadValue {
            kind: kind.as_str(),
            name: name.to_owned(),
            field,
            problem: problem.into(),
        }
    }
}
