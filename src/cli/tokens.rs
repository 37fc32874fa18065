//! Why the classifier says what it says of a message, for people: shared by `explain` and `model explain`.

use std::io::{self, Write};

use crate::printable::printable;
use crate::workbench::tokens::Tokens;

/// What it says, in one line.
pub(super) fn said(tokens: &Tokens) -> String {
    let learned = tokens.learned.as_ref();
    let learned = learned.map_or(String::new(), |class| format!(", learned as {class}"));
    format!(
        "probability {:.4}, log odds {:+.2}{learned}",
        tokens.probability, tokens.odds
    )
}

/// The features of either side, with the ham and spam messages that have them.
pub(super) fn sides(out: &mut impl Write, tokens: &Tokens, indent: &str) -> io::Result<()> {
    for (side, of_side) in [("spam", &tokens.spam), ("ham", &tokens.ham)] {
        writeln!(
            out,
            "{indent}for {side:<5} {:>7}  {:>16}  {:>16}",
            "odds", "in ham", "in spam"
        )?;
        for token in of_side {
            let seen = |count: u32, share: f64| format!("{count} ({:.1} %)", 100.0 * share);
            writeln!(
                out,
                "{indent}          {:>+7.3}  {:>16}  {:>16}  {}",
                token.odds,
                seen(token.ham, token.ham_share),
                seen(token.spam, token.spam_share),
                printable(&token.name, 80)
            )?;
        }
    }
    Ok(())
}
