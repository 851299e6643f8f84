//! `sallyport sessions rdp-file`: the file, and perhaps a password for it.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::{Failure, OrFail as _};
use crate::output::{self, Output, field};

/// No file is this long; a server that goes on is not ours.
const MAX_FILE: u64 = 1 << 20;

/// Gets the file and writes it to `to`, or to the standard output.
pub fn write(
    client: &Client,
    id: &str,
    with_password: bool,
    to: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    let body = json!({ "password": with_password });
    let answer = client.post_for_bytes(&format!("{}/rdp-file", super::path(id)), &body)?;
    let password = answer.headers().get("sallyport-connection-password");
    let password = password
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut bytes = Vec::new();
    answer
        .into_body()
        .into_reader()
        .take(MAX_FILE)
        .read_to_end(&mut bytes)
        .or_fail("reading the server's answer")?;
    if let Some(to) = to {
        std::fs::write(to, &bytes).or_fail(to.display())?;
        let told = json!({ "file": to.display().to_string(), "password": password });
        return output.show(&told, |told| {
            format!("file       {}{}", field(told, "file"), told_password(told))
        });
    }
    if output.json {
        let told = json!({ "content": text(&bytes), "password": password });
        return output.show(&told, |_| String::new());
    }
    output::write(&bytes)?;
    if let Some(password) = password {
        // Not into the file.
        eprintln!("password   {password}");
    }
    Ok(())
}

fn told_password(told: &Value) -> String {
    match field(told, "password") {
        none if none.is_empty() => String::new(),
        password => format!("\npassword   {password}"),
    }
}

/// UTF-16 with its mark, as text.
fn text(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .filter_map(|pair| pair.try_into().ok().map(u16::from_le_bytes))
        .collect();
    let text = String::from_utf16_lossy(&units);
    text.trim_start_matches('\u{feff}').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_shown_as_text() {
        let bytes = [0xff, 0xfe, b'a', 0, 0xe9, 0, b'\r', 0, b'\n', 0];
        assert_eq!(text(&bytes), "aé\r\n");
    }
}
