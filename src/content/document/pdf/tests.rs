use super::super::{Bounds, Findings, Trait, examine};
use std::io::Write;

fn found(body: impl AsRef<[u8]>) -> Findings {
    let file = [b"%PDF-1.7\n", body.as_ref(), b"\n%%EOF"].concat();
    examine("pdf", "a.pdf", &file, &Bounds::default())
}

fn traits(body: impl AsRef<[u8]>) -> Vec<Trait> {
    found(body).traits.into_iter().collect()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Default::default());
    packer.write_all(data).unwrap();
    packer.finish().unwrap()
}

#[test]
fn each_action_has_its_trait() {
    use Trait::*;
    for (body, expected) in [
        (
            "1 0 obj <</S/JavaScript/JS(app.alert\\(1\\))>> endobj",
            PdfJavaScript,
        ),
        (
            "1 0 obj <</Names<</JavaScript 5 0 R>>>> endobj",
            PdfJavaScript,
        ),
        (
            "1 0 obj <</Type/Catalog/OpenAction 2 0 R>> endobj",
            PdfOpenAction,
        ),
        (
            "1 0 obj <</OpenAction<</S/URI/URI 3 0 R>>>> endobj",
            PdfOpenAction,
        ),
        ("1 0 obj <</AA<</O 3 0 R>>>> endobj", PdfAdditionalActions),
        (
            "1 0 obj <</Type/Action/S/Launch/F(cmd.exe)>> endobj",
            PdfLaunch,
        ),
        (
            "1 0 obj <</A<</S/URI/URI(http://a.example)>>>> endobj",
            PdfUri,
        ),
        (
            "1 0 obj <</S/SubmitForm/F<</FS/URL/F(http://a.example)>>>> endobj",
            PdfSubmitForm,
        ),
        ("1 0 obj <</S/ImportData/F(a.fdf)>> endobj", PdfImportData),
        (
            "1 0 obj <</S/GoToR/F(\\\\\\\\srv\\\\x)/D[0/Fit]>> endobj",
            PdfGoToRemote,
        ),
        ("1 0 obj <</S/GoToE/T<</N(a)>>>> endobj", PdfGoToEmbedded),
        ("1 0 obj <</AcroForm<</XFA[(a) 2 0 R]>>>> endobj", PdfXfa),
        (
            "1 0 obj <</Type/Annot/Subtype/RichMedia>> endobj",
            PdfRichMedia,
        ),
        (
            "1 0 obj <</Filter[/FlateDecode/JBIG2Decode]>> endobj",
            PdfJbig2,
        ),
        ("1 0 obj <</Type/Page/Parent 2 0 R>> endobj", PdfSinglePage),
        (
            "1 0 obj 5 endobj trailer <</Root 1 0 R/Encrypt 9 0 R>>",
            Encrypted,
        ),
        ("nothing", Damaged),
    ] {
        assert_eq!(traits(body), [expected], "{body}");
    }
}

#[test]
fn opening_at_a_place_is_no_action() {
    for body in [
        "1 0 obj <</OpenAction[3 0 R/Fit]>> endobj",
        "1 0 obj <</OpenAction 2 0 R>> endobj 2 0 obj <</S/GoTo/D[3 0 R/XYZ]>> endobj",
        "1 0 obj <</OpenAction 2 0 R>> endobj 2 0 obj [3 0 R/XYZ] endobj",
        "1 0 obj <</OpenAction<</S/GoTo/D[3 0 R]>>>> endobj",
        "1 0 obj <</Info(/Launch /JS /URI)/Title(a % b)/Flag true/N null/URI 5>> endobj",
    ] {
        assert_eq!(traits(body), [], "{body}");
    }
    let stream = "5 0 obj <</Type/ObjStm/First 9>>stream\n2 0 4 22 <</S/GoTo/D[3 0 R]>> <</OpenAction 2 0 R>>\nendstream";
    assert_eq!(traits(stream), []);
    assert_eq!(
        traits(stream.replace("/S/GoTo", "/S/Lanch")),
        [Trait::PdfOpenAction]
    );
}

