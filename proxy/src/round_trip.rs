//! How far away a peer is: the system measures that for every TCP connection anyway.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::libc;
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, sockopt_impl};

/// The beginning of Linux's `tcp_info`, up to what is read of it. The system fills as much as it is asked for.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Info {
    _states_and_options: [u8; 8],
    _before: [u32; 15],
    /// Smoothed (RFC 6298), in microseconds.
    round_trip: u32,
}

sockopt_impl!(
    /// What the system knows of a TCP connection.
    TcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    Info
);

/// The time to a peer and back, shared by who has its socket and who wants to know.
///
/// It is what TCP took, as smoothed by the system. A peer may hold back an acknowledgement when it has nothing to say, Linux
/// for 40 ms, so a near peer can look that much farther away.
#[derive(Debug, Clone, Default)]
pub struct RoundTrip(Arc<AtomicU64>);

/// A value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The how manieth it is: another one is new.
    pub number: u32,
    /// Microseconds.
    pub micros: u32,
}

impl RoundTrip {
    /// Reads it from the socket, which only one task does.
    pub fn read(&self, socket: &impl AsFd) {
        match getsockopt(socket, TcpInfo) {
            // Before there is a first one it is 0.
            Ok(Info { round_trip: 0, .. }) => {}
            Ok(info) => self.set(info.round_trip),
            Err(error) => tracing::debug!(%error, "the round trip of a connection is unknown"),
        }
    }

    fn set(&self, micros: u32) {
        let number = self.0.load(Ordering::Relaxed) >> 32;
        let next = (number + 1) << 32;
        self.0.store(next | u64::from(micros), Ordering::Relaxed);
    }

    /// The last one, if there is any.
    pub fn last(&self) -> Option<Reading> {
        let both = self.0.load(Ordering::Relaxed);
        let [number, micros] = [both >> 32, both & u64::from(u32::MAX)]
            .map(|half| u32::try_from(half).unwrap_or(u32::MAX));
        (both != 0).then_some(Reading { number, micros })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_socket_tells_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"there").unwrap();
        far.read_exact(&mut [0; 5]).unwrap();
        far.write_all(b"back").unwrap();
        near.read_exact(&mut [0; 4]).unwrap();
        let round_trip = RoundTrip::default();
        assert_eq!(round_trip.last(), None);
        round_trip.read(&near);
        let first = round_trip.last().unwrap();
        // On loopback it is some dozens of microseconds; on a busy machine more, but never seconds.
        assert!((1..1_000_000).contains(&first.micros), "{first:?}");
        assert_eq!(first.number, 1);
        round_trip.read(&near);
        assert_eq!(round_trip.last().unwrap().number, 2);
    }

    #[test]
    fn what_is_no_tcp_tells_nothing() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let round_trip = RoundTrip::default();
        round_trip.read(&one);
        assert_eq!(round_trip.last(), None);
    }
}
