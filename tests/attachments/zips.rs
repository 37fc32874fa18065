//! ZIP archives as honest and as hostile software writes them.

use mailweir::content::FileFlag;

use crate::archives::{Zipped, eicar, program, zip, zip_behind};
use crate::{file, flags, opened, paths, sha256};

#[test]
fn every_packing_is_undone() {
    for method in [0, 8, 12, 14, 93, 95] {
        for descriptor in [false, true] {
            let entry = Zipped {
                method,
                descriptor,
                ..Zipped::new("folder/eicar.com", &eicar())
            };
            let content = opened("a.zip", &zip(&[entry]));
            assert_eq!(
                paths(&content),
                ["a.zip", "a.zip/folder/eicar.com"],
                "{method}"
            );
            let found = file(&content, "a.zip/folder/eicar.com");
            assert_eq!(
                found.sha256,
                sha256(&eicar()),
                "{method} {:?}",
                flags(found)
            );
            assert_eq!((found.size, found.depth, flags(found)), (68, 1, vec![]));
            assert_eq!(flags(file(&content, "a.zip")), [""; 0], "{method}");
        }
    }
}

#[test]
fn what_is_encrypted_is_said_and_named() {
    let aes = [0x01, 0x99, 7, 0, 2, 0, b'A', b'E', 3, 8, 0];
    for (method, bits, extra) in [(8, 1, &[][..]), (99, 1, &aes), (8, 0x41, &[])] {
        let entry = Zipped {
            method,
            flags: bits,
            extra: extra.to_vec(),
            ..Zipped::new("secret.exe", b"whatever stands here")
        };
        let content = opened("a.zip", &zip(&[entry]));
        let found = file(&content, "a.zip/secret.exe");
        assert_eq!(flags(found), ["encrypted"]);
        assert_eq!(
            (found.sha256, found.extension().as_deref()),
            (None, Some("exe"))
        );
        assert!(content.flagged(FileFlag::Encrypted).is_some());
    }
}

#[test]
fn list_and_headers_are_held_against_each_other() {
    let renamed = Zipped {
        local_name: Some(b"run.exe".to_vec()),
        ..Zipped::new("read.txt", &program())
    };
    let hidden = Zipped {
        unlisted: true,
        ..Zipped::new("hidden.exe", &program())
    };
    let lying = Zipped {
        claimed: Some(3),
        ..Zipped::new("short.txt", b"longer than it says")
    };
    let content = opened("a.zip", &zip(&[renamed, hidden, lying]));
    let found = file(&content, "a.zip/read.txt");
    assert_eq!(found.other_name.as_deref(), Some("run.exe"));
    assert_eq!(flags(found), ["name_conflict", "name_other_than_content"]);
    assert_eq!(found.real_type, Some("exe"));
    assert_eq!(flags(file(&content, "a.zip/hidden.exe")), ["unlisted"]);
    assert_eq!(flags(file(&content, "a.zip/short.txt")), ["size_conflict"]);
}

#[test]
fn archives_behind_other_data_are_found() {
    let files = [Zipped::new("a.exe", &program())];
    let content = opened("setup.exe", &zip_behind(&program(), &files));
    assert_eq!(paths(&content), ["setup.exe", "setup.exe/a.exe"]);
    assert_eq!(flags(file(&content, "setup.exe")), ["prefixed_data"]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.resize(300, 7);
    let content = opened("photo.png", &zip_behind(&png, &files));
    assert_eq!(file(&content, "photo.png").real_type, Some("png"));
    assert!(flags(file(&content, "photo.png")).contains(&"polyglot"));
    assert_eq!(file(&content, "photo.png/a.exe").sha256, sha256(&program()));
    let mut trailing = zip(&files);
    trailing.extend_from_slice(&[7; 500]);
    let content = opened("a.zip", &trailing);
    assert_eq!(flags(file(&content, "a.zip")), ["trailing_data"]);
    assert_eq!(content.files.len(), 2);
}

#[test]
fn an_archive_without_its_list_is_read_by_its_headers() {
    let whole = zip(&[
        Zipped::new("a.txt", b"one"),
        Zipped::new("b.exe", &program()),
    ]);
    let list = whole.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let content = opened("a.zip", &whole[..list]);
    assert_eq!(paths(&content), ["a.zip", "a.zip/a.txt", "a.zip/b.exe"]);
    assert!(flags(file(&content, "a.zip")).contains(&"truncated"));
    assert_eq!(file(&content, "a.zip/b.exe").sha256, sha256(&program()));
}

#[test]
fn two_archives_in_one_are_both_seen() {
    let mut both = zip(&[Zipped::new("first.exe", &program())]);
    let second = zip(&[Zipped::new("second.txt", b"harmless")]);
    both.extend_from_slice(&second);
    let content = opened("a.zip", &both);
    assert_eq!(
        paths(&content),
        ["a.zip", "a.zip/second.txt", "a.zip/first.exe"]
    );
    assert_eq!(flags(file(&content, "a.zip/first.exe")), ["unlisted"]);
}

#[test]
fn links_and_odd_packings_are_said() {
    let link = Zipped {
        mode: 0o120_777,
        ..Zipped::new("link", b"/etc/passwd")
    };
    let imploded = Zipped {
        method: 6,
        ..Zipped::new("old.exe", b"imploded")
    };
    let content = opened("a.zip", &zip(&[link, imploded]));
    assert_eq!(flags(file(&content, "a.zip/link")), ["link"]);
    assert_eq!(flags(file(&content, "a.zip/old.exe")), ["unopened"]);
}

#[test]
fn parts_of_documents_are_no_attachments_and_programs_in_them_are() {
    let docx = [
        Zipped::new("[Content_Types].xml", b"<Types/>"),
        Zipped::new("word/document.xml", b"<w:document/>"),
        Zipped::new("word/media/image1.png", b"\x89PNG"),
    ];
    let content = opened("a.docx", &zip(&docx));
    assert_eq!(paths(&content), ["a.docx"]);
    let mut evil = docx.to_vec();
    evil.push(Zipped::new("word/embeddings/run.exe", &program()));
    let content = opened("a.docx", &zip(&evil));
    assert_eq!(
        paths(&content),
        ["a.docx", "a.docx/word/embeddings/run.exe"]
    );
    let jar = [
        Zipped::new("META-INF/MANIFEST.MF", b"Main-Class: A"),
        Zipped::new("A.class", b"\xca\xfe\xba\xbe"),
    ];
    let content = opened("a.dat", &zip(&jar));
    assert_eq!(paths(&content), ["a.dat"]);
    assert_eq!(file(&content, "a.dat").real_type, Some("jar"));
}
