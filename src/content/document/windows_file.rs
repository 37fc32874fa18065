//! Small text files that Windows or Office acts upon when they are opened: addresses, searches, queries, settings.
//!
//! In: the ending of the name, which decides what happens to such a file, and the bytes. They are lines of `key=value`, or
//! XML, or just addresses; all are read as text.

use super::code::{self, Language};
use super::examination::Examination;
use super::html;
use super::reference::{is_remote, note_handler};
use super::traits::Trait;
use super::xml::{Event, events};

/// Bytes of such a file that are read.
const FILE_BYTES: usize = 1 << 20;

/// What the ending of a name says that a text file is.
pub(super) fn kind_of(ending: &str) -> Option<Trait> {
    Some(match ending {
        "url" | "website" | "settingcontent-ms" | "scf" | "desklink" | "mapimail" => {
            Trait::Shortcut
        }
        "library-ms" | "search-ms" | "searchconnector-ms" | "theme" | "themepack"
        | "deskthemepack" => Trait::RemoteFolder,
        "rdp" => Trait::RemoteDesktop,
        "msc" => Trait::Console,
        "reg" => Trait::Registry,
        "iqy" | "oqy" | "dqy" | "rqy" | "odc" => Trait::WebQuery,
        "jnlp" | "application" | "appref-ms" | "xbap" => Trait::WebStart,
        "appinstaller" => Trait::Installer,
        "slk" => Trait::Sylk,
        "js" | "jse" | "vbs" | "vbe" | "wsf" | "wsh" | "wsc" | "sct" | "hta" | "ps1" | "psm1"
        | "psd1" | "ps1xml" | "psc1" | "bat" | "cmd" | "sh" | "bash" | "command" | "py" | "pyw"
        | "pl" | "xsl" | "xslt" | "msh" | "ahk" | "au3" | "csh" | "inf" | "php" => Trait::Script,
        _ => return None,
    })
}

/// Examines a file that is what its name says.
pub(super) fn examine(kind: Trait, ending: &str, bytes: &[u8], examination: &mut Examination) {
    let bytes = match bytes.get(..FILE_BYTES) {
        Some(beginning) if bytes.len() > FILE_BYTES => {
            examination.limit();
            beginning
        }
        _ => bytes,
    };
    let text = html::decode(bytes);
    match kind {
        // Style sheets and setup files run scripts only where they hold some.
        Trait::Script if matches!(ending, "xsl" | "xslt") && !has_script(&text) => return,
        Trait::Script
            if ending == "inf" && !text.to_ascii_lowercase().contains("[defaultinstall") =>
        {
            return;
        }
        Trait::Script => {
            let basic = matches!(ending, "vbs" | "vbe" | "wsf" | "wsc" | "sct" | "hta");
            let language = if basic {
                Language::Basic
            } else {
                Language::Other
            };
            code::examine(text.as_bytes(), language, examination);
        }
        Trait::Sylk if !text.starts_with("ID;") => return,
        Trait::Sylk => sylk(&text, examination),
        Trait::Shortcut
            if ending == "settingcontent-ms" && !element(&text, "deeplink").trim().is_empty() =>
        {
            examination.note(Trait::ShortcutCommand);
        }
        _ => {}
    }
    examination.note(kind);
    for line in text.lines() {
        let value = line
            .split_once('=')
            .map_or(line, |(_, value)| value)
            .trim()
            .trim_matches('"');
        if kind == Trait::Shortcut && is_remote(value) && !starts_with_web(value) {
            examination.note(Trait::ShortcutRemote);
            examination.url(value);
        }
        if kind == Trait::Shortcut && line.to_ascii_lowercase().starts_with("url=") {
            note_handler(value, examination);
            examination.url(value);
        }
        if let Some(address) = value
            .strip_prefix("full address:s:")
            .filter(|_| kind == Trait::RemoteDesktop)
        {
            examination.url(&format!("rdp://{address}"));
        }
    }
    examination.urls_in(&text);
    if kind == Trait::RemoteFolder {
        let url = element(&text, "url");
        if is_remote(&url) {
            examination.url(&url);
        }
    }
}

