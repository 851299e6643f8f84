use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{Daemon, Ssh, free_port, wait_until};

/// How long anything on loopback may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// `ssh` with forwards, running beside the test.
pub struct Tunnel {
    ssh: Daemon,
    log: tempfile::NamedTempFile,
}

impl Tunnel {
    /// Starts `ssh -N ARGS`.
    pub fn start(ssh: &Ssh, args: &[&str]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = ssh
            .clone()
            .option("LogLevel=INFO")
            .option("ExitOnForwardFailure=yes")
            .program("ssh");
        command
            .arg("-N")
            .args(args)
            .arg("127.0.0.1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.reopen().unwrap());
        Self {
            ssh: Daemon::spawn(command),
            log,
        }
    }

    /// Starts it, and waits until somebody listens on `port` of loopback.
    pub fn listening(ssh: &Ssh, args: &[&str], port: u16) -> Self {
        let tunnel = Self::start(ssh, args);
        // Looking, not connecting: a connection would be one more forward.
        wait_until("the tunnel listens", PATIENCE, || listens(port));
        tunnel
    }

    /// What `ssh` said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// Waits until `ssh` has said this.
    pub fn wait_said(&self, text: &str) {
        wait_until(text, PATIENCE, || self.said().contains(text));
    }

    /// The process.
    pub fn process(&mut self) -> &mut Daemon {
        &mut self.ssh
    }
}

/// Does anybody listen on this port of 127.0.0.1?
pub fn listens(port: u16) -> bool {
    let wanted = format!("0100007F:{port:04X} 00000000:0000 0A");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table.contains(&wanted)
}

/// A TCP or Unix stream that can be closed one way.
pub trait Wire: Read + Write + Send + 'static {
    /// Says that nothing more comes.
    fn finish(&self);
    /// A second handle.
    fn twin(&self) -> Self;
}

impl Wire for TcpStream {
    fn finish(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }

    fn twin(&self) -> Self {
        self.try_clone().unwrap()
    }
}

impl Wire for UnixStream {
    fn finish(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }

    fn twin(&self) -> Self {
        self.try_clone().unwrap()
    }
}

/// What a service does with each connection.
type Serve<W> = Arc<dyn Fn(W) + Send + Sync>;

/// A service on a port of loopback; each connection has a thread. Answers the port.
pub fn tcp_service(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let port = free_port();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let serve: Serve<TcpStream> = Arc::new(serve);
    thread::spawn(move || {
        while let Ok((socket, _)) = listener.accept() {
            let serve = serve.clone();
            thread::spawn(move || serve(socket));
        }
    });
    port
}

/// A service on a socket of the file system.
pub fn unix_service(path: &Path, serve: impl Fn(UnixStream) + Send + Sync + 'static) {
    let listener = UnixListener::bind(path).unwrap();
    let serve: Serve<UnixStream> = Arc::new(serve);
    thread::spawn(move || {
        while let Ok((socket, _)) = listener.accept() {
            let serve = serve.clone();
            thread::spawn(move || serve(socket));
        }
    });
}

/// Sends back what it gets; ends when its peer has ended.
pub fn echo<W: Wire>(mut socket: W) {
    let mut twin = socket.twin();
    let _ = io::copy(&mut socket, &mut twin);
    socket.finish();
}

/// A connection to a port of loopback, with time limits.
pub fn connect(port: u16) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends everything, ends its direction, and reads to the end.
pub fn exchange<W: Wire>(mut socket: W, data: &[u8]) -> io::Result<Vec<u8>> {
    let (mut twin, sent) = (socket.twin(), data.to_vec());
    let sender = thread::spawn(move || {
        let done = twin.write_all(&sent);
        twin.finish();
        done
    });
    let mut back = Vec::new();
    let read = socket.read_to_end(&mut back);
    sender.join().unwrap()?;
    read.map(|_| back)
}

/// A SOCKS5 client (RFC 1928): `host` is resolved by the far side.
pub fn socks(port: u16, host: &str, to: u16) -> io::Result<TcpStream> {
    let mut socket = connect(port);
    let mut hello = vec![5, 1, 0, 5, 1, 0, 3, host.len() as u8];
    hello.extend(host.as_bytes());
    hello.extend(to.to_be_bytes());
    socket.write_all(&hello)?;
    let mut answer = [0; 12];
    socket.read_exact(&mut answer)?;
    match answer {
        [5, 0, 5, 0, ..] => Ok(socket),
        other => Err(io::Error::other(format!("SOCKS says {other:?}"))),
    }
}
