//! Secrets that stand in files of their own, so that the configuration can be shown.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Longest secret, bytes.
const SECRET_BYTES: usize = 1024;

/// A secret in clear text: never shown, not even to whoever debugs.
#[derive(Clone)]
pub(crate) struct Hidden(pub(crate) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden")
    }
}

/// The one line of a file that others may not read; `what` names it in errors: `password`.
///
/// # Errors
/// What is wrong with the file and what to do, without its content.
pub(crate) fn secret_line(file: &Path, what: &str) -> Result<String, String> {
    let shown = file.display();
    let unread = |e| format!("cannot read the {what} in {shown}: {e}");
    let mode = std::fs::metadata(file)
        .map_err(unread)?
        .permissions()
        .mode();
    if mode & 0o007 != 0 {
        return Err(format!(
            "everybody can read the {what} in {shown}: take that away with chmod o= {shown}"
        ));
    }
    let text = std::fs::read_to_string(file).map_err(unread)?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() || secret.len() > SECRET_BYTES || secret.contains(char::is_control) {
        return Err(format!("{shown} does not hold one line with a {what}"));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_that_others_cannot_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        let read = |text: &str, mode: u32| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            secret_line(&file, "password")
        };
        assert_eq!(read("s3 cret\n", 0o600).as_deref(), Ok("s3 cret"));
        assert_eq!(read("s3cret\r\n", 0o640).as_deref(), Ok("s3cret"));
        assert!(read("s3cret", 0o644).unwrap_err().contains("chmod o="));
        for bad in ["", "\n", "a\nb\n", "a\0b"] {
            assert!(
                read(bad, 0o600).unwrap_err().contains("one line"),
                "{bad:?}"
            );
        }
        assert!(
            secret_line(&dir.path().join("absent"), "password")
                .unwrap_err()
                .contains("cannot read")
        );
    }
}