#[test]
fn uris_are_collected_however_they_are_written() {
    let findings = found(
        "1 0 obj <</S/URI/URI(http://a.example/\\(x\\))>> endobj\
         2 0 obj <</#55RI<687474703a2f2f62 2e6578616d706c65>/S/URI>> endobj\
         3 0 obj <</S/URI/URI<feff0068007400740070003a002f002f0063>>> endobj\
         4 0 obj <</S/SubmitForm/F<</FS/URL/F(http://d.example)>>>> endobj\
         5 0 obj <</S/JavaScript/JS(app.launchURL\\('http://e.example/x'\\))>> endobj",
    );
    assert_eq!(
        findings.urls,
        [
            "http://e.example/x",
            "http://a.example/(x)",
            "http://b.example",
            "http://c",
            "http://d.example"
        ]
    );
    assert!(findings.traits.contains(&Trait::PdfObfuscated));
}

#[test]
fn objects_in_streams_are_read() {
    let inner = b"7 0 8 40 <</S/JavaScript/JS 9 0 R>>         <</S/URI/URI(http://a.example)>>";
    let packed = zlib(inner);
    let mut rows = Vec::new();
    for row in inner.chunks(8) {
        rows.push(0);
        rows.extend_from_slice(row);
    }
    let predicted = zlib(&rows);
    for (filter, data) in [
        ("/Filter/FlateDecode", &packed),
        (
            "/Filter[/FlateDecode]/DecodeParms<</Predictor 12/Columns 8>>",
            &predicted,
        ),
        (
            "/Filter/FlateDecode/DecodeParms[<</Predictor 15/Columns 8>>]",
            &predicted,
        ),
        ("", &inner.to_vec()),
    ] {
        for length in [
            data.len().to_string(),
            "1".to_owned(),
            "99999999".to_owned(),
            "8 0 R".to_owned(),
        ] {
            let head =
                format!("5 0 obj <</Type/ObjStm/N 2/First 8{filter}/Length {length}>>stream\r\n");
            let body = [head.as_bytes(), data, b"\nendstream endobj"].concat();
            let findings = found(&body);
            let expected = [Trait::PdfJavaScript, Trait::PdfUri];
            assert!(findings.traits.iter().eq(&expected), "{head} {findings:?}");
            assert_eq!(findings.urls, ["http://a.example"]);
        }
    }
}

#[test]
fn embedded_files_are_handed_out_with_their_names() {
    let packed = zlib(b"MZ program");
    let body = [
        &b"1 0 obj <</Names<</EmbeddedFiles<</Names[(x) 2 0 R]>>>>>> endobj \
           2 0 obj <</Type/Filespec/F(a.txt)/UF<feff0061002e006500780065>/EF<</F 3 0 R/UF 3 0 R>>>> endobj \
           3 0 obj <</Type/EmbeddedFile/Filter/FlateDecode/Length 1>> stream\n"[..],
        &packed,
        b"\nendstream endobj 4 0 obj <</EF<</F 5 0 R>>/F(b.bin)>> endobj 5 0 obj <</Length 3>> stream\nabc\nendstream \
          6 0 obj <<>> stream\npage content\nendstream",
    ]
    .concat();
    let findings = found(body);
    assert!(findings.traits.contains(&Trait::PdfEmbeddedFile));
    let files: Vec<_> = findings
        .files
        .iter()
        .map(|f| (f.name.as_str(), &f.bytes[..]))
        .collect();
    assert_eq!(files, [("a.exe", &b"MZ program"[..]), ("b.bin", b"abc")]);
}

#[test]
fn the_header_may_stand_later_and_names_are_unescaped() {
    let file = b"GIF89a junk %PDF-1.4 1 0 obj <</#4fpenAction<</S/#4aavaScript/JS(x)>>>> endobj";
    let findings = examine("pdf", "", file, &Bounds::default());
    for expected in [
        Trait::PdfHeaderMoved,
        Trait::PdfObfuscated,
        Trait::PdfOpenAction,
        Trait::PdfJavaScript,
    ] {
        assert!(findings.traits.contains(&expected), "{expected:?}");
    }
    assert!(
        !found("1 0 obj <</Font#20Name/A#c3>> endobj")
            .traits
            .contains(&Trait::PdfObfuscated)
    );
    let blank = examine(
        "pdf",
        "",
        b"\xef\xbb\xbf\n%PDF-1.4 1 0 obj 1 endobj",
        &Bounds::default(),
    );
    assert!(blank.traits.is_empty());
}

