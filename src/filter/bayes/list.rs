//! What a mailing list adds to the messages that go through it.
//!
//! In: a message. Out: whether it came through a list on which people write to each other, and which parts of it are the
//! list's own: header fields, the mark in front of the subject, the lines at the end of the text. They are left out like those of
//! the receiving side, and for the same reason: nearly all that comes through a list is wanted, so a model that reads its marks
//! lets pass whatever is sent to it. Mailings that go one way are not meant: there the sender is the list, and what it adds
//! is its own.
//!
//! Linear in what is looked at: names of header fields, and the last [`BYTES`] of the text.

use std::borrow::Cow;

use crate::mail::Mail;

/// Fields that only the software of such lists writes. Lower case.
const DISCUSSION: &[&str] = &[
    "list-post",
    "mailing-list",
    "x-beenthere",
    "x-mailing-list",
    "x-mailman-version",
];

/// Fields that lists add or replace. Lower case.
const FIELDS: &[&str] = &[
    "errors-to",
    "mailing-list",
    "precedence",
    "sender",
    "x-archive-number",
    "x-beenthere",
    "x-loop",
    "x-mailing-list",
    "x-no-archive",
    "x-original-date",
    "x-sequence",
];
/// Beginnings of such names. Lower case.
const FIELD_PREFIXES: &[&str] = &["list-", "x-list", "x-mailman", "x-egroups"];

/// One of these stands in the lines that the software of lists puts at the end. Lower case.
const FOOTER: &[&str] = &[
    "/listinfo/",
    "/mailman3/",
    "egroups.com",
    "googlegroups.com",
    "groups.google.com",
    "listserv@",
    "majordomo@",
    "yahoo.com/info/terms",
    "yahoogroups.com",
];
/// Lines of such an end at most, empty ones not counted.
const LINES: usize = 12;
/// Bytes of it at most.
const BYTES: usize = 800;
/// Bytes of the mark in front of a subject at most, brackets left out.
const MARK: usize = 30;

/// Whether the message came through a list on which people write to each other.
pub(crate) fn is_discussion(mail: &Mail) -> bool {
    mail.headers().any(|header| {
        let name = header.name_text();
        DISCUSSION.iter().any(|d| name.eq_ignore_ascii_case(d))
    })
}

/// Whether lists write fields of this name, in lower case.
pub(crate) fn writes(name: &str) -> bool {
    FIELDS.contains(&name) || FIELD_PREFIXES.iter().any(|p| name.starts_with(p))
}

/// A subject without the list's mark: of `[ILUG] deal`, `deal`; of `Re: [ILUG] Re: deal`, `Re: deal`.
pub(super) fn without_mark(subject: &str) -> Cow<'_, str> {
    let (mut rest, mut answered, mut marked) = (subject.trim_start(), false, false);
    loop {
        let mark = rest.strip_prefix('[').and_then(|r| r.split_once(']'));
        if let Some((_, behind)) = mark.filter(|(mark, _)| mark.len() <= MARK) {
            (rest, marked) = (behind.trim_start(), true);
        } else if let Some(behind) = behind_re(rest) {
            (rest, answered) = (behind.trim_start(), true);
        } else {
            break;
        }
    }
    match (marked, answered) {
        (false, _) => subject.into(),
        (true, false) => rest.into(),
        (true, true) => format!("Re: {rest}").into(),
    }
}

fn behind_re(subject: &str) -> Option<&str> {
    let (re, behind) = subject.split_at_checked(3)?;
    re.eq_ignore_ascii_case("re:").then_some(behind)
}

/// A text without the lines of the list at its end, and these.
pub(super) fn without_footer(text: &str) -> (&str, &str) {
    text.split_at(footer(text))
}

/// Where the lines of the list begin; the end of the text where there are none.
fn footer(text: &str) -> usize {
    let end = text.trim_end().len();
    let from = text.ceil_char_boundary(end.saturating_sub(BYTES));
    let tail = text.get(from..end).unwrap_or_default();
    let (mut start, mut marked, mut lines) = (end, None, 0);
    for line in tail.rsplit('\n') {
        start -= line.len();
        let bare = line.trim().to_ascii_lowercase();
        lines += usize::from(!bare.is_empty());
        // What is quoted is the sender's.
        if lines > LINES || bare.starts_with('>') {
            break;
        }
        if bare.len() > 1 && bare.bytes().all(|b| matches!(b, b'_' | b'-' | b'=')) {
            return marked.map_or(text.len(), |_| start);
        }
        if marked.is_none() && FOOTER.iter().any(|f| bare.contains(f)) {
            marked = Some(start);
        }
        // The end of the line before.
        start = start.saturating_sub(1);
    }
    marked.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Limits;

    fn mail(header: &str) -> Mail {
        let raw = format!("From: a@b.example\r\n{header}\r\n\r\ntext\r\n");
        Mail::parse(raw.into(), &Limits::default())
    }

    #[test]
    fn lists_on_which_people_write_to_each_other_are_known_and_mailings_are_not_such() {
        assert!(is_discussion(&mail("X-BeenThere: talk@lists.example")));
        assert!(is_discussion(&mail(
            "List-Post: <mailto:talk@lists.example>"
        )));
        assert!(!is_discussion(&mail(
            "List-Unsubscribe: <https://news.example/u>"
        )));
        assert!(!is_discussion(&mail("List-Id: <news.example>")));
        for (name, by_list) in [
            ("list-id", true),
            ("sender", true),
            ("x-mailman-version", true),
            ("from", false),
            ("x-mailer", false),
        ] {
            assert_eq!(writes(name), by_list, "{name}");
        }
    }

    #[test]
    fn the_mark_of_a_list_is_taken_off_and_an_answer_stays_one() {
        for (subject, without) in [
            ("[ILUG] deal", "deal"),
            ("Re: [ILUG] deal", "Re: deal"),
            ("[ILUG] RE: [ILUG] deal [now]", "Re: deal [now]"),
            ("Re: deal", "Re: deal"),
            ("[unclosed", "[unclosed"),
            ("[]", ""),
            ("é", "é"),
            ("", ""),
        ] {
            assert_eq!(without_mark(subject), without, "{subject:?}");
        }
        let long = format!("[{}] x", "a".repeat(MARK + 1));
        assert_eq!(without_mark(&long), long);
    }

    #[test]
    fn the_lines_of_a_list_are_found_at_the_end_only() {
        let mailman = "______\nTalk mailing list\nhttps://lists.example/mailman/listinfo/talk\n";
        for (own, lists) in [
            ("Hello.\n-- \nAnn\n\n", mailman),
            (
                "Grüße\n",
                "-- \nUsers' Group: a@b.example\nhttp://b.example/mailman/listinfo/a for information.\nMaintainer: c@b.example\n",
            ),
            ("text\n", "http://b.example/mailman/listinfo/a\n\n"),
            ("", mailman),
            // What was quoted, and what stands too far up, the sender wrote.
            ("> ______\n> http://b.example/mailman/listinfo/a\n", ""),
            (
                "See http://b.example/mailman/listinfo/a\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n",
                "",
            ),
            ("plain\n-----\nwords\n", ""),
        ] {
            let text = format!("{own}{lists}");
            assert_eq!(without_footer(&text), (own, lists), "{text:?}");
        }
        let long = format!("{}é http://b.example/mailman/listinfo/a", "x".repeat(5_000));
        assert!(footer(&long) >= long.len() - BYTES);
    }
}
