//! What a transaction gives to ask about, stage by stage. In: envelope, header, message, files. Out: [`Item`]s, each
//! once for its subject, in the order of the message. What is no host name below a suffix that exists is
//! left out: names of one's own network are nobody's business.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use linkify::{LinkFinder, LinkKind};

use super::subject::{Item, Subject, Value};
use crate::auth::dkim::signing_domain;
use crate::content::{Content, File};
use crate::dns::domain;
use crate::mail::{Envelope, Hop, Mail, Url, registered_domain};

/// Most signatures of a message that are looked at.
const SIGNATURES: usize = 20;
/// Most `Received` fields that are looked at.
const HOPS: usize = 50;
/// Most mailboxes of one field that are looked at.
const MAILBOXES: usize = 100;
/// Most mail addresses in the text that are looked at.
const BODY_EMAILS: usize = 100;
/// Most references of documents that are looked at.
const LINKS: usize = 2000;
/// Bytes around an `@` that are searched for an address.
const AROUND: usize = 128;
/// Most `@` of a text that are looked at.
const SIGNS: usize = 1000;
/// Longest mail address that is asked about (RFC 5321, section 4.5.3.1).
const EMAIL_BYTES: usize = 320;

/// Which subjects some list wants, and what none is asked about.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    pub(super) wanted: HashSet<Subject>,
    pub(super) trusted: Vec<IpNet>,
    /// Lower case.
    pub(super) skip_domains: HashSet<String>,
}

/// Items so far, each once.
struct Items<'a> {
    sources: &'a Sources,
    known: HashSet<Item>,
    list: Vec<Item>,
}

impl Items<'_> {
    fn add(&mut self, subject: Subject, value: Option<Value>) {
        let Some(value) = value else {
            return;
        };
        let item = Item { subject, value };
        if self.known.insert(item.clone()) {
            self.list.push(item);
        }
    }

    fn add_name(&mut self, subject: Subject, name: Option<&str>) {
        let name = name.and_then(|n| self.sources.name(n));
        self.add(subject, name);
    }

    fn add_url(&mut self, url: &Url) {
        let sources = self.sources;
        match url.address().map(|a| a.to_canonical()) {
            Some(address) if sources.wants(Subject::UrlNumeric) && !sources.trusts(address) => {
                self.add(Subject::UrlNumeric, Some(Value::Address(address)));
            }
            Some(_) => {}
            None => {
                for subject in OF_HOST.into_iter().filter(|s| sources.wants(*s)) {
                    self.add_name(subject, Some(&url.host));
                }
            }
        }
        if sources.wants(Subject::UrlHash) && sources.name(&url.host).is_some() {
            self.add(Subject::UrlHash, Some(Value::Text(url.text.clone())));
        }
    }

    fn add_email(&mut self, subject: Subject, address: &str) {
        let domain = address.rsplit_once('@').map(|(_, domain)| domain);
        if address.len() <= EMAIL_BYTES && domain.and_then(|d| self.sources.name(d)).is_some() {
            self.add(subject, Some(Value::Text(address.to_owned())));
        }
    }
}

/// What is asked about the host of a URL that has a name.
const OF_HOST: [Subject; 4] = [
    Subject::Url,
    Subject::UrlAddress,
    Subject::UrlNs,
    Subject::UrlNsAddress,
];

