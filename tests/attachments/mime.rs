//! MIME that readers take differently: every reading is looked at.

use crate::archives::{eicar, program};
use crate::{file, flags, of_message, paths, sha256};

fn read(raw: &str) -> mailweir::content::Content {
    of_message(raw.as_bytes(), &Default::default())
}

#[test]
fn two_names_are_both_kept() {
    let content = read(
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/pdf; name=a.pdf\r\n\
         Content-Disposition: attachment; filename=b.exe\r\n\r\nx",
    );
    let found = file(&content, "b.exe");
    assert_eq!(found.other_name.as_deref(), Some("a.pdf"));
    assert_eq!(flags(found), ["name_conflict"]);
}

#[test]
fn two_transfer_encodings_are_both_undone() {
    let base64 = data_encoding::BASE64.encode(&eicar());
    for fields in [
        "7bit\r\nContent-Transfer-Encoding: base64",
        "base64\r\nContent-Transfer-Encoding: 7bit",
    ] {
        let content = read(&format!(
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=a.com\r\n\
             Content-Transfer-Encoding: {fields}\r\n\r\n{base64}"
        ));
        assert_eq!(content.files.len(), 2);
        assert!(
            content.files.iter().any(|f| f.sha256 == sha256(&eicar())),
            "{fields}"
        );
        assert!(flags(&content.files[0]).contains(&"encoding_conflict"));
    }
}

/// CVE-2024-28054: two boundaries, of which one filter took the last and mail programs the first.
#[test]
fn two_boundaries_give_the_parts_of_both() {
    let content = read(
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=one; boundary=two\r\n\r\n\
         --one\r\nContent-Disposition: attachment; filename=a.exe\r\n\r\nMZ\r\n--one--\r\n\
         --two\r\nContent-Disposition: attachment; filename=b.txt\r\n\r\nx\r\n--two--\r\n",
    );
    assert_eq!(paths(&content), ["a.exe", "b.txt"]);
}

#[test]
fn files_in_texts_are_files() {
    let content = read(&format!(
        "Subject: x\r\n\r\nHello, here it is:\r\n\r\nbegin 644 eicar.com\r\n{}end\r\n\r\nbegin at nine, please\r\n",
        uuencoded(&eicar())
    ));
    assert_eq!(paths(&content), ["eicar.com"]);
    assert_eq!(content.files[0].sha256, sha256(&eicar()));
    let content = read("Subject: x\r\n\r\nbegin 644 of the best days\r\nwith us\r\nend\r\n");
    assert!(content.files.is_empty());
}

fn uuencoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.chunks(45) {
        out.push(char::from(32 + line.len() as u8));
        for group in line.chunks(3) {
            let byte = |n: usize| group.get(n).copied().unwrap_or_default();
            let digits = [
                byte(0) >> 2,
                (byte(0) & 3) << 4 | byte(1) >> 4,
                (byte(1) & 15) << 2 | byte(2) >> 6,
                byte(2) & 63,
            ];
            out.extend(digits.map(|d| if d == 0 { '`' } else { char::from(32 + d) }));
        }
        out.push_str("\r\n");
    }
    out.push_str("`\r\n");
    out
}

#[test]
fn the_digest_of_a_text_file_is_that_of_its_bytes() {
    let bytes = b"na\xefve\r\nline\r\n";
    let base64 = data_encoding::BASE64.encode(bytes);
    let content = read(&format!(
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1; name=a.txt\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{base64}"
    ));
    assert_eq!(content.files[0].sha256, sha256(bytes));
    assert_eq!(content.files[0].size, bytes.len() as u64);
}

#[test]
fn what_is_declared_is_held_against_what_is_there() {
    let base64 = data_encoding::BASE64.encode(&program());
    let content = read(&format!(
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: image/jpeg; name=photo.jpg\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{base64}"
    ));
    let found = file(&content, "photo.jpg");
    assert_eq!(found.real_type, Some("exe"));
    assert_eq!(
        flags(found),
        ["type_other_than_content", "name_other_than_content"]
    );
}

#[test]
fn a_message_without_files_has_none() {
    let content = read("Subject: x\r\n\r\nHello.\r\n");
    assert!(content.files.is_empty() && content.opened.is_empty());
}
