//! What is left of an SSH connection is closed, and its tape finished.

use std::time::Duration;

use sallyport_domain::session::DisconnectCause;

use super::Joined;
use super::shared::Shared;
use crate::enter::{disconnected, finish_tape};

/// How long a target has to take our goodbye: it has nothing to hold us up with.
const GOODBYE: Duration = Duration::from_millis(30);

/// Closes what is left of a connection, says so, and finishes its tape.
pub async fn wind_up(shared: &Shared, joined: Joined, cause: DisconnectCause) {
    let Joined { connection, target } = joined;
    let _ = tokio::time::timeout(GOODBYE, target.disconnect()).await;
    shared.cut.cancel();
    disconnected(&connection, cause).await;
    shared.channels.close();
    shared.channels.wait().await;
    finish_tape(&connection).await;
}
