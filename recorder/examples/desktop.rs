//! How much memory a desktop takes that is drawn all over, and how fast it is drawn:
//! `cargo run --example desktop -- 1024 768 FRAMES`.

use std::time::{Duration, Instant};

use sallyport_recorder::picture::Desktop;
use sallyport_recorder::{DesktopBegun, DesktopChannel};

const IO: u16 = 1003;

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|word| word.parse().unwrap_or(0));
    let width = numbers.next().unwrap_or(1024);
    let height = numbers.next().unwrap_or(768);
    let frames = numbers.next().unwrap_or(60);
    let begun = DesktopBegun {
        io_channel: IO,
        user: 1007,
        message_channel: None,
        channels: vec![DesktopChannel {
            name: "drdynvc".into(),
            id: 1004,
        }],
    };
    let before = resident();
    let mut desktop = Desktop::new(&begun);
    println!("nothing drawn: {} KiB", resident().saturating_sub(before));
    desktop.from_target(&demand_active(width, height), Duration::ZERO);
    let started = Instant::now();
    let mut bytes = 0;
    for frame in 0..frames {
        for top in (0..height).step_by(64) {
            for left in (0..width).step_by(64) {
                let pdu = tile(
                    left,
                    top,
                    64.min(width - left),
                    64.min(height - top),
                    frame as u8,
                );
                bytes += pdu.len();
                desktop.from_target(&pdu, Duration::from_millis(u64::from(frame) * 40));
            }
        }
        desktop.take_damage();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{} faults", desktop.faults());
    println!(
        "{width}x{height} drawn: {} KiB",
        resident().saturating_sub(before)
    );
    println!("{:.0} MB/s", bytes as f64 / seconds / 1e6);
}

/// A raw tile of 32 bits.
fn tile(left: u16, top: u16, width: u16, height: u16, colour: u8) -> Vec<u8> {
    let data = vec![colour; usize::from(width) * usize::from(height) * 4];
    let mut body = Vec::new();
    for field in [
        1,
        1,
        left,
        top,
        left + width - 1,
        top + height - 1,
        width,
        height,
        32,
        0,
    ] {
        body.extend(u16::to_le_bytes(field));
    }
    body.extend((data.len() as u16).to_le_bytes());
    body.extend(data);
    let length = body.len() as u16;
    let [high, low] = (6 + length).to_be_bytes();
    let mut pdu = vec![0, 0x80 | high, low, 1];
    pdu.extend(length.to_le_bytes());
    pdu.extend(body);
    pdu
}

fn demand_active(width: u16, height: u16) -> Vec<u8> {
    let mut pdu = vec![3, 0, 0, 49, 2, 0xf0, 0x80, 0x68, 0, 1];
    pdu.extend(IO.to_be_bytes());
    pdu.extend([
        0x70, 0x80, 34, 34, 0, 0x11, 0, 0xea, 3, 1, 0, 0, 0, 0, 0, 20, 0, 1, 0, 0, 0,
    ]);
    pdu.extend([2, 0, 16, 0, 32, 0, 1, 0, 1, 0, 1, 0]);
    pdu.extend(width.to_le_bytes());
    pdu.extend(height.to_le_bytes());
    pdu
}

/// What this process holds in memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
