//! How a message came: what its `Received` fields tell, up to where it was handed over.
//!
//! In: a message. Out: facts about each hop on the sender's side. The fields are read from the newest: those of
//! the receiving side's own hosts are passed over until one says that the message came from elsewhere. Of that
//! one only the `from` part is read, since the rest names the receiver; of the older ones everything but the
//! recipient. So a model learns who hands spam over, not who collected it. What older fields say can be
//! forged; forgeries, too, tell something. Where a mailing list handed a message over, the hops of its server are passed over
//! as those of the receiving side are: who handed the message to the list tells more.
//!
//! Whoever lists `Received` as read gets all of it, for mail of one receiver only, where its hosts say nothing about
//! who collected what; whoever lists it as ignored gets none.
//!
//! A milter sees a message before its MTA adds a field of its own; messages in a Maildir have it. Both come
//! out the same, but for the host that handed over: the newest field is then that of the sender's own relay.

use std::net::IpAddr;

use crate::mail::Mail;

use super::receiving::Receiving;
use super::tokens::{Sink, clip, push_lower, registered_domain};

/// Fields looked at.
const HOPS: usize = 25;
/// Bytes of each.
const HOP_BYTES: usize = 800;
/// Facts of each.
const WORDS: usize = 60;

/// Sends what is known of the way of `mail` to `sink`; `listed` if it came through a mailing list.
pub(super) fn route(mail: &Mail, listed: bool, receiving: &Receiving, sink: &mut impl Sink) {
    let (ignored, _) = receiving.changes();
    if ignored.iter().any(|n| n == "received") {
        return;
    }
    let all = receiving.reads_received();
    let from = mail
        .mailboxes("From")
        .first()
        .and_then(|m| m.domain().map(str::to_ascii_lowercase));
    let from = from.as_deref().map(|d| registered_domain(clip(d, 255)));
    let mut own: Vec<String> = Vec::new();
    let mut inside = !all;
    let mut list = listed && !all;
    let mut count = 0;
    let mut value = String::new();
    for header in mail.headers_named("Received").take(HOPS) {
        let unfolded = header.unfolded();
        // Folded lines go on after a tab with some MTAs and after spaces with others.
        value.clear();
        for word in clip(unfolded.trim_start(), HOP_BYTES).split_ascii_whitespace() {
            if !value.is_empty() {
                value.push(' ');
            }
            push_lower(&mut value, word);
        }
        let hop = Hop::read(&value);
        if inside {
            let internal = hop.from.is_empty()
                || hop.address().is_some_and(is_internal)
                || hop.names().next().is_some_and(|n| n.text == "localhost")
                || hop.names().any(|n| own.iter().any(|o| o == n.registered));
            if !hop.by.is_empty() {
                own.push(registered_domain(hop.by).to_owned());
            }
            if internal {
                continue;
            }
            if list {
                list = false;
                let of_list = hop.names().map(|n| n.registered);
                own.extend(of_list.filter(|r| !r.is_empty()).map(str::to_owned));
                continue;
            }
            inside = false;
            facts(&hop, from, sink);
            sink.route("handed over", hop.protocol);
            words(hop.names(), sink);
        } else {
            facts(&hop, from, sink);
            let rest = match hop.rest.find(" for ") {
                Some(recipient) if !all => hop.rest.get(..recipient).unwrap_or_default(),
                _ => hop.rest,
            };
            let rest: Vec<Name<'_>> = pieces(rest).map(Name::read).collect();
            words(hop.names().chain(&rest), sink);
        }
        count += 1;
    }
    sink.route("hops", COUNTS.get(count).unwrap_or(&"many"));
}

const COUNTS: [&str; 9] = ["0", "1", "2", "3", "4", "5", "6", "7", "8"];

/// The parts of one field.
struct Hop<'a> {
    from: &'a str,
    /// What follows it.
    rest: &'a str,
    by: &'a str,
    protocol: &'a str,
    /// Of `from`, as far as they look like hosts; the name given in HELO mostly first.
    names: Vec<Name<'a>>,
}

/// A host name, an address or a remark.
struct Name<'a> {
    text: &'a str,
    address: Option<IpAddr>,
    /// Empty for what is no name of a domain.
    registered: &'a str,
}

