//! The field `Authentication-Results` (RFC 8601), as others write it.
//!
//! In: the value of a field, or of `ARC-Authentication-Results` behind its instance. Out: whose field it is, and
//! what it says: methods with results and properties. Comments may stand everywhere and nest; strings may be quoted.
//! Bounds: the bytes and the number of results that are read; nothing recurses.

/// Bytes of a field that are read.
const FIELD_BYTES: usize = 32 << 10;
/// Results of a field that are read.
const RESULTS: usize = 100;

/// One result: a method, what came out, and what about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MethodResult {
    /// `spf`, `dkim`, ... in lower case.
    pub method: String,
    /// `pass`, `fail`, ... in lower case.
    pub result: String,
    /// `header.d` and the like in lower case, each with its value.
    pub properties: Vec<(String, String)>,
}

impl MethodResult {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        let found = self.properties.iter().find(|(n, _)| n == name)?;
        Some(&found.1)
    }
}

/// The id of the server that a field claims to be of, in lower case; `None` for what cannot be read. What stands
/// behind it (a version) is left out.
pub fn authserv_id(value: &[u8]) -> Option<String> {
    let mut tokens = Tokens::new(value);
    match tokens.next()? {
        Token::Word(word) => Some(word.to_lowercase()),
        Token::Mark(_) => None,
    }
}

/// The results of a field; what cannot be read is left out.
pub fn results(value: &[u8]) -> Vec<MethodResult> {
    let mut found = Vec::new();
    let mut parts: Vec<Vec<Token>> = vec![Vec::new()];
    for token in Tokens::new(value) {
        match token {
            Token::Mark(b';') => parts.push(Vec::new()),
            token => {
                if let Some(last) = parts.last_mut() {
                    last.push(token);
                }
            }
        }
    }
    // The first part is the id.
    for part in parts.into_iter().skip(1).take(RESULTS) {
        found.extend(method_result(&part));
    }
    found
}

fn method_result(part: &[Token]) -> Option<MethodResult> {
    let mut assignments = assignments(part).into_iter();
    let (method, result) = assignments.next()?;
    // A version may stand behind the name of the method.
    let method = method.split('/').next().unwrap_or_default().to_owned();
    (!method.is_empty()).then(|| MethodResult {
        method,
        result: result.to_lowercase(),
        properties: assignments.collect(),
    })
}

/// `name = value`, where both may be of several pieces without white space between: `header.i=@example.org`.
fn assignments(part: &[Token]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut tokens = part.iter().peekable();
    while let Some(token) = tokens.next() {
        let Token::Word(name) = token else {
            continue;
        };
        if tokens.next_if(|t| matches!(t, Token::Mark(b'='))).is_none() {
            continue;
        }
        if let Some(Token::Word(value)) = tokens.next_if(|t| matches!(t, Token::Word(_))) {
            found.push((name.to_lowercase(), value.clone()));
        }
    }
    found
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word, or a quoted string without its quotes.
    Word(String),
    /// `;` or `=`.
    Mark(u8),
}

/// Divides a value, leaving out white space and comments.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn new(value: &'a [u8]) -> Tokens<'a> {
        Tokens {
            rest: value.get(..FIELD_BYTES).unwrap_or(value),
        }
    }

    fn bump(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip_space(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.rest.first() {
            match byte {
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b'\\' if depth > 0 => {
                    self.bump();
                }
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ if depth > 0 => {}
                _ => return,
            }
            self.bump();
        }
    }

    fn quoted(&mut self) -> String {
        let mut word = Vec::new();
        self.bump();
        while let Some(byte) = self.bump() {
            match byte {
                b'"' => break,
                b'\\' => word.extend(self.bump()),
                b'\r' | b'\n' => {}
                byte => word.push(byte),
            }
        }
        String::from_utf8_lossy(&word).into_owned()
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_space();
        match self.rest.first()? {
            mark @ (b';' | b'=') => {
                let mark = *mark;
                self.bump();
                Some(Token::Mark(mark))
            }
            b'"' => Some(Token::Word(self.quoted())),
            _ => {
                let ends =
                    |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'=' | b'(' | b'"');
                let end = self
                    .rest
                    .iter()
                    .position(ends)
                    .unwrap_or(self.rest.len())
                    .max(1);
                let (word, rest) = self.rest.split_at_checked(end)?;
                self.rest = rest;
                Some(Token::Word(String::from_utf8_lossy(word).into_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_id_is_read_past_comments_versions_and_quotes() {
        for value in [
            "mx.example.org; none",
            " MX.Example.ORG 1; spf=pass",
            "(a (b) \\) c)\r\n\tmx.example.org(x)1;none",
            "\"mx.example.org\" ; none",
            "mx.example.org",
        ] {
            let id = authserv_id(value.as_bytes());
            assert_eq!(id.as_deref(), Some("mx.example.org"), "{value:?}");
        }
        for value in ["", " ", "(mx.example.org)", "; spf=pass", "=x"] {
            assert_eq!(authserv_id(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn results_are_read_with_their_properties() {
        let value = "mx.example.org 1; SPF/1 = Pass (it; may) reason=\"a;b\"\r\n smtp.mailfrom=a@b.example; \
                     dkim=pass header.i=@d.example header.d=\"D.example\" ; none; ;dmarc=fail header.from=x";
        let found = results(value.as_bytes());
        let words: Vec<_> = found
            .iter()
            .map(|r| (r.method.as_str(), r.result.as_str()))
            .collect();
        assert_eq!(
            words,
            [("spf", "pass"), ("dkim", "pass"), ("dmarc", "fail")]
        );
        assert_eq!(found[0].property("reason"), Some("a;b"));
        assert_eq!(found[0].property("smtp.mailfrom"), Some("a@b.example"));
        assert_eq!(found[1].property("header.d"), Some("D.example"));
    }

    proptest! {
        #[test]
        fn anything_can_be_read(value in "[-a-z;=()\\\\\" \r\n/.]{0,60}") {
            let _ = authserv_id(value.as_bytes());
            let _ = results(value.as_bytes());
        }
    }
}
