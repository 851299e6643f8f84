//! A session channel of somebody in the lobby: what is it for, and where does it go?
//!
//! A shell gets the menu, `ls` and `help` their answer, everything else a word about how to name a host. A channel
//! whose user has chosen goes on to the target as if she had named it at once: what it asked for meanwhile is handed
//! on, with what she typed ahead. Nothing typed here goes to a log but the notes and the ticket, which are the session's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use sallyport_domain::declared::Protocol;
use sallyport_domain::launch_point::LaunchPoint;
use sallyport_domain::policy::{self, Offer};
use sallyport_domain::refusal::Refusal;

use super::Joined;
use super::channel::ClientEnd;
use super::inbox::{Item, Request, Start};
use super::lobby::Lobby;
use super::menu::listing::{self, Command};
use super::menu::{Choice, Leaving, Menu, Outcome, Step, Terminal};
use super::refused;
use super::relay::relay;
use super::shared::Shared;
use crate::enter::{Wish, store_unavailable};

/// How long the rest of a key's sequence may take; Escape alone is decided after that.
const ESCAPE: Duration = Duration::from_millis(100);
/// What somebody exits with whom Ctrl+C took out of the menu, as from a shell.
const INTERRUPTED: u32 = 130;
/// Nothing was found, or nothing was chosen before the input ended.
const NOTHING: u32 = 1;

/// Receives a session channel, until it is on its way to a target or closed.
pub async fn receive(shared: &Arc<Shared>, lobby: &Arc<Lobby>, number: u32, client: ClientEnd) {
    let visit = Visit {
        shared,
        lobby,
        client,
        asked: Vec::new(),
        terminal: None,
    };
    // The relay is not cut off: it has a log and a tape to finish.
    if let Some(Some((joined, client))) = shared.cut.run_until_cancelled(visit.go()).await {
        relay(joined, number, client, &shared.cut).await;
    }
}

struct Visit<'a> {
    shared: &'a Arc<Shared>,
    lobby: &'a Arc<Lobby>,
    client: ClientEnd,
    /// What the client asked for and believes accepted, for the target.
    asked: Vec<Item>,
    terminal: Option<Terminal>,
}

/// What the channel is for.
enum Purpose {
    Shell,
    Command(Vec<u8>),
    Subsystem,
    /// Another channel has chosen where this connection goes.
    Decided(Joined),
    /// The client closed it.
    Nothing,
}

/// What came of the menu.
enum End {
    /// The channel goes to a target, with what was typed ahead.
    Joined(Joined, Vec<Item>),
    /// It ends with this exit status.
    Exit(u32),
    /// It ends with this reason.
    Refused(Refusal),
    /// The client is gone from it.
    Gone,
}

