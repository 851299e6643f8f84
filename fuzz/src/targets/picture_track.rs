//! A picture track from anywhere: its readers end, agree, and draw what fits.

use std::time::Duration;

use sallyport_recorder::TapeHeader;
use sallyport_recorder::track::{Canvas, Item, PictureReader, PictureTail};

use crate::allocated;
use crate::input::Input;
use crate::tape::Memory;

/// Of the tape that every input is taken for the track of.
const NONCE: [u8; 16] = *b"nonce of a tape.";

pub fn run(data: &[u8]) {
    let header = header();
    let track = bytes(data);
    let file = Memory::holding(&track);
    let Ok(mut reader) = PictureReader::open(&file.path(), &header) else {
        assert!(PictureTail::open(&file.path(), &header).is_err());
        return;
    };
    let mut read: Vec<Item> = Vec::new();
    allocated::at_most((1 << 20) + 8 * track.len(), || {
        while let Some(item) = reader.next().expect("memory can be read") {
            read.push(item);
        }
        let mut tail = PictureTail::open(&file.path(), &header).expect("the reader opened it");
        let followed = tail.poll(usize::MAX).unwrap_or_default();
        // It begins at the last keyframe, and nothing follows an end.
        let mut places = read.windows(followed.len().max(1));
        assert!(
            followed.is_empty() || places.any(|place| place == followed),
            "the tail sees what the reader sees"
        );
        let _ = reader.end().expect("memory can be read");
        if reader
            .seek(Duration::MAX)
            .expect("memory can be read")
            .is_some()
        {
            let _ = reader.next();
        }
    });
    // Pictures may be as large as desktops get.
    allocated::at_most(512 << 20, || {
        let mut canvas = Canvas::default();
        for item in &read {
            let _ = canvas.apply(&item.what);
            if let Some(image) = canvas.image() {
                assert_eq!(image.data.len(), image.stride * usize::from(image.height));
            }
        }
        let _ = canvas.with_pointer();
    });
}

fn header() -> TapeHeader {
    let nonce: String = NONCE.iter().map(|byte| format!("{byte:02x}")).collect();
    let json = format!(
        r#"{{"version":1,"session":"01890000-0000-7000-8000-000000000001","connection":"01890000-0000-7000-8000-000000000002","user":"alice","host":"web","account":"root","activity":"desktop","started_at":"2026-01-01T00:00:00Z","nonce":"{nonce}"}}"#
    );
    serde_json::from_str(&json).expect("it is a header")
}

/// The input as it is, or as items that hold together with the input in them.
fn bytes(data: &[u8]) -> Vec<u8> {
    let mut input = Input::new(data);
    if input.byte() == 0 {
        return input.rest().to_vec();
    }
    let mut track = b"SPPICT\x01\n".to_vec();
    track.extend(NONCE);
    track.extend(crc32c::crc32c(&track).to_le_bytes());
    let mut time = 0u64;
    while !input.is_empty() {
        let kind = input.byte();
        time += u64::from(input.byte()) * 1000;
        let len = usize::from(input.number());
        let payload = input.take(len);
        let mut head = (payload.len() as u32).to_le_bytes().to_vec();
        head.extend([kind, 0, 0, 0]);
        head.extend(time.to_le_bytes());
        head.extend(crc32c::crc32c(&head).to_le_bytes());
        head.extend(crc32c::crc32c(payload).to_le_bytes());
        track.extend(head);
        track.extend_from_slice(payload);
    }
    track
}
