use super::super::{Bounds, Findings, Trait, examine};
use data_encoding::{BASE64, HEXLOWER};

fn found(html: &str) -> Findings {
    examine("html", "a.html", html.as_bytes(), &Bounds::default())
}

fn traits(html: &str) -> Vec<Trait> {
    found(html).traits.into_iter().collect()
}

fn archive() -> Vec<u8> {
    let mut zip = b"PK\x03\x04\x14\x00\x00\x00\x08\x00".to_vec();
    zip.extend((0..900_u32).map(|i| ((i * i) >> 3) as u8));
    zip
}

#[test]
fn what_pages_do_has_traits() {
    use Trait::*;
    for (html, expected) in [
        (
            "<p>hello <a href=http://a.example>x</a><img src='data:image/png;base64,AAAA'>",
            &[][..],
        ),
        (
            "<script type='application/ld+json'>{\"location.href\": 1}</script>",
            &[],
        ),
        (
            "<style>a{}</style><title>t</title><textarea>x</textarea>",
            &[],
        ),
        ("<script>x()</script>", &[HtmlScript]),
        (
            "<script src=//a.example/x.js></script>",
            &[HtmlScript, HtmlExternalScript],
        ),
        ("<img src=x onerror=y()>", &[HtmlScript, HtmlEventHandler]),
        ("<a href=' java\tscript:x()'>", &[HtmlScript]),
        (
            "<form action=x><input type=PassWord></form>",
            &[HtmlForm, HtmlPassword],
        ),
        (
            "<FORM method=post action=https://a.example/p>",
            &[HtmlForm, HtmlFormElsewhere],
        ),
        (
            "<meta http-equiv=Refresh content='0; URL=http://a.example'>",
            &[HtmlRefresh],
        ),
        ("<meta http-equiv=Refresh content=5>", &[]),
        ("<iframe src=http://a.example></iframe>", &[HtmlFrame]),
        (
            "<script>window.location='http://a.example'</script>",
            &[HtmlScript, HtmlRedirect],
        ),
        (
            "<script>fetch('http://a.example')</script>",
            &[HtmlScript, HtmlRequest],
        ),
        ("<a download=x href=y>", &[HtmlDownload]),
        (
            "<script>new ActiveXObject('WScript.Shell')</script>",
            &[CodeRuns, HtmlScript],
        ),
        (
            "<iframe srcdoc='<script>x</script>'></iframe>",
            &[HtmlScript],
        ),
        (
            "<iframe src='data:text/html,%3Cform%3E'></iframe>",
            &[HtmlForm],
        ),
        ("<noscript><form></noscript>", &[HtmlForm]),
        (
            "<svg><style><script>x()</script></style></svg>",
            &[HtmlScript],
        ),
        (
            "<svg:svg><svg:script>x()</svg:script></svg:svg>",
            &[HtmlScript],
        ),
        (
            "<svg><foreignObject/><a xlink:href='javascript:x()'>",
            &[HtmlScript, SvgForeignObject],
        ),
    ] {
        assert_eq!(traits(html), expected, "{html}");
    }
}

#[test]
fn references_are_collected() {
    let findings = found(
        "<base href=http://base.example/><a href='http://a.example/?x&amp;y'>\
         <script>var u='https://s.example/p';</script><form action=https://f.example>\
         <script>location.href=atob('aHR0cHM6Ly9iLmV4YW1wbGUvcGF0aA==')</script>",
    );
    assert_eq!(
        findings.urls,
        [
            "http://base.example/",
            "http://a.example/?x&y",
            "https://s.example/p",
            "https://f.example",
            "https://b.example/path"
        ]
    );
}

