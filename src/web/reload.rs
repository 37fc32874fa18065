//! What a reload brings to the console: where people find it, which proxies it believes, how long sessions last, and
//! certificate and key. Address, number of connections and whether it speaks TLS are those of the start; the log says
//! so when a new configuration wants others.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::options::Settings;
use super::tls::Certificate;

/// Between two looks at certificate and key, which are renewed without a reload too.
const LOOK: Duration = Duration::from_secs(60);

/// Keeps settings and certificate up to date until `stop` is cancelled.
pub(super) async fn follow(
    console: Arc<Console>,
    certificate: Option<Arc<Certificate>>,
    stop: CancellationToken,
) {
    let mut reloads = console.services.reloads.subscribe();
    // One may have come before anybody followed.
    reloads.mark_changed();
    loop {
        let reloaded = tokio::select! {
            () = stop.cancelled() => return,
            changed = reloads.changed() => changed.is_ok(),
            () = tokio::time::sleep(LOOK) => false,
        };
        if reloaded {
            take(&console);
        }
        if let (Some(certificate), Some(files)) = (&certificate, &console.settings().tls) {
            certificate.renew(files);
        }
    }
}

fn take(console: &Console) {
    let engine = console.services.engine.load();
    let Some(config) = engine.config() else {
        return;
    };
    let Some(wanted) = &config.console else {
        tracing::warn!("the console goes on: switching it off takes a restart");
        return;
    };
    let (settings, waiting) = console.settings().reloaded(wanted);
    if !waiting.is_empty() {
        let keys = waiting.join(", ");
        tracing::warn!(keys, "console: these keys take a restart; the others hold");
    }
    console.take(settings);
}

impl Settings {
    /// What holds when `wanted` is configured while the console runs, and the keys that take a restart.
    fn reloaded(&self, wanted: &Settings) -> (Settings, Vec<&'static str>) {
        let mut settings = wanted.clone();
        let mut waiting = Vec::new();
        if settings.listen != self.listen {
            settings.listen = self.listen;
            waiting.push("listen");
        }
        if settings.connections != self.connections {
            settings.connections = self.connections;
            waiting.push("connections");
        }
        if settings.tls.is_some() != self.tls.is_some() {
            settings.tls = self.tls.clone();
            waiting.push("tls");
        }
        (settings, waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::options::Options;
    use super::*;
    use crate::config::{Source, parse_yaml};

    fn settings(text: &str) -> Settings {
        let source = Source::new("console.yaml", text);
        let options: Options = parse_yaml(&source).unwrap();
        let settings = Settings::new(&options, &source, Path::new("/etc/mailweir"));
        settings.unwrap().unwrap()
    }

    #[test]
    fn what_the_listener_was_made_with_stays_and_the_rest_is_taken() {
        let old = settings("{ listen: '127.0.0.1:1', session: { idle: 5m } }");
        let new = settings(
            "{ listen: '127.0.0.1:2', connections: 7, tls: { certificate: a, key: b },
               url: 'https://a.example', trusted_proxies: [10.0.0.1], session: { idle: 9m } }",
        );
        let (taken, waiting) = old.reloaded(&new);
        assert_eq!(waiting, ["listen", "connections", "tls"]);
        assert_eq!(taken.listen, old.listen);
        assert_eq!(taken.connections, old.connections);
        assert!(taken.tls.is_none());
        assert_eq!(taken.url.as_deref(), Some("https://a.example"));
        assert_eq!(taken.trusted_proxies.len(), 1);
        assert_eq!(taken.lifetime.idle, Duration::from_secs(540));
        let (renewed, waiting) = new.reloaded(&settings(
            "{ listen: '127.0.0.1:2', connections: 7, tls: { certificate: c, key: d } }",
        ));
        assert!(waiting.is_empty(), "{waiting:?}");
        assert_eq!(renewed.tls.unwrap().key, Path::new("/etc/mailweir/d"));
    }
}
