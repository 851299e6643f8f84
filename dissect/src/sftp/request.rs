//! What a client asks for, and which direction it needs.

use super::wire::{Fields, HEADER, kind};
use crate::fact::{Access, Act, Direction, Malformed};
use crate::path::Name;

/// SSH_FXF_READ, and those that write, create, empty or append (section 6.3).
const READ: u32 = 1;
const WRITING: u32 = 2 | 4 | 8 | 0x10;
const TRUNCATE: u32 = 0x10;
const EXCLUSIVE: u32 = 8 | 0x20;
const APPEND: u32 = 4;

/// How a file is opened.
#[derive(Debug, Clone, Copy)]
pub struct Flags(pub u32);

impl Flags {
    /// What for. Without any flag servers open for reading.
    pub fn access(self) -> Access {
        let write = self.0 & WRITING != 0;
        Access {
            read: self.0 & READ != 0 || !write,
            write,
        }
    }

    /// Is the file surely empty at first?
    pub fn empties(self) -> bool {
        self.0 & TRUNCATE != 0 || self.0 & EXCLUSIVE == EXCLUSIVE
    }

    /// Are offsets ignored?
    pub fn appends(self) -> bool {
        self.0 & APPEND != 0
    }
}

/// A request.
#[derive(Debug)]
pub enum Request<'a> {
    Open(Name, Flags),
    Close(&'a [u8]),
    Read {
        handle: &'a [u8],
        offset: u64,
        len: u32,
    },
    Write {
        handle: &'a [u8],
        offset: u64,
        len: u32,
    },
    Stat(&'a [u8]),
    /// Attributes of an open file: which, in words, and its new size.
    Set(&'a [u8], String, Option<u64>),
    /// A copy between two open files.
    Copy {
        from: &'a [u8],
        to: &'a [u8],
    },
    /// Something that is done when its status says so.
    Act(Act),
    /// Something that changes nothing and carries no file.
    Harmless,
    /// Something this reader does not know.
    Unknown,
}

impl Request<'_> {
    /// What it is, if it needs `direction`.
    pub fn needs(&self, direction: Direction) -> Option<&'static str> {
        match direction {
            Direction::Upload => self.changes(),
            Direction::Download => match self {
                Self::Open(_, flags) if flags.access().read => Some("open for reading"),
                Self::Read { .. } => Some("read"),
                // An unknown extension might give a file's content away.
                Self::Unknown => Some("unknown extension"),
                _ => None,
            },
        }
    }

    /// What it is, if it changes something on the target.
    fn changes(&self) -> Option<&'static str> {
        match self {
            Self::Open(_, flags) => flags.access().write.then_some("open for writing"),
            Self::Write { .. } => Some("write"),
            Self::Set(..) => Some("change"),
            Self::Copy { .. } => Some("copy"),
            Self::Unknown => Some("unknown extension"),
            Self::Act(act) => act.changes(),
            Self::Close(_) | Self::Read { .. } | Self::Stat(_) | Self::Harmless => None,
        }
    }

    /// The path it names itself, if it does.
    pub fn path(&self) -> Option<Name> {
        match self {
            Self::Open(path, _) => Some(path.clone()),
            Self::Act(act) => Some(act.names().0.clone()),
            _ => None,
        }
    }

    /// The handle it is about, if it has one.
    pub fn handle(&self) -> Option<&[u8]> {
        match self {
            Self::Read { handle, .. }
            | Self::Write { handle, .. }
            | Self::Set(handle, ..)
            | Self::Copy { to: handle, .. } => Some(handle),
            _ => None,
        }
    }
}

/// The id of a request or answer, whose packet begins with `head`.
pub fn id(head: &[u8]) -> Result<u32, Malformed> {
    Fields(head.get(HEADER..).unwrap_or_default()).u32()
}

