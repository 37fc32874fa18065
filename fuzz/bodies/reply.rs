//! What is said to the MTA: any text becomes a reply and a header value that the strictest MTA takes.

use mailweir::milter::{ReplyText, header_value};

/// What must hold for one input.
pub fn run(text: &str) {
    for reply in [ReplyText::rejected(text), ReplyText::tempfailed(text)] {
        let reply = reply.as_str();
        assert!(reply.len() <= 512, "{}", reply.len());
        assert!(
            reply.bytes().all(|b| (b' '..=b'~').contains(&b)),
            "{reply:?}"
        );
        // Sendmail takes a single % for the beginning of a format.
        assert!(!reply.replace("%%", "").contains('%'), "{reply:?}");
        assert!(matches!(reply.get(3..4), Some(" ")));
    }
    let value = header_value("X-Spam-Status", text);
    assert!(!value.contains(['\0', '\r']));
    for line in value.split('\n').skip(1) {
        assert!(
            line.starts_with([' ', '\t']),
            "a line that is not folded: {value:?}"
        );
    }
}
