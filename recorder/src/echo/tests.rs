use proptest::prelude::*;

use super::*;

/// A step of a conversation: the user types, the target prints, time passes.
#[derive(Clone, Copy)]
enum Step<'a> {
    Type(&'a [u8]),
    Show(&'a [u8]),
    /// Milliseconds.
    Wait(u64),
}
use Step::{Show, Type, Wait};

/// The verdicts, written as text: revealed bytes as they are, masked ones as dots.
fn run(steps: &[Step<'_>]) -> String {
    let mut tracker = EchoTracker::new();
    let mut now = Duration::from_secs(10);
    let mut verdicts = Vec::new();
    let mut typed = 0;
    for step in steps {
        match step {
            Type(data) => {
                typed += data.len();
                tracker.typed(now, data);
            }
            Show(data) => verdicts.extend(tracker.shown(now, data)),
            Wait(millis) => {
                now += Duration::from_millis(*millis);
                if tracker.flush_at().is_some_and(|at| at <= now) {
                    verdicts.extend(tracker.flush());
                }
            }
        }
        now += Duration::from_millis(20);
    }
    verdicts.extend(tracker.flush());
    assert_eq!(tracker.withheld(), 0);
    let mut text = Vec::new();
    for verdict in verdicts {
        match verdict {
            Verdict::Reveal(bytes) => text.extend(bytes),
            Verdict::KeepMasked(n) => text.extend(vec![b'.'; n as usize]),
        }
    }
    assert_eq!(text.len(), typed, "every byte gets one verdict");
    String::from_utf8_lossy(&text).into_owned()
}

fn check(name: &str, steps: &[Step<'_>], expected: &str) {
    assert_eq!(run(steps), expected, "{name}");
}

/// Each character typed, then echoed as it is.
fn echoed(text: &str) -> Vec<Step<'_>> {
    let chars = text.char_indices();
    chars
        .flat_map(|(at, c)| {
            let bytes = &text.as_bytes()[at..at + c.len_utf8()];
            [Type(bytes), Show(bytes)]
        })
        .collect()
}

fn typed_only(text: &str) -> Vec<Step<'_>> {
    text.as_bytes().chunks(1).map(Type).collect()
}

const PROMPT: Step<'_> = Show(b"\x1b[?2004h\x1b]0;root@db1: ~\x07root@db1:~# ");
const ENTER: [Step<'_>; 2] = [Type(b"\r"), Show(b"\r\n\x1b[?2004l\r")];

#[test]
fn bash_readline() {
    let steps = [
        &[PROMPT][..],
        &echoed("ls -la"),
        &ENTER,
        &[Show(b"total 0\r\n"), PROMPT],
    ]
    .concat();
    check("typed slowly", &steps, "ls -la\r");

    let steps = [
        PROMPT,
        Type(b"l"),
        Type(b"s"),
        Type(b" "),
        Show(b"ls"),
        Type(b"/"),
        Show(b" /"),
        Type(b"\r"),
        Show(b"\r\n"),
    ];
    check("echo lags behind", &steps, "ls /\r");

    let steps = [PROMPT, Type(b"ls\r"), Show(b"ls\r\n\x1b[?2004l\rfile\r\n")];
    check("a line at once", &steps, "ls\r");

    let steps = [
        &[PROMPT][..],
        &echoed("cd fo"),
        &[Type(b"\t"), Show(b"lder/"), Type(b"\r"), Show(b"\r\n")],
    ]
    .concat();
    check("completed", &steps, "cd fo\t\r");

    let steps = [
        PROMPT,
        Type(b"cd fo\tb"),
        Show(b"cd folder/b"),
        Type(b"\r"),
        Show(b"\r\n"),
    ];
    check("typed on behind the completion", &steps, "cd fo\tb\r");

    let steps = [
        PROMPT,
        Type(b"\x1b[A"),
        Show(b"ls -la"),
        Type(b"\r"),
        Show(b"\r\n"),
    ];
    check("from the history", &steps, "\x1b[A\r");

    let middle = [
        Type(b"\x1b[D"),
        Show(b"\x08"),
        Type(b"x"),
        Show(b"\x1b[1@x"),
        Type(b"y"),
        Show(b"yb\x08"),
    ];
    let steps = [&[PROMPT][..], &echoed("ab"), &middle, &ENTER].concat();
    check("inserted in the middle", &steps, "ab\x1b[Dxy\r");
}

#[test]
fn zsh_and_fish_paint_the_line_anew() {
    let steps = [
        Show(b"\x1b[?2004hhost% \x1b[K"),
        Type(b"l"),
        Show(b"\x1b[4ml\x1b[24m"),
        Type(b"s"),
        Show(b"\x08\x1b[24m\x1b[32ml\x1b[32ms\x1b[39m"),
        Type(b" "),
        Show(b" \x1b[90m-la\x1b[39m\x1b[3D"),
        Type(b"-"),
        Show(b"\x1b[39m-\x1b[90mla\x1b[39m\x08\x08"),
        Type(b"\r"),
        Show(b"\x1b[K\x1b[?2004l\r\r\n"),
    ];
    check("zsh", &steps, "ls -\r");
    let steps = [
        Show(b"\x1b[Kme@db1 ~> "),
        Type(b"l"),
        Show(b"\r\x1b[32mme\x1b[m@db1 ~> \x1b[31ml"),
        Type(b"s"),
        Show(b"\rme@db1 ~> \x1b[34mls"),
        Type(b"\r"),
        Show(b"\r\n"),
    ];
    check("fish", &steps, "ls\r");
}

#[test]
fn cooked_echo() {
    let steps = [
        &echoed("hello")[..],
        &[Type(b"\n"), Show(b"\r\n"), Show(b"hello\r\n")],
    ]
    .concat();
    check("cat", &steps, "hello\n");
    let steps = [
        &echoed("hx")[..],
        &[Type(b"\x7f"), Show(b"\x08 \x08")],
        &echoed("i"),
        &[Type(b"\r"), Show(b"\r\n")],
    ]
    .concat();
    check("backspace", &steps, "hx\x7fi\r");
    let steps = [Type(b"hx\x7fi\r"), Show(b"hx\x08 \x08i\r\n")];
    check("backspace, at once", &steps, "hx\x7fi\r");
    let steps = [
        &echoed("make")[..],
        &[Type(b"\x03"), Show(b"^C\r\n$ ")],
        &echoed("ls"),
        &ENTER,
    ]
    .concat();
    check("^C at the prompt", &steps, "make\x03ls\r");
    let arrows = [
        PROMPT,
        Type(b"\x1b"),
        Type(b"[A"),
        Show(b"ls"),
        Type(b"\x1bO"),
        Type(b"B"),
        Type(b"\r"),
    ];
    check("arrow keys in pieces", &arrows, "\x1b[A\x1bOB\r");
    let steps = [&echoed("gr\u{fc}\u{df}e \u{6f22}\u{1f642}")[..], &ENTER].concat();
    check("UTF-8", &steps, "gr\u{fc}\u{df}e \u{6f22}\u{1f642}\r");
    let steps = [
        Type(b"\xc3"),
        Type(b"\xbc"),
        Show(b"\xc3"),
        Show(b"\xbc"),
        Type(b"\r"),
        Show(b"\r\n"),
    ];
    check("UTF-8 in pieces", &steps, "\u{fc}\r");
    let steps = [
        Type(b"one\rtwo\r"),
        Show(b"one\r\ntwo\r\n"),
        Show(b"one\r\ntwo\r\n"),
    ];
    check("two lines at once", &steps, "one\rtwo\r");
}

#[test]
fn long_pastes() {
    let line = "echo ".to_owned() + &"0123456789 ".repeat(60);
    let mut shown = String::new();
    for (n, c) in line.chars().enumerate() {
        shown.push(c);
        if n % 80 == 70 {
            shown.push_str(" \r");
        }
    }
    let steps = [
        PROMPT,
        Type(line.as_bytes()),
        Show(&shown.as_bytes()[..100]),
        Show(&shown.as_bytes()[100..]),
        Type(b"\r"),
        Show(b"\r\n"),
    ];
    check("one long line", &steps, &(line.clone() + "\r"));
    let paste = format!("\x1b[200~{line}\x1b[201~");
    let echo = format!("\x1b[7m{line}\x1b[27m");
    let steps = [
        PROMPT,
        Type(paste.as_bytes()),
        Show(echo.as_bytes()),
        Type(b"\r"),
        Show(b"\r\n"),
    ];
    check("bracketed", &steps, &(paste.clone() + "\r"));
    let script = "make all\nmake test\nmake install\n";
    let steps = [
        PROMPT,
        Type(script.as_bytes()),
        Show(b"make all\r\ncc x.c\r\n$ make test\r\nok\r\n$ "),
        Show(b"make install\r\n"),
    ];
    check("several lines into a shell", &steps, script);
}

#[test]
fn passwords_stay_masked() {
    let sudo = [
        &[PROMPT][..],
        &echoed("sudo id"),
        &ENTER,
        &[Show(b"[sudo] password for alice: ")],
    ]
    .concat();
    let with = |more: &[Step<'static>]| [&sudo[..], more].concat();
    let secret = typed_only("hunter2!");
    let after = [Type(b"\r"), Show(b"\r\n"), Show(b"uid=0(root)\r\n"), PROMPT];
    check(
        "sudo",
        &[&sudo[..], &secret, &after].concat(),
        "sudo id\r.........",
    );
    check(
        "pasted",
        &with(&[Type(b"hunter2!\r"), Show(b"\r\n"), PROMPT]),
        "sudo id\r.........",
    );
    check(
        "then a command",
        &[&sudo[..], &secret, &after, &echoed("ls"), &ENTER].concat(),
        "sudo id\r.........ls\r",
    );
    check(
        "with a pause",
        &with(&[Type(b"hun"), Wait(2500), Type(b"ter2!\r"), Show(b"\r\n")]),
        "sudo id\r.........",
    );
    check(
        "never ended",
        &with(&[Type(b"hunter2!"), Wait(5000)]),
        "sudo id\r........",
    );
    check(
        "given up",
        &with(&[
            Type(b"hunter2!\x03"),
            Show(b"\r\nsudo: a password is required\r\n"),
        ]),
        "sudo id\r.........",
    );
    check(
        "corrected",
        &with(&[Type(b"hunx\x7fter2!\r"), Show(b"\r\n")]),
        "sudo id\r...........",
    );
    let stars: Vec<_> = "hunter2!"
        .as_bytes()
        .chunks(1)
        .flat_map(|key| [Type(key), Show(b"*")])
        .collect();
    check(
        "with stars",
        &[&sudo[..], &stars, &after].concat(),
        "sudo id\r.........",
    );
    let passwd = [
        Show(b"New password: "),
        Type(b"Tr0ub4dor\r"),
        Show(b"\r\n"),
        Show(b"Retype new password: "),
        Type(b"Tr0ub4dor\r"),
        Show(b"\r\n"),
        Show(b"passwd: password updated successfully\r\n$ "),
    ];
    check("passwd", &passwd, "....................");
}

#[test]
fn noise_does_not_reveal_a_password() {
    let noises: [&[u8]; 8] = [
        b"hunter2\x20is compiling\r\n",
        b"h",
        b"u\r\n",
        b"\x1b[24;60Hhunt 12:34\x1b[5;3H",
        b"[1]+  Done   hunter2!x\r\n",
        b"/usr/bin/hunter2!\r\nnext",
        b"h\x08u\x08n\x08",
        b"   Compiling hunter v2.0\r\n   Compiling hunter2 v1.0\r\n",
    ];
    for noise in noises {
        let mut steps = vec![Show(b"Password: ")];
        for key in "hunter2!".as_bytes().chunks(1) {
            steps.extend([Type(key), Show(noise)]);
        }
        steps.extend([Type(b"\r"), Show(b"\r\n$ ")]);
        let result = run(&steps);
        assert!(
            !result.contains("hunter"),
            "{}: {result}",
            String::from_utf8_lossy(noise)
        );
    }
}

#[test]
fn commands_under_background_output() {
    let steps = [
        PROMPT,
        Type(b"l"),
        Show(b"[1]+  Done   make\r\n"),
        Show(b"l"),
        Type(b"s"),
        Show(b"s"),
        Type(b"\r"),
        Show(b"\r\n"),
    ];
    check("one message", &steps, "ls\r");
    let steps = [
        Show(b"building\r\n"),
        Type(b"make test\r"),
        Show(b"cc a.c\r\ncc b.c\r\n"),
        Show(b"$ make test\r\nok\r\n"),
    ];
    check("typed ahead", &steps, "make test\r");
}

#[test]
fn lines_without_characters_are_no_secret() {
    check("Enter", &[PROMPT, Type(b"\r"), Show(b"\r\n"), PROMPT], "\r");
    check(
        "keys",
        &[PROMPT, Type(b"\x1b[A\x1b[B\t\x0c"), Show(b"x"), Wait(3000)],
        "\x1b[A\x1b[B\t\x0c",
    );
}

const VIM: Step<'_> =
    Show(b"\x1b[?1049h\x1b[22;0;0t\x1b[1;24r\x1b[H\x1b[2J~\x1b[24;1H\"f\" 3L\x1b[1;1H");

#[test]
fn full_screen_programs() {
    let edit = [
        VIM,
        Wait(3000),
        Type(b"j"),
        Show(b"\x1b[24;63H2,1  All\x1b[2;1H"),
        Type(b"j"),
        Show(b"\x1b[24;63H3,1  All\x1b[3;1H"),
        Type(b"i"),
        Show(b"\x1b[24;1H\x1b[1m-- INSERT --\x1b[m\x1b[3;1H"),
        Type(b"h"),
        Show(b"h\x1b[24;63H3,2\x1b[3;2H"),
        Type(b"\x1b"),
        Show(b"\x1b[24;1H\x1b[K\x1b[3;1H"),
        Type(b":"),
        Show(b"\x1b[24;1H:"),
        Type(b"q"),
        Show(b"q"),
        Type(b"\r"),
        Show(b"\r\x1b[?1049l"),
    ];
    check("vim", &edit, "jjih\x1b:q\r");
    let keys: Vec<_> = "hunter2".as_bytes().chunks(1).collect();
    let through = |answer: Option<&'static [u8]>| {
        let mut steps = vec![VIM, Wait(3000)];
        for key in &keys {
            steps.push(Type(key));
            steps.extend(answer.map(Show));
        }
        steps.extend([Type(b"\r"), Show(b"\x1b[2;1Hok")]);
        run(&steps)
    };
    assert_eq!(through(None), "........", "no answer at all");
    assert_eq!(through(Some(b"*")), "........", "stars");
    assert_eq!(through(Some(b"\x1b[C")), "........", "the cursor alone");
    assert_eq!(
        through(Some(b"\x1b[9;9Hstrength: good")),
        "........",
        "too many different ones"
    );
}

#[test]
fn leaving_a_full_screen_program_is_an_answer() {
    let page: &[u8] = b"\r\x1b[Kline\r\n:";
    let steps = [
        VIM,
        Wait(3000),
        Type(b" "),
        Show(page),
        Type(b"j"),
        Show(page),
        Type(b"q"),
        Show(b"\r\x1b[K\x1b[?1049l"),
        Wait(3000),
    ];
    check("a pager", &steps, " jq");
}

#[test]
fn the_right_margin_belongs_to_the_echo() {
    let steps = [
        PROMPT,
        Type(b"x"),
        Show(b"x \r"),
        Type(b"y"),
        Show(b"y"),
        Type(b"\r"),
        Show(b"\r\n"),
    ];
    check("a line that wraps", &steps, "xy\r");
}

#[test]
fn a_busy_full_screen_program_reveals_nothing() {
    let mut steps = vec![VIM, Wait(3000)];
    for key in [b"a", b"b", b"a", b"b"] {
        for _ in 0..6 {
            steps.extend([Wait(20), Show(b"\x1b[3;3Hcc -c x.c")]);
        }
        steps.extend([Type(key), Show(b"\x1b[4;3Hcc -c y.c")]);
    }
    assert_eq!(run(&steps), "....");
}

#[test]
fn late_answers_do_not_count() {
    let steps = [
        VIM,
        Wait(3000),
        Type(b"j"),
        Wait(300),
        Show(b"\x1b[24;63H2,1\x1b[2;1H"),
        Wait(3000),
    ];
    check("after 300 ms", &steps, ".");
}

#[test]
fn memory_is_bounded() {
    let mut tracker = EchoTracker::new();
    let mut total = 0;
    for _ in 0..100 {
        tracker.typed(Duration::ZERO, &[b'x'; 10_000]);
        tracker.typed(Duration::ZERO, b"\r");
        total += 10_001;
        assert!(tracker.bytes.0.len() <= MOST_WITHHELD);
    }
    assert_eq!(tracker.withheld(), total);
    let masked: u32 = tracker
        .flush()
        .iter()
        .map(|verdict| match verdict {
            Verdict::KeepMasked(n) => *n,
            Verdict::Reveal(_) => panic!("nothing was echoed"),
        })
        .sum();
    assert_eq!(masked as usize, total);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Lines that the target prints while nothing is echoed never reveal a character.
    #[test]
    fn without_an_echo_nothing_is_revealed(
        secret in "[a-zA-Z0-9!$_-]{6,20}",
        noise in prop::collection::vec(("[ -~]{0,60}", any::<bool>(), 0u64..700), 0..40),
        alternate in any::<bool>(),
    ) {
        let lines: Vec<_> = noise.iter().map(|(text, moved, _)| {
            if *moved { format!("\x1b[7;1H{text}\x1b[K\x1b[9;1H") } else { format!("{text}\r\n") }
        }).collect();
        let mut steps = vec![Show(b"Password: ")];
        if alternate {
            steps.insert(0, VIM);
        }
        let mut keys = secret.as_bytes().chunks(1);
        for (line, (_, _, wait)) in lines.iter().zip(&noise) {
            steps.extend(keys.next().map(Type));
            steps.extend([Wait(*wait), Show(line.as_bytes())]);
        }
        steps.extend(keys.map(Type));
        steps.extend([Type(b"\r"), Show(b"\r\n$ ")]);
        let result = run(&steps);
        let revealed = result.chars().filter(|c| !matches!(c, '.' | '\r')).count();
        prop_assert!(revealed <= 1, "{result}");
    }

    /// A terminal that echoes reveals everything, however the echo is cut.
    #[test]
    fn with_a_plain_echo_everything_is_revealed(
        line in "[ -~äß漢]{1,40}",
        sizes in prop::collection::vec(1usize..5, 40),
        lag in 0usize..4,
    ) {
        let bytes = line.as_bytes();
        let mut steps = vec![PROMPT];
        let (mut typed, mut shown) = (0, 0);
        for size in sizes {
            let end = (typed + size).min(bytes.len());
            steps.push(Type(&bytes[typed..end]));
            typed = end;
            let end = typed.saturating_sub(lag).max(shown);
            steps.push(Show(&bytes[shown..end]));
            shown = end;
        }
        steps.extend([Type(&bytes[typed..]), Show(&bytes[shown..]), Type(b"\r"), Show(b"\r\n")]);
        prop_assert_eq!(run(&steps), format!("{line}\r"));
    }

    /// Whatever is typed and shown: one verdict for each byte, and no panic.
    #[test]
    fn any_conversation(steps in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..12)), 0..40)) {
        let steps: Vec<_> = steps.iter().map(|(typing, data)| if *typing { Type(data) } else { Show(data) }).collect();
        run(&steps);
    }
}
