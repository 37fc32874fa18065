//! Every kind of container, alone and in each other.

use mailweir::content::Kind;

use crate::archives::{self, Zipped, eicar, program};
use crate::{file, flags, of_message, opened, paths, sha256};

/// Name of the attachment, its bytes, and the path at which EICAR lies.
fn containers() -> Vec<(&'static str, Vec<u8>, &'static str, Kind)> {
    let eicar = eicar();
    let one: &[(&str, &[u8])] = &[("eicar.com", &eicar)];
    vec![
        (
            "a.zip",
            archives::zip(&[Zipped::new("eicar.com", &eicar)]),
            "a.zip/eicar.com",
            Kind::Zip,
        ),
        (
            "eicar.com.gz",
            archives::gzip(&eicar),
            "eicar.com.gz/eicar.com",
            Kind::Gzip,
        ),
        (
            "eicar.com.bz2",
            archives::bzip2(&eicar),
            "eicar.com.bz2/eicar.com",
            Kind::Bzip2,
        ),
        (
            "eicar.com.xz",
            archives::xz(&eicar),
            "eicar.com.xz/eicar.com",
            Kind::Xz,
        ),
        (
            "eicar.com.lzma",
            archives::lzma(&eicar),
            "eicar.com.lzma/eicar.com",
            Kind::Lzma,
        ),
        (
            "eicar.com.zst",
            archives::zstd(&eicar),
            "eicar.com.zst/eicar.com",
            Kind::Zstd,
        ),
        ("a.tar", archives::tar(one), "a.tar/eicar.com", Kind::Tar),
        (
            "a.tgz",
            archives::gzip(&archives::tar(one)),
            "a.tgz/a.tar/eicar.com",
            Kind::Tar,
        ),
        (
            "a.7z",
            archives::sevenzip(one),
            "a.7z/eicar.com",
            Kind::SevenZip,
        ),
        (
            "a.rar",
            archives::rar4(0, &[("eicar.com", &eicar, 0, 0x30)]),
            "a.rar/eicar.com",
            Kind::Rar,
        ),
        (
            "b.rar",
            archives::rar5(false, &[("eicar.com", &eicar, 0, false)]),
            "b.rar/eicar.com",
            Kind::Rar,
        ),
        (
            "a.iso",
            archives::iso(one, false),
            "a.iso/EICAR.COM",
            Kind::Iso,
        ),
        (
            "b.iso",
            archives::iso(one, true),
            "b.iso/eicar.com",
            Kind::Iso,
        ),
        ("a.img", archives::fat(one), "a.img/eicar.com", Kind::Fat),
        ("a.cab", archives::cab(one), "a.cab/eicar.com", Kind::Cab),
        (
            "winmail.dat",
            archives::tnef(one),
            "winmail.dat/eicar.com",
            Kind::Tnef,
        ),
        (
            "a.eml",
            archives::message(one),
            "a.eml/eicar.com",
            Kind::Message,
        ),
    ]
}

#[test]
fn eicar_is_found_in_every_container() {
    for (name, bytes, path, kind) in containers() {
        let content = opened(name, &bytes);
        let found = file(&content, path);
        assert_eq!(found.sha256, sha256(&eicar()), "{name} {:?}", flags(found));
        assert_eq!(found.size, 68);
        assert_eq!(content.container(found), Some(kind), "{name}");
        assert_eq!(content.opened.get(&kind), Some(&1), "{name}");
        assert!(content.limits.is_empty(), "{name}");
        for file in &content.files {
            assert_eq!(flags(file), [""; 0], "{name} {}", file.path);
        }
    }
}

#[test]
fn eicar_is_found_in_every_container_in_every_other() {
    for (name, bytes, path, _) in containers() {
        for (outer, packed) in [
            ("zip", archives::zip(&[Zipped::new(name, &bytes)])),
            ("7z", archives::sevenzip(&[(name, &bytes)])),
            ("tar", archives::tar(&[(name, &bytes)])),
            ("cab", archives::cab(&[(name, &bytes)])),
            ("dat", archives::tnef(&[(name, &bytes)])),
            ("eml", archives::message(&[(name, &bytes)])),
        ] {
            let outer = format!("outer.{outer}");
            let content = opened(&outer, &packed);
            let found = file(&content, &format!("{outer}/{path}"));
            assert_eq!(found.sha256, sha256(&eicar()), "{outer} {name}");
        }
    }
}

