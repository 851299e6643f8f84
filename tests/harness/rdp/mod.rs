//! Real desktops for RDP: X servers of their own, servers, clients, and what they show.

mod apart;
mod certificate;
mod client;
mod clients;
mod display;
mod host;
mod manager;
mod notepad;
mod picture;
mod reading;
mod remmina;
mod screen;
mod security;
mod shadow;
mod weston;
mod xrdp;

pub use certificate::Certificate;
pub use client::RdpClient;
pub use clients::Rdp;
pub use display::Display;
pub use host::RdpHost;
pub use notepad::{BACKGROUND, NOTEPAD, Notepad};
pub use picture::Picture;
pub use screen::{Screen, Window};
pub use security::Security;
pub use shadow::{Shadow, ShadowBuilder};
pub use weston::Weston;
pub use xrdp::{Xrdp, XrdpBuilder, XrdpSession};