impl<'a> Name<'a> {
    fn read(text: &'a str) -> Name<'a> {
        let address = address(text);
        let domain = address.is_none() && text.contains('.');
        Name {
            text,
            address,
            registered: if domain { registered_domain(text) } else { "" },
        }
    }
}

/// The address that `text` is. Most words are none, as their first letters show.
fn address(text: &str) -> Option<IpAddr> {
    let digit = |b: &u8| b.is_ascii_hexdigit() || *b == b':';
    let likely = text.bytes().take(3).all(|b| digit(&b) || b == b'.') && text.contains(['.', ':']);
    likely.then(|| text.parse().ok()).flatten()
}

impl<'a> Hop<'a> {
    fn read(value: &'a str) -> Hop<'a> {
        let after = |word: &str| {
            let rest = value
                .strip_prefix(word.trim_start())
                .or_else(|| value.split_once(word).map(|(_, rest)| rest));
            rest.and_then(|r| r.split_ascii_whitespace().next())
                .unwrap_or_default()
        };
        let (from, rest) = match value.strip_prefix("from ") {
            Some(value) => value.split_at(value.find(" by ").unwrap_or(value.len())),
            None => ("", value),
        };
        Hop {
            from,
            rest,
            by: after(" by "),
            protocol: after(" with ").trim_end_matches(';'),
            names: pieces(from).map(Name::read).collect(),
        }
    }

    fn names(&self) -> impl Iterator<Item = &Name<'a>> {
        self.names.iter()
    }

    fn address(&self) -> Option<IpAddr> {
        self.names().find_map(|n| n.address)
    }
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_ascii_whitespace() || "()[]<>;=@\"".contains(c))
        .filter(|w| !w.is_empty())
        .take(WORDS)
}

fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn facts(hop: &Hop<'_>, from: Option<&str>, sink: &mut impl Sink) {
    let helo = hop.names().next();
    let kind = match helo {
        None => "none",
        Some(name) if name.address.is_some() => "address",
        Some(name) if name.text.contains('.') => "host",
        Some(_) => "bare",
    };
    sink.route("helo", kind);
    if hop.address().is_none() {
        sink.route("helo", "without address");
    }
    let agrees = helo.is_some_and(|helo| {
        let mut others = hop.names().skip(1);
        !helo.registered.is_empty() && others.any(|n| n.registered == helo.registered)
    });
    sink.route("helo", if agrees { "agrees" } else { "differs" });
    if let Some(from) = from {
        let same = hop.names().any(|n| n.registered == from || n.text == from);
        sink.route("sender", if same { "agrees" } else { "differs" });
    }
}

fn words<'a>(names: impl Iterator<Item = &'a Name<'a>>, sink: &mut impl Sink) {
    let mut form = String::new();
    for name in names {
        let word = clip(name.text, 100);
        let digits = word.bytes().any(|b| b.is_ascii_digit());
        if let Some(address) = name.address {
            network(word, address, sink);
        } else if !name.registered.is_empty() {
            sink.route("word", word);
            sink.route("domain", name.registered);
            if let Some((_, suffix)) = name.registered.split_once('.') {
                sink.route("suffix", suffix);
            }
            // Names of dialled-in lines differ in their digits only.
            if digits {
                shape(word, &mut form);
                sink.route("shape", &form);
            }
        } else if digits && !word.starts_with(['+', '-']) {
            shape(word, &mut form);
            sink.route("shape", &form);
        } else {
            sink.route("word", word);
        }
    }
}

/// Digits as one `9`, other characters as they are where there is a dot, else letters as one `a`.
fn shape(word: &str, form: &mut String) {
    let host = word.contains('.');
    form.clear();
    for c in word.chars() {
        let class = match c {
            '0'..='9' => '9',
            _ if !host && c.is_alphabetic() => 'a',
            _ => c,
        };
        if !form.ends_with(class) || !matches!(class, '9' | 'a') || (host && class == 'a') {
            form.push(class);
        }
    }
}

