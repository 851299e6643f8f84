use std::path::PathBuf;

use sallyport_domain::event::Event;
use serde_json::Value;

use super::*;
use crate::fixture::{ms, tape};
use crate::{DesktopBegun, Record, Stream};

fn sample(dir: &Path) -> PathBuf {
    let out = |data| Record::Output {
        channel: 2,
        stderr: false,
        data,
    };
    let locked = Event::Unlocked { by: "carol".into() };
    tape(
        dir,
        &[
            (0, Record::Marker(&locked)),
            (
                5,
                Record::ChannelOpened {
                    channel: 1,
                    what: "subsystem sftp",
                    pty: None,
                },
            ),
            (
                6,
                Record::Output {
                    channel: 1,
                    stderr: false,
                    data: b"\x01\x02",
                },
            ),
            (
                10,
                Record::ChannelOpened {
                    channel: 2,
                    what: "shell",
                    pty: Some(("xterm-256color", 80, 24)),
                },
            ),
            (20, out(b"$ ")),
            (
                1000,
                Record::InputMasked {
                    channel: 2,
                    bytes: 3,
                },
            ),
            (
                1001,
                Record::InputRevealed {
                    channel: 2,
                    data: b"ls\r",
                },
            ),
            (1002, out(b"lx\x08s\r\n\xc3")),
            (1003, out(b"\xa4.txt \xff\r\n")),
            (
                2000,
                Record::Resize {
                    channel: 2,
                    cols: 100,
                    rows: 30,
                },
            ),
            (
                2500,
                Record::InputMasked {
                    channel: 2,
                    bytes: 8,
                },
            ),
            (
                2600,
                Record::InputKeptMasked {
                    channel: 2,
                    bytes: 8,
                },
            ),
            (
                60_000,
                out(b"\x1b[?1049h\x1b[2J~\r\n~\x1b[?1049l$ exit\r\n\xe6\xbc"),
            ),
            (
                60_100,
                Record::Exit {
                    channel: 2,
                    status: Some(3),
                    signal: None,
                },
            ),
            (
                60_200,
                Record::BulkDigest {
                    channel: 1,
                    stream: Stream::Out,
                    bytes: 7,
                    sha256: [1; 32],
                },
            ),
            (60_300, Record::ChannelClosed { channel: 2 }),
        ],
    )
}

fn cast(path: &Path, channel: Option<u32>) -> Vec<Value> {
    let mut out = Vec::new();
    asciicast(path, channel, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn asciicast_v2() {
    let dir = tempfile::tempdir().unwrap();
    let lines = cast(&sample(dir.path()), None);
    assert_eq!(lines[0]["version"], 2);
    assert_eq!(
        (&lines[0]["width"], &lines[0]["height"]),
        (&80.into(), &24.into())
    );
    assert_eq!(lines[0]["env"]["TERM"], "xterm-256color");
    assert_eq!(lines[0]["timestamp"], 1_741_564_798);
    let expected = serde_json::json!([
        [0.0, "m", "unlocked by carol"],
        [0.02, "o", "$ "],
        [1.001, "i", "ls\r"],
        [1.002, "o", "lx\u{8}s\r\n"],
        [1.003, "o", "ä.txt \u{fffd}\r\n"],
        [2.0, "r", "100x30"],
        [
            60.0,
            "o",
            "\u{1b}[?1049h\u{1b}[2J~\r\n~\u{1b}[?1049l$ exit\r\n"
        ],
        [60.3, "o", "\u{fffd}"],
    ]);
    assert_eq!(Value::Array(lines[1..].to_vec()), expected);
}

#[test]
fn only_terminals_can_be_played() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path());
    assert_eq!(terminals(&path).unwrap().len(), 1);
    assert_eq!(cast(&path, Some(2)).len(), 9);
    let error = asciicast(&path, Some(1), &mut Vec::new())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no terminal channel 1"), "{error}");
    assert!(matches!(
        Replay::open(&path, Some(7), Pace::default()).err(),
        Some(ExportError::NoTerminal { channel: Some(7) })
    ));
}

