use proptest::prelude::*;

use super::*;
use crate::fixture::{ms, tape, write_some};
use crate::{Record, TapeTail};

/// A terminal that was in some other state before.
fn used_terminal(cols: u16, rows: u16) -> Screen {
    let mut screen = Screen::new(cols, rows);
    screen.feed(
        b"old\x1b[?1049h\x1b[3;4rgarbage\x1b[31;7m\x1b[?25l\x1b[?1000h\x1b(0\x1b[4h\x1b[?6h\x1b=",
    );
    screen
}

/// All that can be seen of a screen.
fn seen(screen: &mut Screen) -> (Vec<u8>, bool, (u16, u16), Option<String>) {
    (
        screen.parser.screen().state_formatted(),
        screen.alternate(),
        screen.parser.screen().cursor_position(),
        screen.title().map(str::to_owned),
    )
}

fn fed(data: &[u8]) -> Screen {
    let mut screen = Screen::new(20, 6);
    screen.feed(data);
    screen
}

const SAMPLES: &[&[u8]] = &[
    b"",
    b"$ ls\r\na  b  c\r\n$ ",
    "gr\u{fc}\u{df}e \u{6f22}\u{5b57} \x1b[1;32mgreen\x1b[m\r\n".as_bytes(),
    b"\x1b]0;root@db1\x07prompt\x1b[?2004h",
    b"shell\r\n$ vi\x1b[?1049h\x1b[H\x1b[2J~\r\n~\x1b[?1h\x1b=\x1b[6;1H-- INSERT --\x1b[2;3H",
    b"12345678901234567890",
    b"\x1b[2;5r\x1b[3;7Hx",
    b"\x1b[2;5r\x1b[?6h\x1b[2;7Hx",
    b"\x1b[?25l\x1b[?1002h\x1b[?1006h\x1b[5 qx\x1b[7m",
    b"\x1b(0lqk\x1b(B\r\n\x0etext\x0f",
    b"\x1b[3;3Hone\x1b[s\x1b[1;1Htwo\x1b[uthree\x1b[5;2fx",
    b"-\x1b[5b\x1bD\x1bEz\x1b[!p",
];

#[test]
fn a_repaint_brings_any_terminal_into_the_same_state() {
    for sample in SAMPLES {
        let mut screen = fed(sample);
        let paint = screen.repaint();
        for mut other in [Screen::new(20, 6), used_terminal(20, 6)] {
            other.feed(&paint);
            let name = String::from_utf8_lossy(sample);
            assert_eq!(seen(&mut other).1, seen(&mut screen).1, "{name}");
            assert_eq!(other.text(), screen.text(), "{name}");
            assert_eq!(seen(&mut other), seen(&mut screen), "{name}");
            // What follows has the same effect on both.
            for next in [&b"more\r\n\n\n\ntext\x1b[1;1Hq"[..], b"\x1b[?1049lback"] {
                other.feed(next);
                let mut expected = fed(sample);
                expected.feed(next);
                assert_eq!(seen(&mut other), seen(&mut expected), "{name} then more");
                screen = fed(sample);
                other.feed(&screen.repaint());
            }
        }
    }
}

#[test]
fn output_may_be_cut_anywhere_around_a_repaint() {
    let all = SAMPLES.concat();
    for cut in 0..=all.len() {
        let mut watched = fed(&all[..cut]);
        let mut viewer = used_terminal(20, 6);
        viewer.feed(&watched.repaint());
        watched.feed(&all[cut..]);
        viewer.feed(&all[cut..]);
        assert_eq!(viewer.text(), watched.text(), "cut at {cut}");
    }
}

#[test]
fn what_is_repeated_does_not_depend_on_the_cut() {
    for output in [
        &b"a(\x07\x1b[3b"[..],
        b"a\xff\x01\x1b[2b",
        "\u{20ac}\r\n\x1b[2b".as_bytes(),
    ] {
        let mut cut = Screen::new(20, 6);
        output.chunks(1).for_each(|byte| cut.feed(byte));
        assert_eq!(fed(output).text(), cut.text(), "{output:?}");
    }
    assert_eq!(fed(b"a(\x07\x1b[3b").text(), "a((((");
}

#[test]
fn line_drawing_is_drawn_as_lines() {
    assert_eq!(fed(b"\x1b(0lqqk\x1b(B lqk").text(), "┌──┐ lqk");
    assert_eq!(fed(b"\x1b)0q\x0eq\x0fq").text(), "q─q");
}

