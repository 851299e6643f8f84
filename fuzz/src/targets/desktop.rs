//! A desktop's PDUs from a hostile target: the decoder goes on, in bounded memory, and none of its panics is ours.

use std::time::Duration;

use sallyport_recorder::picture::Desktop;
use sallyport_recorder::{DesktopBegun, DesktopChannel};

use crate::input::Input;
use crate::{allocated, panics};

const IO: u16 = 1003;
const DYNAMIC: u16 = 1004;
/// The picture, the pipeline's surfaces, and what one update takes while it is decoded.
const MOST: usize = 700 << 20;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let begun = DesktopBegun {
        io_channel: IO,
        user: 1007,
        message_channel: None,
        channels: vec![DesktopChannel {
            name: "drdynvc".into(),
            id: DYNAMIC,
        }],
    };
    let _ = panics::last();
    allocated::at_most(MOST, || {
        let mut desktop = Desktop::new(&begun);
        desktop.from_target(&demand_active(64, 48), Duration::ZERO);
        while !input.is_empty() {
            step(&mut desktop, &mut input);
            if let Some(panicked) = panics::last() {
                assert!(!panicked.contains("recorder/src"), "{panicked}");
            }
            check(&mut desktop);
        }
    });
}

fn step(desktop: &mut Desktop, input: &mut Input<'_>) {
    let at = Duration::from_secs(1);
    let kind = input.byte();
    let detail = input.byte();
    let len = usize::from(input.number());
    let body = input.take(len);
    match kind {
        0 => desktop.from_target(body, at),
        1 => desktop.from_client(body, at),
        2 => desktop.from_target(&fast_path(detail, body), at),
        3 => desktop.from_target(&indication(IO, &share_data(detail, body)), at),
        4 => desktop.from_target(&dynamic(body), at),
        5 => {
            // A message of the graphics pipeline, in one uncompressed segment.
            let mut message = vec![0x30, 9, 0xe0, 0x04];
            message.extend_from_slice(body);
            desktop.from_target(&dynamic(&message), at);
        }
        6 => {
            let mut create = vec![0x10, 9];
            create.extend(b"Microsoft::Windows::RDS::Graphics\0");
            desktop.from_target(&dynamic(&create), at);
        }
        _ => {
            let [low, high] = (len as u16 % 512).to_le_bytes();
            let width = u16::from_le_bytes([low, high]);
            desktop.from_target(&demand_active(width, detail.into()), at);
        }
    }
}

fn check(desktop: &mut Desktop) {
    let damage = desktop.take_damage();
    let Some(image) = desktop.image() else {
        return;
    };
    assert_eq!(image.data.len(), image.stride * usize::from(image.height));
    assert!(damage.len() <= 32);
    for rect in damage {
        assert_eq!(
            rect.within(image.width, image.height),
            Some(rect),
            "damage outside"
        );
        let bytes: usize = image.rows(rect).map(<[u8]>::len).sum();
        assert_eq!(bytes, rect.area() * 4);
    }
}

fn indication(channel: u16, data: &[u8]) -> Vec<u8> {
    let length = data.len().min(0x3fff);
    let mut pdu = vec![3, 0];
    pdu.extend((15 + length as u16).to_be_bytes());
    pdu.extend([2, 0xf0, 0x80, 0x68, 0, 1]);
    pdu.extend(channel.to_be_bytes());
    pdu.push(0x70);
    pdu.extend((0x8000 | length as u16).to_be_bytes());
    pdu.extend(&data[..length]);
    pdu
}

fn share(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut pdu = (6 + body.len() as u16).to_le_bytes().to_vec();
    pdu.extend([0x10 | kind, 0, 0xea, 3]);
    pdu.extend_from_slice(body);
    pdu
}

fn share_data(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut data = vec![0; 12];
    data[8] = kind;
    data.extend_from_slice(body);
    share(7, &data)
}

fn demand_active(width: u16, height: u16) -> Vec<u8> {
    let mut body = vec![1, 0, 0, 0, 0, 0, 20, 0, 1, 0, 0, 0];
    body.extend([2, 0, 16, 0, 32, 0, 1, 0, 1, 0, 1, 0]);
    body.extend(width.to_le_bytes());
    body.extend(height.to_le_bytes());
    indication(IO, &share(1, &body))
}

fn fast_path(header: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len().min(0x7000) as u16;
    let [high, low] = (6 + length).to_be_bytes();
    let mut pdu = vec![0, 0x80 | high, low, header];
    pdu.extend(length.to_le_bytes());
    pdu.extend(&body[..usize::from(length)]);
    pdu
}

fn dynamic(message: &[u8]) -> Vec<u8> {
    let mut data = (message.len() as u32).to_le_bytes().to_vec();
    data.extend([3, 0, 0, 0]);
    data.extend_from_slice(message);
    indication(DYNAMIC, &data)
}
