use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Event code and format of a ClientMessage (X11 protocol, "Events").
const CLIENT_MESSAGE: [u8; 2] = [33, 32];

/// Asks a window of an X server that lets everybody in to close, as a window manager does when its
/// user clicks the cross (ICCCM 4.2.8.1).
pub(super) fn ask_to_close(server: &Path, window: u32) -> io::Result<()> {
    let mut server = UnixStream::connect(server)?;
    // Little-endian, version 11.0, no authorization.
    server.write_all(&[b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    let mut begun = [0; 8];
    server.read_exact(&mut begun)?;
    let rest = usize::from(u16::from_le_bytes([begun[6], begun[7]])) * 4;
    server.read_exact(&mut vec![0; rest])?;
    if begun[0] != 1 {
        return Err(io::Error::other("the X server lets nobody in"));
    }
    let protocols = atom(&mut server, "WM_PROTOCOLS")?;
    let delete = atom(&mut server, "WM_DELETE_WINDOW")?;
    let mut event = [0; 32];
    event[..2].copy_from_slice(&CLIENT_MESSAGE);
    event[4..8].copy_from_slice(&window.to_le_bytes());
    event[8..12].copy_from_slice(&protocols);
    event[12..16].copy_from_slice(&delete);
    // SendEvent, not propagated, to that window, whatever it listens to.
    let mut request = vec![25, 0, 11, 0];
    request.extend(window.to_le_bytes());
    request.extend([0; 4]);
    request.extend(event);
    server.write_all(&request)?;
    // The answer to anything says that all before was done.
    atom(&mut server, "WM_PROTOCOLS").map(drop)
}

/// The number of a name (InternAtom).
fn atom(server: &mut UnixStream, name: &str) -> io::Result<[u8; 4]> {
    let padded = name.len().next_multiple_of(4);
    let words = u16::try_from(2 + padded / 4).map_err(io::Error::other)?;
    let len = u16::try_from(name.len()).map_err(io::Error::other)?;
    let mut request = vec![16, 0];
    request.extend(words.to_le_bytes());
    request.extend(len.to_le_bytes());
    request.extend([0; 2]);
    request.extend(name.as_bytes());
    request.resize(8 + padded, 0);
    server.write_all(&request)?;
    let mut answer = [0; 32];
    server.read_exact(&mut answer)?;
    match answer[0] {
        1 => Ok([answer[8], answer[9], answer[10], answer[11]]),
        other => Err(io::Error::other(format!("the X server answered {other}"))),
    }
}