#[test]
fn a_desktop_is_no_terminal_and_its_events_are_text() {
    let dir = tempfile::tempdir().unwrap();
    let locked = Event::Unlocked { by: "carol".into() };
    let records = [
        (0, Record::Marker(&locked)),
        (1, Record::DesktopBegun(&DesktopBegun::default())),
        (2, Record::FromTarget { pdus: b"\x00\x02" }),
        (3, Record::FromClient { pdus: b"\x00\x02" }),
        (4, Record::Covered { shown: true }),
    ];
    let path = tape(dir.path(), &records);
    let cast = asciicast(&path, None, &mut Vec::new());
    assert!(matches!(cast, Err(ExportError::Desktop)));
    let replay = Replay::open(&path, None, Pace::default()).err();
    assert!(matches!(replay, Some(ExportError::Desktop)));
    let mut out = Vec::new();
    text(&path, &mut out).unwrap();
    let log = String::from_utf8(out).unwrap();
    assert!(log.contains("unlocked by carol"), "{log}");
    assert!(!log.contains('\u{2}'), "{log}");
    let terminal = sample(dir.path());
    assert!(matches!(
        picture_at(&terminal, ms(1000)),
        Err(crate::track::TrackError::NotADesktop)
    ));
}

#[test]
fn a_readable_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    text(&sample(dir.path()), &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains("User:       alice\n")
            && out.contains("Started:    2025-03-09T23:59:58.000Z\n")
    );
    let (_, log) = out.split_once("\n\n").unwrap();
    let expected = "\
00:00:00.000     * unlocked by carol
00:00:00.005   1 * subsystem sftp
00:00:00.010   2 * shell (xterm-256color, 80x24)
00:00:01.001   2 < ls
00:00:01.002   2 | $ ls
00:00:01.003   2 | ä.txt \u{fffd}
00:00:02.000   2 * terminal is 100x30 now
00:00:02.600   2 < (8 masked)
00:01:00.000   2 | (full-screen program)
00:01:00.000   2 | $ exit
00:01:00.100   2 * exit status 3
00:01:00.200   1 * 7 bytes out, SHA-256 0101010101010101010101010101010101010101010101010101010101010101
00:01:00.300   2 * closed
00:01:00.300   1 * 2 bytes that are no text
00:01:00.300     * end of the tape
";
    assert_eq!(log, expected);
}

#[test]
fn a_log_cannot_steer_the_terminal_that_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = tape(
        dir.path(),
        &[
            (
                0,
                Record::ChannelOpened {
                    channel: 0,
                    what: "exec \x1b]0;x\x07ls\n",
                    pty: None,
                },
            ),
            (
                1,
                Record::Output {
                    channel: 0,
                    stderr: true,
                    data: b"\x1b[31mred\x1b[m \x9b\xc2\x9b1m\x1b]2;t\x07\r\n",
                },
            ),
            (
                2,
                Record::InputRevealed {
                    channel: 0,
                    data: b"\x1b[A\x7f\r",
                },
            ),
        ],
    );
    let mut out = Vec::new();
    text(&path, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out:?}");
    assert!(out.contains("! red") && out.contains("< ^[[A^?"), "{out}");
}

fn steps(replay: &mut Replay) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(step) = replay.next().unwrap() {
        steps.push(step);
    }
    steps
}

#[test]
fn a_replay_keeps_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path());
    let mut replay = Replay::open(&path, None, Pace::default()).unwrap();
    assert_eq!(replay.duration(), ms(60_300));
    let all = steps(&mut replay);
    assert_eq!(
        all.iter().map(|step| step.wait).sum::<Duration>(),
        ms(60_000)
    );
    assert_eq!(all[0].what, StepKind::Marker("unlocked by carol".into()));
    assert_eq!(all[1].what, StepKind::Resize(80, 24));
    let pace = Pace {
        speed: 2.0,
        idle_limit: Some(ms(500)),
    };
    let fast = steps(&mut Replay::open(&path, None, pace).unwrap());
    assert_eq!(fast.len(), all.len());
    let longest = fast.iter().map(|step| step.wait).max();
    assert_eq!(longest, Some(ms(250)));
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let pace = Pace {
            speed,
            idle_limit: None,
        };
        assert_eq!(
            steps(&mut Replay::open(&path, None, pace).unwrap()).len(),
            all.len()
        );
    }
}

#[test]
fn seeking_paints_the_screen_of_that_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = sample(dir.path());
    let mut replay = Replay::open(&path, None, Pace::default()).unwrap();
    let screen = |paint: &[u8]| {
        let mut screen = crate::Screen::new(100, 30);
        screen.feed(paint);
        screen.text()
    };
    let cases = [
        (30_000, "$ ls\nä.txt"),
        (500, "$"),
        (0, ""),
        (99_999_999, "$ ls\nä.txt\n$ exit"),
    ];
    for (to, expected) in cases {
        let paint = replay.seek(ms(to)).unwrap();
        assert_eq!(screen(&paint).trim_end(), expected, "at {to}");
    }
    replay.seek(ms(59_000)).unwrap();
    let next = replay.next().unwrap().unwrap();
    assert_eq!((next.at, next.wait), (ms(60_000), ms(1000)));
}
