//! Where documents lead: DNS lists are asked about it like about the links of the text.

use std::sync::Arc;

use mailweir::filter::{Outcome, Reason};
use mailweir::mail::Envelope;
use mailweir::metrics::Metrics;
use mailweir::verdict::Verdict;

use crate::archives::{self, Zipped};
use crate::dns_server::{FakeDns, Question, Reply};
use crate::engine::built;

/// A list that has every host of these tests, and no other.
fn list(question: &Question) -> Reply {
    match question.name.strip_suffix(".example.com.uri.test") {
        Some(_) => Reply::A(vec![[127, 0, 0, 2]], 60),
        None => Reply::NxDomain(Some(60)),
    }
}

async fn verdict(dns: &FakeDns, sections: &str, raw: Vec<u8>) -> (Verdict, Arc<Metrics>) {
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!(
        "dns: {{ resolvers: ['{}'], attempts: 1 }}\n{sections}
  zones: [{{ zone: uri.test, subjects: [url], names: host, score: 2, txt: false }}]\n",
        dns.addr
    );
    let built = built(folder.path(), &yaml);
    let (_, verdict) = built.engine.examine(Envelope::default(), raw.into()).await;
    (verdict, built.metrics)
}

/// The hosts that the list was asked about, without its own test entries.
fn asked(dns: &FakeDns) -> Vec<String> {
    let names = dns.questions().into_iter().map(|q| q.name);
    let mut hosts: Vec<String> = names
        .filter_map(|n| Some(n.strip_suffix(".example.com.uri.test")?.to_owned()))
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// A Word document with a hyperlink, as Word writes it.
fn word(target: &str) -> Vec<u8> {
    let relations = format!(
        "<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"r1\" TargetMode=\"External\" Target=\"{target}\" \
         Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink\"/></Relationships>"
    );
    archives::zip(&[
        Zipped::new("[Content_Types].xml", b"<Types/>"),
        Zipped::new("word/document.xml", b"<w:document/>"),
        Zipped::new("word/_rels/document.xml.rels", relations.as_bytes()),
    ])
}

/// One of each kind that can lead somewhere, one of them in an archive.
fn message() -> Vec<u8> {
    let pdf = b"%PDF-1.7\n1 0 obj<</Type/Page/A<</S/URI/URI(https://pdf.example.com/x)>>>>endobj";
    let page = b"<html><a href='https://page.example.com/x'>open</a><form action='//form.example.com/'></form></html>";
    let calendar = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n\
        DESCRIPTION:join at https://calendar.example.com/x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let shortcut = b"[InternetShortcut]\r\nURL=http://shortcut.example.com/x\r\n";
    let rich = b"{\\rtf1{\\field{\\*\\fldinst HYPERLINK \"http://rich.example.com/x\"}}}";
    let archive = archives::zip(&[Zipped::new("a.docx", &word("https://word.example.com/x"))]);
    archives::message(&[
        ("a.pdf", pdf),
        ("a.html", page),
        ("a.ics", calendar),
        ("a.url", shortcut),
        ("a.rtf", rich),
        ("a.zip", &archive),
    ])
}

#[tokio::test]
async fn dns_lists_are_asked_where_documents_lead() {
    let dns = FakeDns::start(list).await;
    let sections = "chain: [dnsbl, attachments]\ndnsbl:\n";
    let (found, _) = verdict(&dns, sections, message()).await;
    assert_eq!(
        asked(&dns),
        [
            "calendar", "form", "page", "pdf", "rich", "shortcut", "word"
        ]
    );
    assert_eq!(found.score, 2.0, "{found:?}");
    let (_, hit) = found.hits().next().unwrap();
    assert!(hit.evidence.contains("pdf.example.com (url)"), "{hit:?}");
}

#[tokio::test]
async fn without_the_filter_that_opens_files_nobody_is_asked_about_them() {
    let dns = FakeDns::start(list).await;
    let (found, _) = verdict(&dns, "chain: [dnsbl]\ndnsbl:\n", message()).await;
    assert_eq!((asked(&dns).len(), found.score), (0, 0.0));
}

#[tokio::test]
async fn links_of_documents_count_against_the_bounds_and_what_is_left_out_is_said() {
    let dns = FakeDns::start(list).await;
    let sections = "chain: [attachments, dnsbl]\ndnsbl:\n  queries_per_message: 3\n";
    let (found, metrics) = verdict(&dns, sections, message()).await;
    assert_eq!(asked(&dns).len(), 3);
    match &found.reports[1].outcome {
        Outcome::Unscanned {
            reason: Reason::Limit,
            detail,
            hits,
        } => assert!(
            detail.contains("more than 3") && hits.len() == 1,
            "{detail}"
        ),
        other => panic!("{other:?}"),
    }
    assert_eq!(metrics.dnsbl_over_limit.get(), 1);
}
