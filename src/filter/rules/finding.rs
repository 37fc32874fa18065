//! What a condition found: where, and the bytes that matched.

use std::ops::Range;

/// Longest piece of one text in evidence, bytes.
const PIECE_BYTES: usize = 80;
/// Longest match that a finding keeps, bytes.
const MATCHED_BYTES: usize = 1 << 10;

/// One thing that made a condition hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: the name of the place as in rule files (`subject`, `header x-mailer`), or of the condition
    /// (`flag`, `relation`, `size`, `rule`).
    pub place: String,
    /// The bytes that matched, as they stand in the message: to be escaped wherever they are shown. At most
    /// 1 KiB. `None` where nothing stands in the message, such as for a missing header.
    pub matched: Option<Vec<u8>>,
    /// Which of the texts of the place, from 0, and which bytes of it.
    pub at: Option<(usize, Range<usize>)>,
    /// The same in a few words, as evidence of a hit shows it: to be escaped wherever it is shown.
    pub shown: String,
}

impl Finding {
    /// A finding that is no place in a text.
    pub(super) fn of(place: &str, shown: String) -> Finding {
        Finding {
            place: place.to_owned(),
            matched: None,
            at: None,
            shown,
        }
    }

    /// What matched in a text.
    pub(super) fn matched(
        place: &str,
        text: usize,
        range: Range<usize>,
        matched: &[u8],
    ) -> Finding {
        Finding {
            place: place.to_owned(),
            shown: format!("{place}: \"{}\"", piece(matched)),
            at: Some((text, range)),
            matched: Some(matched.get(..MATCHED_BYTES).unwrap_or(matched).to_vec()),
        }
    }
}

/// What matched, cut to its bound; bytes that are not UTF-8 are replaced.
pub(super) fn piece(matched: &[u8]) -> String {
    match matched.get(..PIECE_BYTES) {
        Some(cut) if matched.len() > PIECE_BYTES => format!("{}...", String::from_utf8_lossy(cut)),
        _ => String::from_utf8_lossy(matched).into_owned(),
    }
}
