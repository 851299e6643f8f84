//! A channel of a client that is joined to its target: the target opens one too, and the two are relayed.

use sallyport_domain::close::CloseReason;
use sallyport_domain::event::Event;
use sallyport_domain::refusal::Refusal;
use tokio_util::sync::CancellationToken;

use super::Joined;
use super::channel::{Channel, ClientEnd, TargetEnd};
use super::refused;
use crate::shield::shielded;

/// Relays a channel; a panic in it ends its connection and no other (law 7).
pub async fn relay(joined: Joined, number: u32, client: ClientEnd, cut: &CancellationToken) {
    let connection = joined.connection.clone();
    let relayed = relay_channel(joined, number, client, cut);
    if shielded("a channel", relayed).await.is_none() {
        connection.cut(CloseReason::InternalError);
    }
}

async fn relay_channel(joined: Joined, number: u32, client: ClientEnd, cut: &CancellationToken) {
    let Joined { connection, target } = joined;
    match target.open_session().await {
        Ok((channel, inbox)) => {
            let (_, write) = channel.split();
            let end = TargetEnd {
                id: write.id(),
                leg: target,
                write,
                inbox,
            };
            Channel::new(connection, number, client, end, cut)
                .relay()
                .await;
        }
        Err(error) => {
            let why = format!("the target opened no channel: {error}");
            let _ = connection
                .log(Event::RightRefused {
                    what: format!("channel {number}"),
                    why,
                })
                .await;
            let refusal = Refusal::TargetGarbled {
                host: connection.permit().host().name.clone(),
                error: error.to_string(),
            };
            let _ = cut
                .run_until_cancelled(refused::explain(client, &refusal))
                .await;
        }
    }
}
