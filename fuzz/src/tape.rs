//! Tapes made by hand, with checksums that are right where the fuzzer could not guess them.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};
use sha2::{Digest, Sha256};

use crate::input::Input;

/// A header that every version reads.
const HEADER: &str = r#"{"version":1,"session":"01890000-0000-7000-8000-000000000001","connection":"01890000-0000-7000-8000-000000000002","user":"alice","host":"web","account":"root","activity":"shell","started_at":"2026-01-01T00:00:00Z","nonce":"01890000-0000-4000-8000-000000000003"}"#;

/// The bytes of a tape: the input as it is, or as frames that hold together with the input in them.
pub fn bytes(data: &[u8]) -> Vec<u8> {
    let mut input = Input::new(data);
    match input.byte() {
        0 => input.rest().to_vec(),
        1 => {
            let header = input.chunk();
            framed(header, &mut input)
        }
        _ => framed(HEADER.as_bytes(), &mut input),
    }
}

fn framed(header: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut tape = b"SPTAPE\x01\n".to_vec();
    tape.extend((header.len() as u32).to_le_bytes());
    tape.extend(header);
    let first: [u8; 32] = Sha256::digest(&tape).into();
    tape.extend(crc32c::crc32c(&tape).to_le_bytes());
    let mut chain = first;
    let mut seq = 0;
    while !input.is_empty() {
        let kind = input.byte();
        let len = usize::from(input.number());
        let mut payload = input.take(len).to_vec();
        if kind == 1 {
            payload.extend((tape.len() as u64).to_le_bytes());
            payload.extend(first);
            payload.extend(b"SPTEND\x01\n");
        }
        chain = frame(&mut tape, kind, seq, &chain, &payload);
        seq += 1;
    }
    tape
}

fn frame(tape: &mut Vec<u8>, kind: u8, seq: u64, previous: &[u8; 32], payload: &[u8]) -> [u8; 32] {
    let mut head = (payload.len() as u32).to_le_bytes().to_vec();
    head.extend([kind, 0, 0, 0]);
    head.extend(seq.to_le_bytes());
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(&head);
    hash.update(payload);
    let chain: [u8; 32] = hash.finalize().into();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&head), &chain);
    let checksum = crc32c::crc32c_append(checksum, payload);
    tape.extend(&head);
    tape.extend(checksum.to_le_bytes());
    tape.extend(chain);
    tape.extend(payload);
    chain
}

/// A file in memory.
pub struct Memory(File);

impl Memory {
    pub fn holding(bytes: &[u8]) -> Self {
        let mut file =
            File::from(memfd_create("tape", MemfdFlags::CLOEXEC).expect("a file in memory"));
        file.write_all(bytes).expect("memory can be written");
        file.rewind().expect("memory can be read from its start");
        Self(file)
    }

    /// A path that opens it anew.
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}
