use std::collections::HashMap;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use super::{Daemon, Gateway, Picture, eventually, run, run_with_input, tool};

/// For a browser to start, on a machine that is busy.
const UP: Duration = Duration::from_secs(60);
/// For one answer of the browser's.
const ANSWER: Duration = Duration::from_secs(60);
/// Between two looks at a page.
const LOOK: Duration = Duration::from_millis(100);

/// Chromium without a window, with one page: driven by the DevTools protocol, over its WebSocket.
pub struct Browser {
    socket: WebSocket<TcpStream>,
    /// The page's, in the protocol.
    session: String,
    calls: u64,
    origin: String,
    /// What is shown as if the gateway had it, by its path.
    files: HashMap<String, (String, Vec<u8>)>,
    /// What the page said on its console.
    said: Vec<String>,
    _daemon: Daemon,
    _folder: TempDir,
}

impl Browser {
    /// One that trusts no certificate that it would not trust anyway, but this gateway's.
    pub fn start(gateway: &Gateway) -> Self {
        let folder = TempDir::with_prefix("sp-browser-").unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut chromium = tool("chromium");
        chromium
            .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
            .args([
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
            ])
            .args(["--force-color-profile=srgb", "--window-size=1100,900"])
            // Or a page of this machine may not speak to this machine.
            .arg("--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets")
            .arg(format!(
                "--ignore-certificate-errors-spki-list={}",
                key_of(gateway)
            ))
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg("about:blank")
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut daemon = Daemon::spawn(chromium);
        let socket = eventually("the browser is up", UP, || {
            let said = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(daemon.alive(), "the browser ended:\n{}", said());
            door(folder.path())
        });
        let mut browser = Self {
            socket,
            session: String::new(),
            calls: 0,
            origin: format!("https://127.0.0.1:{}", gateway.api_port),
            files: HashMap::new(),
            said: Vec::new(),
            _daemon: daemon,
            _folder: folder,
        };
        let made = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": made["targetId"], "flatten": true });
        let page = browser.call("Target.attachToTarget", attach);
        browser.session = page["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Shows a file as if the gateway had it at this path.
    pub fn offer(&mut self, path: &str, kind: &str, content: Vec<u8>) {
        self.files
            .insert(path.to_owned(), (kind.to_owned(), content));
        let patterns: Vec<_> = self
            .files
            .keys()
            .map(|path| json!({ "urlPattern": format!("*{path}") }))
            .collect();
        self.call("Fetch.enable", json!({ "patterns": patterns }));
    }

    /// Opens a page of the gateway's.
    pub fn open(&mut self, path: &str) {
        let url = format!("{}{path}", self.origin);
        let gone = self.call("Page.navigate", json!({ "url": url }));
        assert!(gone["errorText"].is_null(), "{url}: {gone}");
        self.wait(
            &format!("{path} is there"),
            UP,
            "document.readyState === 'complete'",
        );
    }

    /// What an expression is on the page; a promise is awaited.
    #[track_caller]
    pub fn tell(&mut self, expression: &str) -> Value {
        let evaluate =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let told = self.call("Runtime.evaluate", evaluate);
        assert!(
            told["exceptionDetails"].is_null(),
            "{expression}: {told:#}\n{}",
            self.said()
        );
        told["result"]["value"].clone()
    }

    /// Waits until an expression is true on the page.
    #[track_caller]
    pub fn wait(&mut self, what: &str, limit: Duration, expression: &str) {
        let start = Instant::now();
        while self.tell(expression) != json!(true) {
            assert!(
                start.elapsed() < limit,
                "waited {limit:?} in vain: {what}\n{}",
                self.said()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// What a canvas of the page has in it; an expression names it. `None` while there is no such canvas.
    #[track_caller]
    pub fn canvas(&mut self, expression: &str) -> Option<Picture> {
        let url = self.tell(&format!("({expression})?.toDataURL('image/png') ?? null"));
        // A canvas of no size has `data:,`.
        let png = url.as_str()?.strip_prefix("data:image/png;base64,")?;
        Some(Picture::from_png(&STANDARD.decode(png).unwrap()))
    }

    /// What is to be seen of the page.
    #[track_caller]
    pub fn screenshot(&mut self) -> Picture {
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        Picture::from_png(&STANDARD.decode(shot["data"].as_str().unwrap()).unwrap())
    }

    /// Moves the mouse.
    pub fn move_to(&mut self, (x, y): (u32, u32)) {
        self.mouse("mouseMoved", (x, y));
    }

    /// Clicks with the left button.
    pub fn click(&mut self, at: (u32, u32)) {
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            self.mouse(kind, at);
        }
    }

    fn mouse(&mut self, kind: &str, (x, y): (u32, u32)) {
        let pressed = kind != "mouseMoved";
        let button = if pressed { "left" } else { "none" };
        let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": u8::from(pressed) });
        self.call("Input.dispatchMouseEvent", event);
    }

    /// Types small letters, digits, blanks and line ends.
    pub fn type_text(&mut self, text: &str) {
        for letter in text.chars() {
            let (key, code, number) = key(letter);
            for kind in ["keyDown", "keyUp"] {
                let mut event = json!({ "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number });
                if kind == "keyDown" {
                    event["text"] = json!(if letter == '\n' { '\r' } else { letter }.to_string());
                }
                self.call("Input.dispatchKeyEvent", event);
            }
            std::thread::sleep(Duration::from_millis(12));
        }
    }

    /// What the page said on its console so far.
    pub fn said(&self) -> String {
        self.said.join("\n")
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        let call = self.send(method, params);
        let start = Instant::now();
        loop {
            let message = match self.socket.read() {
                Ok(Message::Text(text)) => serde_json::from_str::<Value>(&text).unwrap(),
                Ok(_) => continue,
                Err(error) => panic!(
                    "{method}: the browser does not answer: {error}\n{}",
                    self.said()
                ),
            };
            if message["id"] == json!(call) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.hear(&message);
            assert!(
                start.elapsed() < ANSWER,
                "{method}: no answer\n{}",
                self.said()
            );
        }
    }

    fn send(&mut self, method: &str, params: Value) -> u64 {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": params });
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        self.socket
            .send(Message::text(call.to_string()))
            .expect("the browser takes a call");
        self.calls
    }

    /// Takes what was not asked for.
    fn hear(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Fetch.requestPaused") => self.answer(params),
            Some("Runtime.consoleAPICalled") => {
                let words = params["args"].as_array().into_iter().flatten();
                let words: Vec<_> = words.map(|word| word["value"].to_string()).collect();
                self.said.push(words.join(" "));
            }
            Some("Runtime.exceptionThrown") => {
                self.said
                    .push(params["exceptionDetails"]["exception"]["description"].to_string());
            }
            Some(_) | None => {}
        }
    }

    /// Answers a request of the page with what is offered.
    fn answer(&mut self, request: &Value) {
        let url = request["request"]["url"].as_str().unwrap_or_default();
        let path = url.strip_prefix(&self.origin).unwrap_or_default();
        let id = &request["requestId"];
        let Some((kind, content)) = self.files.get(path) else {
            self.send("Fetch.continueRequest", json!({ "requestId": id }));
            return;
        };
        let answer = json!({
            "requestId": id,
            "responseCode": 200,
            "responseHeaders": [{ "name": "Content-Type", "value": kind }],
            "body": STANDARD.encode(content),
        });
        self.send("Fetch.fulfillRequest", answer);
    }
}

/// Where the tests' programs for browsers are.
pub fn browser_modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/browser/node_modules")
}

/// The SHA-256 of the public key of the gateway's certificate, as Chromium takes it.
fn key_of(gateway: &Gateway) -> String {
    let mut openssl = tool("openssl");
    openssl
        .args(["x509", "-noout", "-pubkey", "-in"])
        .arg(gateway.certificate());
    let key = run(openssl, ANSWER).ok().out;
    let mut digest = tool("sh");
    digest.args([
        "-c",
        "openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary",
    ]);
    STANDARD.encode(run_with_input(digest, key, ANSWER).ok().out)
}

/// Connects once the browser has said where.
fn door(folder: &Path) -> Option<WebSocket<TcpStream>> {
    let text = fs::read_to_string(folder.join("DevToolsActivePort")).ok()?;
    let (port, path) = text.split_once('\n')?;
    let tcp = TcpStream::connect(("127.0.0.1", port.parse().ok()?)).ok()?;
    tcp.set_read_timeout(Some(ANSWER)).ok()?;
    tcp.set_nodelay(true).ok()?;
    let (socket, _) = client(format!("ws://127.0.0.1:{port}{}", path.trim()), tcp).ok()?;
    Some(socket)
}

/// A key as the page is told of it: what it means, which it is, and its number on Windows.
fn key(letter: char) -> (String, String, u32) {
    let number = u32::from(letter.to_ascii_uppercase());
    match letter {
        'a'..='z' => (
            letter.into(),
            format!("Key{}", letter.to_ascii_uppercase()),
            number,
        ),
        '0'..='9' => (letter.into(), format!("Digit{letter}"), number),
        ' ' => (" ".into(), "Space".into(), 32),
        '\n' => ("Enter".into(), "Enter".into(), 13),
        other => panic!("no key for {other:?}"),
    }
}
