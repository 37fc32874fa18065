//! The daemon under test: `mailweir serve --config FILE` in a folder of its own.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use super::place::{folder, free_port, wait_for};
use super::process::Process;

/// Words that the rules of the tests look for, with the scores that they give.
pub(crate) const TAGGED: &str = "zebrawort-six";
pub(crate) const HELD: &str = "zebrawort-nine";
pub(crate) const REFUSED: &str = "zebrawort-sixteen";

/// The rule file of the tests.
pub(crate) const RULES: &str = "version: 1
rules:
  - id: TEST_SIX
    description: The word that is worth six points
    score: 6
    when: { raw_body: 'zebrawort-six\\b' }
  - id: TEST_NINE
    description: The word that is worth nine points
    score: 9
    when: { raw_body: 'zebrawort-nine\\b' }
  - id: TEST_SIXTEEN
    description: The word that is worth sixteen points
    score: 16
    when: { raw_body: 'zebrawort-sixteen\\b' }
";

/// What of the configuration differs from test to test.
pub(crate) struct Config {
    /// The members of the chain.
    pub(crate) chain: &'static str,
    /// The unix socket; `milter.sock` in the folder of the daemon when there is none.
    pub(crate) socket: Option<PathBuf>,
    /// Further items of `milter.listen`, each with a comma before it.
    pub(crate) listen: String,
    /// Permissions of the unix socket.
    pub(crate) socket_mode: &'static str,
    /// Further keys of `milter`, `drain: 5s`, one a line.
    pub(crate) milter: String,
    /// Further top-level sections.
    pub(crate) sections: String,
    /// Text of the one rule file.
    pub(crate) rules: String,
    /// Further files beside the configuration: name and text.
    pub(crate) files: Vec<(&'static str, &'static str)>,
    /// How often files are looked at for changes.
    pub(crate) watch: &'static str,
    /// A program that is given the daemon's command line behind these arguments; empty for none. It must end
    /// up as the daemon, in the same process.
    pub(crate) under: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            chain: "[rules]",
            socket: None,
            listen: String::new(),
            socket_mode: "0666",
            milter: String::new(),
            sections: String::new(),
            rules: RULES.to_owned(),
            files: Vec::new(),
            watch: "null",
            under: Vec::new(),
        }
    }
}

/// A running daemon.
pub(crate) struct Daemon {
    pub(crate) process: Process,
    under: Vec<String>,
    folder: tempfile::TempDir,
    /// Port of the milter on 127.0.0.1; the socket serves too.
    pub(crate) milter: u16,
    /// The unix socket.
    pub(crate) socket: PathBuf,
    /// Port of the metrics on 127.0.0.1.
    pub(crate) http: u16,
}

impl Daemon {
    pub(crate) fn start(config: &Config) -> Daemon {
        let folder = folder();
        let (milter, http) = (free_port(), free_port());
        let path = folder.path();
        std::fs::create_dir(path.join("rules")).unwrap();
        std::fs::write(path.join("rules/test.yaml"), &config.rules).unwrap();
        for (name, text) in &config.files {
            std::fs::write(path.join(name), text).unwrap();
        }
        let socket = config.socket.clone();
        let socket = socket.unwrap_or_else(|| path.join("milter.sock"));
        let yaml = yaml(config, path, [milter, http], &socket);
        std::fs::write(path.join("mailweir.yaml"), yaml).unwrap();
        let process = spawn(path, &config.under);
        let mut daemon = Daemon {
            process,
            under: config.under.clone(),
            folder,
            milter,
            socket,
            http,
        };
        daemon.wait_until_ready();
        daemon
    }

    fn wait_until_ready(&mut self) {
        wait_for("the daemon to be ready", || {
            if let Some(status) = self.process.exited() {
                panic!("the daemon ended at its start, {status}:\n{}", self.log());
            }
            self.get("/readyz")
                .is_some_and(|r| r.starts_with("HTTP/1.1 200"))
                .then_some(())
        });
    }

    /// The same daemon again, with the files as they are now.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.path(), &self.under);
        self.wait_until_ready();
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The value of `smtpd_milters` for the socket.
    pub(crate) fn unix(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    pub(crate) fn rules(&self) -> PathBuf {
        self.path().join("rules/test.yaml")
    }

    /// What it has written to standard error.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(self.path().join("log")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs `mailweir quarantine` with the same configuration.
    pub(crate) fn quarantine(&self, args: &[&str]) -> Output {
        self.quarantine_by(&self.path().join("mailweir.yaml"), args)
    }

    /// The same with another configuration.
    pub(crate) fn quarantine_by(&self, config: &Path, args: &[&str]) -> Output {
        program()
            .arg("quarantine")
            .arg("--config")
            .arg(config)
            .args(args)
            .output()
            .unwrap()
    }

    /// Ids of the messages in quarantine.
    pub(crate) fn quarantined(&self) -> Vec<String> {
        let listed = self.quarantine(&["list", "--json"]);
        assert!(listed.status.success(), "{listed:?}");
        String::from_utf8(listed.stdout)
            .unwrap()
            .lines()
            .map(|line| {
                let message: serde_json::Value = serde_json::from_str(line).unwrap();
                message["id"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    /// An HTTP response, head and body; `None` when nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.http)).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut response = String::new();
        stream.read_to_string(&mut response).ok()?;
        Some(response)
    }

    /// The value of one series, `mailweir_messages_total{verdict="reject"}`; 0 when there is none.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").expect("the daemon answers HTTP");
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
            .map_or(0.0, |value| value.trim().parse().unwrap())
    }

    /// Waits until a series has reached a value.
    pub(crate) fn wait_for_metric(&self, series: &str, at_least: f64) {
        wait_for(series, || (self.metric(series) >= at_least).then_some(()));
    }
}

/// The program under test.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mailweir"))
}

fn spawn(path: &Path, under: &[String]) -> Process {
    let mut command = match under {
        [] => program(),
        [wrapper, args @ ..] => {
            let mut command = Command::new(wrapper);
            command.args(args).arg(env!("CARGO_BIN_EXE_mailweir"));
            command
        }
    };
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path.join("log"))
        .unwrap();
    Process::spawn(
        command
            .arg("serve")
            .arg("--config")
            .arg(path.join("mailweir.yaml"))
            .current_dir(path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log),
    )
}

fn yaml(config: &Config, path: &Path, [milter, http]: [u16; 2], socket: &Path) -> String {
    let path = path.display();
    let mut text = format!(
        "data_dir: {path}/data
watch: {}
milter:
  listen: [\"127.0.0.1:{milter}\", \"unix:{}\"{}]
  socket_mode: \"{}\"
",
        config.watch,
        socket.display(),
        config.listen,
        config.socket_mode
    );
    for line in config.milter.lines() {
        let _ = writeln!(text, "  {line}");
    }
    let _ = write!(
        text,
        "http:
  listen: \"127.0.0.1:{http}\"
chain: {}
rules: {{ path: rules }}
{}",
        config.chain, config.sections
    );
    text
}
