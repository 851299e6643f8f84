use std::fs::File;
use std::io::BufReader;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{Connector, connect_async_tls_with_config};

use super::{Api, Gateway};

/// One message of a live view.
#[derive(Debug, Clone)]
pub enum Frame {
    /// Bytes for the viewer's terminal.
    Bytes(Vec<u8>),
    /// A message.
    Json(Value),
    /// The view is over, or never began; with what was said about it.
    Closed(String),
}

/// Somebody who watches a session through the WebSocket.
pub struct Watcher {
    frames: Arc<Mutex<Vec<(Instant, Frame)>>>,
    say: tokio::sync::mpsc::Sender<Value>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watcher {
    /// Starts watching.
    pub fn start(gateway: &Gateway, api: &Api, session: &str) -> Self {
        let mut request = format!(
            "wss://127.0.0.1:{}/api/v1/sessions/{session}/watch",
            gateway.api_port
        )
        .into_client_request()
        .unwrap();
        request.headers_mut().insert(
            "Authorization",
            format!("Bearer {}", api.token()).parse().unwrap(),
        );
        let connector = Connector::Rustls(Arc::new(trusting(gateway)));
        let frames = Arc::new(Mutex::new(Vec::new()));
        let (say, mut said) = tokio::sync::mpsc::channel::<Value>(64);
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let sink = frames.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let push = |frame| {
                sink.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((Instant::now(), frame))
            };
            runtime.block_on(async {
                let mut socket =
                    match connect_async_tls_with_config(request, None, true, Some(connector)).await
                    {
                        Ok((socket, _)) => socket,
                        Err(error) => return push(Frame::Closed(error.to_string())),
                    };
                loop {
                    let message = tokio::select! {
                        message = socket.next() => message,
                        Some(said) = said.recv() => {
                            let text = Message::Text(said.to_string().into());
                            if let Err(error) = socket.send(text).await {
                                return push(Frame::Closed(error.to_string()));
                            }
                            continue;
                        }
                        _ = &mut stopped => {
                            let _ = socket.close(None).await;
                            return;
                        }
                    };
                    match message {
                        Some(Ok(Message::Binary(bytes))) => push(Frame::Bytes(bytes.to_vec())),
                        Some(Ok(Message::Text(text))) => {
                            push(Frame::Json(
                                serde_json::from_str(&text).unwrap_or(Value::Null),
                            ));
                        }
                        Some(Ok(Message::Close(frame))) => {
                            return push(Frame::Closed(format!("{frame:?}")));
                        }
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return push(Frame::Closed(error.to_string())),
                        None => return push(Frame::Closed("end of stream".into())),
                    }
                }
            });
        });
        Self {
            frames,
            say,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Says something to the gateway.
    #[track_caller]
    pub fn say(&self, message: Value) {
        self.say.blocking_send(message).unwrap();
    }

    /// Everything that came so far.
    pub fn frames(&self) -> Vec<(Instant, Frame)> {
        self.frames
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The bytes that came so far, joined, as text.
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        for (_, frame) in self.frames() {
            if let Frame::Bytes(more) = frame {
                bytes.extend(more);
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until some message satisfies `wanted`; answers it and when it came.
    #[track_caller]
    pub fn wait(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Frame) -> bool,
    ) -> (Instant, Frame) {
        let start = Instant::now();
        loop {
            if let Some(found) = self.frames().into_iter().find(|(_, frame)| wanted(frame)) {
                return found;
            }
            assert!(
                start.elapsed() < limit,
                "waited {limit:?} in vain for {what}; had {:#?}",
                self.frames()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a JSON message of this type.
    #[track_caller]
    pub fn wait_json(&self, kind: &str, limit: Duration) -> Value {
        let wanted = |frame: &Frame| matches!(frame, Frame::Json(json) if json["type"] == kind);
        match self
            .wait(&format!("a message of type {kind}"), limit, wanted)
            .1
        {
            Frame::Json(json) => json,
            Frame::Bytes(_) | Frame::Closed(_) => Value::Null,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn trusting(gateway: &Gateway) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    let mut pem = BufReader::new(File::open(gateway.certificate()).unwrap());
    for certificate in CertificateDer::pem_reader_iter(&mut pem) {
        roots.add(certificate.unwrap()).unwrap();
    }
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
