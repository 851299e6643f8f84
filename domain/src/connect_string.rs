//! The connect string: what a user types where a client wants a user name (requirement 110).
//!
//! `user`, `user+host`, `user+activity+host`, `user+activity+host+policy` or
//! `user+activity+host+policy+notes`; an empty policy keeps its delimiter. The user may be
//! `domain\user` or `user@domain`. `_` may stand for a space in an activity name.

use crate::refusal::Refusal;

/// A connect string, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectString {
    /// Who.
    pub user: String,
    /// Doing what, if said.
    pub activity: Option<String>,
    /// Where, if said.
    pub host: Option<String>,
    /// Under which policy, if said.
    pub policy: Option<String>,
    /// Why, if said; may itself contain `+`.
    pub notes: Option<String>,
}

/// Takes a connect string apart.
pub fn parse(text: &str) -> Result<ConnectString, Refusal> {
    let _ = text;
    todo!("H1")
}