impl Sources {
    fn items(&self) -> Items<'_> {
        Items {
            sources: self,
            known: HashSet::new(),
            list: Vec::new(),
        }
    }

    fn wants(&self, subject: Subject) -> bool {
        self.wanted.contains(&subject)
    }

    /// Whether an address is one's own, or one that no public list knows.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|n| n.contains(&address)) || address.is_unspecified()
    }

    /// The address of the client, if it is not one's own, and its name.
    pub(super) fn connect(&self, envelope: &Envelope) -> Vec<Item> {
        let mut items = self.items();
        let address = envelope.client.addr.map(|a| a.to_canonical());
        if let Some(address) = address.filter(|a| !self.trusts(*a)) {
            if self.wants(Subject::Client) {
                items.add(Subject::Client, Some(Value::Address(address)));
            }
            if self.wants(Subject::ClientName) {
                items.add_name(Subject::ClientName, envelope.client.name.as_deref());
            }
        }
        items.list
    }

    /// The name given with HELO, of a client that is not one's own.
    pub(super) fn helo(&self, envelope: &Envelope) -> Vec<Item> {
        let mut items = self.items();
        let address = envelope.client.addr.map(|a| a.to_canonical());
        if self.wants(Subject::Helo) && !address.is_some_and(|a| self.trusts(a)) {
            items.add_name(Subject::Helo, envelope.helo.as_deref());
        }
        items.list
    }

    /// The domain of the envelope sender.
    pub(super) fn mail(&self, envelope: &Envelope) -> Vec<Item> {
        let mut items = self.items();
        if self.wants(Subject::Sender) {
            let sender = envelope.sender.as_ref();
            items.add_name(Subject::Sender, sender.and_then(|s| s.domain()));
        }
        items.list
    }

    /// What stands in the header. `mail` needs no body.
    pub(super) fn header(&self, envelope: &Envelope, mail: &Mail) -> Vec<Item> {
        let mut items = self.items();
        for (subject, field) in [(Subject::From, "From"), (Subject::ReplyTo, "Reply-To")] {
            if self.wants(subject) {
                for mailbox in mail.mailboxes(field).iter().take(MAILBOXES) {
                    items.add_name(subject, mailbox.domain());
                }
            }
        }
        if self.wants(Subject::MessageId) {
            let id = mail.headers_named("Message-ID").next();
            let id = id.map(|h| h.unfolded()).unwrap_or_default();
            let domain = id.rsplit_once('@').map(|(_, d)| d.trim_end_matches('>'));
            items.add_name(Subject::MessageId, domain);
        }
        if self.wants(Subject::Received) {
            for address in self.hops(envelope, mail) {
                items.add(Subject::Received, Some(Value::Address(address)));
            }
        }
        if self.wants(Subject::Dkim) {
            for signature in mail.headers_named("DKIM-Signature").take(SIGNATURES) {
                items.add_name(Subject::Dkim, signing_domain(&signature.unfolded()));
            }
        }
        if self.wants(Subject::Email) {
            if let Some(sender) = &envelope.sender {
                items.add_email(Subject::Email, sender.text());
            }
            for field in ["From", "Sender", "Reply-To"] {
                for mailbox in mail.mailboxes(field).iter().take(MAILBOXES) {
                    items.add_email(Subject::Email, &mailbox.address);
                }
            }
        }
        items.list
    }

    /// The addresses of the hops outside of one's own networks, newest first; each is there once, at its
    /// newest place.
    fn hops(&self, envelope: &Envelope, mail: &Mail) -> Vec<IpAddr> {
        let client = envelope.client.addr.map(|a| a.to_canonical());
        let mut hops = Vec::new();
        for field in mail.headers_named("Received").take(HOPS) {
            let address = Hop::parse(field.raw).address;
            if let Some(address) = address.filter(|a| !self.trusts(*a) && Some(*a) != client)
                && !hops.contains(&address)
            {
                hops.push(address);
            }
        }
        hops
    }

    /// What stands in the body.
    pub(super) fn body(&self, mail: &Mail) -> Vec<Item> {
        let mut items = self.items();
        for url in mail.urls() {
            items.add_url(url);
        }
        if self.wants(Subject::BodyEmail) {
            for address in emails(mail.text()) {
                items.add_email(Subject::BodyEmail, address);
            }
        }
        items.list
    }

    /// Where documents lead, as far as it is not among what was `asked` about.
    pub(super) fn documents(&self, content: &Content, asked: &[Item]) -> Vec<Item> {
        let mut items = self.items();
        items.known.extend(asked.iter().cloned());
        for url in content.files.iter().flat_map(File::links).take(LINKS) {
            items.add_url(&url);
        }
        items.list
    }

    /// A host name as it is asked about: ASCII, lower case, below a suffix that exists, not one of those
    /// that are skipped.
    pub(super) fn name(&self, host: &str) -> Option<Value> {
        let host = domain::name(host.trim().trim_end_matches('.'))?;
        registered_domain(&host)?;
        let skipped = std::iter::successors(Some(host.as_str()), |h| Some(h.split_once('.')?.1))
            .any(|h| self.skip_domains.contains(h));
        (!skipped).then_some(Value::Name(host))
    }
}

