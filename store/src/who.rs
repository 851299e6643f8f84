//! Who reads, who writes, who logged in.

use sallyport_domain::id::{NounId, SessionId};
use sallyport_domain::role::{Act, Role};
use sallyport_domain::scope::ScopePath;

/// Who reads. Every list and every look-up goes by this.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// The user's or application's id.
    pub id: NounId,
    /// Its name.
    pub name: String,
    /// What its roles reach.
    pub scope: ScopePath,
    /// Its roles.
    pub roles: Vec<Role>,
    /// An application instead of a person?
    pub application: bool,
}

impl Viewer {
    /// Do its roles allow that, within its scope?
    pub fn may(&self, act: Act) -> bool {
        self.roles.iter().any(|role| role.may(act))
    }
}

/// Who writes, for the audit trail.
#[derive(Debug, Clone)]
pub struct Author {
    /// The name.
    pub name: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// E-mail address.
    pub email: String,
    /// What authenticated it: `local`, `application` or `system`.
    pub identity_provider: String,
    /// The address it came from; empty for the system itself.
    pub ip: String,
    /// The session in which it acted, if it did.
    pub session: Option<SessionId>,
    /// The scope its rights to write reach; the root for the system itself. The store refuses
    /// changes outside it.
    pub reach: ScopePath,
}

impl Author {
    /// The program itself, or whoever starts it: reaches everything.
    pub fn system() -> Self {
        Self {
            name: "system".to_owned(),
            first_name: String::new(),
            last_name: String::new(),
            email: String::new(),
            identity_provider: "system".to_owned(),
            ip: String::new(),
            session: None,
            reach: ScopePath::root(),
        }
    }
}

/// Somebody who proved who he is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's or application's id.
    pub id: NounId,
    /// Its name.
    pub name: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// E-mail address.
    pub email: String,
    /// Its roles.
    pub roles: Vec<Role>,
    /// What its roles reach.
    pub scope: ScopePath,
    /// An application instead of a person?
    pub application: bool,
    /// Locked: knows the password, may nothing. The caller refuses and says so.
    pub locked: bool,
    /// The password was given out for one use.
    pub must_change_password: bool,
}

impl Identity {
    /// The name of what authenticated it.
    pub fn identity_provider(&self) -> &'static str {
        if self.application {
            "application"
        } else {
            "local"
        }
    }

    /// It as a reader.
    pub fn viewer(&self) -> Viewer {
        Viewer {
            id: self.id,
            name: self.name.clone(),
            scope: self.scope.clone(),
            roles: self.roles.clone(),
            application: self.application,
        }
    }

    /// It as a writer who came from `ip`.
    pub fn author(&self, ip: &str) -> Author {
        Author {
            name: self.name.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            email: self.email.clone(),
            identity_provider: self.identity_provider().to_owned(),
            ip: ip.to_owned(),
            session: None,
            reach: self.scope.clone(),
        }
    }
}
