//! Messages of the tests, and what became of them.

/// A plain message with CRLF line ends.
pub(crate) fn message(subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Anna <sender@example.net>\r\n\
         To: user@example.org\r\n\
         Subject: {subject}\r\n\
         Date: Tue, 17 Nov 2026 10:00:00 +0100\r\n\
         Message-ID: <{}@example.net>\r\n\
         \r\n\
         {body}\r\n",
        subject.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    )
    .into_bytes()
}

/// The message as it lies in a Maildir: LF line ends.
pub(crate) fn as_stored(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for byte in message {
        if *byte == b'\n' && out.last() == Some(&b'\r') {
            out.pop();
        }
        out.push(*byte);
    }
    out
}

/// Header fields, folding kept: name and the whole field.
pub(crate) fn fields(stored: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(stored);
    let head = text.split("\n\n").next().unwrap();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in head.split('\n') {
        match fields.last_mut() {
            Some((_, field)) if line.starts_with([' ', '\t']) => {
                field.push('\n');
                field.push_str(line);
            }
            _ => {
                let name = line.split(':').next().unwrap().to_owned();
                fields.push((name, line.to_owned()));
            }
        }
    }
    fields
}

/// Unfolded values of the fields of one name.
pub(crate) fn values(stored: &[u8], name: &str) -> Vec<String> {
    fields(stored)
        .into_iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(n, field)| {
            let value = field[n.len() + 1..].replace('\n', "").replace('\t', " ");
            value.trim().to_owned()
        })
        .collect()
}

/// The value of a field that stands exactly once.
pub(crate) fn value(stored: &[u8], name: &str) -> String {
    let mut all = values(stored, name);
    assert_eq!(
        all.len(),
        1,
        "{name} stands once in:\n{}",
        String::from_utf8_lossy(stored)
    );
    all.remove(0)
}

/// The value of `X-Spam-Status` without the version of the configuration, which must close it.
pub(crate) fn status(stored: &[u8]) -> String {
    let value = value(stored, "X-Spam-Status");
    let (status, version) = value.rsplit_once(" version=").expect(&value);
    assert!(version.len() == 12 && version.bytes().all(|b| b.is_ascii_hexdigit()));
    status.to_owned()
}

/// The EICAR test file in an attachment, put together here so that no scanner finds this source.
pub(crate) fn eicar() -> Vec<u8> {
    let mut text = message("A file for you", "See the file.");
    let file = [
        "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-",
        "ANTIVIRUS-TEST-FILE!$H+H*",
    ]
    .concat();
    let head = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b-1\"\r\n";
    let at = text.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 2;
    text.truncate(at);
    text.extend_from_slice(head.as_bytes());
    text.extend_from_slice(
        format!(
            "\r\n--b-1\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n--b-1\r\n\
             Content-Type: application/octet-stream; name=\"file.com\"\r\n\
             Content-Disposition: attachment; filename=\"file.com\"\r\n\r\n{file}\r\n--b-1--\r\n"
        )
        .as_bytes(),
    );
    text
}
