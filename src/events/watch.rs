//! Changes that metrics show: lists and ClamAV servers that are taken out of use and come back, another model in force.
//!
//! They happen deep in filters that know nothing of events, and each has a gauge already; these are looked at once a
//! second. What is there at the first look is no change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Collector;
use serde::Serialize;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Events;
use super::event::Kind;
use crate::metrics::{Gauges, Metrics};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at the gauges.
pub(super) struct Watch {
    events: Events,
    metrics: Arc<Metrics>,
    known: Known,
}

/// What was seen.
#[derive(Default)]
struct Known {
    lists: BTreeMap<String, bool>,
    servers: BTreeMap<String, bool>,
    trained: Option<f64>,
}

#[derive(Serialize)]
struct InUse<'a> {
    name: &'a str,
    in_use: bool,
}

#[derive(Serialize)]
struct ModelInForce {
    /// Seconds since 1970; 0: none is in force.
    trained: f64,
    ham: i64,
    spam: i64,
}

impl Watch {
    pub(super) fn new(events: Events, metrics: Arc<Metrics>) -> Watch {
        Watch {
            events,
            metrics,
            known: Known::default(),
        }
    }

    /// Looks until `stop` is cancelled.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => self.look(),
            }
        }
    }

    fn look(&mut self) {
        let Watch {
            events,
            metrics,
            known,
        } = self;
        for (kind, gauges, known) in [
            (Kind::DnsList, &metrics.dnsbl_up, &mut known.lists),
            (Kind::Clamav, &metrics.clamav_up, &mut known.servers),
        ] {
            let now = in_use(gauges);
            for (name, in_use) in &now {
                // A server or list that is new is in use, unless it is not.
                let before = known.get(name).copied().unwrap_or(true);
                if before != *in_use {
                    events.tell(
                        kind,
                        &InUse {
                            name,
                            in_use: *in_use,
                        },
                    );
                }
            }
            *known = now;
        }
        let trained = metrics.model_trained.get();
        if known.trained.is_some_and(|before| before != trained) {
            let of = |class| metrics.model_messages.with_label_values(&[class]).get();
            let model = ModelInForce {
                trained,
                ham: of("ham"),
                spam: of("spam"),
            };
            events.tell(Kind::Model, &model);
        }
        known.trained = Some(trained);
    }
}

/// The label of each series and whether it is 1.
fn in_use(gauges: &Gauges) -> BTreeMap<String, bool> {
    let mut now = BTreeMap::new();
    for family in gauges.collect() {
        for metric in family.get_metric() {
            if let Some(label) = metric.get_label().first() {
                let up = metric.get_gauge().get_value() > 0.0;
                now.insert(label.value().to_owned(), up);
            }
        }
    }
    now
}

#[cfg(test)]
mod tests {
    use super::super::Told;
    use super::super::writer::Order;
    use super::*;
    use serde_json::Value;

    #[test]
    fn only_changes_are_told() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let (orders, mut told) = tokio::sync::mpsc::channel(10);
        let events = Events(Some(Arc::new(Told {
            orders,
            wanted: Kind::ALL.to_vec(),
            host: "here".into(),
            metrics: metrics.clone(),
        })));
        let list = metrics.dnsbl_up.with_label_values(&["bl.example.org"]);
        list.set(1);
        metrics.model_trained.set(5.0);
        let mut watch = Watch::new(events, metrics.clone());
        let mut next = || match told.try_recv() {
            Ok(Order::Line(line)) => serde_json::from_slice::<Value>(&line).unwrap(),
            _ => Value::Null,
        };
        watch.look();
        assert_eq!(next(), Value::Null);
        list.set(0);
        watch.look();
        let event = next();
        assert_eq!(
            (&event["event"], &event["in_use"]),
            (&"dns_list".into(), &false.into())
        );
        assert_eq!(
            (&event["name"], &event["host"]),
            (&"bl.example.org".into(), &"here".into())
        );
        watch.look();
        assert_eq!(next(), Value::Null);
        list.set(1);
        metrics.model_trained.set(6.0);
        watch.look();
        assert_eq!(next()["in_use"], true);
        assert_eq!(next()["trained"], 6.0);
        assert_eq!(next(), Value::Null);
    }
}
