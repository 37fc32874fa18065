//! What program text says that it does, by the names that it uses: macros, scripts, pages.
//!
//! Names can be hidden, so nothing follows from their absence; but each trait has a name of its own that is hard to do
//! without, and hiding leaves traces that are a trait as well.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

use super::examination::Examination;
use super::traits::Trait;

/// In which language a text is written; words that mean something in one are ordinary in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// VBA, VBScript and OpenDocument Basic.
    Basic,
    /// Anything else: JavaScript, PowerShell, batch, what they have in common.
    Other,
}

/// Names in all languages, in lower case.
const WORDS: &[(&str, Trait)] = &[
    ("wscript.shell", Trait::CodeRuns),
    ("shell.application", Trait::CodeRuns),
    ("shellexecute", Trait::CodeRuns),
    ("winmgmts:", Trait::CodeRuns),
    ("win32_process", Trait::CodeRuns),
    ("powershell", Trait::CodeRuns),
    ("cmd.exe", Trait::CodeRuns),
    ("cmd /c", Trait::CodeRuns),
    ("mshta", Trait::CodeRuns),
    ("rundll32", Trait::CodeRuns),
    ("regsvr32", Trait::CodeRuns),
    ("schtasks", Trait::CodeRuns),
    ("bitsadmin", Trait::CodeRuns),
    ("certutil", Trait::CodeRuns),
    ("new-object system.diagnostics.process", Trait::CodeRuns),
    ("start-process", Trait::CodeRuns),
    ("activexobject", Trait::CodeRuns),
    ("urldownloadtofile", Trait::CodeDownloads),
    ("msxml2.xmlhttp", Trait::CodeDownloads),
    ("msxml2.serverxmlhttp", Trait::CodeDownloads),
    ("microsoft.xmlhttp", Trait::CodeDownloads),
    ("winhttp.winhttprequest", Trait::CodeDownloads),
    ("internetopenurl", Trait::CodeDownloads),
    ("downloadfile(", Trait::CodeDownloads),
    ("downloadstring(", Trait::CodeDownloads),
    ("invoke-webrequest", Trait::CodeDownloads),
    ("start-bitstransfer", Trait::CodeDownloads),
    ("net.webclient", Trait::CodeDownloads),
    ("adodb.stream", Trait::CodeWrites),
    ("savetofile", Trait::CodeWrites),
    ("scripting.filesystemobject", Trait::CodeWrites),
    ("createtextfile", Trait::CodeWrites),
    ("kernel32", Trait::CodeSystemCall),
    ("ntdll", Trait::CodeSystemCall),
    ("virtualalloc", Trait::CodeSystemCall),
    ("rtlmovememory", Trait::CodeSystemCall),
    ("writeprocessmemory", Trait::CodeSystemCall),
    ("callwindowproc", Trait::CodeSystemCall),
    ("frombase64string", Trait::CodeObfuscated),
    ("-encodedcommand", Trait::CodeObfuscated),
    ("strreverse", Trait::CodeObfuscated),
    ("bin.base64", Trait::CodeObfuscated),
];

/// Names that stand alone as words in Basic, in lower case.
const BASIC: &[(&str, Trait)] = &[
    ("shell", Trait::CodeRuns),
    ("createobject", Trait::CodeRuns),
    ("getobject", Trait::CodeRuns),
    ("createprocessa", Trait::CodeRuns),
    ("createthread", Trait::CodeSystemCall),
    ("filecopy", Trait::CodeWrites),
    ("for binary", Trait::CodeWrites),
    ("for output", Trait::CodeWrites),
];

/// How many characters by their number are ordinary: line ends, quotes, tabs.
const CHARACTERS: usize = 40;

struct Words {
    plain: Option<AhoCorasick>,
    basic: Option<AhoCorasick>,
    characters: Option<AhoCorasick>,
}

fn automaton<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<AhoCorasick> {
    AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .build(words)
        .ok()
}

static AUTOMATA: LazyLock<Words> = LazyLock::new(|| Words {
    plain: automaton(WORDS.iter().map(|(word, _)| *word)),
    basic: automaton(BASIC.iter().map(|(word, _)| *word)),
    characters: automaton([
        "chr(",
        "chrw(",
        "chr$(",
        "chrw$(",
        "fromcharcode(",
        "[char]",
    ]),
});

