//! Measures the screen: `cargo run -p sallyport-recorder --example screen`.

use std::time::Instant;

use sallyport_recorder::Screen;

fn main() {
    let plain: Vec<u8> = (0..400_000u32)
        .flat_map(|n| format!("{n} the quick brown fox jumps over the lazy dog\r\n").into_bytes())
        .collect();
    let colour: Vec<u8> = (0..400_000u32)
        .flat_map(|n| {
            format!("\x1b[{};1H\x1b[3{}m{n}\x1b[m\x1b[K word", n % 24 + 1, n % 8).into_bytes()
        })
        .collect();
    let mut seed = 1u64;
    let random: Vec<u8> = (0..16 << 20)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        })
        .collect();
    for (name, data) in [("lines", plain), ("colour", colour), ("random", random)] {
        let mut screen = Screen::new(80, 24);
        let start = Instant::now();
        data.chunks(32 << 10).for_each(|chunk| screen.feed(chunk));
        let fed = start.elapsed();
        let start = Instant::now();
        let paint = screen.repaint().len();
        println!(
            "{name:>7}: {:.0} MB/s; repaint {paint} bytes in {:?}",
            data.len() as f64 / fed.as_secs_f64() / 1e6,
            start.elapsed(),
        );
    }
}