#[test]
fn sequences_the_model_lacks() {
    let cases: [(&[u8], &str); 7] = [
        (b"ab\x1b[3b", "abbbb"),
        (b"x\x1b[1;3fy", "x y"),
        (b"a\x1bDb", "a\n b"),
        (b"a\x1bEb", "a\nb"),
        (b"\x1b[sab\x1b[uc", "cb"),
        (b"0123456789\x1b[Zx", "01234567x9"),
        (b"main\x1b[?1047hother\x1b[?1047l", "main"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(
            fed(bytes).text(),
            expected,
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn numbers_out_of_all_proportion_cost_nothing() {
    let start = std::time::Instant::now();
    let mut screen = Screen::new(80, 24);
    for last in [
        "@", "L", "T", "M", "P", "S", "X", "b", "I", "Z", "A", "B", "C", "D", "E", "F", "r",
    ] {
        for _ in 0..200 {
            screen.feed(format!("a\x1b[65535{last}").as_bytes());
        }
    }
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn strings_without_end_take_no_memory() {
    for intro in [&b"\x1b]2;"[..], b"\x1bP", b"\x1b_", b"\x1b["] {
        let mut screen = Screen::new(80, 24);
        screen.feed(intro);
        for _ in 0..100 {
            screen.feed(&[b'1'; 10_000]);
        }
        assert!(screen.scanner.pending().len() <= 4096);
        screen.feed(b"\x18\x1b\\after");
        assert_eq!(screen.text(), "after");
    }
}

#[test]
fn the_lock_page_hides_everything_and_unlock_brings_it_back() {
    for sample in SAMPLES {
        let mut model = fed(sample);
        let mut terminal = fed(sample);
        terminal.feed(&Screen::cover(
            "Session locked",
            "Call the\x1b[31m desk: 4711",
            20,
            6,
        ));
        assert_eq!(
            terminal.text(),
            "\n   Session locked\n\n    Call the[31m\n     desk: 4711"
        );
        assert!(terminal.parser.screen().hide_cursor() && terminal.alternate());
        model.feed(b"went on");
        terminal.feed(&Screen::uncover());
        terminal.feed(&model.repaint());
        assert_eq!(seen(&mut terminal), seen(&mut model));
    }
}

#[test]
fn a_narrower_screen_keeps_no_half_of_a_wide_character() {
    let mut screen = Screen::new(10, 3);
    screen.feed("漢字漢\r\n\x1b[?1049h漢字漢".as_bytes());
    screen.resize(5, 3);
    screen.feed(b"\x1b[1;5HX");
    assert_eq!(screen.text(), "漢字X");
    screen.feed(b"\x1b[?1049l\x1b[1;5HY");
    assert_eq!(screen.text(), "漢字Y");
}

#[test]
fn the_lock_page_fits_every_size() {
    let long = "word ".repeat(500);
    for (cols, rows) in [
        (0, 0),
        (1, 1),
        (2, 2),
        (5, 3),
        (300, 100),
        (u16::MAX, u16::MAX),
    ] {
        let page = Screen::cover(&long, &long, cols, rows);
        let mut screen = Screen::new(cols, rows);
        screen.feed(&page);
        assert!(!screen.text().is_empty());
    }
    assert!(!Screen::cover("", "", 80, 24).is_empty());
}

#[test]
fn a_screen_from_a_tape_is_that_of_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let out = |channel, data| Record::Output {
        channel,
        stderr: false,
        data,
    };
    let path = tape(
        dir.path(),
        &[
            (
                0,
                Record::ChannelOpened {
                    channel: 2,
                    what: "shell",
                    pty: Some(("xterm", 30, 5)),
                },
            ),
            (10, out(2, b"one\r\n")),
            (15, out(9, b"elsewhere\r\n")),
            (
                20,
                Record::Resize {
                    channel: 2,
                    cols: 40,
                    rows: 6,
                },
            ),
            (30, out(2, b"two\r\n")),
        ],
    );
    let at = |millis| Screen::of_tape(&path, 2, Some(ms(millis))).unwrap();
    assert_eq!((at(12).text().as_str(), at(12).size()), ("one", (30, 5)));
    assert_eq!((at(20).text().as_str(), at(20).size()), ("one", (40, 6)));
    assert_eq!(Screen::of_tape(&path, 2, None).unwrap().text(), "one\ntwo");
    assert_eq!(Screen::of_tape(&path, 5, None).unwrap().size(), (80, 24));
}

#[test]
fn of_much_output_only_the_end_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = write_some(dir.path(), 0);
    let path = writer.path().to_owned();
    let pty = Some(("xterm", 80, 5));
    writer
        .append(&[Record::ChannelOpened {
            channel: 0,
            what: "shell",
            pty,
        }])
        .unwrap();
    let mut append = |data: &[u8]| {
        writer
            .append(&[Record::Output {
                channel: 0,
                stderr: false,
                data,
            }])
            .unwrap();
    };
    append(b"\x1b]2;title\x07\x1b[?2004h\x1b[?25l");
    let mut n = 0u64;
    for _ in 0..400 {
        let mut chunk = String::new();
        for _ in 0..1000 {
            n += 1;
            chunk.push_str(&format!("{n:>60}\r\n"));
        }
        append(chunk.as_bytes());
    }
    append(b"end");
    let screen = Screen::of_tape(&path, 0, None).unwrap();
    let lines: Vec<_> = screen.text().lines().map(|l| l.trim().to_owned()).collect();
    assert_eq!(lines, ["399997", "399998", "399999", "400000", "end"]);
    assert_eq!(screen.title(), Some("title"));
    assert!(screen.parser.screen().bracketed_paste() && screen.parser.screen().hide_cursor());
}

#[test]
fn a_live_screen_and_the_tail_join_without_a_seam() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = write_some(dir.path(), 2);
    let mut tail = TapeTail::open(writer.path()).unwrap();
    assert!(Screen::of_live(&mut tail, None).unwrap().is_none());
    let pty = Some(("xterm", 20, 6));
    let out = |data| Record::Output {
        channel: 7,
        stderr: false,
        data,
    };
    writer
        .append(&[
            Record::ChannelOpened {
                channel: 7,
                what: "shell",
                pty,
            },
            out(b"$ l\x1b["),
        ])
        .unwrap();
    let mut tail = TapeTail::open(writer.path()).unwrap();
    let mut live = Screen::of_live(&mut tail, None).unwrap().unwrap();
    assert_eq!((live.channel, live.screen.size()), (7, (20, 6)));
    let mut viewer = Screen::new(20, 6);
    viewer.feed(&live.screen.repaint());
    writer.append(&[out(b"1ms")]).unwrap();
    for timed in tail.poll(usize::MAX).unwrap() {
        if let crate::Entry::Output { data, .. } = timed.entry {
            viewer.feed(&data);
        }
    }
    assert_eq!(viewer.text(), "$ ls");
    assert!(viewer.parser.screen().bold());
}

/// Output such as a hostile or broken program may print.
fn any_output() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[a-z漢é\u{301}🙂 ]{1,12}".prop_map(String::into_bytes),
        prop::sample::select(vec![
            "\r", "\n", "\t", "\x08", "\x1b7", "\x1b8", "\x1bM", "\x1bD", "\x1bc", "\x0e", "\x0f"
        ])
        .prop_map(|s| s.as_bytes().to_vec()),
        (
            prop::collection::vec(prop_oneof![0u16..30, any::<u16>()], 0..3),
            "[@A-Za-z`]"
        )
            .prop_map(|(n, last)| {
                let n: Vec<_> = n.iter().map(u16::to_string).collect();
                format!("\x1b[{}{last}", n.join(";")).into_bytes()
            }),
        (
            prop::sample::select(vec![1u16, 6, 7, 25, 47, 1047, 1048, 1049, 2004, 1000]),
            "[hl]"
        )
            .prop_map(|(n, last)| format!("\x1b[?{n}{last}").into_bytes()),
        prop::collection::vec(any::<u8>(), 1..20),
    ];
    prop::collection::vec(piece, 1..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_at_any_cut_and_size(
        data in any_output(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0u16..40, 0u16..12), 0..4),
    ) {
        let mut screen = Screen::new(12, 5);
        let mut at = 0;
        for (cut, cols, rows) in cuts {
            let end = at + cut.index(data.len() - at + 1);
            screen.feed(&data[at..end]);
            screen.resize(cols, rows);
            at = end;
        }
        screen.feed(&data[at..]);
        let (cols, rows) = screen.size();
        let paint = screen.repaint();
        let mut other = Screen::new(cols, rows);
        other.feed(&paint);
        prop_assert_eq!(other.size(), screen.size());
    }
}