/// Mail addresses in a text. Only the surroundings of each `@` are searched, so the cost does not depend on
/// what else the text holds.
fn emails(text: &str) -> Vec<&str> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Email]);
    let mut found: Vec<&str> = Vec::new();
    let mut from = 0;
    for at in memchr::memchr_iter(b'@', text.as_bytes()).take(SIGNS) {
        if at < from {
            continue;
        }
        let start = text.ceil_char_boundary(at.saturating_sub(AROUND).max(from));
        let end = text.floor_char_boundary(at + AROUND);
        let window = text.get(start..end).unwrap_or_default();
        for link in finder.links(window) {
            if !found.contains(&link.as_str()) {
                found.push(link.as_str());
            }
            from = from.max(start + link.end());
        }
        if found.len() >= BODY_EMAILS {
            found.truncate(BODY_EMAILS);
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Address, Limits};

    fn sources() -> Sources {
        Sources {
            wanted: Subject::ALL.into_iter().collect(),
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            skip_domains: ["example.net".to_owned()].into(),
        }
    }

    fn shown(items: &[Item]) -> Vec<String> {
        let value = |v: &Value| match v {
            Value::Address(a) => a.to_string(),
            Value::Name(n) | Value::Text(n) => n.clone(),
        };
        items
            .iter()
            .map(|i| format!("{} {}", i.subject.name(), value(&i.value)))
            .collect()
    }

    fn mail(text: &str) -> Mail {
        Mail::parse(text.replace('\n', "\r\n").into(), &Limits::default())
    }

    #[test]
    fn names_are_those_that_somebody_registered() {
        let s = sources();
        let name = |host: &str| match s.name(host) {
            Some(Value::Name(name)) => Some(name),
            _ => None,
        };
        for (host, asked) in [
            ("Mail.Example.ORG.", Some("mail.example.org")),
            ("bücher.example.com", Some("xn--bcher-kva.example.com")),
            ("_dmarc.example.co.uk", Some("_dmarc.example.co.uk")),
            ("ylmf-pc", None),
            ("localhost", None),
            ("host.corp", None),
            ("co.uk", None),
            ("[192.0.2.1]", None),
            ("192.0.2.1", None),
            ("a..example.org", None),
            ("a b.example.org", None),
            ("example.net", None),
            ("deep.below.example.net", None),
            ("notexample.net", Some("notexample.net")),
            ("", None),
        ] {
            assert_eq!(name(host).as_deref(), asked, "{host}");
        }
        assert_eq!(name(&format!("{}.org", "a".repeat(64))), None);
        assert_eq!(name(&"a.".repeat(200)), None);
    }

    #[test]
    fn the_envelope_gives_client_helo_and_sender() {
        let mut envelope = Envelope::default();
        envelope.client.addr = Some("::ffff:192.0.2.1".parse().unwrap());
        envelope.client.name = Some("mx.example.com".to_owned());
        envelope.helo = Some("EHLO.example.com".to_owned());
        envelope.sender = Some(Address::new(b"<a@Sender.example.com>"));
        let s = sources();
        assert_eq!(
            shown(&s.connect(&envelope)),
            ["client 192.0.2.1", "client_name mx.example.com"]
        );
        assert_eq!(shown(&s.helo(&envelope)), ["helo ehlo.example.com"]);
        assert_eq!(shown(&s.mail(&envelope)), ["sender sender.example.com"]);
        envelope.client.addr = Some("10.1.2.3".parse().unwrap());
        envelope.sender = Some(Address::new(b"<>"));
        assert!(s.connect(&envelope).is_empty() && s.helo(&envelope).is_empty());
        assert!(s.mail(&envelope).is_empty());
    }

    #[test]
    fn the_header_gives_its_domains_hops_signatures_and_mailboxes() {
        let mut envelope = Envelope::default();
        envelope.client.addr = Some("192.0.2.1".parse().unwrap());
        envelope.sender = Some(Address::new(b"<bounce@list.example.com>"));
        let mail = mail(
            "Received: from x (x.example.com [192.0.2.1]) by a; Mon\n\
             Received: from y ([10.0.0.1]) by b; Mon\n\
             Received: from z (unknown [198.51.100.7]) by c; Mon\n\
             Received: from w ([IPv6:2001:db8::9]) by d; Mon\n\
             Received: from z (unknown [198.51.100.7]) by e; Mon\n\
             DKIM-Signature: v=1; a=rsa-sha256; d=sign.example.com;\n s=x; bh=aGk=; b=ZD1ub3Q=\n\
             DKIM-Signature: v=1; d = two.example.com ; s=x\n\
             From: Ann <Ann@From.example.com>, b@example.net\n\
             Reply-To: drop@reply.example.com\n\
             Message-ID: <1@id.example.com>\n\nbody\n",
        );
        assert_eq!(
            shown(&sources().header(&envelope, &mail)),
            [
                "from from.example.com",
                "reply_to reply.example.com",
                "message_id id.example.com",
                "received 198.51.100.7",
                "received 2001:db8::9",
                "dkim sign.example.com",
                "dkim two.example.com",
                "email bounce@list.example.com",
                "email Ann@From.example.com",
                "email drop@reply.example.com",
            ]
        );
    }

    #[test]
    fn the_body_gives_hosts_numbers_urls_and_mailboxes() {
        let mail = mail(
            "Subject: x\n\nhttp://a.example.com/1 http://b.example.com/ http://a.example.com/2\n\
             http://192.0.2.1:8080/x http://10.0.0.1/ http://printer.local/\n\
             write to pay@drop.example.com or mailto:Other@drop.example.com, not @nobody\n",
        );
        let s = sources();
        let items = shown(&s.body(&mail));
        let of = |subject: &str| -> Vec<&str> {
            let wanted = items.iter().filter_map(|i| i.split_once(' '));
            wanted.filter(|i| i.0 == subject).map(|i| i.1).collect()
        };
        assert_eq!(of("url"), ["a.example.com", "b.example.com"]);
        assert_eq!(of("url_ns"), ["a.example.com", "b.example.com"]);
        assert_eq!(of("url_numeric"), ["192.0.2.1"]);
        assert_eq!(of("url_hash").len(), 3, "{items:?}");
        assert_eq!(
            of("body_email"),
            ["pay@drop.example.com", "Other@drop.example.com"]
        );
    }

    #[test]
    fn documents_give_what_the_body_did_not() {
        let s = sources();
        let asked = s.body(&mail("Subject: x\n\nhttp://a.example.com/1\n"));
        let file = |urls: &[&str]| File {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            ..File::default()
        };
        let content = Content {
            files: vec![
                file(&["http://a.example.com/1", "http://b.example.com/x"]),
                file(&["http://192.0.2.1/", "http://10.0.0.1/", "C:\\t.dot"]),
            ],
            ..Content::default()
        };
        let items = shown(&s.documents(&content, &asked));
        assert_eq!(
            items,
            [
                "url b.example.com",
                "url_address b.example.com",
                "url_ns b.example.com",
                "url_ns_address b.example.com",
                "url_hash http://b.example.com/x",
                "url_numeric 192.0.2.1",
            ]
        );
        let many: Vec<String> = (0..10_000)
            .map(|n| format!("http://h{n}.example.com/"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let content = Content {
            files: vec![file(&many)],
            ..Content::default()
        };
        let found = s.documents(&content, &[]);
        assert_eq!(
            found.iter().filter(|i| i.subject == Subject::Url).count(),
            LINKS
        );
    }

    #[test]
    fn what_no_list_wants_is_not_looked_for() {
        let mut s = sources();
        s.wanted = [Subject::Url].into();
        let mail = mail("From: a@b.example.com\n\nhttp://a.example.com/ x@y.example.com\n");
        assert!(s.header(&Envelope::default(), &mail).is_empty());
        assert_eq!(shown(&s.body(&mail)), ["url a.example.com"]);
    }

    #[test]
    fn hostile_texts_take_bounded_time() {
        let started = std::time::Instant::now();
        for unit in ["@", "a@", "a@b.", "a@b.example.com ", "\u{e9}@"] {
            let text = unit.repeat(2_000_000 / unit.len());
            assert!(emails(&text).len() <= BODY_EMAILS);
        }
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }
}
