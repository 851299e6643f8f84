//! How fast a film is made of what people do, and how large it is:
//! `cargo run --release --example film -- typing|scrolling|pictures|idle MINUTES [IDLE-CUT SECONDS, 0: none] [FILE]`.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use chrono::Utc;
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster};
use rustix::time::{ClockId, clock_gettime};
use sallyport_recorder::{DesktopBegun, Record, TapeHeader, TapeWriter, export, track};
use uuid::Uuid;

const IO: u16 = 1003;
const WIDTH: usize = 1280;
const HEIGHT: usize = 720;
const TILE: usize = 64;
/// A cell of the font.
const CELL: (usize, usize) = (7, 16);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize, default: &str| words.get(at).map_or(default, String::as_str).to_owned();
    let kind = word(0, "typing");
    let minutes: u64 = word(1, "2").parse()?;
    let cut: f64 = word(2, "2").parse()?;
    let folder = std::env::temp_dir().join(format!("film-{}", Uuid::new_v4()));
    std::fs::create_dir(&folder)?;
    let made = film(&folder, &kind, minutes, cut, &word(3, "/dev/null"));
    std::fs::remove_dir_all(&folder)?;
    made
}

fn film(folder: &Path, kind: &str, minutes: u64, cut: f64, file: &str) -> Result<(), Failure> {
    let length = Duration::from_secs(minutes * 60);
    let tape = tape(folder, kind, length)?;
    let started = computed();
    track::rebuild(&tape, &track::path_of(&tape))?;
    println!("track: {:.1} s", computed() - started);
    let started = computed();
    let limit = (cut > 0.0).then(|| Duration::from_secs_f64(cut));
    let mut out = Counted(File::create(file)?, 0);
    export::mp4(&tape, limit, &mut out)?;
    let seconds = computed() - started;
    println!(
        "{kind}: {minutes} min in {seconds:.1} s ({:.0} times real time), {:.0} MB an hour, peak {} MB",
        length.as_secs_f64() / seconds,
        out.1 as f64 / 1e6 / length.as_secs_f64() * 3600.0,
        peak() / 1024,
    );
    Ok(())
}

/// A desktop's tape on which somebody does that for so long.
fn tape(folder: &Path, kind: &str, length: Duration) -> Result<std::path::PathBuf, Failure> {
    let ids = (Uuid::new_v4().into(), Uuid::new_v4().into());
    let mut header = TapeHeader::new(ids.0, ids.1, Utc::now());
    header.user = "alice".to_owned();
    header.account = "root".to_owned();
    header.host = "desk".to_owned();
    let mut tape = TapeWriter::create(folder, &header)?;
    let begun = DesktopBegun {
        io_channel: IO,
        user: 1007,
        message_channel: None,
        channels: Vec::new(),
    };
    let active = demand_active(WIDTH as u16, HEIGHT as u16);
    tape.append_at(
        Duration::ZERO,
        &[
            Record::DesktopBegun(&begun),
            Record::FromTarget { pdus: &active },
        ],
    )?;
    let mut desk = Desk::new();
    for line in 0..HEIGHT / CELL.1 {
        desk.line(line, line);
    }
    desk.send(&mut tape, Duration::ZERO, (0, 0, WIDTH, HEIGHT))?;
    let mut at = Duration::from_millis(500);
    let mut step = 0;
    while at < length {
        at += desk.step(kind, step, at, &mut tape)?;
        step += 1;
    }
    let path = tape.path().to_owned();
    tape.finish(None)?;
    Ok(path)
}

struct Desk {
    pixels: Vec<[u8; 4]>,
    random: u64,
}

impl Desk {
    fn new() -> Self {
        Self {
            pixels: vec![[255, 255, 255, 0]; WIDTH * HEIGHT],
            random: 1,
        }
    }

