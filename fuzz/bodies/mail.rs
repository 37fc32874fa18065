//! A message: any bytes give a view within the limits, the same one each time.

use bytes::Bytes;
use mailweir::mail::{Limits, Mail};

/// What must hold for one input.
pub fn run(data: &[u8]) {
    // Low, so that short inputs reach them.
    let limits = Limits {
        fields: 40,
        depth: 6,
        parts: 30,
        text_bytes: 2000,
        urls: 12,
    };
    let raw = Bytes::copy_from_slice(data);
    let mail = Mail::parse(raw.clone(), &limits);
    assert_eq!(mail.raw(), &raw);
    assert!(data.ends_with(mail.raw_body()));
    assert!(mail.headers().count() <= limits.fields);
    assert!(mail.parts().len() <= limits.parts);
    assert!(mail.text().len() <= limits.text_bytes);
    assert!(mail.hidden_text().len() <= limits.text_bytes);
    assert!(mail.urls().len() <= limits.urls);
    let _ = mail.subject();
    for name in ["From", "To", "Reply-To"] {
        let _ = mail.mailboxes(name);
    }
    let again = Mail::parse(raw, &limits);
    assert_eq!(mail.text(), again.text());
    assert_eq!(mail.parts().len(), again.parts().len());
    assert_eq!(mail.flags(), again.flags());
}
