//! Office Open XML (ECMA-376): docx, xlsx, pptx, their forms with macros and templates, xlsb, visio.
//!
//! In: a package. Relationships say what a part refers to and what it is; parts are looked at by what relationships or their
//! names say that they are.

use super::examination::Examination;
use super::html;
use super::ole;
use super::package::{Item, Package};
use super::reference::{is_remote, note_handler};
use super::signature::{Content, content_of};
use super::traits::Trait;
use super::word_text;
use super::xml::{Event, events};

/// Parts of XML that hold text with fields.
const TEXTS: &[&str] = &[
    "document",
    "header",
    "footer",
    "footnotes",
    "endnotes",
    "comments",
    "glossary",
];

/// Whether a package is such a document.
pub(super) fn is_document(package: &Package<'_>) -> bool {
    package.find("[content_types].xml").is_some() || package.find("_rels/.rels").is_some()
}

/// Examines a document.
pub(super) fn examine(package: &Package<'_>, examination: &mut Examination) {
    if package.damaged {
        examination.note(Trait::Damaged);
    }
    let mut office = Office::default();
    for item in package
        .items
        .iter()
        .filter(|item| item.key.ends_with(".rels"))
    {
        office.relationships(&xml_of(package, item, examination), item, examination);
    }
    for item in &package.items {
        office.part(package, item, examination);
    }
    if office.has_hidden_macro_sheet() {
        examination.note(Trait::Excel4Hidden);
    }
}

/// The text of a part of XML.
fn xml_of(package: &Package<'_>, item: &Item, examination: &mut Examination) -> Vec<u8> {
    let content = package.read(item, examination);
    html::decode(&content).into_owned().into_bytes()
}

/// What is known of a document while its parts are read.
#[derive(Debug, Default)]
struct Office {
    /// Parts that relationships call a macro project, an object or a chunk, in lower case, whatever their names.
    binaries: Vec<String>,
    chunks: Vec<String>,
    /// Ids of relationships of the workbook that are macro sheets, and of its sheets that are hidden.
    macro_sheets: Vec<String>,
    hidden_sheets: Vec<String>,
}

impl Office {
    /// Reads the relationships of one part.
    fn relationships(&mut self, xml: &[u8], item: &Item, examination: &mut Examination) {
        for event in events(xml) {
            let Event::Open(tag) = event else { continue };
            if tag.name != "relationship" || !examination.entry() {
                continue;
            }
            let kind = tag.get("type").unwrap_or_default();
            let kind = kind.rsplit('/').next().unwrap_or_default().to_lowercase();
            let target = tag.get("target").unwrap_or_default();
            let external = tag
                .get("targetmode")
                .is_some_and(|mode| mode.eq_ignore_ascii_case("external"));
            if external {
                external_reference(&kind, &target, examination);
                continue;
            }
            let path = target.to_lowercase().replace('\\', "/");
            match kind.as_str() {
                "vbaproject" | "oleobject" => self.binaries.push(resolve(&item.key, &path)),
                "afchunk" => {
                    examination.note(Trait::AltChunk);
                    self.chunks.push(resolve(&item.key, &path));
                }
                "xlmacrosheet" | "xlintlmacrosheet" => {
                    examination.note(Trait::Excel4);
                    self.macro_sheets.push(tag.get("id").unwrap_or_default());
                }
                "control" | "activexcontrolbinary" => examination.note(Trait::ActiveX),
                _ => {}
            }
        }
    }

    fn part(&mut self, package: &Package<'_>, item: &Item, examination: &mut Examination) {
        if item.encrypted {
            examination.note(Trait::Encrypted);
            return;
        }
        let key = item.key.as_str();
        let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
        let is_xml = key.ends_with(".xml");
        if self.chunks.iter().any(|chunk| chunk == key) {
            let content = package.read(item, examination);
            examination.file(item.file_name(), content);
        } else if folder.ends_with("embeddings") {
            examination.note(Trait::EmbeddedObject);
            embedded(package, item, examination);
        } else if key.ends_with(".bin") || self.binaries.iter().any(|binary| binary == key) {
            let content = package.read(item, examination);
            examination.deeper(|e| ole::object_file(&content, e));
        } else if folder.ends_with("macrosheets") && is_xml {
            examination.note(Trait::Excel4);
            macro_sheet(&xml_of(package, item, examination), examination);
        } else if folder.ends_with("activex") && is_xml {
            examination.note(Trait::ActiveX);
        } else if folder.ends_with("externallinks") && is_xml {
            external_link(&xml_of(package, item, examination), examination);
        } else if is_xml && name.starts_with("customui") {
            ribbon(&xml_of(package, item, examination), examination);
        } else if key == "xl/workbook.xml" {
            self.workbook(&xml_of(package, item, examination), examination);
        } else if key == "xl/connections.xml" {
            connections(&xml_of(package, item, examination), examination);
        } else if is_xml && TEXTS.iter().any(|text| name.starts_with(text)) {
            word_text::examine(&xml_of(package, item, examination), examination);
        } else if is_xml && folder == "ppt/slides" {
            slide(&xml_of(package, item, examination), examination);
        }
    }