#[test]
fn several_files_of_one_container_are_told_apart() {
    let program = program();
    let large: Vec<u8> = (0..300_000_u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    let long = format!("{}.txt", "n".repeat(101));
    let files: &[(&str, &[u8])] = &[
        ("one.exe", &program),
        (&long, b"two"),
        ("three.bin", &large),
    ];
    for (name, bytes) in [
        ("a.7z", archives::sevenzip(files)),
        ("a.tar", archives::tar(files)),
        ("a.cab", archives::cab(files)),
        ("a.iso", archives::iso(files, true)),
        ("a.tnef", archives::tnef(files)),
    ] {
        let content = opened(name, &bytes);
        for (own, bytes) in files {
            let found = file(&content, &format!("{name}/{own}"));
            assert_eq!(found.sha256, sha256(bytes), "{name} {own}");
        }
        assert_eq!(
            file(&content, &format!("{name}/one.exe")).real_type,
            Some("exe")
        );
    }
    let fitting = &files[..2];
    let content = opened("a.img", &archives::fat(fitting));
    assert_eq!(
        file(&content, &format!("a.img/{long}")).sha256,
        sha256(b"two")
    );
}

#[test]
fn packed_and_encrypted_rar_is_listed() {
    for (bytes, expected) in [
        (
            archives::rar4(0, &[("a.exe", b"packed", 0, 0x33)]),
            "unopened",
        ),
        (
            archives::rar4(0, &[("a.exe", b"packed", 4, 0x33)]),
            "encrypted",
        ),
        (
            archives::rar5(false, &[("a.exe", b"packed", 3, false)]),
            "unopened",
        ),
        (
            archives::rar5(false, &[("a.exe", b"packed", 3, true)]),
            "encrypted",
        ),
    ] {
        let content = opened("a.rar", &bytes);
        let found = file(&content, "a.rar/a.exe");
        assert_eq!(flags(found), [expected]);
        assert_eq!((found.size, found.sha256), (6, None));
    }
    for bytes in [archives::rar4(0x80, &[]), archives::rar5(true, &[])] {
        let content = opened("a.rar", &bytes);
        assert_eq!(flags(file(&content, "a.rar")), ["encrypted"]);
    }
}

#[test]
fn encrypted_7z_is_recognised() {
    // `7z a -psecret` and `7z a -psecret -mhe` of one file, secret.txt.
    for (base64, listed) in SEVENZIP {
        let bytes = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
        let content = opened("a.7z", &bytes);
        let path = if *listed { "a.7z/secret.txt" } else { "a.7z" };
        assert_eq!(flags(file(&content, path)), ["encrypted"]);
    }
}

const SEVENZIP: &[(&str, bool)] = &[
    (
        "N3q8ryccAATNzXuEEAAAAAAAAAByAAAAAAAAAAHRJNoy76Or3fruXr7vbOY8ELAPAQQGAAEJEAAHCwEAAiQG8QcBElMP+D+rc9iyIWq90HCHJ6A+1yEhAQABAAwJBQAICgGGphA2AAAFARkBABEXAHMAZQBjAHIAZQB0AC4AdAB4AHQAAAAZBAAAAAAUCgEAUlVhDyZ73QEVBgEAIICkgQAA",
        true,
    ),
    (
        "N3q8ryccAARlBEy/kAAAAAAAAAAvAAAAAAAAAN810cg94hrxgq5lqNwRvVb4+UF+VALfUCtID/6vlPK/acsHIM4Pk04Ce5R1STl3zClAeEdCQ4cMJDp5keDO1pAutmLL/6/JNam6G7VBC6KNTAvpUkrMqGTNaUoXJBOi3cyn+34EGpVJS7410EK5SfQDODKBL2oc42+XDaFSsjdajEOk5vM0pz/teoJhHeCX12hoFnwXBhABCYCAAAcLAQABJAbxBwESUw90yA0AbZQkwBLBTot25FwsDHIKAdnj1D4AAA==",
        false,
    ),
];

#[test]
fn a_program_that_unpacks_itself_is_opened() {
    let mut sfx = program();
    sfx.extend_from_slice(&archives::sevenzip(&[("a.exe", &program())]));
    let content = opened("setup.exe", &sfx);
    assert_eq!(paths(&content), ["setup.exe", "setup.exe/a.exe"]);
    assert_eq!(flags(file(&content, "setup.exe")), ["prefixed_data"]);
}

#[test]
fn members_of_one_stream_are_put_together() {
    let whole = eicar();
    let (one, two) = whole.split_at(30);
    for (name, first, second) in [
        ("e.gz", archives::gzip(one), archives::gzip(two)),
        ("e.bz2", archives::bzip2(one), archives::bzip2(two)),
        ("e.xz", archives::xz(one), archives::xz(two)),
        ("e.zst", archives::zstd(one), archives::zstd(two)),
    ] {
        let content = opened(name, &[first, second].concat());
        assert_eq!(
            file(&content, &format!("{name}/e")).sha256,
            sha256(&eicar()),
            "{name}"
        );
    }
    let mut trailing = archives::gzip(&eicar());
    trailing.extend_from_slice(b"something else");
    let content = opened("e.gz", &trailing);
    assert_eq!(flags(file(&content, "e.gz")), ["trailing_data"]);
    assert_eq!(file(&content, "e.gz/e").sha256, sha256(&eicar()));
}

#[test]
fn attached_messages_give_their_names_to_the_path() {
    let inner = String::from_utf8(archives::message(&[("a.exe", &program())])).unwrap();
    let raw = format!(
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n\
         --o\r\nContent-Type: message/rfc822; name=\"fwd.eml\"\r\n\r\n{inner}\r\n--o--\r\n"
    );
    let content = of_message(raw.as_bytes(), &Default::default());
    assert_eq!(paths(&content), ["fwd.eml", "fwd.eml/a.exe"]);
    let inner = file(&content, "fwd.eml/a.exe");
    assert_eq!(
        (inner.depth, content.container(inner)),
        (1, Some(Kind::Message))
    );
    assert_eq!(file(&content, "fwd.eml").real_type, Some("eml"));
}
