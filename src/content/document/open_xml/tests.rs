use super::super::ole::vba;
use super::super::package::write;
use super::super::{Bounds, Findings, Trait, examine};

const DOCUMENT: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

fn found(name: &str, parts: &[(&str, &str)]) -> Findings {
    let mut all = vec![("[Content_Types].xml", b"<Types/>".to_vec())];
    all.extend(
        parts
            .iter()
            .map(|(name, content)| (*name, content.as_bytes().to_vec())),
    );
    examine("docx", name, &write(&all), &Bounds::default())
}

fn traits(parts: &[(&str, &str)]) -> Vec<Trait> {
    found("a.docm", parts).traits.into_iter().collect()
}

fn relationship(kind: &str, target: &str, external: bool) -> String {
    let mode = if external { "External" } else { "Internal" };
    format!(
        "<Relationships><Relationship Id='r1' Type='{DOCUMENT}/{kind}' Target='{target}' TargetMode='{mode}'/></Relationships>"
    )
}

#[test]
fn references_elsewhere_are_told_apart_by_their_kind() {
    use Trait::*;
    for (kind, target, expected) in [
        (
            "attachedTemplate",
            "http://a.example/t.dotm",
            vec![ExternalTemplate],
        ),
        (
            "attachedTemplate",
            "file:///C:\\Users\\x\\Normal.dotm",
            vec![],
        ),
        ("oleObject", "http://a.example/o", vec![ExternalObject]),
        (
            "oleObject",
            "mhtml:http://a.example/o.html!x-usc:http://a.example/o.html",
            vec![ExternalObject, ProtocolHandler],
        ),
        ("frame", "http://a.example/f", vec![ExternalFrame]),
        ("subDocument", "\\\\1.2.3.4\\x", vec![ExternalFrame]),
        ("image", "https://a.example/i.png", vec![ExternalPicture]),
        (
            "externalLinkPath",
            "file:///D:\\other.xlsx",
            vec![ExternalWorkbook],
        ),
        ("hyperlink", "http://a.example/", vec![]),
        (
            "hyperlink",
            "file:///C:\\windows\\system32\\cmd.exe",
            vec![CodeRuns],
        ),
    ] {
        let findings = found(
            "a.docx",
            &[(
                "word/_rels/document.xml.rels",
                &relationship(kind, target, true),
            )],
        );
        assert!(
            findings.traits.iter().eq(&expected),
            "{kind} {target}: {findings:?}"
        );
        if target.contains("a.example") {
            assert_eq!(findings.urls, [target]);
        }
    }
}

#[test]
fn parts_have_traits() {
    use Trait::*;
    for (parts, expected) in [
        (
            vec![(
                "word/document.xml",
                "<w:document><w:t>DDE</w:t></w:document>",
            )],
            vec![],
        ),
        (
            vec![("word/header1.xml", "<w:fldSimple w:instr='DDEAUTO x'/>")],
            vec![Dde],
        ),
        (
            vec![(
                "xl/externalLinks/externalLink1.xml",
                "<externalLink><ddeLink ddeService='cmd'/></externalLink>",
            )],
            vec![Dde],
        ),
        (
            vec![("xl/macrosheets/sheet1.xml", "<x><f>EXEC(\"calc\")</f></x>")],
            vec![CodeRuns, Excel4],
        ),
        (
            vec![("word/activeX/activeX1.xml", "<ax:ocx/>")],
            vec![ActiveX],
        ),
        (
            vec![("customUI/customUI14.xml", "<customUI onLoad='X'/>")],
            vec![RibbonOnLoad],
        ),
        (vec![("customUI/customUI.xml", "<customUI/>")], vec![]),
        (
            vec![(
                "xl/workbook.xml",
                "<definedName name='_xlnm.Auto_Open' hidden='1'>x</definedName>",
            )],
            vec![Excel4AutoRun],
        ),
        (
            vec![(
                "xl/connections.xml",
                "<connection><webPr url='http://a.example'/></connection>",
            )],
            vec![WebQuery],
        ),
        (
            vec![(
                "ppt/slides/slide1.xml",
                "<a:hlinkMouseOver action='ppaction://program'/>",
            )],
            vec![CodeRuns],
        ),
    ] {
        assert_eq!(traits(&parts), expected, "{parts:?}");
    }
    let sheets = relationship("xlMacrosheet", "macrosheets/sheet1.xml", false);
    let parts = [
        ("xl/_rels/workbook.xml.rels", sheets.as_str()),
        (
            "xl/workbook.xml",
            "<sheets><sheet name='a' state='veryHidden' r:id='r1'/></sheets>",
        ),
    ];
    assert_eq!(traits(&parts), [Excel4, Excel4Hidden]);
}

#[test]
fn chunks_and_embedded_documents_are_handed_out() {
    let chunk = relationship("aFChunk", "/word/part.htm", false);
    let findings = found(
        "a.docx",
        &[
            ("word/_rels/document.xml.rels", &chunk),
            ("word/part.htm", "<script>"),
            ("word/embeddings/Sheet.xlsx", "PK\x03\x04"),
        ],
    );
    assert!(
        findings
            .traits
            .iter()
            .eq(&[Trait::EmbeddedObject, Trait::AltChunk])
    );
    let names: Vec<_> = findings.files.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["part.htm", "Sheet.xlsx"]);
}

#[test]
fn macros_are_found_under_any_name_and_unexpected_in_some_documents() {
    let rels = relationship("vbaProject", "odd.xyz", false).into_bytes();
    let file = write(&[
        ("[Content_Types].xml", b"<Types/>".to_vec()),
        ("word/_rels/document.xml.rels", rels),
        ("word/odd.xyz", vba::auto_running()),
    ]);
    for (name, unexpected) in [
        ("a.docm", false),
        ("a.docx", true),
        ("a.pdf", true),
        ("", false),
    ] {
        let traits = examine("docx", name, &file, &Bounds::default()).traits;
        assert!(traits.contains(&Trait::Macro) && traits.contains(&Trait::MacroAutoRun));
        assert_eq!(
            traits.contains(&Trait::MacroUnexpected),
            unexpected,
            "{name}"
        );
    }
}

#[test]
fn a_package_without_directory_is_damaged_and_read() {
    let rels = relationship("attachedTemplate", "http://a.example/t", true).into_bytes();
    let mut file = write(&[
        ("[Content_Types].xml", vec![b' '; 10]),
        ("word/_rels/settings.xml.rels", rels),
    ]);
    file.truncate(file.len() - 40);
    let findings = examine("zip", "a.docx", &file, &Bounds::default());
    assert!(
        findings
            .traits
            .iter()
            .eq(&[Trait::Damaged, Trait::ExternalTemplate])
    );
}
