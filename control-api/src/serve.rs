//! HTTPS: accepting, TLS, HTTP/1.1 within bounds, and stopping in order.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ApiError;
use crate::room::{Place, Room};

/// Connections served at once; further ones wait in the listener's queue.
const CONNECTIONS: usize = 1024;
/// Of these from one source; further ones are closed.
const CONNECTIONS_OF_SOURCE: usize = 256;
/// Longest TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a request's headers; also how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of request line and headers.
const HEADER_BYTES: usize = 64 * 1024;
/// Most headers.
const HEADERS: usize = 64;

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// TLS 1.2 and 1.3 with the certificate given, HTTP/1.1 only.
pub fn tls(certificate_pem: &str, private_key_pem: &str) -> Result<TlsAcceptor, ApiError> {
    let chain = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ApiError::Certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(ApiError::Certificate(
            "there is no certificate in the file".to_owned(),
        ));
    }
    // The error of the key names the kind of mistake only, never what stands in the file.
    let key = PrivateKeyDer::from_pem_slice(private_key_pem.as_bytes())
        .map_err(|_| ApiError::Certificate("there is no private key in PEM form".to_owned()))?;
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
    .map_err(|error| ApiError::Certificate(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts until `stopping`; every connection is a task of `tasks`.
pub async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    router: Router,
    stopping: CancellationToken,
    tasks: TaskTracker,
) {
    let room = Room::new(CONNECTIONS, CONNECTIONS_OF_SOURCE);
    loop {
        let next = async {
            let vacancy = room.vacancy().await;
            let (socket, peer) = listener.accept().await?;
            Ok::<_, io::Error>((vacancy, socket, peer))
        };
        let accepted = tokio::select! {
            () = stopping.cancelled() => return,
            accepted = next => accepted,
        };
        match accepted {
            Ok((vacancy, socket, peer)) => {
                let Some(place) = vacancy.and_then(|vacancy| room.take(vacancy, peer.ip())) else {
                    tracing::debug!(client.addr = %peer, "too many connections of one API client");
                    continue;
                };
                tasks.spawn(connection(
                    place,
                    socket,
                    peer,
                    tls.clone(),
                    router.clone(),
                    stopping.clone(),
                ));
            }
            Err(error) => {
                // Out of file descriptors, for one: others will be closed soon; do not spin until then.
                tracing::warn!(%error, "the API could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(
    place: Place,
    socket: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    router: Router,
    stopping: CancellationToken,
) {
    let _ = socket.set_nodelay(true);
    let secured = match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(socket)).await {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => {
            return tracing::debug!(client.addr = %peer, %error, "TLS handshake with an API client failed");
        }
        Err(_) => {
            return tracing::debug!(client.addr = %peer, "TLS handshake with an API client took too long");
        }
    };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let answer = router.call(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEADER_BYTES)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(secured), service)
            .with_upgrades()
    );
    let mut told = false;
    let ended = loop {
        tokio::select! {
            ended = serving.as_mut() => break ended,
            () = stopping.cancelled(), if !told => {
                told = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client.addr = %peer, %error, "a connection of an API client broke");
    }
    drop(place);
}
