//! How seldom a string occurs in the text of mail, estimated from how often one letter follows another.
//!
//! The table was counted over 2,500 public messages. It decides only what is looked for first: a wrong
//! estimate costs time, never a hit.

use std::sync::LazyLock;

/// How many bits rarer a set must be to be taken although a match can begin anywhere before it.
pub(super) const UNBOUNDED: f64 = 8.0;
/// Kinds of bytes: the letters, a digit, a blank, `.` or `,`, other ASCII, beyond ASCII.
const KINDS: usize = 31;

/// Bits of the first byte, by its kind, as a hexadecimal digit.
const FIRST: &[u8; KINDS] = b"465546654975544694445768698369c";

/// Bits of a byte after another, by their kinds.
const AFTER: [&[u8; KINDS]; KINDS] = [
    b"8544975849744396a343658758a48bf",
    b"47763889468378399537489959858af",
    b"396838935a458828957458a97a957af",
    b"4865388939977848a556588a6a9269f",
    b"575456796a9554868344867679a269f",
    b"4878449a3996962794755a9979827ae",
    b"4789397449967547a455599979a269f",
    b"39a629aa3aa88749a684699a78a38af",
    b"564555599a745246953395b8a6c59bf",
    b"46663677566766367666267676768ae",
    b"567728574886856887465888789268f",
    b"498537983a737937a955589a4ab37af",
    b"2686397749976844a8586a9a6aa379e",
    b"5553463859678649a94367aa69b37ae",
    b"7656846979754365a35436589ac37af",
    b"387738755a946935a35559a56aa478f",
    b"666767776776777756661677777579e",
    b"486527694a676635a64467976ab37ae",
    b"596838954b787854a6435a8c7bb259f",
    b"498839b23ba77936b5555a786ab379e",
    b"555647565a845365a32399a689b48cf",
    b"488818883997784888777988899679e",
    b"38883983299895389558894989946bf",
    b"585757775787686477737885787357f",
    b"67885989699676269656898998a159f",
    b"46662676466676467666576766746ae",
    b"777777888888788698888887884348f",
    b"4545556548855555854367596a8f88d",
    b"774857877a887677b7678a9b9a715be",
    b"766677676aa5657686566879ab8286e",
    b"797879998cb87669a77798abbbb38b7",
];

/// What nearly every message holds, whatever its letters say.
const EVERYWHERE: [&[u8]; 12] = [
    b"https://",
    b"http://",
    b"www.",
    b".com",
    b"mailto:",
    b"href=",
    b"charset=",
    b"content-",
    b"text/",
    b"</span>",
    b"&nbsp;",
    b"style=",
];
const EVERYWHERE_BITS: f64 = 5.0;

/// Words that mail uses far more often than their letters say.
const COMMON: [&str; 64] = [
    "about",
    "account",
    "address",
    "also",
    "answer",
    "attention",
    "been",
    "best",
    "business",
    "call",
    "change",
    "claim",
    "click",
    "company",
    "contact",
    "date",
    "details",
    "dollars",
    "email",
    "every",
    "find",
    "following",
    "free",
    "from",
    "group",
    "have",
    "help",
    "here",
    "information",
    "internet",
    "just",
    "know",
    "like",
    "link",
    "list",
    "mailing",
    "make",
    "message",
    "million",
    "money",
    "name",
    "need",
    "number",
    "offer",
    "only",
    "order",
    "people",
    "please",
    "process",
    "questions",
    "receive",
    "removed",
    "reply",
    "request",
    "send",
    "service",
    "subject",
    "system",
    "thank",
    "there",
    "today",
    "transfer",
    "which",
    "your",
];
const COMMON_BITS: f64 = 10.0;

/// Expected rarity of a string in lower case: the negative binary logarithm of the share of places in a
/// text where it begins.
pub(super) fn rarity(literal: &[u8]) -> f64 {
    if EVERYWHERE
        .iter()
        .any(|common| common.windows(literal.len()).any(|w| w == literal))
    {
        return EVERYWHERE_BITS;
    }
    let word = literal.trim_ascii();
    let common = |w: &&str| w.as_bytes().starts_with(word) || w.as_bytes().ends_with(word);
    let most = match COMMON.iter().any(common) {
        true => COMMON_BITS,
        false => f64::INFINITY,
    };
    let mut bits = 0;
    let mut last = None;
    for byte in literal {
        let kind = kind(*byte);
        let row = match last {
            None => FIRST,
            Some(before) => AFTER.get(before).copied().unwrap_or(FIRST),
        };
        bits += row.get(kind).map_or(0, |digit| digit_value(*digit));
        last = Some(kind);
    }
    f64::from(bits).min(most)
}

/// The share of the bytes of a text that are this byte.
pub(super) fn share(byte: u8) -> f64 {
    static SHARES: LazyLock<[f64; 256]> = LazyLock::new(|| {
        let mut shares = [0.0; 256];
        for (byte, share) in (0..=255).zip(&mut shares) {
            *share = estimated(byte);
        }
        shares
    });
    SHARES.get(usize::from(byte)).copied().unwrap_or(0.0)
}

fn estimated(byte: u8) -> f64 {
    let kind = kind(byte.to_ascii_lowercase());
    let bits = FIRST.get(kind).map_or(0, |digit| digit_value(*digit));
    let of_kind = match byte {
        b'A'..=b'Z' => 0.1,
        b'a'..=b'z' => 0.9,
        b'.' | b',' => 0.5,
        0x80.. => 1.0 / 128.0,
        // The table tells of one digit, and of one of the other signs.
        _ => 1.0,
    };
    of_kind * (-f64::from(bits)).exp2()
}

fn digit_value(digit: u8) -> u32 {
    char::from(digit).to_digit(16).unwrap_or(0)
}

fn kind(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => usize::from(byte - b'a'),
        b'0'..=b'9' => 26,
        b' ' => 27,
        b'.' | b',' => 28,
        0x80.. => 30,
        _ => 29,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_are_less_rare_than_the_words_of_scams() {
        for (common, rare) in [
            (&b"the "[..], &b"kin "[..]),
            (b"your", b"wire"),
            (b" and ", b"inher"),
            (b"tion", b"zqxj"),
            (b"this is the", b"next of kin"),
        ] {
            assert!(rarity(common) < rarity(rare), "{}", common.escape_ascii());
        }
        assert!((5.0..11.0).contains(&rarity(b" the")));
    }
}