    fn workbook(&mut self, xml: &[u8], examination: &mut Examination) {
        for event in events(xml) {
            let Event::Open(tag) = event else { continue };
            let name = tag.get("name").unwrap_or_default().to_lowercase();
            let plain = name.strip_prefix("_xlnm.").unwrap_or(&name);
            match tag.name.as_str() {
                "definedname" if plain.starts_with("auto_") => {
                    let known = [
                        "auto_open",
                        "auto_close",
                        "auto_activate",
                        "auto_deactivate",
                    ];
                    if known.iter().any(|known| plain.starts_with(known)) {
                        examination.note(Trait::Excel4AutoRun);
                    }
                }
                "sheet"
                    if tag
                        .get("state")
                        .is_some_and(|s| s.to_lowercase().contains("hidden")) =>
                {
                    self.hidden_sheets.push(tag.get("id").unwrap_or_default());
                }
                _ => {}
            }
        }
    }

    fn has_hidden_macro_sheet(&self) -> bool {
        let hidden = |id: &String| self.hidden_sheets.contains(id);
        self.macro_sheets.iter().take(64).any(hidden)
    }
}

/// The path of a part that a relationship of another names.
fn resolve(relationships: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    // `word/_rels/document.xml.rels` belongs to a part in `word`.
    let mut folders: Vec<&str> = relationships.split('/').collect();
    folders.truncate(folders.len().saturating_sub(2));
    for step in target.split('/') {
        match step {
            ".." => _ = folders.pop(),
            "." | "" => {}
            step => folders.push(step),
        }
    }
    folders.join("/")
}

fn external_reference(kind: &str, target: &str, examination: &mut Examination) {
    note_handler(target, examination);
    if kind == "hyperlink" {
        let lower = target.to_lowercase();
        if ["cmd.exe", "powershell", "mshta", "wscript"]
            .iter()
            .any(|word| lower.contains(word))
        {
            examination.note(Trait::CodeRuns);
        }
        examination.url(target);
        return;
    }
    if !is_remote(target) {
        if kind.starts_with("externallink") || kind.starts_with("xlpath") {
            examination.note(Trait::ExternalWorkbook);
        }
        return;
    }
    examination.url(target);
    examination.note(match kind {
        "attachedtemplate" => Trait::ExternalTemplate,
        "frame" | "subdocument" => Trait::ExternalFrame,
        "image" | "video" | "audio" | "media" => Trait::ExternalPicture,
        "externallinkpath" | "xlpathmissing" | "xlstartup" | "xllibrary" => Trait::ExternalWorkbook,
        "afchunk" => Trait::AltChunk,
        _ => Trait::ExternalObject,
    });
}

/// An embedded object: a compound file is looked into, a document is handed out.
fn embedded(package: &Package<'_>, item: &Item, examination: &mut Examination) {
    let content = package.read(item, examination);
    if content.starts_with(ole::compound::SIGNATURE) {
        examination.deeper(|e| ole::examine(&content, e));
    } else if content_of(&content) != Content::Medium {
        examination.file(item.file_name(), content);
    }
}

/// Calls in the formulas of a sheet of Excel 4 macros.
fn macro_sheet(xml: &[u8], examination: &mut Examination) {
    let mut in_formula = false;
    for event in events(xml) {
        match event {
            Event::Open(tag) => in_formula = tag.name == "f" && !tag.empty,
            Event::Close(_) => in_formula = false,
            Event::Text(text) if in_formula => {
                let text = text.to_uppercase();
                let has = |names: &[&str]| names.iter().any(|name| text.contains(name));
                if has(&["EXEC("]) {
                    examination.note(Trait::CodeRuns);
                }
                if has(&["CALL(", "REGISTER("]) {
                    examination.note(Trait::CodeSystemCall);
                }
                if has(&["FWRITE(", "FWRITELN("]) {
                    examination.note(Trait::CodeWrites);
                }
                if text.matches("CHAR(").count() > 8 {
                    examination.note(Trait::CodeObfuscated);
                }
                examination.urls_in(&text);
            }
            Event::Text(_) => {}
        }
    }
}

fn external_link(xml: &[u8], examination: &mut Examination) {
    for event in events(xml) {
        let Event::Open(tag) = event else { continue };
        match tag.name.as_str() {
            "ddelink" => examination.note(Trait::Dde),
            "olelink" => examination.note(Trait::ExternalObject),
            "externalbook" => examination.note(Trait::ExternalWorkbook),
            _ => {}
        }
    }
}

fn ribbon(xml: &[u8], examination: &mut Examination) {
    let loads = |event: &Event<'_>| match event {
        Event::Open(tag) => {
            tag.name == "customui" && tag.get("onload").is_some_and(|v| !v.is_empty())
        }
        _ => false,
    };
    if events(xml).any(|event| loads(&event)) {
        examination.note(Trait::RibbonOnLoad);
    }
}

/// Queries of a workbook: pages of the web.
fn connections(xml: &[u8], examination: &mut Examination) {
    for event in events(xml) {
        let Event::Open(tag) = event else { continue };
        if let Some(url) = tag
            .get("url")
            .filter(|url| tag.name == "webpr" && is_remote(url))
        {
            examination.note(Trait::WebQuery);
            examination.url(&url);
        }
    }
}

/// Actions of a slide that start programs or macros.
fn slide(xml: &[u8], examination: &mut Examination) {
    for event in events(xml) {
        let Event::Open(tag) = event else { continue };
        if !tag.name.starts_with("hlink") {
            continue;
        }
        let action = tag.get("action").unwrap_or_default().to_lowercase();
        if action.starts_with("ppaction://program") {
            examination.note(Trait::CodeRuns);
        }
    }
}

#[cfg(test)]
mod tests;