#[test]
fn junk_and_false_ends_hide_nothing() {
    for body in [
        "( 5 0 obj <</S/Launch/F(x)>> endobj",
        "1 0 obj <</T (endobj) /S/Launch>>",
        "1 0 obj <</T (never closed /X endobj 5 0 obj <</S/Launch>> endobj",
        "% 5 0 obj <</S/Launch>> endobj",
        "5 0 obj /S /Launch",
        "5 0 obj <</A[[[<</S/Launch>>]]]>>",
        ">> ]] ) 5 0 obj <</S/Launch>>",
        "5 0 obj <</S/Launch",
        "5 0 obj <</Length 5>> stream\nabc 6 0 obj <</S/Launch>> endobj",
    ] {
        assert!(traits(body).contains(&Trait::PdfLaunch), "{body}");
    }
}

#[test]
fn encrypted_files_are_read_where_the_password_is_known() {
    let link = b"http://a.example/secret";
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    for (head, encrypt) in super::encryption::samples("123", b"identifier") {
        let body = [
            format!(
                "7 3 obj <</S/URI/URI<{}>>> endobj 8 0 obj {head} endobj ",
                hex(&encrypt(7, 3, link))
            )
            .into_bytes(),
            b"9 0 obj <</Type/EmbeddedFile>> stream\n".to_vec(),
            encrypt(9, 0, b"MZ content"),
            format!(
                "\nendstream trailer <</Encrypt 8 0 R/ID[<{}><00>]>>",
                hex(b"identifier")
            )
            .into_bytes(),
        ]
        .concat();
        let file = [&b"%PDF-1.7\n"[..], &body].concat();
        let closed = examine("pdf", "", &file, &Bounds::default());
        assert!(
            closed.traits.contains(&Trait::Encrypted) && closed.urls.is_empty(),
            "{head}"
        );
        let words = ["no".to_owned(), "123".to_owned()];
        let opened =
            super::super::examine_with_passwords("pdf", "", &file, &words, &Bounds::default());
        assert!(opened.traits.contains(&Trait::PasswordGiven), "{head}");
        assert_eq!(opened.urls, ["http://a.example/secret"]);
        assert_eq!(opened.files[0].bytes, b"MZ content");
    }
    for (head, encrypt) in super::encryption::samples("", b"") {
        let body = format!(
            "1 0 obj <</URI<{}>>> endobj trailer <</Encrypt {head}>>",
            hex(&encrypt(1, 0, link))
        );
        let findings = found(body);
        assert!(
            findings
                .traits
                .iter()
                .eq(&[Trait::PdfUri, Trait::PdfEmptyPassword]),
            "{head}"
        );
        assert_eq!(findings.urls, ["http://a.example/secret"]);
    }
}

#[test]
fn bombs_end_in_time_and_memory() {
    let started = std::time::Instant::now();
    for unit in [
        "<<",
        "[",
        "<</A",
        "1 0 obj",
        "1 0 obj<</Type/EmbeddedFile>>stream\nendstream ",
        "stream\n",
        "<<>>stream\n",
        "(",
        "1 0 R ",
        "/JS ",
        "<</EF<</F 1 0 R>>>>",
        "<</OpenAction 1 0 R>>",
        "1 0 obj[",
        "<</URI(http://a)>>",
        "1 0 obj<</Type/ObjStm/Length 3>>stream\n<</endstream ",
    ] {
        let findings = found(unit.repeat(2_000_000 / unit.len()));
        assert!(findings.urls.len() <= 500 && findings.files.len() <= 64);
    }
    let zeros = zlib(&vec![b' '; 20 << 20]);
    let mut body = Vec::new();
    for _ in 0..100 {
        body.extend_from_slice(b"1 0 obj <</Type/ObjStm/Filter/FlateDecode>> stream\n");
        body.extend_from_slice(&zeros);
        body.extend_from_slice(b"\nendstream ");
    }
    assert!(found(&body).limit);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