#[test]
fn a_file_put_together_by_a_script_is_smuggled() {
    let zip = archive();
    let base64 = BASE64.encode(&zip);
    let (first, second) = base64.split_at(400);
    let numbers: Vec<String> = zip.iter().map(u8::to_string).collect();
    for literal in [
        format!("atob('{base64}')"),
        format!("atob(\"{first}\" +\n  \"{second}\")"),
        format!("unhex('{}')", HEXLOWER.encode(&zip)),
        format!("[{}]", numbers.join(", ")),
    ] {
        let html = format!(
            "<script>var d={literal};var b=new Blob([d]);var a=document.createElement('a');\
             a.href=URL.createObjectURL(b);a.download='invoice.zip';a.click()</script>"
        );
        let findings = found(&html);
        for expected in [Trait::HtmlSmuggling, Trait::HtmlBlob, Trait::HtmlDataFile] {
            assert!(findings.traits.contains(&expected), "{expected:?}: {html}");
        }
        assert_eq!(findings.files.len(), 1);
        assert_eq!(findings.files[0].name, "data.zip");
        assert_eq!(findings.files[0].bytes, zip);
    }
    let link = format!("<a download=a.zip href='data:application/zip;base64,{base64}'>");
    assert_eq!(
        traits(&link),
        [
            Trait::HtmlSmuggling,
            Trait::HtmlDownload,
            Trait::HtmlDataFile
        ]
    );
    // Encrypted data of no known type.
    let noise = BASE64.encode(&zip[10..]);
    let html =
        format!("<script>s=atob('{noise}');navigator.msSaveBlob(new Blob([s]),'x')</script>");
    assert!(traits(&html).contains(&Trait::HtmlSmuggling));
}

#[test]
fn pictures_and_exports_are_no_smuggling() {
    let picture = [&b"\x89PNG\r\n\x1a\n"[..], &[7; 3000]].concat();
    let html = format!(
        "<img src='data:image/png;base64,{}'><script>function csv(){{\
         u=URL.createObjectURL(new Blob([t]));a.download='t.csv'}}</script>",
        BASE64.encode(&picture)
    );
    assert_eq!(traits(&html), [Trait::HtmlScript, Trait::HtmlBlob]);
}

#[test]
fn hidden_pages_are_read() {
    let page = format!(
        "<!doctype html><p>{}</p><form action=https://f.example/x><input type=password>",
        "x".repeat(500)
    );
    let escaped: String = page.bytes().map(|b| format!("%{b:02x}")).collect();
    let script: String = page.bytes().map(|b| format!("\\x{b:02X}")).collect();
    for literal in [
        format!("document.write(unescape('{escaped}'))"),
        format!("document.write(\"{script}\")"),
        format!("document.write(atob('{}'))", BASE64.encode(page.as_bytes())),
    ] {
        let findings = found(&format!("<script>{literal}</script>"));
        for expected in [
            Trait::HtmlObfuscated,
            Trait::HtmlPassword,
            Trait::HtmlFormElsewhere,
        ] {
            assert!(
                findings.traits.contains(&expected),
                "{expected:?}: {literal}"
            );
        }
        assert_eq!(findings.urls, ["https://f.example/x"]);
    }
}

#[test]
fn utf16_is_read() {
    let text: Vec<u8> = "<html><script>x()</script>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let marked = [&b"\xff\xfe"[..], &text].concat();
    for bytes in [text, marked] {
        let findings = examine("html", "", &bytes, &Bounds::default());
        assert!(findings.traits.contains(&Trait::HtmlScript));
    }
}

#[test]
fn bombs_end_in_time_and_memory() {
    let started = std::time::Instant::now();
    for unit in [
        "<script>",
        "<a href=x ",
        "a ",
        "<svg><style>",
        "%41",
        "\\x41",
        "aHR0c",
        "1,",
        "<iframe srcdoc='<iframe srcdoc=",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"+",
        "http://",
        "<noscript><",
        "<script>%41%41</script>",
        "://",
        "<iframe srcdoc=x>",
    ] {
        let html = format!("<script>x</script>{}", unit.repeat(2_000_000 / unit.len()));
        let findings = found(&html);
        assert!(findings.urls.len() <= 500);
    }
    let mut page = "<script>x</script>".to_owned();
    for _ in 0..8 {
        page = format!(
            "<script>document.write(atob('{}'))</script>{}",
            BASE64.encode(page.as_bytes()),
            " ".repeat(600)
        );
    }
    assert!(found(&page).limit);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