    /// Does the next thing; answers how long it takes.
    fn step(
        &mut self,
        kind: &str,
        step: usize,
        at: Duration,
        tape: &mut TapeWriter,
    ) -> Result<Duration, Failure> {
        match kind {
            // Five keys a second for 20 s, then 10 s of thought.
            "typing" => {
                let column = step % 150 + 10;
                let line = step / 150 % (HEIGHT / CELL.1);
                let sign = self.sign();
                self.put(sign, column, line, [0, 0, 0, 0]);
                let part = (column * CELL.0, line * CELL.1, CELL.0, CELL.1);
                self.send(tape, at, part)?;
                Ok(match step % 100 {
                    99 => Duration::from_secs(10),
                    _ => Duration::from_millis(200),
                })
            }
            "scrolling" => {
                let by = 3 * CELL.1;
                self.pixels.copy_within(by * WIDTH.., 0);
                let lines = HEIGHT / CELL.1;
                for line in 0..3 {
                    self.line(lines - 3 + line, step * 3 + line);
                }
                self.send(tape, at, (0, 0, WIDTH, HEIGHT))?;
                Ok(Duration::from_millis(100))
            }
            // Something like a film in the film.
            "pictures" => {
                for y in 0..HEIGHT {
                    for x in 0..WIDTH {
                        let wave = |a: f64, b: f64| {
                            let phase = x as f64 * a + y as f64 * b + step as f64 / 7.0;
                            (phase.sin() * 60.0 + 128.0) as u8
                        };
                        let noise = (self.next() & 7) as u8;
                        self.pixels[y * WIDTH + x] = [
                            wave(0.02, 0.01) + noise,
                            wave(0.011, -0.03) + noise,
                            wave(-0.007, 0.016) + noise,
                            0,
                        ];
                    }
                }
                self.send(tape, at, (0, 0, WIDTH, HEIGHT))?;
                Ok(Duration::from_millis(100))
            }
            // The clock of the task bar.
            _ => {
                let sign = self.sign();
                self.put(sign, 170, 40, [0, 0, 0, 0]);
                let part = (170 * CELL.0, 40 * CELL.1, CELL.0, CELL.1);
                self.send(tape, at, part)?;
                Ok(Duration::from_secs(60))
            }
        }
    }

    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn sign(&mut self) -> char {
        char::from(b'a' + (self.next() % 26) as u8)
    }

    /// A line of a program, in some colour.
    fn line(&mut self, line: usize, number: usize) {
        let colours = [
            [0, 0, 0, 0],
            [160, 0, 0, 0],
            [0, 110, 0, 0],
            [20, 20, 170, 0],
        ];
        let length = 30 + (self.next() % 100) as usize;
        let row = &mut self.pixels[line * CELL.1 * WIDTH..(line + 1) * CELL.1 * WIDTH];
        row.fill([255, 255, 255, 0]);
        for column in 0..length {
            let sign = self.sign();
            if !self.next().is_multiple_of(6) {
                self.put(sign, column, line, colours[number % 4]);
            }
        }
    }

    fn put(&mut self, sign: char, column: usize, line: usize, colour: [u8; 4]) {
        let Some(raster) = get_raster(sign, FontWeight::Regular, RasterHeight::Size16) else {
            return;
        };
        for (y, row) in raster.raster().iter().enumerate() {
            for (x, ink) in row.iter().enumerate() {
                let at = (line * CELL.1 + y) * WIDTH + column * CELL.0 + x;
                let mixed = |colour: u8| {
                    (u32::from(colour) * u32::from(*ink) + 255 * (255 - u32::from(*ink))) / 255
                };
                self.pixels[at] = colour.map(|part| mixed(part) as u8);
            }
        }
    }

    /// Sends a part of the picture, in tiles.
    fn send(
        &self,
        tape: &mut TapeWriter,
        at: Duration,
        (x, y, width, height): (usize, usize, usize, usize),
    ) -> Result<(), Failure> {
        for top in (y..y + height).step_by(TILE) {
            for left in (x..x + width).step_by(TILE) {
                let size = (TILE.min(x + width - left), TILE.min(y + height - top));
                let mut data = Vec::new();
                // Rows from below.
                for row in (top..top + size.1).rev() {
                    let start = row * WIDTH + left;
                    data.extend(self.pixels[start..start + size.0].as_flattened());
                }
                let pdu = tile((left, top), size, &data);
                tape.append_at(at, &[Record::FromTarget { pdus: &pdu }])?;
            }
        }
        Ok(())
    }
}

/// A raw tile of 32 bits (MS-RDPBCGR 2.2.9.1.2.1.2).
fn tile((left, top): (usize, usize), (width, height): (usize, usize), data: &[u8]) -> Vec<u8> {
    let (right, bottom) = (left + width - 1, top + height - 1);
    let mut body = Vec::new();
    for field in [
        1,
        1,
        left,
        top,
        right,
        bottom,
        width,
        height,
        32,
        0,
        data.len(),
    ] {
        body.extend((field as u16).to_le_bytes());
    }
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

/// Counts what is written.
struct Counted(File, u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1 += bytes.len() as u64;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Seconds this process computed so far: others may be at work on the machine as well.
fn computed() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The most this process held in memory, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