fn starts_with_web(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.starts_with("http://") || value.starts_with("https://") || value.starts_with("ftp://")
}

/// Whether a style sheet holds a script (`msxsl:script`).
fn has_script(text: &str) -> bool {
    events(text.as_bytes()).any(|event| matches!(event, Event::Open(tag) if tag.name == "script"))
}

/// The text of the first element of that name.
fn element(text: &str, name: &str) -> String {
    let mut inside = false;
    for event in events(text.as_bytes()) {
        match event {
            Event::Open(tag) => inside = tag.name == name,
            Event::Text(text) if inside => return text.into_owned(),
            _ => {}
        }
    }
    String::new()
}

/// A spreadsheet in SYLK: `O;E` says that it is a sheet of macros, `NN` names what runs.
fn sylk(text: &str, examination: &mut Examination) {
    for line in text.lines() {
        let mut fields = line.split(';');
        match fields.next() {
            Some("O") if fields.clone().any(|f| f == "E") => examination.note(Trait::Excel4),
            Some("NN") if line.to_ascii_lowercase().contains("auto_") => {
                examination.note(Trait::Excel4AutoRun)
            }
            Some("C") if line.to_ascii_uppercase().contains("EXEC(") => {
                examination.note(Trait::CodeRuns)
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, examine as examine_any};
    use super::*;

    #[test]
    fn each_kind_is_known_and_read() {
        use Trait::*;
        for (name, text, expected, urls) in [
            (
                "a.url",
                "[InternetShortcut]\r\nURL=http://a.example/x\r\n",
                vec![Shortcut],
                vec!["http://a.example/x"],
            ),
            (
                "a.url",
                "[InternetShortcut]\nURL=file://a.example@80/x.exe\n",
                vec![Shortcut, ShortcutRemote],
                vec!["file://a.example@80/x.exe"],
            ),
            (
                "a.URL . ",
                "URL=ms-msdt:/id",
                vec![Shortcut, ProtocolHandler],
                vec!["ms-msdt:/id"],
            ),
            (
                "a.settingcontent-ms",
                "<P><DeepLink>cmd.exe /c calc</DeepLink></P>",
                vec![Shortcut, ShortcutCommand],
                vec![],
            ),
            (
                "a.library-ms",
                "<l><url>\\\\1.2.3.4\\s</url></l>",
                vec![RemoteFolder],
                vec!["\\\\1.2.3.4\\s"],
            ),
            (
                "a.rdp",
                "full address:s:1.2.3.4",
                vec![RemoteDesktop],
                vec!["rdp://1.2.3.4"],
            ),
            (
                "a.iqy",
                "WEB\n1\nhttp://a.example/q",
                vec![WebQuery],
                vec!["http://a.example/q"],
            ),
            (
                "a.slk",
                "ID;PWXL\nO;E\nNN;NAuto_open;ER101C1\nC;X1;Y1;EEXEC(\"x\")",
                vec![CodeRuns, Sylk, Excel4, Excel4AutoRun],
                vec![],
            ),
            (
                "a.vbs",
                "CreateObject(\"x\")",
                vec![Script, CodeRuns],
                vec![],
            ),
            (
                "a.js",
                "new ActiveXObject('x')",
                vec![Script, CodeRuns],
                vec![],
            ),
            (
                "a.xsl",
                "<xsl:stylesheet><ms:script>x</ms:script></xsl:stylesheet>",
                vec![Script],
                vec![],
            ),
            ("a.xsl", "<xsl:stylesheet/>", vec![], vec![]),
            (
                "a.jnlp",
                "<jnlp codebase='http://a.example'/>",
                vec![WebStart],
                vec!["http://a.example"],
            ),
            (
                "a.txt",
                "CreateObject(\"x\") http://a.example",
                vec![],
                vec![],
            ),
        ] {
            let findings = examine_any("", name, text.as_bytes(), &Bounds::default());
            let mut expected = expected;
            expected.sort();
            assert!(findings.traits.iter().eq(&expected), "{name}: {findings:?}");
            assert_eq!(findings.urls, urls, "{name}");
        }
    }
}
