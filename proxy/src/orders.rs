//! Reads the store for what others want of this node's sessions.
//!
//! A hint only says "look again"; the table says what there is, so a missed hint costs at most one
//! poll.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use sallyport_domain::command::{CommandDenied, Outcome};
use sallyport_domain::declared::Protocol;
use sallyport_domain::id::CommandId;
use sallyport_domain::session::{Input, Session};
use sallyport_store::{Hint, SessionType, StoreError, StoredSession};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::MissedTickBehavior;

use crate::driver::{Arrivals, Mail, Start, Subject};
use crate::node::Node;

/// How late a missed hint makes us.
const POLL: Duration = Duration::from_secs(1);
/// How often the node says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Serves orders until it is dropped.
pub async fn watch(node: Arc<Node>) {
    let mut hints = node.store.hints();
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut delivered = HashSet::new();
    loop {
        let mut wanted = Wanted::default();
        tokio::select! {
            hint = hints.recv() => {
                if !wanted.add(hint.map_err(|error| match error {
                    RecvError::Lagged(missed) => TryRecvError::Lagged(missed),
                    RecvError::Closed => TryRecvError::Closed,
                })) {
                    return;
                }
                // A burst of hints is one look.
                while wanted.add(hints.try_recv()) {}
            }
            _ = poll.tick() => (wanted.commands, wanted.unowned) = (true, true),
            _ = heartbeat.tick() => {
                if let Err(error) = node.store.heartbeat(node.config.node, clock::now()).await {
                    tracing::warn!(%error, "no heartbeat: the database does not answer");
                }
            }
        }
        if let Err(error) = look(&node, &mut delivered, &wanted).await {
            tracing::warn!(%error, "cannot read orders: the database does not answer");
        }
        if wanted.policy {
            for driver in node.live.all() {
                driver.send(Mail::PolicyChanged).await;
            }
        }
    }
}

/// Which tables to look at.
#[derive(Default)]
struct Wanted {
    commands: bool,
    unowned: bool,
    policy: bool,
}

impl Wanted {
    /// Takes a hint in; answers whether there may be more.
    fn add(&mut self, hint: Result<Hint, TryRecvError>) -> bool {
        match hint {
            Ok(Hint::Commands) => self.commands = true,
            Ok(Hint::Unowned) => self.unowned = true,
            Ok(Hint::Policy) => self.policy = true,
            Ok(Hint::Sessions | Hint::CommandAnswered(_)) => {}
            Err(TryRecvError::Lagged(_)) => {
                (self.commands, self.unowned, self.policy) = (true, true, true)
            }
            Err(TryRecvError::Empty | TryRecvError::Closed) => return false,
        }
        true
    }
}

async fn look(
    node: &Arc<Node>,
    delivered: &mut HashSet<CommandId>,
    wanted: &Wanted,
) -> Result<(), StoreError> {
    if wanted.commands {
        deliver_commands(node, delivered).await?;
    }
    if wanted.unowned && !node.is_draining() {
        adopt_sessions(node).await?;
    }
    Ok(())
}

async fn deliver_commands(
    node: &Node,
    delivered: &mut HashSet<CommandId>,
) -> Result<(), StoreError> {
    let open = node.store.open_commands(node.config.node).await?;
    // What is answered is no longer open, and need not be remembered.
    let ids: HashSet<_> = open.iter().map(|command| command.id).collect();
    delivered.retain(|id| ids.contains(id));
    for order in open {
        if !delivered.insert(order.id) {
            continue;
        }
        let mail = Mail::Command {
            id: order.id,
            command: order.command,
            by: order.by,
        };
        let taken = match node.live.get(order.session) {
            Some(driver) => driver.send(mail).await,
            None => false,
        };
        if !taken {
            let outcome = Outcome::Denied {
                why: CommandDenied::Ended,
            };
            node.store
                .answer_command(order.id, &outcome, clock::now())
                .await?;
        }
    }
    Ok(())
}

/// Sessions made through the API start without a node; exactly one node takes each.
async fn adopt_sessions(node: &Arc<Node>) -> Result<(), StoreError> {
    for stored in node.store.unowned_sessions().await? {
        let id = stored.session.id;
        match restore(&stored) {
            Some(mut session) => {
                if node.store.adopt_session(id, node.config.node).await? {
                    let actions = session.handle(clock::now(), Input::Provisioned);
                    node.drive(Start {
                        session,
                        subject: subject(&stored),
                        actions,
                        arrivals: Arrivals::default(),
                    });
                }
            }
            None => {
                tracing::error!(session = %id, "a session in the database cannot be understood")
            }
        }
    }
    Ok(())
}

/// The state machine of a stored session.
pub fn restore(stored: &StoredSession) -> Option<Session> {
    serde_json::from_value(stored.state.machine.clone()).ok()
}

/// Over which protocol sessions of that type go to their host.
fn protocol(kind: SessionType) -> Protocol {
    match kind {
        SessionType::PamRdp => Protocol::Rdp,
        SessionType::Console
        | SessionType::WebSso
        | SessionType::Esso
        | SessionType::Pam
        | SessionType::PamSsh => Protocol::Ssh,
    }
}

/// What a stored session is about.
pub fn subject(stored: &StoredSession) -> Subject {
    let session = &stored.session;
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Subject {
        protocol: protocol(session.kind),
        user: session.user.clone(),
        host: session.host.clone(),
        activity: session.activity.clone(),
        policy: session.access_policy.clone(),
        notes: given(&session.notes),
        ticket: given(&session.ticket),
    }
}
