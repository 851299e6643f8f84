use std::future::Future;
use std::sync::Arc;

use russh::client::{self, Handle, Msg};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, Preferred, cipher};

use super::passwords;

/// An SSH client in this process: for what no command line client does, and for clients by the hundred.
pub struct Client {
    handle: Handle<Anyone>,
}

/// Believes every host key: all is on loopback.
pub struct Anyone;

impl client::Handler for Anyone {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

impl Client {
    /// One that has not said who it is.
    pub async fn stranger(port: u16) -> Handle<Anyone> {
        let config = Arc::new(client::Config::default());
        client::connect(config, ("127.0.0.1", port), Anyone)
            .await
            .unwrap()
    }

    /// Runs a conversation to its end.
    pub fn block<T>(conversation: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(conversation)
    }

    /// Logs in as `login` with the password of a user of the test world.
    pub async fn password(port: u16, login: &str, user: &str) -> Self {
        let handle = client::connect(config(), ("127.0.0.1", port), Anyone)
            .await
            .unwrap();
        Self::authenticated(handle, login, &passwords(user)).await
    }

    /// A client inside this one's connection, to the SSH port of `host`: logs in as `login` with a
    /// password, without asking first whether one is needed.
    pub async fn jump(&self, host: &str, login: &str, password: &str) -> Self {
        let channel = self
            .handle
            .channel_open_direct_tcpip(host, 22, "127.0.0.1", 0)
            .await
            .unwrap();
        let handle = client::connect_stream(config(), channel.into_stream(), Anyone)
            .await
            .unwrap();
        Self::authenticated(handle, login, password).await
    }

    async fn authenticated(mut handle: Handle<Anyone>, login: &str, password: &str) -> Self {
        let answer = handle.authenticate_password(login, password).await.unwrap();
        assert!(answer.success(), "{login} is not let in");
        Self { handle }
    }

    /// Opens a session channel.
    pub async fn session(&self) -> Channel<Msg> {
        self.handle.channel_open_session().await.unwrap()
    }
}

fn config() -> Arc<client::Config> {
    let preferred = Preferred {
        cipher: vec![cipher::AES_256_GCM].into(),
        ..Preferred::default()
    };
    Arc::new(client::Config {
        preferred,
        ..client::Config::default()
    })
}
