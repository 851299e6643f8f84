//! Where a session was started from (requirement 49).

/// The entry point a session was asked for at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchPoint {
    /// A connect string, in the place of a user name.
    ConnectString,
    /// The gateway's own menu.
    Menu,
    /// `ssh -J` or `ssh -W` through the gateway.
    ProxyJump,
    /// The API, by a caller who did not say from where.
    Api,
    /// A page or a bookmark, as the caller of the API named it.
    Named {
        /// Its id, the caller's own.
        id: String,
        /// For people.
        name: String,
    },
}

impl LaunchPoint {
    /// The points with an id of the product's own.
    const OURS: [Self; 4] = [Self::ConnectString, Self::Menu, Self::ProxyJump, Self::Api];

    /// A stable id.
    pub fn id(&self) -> &str {
        match self {
            Self::ConnectString => "connect-string",
            Self::Menu => "menu",
            Self::ProxyJump => "proxy-jump",
            Self::Api => "api",
            Self::Named { id, .. } => id,
        }
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        match self {
            Self::ConnectString => "Connect string",
            Self::Menu => "Menu",
            Self::ProxyJump => "Proxy jump",
            Self::Api => "API",
            Self::Named { name, .. } => name,
        }
    }

    /// The point of that id and name, as they are stored. The product's own ids are no names of others.
    pub fn of(id: String, name: String) -> Self {
        let ours = Self::OURS.into_iter().find(|ours| ours.id() == id);
        ours.unwrap_or(Self::Named { id, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back() {
        let bookmark = LaunchPoint::Named {
            id: "b-17".into(),
            name: "Web front end".into(),
        };
        for point in LaunchPoint::OURS.into_iter().chain([bookmark]) {
            let again = LaunchPoint::of(point.id().to_owned(), point.name().to_owned());
            assert_eq!(again, point);
        }
    }
}
