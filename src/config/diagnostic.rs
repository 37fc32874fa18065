//! Problems in files that people write, shown where they are.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use super::mask::masked;

/// A file, with its text for showing problems in it.
#[derive(Clone, Debug)]
pub struct Source(Arc<Held>);

struct Held {
    path: PathBuf,
    text: Arc<str>,
    /// Where each line begins: a large rule file is asked for a place once a rule.
    lines: Vec<usize>,
}

/// Without the text, which may hold keys.
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Source");
        shown.field("path", &self.path).finish_non_exhaustive()
    }
}

impl Source {
    /// Reads a file. A file that cannot be read, or is not UTF-8, is a problem without a place.
    ///
    /// # Errors
    /// The problem, ready to be shown.
    pub fn read(path: &Path) -> Result<Source, Problem> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Source::new(path, text)),
            Err(e) => Err(Problem::without_place(format!(
                "cannot read {}: {e}",
                path.display()
            ))),
        }
    }

    /// Text that is known already; `path` is only its name.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> Source {
        let text: Arc<str> = text.into();
        let breaks = memchr::memchr_iter(b'\n', text.as_bytes());
        Source(Arc::new(Held {
            path: path.into(),
            lines: std::iter::once(0).chain(breaks.map(|i| i + 1)).collect(),
            text,
        }))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Its text with `*` in place of secrets: the values of keys called `key`.
    pub fn masked(&self) -> std::borrow::Cow<'_, str> {
        masked(self.text())
    }

    /// Line and column, from 1, of a byte offset; the column counts characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.0.text.len());
        let line = self.0.lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|i| self.0.lines.get(i));
        let before = self.0.text.get(start.copied().unwrap_or(0)..offset);
        let column = before.unwrap_or("").chars().count() + 1;
        (line, column)
    }

    /// The bytes of the lines that a range touches, so that a problem is shown without a look at the rest of
    /// the file.
    fn lines_of(&self, span: &Range<usize>) -> Range<usize> {
        let lines = &self.0.lines;
        let first = lines.partition_point(|start| *start <= span.start);
        let last = lines.partition_point(|start| *start < span.end.max(span.start + 1));
        let start = first.checked_sub(1).and_then(|i| lines.get(i)).copied();
        let end = lines.get(last).copied().unwrap_or(self.0.text.len());
        start.unwrap_or(0)..end
    }
}

/// Longest part of a file that is shown with a problem, bytes: of lines beyond it only the place is told.
const EXCERPT_BYTES: usize = 16 << 10;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Note,
    /// Most likely not what was meant; it is taken nevertheless.
    Warning,
    /// The file is refused.
    Error,
}

impl Severity {
    /// The word used in output: `error`, `warning`, `note`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug)]
pub struct Problem {
    /// How much it matters; an error unless said otherwise.
    pub severity: Severity,
    /// What is wrong, one line.
    pub message: String,
    /// The place, if there is one.
    pub place: Option<(Source, Range<usize>)>,
    /// Short text at the caret.
    pub label: Box<str>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at a byte range of a file.
    pub fn at(source: &Source, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem {
            severity: Severity::Error,
            message: message.into(),
            place: Some((source.clone(), span)),
            label: Box::default(),
            help: None,
        }
    }

    /// A problem that has no place in a file.
    pub fn without_place(message: impl Into<String>) -> Problem {
        Problem {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            label: Box::default(),
            help: None,
        }
    }

    /// Adds the text at the caret.
    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into().into_boxed_str();
        self
    }

    /// The same with another severity.
    pub fn severity(mut self, severity: Severity) -> Problem {
        self.severity = severity;
        self
    }