/// Records what `text` says.
pub(super) fn examine(text: &[u8], language: Language, examination: &mut Examination) {
    let words = &*AUTOMATA;
    for found in words.plain.iter().flat_map(|a| a.find_iter(text)) {
        if let Some((_, found)) = WORDS.get(found.pattern().as_usize()) {
            examination.note(*found);
        }
    }
    if language == Language::Basic {
        for found in words.basic.iter().flat_map(|a| a.find_iter(text)) {
            if let Some((_, noted)) = BASIC.get(found.pattern().as_usize())
                && stands_alone(text, found.start(), found.end())
            {
                examination.note(*noted);
            }
        }
        if declares_function(text) {
            examination.note(Trait::CodeSystemCall);
        }
    }
    let characters = words.characters.iter().flat_map(|a| a.find_iter(text));
    if characters.take(CHARACTERS + 1).count() > CHARACTERS {
        examination.note(Trait::CodeObfuscated);
    }
}

/// Whether a word has no letters or digits beside it, and is not in a line of comment.
fn stands_alone(text: &[u8], start: usize, end: usize) -> bool {
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let before = start.checked_sub(1).and_then(|at| text.get(at));
    if before.is_some_and(|b| is_word(b) || *b == b'.') || text.get(end).is_some_and(is_word) {
        return false;
    }
    let line = text
        .get(start.saturating_sub(256)..start)
        .unwrap_or_default();
    let line = line.rsplit(|b| matches!(b, b'\n' | b'\r')).next();
    line.is_none_or(|l| !l.trim_ascii_start().starts_with(b"'"))
}

/// `Declare [PtrSafe] Function|Sub ... Lib "..."` in one line.
fn declares_function(text: &[u8]) -> bool {
    text.split(|b| matches!(b, b'\n' | b'\r')).any(|line| {
        let line = line.get(..512).unwrap_or(line).to_ascii_lowercase();
        let Some(at) = memchr::memmem::find(&line, b"declare ") else {
            return false;
        };
        let rest = line.get(at..).unwrap_or_default();
        let comment = line.trim_ascii_start().starts_with(b"'");
        !comment && memchr::memmem::find(rest, b" lib \"").is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::super::Bounds;
    use super::*;

    fn traits(text: &str, language: Language) -> Vec<Trait> {
        let mut examination = Examination::new(&Bounds::default());
        examine(text.as_bytes(), language, &mut examination);
        examination.finish().traits.into_iter().collect()
    }

    #[test]
    fn names_tell_what_code_does() {
        use Trait::*;
        for (text, expected) in [
            ("x = Shell(\"calc\", 1)", CodeRuns),
            ("Set o = CreateObject(p)", CodeRuns),
            ("CreateObject(\"WScript.Shell\").Run", CodeRuns),
            ("GetObject(\"winmgmts:\\\\.\\root\")", CodeRuns),
            (
                "Private Declare PtrSafe Function X Lib \"user32\" ()",
                CodeSystemCall,
            ),
            ("URLDownloadToFileA 0, u, f", CodeDownloads),
            ("Open p For Binary As #1", CodeWrites),
            ("a = StrReverse(\"llehs\")", CodeObfuscated),
            (&"Chr(65) & ".repeat(50), CodeObfuscated),
        ] {
            assert_eq!(traits(text, Language::Basic), [expected], "{text}");
        }
        for text in [
            "' Shell",
            "Shellfish = 1",
            "x.shell",
            "MsgBox Chr(13)",
            "the declare of lib",
        ] {
            assert_eq!(traits(text, Language::Basic), [], "{text}");
        }
        assert_eq!(traits("shell getobject", Language::Other), []);
        assert_eq!(
            traits("new ActiveXObject('x')", Language::Other),
            [CodeRuns]
        );
    }

    #[test]
    fn time_is_linear() {
        let started = std::time::Instant::now();
        for unit in ["shell ", "declare ", "' shell ", "chr(", "a"] {
            traits(&unit.repeat(4_000_000 / unit.len()), Language::Basic);
        }
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }
}
