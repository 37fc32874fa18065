//! What a script in a page does, by the names of the web platform that it uses.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

/// What a word tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    /// Makes a file from data.
    Blob,
    /// Makes an address for such a file, or saves it.
    ObjectUrl,
    /// Names a download.
    Download,
    /// Undoes an encoding.
    Decode,
    /// Runs text as a script, or shows it as a page.
    Evaluate,
    /// Leads elsewhere.
    Redirect,
    /// Talks to a server.
    Request,
    /// A variable as one well-known obfuscator names them.
    Renamed,
}

/// Words in lower case.
const WORDS: &[(&str, Sign)] = &[
    ("new blob", Sign::Blob),
    ("new window.blob", Sign::Blob),
    ("new file(", Sign::Blob),
    ("[\"blob\"]", Sign::Blob),
    ("['blob']", Sign::Blob),
    ("createobjecturl", Sign::ObjectUrl),
    ("mssaveoropenblob", Sign::ObjectUrl),
    ("mssaveblob", Sign::ObjectUrl),
    ("data:application/", Sign::ObjectUrl),
    (".download", Sign::Download),
    ("\"download\"", Sign::Download),
    ("'download'", Sign::Download),
    ("atob", Sign::Decode),
    ("unescape(", Sign::Decode),
    ("fromcharcode", Sign::Decode),
    ("fromcodepoint", Sign::Decode),
    ("decodeuricomponent", Sign::Decode),
    ("uint8array", Sign::Decode),
    ("base64", Sign::Decode),
    ("textdecoder", Sign::Decode),
    ("eval(", Sign::Evaluate),
    ("new function(", Sign::Evaluate),
    ("document.write", Sign::Evaluate),
    ("document['write", Sign::Evaluate),
    ("document[\"write", Sign::Evaluate),
    ("innerhtml", Sign::Evaluate),
    ("insertadjacenthtml", Sign::Evaluate),
    ("document.open", Sign::Evaluate),
    ("location.href", Sign::Redirect),
    ("location.replace", Sign::Redirect),
    ("location.assign", Sign::Redirect),
    ("window.location", Sign::Redirect),
    ("document.location", Sign::Redirect),
    ("top.location", Sign::Redirect),
    ("location=", Sign::Redirect),
    ("location =", Sign::Redirect),
    ("location['", Sign::Redirect),
    ("location[\"", Sign::Redirect),
    ("window.open(", Sign::Redirect),
    ("xmlhttprequest", Sign::Request),
    ("fetch(", Sign::Request),
    ("$.ajax", Sign::Request),
    ("$.post", Sign::Request),
    ("sendbeacon", Sign::Request),
    ("axios", Sign::Request),
    ("websocket(", Sign::Request),
    ("_0x", Sign::Renamed),
];

/// How often an obfuscator's name has to occur.
const RENAMED: usize = 8;

static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .build(WORDS.iter().map(|(word, _)| *word))
        .ok()
});

/// What the scripts of a page do.
#[derive(Debug, Default)]
pub(super) struct Signs {
    found: BTreeSet<Sign>,
    renamed: usize,
}

impl Signs {
    /// Takes notice of one script.
    pub(super) fn read(&mut self, script: &[u8]) {
        for found in AUTOMATON.iter().flat_map(|a| a.find_iter(script)) {
            match WORDS.get(found.pattern().as_usize()) {
                Some((_, Sign::Renamed)) => self.renamed = self.renamed.saturating_add(1),
                Some((_, sign)) => _ = self.found.insert(*sign),
                None => {}
            }
        }
        if self.renamed >= RENAMED {
            self.found.insert(Sign::Renamed);
        }
    }

    /// Whether the scripts do this.
    pub(super) fn has(&self, sign: Sign) -> bool {
        self.found.contains(&sign)
    }
}