    /// Adds what to do.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// `file:line:column`, where there is a place.
    pub fn position(&self) -> Option<(PathBuf, usize, usize)> {
        let (source, span) = self.place.as_ref()?;
        let (line, column) = source.line_column(span.start);
        Some((source.path().to_path_buf(), line, column))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut group = level
            .primary_title(self.message.as_str())
            .elements(std::iter::empty::<annotate_snippets::Element<'_>>());
        if let Some((source, span)) = &self.place {
            // A span may end within a character: where nothing is, one byte is pointed at.
            let start = source.text().floor_char_boundary(span.start);
            let span = start..source.text().ceil_char_boundary(span.end.max(start));
            let path = source.path().to_string_lossy();
            let (line, column) = source.line_column(start);
            let lines = source.lines_of(&span);
            // Masking keeps every place.
            let excerpt = masked(source.text()).get(lines.clone()).map(str::to_owned);
            match excerpt {
                Some(text) if text.len() <= EXCERPT_BYTES => {
                    let within = span.start - lines.start..span.end - lines.start;
                    group = group.element(
                        Snippet::source(text)
                            .line_start(line)
                            .path(path)
                            .annotation(AnnotationKind::Primary.span(within).label(&*self.label)),
                    );
                }
                _ => {
                    group = group.element(Origin::path(path).line(line).char_column(column));
                    if !self.label.is_empty() {
                        group = group.element(Level::NOTE.message(&*self.label));
                    }
                }
            }
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        write!(f, "{}", Renderer::plain().render(&[group]))
    }
}

/// Every problem found, in order.
#[derive(Clone, Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

/// Byte range of a value in its file.
pub fn span_of<T>(value: &Spanned<T>) -> Range<usize> {
    range(value.referenced)
}

fn range(location: serde_saphyr::Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().unwrap_or_else(|| span.offset()) as usize;
    let len = span.byte_len().unwrap_or_else(|| span.len()) as usize;
    start..start + len.max(1)
}

/// Parses one YAML document strictly: YAML 1.2 booleans, no duplicate keys, bounded aliases.
///
/// # Errors
/// The first structural problem, with its place and, for an unknown key, the nearest known one.
pub fn parse_yaml<T: DeserializeOwned>(source: &Source) -> Result<T, Problem> {
    use serde_saphyr::Error;
    let options = serde_saphyr::options! {
        strict_booleans: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(source.text(), options).map_err(|error| {
        let error = error.without_snippet();
        let span = error.location().map(range).unwrap_or(0..1);
        match &error {
            Error::SerdeUnknownField {
                field, expected, ..
            } => unknown(source, span, "key", field, expected),
            Error::SerdeUnknownVariant {
                variant, expected, ..
            } => unknown(source, span, "value", variant, expected),
            Error::SerdeMissingField { field, .. } => {
                Problem::at(source, span, format!("the key `{field}` is missing"))
                    .label("in this entry")
            }
            Error::SerdeInvalidType {
                unexpected,
                expected,
                ..
            }
            | Error::SerdeInvalidValue {
                unexpected,
                expected,
                ..
            } => Problem::at(
                source,
                span,
                format!("expected {expected}, found {unexpected}"),
            ),
            Error::Message { msg, .. } => Problem::at(source, span, msg.clone()),
            Error::DuplicateMappingKey { key, .. } => Problem::at(
                source,
                span,
                match key {
                    Some(key) => format!("the key `{key}` stands twice"),
                    None => "a key stands twice".to_owned(),
                },
            ),
            Error::Eof { .. } => Problem::at(source, span, "the file ends where more is expected")
                .help("it may be empty, hold comments alone, or miss a bracket or quote"),
            Error::Unexpected { expected, .. } => {
                Problem::at(source, span, format!("expected {}", plain(expected)))
            }
            Error::InvalidScalar { ty, .. } => {
                Problem::at(source, span, format!("expected {}", plain(ty)))
            }
            Error::NullIntoString { .. } => {
                Problem::at(source, span, "expected a text, found nothing (null)")
                    .help("put a text that YAML takes for something else between quotes")
            }
            Error::NonFiniteFloat { value, .. } => {
                Problem::at(source, span, format!("`{value}` is not a finite number"))
            }
            Error::MergeKeyNotAllowed { .. } => {
                Problem::at(source, span, "merge keys (`<<`) are not taken")
                    .help("write the keys out; a whole value may be an alias")
            }
            Error::Budget { .. } => {
                Problem::at(source, span, "the file holds more than one file may")
                    .help("at most 250,000 values, each alias counted as all that it stands for, 64 deep: split it")
            }
            other => Problem::at(source, span, one_line(&other.to_string())),
        }
    })
}

/// What the parser expected, in the words of somebody who writes YAML.
fn plain(expected: &str) -> &str {
    match expected {
        "sequence start" => "a list: `- ...` on lines below, or `[]` for an empty one",
        "mapping start" => "a map of keys and values",
        "string scalar" | "scalar" => "a text or a number",
        "floating point" | "f64" | "f32" => "a number",
        "u64" | "u32" | "u16" | "u8" | "usize" => "a whole number, 0 or more",
        "i64" | "i32" => "a whole number",
        other => other,
    }
}

/// The first line of a message of the parser, without the place, which is shown apart.
fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.split(" at line ").next().unwrap_or(line).to_owned()
}

/// Settings made of options that are all of a file, or what is shown of its problems, as tests need it.
#[cfg(test)]
pub(crate) fn checked<O: DeserializeOwned, S>(
    file: &str,
    yaml: &str,
    check: impl FnOnce(&O, &Source) -> Result<S, Problems>,
) -> Result<S, String> {
    let source = Source::new(file, yaml);
    let options = parse_yaml(&source).map_err(|p| p.to_string())?;
    check(&options, &source).map_err(|p| p.to_string())
}

fn unknown(
    source: &Source,
    span: Range<usize>,
    what: &str,
    given: &str,
    expected: &[&str],
) -> Problem {
    let problem = Problem::at(source, span, format!("unknown {what} `{given}`"));
    let near = expected
        .iter()
        .map(|e| (strsim::damerau_levenshtein(given, e), e))
        .filter(|(d, e)| *d <= (e.len().max(given.len()) / 3).max(1))
        .min();
    match near {
        Some((_, e)) => problem
            .label(format!("did you mean `{e}`?"))
            .help(format!("known here: {}", expected.join(", "))),
        None => problem.help(format!("known here: {}", expected.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        threshold: f64,
    }

    fn problem(text: &str) -> String {
        parse_yaml::<Sample>(&Source::new("a.yaml", text))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn unknown_key_is_shown_with_caret_and_nearest_key() {
        let known: Sample = parse_yaml(&Source::new("a.yaml", "threshold: 5\n")).unwrap();
        assert_eq!(known.threshold, 5.0);
        let shown = problem("thresold: 5\n");
        assert!(shown.contains("a.yaml:1:1"), "{shown}");
        assert!(shown.contains("did you mean `threshold`?"), "{shown}");
        assert!(shown.contains('^'), "{shown}");
    }

    #[test]
    fn mistakes_of_form_are_told_in_words_of_the_file() {
        #[derive(Debug, serde::Deserialize)]
        struct Kinds {
            #[serde(default)]
            _text: Vec<String>,
            #[serde(default)]
            _whole: u64,
        }
        let told = |text: &str| {
            let source = Source::new("a.yaml", text);
            parse_yaml::<Kinds>(&source).unwrap_err().to_string()
        };
        for (text, expected) in [
            ("_text:\n", "expected a list"),
            ("_text: x\n", "expected a list"),
            ("_text: [~]\n", "expected a text, found nothing"),
            ("_whole: -1\n", "expected a whole number, 0 or more"),
            ("7\n", "expected a map of keys and values"),
            ("_text: &a [x]\n<<: *a\n", "merge keys"),
        ] {
            let shown = told(text);
            assert!(shown.contains(expected), "{text}: {shown}");
        }
        assert!(problem("threshold: many\n").contains("expected a number"));
        assert!(problem("# nothing\n").contains("hold comments alone"));
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(told(&format!("_text: {deep}\n")).contains("a.yaml:1:"));
    }

    #[test]
    fn a_place_within_a_character_is_shown_too() {
        let source = Source::new("a.yaml", "a: ü€\n");
        for start in 0..9 {
            for end in start..10 {
                let shown = Problem::at(&source, start..end, "wrong").to_string();
                assert!(
                    shown.contains("a.yaml:1:") || start >= 8,
                    "{start}..{end}: {shown}"
                );
            }
        }
        assert!(problem("threshold: 5 \u{fffd}\n[").contains("a.yaml:"));
    }

    /// Break it by showing the whole file to the renderer.
    #[test]
    fn a_problem_costs_its_lines_and_not_its_file() {
        let text = format!(
            "{}wrong: x\n{}",
            "a: 1\n".repeat(3000),
            "b: 2\n".repeat(3000)
        );
        let at = text.find("wrong").unwrap();
        let source = Source::new("a.yaml", text);
        assert_eq!(source.lines_of(&(at..at + 5)), at..at + 9);
        assert_eq!(source.lines_of(&(at..at + 12)), at..at + 14);
        let shown = Problem::at(&source, at..at + 5, "bad")
            .label("here")
            .to_string();
        assert!(shown.contains("a.yaml:3001:1"), "{shown}");
        assert!(shown.contains("3001 | wrong: x"), "{shown}");
        assert!(shown.contains("^^^^^ here"), "{shown}");
        // A line that nobody can read is not shown, its place is.
        let long = format!("[{} oops ]", "1, ".repeat(10_000));
        let at = long.find("oops").unwrap();
        let shown = Problem::at(&Source::new("b.yaml", long), at..at + 4, "bad")
            .label("here")
            .to_string();
        assert!(shown.contains(&format!("b.yaml:1:{}", at + 1)), "{shown}");
        assert!(shown.contains("here") && shown.len() < 300, "{shown}");
    }

    #[test]
    fn duplicate_keys_and_wrong_types_are_refused() {
        assert!(problem("threshold: 5\nthreshold: 6\n").contains("a.yaml:2"));
        assert!(problem("threshold: five\n").contains("a.yaml:1:12"));
    }
}
