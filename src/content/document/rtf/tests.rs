use super::super::ole;
use super::super::{Bounds, Findings, examine as examine_any};
use super::*;

fn found(text: &str) -> Findings {
    examine_any("rtf", "a.rtf", text.as_bytes(), &Bounds::default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// An object of OLE 1.
fn object_of(kind: u32, class: &str, topic: &str, native: &[u8]) -> Vec<u8> {
    let mut data = [0x0501_u32.to_le_bytes(), kind.to_le_bytes()].concat();
    for text in [class, topic, ""] {
        let text = if text.is_empty() {
            String::new()
        } else {
            format!("{text}\0")
        };
        data.extend_from_slice(&(text.len() as u32).to_le_bytes());
        data.extend_from_slice(text.as_bytes());
    }
    data.extend_from_slice(&(native.len() as u32).to_le_bytes());
    data.extend_from_slice(native);
    data
}

#[test]
fn words_and_destinations_have_traits() {
    use Trait::*;
    for (text, expected, urls) in [
        ("{\\rtf1 DDE text {\\*\\generator x;}}", vec![], vec![]),
        ("{\\rt0 x}", vec![RtfObfuscated], vec![]),
        (
            "{\\rtf1{\\object\\objemb\\objupdate}}",
            vec![RtfObjectUpdate],
            vec![],
        ),
        (
            "{\\rtf1{\\*\\template http://a.example/t}}",
            vec![ExternalTemplate],
            vec!["http://a.example/t"],
        ),
        (
            "{\\rtf1{\\*\\template h\\'74tp:\\u47?/a.example}}",
            vec![ExternalTemplate],
            vec!["http://a.example"],
        ),
        ("{\\rtf1{\\*\\template C:\\\\x.dot}}", vec![], vec![]),
        (
            "{\\rtf1{\\field{\\*\\fldinst{DDE}{AUTO x}}{\\fldrslt y}}}",
            vec![Dde],
            vec![],
        ),
        (
            "{\\rtf1{\\field{\\*\\fldinst HYPERLINK \"http://a.example\"}}}",
            vec![],
            vec!["http://a.example"],
        ),
        (
            "{\\rtf1{\\object{\\*\\objclass Equation.3}}}",
            vec![EquationEditor],
            vec![],
        ),
        (
            "{\\rtf1\\bin99999 {\\object\\objupdate}}",
            vec![RtfObjectUpdate],
            vec![],
        ),
    ] {
        let findings = found(text);
        assert!(findings.traits.iter().eq(&expected), "{text}: {findings:?}");
        assert_eq!(findings.urls, urls, "{text}");
    }
}

#[test]
fn packages_are_handed_out_whatever_stands_between_the_digits() {
    let data = hex(&object_of(
        2,
        "Package",
        "",
        &ole::native::write("a.exe", b"MZ content"),
    ));
    let (first, second) = data.split_at(41);
    for (data, obfuscated) in [
        (format!("{first}\r\n{second}"), false),
        (
            format!("{first}\\par{{\\*\\junk 41}}\\'41{{}}{second}"),
            true,
        ),
        (
            first
                .chars()
                .chain(second.chars())
                .flat_map(|c| [c, 'x'])
                .collect(),
            true,
        ),
    ] {
        let findings = found(&format!("{{\\rtf1{{\\object{{\\*\\objdata {data}}}}}}}"));
        assert_eq!(findings.files.len(), 1, "{data}");
        assert_eq!(findings.files[0].name, "a.exe");
        assert_eq!(findings.files[0].bytes, b"MZ content");
        assert_eq!(findings.traits.contains(&Trait::RtfObfuscated), obfuscated);
        assert!(findings.traits.contains(&Trait::Package));
    }
}

#[test]
fn the_data_of_an_object_may_be_binary() {
    let data = object_of(2, "Package", "", &ole::native::write("a.exe", b"MZ}{"));
    let mut file = format!("{{\\rtf1{{\\*\\objdata\\bin{} ", data.len()).into_bytes();
    file.extend_from_slice(&data);
    file.extend_from_slice(b"}}");
    let findings = examine_any("rtf", "a.rtf", &file, &Bounds::default());
    assert_eq!(findings.files[0].bytes, b"MZ}{");
}

#[test]
fn linked_objects_lead_elsewhere() {
    let data = hex(&object_of(1, "htmlfile", "http://a.example/x", b""));
    let findings = found(&format!("{{\\rtf1{{\\*\\objdata {data}}}}}"));
    for expected in [
        Trait::ExternalObject,
        Trait::ProtocolHandler,
        Trait::EmbeddedObject,
    ] {
        assert!(findings.traits.contains(&expected), "{expected:?}");
    }
    assert_eq!(findings.urls, ["http://a.example/x"]);
}

#[test]
fn bombs_end() {
    let started = std::time::Instant::now();
    for unit in [
        "{",
        "}",
        "\\",
        "{\\*\\objdata 00",
        "{\\*\\objdata 41}",
        "\\bin1",
        "\\bin9 ",
        "{\\field{\\*\\fldinst x}}",
        "\\'",
        "{\\rtf1",
    ] {
        found(&format!("{{\\rtf1{}", unit.repeat(2_000_000 / unit.len())));
    }
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}
