//! The `uri` view: URIs of text and HTML with all their forms.

use std::collections::HashSet;

use super::message::Message;
use super::uri_canonical::{forms, leads_to_host};
use super::uri_found;

/// Longest form, bytes.
const URI_BYTES: usize = 8192;
/// Most URIs of one message.
const URIS: usize = 10_000;

/// Every form of every URI, each once.
pub(super) fn all(message: &Message<'_>) -> Vec<Vec<u8>> {
    let mut seen = HashSet::new();
    let mut list = Vec::new();
    let mut found: HashSet<String> = HashSet::new();
    for line in message.body() {
        let line = String::from_utf8_lossy(line);
        for uri in uri_found::in_text(&line) {
            if !found.insert(uri.clone()) {
                continue;
            }
            let forms = forms(&uri);
            if forms.iter().any(|f| leads_to_host(f)) {
                add(forms, &mut seen, &mut list);
            }
        }
    }
    for rendered in message.rendered().iter().flatten() {
        for uri in &rendered.uris {
            if found.insert(format!("\0{uri}")) {
                add(forms(uri), &mut seen, &mut list);
            }
        }
    }
    list
}

fn add(forms: Vec<String>, seen: &mut HashSet<Vec<u8>>, list: &mut Vec<Vec<u8>>) {
    for form in forms {
        let mut form = form.into_bytes();
        form.truncate(URI_BYTES);
        if list.len() < URIS && seen.insert(form.clone()) {
            list.push(form);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_needs_a_real_host_and_html_does_not() {
        let raw = "Content-Type: text/html\n\nsee www.example.com/%41 or http://localhost/ <a href='http://intern/x'>here</a>";
        let message = Message::parse(raw.as_bytes());
        let all: Vec<String> = all(&message)
            .into_iter()
            .map(|u| String::from_utf8(u).unwrap())
            .collect();
        assert_eq!(
            all,
            [
                "http://www.example.com/%41",
                "http://www.example.com/A",
                "http://intern/x",
                "http://www.intern.com/x"
            ]
        );
    }
}
