//! A browser: Chromium without a window, driven through chromedriver by the WebDriver protocol (W3C), of which this is
//! the little that the tests need.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::place::{PATIENCE, installed, wait_for};

/// How a browser is looked at: a desk, a phone.
pub(crate) const DESK: (u32, u32) = (1280, 900);
pub(crate) const PHONE: (u32, u32) = (390, 844);

/// Browsers are large, and machines that run tests are small.
static ONE: Mutex<()> = Mutex::new(());

/// Key of an element in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    site: String,
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// Part of a page.
#[derive(Clone, Debug)]
pub(crate) struct Element(String);

/// Starts the driver and gives its port. It takes one that is free for IPv4 and then wants the same for IPv6, and ends
/// where somebody else has that: then there is none, and it is started again.
fn drive(program: &Path) -> Option<(Child, u16)> {
    let mut driver = Command::new(program)
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    let Some(port) = port else {
        driver.wait().unwrap();
        return None;
    };
    // It must not wait for somebody to read what else it says.
    std::thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}

impl Browser {
    /// A fresh one, for a site; `None`, and a word, where Chromium is not installed.
    pub(crate) fn start(site: &str) -> Option<Browser> {
        let turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (driver, chromium) = (installed("chromedriver")?, installed("chromium")?);
        let folder = tempfile::tempdir().unwrap();
        let (driver, port) = wait_for("chromedriver", || drive(&driver));
        let mut browser = Browser {
            driver,
            port,
            session: String::new(),
            site: site.to_owned(),
            _turn: turn,
            _folder: folder,
        };
        let profile = browser._folder.path().join("profile");
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-features=PasswordLeakDetection,OptimizationHints,MediaRouter",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let asked = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "goog:chromeOptions": { "binary": chromium, "args": args },
        }}});
        let made = browser.call("POST", "/session", &asked);
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser.size(DESK);
        Some(browser)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_call(method, path, body)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    fn try_call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE * 2)).unwrap();
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        // The driver leaves the connection open whatever it is told.
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).unwrap();
            let field = line.trim().to_ascii_lowercase();
            if let Some(bytes) = field.strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap();
            }
            if field.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        let answer: Value = serde_json::from_slice(&body).expect("an answer of the driver");
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    }

    fn in_session(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body)
    }

    /// Looks at pages as on a screen of this size.
    pub(crate) fn size(&self, (width, height): (u32, u32)) {
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.cdp("Emulation.setDeviceMetricsOverride", &params);
    }

    /// Prefers light or dark.
    pub(crate) fn scheme(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", &features);
    }

    fn cdp(&self, command: &str, params: &Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        self.in_session("POST", "/goog/cdp/execute", &body)
    }

    /// Goes to a path of the site.
    pub(crate) fn go(&self, path: &str) {
        let url = match path.starts_with("http") {
            true => path.to_owned(),
            false => format!("{}{path}", self.site),
        };
        self.in_session("POST", "/url", &json!({ "url": url }));
    }

    /// The first element that a selector fits, once there is one.
    pub(crate) fn find(&self, selector: &str) -> Element {
        wait_for(selector, || self.look(selector))
    }

    /// The same, if it is there now.
    pub(crate) fn look(&self, selector: &str) -> Option<Element> {
        let body = json!({ "using": "css selector", "value": selector });
        let path = format!("/session/{}/element", self.session);
        let found = self.try_call("POST", &path, &body).ok()?;
        Some(Element(found[ELEMENT].as_str()?.to_owned()))
    }

    /// Does something with the first element that a selector fits. An element of a page that is being left, or of a part
    /// that was just refreshed, is looked for again.
    fn on(&self, selector: &str, method: &str, what: &str, body: &Value) -> Value {
        wait_for(selector, || {
            let Element(id) = self.find(selector);
            let path = format!("/session/{}/element/{id}/{what}", self.session);
            match self.try_call(method, &path, body) {
                Ok(value) => Some(value),
                Err(error) if error.starts_with("stale element") => None,
                Err(error) => panic!("{what} {selector}: {error}"),
            }
        })
    }

    pub(crate) fn click(&self, selector: &str) {
        self.on(selector, "POST", "click", &json!({}));
    }

    /// Types into a field, in place of what is there.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.on(selector, "POST", "clear", &json!({}));
        self.on(selector, "POST", "value", &json!({ "text": text }));
    }

    /// Presses keys, wherever the focus is. `\u{e004}` is Tab, `\u{e007}` Enter.
    pub(crate) fn press(&self, keys: &str) {
        let press = |key: char| {
            let key = key.to_string();
            [
                json!({ "type": "keyDown", "value": key }),
                json!({ "type": "keyUp", "value": key }),
            ]
        };
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        let body = json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] });
        self.in_session("POST", "/actions", &body);
    }

    /// What stands in an element.
    pub(crate) fn text(&self, selector: &str) -> String {
        let text = self.on(selector, "GET", "text", &Value::Null);
        text.as_str().unwrap().to_owned()
    }

    /// The value of an expression.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let body = json!({ "script": format!("return ({expression});"), "args": [] });
        self.in_session("POST", "/execute/sync", &body)
    }

    /// Waits until an expression holds.
    pub(crate) fn until(&self, expression: &str) {
        let path = format!("/session/{}/execute/sync", self.session);
        let body = json!({ "script": format!("return Boolean({expression});"), "args": [] });
        // A page that is being left answers with an error.
        let holds = || {
            self.try_call("POST", &path, &body)
                .ok()?
                .as_bool()?
                .then_some(())
        };
        wait_for(expression, holds);
    }

    /// Answers the question that a page asks with yes.
    pub(crate) fn accept(&self) {
        let path = format!("/session/{}/alert/accept", self.session);
        wait_for("a question", || {
            self.try_call("POST", &path, &json!({})).ok()
        });
    }

    /// Names of the cookies that the site has set.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let cookies = self.in_session("GET", "/cookie", &Value::Null);
        let names = cookies.as_array().unwrap().iter();
        names
            .map(|c| c["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The page as it is seen, a PNG.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        let image = self.in_session("GET", "/screenshot", &Value::Null);
        let image = image.as_str().unwrap().as_bytes();
        data_encoding::BASE64.decode(image).unwrap()
    }

    /// What the page and the browser have complained about since the last question.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.in_session("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().unwrap().iter();
        let bad = entries.filter(|e| matches!(e["level"].as_str(), Some("SEVERE" | "WARNING")));
        bad.map(|e| e["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Requests to other hosts since the last question.
    pub(crate) fn strangers(&self) -> Vec<String> {
        let entries = self.in_session("POST", "/se/log", &json!({ "type": "performance" }));
        let entries = entries.as_array().unwrap().iter();
        let events =
            entries.filter_map(|e| serde_json::from_str::<Value>(e["message"].as_str()?).ok());
        events
            .filter(|e| e["message"]["method"] == "Network.requestWillBeSent")
            .filter_map(|e| {
                Some(
                    e["message"]["params"]["request"]["url"]
                        .as_str()?
                        .to_owned(),
                )
            })
            .filter(|url| url.starts_with("http") && !url.starts_with(&self.site))
            .collect()
    }

    /// Keeps what is seen, where somebody wants to look at it.
    pub(crate) fn keep(&self, name: &str) {
        if let Ok(folder) = std::env::var("MAILWEIR_SCREENSHOTS") {
            std::fs::write(format!("{folder}/{name}.png"), self.screenshot()).unwrap();
        }
    }

    /// Nothing of what came with the mail has run, and nothing is hidden.
    pub(crate) fn harmless(&self, what: &str) {
        assert!(self.value("window.pwned").is_null(), "{what}");
        let visible = "getComputedStyle(document.querySelector('main')).display !== 'none'";
        assert_eq!(self.value(visible), true, "{what}");
        let foreign = "document.querySelectorAll('main script, main style, main :not(.brand) > img, main iframe, main [onerror]').length";
        assert_eq!(self.value(foreign), 0, "{what}");
        let deceiving =
            "/[\\u202a-\\u202e\\u200b-\\u200f\\u2066-\\u2069]/.test(document.body.innerText)";
        assert_eq!(self.value(deceiving), false, "{what}");
    }

    /// The page as it stands is in order: nothing complained of, nobody else asked, nothing wider than the screen, no
    /// field without a name, no two elements with one id.
    pub(crate) fn check(&self, what: &str) {
        assert_eq!(self.complaints(), [""; 0], "{what}");
        assert_eq!(self.strangers(), [""; 0], "{what}");
        let wide = self.value(
            "document.documentElement.scrollWidth <= innerWidth ? [] : \
             [...document.querySelectorAll('main *')].filter((e) => \
               e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5).map((e) => e.outerHTML.slice(0, 200))",
        );
        assert_eq!(wide, json!([]), "{what}: wider than the screen");
        let unnamed = self.value(
            "[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a')].filter((e) => \
               !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.title)).map((e) => e.outerHTML)",
        );
        assert_eq!(unnamed, json!([]), "{what}: without a name");
        let double = self.value(
            "[...document.querySelectorAll('[id]')].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)",
        );
        assert_eq!(double, json!([]), "{what}: ids");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let path = format!("/session/{}", self.session);
            let _ = self.try_call("DELETE", &path, &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        // What the browser still writes into its folder would keep it from being removed.
        std::thread::sleep(Duration::from_millis(50));
    }
}
