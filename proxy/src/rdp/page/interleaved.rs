//! Interleaved run-length encoding of bitmaps, MS-RDPBCGR 2.2.9.1.1.3.1.2.4: with color runs and color images alone, which
//! every decoder has and whose result depends on no other row.

/// An order's code with the length in its lower five bits, and the code with a length of two bytes behind it.
struct Order {
    regular: u8,
    mega_mega: u8,
}

const COLOR_RUN: Order = Order {
    regular: 0x60,
    mega_mega: 0xf3,
};
const COLOR_IMAGE: Order = Order {
    regular: 0x80,
    mega_mega: 0xf4,
};

/// Pixels of one color in a row that are worth an order of their own.
const SHORTEST_RUN: usize = 3;
/// Pixels that one order can hold.
const LONGEST: usize = 0xffff;

/// Encodes pixels in the order in which they are given (rows from the bottom); `bytes` of each are written, lowest first.
pub(super) fn encode(pixels: &[u32], bytes: usize) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(pixels.len() * bytes / 2);
    let mut image = 0;
    let mut at = 0;
    while let Some(&color) = pixels.get(at) {
        let rest = pixels.get(at..).unwrap_or(&[]);
        let run = rest
            .iter()
            .take(LONGEST)
            .take_while(|&&next| next == color)
            .count();
        if run >= SHORTEST_RUN {
            color_image(&mut encoded, pixels.get(image..at).unwrap_or(&[]), bytes);
            header(&mut encoded, &COLOR_RUN, run);
            pixel(&mut encoded, color, bytes);
            image = at + run;
        }
        at += run;
    }
    color_image(&mut encoded, pixels.get(image..).unwrap_or(&[]), bytes);
    encoded
}

fn color_image(encoded: &mut Vec<u8>, pixels: &[u32], bytes: usize) {
    for piece in pixels.chunks(LONGEST) {
        header(encoded, &COLOR_IMAGE, piece.len());
        for &color in piece {
            pixel(encoded, color, bytes);
        }
    }
}

/// The code and the length of an order: in the code, one byte from 32 on, or two.
fn header(encoded: &mut Vec<u8>, order: &Order, length: usize) {
    match (
        u8::try_from(length),
        length.checked_sub(32).map(u8::try_from),
    ) {
        (Ok(length @ 1..=31), _) => encoded.push(order.regular | length),
        (_, Some(Ok(beyond))) => encoded.extend([order.regular, beyond]),
        _ => {
            let [low, high, ..] = length.to_le_bytes();
            encoded.extend([order.mega_mega, low, high]);
        }
    }
}

fn pixel(encoded: &mut Vec<u8>, color: u32, bytes: usize) {
    encoded.extend(color.to_le_bytes().iter().take(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironrdp_graphics::rle;
    use proptest::prelude::*;

    fn check(pixels: &[u32], width: usize, bits: usize) {
        let bytes = bits.div_ceil(8);
        let encoded = encode(pixels, bytes);
        assert!(
            encoded.len() <= pixels.len() * bytes + 3 * pixels.len().div_ceil(LONGEST),
            "never much bigger"
        );
        let mut decoded = Vec::new();
        rle::decompress(&encoded, &mut decoded, width, pixels.len() / width, bits).unwrap();
        let expected: Vec<u8> = pixels
            .iter()
            .flat_map(|color| color.to_le_bytes().into_iter().take(bytes))
            .collect();
        assert!(decoded == expected, "{} pixels at {bits}", pixels.len());
    }

    #[test]
    fn runs_of_every_length_come_back() {
        for (length, width) in [
            (1, 1),
            (2, 1),
            (3, 1),
            (31, 31),
            (32, 4),
            (33, 1),
            (63, 1),
            (287, 1),
            (288, 4),
            (289, 1),
            (4096, 64),
            (0xffff, 4369),
            (0x10000, 4096),
        ] {
            for bits in [15, 16, 24] {
                check(&vec![0x1234; length], width, bits);
                let different: Vec<u32> = (0..0x7fff).cycle().take(length).collect();
                check(&different, width, bits);
            }
        }
    }

    #[test]
    fn an_empty_screen_is_tiny() {
        assert_eq!(encode(&[7; 4096], 2), [0xf3, 0x00, 0x10, 7, 0]);
        assert!(encode(&[], 2).is_empty());
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_comes_back(
            runs in proptest::collection::vec((0_u32..5, 1_usize..40), 1..60),
            bits in prop::sample::select(vec![15_usize, 16, 24]),
        ) {
            let mut pixels: Vec<u32> = runs.iter().flat_map(|&(color, count)| vec![color * 777; count]).collect();
            pixels.truncate(pixels.len() / 4 * 4);
            if !pixels.is_empty() {
                check(&pixels, 4, bits);
            }
        }
    }
}
