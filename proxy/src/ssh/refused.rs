//! A channel of somebody who is refused: it says why, in the client, and ends.

use sallyport_domain::refusal::Refusal;

use super::channel::ClientEnd;
use super::inbound::STDERR;
use super::inbox::{Item, Request};
use crate::notice;

/// What a refused command exits with; `ssh` itself uses 255 for its own failures.
const EXIT_REFUSED: u32 = 255;

/// Waits for the channel's purpose and answers it with the reason.
pub async fn explain(client: ClientEnd, refusal: &Refusal) {
    while let Some(item) = client.inbox.recv().await {
        match item {
            Item::Request(Request::Start(_)) => {
                tell(&client, refusal).await;
                break;
            }
            // Only what starts something is worth a refusal; the rest would hide it.
            Item::Request(Request::Pty { .. } | Request::Env(..)) => {
                client.answer(true).await;
            }
            Item::Request(Request::Refused(_) | Request::Hand(_) | Request::Unknown) => {
                client.answer(false).await;
            }
            Item::Data(_, data) => client.release(data.len()),
            Item::Request(Request::Resize(_) | Request::Signal(_) | Request::EndOfWrite)
            | Item::Eof => {}
            Item::Close | Item::Answer(_) | Item::ExitStatus(_) | Item::ExitSignal { .. } => break,
        }
    }
    let _ = client.handle.close(client.id).await;
}

/// Accepts what was asked for, says why it is refused, and ends it.
pub async fn tell(client: &ClientEnd, refusal: &Refusal) {
    client.answer(true).await;
    say(client, &refusal.to_string()).await;
}

/// Says something that is not part of the output.
pub async fn note(client: &ClientEnd, text: &str) {
    let text = notice::on_stderr(text);
    let _ = client.write.extended_data_bytes(STDERR, text).await;
}

/// Says why a channel ends that was accepted, and ends it.
pub async fn say(client: &ClientEnd, why: &str) {
    note(client, why).await;
    let _ = client
        .handle
        .exit_status_request(client.id, EXIT_REFUSED)
        .await;
    let _ = client.handle.eof(client.id).await;
}
