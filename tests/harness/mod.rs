//! What the cases and the benchmark stand on.

mod api;
mod browser;
mod client;
mod eventually;
mod film;
mod gateway;
mod jump;
mod peers;
mod ports;
mod postgres;
mod process;
mod rdp;
mod ssh;
mod tapes;
mod target;
mod timing;
mod tty;
mod tunnel;
mod watcher;
mod world;

pub use api::{Answer, Api};
pub use browser::{Browser, browser_modules};
pub use client::{Anyone, Client};
pub use eventually::{eventually, wait_until};
pub use film::Film;
pub use gateway::{Gateway, GatewayBuilder, product};
pub use jump::Jump;
pub use peers::{Peer, PeerKind};
pub use ports::free_port;
pub use postgres::Postgres;
pub use process::{Daemon, Done, run, run_with_input, signal, tool};
pub use rdp::{
    BACKGROUND, Certificate, Display, NOTEPAD, Notepad, Picture, Rdp, RdpClient, RdpHost, Screen,
    Security, Shadow, ShadowBuilder, Weston, Window, Xrdp, XrdpBuilder, XrdpSession,
};
pub use ssh::Ssh;
pub use tapes::{entries, recorded_input, recorded_output, tapes};
pub use target::{ACCOUNT, ACCOUNT_PASSWORD, KEY_ACCOUNT, Target, keygen};
pub use timing::Timings;
pub use tty::{Tty, in_terminal};
pub use tunnel::{
    Tunnel, Wire, connect, echo, exchange, listens, socks, tcp_service, unix_service,
};
pub use watcher::{Frame, Watcher};
pub use world::{HostSpec, World, passwords};
