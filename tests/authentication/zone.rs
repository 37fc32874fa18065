//! DNS zones as data: records by name, served by the test server as a resolver would give them, CNAMEs followed.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serde_json::Value;

use crate::dns_server::{FakeDns, Question, Reply};

/// Records by name, in lower case without a final dot, special characters escaped as the test server has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone {
    names: BTreeMap<String, (Name, Vec<Entry>)>,
}

#[derive(Clone, Debug)]
enum Entry {
    Data(RData),
    /// What is not there otherwise is answered SERVFAIL, as resolvers do when the servers of a zone are silent.
    Broken,
}

fn name(text: &str) -> Name {
    let labels = text.trim_end_matches('.').split('.').map(str::as_bytes);
    Name::from_labels(labels).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn key(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

impl Zone {
    pub(crate) fn txt(mut self, at: &str, text: &str) -> Zone {
        self.add_text(at, &[text.to_owned()]);
        self
    }

    pub(crate) fn a(self, at: &str, address: &str) -> Zone {
        self.data(at, RData::A(A(address.parse::<Ipv4Addr>().unwrap())))
    }

    pub(crate) fn aaaa(self, at: &str, address: &str) -> Zone {
        self.data(at, RData::AAAA(AAAA(address.parse::<Ipv6Addr>().unwrap())))
    }

    pub(crate) fn ptr(self, at: &str, to: &str) -> Zone {
        self.data(at, RData::PTR(PTR(name(to))))
    }

    pub(crate) fn broken(mut self, at: &str) -> Zone {
        self.push(at, Entry::Broken);
        self
    }

    fn data(mut self, at: &str, data: RData) -> Zone {
        self.push(at, Entry::Data(data));
        self
    }

    fn push(&mut self, at: &str, entry: Entry) {
        self.entries(at).push(entry);
    }

    fn entries(&mut self, at: &str) -> &mut Vec<Entry> {
        let at = name(at);
        let nothing = || (at.clone(), Vec::new());
        &mut self.names.entry(key(&at)).or_insert_with(nothing).1
    }

    fn add_text(&mut self, at: &str, pieces: &[String]) {
        // A string of a TXT record has at most 255 bytes.
        let pieces: Vec<String> = pieces
            .iter()
            .flat_map(|piece| {
                let chars: Vec<char> = piece.chars().collect();
                let cut: Vec<String> = chars.chunks(120).map(|c| c.iter().collect()).collect();
                if cut.is_empty() {
                    vec![String::new()]
                } else {
                    cut
                }
            })
            .collect();
        self.push(at, Entry::Data(RData::TXT(TXT::new(pieces))));
    }

    /// The `zonedata` of the SPF suites: an entry `SPF` stands for a TXT record too, unless there is one.
    pub(crate) fn of_spf_suite(written: &Value) -> Zone {
        let mut zone = Zone::default();
        for (at, entries) in written.as_object().unwrap() {
            let entries = entries.as_array().unwrap();
            let has_text = entries.iter().any(|e| e.get("TXT").is_some());
            zone.entries(at);
            for entry in entries {
                if entry == "TIMEOUT" {
                    zone.push(at, Entry::Broken);
                    continue;
                }
                let (kind, value) = entry.as_object().unwrap().iter().next().unwrap();
                let text = || value.as_str().unwrap();
                match kind.as_str() {
                    "SPF" if has_text => {}
                    "TXT" if value == "NONE" => {}
                    "SPF" | "TXT" => {
                        let pieces: Vec<String> = match value {
                            Value::Array(all) => {
                                all.iter().map(|p| p.as_str().unwrap().to_owned()).collect()
                            }
                            one => vec![one.as_str().unwrap().to_owned()],
                        };
                        zone.add_text(at, &pieces);
                    }
                    "A" => zone = zone.a(at, text()),
                    "AAAA" => zone = zone.aaaa(at, text()),
                    "PTR" => zone = zone.ptr(at, text()),
                    "CNAME" => {
                        zone.push(at, Entry::Data(RData::CNAME(CNAME(name(text())))));
                    }
                    "MX" => {
                        let preference = value[0].as_u64().unwrap() as u16;
                        let exchange = match value[1].as_str().unwrap() {
                            "" => Name::root(),
                            host => name(host),
                        };
                        zone.push(at, Entry::Data(RData::MX(MX::new(preference, exchange))));
                    }
                    other => panic!("a record of type {other}"),
                }
            }
        }
        zone
    }

    pub(crate) fn answer(&self, question: &Question) -> Reply {
        let mut records = Vec::new();
        let mut at = question.name.clone();
        for _ in 0..10 {
            let Some((owner, entries)) = self.names.get(&at) else {
                // A name under which others lie exists (RFC 8020).
                let below = format!(".{at}");
                return match records.is_empty() {
                    true if self.names.keys().any(|n| n.ends_with(&below)) => Reply::NoData,
                    true => Reply::NxDomain(Some(60)),
                    false => Reply::Records(records),
                };
            };
            let record = |data: &RData| Record::from_rdata(owner.clone(), 60, data.clone());
            let data = entries.iter().filter_map(|e| match e {
                Entry::Data(data) => Some(data),
                Entry::Broken => None,
            });
            let fitting: Vec<Record> = data
                .clone()
                .filter(|d| d.record_type() == question.kind)
                .map(record)
                .collect();
            if !fitting.is_empty() {
                records.extend(fitting);
                return Reply::Records(records);
            }
            if let Some(RData::CNAME(to)) =
                data.clone().find(|d| d.record_type() == RecordType::CNAME)
            {
                records.push(record(&RData::CNAME(to.clone())));
                at = key(&to.0);
                continue;
            }
            if entries.iter().any(|e| matches!(e, Entry::Broken)) {
                return Reply::Code(ResponseCode::ServFail);
            }
            return match records.is_empty() {
                true => Reply::NoData,
                false => Reply::Records(records),
            };
        }
        Reply::Code(ResponseCode::ServFail)
    }

    pub(crate) async fn serve(self) -> FakeDns {
        FakeDns::start(move |question| self.answer(question)).await
    }
}