/// The address and the networks around it.
fn network(word: &str, address: IpAddr, sink: &mut impl Sink) {
    sink.route("address", word);
    let (separator, widths): (char, &[usize]) = match address {
        IpAddr::V4(_) => ('.', &[1, 2, 3]),
        IpAddr::V6(_) => (':', &[2, 3, 4]),
    };
    for width in widths {
        let end = word
            .match_indices(separator)
            .nth(width - 1)
            .map_or(word.len(), |(at, _)| at);
        sink.route("network", word.get(..end).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::bayes::list;
    use crate::mail::Limits;

    #[derive(Default)]
    struct Facts(Vec<String>);

    impl Sink for Facts {
        fn field(&mut self, _: &'static str, _: &str) {}
        fn token(&mut self, _: &str) {}
        fn alone(&mut self, _: &str) {}
        fn header(&mut self, _: &str) {}
        fn subject(&mut self, _: &str) {}
        fn anywhere(&mut self, _: Option<&str>) {}
        fn route(&mut self, kind: &'static str, text: &str) {
            self.0.push(format!("{kind}:{text}"));
        }
    }

    fn facts(raw: &str, receiving: &Receiving) -> Vec<String> {
        let mail = Mail::parse(raw.replace('\n', "\r\n").into(), &Limits::default());
        let mut facts = Facts::default();
        route(&mail, list::is_discussion(&mail), receiving, &mut facts);
        facts.0
    }

    const STORED: &str = "Received: from localhost (localhost [127.0.0.1])\n\tby box.collector.example (Postfix) with ESMTP id 1A2B\n\tfor <me@collector.example>; Mon, 1 Jan 2024 00:00:00 +0000\n\
        Received: from relay.spammer.example (dsl-12-34.isp.example [203.0.113.9])\n\tby mx.collector.example (Postfix) with ESMTP id 3C4D\n\tfor <me@collector.example>; Mon, 1 Jan 2024 00:00:00 +0000\n\
        Received: from victim (unknown [198.51.100.7])\n\tby relay.spammer.example with SMTP; Mon, 1 Jan 2024 00:00:00 -0700\n\
        From: a@bank.example\n\ntext\n";

    #[test]
    fn the_sender_s_side_is_read_and_the_receiver_is_not() {
        let facts = facts(STORED, &Receiving::default());
        for fact in [
            "word:relay.spammer.example",
            "address:203.0.113.9",
            "network:203.0",
            "shape:dsl-9-9.isp.example",
            "handed over:esmtp",
            "helo:bare",
            "sender:differs",
            "word:-0700",
            "hops:2",
        ] {
            assert!(facts.iter().any(|f| f == fact), "{fact} of {facts:?}");
        }
        assert!(!facts.iter().any(|f| f.contains("collector")), "{facts:?}");
        assert!(!facts.iter().any(|f| f.contains("me@")), "{facts:?}");
    }

    #[test]
    fn of_what_came_through_a_list_who_gave_it_to_the_list_is_read() {
        let raw = "Received: from lists.talk.example (lists.talk.example [192.0.2.7]) by mx.collector.example with ESMTP\n\
            Received: from lists.talk.example (localhost [127.0.0.1]) by lists.talk.example (Postfix) with ESMTP\n\
            Received: from spammer.example (dsl.isp.example [203.0.113.9]) by mx.talk.example (Postfix) with SMTP\n\
            X-BeenThere: talk@talk.example\nFrom: a@bank.example\n\ntext\n";
        let through = facts(raw, &Receiving::default());
        for fact in ["word:spammer.example", "handed over:smtp", "hops:1"] {
            assert!(through.iter().any(|f| f == fact), "{fact} of {through:?}");
        }
        assert!(
            !through.iter().any(|f| f.contains("talk.example")),
            "{through:?}"
        );
        let direct = facts(
            &raw.replace("X-BeenThere", "X-Other"),
            &Receiving::default(),
        );
        assert!(
            direct.iter().any(|f| f == "domain:talk.example"),
            "{direct:?}"
        );
    }

    #[test]
    fn received_can_be_read_altogether() {
        let receiving = Receiving::new(&[], &["Received".to_owned()]).unwrap();
        let facts = facts(STORED, &receiving);
        assert!(
            facts.iter().any(|f| f == "word:mx.collector.example"),
            "{facts:?}"
        );
        assert!(facts.iter().any(|f| f == "hops:3"));
    }

    #[test]
    fn received_can_be_left_out_altogether() {
        let receiving = Receiving::new(&["Received".to_owned()], &[]).unwrap();
        assert!(facts(STORED, &receiving).is_empty());
    }

    #[test]
    fn nonsense_is_read_within_bounds() {
        for value in [
            "",
            "from",
            "from ",
            "by",
            "from  by ",
            ";;;",
            "from [",
            "by x from y",
        ] {
            facts(&format!("Received: {value}\n\n"), &Receiving::default());
        }
        let long = format!("Received: from {} by x\n", "a1.b ".repeat(5_000)).repeat(60);
        assert!(facts(&format!("{long}\n"), &Receiving::default()).len() < HOPS * (WORDS * 4 + 10));
    }
}
