use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::free_port;

/// How a bad target behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerKind {
    /// Takes connections and says nothing.
    Silent,
    /// Takes connections and sends noise without an end.
    Garbage,
    /// Says that it is an SSH server, and then noise.
    GarbageAfterBanner,
    /// Takes connections and closes them.
    Closing,
}

/// A bad target on loopback.
pub struct Peer {
    port: u16,
    stop: Arc<AtomicBool>,
}

impl Peer {
    /// Starts one.
    pub fn start(kind: PeerKind) -> Self {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        thread::spawn({
            let stop = stop.clone();
            move || {
                let mut open = Vec::new();
                while let Ok((mut socket, _)) = listener.accept() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    match kind {
                        PeerKind::Silent => open.push(socket),
                        PeerKind::Closing => drop(socket),
                        PeerKind::Garbage => noise(socket),
                        PeerKind::GarbageAfterBanner => {
                            let _ = socket.write_all(b"SSH-2.0-Noise_1.0\r\n");
                            noise(socket);
                        }
                    }
                }
            }
        });
        Self { port, stop }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// At most 4 MB, with line ends in it, so that neither line- nor packet-readers starve.
fn noise(mut socket: TcpStream) {
    thread::spawn(move || {
        let chunk: Vec<u8> = (0..4096u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let _ = socket.set_write_timeout(Some(Duration::from_secs(5)));
        for _ in 0..1000 {
            if socket.write_all(&chunk).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
