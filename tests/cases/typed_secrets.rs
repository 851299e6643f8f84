//! What is typed while the target's terminal does not echo is masked on the tape from the first day.

use std::time::Duration;

use sallyport_tests::harness::{Gateway, Tty, recorded_input, tapes};

use super::SOON;

/// Types `secret` at a prompt made by `program`; answers the tape's input in clear and the masked count.
fn typed(gateway: &Gateway, program: &str, prompt: &str, secret: &str) -> (String, u64, Vec<u8>) {
    let tty = Tty::start(gateway.ssh("alice+web").terminal(""), 80, 24);
    tty.wait_for("$ ", SOON);
    tty.line(program);
    tty.wait_screen(prompt, SOON);
    std::thread::sleep(Duration::from_millis(300));
    // As a person types: key by key.
    for key in secret.chars() {
        tty.send(&key.to_string());
        std::thread::sleep(Duration::from_millis(30));
    }
    tty.send("\r");
    tty.wait_screen("got-it", SOON);
    tty.line("echo visible-$((40+2))");
    tty.wait_screen("visible-42", SOON);
    tty.line("exit");
    tty.wait_closed(SOON);
    gateway.session_with(&gateway.api("bob"), "web", "Completed");
    let tape = tapes(gateway.data()).pop().unwrap();
    let (clear, masked) = recorded_input(&tape);
    (
        String::from_utf8_lossy(&clear).into_owned(),
        masked,
        std::fs::read(tape).unwrap(),
    )
}

#[test]
fn passwords_at_prompts_without_echo_are_masked() {
    let gateway = Gateway::start();
    for (program, prompt) in [
        (
            "read -rsp 'Password: ' x; echo; echo got-it",
            "\nPassword: ",
        ),
        (
            "printf 'Secret? '; stty -echo; head -n1 >/dev/null; stty echo; echo got-it",
            "\nSecret? ",
        ),
        (
            "python3 -c 'import getpass; getpass.getpass(\"Pass \" + \"phrase: \"); print(\"got-\" + \"it\")'",
            "Pass phrase: ",
        ),
        // Output of something else must not reveal it, not even with its letters.
        (
            "(for i in 1 2 3 4 5 6 7 8; do sleep 0.1; echo Gel; echo bes; echo laub; done) & read -rsp 'Noisy: ' x; echo; wait; echo got-it",
            "Noisy: ",
        ),
    ] {
        let secret = "Gelbes-Herbstlaub-917";
        let (clear, masked, raw) = typed(&gateway, program, prompt, secret);
        assert!(
            clear.contains("echo visible-"),
            "what was echoed is in clear: {clear:?}"
        );
        assert!(
            !clear.contains(secret),
            "{program}: the secret is on the tape: {clear:?}"
        );
        assert!(
            masked >= secret.len() as u64,
            "{program}: only {masked} bytes are masked; in clear: {clear:?}"
        );
        let raw = String::from_utf8_lossy(&raw).into_owned();
        assert!(
            !raw.contains(secret) && !raw.contains(&secret[..12]),
            "{program}: in the raw tape"
        );
    }
}

#[test]
fn echoed_input_is_in_clear() {
    let gateway = Gateway::start();
    let (clear, _, _) = typed(
        &gateway,
        "read -p 'Name: ' x; echo got-it",
        "\nName: ",
        "Pirol-2026",
    );
    assert!(clear.contains("Pirol-2026"), "{clear:?}");
}
