//! A Prometheus of our own: temporary data, ephemeral port, one target.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::queries::Query;

const PROGRAM: &str = "/usr/bin/prometheus";
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether there is a Prometheus; says so when there is none.
pub(crate) fn installed() -> bool {
    let there = Path::new(PROGRAM).exists();
    if !there {
        println!("skipped: prometheus is not installed");
    }
    there
}

/// One series of an answer.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// A running server; killed when dropped.
pub(crate) struct Prometheus {
    process: Child,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `target` four times a second under the job name `mailweir`.
    pub(crate) fn scraping(target: SocketAddr) -> Prometheus {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 250ms, scrape_timeout: 250ms }}\n\
             scrape_configs:\n\
             - job_name: mailweir\n  \
             static_configs: [ {{ targets: [ \"{target}\" ] }} ]\n"
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut process = Command::new(PROGRAM)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.path().join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let address = listening(&mut process, &dir.path().join("log"));
        let prometheus = Prometheus {
            process,
            address,
            dir,
        };
        prometheus.wait_until("readiness", |p| p.get("/-/ready").is_some());
        prometheus
    }

    /// Runs a query; an error of Prometheus fails the test.
    pub(crate) fn ask(&self, query: &Query) -> Vec<Series> {
        self.evaluate(&query.expr)
            .unwrap_or_else(|e| panic!("{}: {e}\n{}", query.origin, query.expr))
    }

    /// The value of an expression that gives one series; `None` when it gives none.
    pub(crate) fn number(&self, expr: &str) -> Option<f64> {
        let series = self.evaluate(expr).unwrap();
        assert!(series.len() <= 1, "{expr}: {series:?}");
        series.first().map(|s| s.value)
    }

    /// Waits until `more` further scrapes of the target have succeeded.
    pub(crate) fn wait_for_scrapes(&self, more: u32) {
        let count = "count_over_time(mailweir_build_info[10m])";
        let seen = self.number(count).unwrap_or(0.0);
        self.wait_until(count, |p| {
            p.number(count).unwrap_or(0.0) >= seen + f64::from(more)
        });
    }

    /// Asks again until it is so, within a deadline.
    pub(crate) fn wait_until(&self, what: &str, so: impl Fn(&Prometheus) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !so(self) {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap();
                panic!("waited too long for {what}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn evaluate(&self, expr: &str) -> Result<Vec<Series>, String> {
        let path = format!("/api/v1/query?query={}", percent_encoded(expr));
        let body = self.get(&path).ok_or("no answer")?;
        let answer: Value = serde_json::from_str(&body).map_err(|e| format!("{e}: {body}"))?;
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        let result = &answer["data"]["result"];
        assert_eq!(answer["data"]["resultType"], "vector", "{expr}");
        Ok(result
            .as_array()
            .unwrap()
            .iter()
            .map(|series| Series {
                labels: serde_json::from_value(series["metric"].clone()).unwrap(),
                value: series["value"][1].as_str().unwrap().parse().unwrap(),
            })
            .collect())
    }

    /// The body of an answer with status 200 or 4xx; `None` when the server is not ready.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // HTTP/1.0: the body ends with the connection and is not chunked.
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?;
        (status == "200" || status.starts_with('4')).then(|| body.to_owned())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address that Prometheus names in its log.
fn listening(process: &mut Child, log: &Path) -> SocketAddr {
    let line = regex::Regex::new(r#"msg="Listening on" address=(\S+)"#).unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        if let Some(found) = line.captures(&text) {
            return found[1].parse().unwrap();
        }
        let ended = process.try_wait().unwrap();
        assert!(
            ended.is_none() && Instant::now() < deadline,
            "prometheus does not listen\n{text}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}