impl Visit<'_> {
    /// Until the channel is closed, or ready to be relayed to the target that was chosen.
    async fn go(mut self) -> Option<(Joined, ClientEnd)> {
        match self.purpose().await {
            Purpose::Shell => match self.choose().await {
                End::Joined(joined, ahead) => return Some(self.hand_over(joined, ahead)),
                End::Exit(status) => self.exit(status).await,
                End::Refused(refusal) => self.refuse(&refusal).await,
                End::Gone => self.close().await,
            },
            Purpose::Command(command) => self.command(&String::from_utf8_lossy(&command)).await,
            Purpose::Subsystem => {
                self.lobby.log_refusal(&Refusal::NoHostNamed);
                self.refuse(&Refusal::NoHostNamed).await;
            }
            Purpose::Decided(joined) => return Some(self.hand_over(joined, Vec::new())),
            Purpose::Nothing => self.close().await,
        }
        None
    }

    /// Waits until the client says what the channel is for.
    async fn purpose(&mut self) -> Purpose {
        loop {
            let item = tokio::select! {
                joined = self.shared.joined() => return Purpose::Decided(joined),
                item = self.client.inbox.recv() => item,
            };
            match item {
                Some(Item::Request(Request::Start(start))) => {
                    // The client has its answer; who has an exit status to come needs no other.
                    self.client.promise().await;
                    return match start {
                        Start::Shell => Purpose::Shell,
                        Start::Exec(command) => Purpose::Command(command),
                        Start::Subsystem(_) => Purpose::Subsystem,
                    };
                }
                Some(Item::Request(request)) => self.request(request).await,
                Some(Item::Data(_, data)) => self.release(data.len()),
                Some(Item::Eof) => {}
                Some(Item::Close | Item::Answer(_) | Item::ExitStatus(_)) | None => {
                    return Purpose::Nothing;
                }
                Some(Item::ExitSignal { .. }) => return Purpose::Nothing,
            }
        }
    }

    /// What is asked beside the purpose is promised, and kept for the target.
    async fn request(&mut self, request: Request) {
        match request {
            Request::Pty { term, size, modes } => {
                self.terminal = Some(Terminal {
                    term: term.clone(),
                    size: (size[0], size[1]),
                });
                self.promise(Request::Pty { term, size, modes }).await;
            }
            Request::Env(..) | Request::Hand(_) => self.promise(request).await,
            Request::Resize(size) => self.resize(size),
            Request::Signal(_) | Request::EndOfWrite => {}
            // Promised before is only what stands in front of this one.
            Request::Refused(_) | Request::Unknown | Request::Start(_) => {
                let _ = self.client.handle.channel_failure(self.client.id).await;
            }
        }
    }

    async fn promise(&mut self, request: Request) {
        let item = Item::Request(request);
        if !self.client.inbox.keep(&item) {
            let _ = self.client.handle.channel_failure(self.client.id).await;
            return;
        }
        self.client.promise().await;
        self.asked.push(item);
    }

    /// The target gets the terminal in the size it has by then.
    fn resize(&mut self, new: [u32; 4]) {
        for item in &mut self.asked {
            if let Item::Request(Request::Pty { size, .. }) = item {
                *size = new;
            }
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.size = (new[0], new[1]);
        }
    }

    /// Everything she may do.
    async fn offers(&self) -> Result<Vec<Offer>, Refusal> {
        let Lobby { node, guest, .. } = &**self.lobby;
        let survey = node.store.policy_survey(&guest.identity.name).await;
        let offers = policy::offers(&survey.map_err(store_unavailable)?, Protocol::Ssh)?;
        if offers.is_empty() {
            return Err(Refusal::NothingToReach);
        }
        Ok(offers)
    }

    /// A command for the gateway itself.
    async fn command(self, typed: &str) {
        self.lobby.touch();
        let Some(command) = listing::command(typed) else {
            self.lobby.log_refusal(&Refusal::NoHostNamed);
            return self.refuse(&Refusal::NoHostNamed).await;
        };
        let (pattern, json) = match command {
            Command::Help => {
                let help = listing::help(&self.lobby.guest.identity.name);
                return self.answer(&help).await;
            }
            Command::List { pattern, json } => (pattern, json),
        };
        // Lists can be long: of many at once, few are held in memory.
        let Some(_place) = self.lobby.place().await else {
            return self.close().await;
        };
        match self.offers().await {
            Ok(offers) if json => self.answer(&listing::list_json(&offers, &pattern)).await,
            Ok(offers) => match listing::list(&offers, &pattern) {
                list if list.is_empty() => {
                    let words = format!("nothing you may reach matches {pattern}");
                    refused::note(&self.client, &super::menu::label(&words)).await;
                    self.exit(NOTHING).await;
                }
                list => self.answer(&list).await,
            },
            Err(refusal) => {
                self.lobby.log_refusal(&refusal);
                self.refuse(&refusal).await;
            }
        }
    }

    /// The menu, until it has come to an end.
    async fn choose(&mut self) -> End {
        let place = tokio::select! {
            place = self.lobby.place() => place,
            joined = self.shared.joined() => {
                self.asked.push(Item::Request(Request::Start(Start::Shell)));
                return End::Joined(joined, Vec::new());
            }
        };
        self.asked.push(Item::Request(Request::Start(Start::Shell)));
        if place.is_none() {
            return End::Gone;
        }
        let offers = match self.offers().await {
            Ok(offers) => offers,
            Err(refusal) => {
                self.lobby.log_refusal(&refusal);
                return End::Refused(refusal);
            }
        };
        let user = &self.lobby.guest.identity.name;
        let mut menu = Menu::new(user, offers, self.terminal.as_ref());
        let mut paint = menu.open();
        loop {
            if !self.show(paint).await {
                return End::Gone;
            }
            paint = match self.turn(&mut menu).await {
                Turn::Paint(paint) => paint,
                Turn::End(end) => return end,
            };
        }
    }

    /// One thing that happens to a menu.
    async fn turn(&mut self, menu: &mut Menu) -> Turn {
        let escape = menu.is_waiting();
        let item = tokio::select! {
            biased;
            joined = self.shared.joined() => {
                let host = super::menu::label(&joined.connection.permit().host().name);
                let last = format!("This connection goes to {host} now.");
                self.show(menu.close(&last)).await;
                return Turn::End(End::Joined(joined, Vec::new()));
            }
            why = self.lobby.closing() => {
                self.show(menu.close(&why)).await;
                return Turn::End(End::Exit(NOTHING));
            }
            item = self.client.inbox.recv() => item,
            () = tokio::time::sleep(ESCAPE), if escape => {
                let step = menu.settle();
                return self.step(menu, step, Vec::new()).await;
            }
        };
        match item {
            Some(Item::Data(stream, data)) => {
                self.lobby.touch();
                let step = menu.typed(&data);
                self.release(step.taken);
                let left = data.slice(step.taken..);
                let ahead = (!left.is_empty()).then_some(Item::Data(stream, left));
                self.step(menu, step, ahead.into_iter().collect()).await
            }
            Some(Item::Eof) => {
                let step = menu.ended();
                self.step(menu, step, vec![Item::Eof]).await
            }
            Some(Item::Request(Request::Resize(size))) => {
                self.lobby.touch();
                self.resize(size);
                Turn::Paint(menu.resized((size[0], size[1])))
            }
            Some(Item::Request(request)) => {
                self.request_late(request).await;
                Turn::Paint(String::new())
            }
            Some(Item::Close | Item::Answer(_) | Item::ExitStatus(_)) | None => {
                Turn::End(End::Gone)
            }
            Some(Item::ExitSignal { .. }) => Turn::End(End::Gone),
        }
    }

    /// Once the channel has its purpose, nothing else can be asked that a target would have to know.
    async fn request_late(&self, request: Request) {
        match request {
            Request::Signal(_) | Request::Resize(_) | Request::EndOfWrite => {}
            Request::Pty { .. }
            | Request::Env(..)
            | Request::Start(_)
            | Request::Hand(_)
            | Request::Unknown
            | Request::Refused(_) => {
                let _ = self.client.handle.channel_failure(self.client.id).await;
            }
        }
    }

    /// What some input did: more to show, or the end.
    async fn step(&mut self, menu: &mut Menu, step: Step, ahead: Vec<Item>) -> Turn {
        let Some(outcome) = step.outcome else {
            return Turn::Paint(step.paint);
        };
        if !self.show(step.paint).await {
            return Turn::End(End::Gone);
        }
        let choice = match outcome {
            Outcome::Left(Leaving::Quit) => return Turn::End(End::Exit(0)),
            Outcome::Left(Leaving::Interrupted) => return Turn::End(End::Exit(INTERRUPTED)),
            Outcome::Left(Leaving::EndOfInput) => return Turn::End(End::Exit(NOTHING)),
            Outcome::Chosen(choice) => choice,
        };
        match self.shared.choose(self.lobby, wish(choice)).await {
            Ok(joined) => Turn::End(End::Joined(joined, ahead)),
            // What a program sends was meant for the session.
            Err(refusal) if self.terminal.is_none() => Turn::End(End::Refused(refusal)),
            Err(refusal) => {
                self.forget(ahead);
                if !self.catch_up(menu) {
                    return Turn::End(End::Gone);
                }
                Turn::Paint(menu.refused(&refusal.to_string()))
            }
        }
    }

    /// What was typed while the target was asked was not meant for the menu. False if the client left.
    fn catch_up(&mut self, menu: &mut Menu) -> bool {
        while let Some(item) = self.client.inbox.recv().now_or_never() {
            match item {
                Some(Item::Request(Request::Resize(size))) => {
                    self.resize(size);
                    // Painted with what comes next.
                    let _ = menu.resized((size[0], size[1]));
                }
                Some(item @ Item::Data(..)) => self.forget(vec![item]),
                Some(Item::Request(_) | Item::Answer(_)) => {}
                Some(Item::ExitStatus(_) | Item::ExitSignal { .. }) => {}
                Some(Item::Eof | Item::Close) | None => return false,
            }
        }
        true
    }

    fn forget(&self, items: Vec<Item>) {
        for item in items {
            if let Item::Data(_, data) = item {
                self.release(data.len());
            }
        }
    }

    fn release(&self, bytes: usize) {
        self.client.release(bytes);
    }

    /// Shows something; false if the client closed the channel instead of taking it.
    async fn show(&self, text: String) -> bool {
        if text.is_empty() {
            return true;
        }
        tokio::select! {
            biased;
            () = self.client.inbox.closed() => false,
            sent = self.client.write.data_bytes(Bytes::from(text)) => sent.is_ok(),
        }
    }

    /// The answer to a command.
    async fn answer(self, text: &str) {
        let text = match &self.terminal {
            Some(_) => text.replace('\n', "\r\n"),
            None => text.to_owned(),
        };
        if self.show(text).await {
            self.exit(0).await;
        } else {
            self.close().await;
        }
    }

    async fn refuse(self, refusal: &Refusal) {
        let why = refusal.to_string();
        tokio::select! {
            biased;
            () = self.client.inbox.closed() => {}
            () = refused::say(&self.client, &why) => {}
        }
        self.close().await;
    }

    async fn exit(self, status: u32) {
        let (handle, id) = (&self.client.handle, self.client.id);
        let _ = handle.exit_status_request(id, status).await;
        let _ = handle.eof(id).await;
        self.close().await;
    }

    async fn close(self) {
        let _ = self.client.handle.close(self.client.id).await;
        self.client.inbox.close();
    }

    /// From here on it is a channel like any other.
    fn hand_over(mut self, joined: Joined, ahead: Vec<Item>) -> (Joined, ClientEnd) {
        self.asked.extend(ahead);
        self.client.inbox.put_back(self.asked);
        (joined, self.client)
    }
}

/// What one thing that happened leads to.
enum Turn {
    Paint(String),
    End(End),
}

fn wish(choice: Choice) -> Wish {
    Wish {
        host: choice.host,
        account: None,
        activity: Some(choice.activity),
        policy: Some(choice.policy),
        notes: choice.notes,
        ticket: choice.ticket,
        launch_point: LaunchPoint::Menu,
    }
}
