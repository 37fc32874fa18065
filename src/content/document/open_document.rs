//! OpenDocument (OASIS, ISO 26300): texts, tables and presentations of LibreOffice and others.
//!
//! In: a package. Macros are parts of it; what runs them are listeners for events in the content.

use super::code::{self, Language};
use super::examination::Examination;
use super::package::Package;
use super::reference::is_remote;
use super::traits::Trait;
use super::xml::{Event, events};

/// Whether a package is such a document.
pub(super) fn is_document(package: &Package<'_>) -> bool {
    package.find("meta-inf/manifest.xml").is_some()
        && (package.find("content.xml").is_some() || package.find("mimetype").is_some())
}

/// Examines a document.
pub(super) fn examine(package: &Package<'_>, examination: &mut Examination) {
    for item in &package.items {
        match item.key.as_str() {
            "meta-inf/manifest.xml" => {
                let xml = package.read(item, examination);
                let encrypts = |event: Event<'_>| matches!(event, Event::Open(tag) if tag.name == "encryption-data");
                if events(&xml).any(encrypts) {
                    examination.note(Trait::Encrypted);
                }
            }
            "content.xml" | "styles.xml" => content(&package.read(item, examination), examination),
            key if key.starts_with("basic/") && key.ends_with(".xml") => {
                basic(&package.read(item, examination), examination);
            }
            key if key.starts_with("scripts/") && !key.ends_with('/') => {
                examination.note(Trait::Macro);
                let script = package.read(item, examination);
                code::examine(&script, Language::Other, examination);
            }
            key if key.starts_with("objectreplacements/") => {}
            key if key.starts_with("object ") && !key.contains('/') => {
                examination.note(Trait::EmbeddedObject);
                let object = package.read(item, examination);
                examination.deeper(|e| super::ole::object_file(&object, e));
            }
            _ => {}
        }
    }
}

/// A module of Basic; the files that only list modules hold no text.
fn basic(xml: &[u8], examination: &mut Examination) {
    for event in events(xml) {
        match event {
            Event::Open(tag) if tag.name == "module" => examination.note(Trait::Macro),
            Event::Text(text) if !text.trim().is_empty() => {
                code::examine(text.as_bytes(), Language::Basic, examination);
                examination.urls_in(&text);
            }
            _ => {}
        }
    }
}

fn content(xml: &[u8], examination: &mut Examination) {
    for event in events(xml) {
        let Event::Open(tag) = event else { continue };
        let target = tag.get("href").unwrap_or_default();
        let found = match tag.name.as_str() {
            "event-listener" if target.starts_with("vnd.sun.star.script:") => {
                examination.note(Trait::MacroAutoRun);
                continue;
            }
            "dde-source" | "dde-link" | "dde-connection-decl" => {
                examination.note(Trait::Dde);
                continue;
            }
            "a" => {
                if target.contains(':') {
                    examination.url(&target);
                }
                continue;
            }
            "image" => Trait::ExternalPicture,
            "object" | "object-ole" | "applet" | "plugin" => Trait::ExternalObject,
            "floating-frame" | "section-source" => Trait::ExternalFrame,
            "table-source" | "cell-range-source" | "database-source-query" => {
                Trait::ExternalWorkbook
            }
            _ => continue,
        };
        if is_remote(&target) {
            examination.note(found);
            examination.url(&target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::package::write;
    use super::super::{Bounds, examine as examine_any};
    use super::*;

    fn traits(parts: &[(&str, &str)]) -> Vec<Trait> {
        let mut all = vec![
            (
                "mimetype",
                b"application/vnd.oasis.opendocument.text".to_vec(),
            ),
            ("META-INF/manifest.xml", b"<manifest:manifest/>".to_vec()),
        ];
        all.extend(
            parts
                .iter()
                .map(|(name, content)| (*name, content.as_bytes().to_vec())),
        );
        let findings = examine_any("odt", "a.odt", &write(&all), &Bounds::default());
        findings.traits.into_iter().collect()
    }

    #[test]
    fn macros_and_what_runs_them_are_seen() {
        use Trait::*;
        for (parts, expected) in [
            (
                vec![(
                    "content.xml",
                    "<office:document-content><text:a xlink:href='http://a'/></x>",
                )],
                vec![],
            ),
            (
                vec![("Basic/Standard/script-lb.xml", "<library:library/>")],
                vec![],
            ),
            (
                vec![(
                    "Basic/Standard/M.xml",
                    "<script:module script:name='M'>Sub X\nShell(&quot;x&quot;)</script:module>",
                )],
                vec![CodeRuns, Macro],
            ),
            (
                vec![(
                    "content.xml",
                    "<script:event-listener xlink:href='vnd.sun.star.script:S.M.X?language=Basic'/>",
                )],
                vec![MacroAutoRun],
            ),
            (vec![("Scripts/python/x.py", "import os")], vec![Macro]),
            (
                vec![(
                    "content.xml",
                    "<office:dde-source office:dde-application='cmd'/>",
                )],
                vec![Dde],
            ),
            (
                vec![("content.xml", "<draw:object xlink:href='http://a/x'/>")],
                vec![ExternalObject],
            ),
            (
                vec![("META-INF/manifest.xml", "<m:encryption-data/>")],
                vec![Encrypted],
            ),
        ] {
            assert_eq!(traits(&parts), expected, "{parts:?}");
        }
    }
}
