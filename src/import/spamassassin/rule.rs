//! A rule as SpamAssassin's files define it.

/// Where something was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Number of the source file.
    pub(super) file: usize,
    /// Line, from 1.
    pub(super) line: usize,
}

/// What a rule looks at or computes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// `body`, `rawbody`, `uri`, `full`: the place, and the pattern with delimiters.
    Text(TextPlace, String),
    /// `header` and `mimeheader`.
    Header(HeaderTest),
    /// `meta`
    Meta(String),
    /// `eval:` of any kind, with the kind: `eval:function(arguments)`.
    Eval(String),
    /// A kind that is not known here, with the reason.
    Unknown(String),
}

/// The places of text rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextPlace {
    Body,
    RawBody,
    Uri,
    Full,
}

impl TextPlace {
    /// The name of the place in rule files.
    pub(super) fn name(self) -> &'static str {
        match self {
            TextPlace::Body => "sa_body",
            TextPlace::RawBody => "sa_rawbody",
            TextPlace::Uri => "sa_uri",
            TextPlace::Full => "sa_full",
        }
    }
}

/// A test of a header field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HeaderTest {
    /// Of the message, or of its MIME parts.
    pub(super) mime: bool,
    /// The name with modifiers.
    pub(super) field: String,
    /// `None` for `exists:`.
    pub(super) pattern: Option<String>,
    /// `!~`
    pub(super) negated: bool,
    /// What stands for a field that is not there.
    pub(super) unset: Option<String>,
}

impl HeaderTest {
    /// Reads what stands behind the rule's name.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn read(text: &str, mime: bool) -> Result<HeaderTest, String> {
        if let Some(field) = text.strip_prefix("exists:") {
            return Ok(HeaderTest {
                mime,
                field: field.trim().trim_end_matches(':').to_owned(),
                pattern: None,
                negated: false,
                unset: None,
            });
        }
        let end = text
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':')))
            .unwrap_or(text.len());
        let (field, rest) = text.split_at(end);
        let rest = rest.trim_start();
        let (negated, pattern) = match (rest.strip_prefix("=~"), rest.strip_prefix("!~")) {
            (Some(pattern), _) => (false, pattern),
            (_, Some(pattern)) => (true, pattern),
            _ => return Err("it is not of the form `Field =~ /pattern/`".to_owned()),
        };
        let mut pattern = pattern.trim();
        let mut unset = None;
        if let Some(rest) = pattern.strip_suffix(']')
            && let Some((before, default)) = rest.rsplit_once("[if-unset:")
        {
            unset = Some(default.trim_start().to_owned());
            pattern = before.trim_end();
        }
        if field.is_empty() || pattern.is_empty() {
            return Err("it is not of the form `Field =~ /pattern/`".to_owned());
        }
        Ok(HeaderTest {
            mime,
            field: field.trim_end_matches(':').to_owned(),
            pattern: Some(pattern.to_owned()),
            negated,
            unset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_tests_are_taken_apart() {
        let test = HeaderTest::read("From:addr !~ /x ]/i [if-unset: none@x]", false).unwrap();
        assert_eq!(
            test,
            HeaderTest {
                mime: false,
                field: "From:addr".into(),
                pattern: Some("/x ]/i".into()),
                negated: true,
                unset: Some("none@x".into()),
            }
        );
        let exists = HeaderTest::read("exists:X-Foo", false).unwrap();
        assert_eq!((exists.field.as_str(), exists.pattern), ("X-Foo", None));
        assert!(HeaderTest::read("Subject /x/", false).is_err());
    }
}