/// Reads a request (sections 4 and 6); of a WRITE the part before its data.
pub fn read(head: &[u8]) -> Result<Request<'_>, Malformed> {
    let mut fields = Fields(head.get(HEADER + 4..).unwrap_or_default());
    Ok(match head[4] {
        kind::OPEN => Request::Open(fields.name()?, Flags(fields.u32()?)),
        kind::OPENDIR => Request::Act(Act::List(fields.name()?)),
        kind::CLOSE => Request::Close(fields.handle()?),
        kind::READ => Request::Read {
            handle: fields.handle()?,
            offset: fields.u64()?,
            len: fields.u32()?,
        },
        kind::WRITE => Request::Write {
            handle: fields.handle()?,
            offset: fields.u64()?,
            len: fields.u32()?,
        },
        kind::FSTAT => Request::Stat(fields.handle()?),
        kind::FSETSTAT => {
            let handle = fields.handle()?;
            let (change, size) = attributes(&mut fields)?;
            Request::Set(handle, change, size)
        }
        kind::SETSTAT => Request::Act(changed(&mut fields)?),
        kind::REMOVE => Request::Act(Act::Remove(fields.name()?)),
        kind::RMDIR => Request::Act(Act::RemoveFolder(fields.name()?)),
        kind::MKDIR => Request::Act(Act::MakeFolder(fields.name()?)),
        kind::RENAME => Request::Act(renamed(&mut fields)?),
        kind::READLINK => Request::Act(Act::ReadLink(fields.name()?)),
        // What it points at first, against the draft: as OpenSSH's servers and all clients have it.
        kind::SYMLINK => Request::Act(linked(&mut fields, true)?),
        kind::LSTAT | kind::STAT | kind::REALPATH | kind::READDIR => Request::Harmless,
        kind::EXTENDED => extended(&mut fields)?,
        _ => Request::Unknown,
    })
}

/// Extensions (section 8; OpenSSH's PROTOCOL section 4).
fn extended<'a>(fields: &mut Fields<'a>) -> Result<Request<'a>, Malformed> {
    Ok(match fields.string()? {
        b"posix-rename@openssh.com" => Request::Act(renamed(fields)?),
        b"hardlink@openssh.com" => Request::Act(linked(fields, false)?),
        b"lsetstat@openssh.com" => Request::Act(changed(fields)?),
        b"copy-data" => {
            let from = fields.handle()?;
            fields.u64()?;
            fields.u64()?;
            Request::Copy {
                from,
                to: fields.handle()?,
            }
        }
        b"copy-file" => Request::Act(Act::Copy {
            from: fields.name()?,
            to: fields.name()?,
        }),
        b"statvfs@openssh.com"
        | b"fstatvfs@openssh.com"
        | b"fsync@openssh.com"
        | b"limits@openssh.com"
        | b"expand-path@openssh.com"
        | b"home-directory"
        | b"users-groups-by-id@openssh.com"
        | b"space-available"
        | b"vendor-id" => Request::Harmless,
        _ => Request::Unknown,
    })
}

fn renamed(fields: &mut Fields<'_>) -> Result<Act, Malformed> {
    Ok(Act::Rename {
        from: fields.name()?,
        to: fields.name()?,
    })
}

fn linked(fields: &mut Fields<'_>, symbolic: bool) -> Result<Act, Malformed> {
    Ok(Act::Link {
        to: fields.name()?,
        path: fields.name()?,
        symbolic,
    })
}

fn changed(fields: &mut Fields<'_>) -> Result<Act, Malformed> {
    Ok(Act::Change {
        path: fields.name()?,
        change: attributes(fields)?.0,
    })
}

/// The attributes that are set, in words, and the size among them (section 5).
fn attributes(fields: &mut Fields<'_>) -> Result<(String, Option<u64>), Malformed> {
    let flags = fields.u32()?;
    let mut words = Vec::new();
    let size = match flags & 1 {
        0 => None,
        _ => Some(fields.u64()?),
    };
    words.extend(size.map(|size| format!("size {size}")));
    if flags & 2 != 0 {
        words.push(format!("owner {}:{}", fields.u32()?, fields.u32()?));
    }
    if flags & 4 != 0 {
        words.push(format!("mode {:04o}", fields.u32()? & 0o7777));
    }
    if flags & 8 != 0 {
        fields.u64()?;
        words.push("times".to_owned());
    }
    if flags & 0x8000_0000 != 0 {
        words.push("extended attributes".to_owned());
    }
    Ok((words.join(", "), size))
}
