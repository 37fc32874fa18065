//! What holds of a configuration in short, whether it is written or not: for the page, and for the API.

use serde::Serialize;

use crate::config::Config;
use crate::web::filters;
use crate::web::readings::duration;

/// The short facts of a configuration as run.
#[derive(Debug, Serialize)]
pub(in crate::web) struct Facts {
    /// Where MTAs connect.
    milter: Vec<String>,
    /// Where the metrics are; `None` where they are off.
    http: Option<String>,
    data_dir: String,
    /// How often files are looked at for changes; `None` where that happens at SIGHUP only.
    watch_seconds: Option<f64>,
    /// From end of message to the verdict.
    deadline_seconds: f64,
    thresholds: Points,
    /// Bytes of the longest message.
    message_bytes: usize,
    /// Bytes of all messages in memory.
    total_bytes: usize,
    /// Milter connections at one time.
    connections: usize,
    retention: Retention,
}

/// Scores from which on something happens; `None` where it never does.
#[derive(Debug, Serialize)]
struct Points {
    tag: Option<f64>,
    quarantine: Option<f64>,
    reject: Option<f64>,
}

/// How long, and how much of it, the quarantine keeps.
#[derive(Debug, Serialize)]
struct Retention {
    age_seconds: u64,
    bytes: u64,
    messages: u64,
}

impl Facts {
    pub(in crate::web) fn of(config: &Config) -> Facts {
        let retention = &config.file.quarantine.retention;
        let thresholds = &config.thresholds;
        let milter = config.listen.iter().map(|l| l.address.to_string());
        Facts {
            milter: milter.collect(),
            http: config.http.map(|address| address.to_string()),
            data_dir: config.data_dir.display().to_string(),
            watch_seconds: config.watch.map(|every| every.as_secs_f64()),
            deadline_seconds: config.deadline.as_secs_f64(),
            thresholds: Points {
                tag: thresholds.tag,
                quarantine: thresholds.quarantine,
                reject: thresholds.reject,
            },
            message_bytes: config.settings.message_bytes,
            total_bytes: config.settings.total_bytes,
            connections: config.settings.connections,
            retention: Retention {
                age_seconds: retention.age.value.0.as_secs(),
                bytes: retention.bytes.value.0,
                messages: retention.messages.value,
            },
        }
    }

    /// As people read them.
    pub(super) fn shown(self) -> Vec<(&'static str, String)> {
        let points = |score: Option<f64>| score.map_or("never".to_owned(), |s| format!("from {s}"));
        let milter = match self.milter.is_empty() {
            true => "none".to_owned(),
            false => self.milter.join(", "),
        };
        let watch = self.watch_seconds.map_or("at SIGHUP only".to_owned(), |s| {
            format!("every {}", duration(s))
        });
        let kept = format!(
            "{} days, {}, {} messages",
            self.retention.age_seconds / 86_400,
            filters::size(self.retention.bytes),
            filters::grouped(&self.retention.messages.to_string())
        );
        vec![
            ("milter", milter),
            ("metrics", self.http.unwrap_or_else(|| "off".to_owned())),
            ("data folder", self.data_dir),
            ("looked at for changes", watch),
            ("deadline", duration(self.deadline_seconds)),
            ("tag", points(self.thresholds.tag)),
            ("quarantine", points(self.thresholds.quarantine)),
            ("reject", points(self.thresholds.reject)),
            ("longest message", filters::size(self.message_bytes as u64)),
            ("messages in memory", filters::size(self.total_bytes as u64)),
            (
                "milter connections",
                filters::grouped(&self.connections.to_string()),
            ),
            ("quarantine kept", kept),
        ]
    }
}
