use super::super::{Bounds, Findings, Trait, examine};
use super::compound::write;
use super::compression::compress;
use super::native;
use std::io::{Cursor, Write};

fn found(streams: &[(&str, Vec<u8>)]) -> Findings {
    examine("ole", "a.doc", &write(streams), &Bounds::default())
}

fn traits(streams: &[(&str, Vec<u8>)]) -> Vec<Trait> {
    found(streams).traits.into_iter().collect()
}

fn record(id: u16, data: &[u8]) -> Vec<u8> {
    [
        &id.to_le_bytes()[..],
        &(data.len() as u32).to_le_bytes(),
        data,
    ]
    .concat()
}

/// `dir` with one module `M` whose source begins at `offset`.
fn dir(offset: u32) -> Vec<u8> {
    let version = [&0x0009_u16.to_le_bytes()[..], &4_u32.to_le_bytes(), &[0; 6]].concat();
    let name: Vec<u8> = "M".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let records = [
        record(1, &[1, 0, 0, 0]),
        version,
        record(0x19, b"M"),
        record(0x1A, b"M"),
        record(0x32, &name),
        record(0x31, &offset.to_le_bytes()),
        record(0x2B, b""),
    ];
    compress(&records.concat())
}

/// The streams of a project with this source, behind `compiled` bytes.
fn project(source: &str, compiled: usize) -> Vec<(&'static str, Vec<u8>)> {
    let source = format!("Attribute VB_Name = \"M\"\r\n{source}");
    let module = [vec![0x55; compiled], compress(source.as_bytes())].concat();
    vec![
        ("/Macros/VBA/dir", dir(compiled as u32)),
        ("/Macros/VBA/M", module),
        (
            "/Macros/VBA/_VBA_PROJECT",
            b"\xCC\x61AutoOpen\0Shell\0".to_vec(),
        ),
    ]
}

#[test]
fn macros_are_read() {
    use Trait::*;
    for (source, expected) in [
        ("Sub Harmless()\r\nMsgBox 1\r\nEnd Sub", &[Macro][..]),
        ("Sub AutoOpen()\r\nEnd Sub", &[Macro, MacroAutoRun]),
        (
            "Private Sub Workbook_Open ()\r\n Shell \"x\"\r\nEnd Sub",
            &[CodeRuns, Macro, MacroAutoRun],
        ),
        ("Sub Image1_Layout(ByVal i As Long)", &[Macro, MacroAutoRun]),
        (
            "' Sub AutoOpen()\r\nx = \"autoopen\"\r\nCall AutoOpening",
            &[Macro],
        ),
    ] {
        for compiled in [0, 2000] {
            assert_eq!(traits(&project(source, compiled)), expected, "{source}");
        }
    }
    let urls = found(&project("x = \"http://a.example/y\"", 0)).urls;
    assert_eq!(urls, ["http://a.example/y"]);
}

#[test]
fn a_module_without_source_is_seen_and_names_are_taken_from_the_compiled_form() {
    let mut streams = project("", 6000);
    assert_eq!(
        traits(&streams),
        [
            Trait::CodeRuns,
            Trait::Macro,
            Trait::MacroAutoRun,
            Trait::MacroSourceMissing
        ]
    );
    streams[1].1.truncate(6000);
    assert!(traits(&streams).contains(&Trait::MacroSourceMissing));
    assert_eq!(traits(&project("", 1000)), [Trait::Macro]);
}

#[test]
fn source_is_found_without_the_directory_of_modules() {
    let mut streams = project("Sub AutoOpen()", 700);
    streams[0].1 = b"broken".to_vec();
    assert_eq!(traits(&streams), [Trait::Macro, Trait::MacroAutoRun]);
}

