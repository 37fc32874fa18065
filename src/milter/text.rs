//! Text that goes to the MTA: SMTP replies and header values, under the strictest reading of all MTAs.

use std::fmt::Write as _;

/// Longest text of a reply behind the codes, bytes, before `%` is doubled. RFC 5321 allows 512 for the
/// whole line; libmilter 980.
const MAX_TEXT: usize = 240;

/// Text of a custom SMTP reply, `550 5.7.1 text`: one line of printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyText(String);

impl ReplyText {
    /// A permanent refusal, 550 5.7.1.
    pub fn rejected(text: &str) -> ReplyText {
        ReplyText::with("550 5.7.1", text)
    }

    /// The message is larger than allowed, 552 5.3.4.
    pub fn too_large(text: &str) -> ReplyText {
        ReplyText::with("552 5.3.4", text)
    }

    /// Refused for now, 451 4.7.1.
    pub fn tempfailed(text: &str) -> ReplyText {
        ReplyText::with("451 4.7.1", text)
    }

    /// No room for the message now, 452 4.3.1.
    pub fn no_room(text: &str) -> ReplyText {
        ReplyText::with("452 4.3.1", text)
    }

    /// Anything that is not printable ASCII becomes `?` (line ends: a space); the text is cut; every `%` is
    /// doubled, because Sendmail formats the text and Postfix halves it back.
    fn with(codes: &str, text: &str) -> ReplyText {
        let mut out = String::with_capacity(codes.len() + 1 + text.len());
        out.push_str(codes);
        out.push(' ');
        for c in text.chars().take(MAX_TEXT) {
            match c {
                '%' => out.push_str("%%"),
                ' '..='~' => out.push(c),
                '\r' | '\n' | '\t' => out.push(' '),
                _ => out.push('?'),
            }
        }
        let trimmed = out.trim_end().len();
        out.truncate(trimmed);
        ReplyText(out)
    }

    /// As it goes over the wire, without the terminator.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Longest line of a header value that mailweir writes (RFC 5322, 2.1.1).
const LINE: usize = 78;
/// Longest header value that mailweir writes.
const MAX_VALUE: usize = 4000;

/// Folds words, separated by single spaces, into a header value: LF and a tab before each continuation
/// (the MTA makes CRLF of LF; Postfix would store a CR in the message). `name` counts in the first line.
/// Everything that is not printable ASCII is written as `?`, so nothing can end the field.
pub fn header_value(name: &str, words: &str) -> String {
    let mut out = String::with_capacity(words.len() + 16);
    let mut column = name.len() + 2;
    for word in words.split_ascii_whitespace() {
        let length = word.chars().count();
        if out.len() + length + 2 > MAX_VALUE {
            let _ = out.write_str(" ...");
            break;
        }
        if !out.is_empty() {
            if column + 1 + length > LINE {
                out.push_str("\n\t");
                column = 8;
            } else {
                out.push(' ');
                column += 1;
            }
        }
        out.extend(word.chars().map(|c| match c {
            '!'..='~' => c,
            _ => '?',
        }));
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The union of what libmilter, Sendmail and Postfix demand of a reply.
    fn acceptable(text: &str) -> bool {
        let b = text.as_bytes();
        let codes = b.len() > 10
            && matches!(b[0], b'4' | b'5')
            && b[1..3].iter().all(u8::is_ascii_digit)
            && b[3] == b' '
            && b[4] == b[0]
            && b[5] == b'.'
            && b[7] == b'.';
        let halved = text.replace("%%", "");
        codes
            && b.len() <= 512
            && b.iter().all(|c| (b' '..=b'~').contains(c))
            && !halved.contains('%')
    }

    proptest! {
        #[test]
        fn every_reply_passes_the_strictest_mta(text in ".*") {
            for reply in [
                ReplyText::rejected(&format!("x{text}")),
                ReplyText::tempfailed(&format!("x{text}")),
                ReplyText::too_large(&format!("x{text}")),
                ReplyText::no_room(&format!("x{text}")),
            ] {
                prop_assert!(acceptable(reply.as_str()), "{:?}", reply);
            }
        }

        #[test]
        fn header_values_cannot_end_the_field(text in ".*") {
            let value = header_value("X-Spam-Status", &text);
            prop_assert!(!value.contains('\r') && !value.contains('\0'));
            prop_assert!(value.split('\n').skip(1).all(|l| l.starts_with('\t') && l.len() > 1));
            prop_assert!(value.len() <= MAX_VALUE + 8);
        }
    }

    #[test]
    fn percent_signs_are_doubled() {
        assert_eq!(
            ReplyText::rejected("100% sure\r\n250 ok").as_str(),
            "550 5.7.1 100%% sure  250 ok"
        );
    }

    #[test]
    fn long_values_are_folded_with_lf_and_tab() {
        let words = vec!["RULE_NAME"; 20].join(" ");
        let value = header_value("X-Spam-Status", &words);
        assert!(value.contains("\n\t"));
        assert!(value.lines().all(|l| l.len() <= LINE));
    }
}
