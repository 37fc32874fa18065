//! Text as a rule sees it: what a reader takes for the same is made the same.
//!
//! White space runs become one space, so that a phrase is found across line ends. Characters without
//! width, which break words for filters and not for readers, go, and so do lines drawn through or below
//! letters. Letters and digits that only look styled (full width, mathematical bold, circled and the like)
//! become plain ASCII. Nothing else changes: accents and other scripts stay.

/// Folds a text.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    for c in text.chars() {
        if c.is_ascii_graphic() {
            // The common case first.
        } else if c.is_whitespace() || c == '\u{2800}' || c == '\u{3164}' {
            space = true;
            continue;
        } else if has_no_width(c) {
            continue;
        }
        if space && !out.is_empty() {
            out.push(' ');
        }
        space = false;
        out.push(plain(c));
    }
    out
}

/// Whether a character takes no room and joins nothing that a reader would miss.
fn has_no_width(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{332}' | '\u{333}' | '\u{335}'..='\u{338}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
        || (c.is_control() && !c.is_whitespace())
}

/// The plain form of a styled letter or digit.
fn plain(c: char) -> char {
    let code = u32::from(c);
    let plain = match code {
        // Halfwidth and Fullwidth Forms: ASCII from `!` on.
        0xFF01..=0xFF5E => code - 0xFF01 + 0x21,
        // Mathematical Alphanumeric Symbols: 13 alphabets of 26 + 26 letters, 5 rows of digits.
        0x1D400..=0x1D6A3 => match (code - 0x1D400) % 52 {
            upper @ 0..26 => 0x41 + upper,
            lower => 0x61 + lower - 26,
        },
        0x1D7CE..=0x1D7FF => 0x30 + (code - 0x1D7CE) % 10,
        // Enclosed Alphanumerics: circled letters.
        0x24B6..=0x24CF => code - 0x24B6 + 0x41,
        0x24D0..=0x24E9 => code - 0x24D0 + 0x61,
        // Enclosed Alphanumeric Supplement: squared, white in a circle, white in a square.
        0x1F130..=0x1F149 => code - 0x1F130 + 0x41,
        0x1F150..=0x1F169 => code - 0x1F150 + 0x41,
        0x1F170..=0x1F189 => code - 0x1F170 + 0x41,
        0x2102..=0x2134 => return letterlike(c),
        _ => code,
    };
    char::from_u32(plain).unwrap_or(c)
}

/// Letterlike Symbols: the letters that the mathematical alphabets leave out.
fn letterlike(c: char) -> char {
    match c {
        'ℬ' => 'B',
        'ℂ' | 'ℭ' => 'C',
        'ℯ' => 'e',
        'ℰ' => 'E',
        'ℱ' => 'F',
        'ℊ' => 'g',
        'ℎ' => 'h',
        'ℋ' | 'ℌ' | 'ℍ' => 'H',
        'ℐ' | 'ℑ' => 'I',
        'ℒ' => 'L',
        'ℳ' => 'M',
        'ℕ' => 'N',
        'ℴ' => 'o',
        'ℙ' => 'P',
        'ℚ' => 'Q',
        'ℛ' | 'ℜ' | 'ℝ' => 'R',
        'ℤ' | 'ℨ' => 'Z',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn what_reads_the_same_becomes_the_same() {
        assert_eq!(fold("  next\r\n of\u{A0}\u{A0}kin \n"), "next of kin");
        assert_eq!(
            fold("Pay\u{200B}Pal\u{AD} acc\u{2060}ount"),
            "PayPal account"
        );
        assert_eq!(fold("𝐕𝐞𝐫𝐢𝐟𝐲 𝟐𝟒 ＰａｙＰａｌ Ⓐⓑ"), "Verify 24 PayPal Ab");
        assert_eq!(fold("𝓋ℯ𝓇𝒾𝒻𝓎 ℙ𝕒𝕪ℙ𝕒𝕝 🅿🅰🆈 🅟🄰"), "verify PayPal PAY PA");
        assert_eq!(fold("P\u{E0100}a\u{335}y\u{332}Pal"), "PayPal");
        assert_eq!(fold("№ ™ 20 ℃"), "№ ™ 20 ℃");
        assert_eq!(fold("Grüße, привет, 你好"), "Grüße, привет, 你好");
        assert_eq!(fold("a\u{0}b\u{202E}c"), "abc");
    }
}
