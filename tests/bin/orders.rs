//! How fast an administrator's order takes effect, for a client that reads and for one that does not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use sallyport_tests::harness::{Api, Gateway, in_terminal};
use serde_json::{Value, json};

use crate::measure::until;
use crate::subjects::Subject;

/// An order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Cut it.
    Terminate,
    /// Freeze it.
    Lock,
}

impl Order {
    fn parts(self) -> (&'static str, Value) {
        match self {
            Self::Terminate => ("terminate", json!({ "cancel": true })),
            Self::Lock => ("lock", json!({ "title": "Halt", "message": "m" })),
        }
    }

    /// Gives it to the session that is live now; answers when, and a channel for when it was
    /// acknowledged.
    fn give(self, gateway: &Gateway, api: &Api) -> (Instant, Receiver<Instant>) {
        let session = gateway.session_with(api, "keyed", "Logged In");
        let (verb, body) = self.parts();
        let path = format!(
            "/api/v1/sessions/{}/{verb}",
            session["id"].as_str().expect("an id")
        );
        // The connection to the API is there already, as a console's is.
        api.get("/api/v1/me");
        let api = api.clone();
        let (begun, start) = sync_channel(1);
        let (acknowledged, answer) = sync_channel(1);
        std::thread::spawn(move || {
            let _ = begun.send(Instant::now());
            let answer = api.post(&path, body);
            let at = Instant::now();
            assert!(answer.status == 200, "{verb}: {}", answer.text());
            let _ = acknowledged.send(at);
        });
        (start.recv().expect("the call begins"), answer)
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// From the API call to its first effect in the terminal of a client that waits for output, in ms.
/// The terminal of a client that is cut closes.
pub fn idle(gateway: &Gateway, subject: &Subject, api: &Api, order: Order) -> f64 {
    let (mut terminal, _client) = in_terminal(
        subject.ssh(true, "stty -echo; printf READY; exec cat"),
        80,
        24,
    );
    until(&mut terminal, b"READY");
    let (start, answer) = order.give(gateway, api);
    let _ = terminal.read(&mut [0; 256]);
    let took = start.elapsed();
    answer.recv().expect("it is acknowledged");
    ms(took)
}

/// From the API call until it was acknowledged and, for [`Order::Terminate`], the connection of a
/// client that does not read is reset, in ms.
pub fn stalled(gateway: &Gateway, subject: &Subject, api: &Api, order: Order) -> f64 {
    let valve = Valve::before(gateway.ssh_port);
    let (mut terminal, _client) = in_terminal(
        subject
            .behind(valve.port)
            .ssh(true, "yes a stream without an end"),
        80,
        24,
    );
    until(&mut terminal, b"without an end");
    valve.shut.store(true, Ordering::Relaxed);
    // Until every buffer on the way is full.
    std::thread::sleep(Duration::from_millis(700));
    let (start, answer) = order.give(gateway, api);
    let acknowledged = answer.recv().expect("it is acknowledged");
    match order {
        Order::Terminate => {
            let gone = valve
                .gone
                .recv_timeout(Duration::from_secs(30))
                .expect("it is cut");
            ms(gone.max(acknowledged) - start)
        }
        Order::Lock => ms(acknowledged - start),
    }
}

/// A wire that stops taking what the gateway sends, on demand, and notices when it is reset.
struct Valve {
    port: u16,
    shut: Arc<AtomicBool>,
    gone: Receiver<Instant>,
}

impl Valve {
    /// For one client.
    fn before(gateway: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let shut = Arc::new(AtomicBool::new(false));
        let (lost, gone) = sync_channel(1);
        let valve = shut.clone();
        std::thread::spawn(move || {
            let Ok((client, _)) = listener.accept() else {
                return;
            };
            let Ok(server) = TcpStream::connect(("127.0.0.1", gateway)) else {
                return;
            };
            for socket in [&client, &server] {
                let _ = socket.set_nodelay(true);
            }
            let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else {
                return;
            };
            std::thread::spawn(move || copy(from, to, None));
            copy(server, client, Some(&valve));
            let _ = lost.send(Instant::now());
        });
        Self { port, shut, gone }
    }
}

/// Copies until either end is gone; while the valve is shut it reads nothing and only looks whether
/// the connection is reset.
fn copy(mut from: TcpStream, mut to: TcpStream, valve: Option<&AtomicBool>) {
    let mut chunk = vec![0; 64 << 10];
    loop {
        if valve.is_some_and(|valve| valve.load(Ordering::Relaxed)) {
            match from.take_error() {
                Ok(None) => std::thread::sleep(Duration::from_micros(100)),
                Ok(Some(_)) | Err(_) => break,
            }
            continue;
        }
        match from.read(&mut chunk) {
            Ok(count @ 1..) if to.write_all(&chunk[..count]).is_ok() => {}
            Ok(_) | Err(_) => break,
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
