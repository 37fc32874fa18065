//! Names: every trick, and under whichever name a reader sees the file.

use crate::archives::{Zipped, program, zip};
use crate::{file, flags, of_message, opened};

#[test]
fn names_of_archives_are_read_in_their_charset() {
    for (name, bits, extra, shown) in [
        (&b"M\x81ller.exe"[..], 0, vec![], "Müller.exe"),
        ("Müller.exe".as_bytes(), 0x800, vec![], "Müller.exe"),
        ("Müller.exe".as_bytes(), 0, vec![], "Müller.exe"),
        (
            b"M_ller.exe",
            0,
            {
                let unicode = "Müller.exe".as_bytes();
                let mut extra = vec![0x75, 0x70];
                extra.extend_from_slice(&(5 + unicode.len() as u16).to_le_bytes());
                extra.extend_from_slice(&[1, 0, 0, 0, 0]);
                extra.extend_from_slice(unicode);
                extra
            },
            "Müller.exe",
        ),
    ] {
        let entry = Zipped {
            name: name.to_vec(),
            flags: bits,
            extra,
            ..Zipped::new("", b"x")
        };
        let content = opened("a.zip", &zip(&[entry]));
        assert_eq!(content.files[1].name, shown);
    }
    let broken = Zipped {
        name: b"a\xff.exe".to_vec(),
        flags: 0x800,
        ..Zipped::new("", b"x")
    };
    let content = opened("a.zip", &zip(&[broken]));
    assert_eq!(flags(&content.files[1]), ["name_charset"]);
}

#[test]
fn names_in_archives_show_the_same_tricks_as_names_of_attachments() {
    for (name, flag) in [
        ("invoice.pdf.exe", "double_extension"),
        ("invoice\u{202e}fdp.exe", "name_direction"),
        ("invoice.pdf                    .scr", "name_blanks"),
        ("a.exe\u{0}.pdf", "name_control"),
        ("..\\..\\start.exe", "name_traversal"),
        ("/etc/cron.d/x", "name_absolute"),
    ] {
        let attached = opened(name, &program());
        assert!(flags(&attached.files[0]).contains(&flag), "{name:?}");
        let packed = opened("a.zip", &zip(&[Zipped::new(name, &program())]));
        assert!(flags(&packed.files[1]).contains(&flag), "{name:?}");
    }
}

#[test]
fn a_name_never_leaves_its_folder_in_the_path() {
    let content = opened("a.zip", &zip(&[Zipped::new("x/./y//z.exe", &program())]));
    assert_eq!(content.files[1].path, "a.zip/x/y/z.exe");
    let long = "n".repeat(60_000);
    let content = opened("a.zip", &zip(&[Zipped::new(&format!("{long}.exe"), b"x")]));
    assert!(content.files[1].path.len() < 600);
    assert_eq!(content.files[1].extension().as_deref(), Some("exe"));
    assert_eq!(flags(&content.files[1]), ["name_long"]);
}

/// CVE-2024-39929: an extension in a later piece of the name was not seen.
#[test]
fn a_name_in_pieces_keeps_its_extension() {
    for disposition in [
        "attachment; filename*0=\"invoice.pdf\"; filename*1=\".exe\"",
        "attachment;\r\n filename*0*=utf-8''invoice%2epdf;\r\n filename*1*=%2eexe",
        "attachment; filename=\"=?utf-8?q?invoice=2Epdf?= =?utf-8?q?=2Eexe?=\"",
    ] {
        let raw = format!(
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/pdf\r\nContent-Disposition: {disposition}\r\n\r\nMZ"
        );
        let content = of_message(raw.as_bytes(), &Default::default());
        let found = file(&content, "invoice.pdf.exe");
        assert_eq!(
            found.extensions().as_deref(),
            Some("pdf.exe"),
            "{disposition}"
        );
        assert!(flags(found).contains(&"double_extension"));
    }
}