#[test]
fn objects_and_links_are_seen() {
    use Trait::*;
    let data = native::write("a.exe", b"MZ!");
    let whole = [&(data.len() as u32).to_le_bytes()[..], &data].concat();
    let findings = found(&[("/ObjectPool/_1/\u{1}Ole10Native", whole)]);
    assert!(findings.traits.iter().eq(&[EmbeddedObject, Package]));
    assert_eq!(findings.files[0].name, "a.exe");
    let mut link = vec![1, 0, 0, 2, 1, 0, 0, 0];
    link.extend_from_slice(&super::URL_MONIKER);
    link.extend_from_slice(&40_u32.to_le_bytes());
    link.extend(
        "http://a.example/x.hta\0"
            .encode_utf16()
            .flat_map(u16::to_le_bytes),
    );
    let findings = found(&[("/\u{1}Ole", link)]);
    assert!(findings.traits.iter().eq(&[ExternalObject]));
    assert_eq!(findings.urls, ["http://a.example/x.hta"]);
    for (streams, expected) in [
        (vec![("/Equation Native", vec![1])], EquationEditor),
        (vec![("/EncryptedPackage", vec![1])], Encrypted),
        (vec![("/x/\u{3}OCXNAME", vec![1])], ActiveX),
    ] {
        assert_eq!(traits(&streams), [expected]);
    }
}

#[test]
fn installers_and_equations_are_known_by_their_class() {
    for (class, expected) in [
        ("000C1084-0000-0000-C000-000000000046", Trait::Installer),
        (
            "0002CE02-0000-0000-C000-000000000046",
            Trait::EquationEditor,
        ),
    ] {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        file.set_storage_clsid("/", class.parse().unwrap()).unwrap();
        let bytes = file.into_inner().into_inner();
        let findings = examine("ole", "", &bytes, &Bounds::default());
        assert!(findings.traits.iter().eq(&[expected]));
    }
}

#[test]
fn attachments_of_a_saved_message_are_handed_out() {
    let wide = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let findings = found(&[
        ("/__properties_version1.0", vec![0; 32]),
        ("/__substg1.0_1000001F", wide("see http://a.example/x now")),
        (
            "/__attach_version1.0_#00000000/__substg1.0_37010102",
            b"MZ".to_vec(),
        ),
        (
            "/__attach_version1.0_#00000000/__substg1.0_3704001E",
            b"a~1.exe".to_vec(),
        ),
        (
            "/__attach_version1.0_#00000000/__substg1.0_3707001F",
            wide("a b.exe"),
        ),
    ]);
    assert!(findings.traits.iter().eq(&[Trait::Message]));
    assert_eq!(findings.urls, ["http://a.example/x"]);
    assert_eq!(
        (
            findings.files[0].name.as_str(),
            &findings.files[0].bytes[..]
        ),
        ("a b.exe", &b"MZ"[..])
    );
}

#[test]
fn macros_of_a_presentation_are_found_in_its_objects() {
    let inner = write(
        &project("Sub Auto_Open()", 0)
            .iter()
            .map(|(p, c)| (p.trim_start_matches("/Macros"), c.clone()))
            .collect::<Vec<_>>(),
    );
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Default::default());
    packer.write_all(&inner).unwrap();
    let object = [
        &(inner.len() as u32).to_le_bytes()[..],
        &packer.finish().unwrap(),
    ]
    .concat();
    let head = |kind: u16, first: u16, data: &[u8]| {
        [
            &first.to_le_bytes()[..],
            &kind.to_le_bytes(),
            &(data.len() as u32).to_le_bytes(),
            data,
        ]
        .concat()
    };
    let stream = head(0x03E8, 0x0F, &head(0x1011, 0x10, &object));
    assert_eq!(
        traits(&[("/PowerPoint Document", stream)]),
        [Trait::Macro, Trait::MacroAutoRun]
    );
}

#[test]
fn what_is_no_compound_file_is_damaged() {
    let findings = examine(
        "ole",
        "a.doc",
        super::compound::SIGNATURE,
        &Bounds::default(),
    );
    assert!(findings.traits.iter().eq(&[Trait::Damaged]));
}
