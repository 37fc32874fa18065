//! `meta` rules: arithmetic over other rules, as a formula of mailweir.

use std::collections::BTreeSet;

use crate::config::fits;

/// One word or sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(f64),
    Sign(&'static str),
}

/// Signs, longer ones first.
const SIGNS: &[&str] = &[
    "&&", "||", ">=", "<=", "==", "!=", "!", "(", ")", "+", "-", "*", "/", "<", ">", "^",
];

/// Reads a meta rule. `all` gives the names of all rules, for `rules_matching(...)`.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn tokens<'n>(text: &str, all: impl Fn() -> Vec<&'n str>) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            tokens.push(Token::Sign(sign));
            rest = rest.get(sign.len()..).unwrap_or_default();
        } else {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
                .unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            rest = behind;
            match word {
                "" => {
                    let sign: String = rest.chars().take(1).collect();
                    return Err(format!("`{sign}` means nothing in a formula"));
                }
                "local_tests_only" => tokens.push(Token::Number(1.0)),
                "rules_matching" => {
                    let (glob, behind) = rest
                        .trim_start()
                        .strip_prefix('(')
                        .and_then(|r| r.split_once(')'))
                        .ok_or("`rules_matching` needs a name with `*` or `?`")?;
                    rest = behind;
                    sum(&mut tokens, glob.trim(), &all());
                }
                word => match word.parse::<f64>() {
                    Ok(number)
                        if number.is_finite()
                            && word.starts_with(|c: char| c.is_ascii_digit() || c == '.') =>
                    {
                        tokens.push(Token::Number(number));
                    }
                    _ if word.starts_with(|c: char| c.is_ascii_digit()) || word.contains('.') => {
                        return Err(format!("`{word}` is neither a rule nor a number"));
                    }
                    _ => tokens.push(Token::Name(word.to_owned())),
                },
            }
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

fn sum(tokens: &mut Vec<Token>, glob: &str, all: &[&str]) {
    tokens.push(Token::Sign("("));
    tokens.push(Token::Number(0.0));
    for name in all.iter().filter(|n| fits(glob.as_bytes(), n.as_bytes())) {
        tokens.push(Token::Sign("+"));
        tokens.push(Token::Name((*name).to_owned()));
    }
    tokens.push(Token::Sign(")"));
}

/// The rules that it names.
pub(super) fn names(tokens: &[Token]) -> BTreeSet<&str> {
    tokens
        .iter()
        .filter_map(|t| match t {
            Token::Name(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

/// The names that may make the result hold when they do *not* hit: those under `!`, behind `-`, beside a
/// comparison that looks down. What is not a plain formula of `&&`, `||`, `+`, `>` counts whole.
pub(super) fn counted_against(tokens: &[Token]) -> BTreeSet<&str> {
    let simple = tokens.iter().all(|t| match t {
        Token::Sign(sign) => matches!(*sign, "&&" | "||" | "!" | "(" | ")" | "+" | ">" | ">="),
        _ => true,
    });
    // A comparison is plain when a number stands on its right.
    let plain = tokens.windows(2).all(|pair| match pair {
        [Token::Sign(">" | ">="), next] => matches!(next, Token::Number(_)),
        _ => true,
    });
    if !simple || !plain {
        return names(tokens);
    }
    let mut against = BTreeSet::new();
    let mut negated: Vec<bool> = vec![false];
    let mut not = false;
    for token in tokens {
        let outer = negated.last().copied().unwrap_or_default();
        match token {
            Token::Sign("!") => not = !not,
            Token::Sign("(") => {
                negated.push(outer != not);
                not = false;
            }
            Token::Sign(")") => {
                negated.pop();
                not = false;
            }
            Token::Sign(_) => not = false,
            Token::Number(_) => not = false,
            Token::Name(name) => {
                if outer != not {
                    against.insert(name.as_str());
                }
                not = false;
            }
        }
    }
    against
}

/// Writes it, with what `value` makes of each name.
pub(super) fn written(tokens: &[Token], value: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for token in tokens {
        let word = match token {
            Token::Name(name) => value(name),
            Token::Number(number) => number.to_string(),
            Token::Sign(sign) => (*sign).to_owned(),
        };
        let tight = out.is_empty() || out.ends_with('(') || out.ends_with('!') || word == ")";
        if !tight {
            out.push(' ');
        }
        out.push_str(&word);
    }
    // Empty parentheses are 0 in SpamAssassin.
    out.replace("()", "(0)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<&'static str> {
        vec!["A1", "A22", "B1"]
    }

    fn read(text: &str) -> Vec<Token> {
        tokens(text, all).unwrap()
    }

    #[test]
    fn formulas_are_read_and_written() {
        for (text, expected) in [
            ("A&&!(B||C)", "A && !(B || C)"),
            ("(A+B *2 - 0.5)>=3", "(A + B * 2 - 0.5) >= 3"),
            ("rules_matching(A*) > 1", "(0 + A1 + A22) > 1"),
            ("( )", "(0)"),
            ("local_tests_only", "1"),
        ] {
            assert_eq!(written(&read(text), str::to_owned), expected);
        }
        assert!(tokens("A; B", all).is_err() && tokens("1x", all).is_err());
    }

    #[test]
    fn names_that_count_against() {
        let against = |text: &str| -> Vec<String> {
            counted_against(&read(text))
                .into_iter()
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(against("A && !B && !(C || !D)"), ["B", "C"]);
        assert_eq!(against("(A + B + C) > 1"), Vec::<String>::new());
        assert_eq!(against("(A + B) < 2"), ["A", "B"]);
        assert_eq!(against("A && (B > C)"), ["A", "B", "C"]);
    }
}
