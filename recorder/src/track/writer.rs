//! Writing a track.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use super::file::file_head;
use super::item::encode;
use super::{Item, TrackError};

/// Buffers above this are given back when items get small again.
const KEEP_BUFFER: usize = 64 << 10;

/// Writes a track. It is not flushed to the disk: what a power cut takes is made again.
pub struct PictureWriter {
    file: File,
    path: PathBuf,
    last: Duration,
    bytes: u64,
    buffer: Vec<u8>,
    /// An item was written in part: nothing may follow it.
    torn: bool,
}

impl PictureWriter {
    /// Makes the track of the tape with that nonce, in place of one that is there (mode 0600).
    pub fn create(path: &Path, nonce: Uuid) -> Result<Self, TrackError> {
        // Somebody may be reading the one that was there: it is not written over.
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(TrackError::io("create", path)(e));
            }
            Ok(()) | Err(_) => {}
        }
        let options = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let mut file = options.map_err(TrackError::io("create", path))?;
        let head = file_head(nonce);
        file.write_all(&head)
            .map_err(TrackError::io("write", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            last: Duration::ZERO,
            bytes: head.len() as u64,
            buffer: Vec::new(),
            torn: false,
        })
    }

    /// Adds items, with one write. A time before that of the item before becomes that one's. After an error, nothing
    /// more may be added: make the track anew.
    pub fn append(&mut self, items: &[Item]) -> Result<(), TrackError> {
        if self.torn {
            return Err(TrackError::Broken {
                path: self.path.clone(),
                offset: self.bytes,
            });
        }
        self.buffer.clear();
        for item in items {
            self.last = self.last.max(item.at);
            encode(self.last, &item.what, &mut self.buffer);
        }
        self.torn = true;
        self.file
            .write_all(&self.buffer)
            .map_err(TrackError::io("write", &self.path))?;
        self.torn = false;
        self.bytes += self.buffer.len() as u64;
        if self.buffer.capacity() > KEEP_BUFFER {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
