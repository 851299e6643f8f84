//! Agent and X11 forwarding: asked for on a session channel, opened by the target later.

use sallyport_domain::refusal::Refusal;

use super::expected::Service;
use crate::ssh::channel::{Asked, Channel, ChannelEnd};

/// What a client asks the target to hand on to it (RFC 4254 section 6.3.1).
#[derive(Clone)]
pub enum Handed {
    /// Its SSH agent (`auth-agent-req@openssh.com`).
    Agent,
    /// Its X server.
    X11 {
        /// For one connection only?
        single: bool,
        /// Name of the authentication protocol.
        protocol: String,
        /// What authenticates: a secret, which goes to the target and nowhere else.
        cookie: String,
        /// Which screen.
        screen: u32,
    },
}

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.service().name())
    }
}

impl Handed {
    /// About how many bytes it takes to hold it.
    pub fn weight(&self) -> usize {
        match self {
            Self::Agent => 0,
            Self::X11 {
                protocol, cookie, ..
            } => protocol.len() + cookie.len(),
        }
    }

    /// Which service.
    pub fn service(&self) -> Service {
        match self {
            Self::Agent => Service::Agent,
            Self::X11 { .. } => Service::X11,
        }
    }
}

impl Channel {
    /// Asks the target for it, if the permit has the right.
    pub(in crate::ssh) async fn hand_on(&self, handed: Handed) -> Result<(), ChannelEnd> {
        let service = handed.service();
        let granted = match self.connection.right(service.right()) {
            Ok(granted) => granted,
            Err(refusal) => return self.refuse_service(service, &refusal).await,
        };
        self.target.leg.expected.set(service, true);
        self.ask(Asked::Service(granted, service));
        match handed {
            Handed::Agent => self.target.write.agent_forward(true).await?,
            Handed::X11 {
                single,
                protocol,
                cookie,
                screen,
            } => {
                self.target
                    .write
                    .request_x11(true, single, protocol, cookie, screen)
                    .await?;
            }
        }
        Ok(())
    }

    async fn refuse_service(&self, service: Service, refusal: &Refusal) -> Result<(), ChannelEnd> {
        // Clients say that it failed, or nothing at all; a terminal can say why.
        self.connection.announce(&refusal.to_string());
        let what = format!("forwarding of the {}", service.name());
        self.refuse(&what, refusal).await
    }
}
