//! A terminal's output: the screen is the same however the output is cut, and a repaint brings any
//! other screen to the same.

use sallyport_recorder::Screen;

use crate::input::{Input, pieces};
use crate::{allocated, panics};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    // Terminals are larger; small ones are faster and wrap more.
    let mut size = || u16::from(input.byte() % 64);
    let (cols, rows) = (size(), size());
    let (later_cols, later_rows) = (size(), size());
    let how = input.byte();
    let before = input.chunk();
    let after = input.rest();
    panics::caught();
    let draw = |how: u8| {
        let mut screen = Screen::new(cols, rows);
        pieces(before, how)
            .into_iter()
            .for_each(|piece| screen.feed(piece));
        if later_cols != 0 {
            screen.resize(later_cols, later_rows);
        }
        pieces(after, how)
            .into_iter()
            .for_each(|piece| screen.feed(piece));
        screen
    };
    let (mut whole, mut cut) = allocated::at_most(64 << 20, || (draw(0), draw(how)));
    let painted = whole.repaint();
    if panics::caught() {
        // The model failed and its screen started anew: where depends on the cut.
        return;
    }
    assert_eq!(whole.text(), cut.text(), "cut by {how}");
    assert_eq!(painted, cut.repaint(), "cut by {how}");
    let (cols, rows) = whole.size();
    let mut other = Screen::new(cols, rows);
    other.feed(b"\x1b[?1049hleft over\x1b[5;7r\x1b[?6h\x1b(0");
    other.feed(&painted);
    if !panics::caught() {
        assert_eq!(other.text(), whole.text(), "repainted");
        assert_eq!(other.alternate(), whole.alternate(), "repainted");
    }
}
