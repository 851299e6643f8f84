//! What is painted on the target's screen, by a program of its own there: `bench paint keys|noise`.
//!
//! Where it paints is known to both sides: the eye at the client looks at [`SPOT`] only.

use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    ChangeGCAux, ConnectionExt, CreateGCAux, CreateWindowAux, EventMask, Gcontext, ImageFormat,
    Rectangle, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;

/// The pixel that tells that a key was heard, or which picture of the noise is shown.
pub const SPOT: (i16, i16) = (240, 480);
/// As many pictures a second as a film has at most: what is more, no target sends.
const PICTURES: u32 = 60;
/// Noise: its place and size; what it leaves free shows that there is a desktop.
const NOISE: (i16, i16, u16, u16) = (12, 34, 1000, 700);
/// What hears the keys: its place and size.
const PAD: (i16, i16, u16, u16) = (40, 400, 320, 240);
/// About as much as a letter covers.
const LETTER: (u16, u16) = (12, 24);
/// Side of the square that tells which picture of the noise is shown.
const MARK: usize = 64;
/// One color after the other, each far from the one before, whatever a codec does to them.
const COLORS: [u32; 4] = [0xff_ffff, 0, 0xff_00ff, 0x00_ff00];

/// A window that nothing manages, above all others.
struct Canvas {
    x11: RustConnection,
    window: Window,
    context: Gcontext,
    depth: u8,
    place: (i16, i16),
}

impl Canvas {
    fn open((x, y, width, height): (i16, i16, u16, u16)) -> Self {
        let (x11, screen) = x11rb::connect(None).expect("a display");
        let root = &x11.setup().roots[screen];
        let (depth, parent, visual) = (root.root_depth, root.root, root.root_visual);
        let window = x11.generate_id().expect("an id");
        let context = x11.generate_id().expect("an id");
        let looks = CreateWindowAux::new()
            .override_redirect(1)
            .background_pixel(COLORS[1])
            .event_mask(EventMask::KEY_PRESS);
        x11.create_window(
            depth,
            window,
            parent,
            x,
            y,
            width,
            height,
            0,
            WindowClass::INPUT_OUTPUT,
            visual,
            &looks,
        )
        .expect("a window");
        x11.create_gc(context, window, &CreateGCAux::new())
            .expect("a graphics context");
        x11.map_window(window).expect("it is shown");
        x11.flush().expect("the display is there");
        Self {
            x11,
            window,
            context,
            depth,
            place: (x, y),
        }
    }

    /// Fills a letter's place around [`SPOT`] with the n-th color.
    fn letter(&self, n: usize) {
        let (width, height) = LETTER;
        let foreground = ChangeGCAux::new().foreground(COLORS[n % COLORS.len()]);
        let half = |side: u16| i16::try_from(side / 2).expect("it is small");
        let letter = Rectangle {
            x: SPOT.0 - self.place.0 - half(width),
            y: SPOT.1 - self.place.1 - half(height),
            width,
            height,
        };
        self.x11
            .change_gc(self.context, &foreground)
            .expect("it takes a color");
        self.x11
            .poly_fill_rectangle(self.window, self.context, &[letter])
            .expect("it is painted");
    }

    /// Waits until all of it is done.
    fn sync(&self) {
        let answer = self.x11.get_input_focus().expect("the display is there");
        answer.reply().expect("the display answers");
    }
}

/// Paints until it is killed.
pub fn paint(what: &str) {
    match what {
        "keys" => keys(),
        "noise" => noise(),
        other => panic!("cannot paint {other:?}: keys or noise"),
    }
}

/// Every key changes as much as a letter.
fn keys() {
    let canvas = Canvas::open(PAD);
    let mut count = 0;
    while let Ok(event) = canvas.x11.wait_for_event() {
        if let Event::KeyPress(_) = event {
            canvas.letter(count);
            canvas.x11.flush().expect("the display is there");
            count += 1;
        }
    }
}

/// Picture after picture of which nothing was there before, as fast as the display takes them.
fn noise() {
    let canvas = Canvas::open(NOISE);
    let (.., width, height) = NOISE;
    let mut pixels = vec![0; usize::from(width) * usize::from(height) * 4];
    let mut dice = 0x9e37_79b9_7f4a_7c15;
    let (start, mut count) = (Instant::now(), 0);
    loop {
        for pixel in pixels.chunks_exact_mut(8) {
            pixel.copy_from_slice(&throw(&mut dice).to_le_bytes());
        }
        mark_noise(&mut pixels, COLORS[count % COLORS.len()]);
        let put = canvas.x11.put_image(
            ImageFormat::Z_PIXMAP,
            canvas.window,
            canvas.context,
            width,
            height,
            0,
            0,
            0,
            canvas.depth,
            &pixels,
        );
        put.expect("it is painted");
        canvas.sync();
        count += 1;
        let due = Duration::from_secs(count as u64) / PICTURES;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
}

/// The square around [`SPOT`]: in the same piece as the noise, or a target could send one without the other.
fn mark_noise(pixels: &mut [u8], color: u32) {
    let (left, top, width, _) = NOISE;
    let begin =
        |spot: i16, edge: i16| usize::try_from(spot - edge).expect("it is inside") - MARK / 2;
    let (x, y, stride) = (begin(SPOT.0, left), begin(SPOT.1, top), usize::from(width));
    for row in y..y + MARK {
        let line = &mut pixels[(row * stride + x) * 4..][..MARK * 4];
        for pixel in line.chunks_exact_mut(4) {
            pixel.copy_from_slice(&color.to_le_bytes());
        }
    }
}

/// Quick dice (xorshift): they need not be good, only never the same.
fn throw(dice: &mut u64) -> u64 {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    *dice
}
