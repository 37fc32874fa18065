//! Names of files: what is odd about them, and how archives write them.

use super::flag::{FileFlag, FileFlags};
use crate::mail::{changes_direction, extension};

/// Longest name that is kept, bytes.
const NAME_BYTES: usize = 255;
/// Blanks in a row that are no accident.
const BLANKS: usize = 8;

/// Extensions of what Windows runs, mounts or installs when it is opened, and of scripts for other systems.
pub(super) const PROGRAMS: &[&str] = &[
    "ade",
    "adp",
    "app",
    "appinstaller",
    "application",
    "appref-ms",
    "appx",
    "appxbundle",
    "bas",
    "bat",
    "chm",
    "cmd",
    "com",
    "command",
    "cpl",
    "desktop",
    "diagcab",
    "dll",
    "elf",
    "exe",
    "gadget",
    "hlp",
    "hta",
    "img",
    "inf",
    "ins",
    "iso",
    "isp",
    "jar",
    "jnlp",
    "js",
    "jse",
    "lib",
    "library-ms",
    "lnk",
    "mde",
    "msc",
    "msi",
    "msix",
    "msixbundle",
    "msp",
    "mst",
    "nsh",
    "pif",
    "prg",
    "ps1",
    "ps1xml",
    "ps2",
    "psc1",
    "psd1",
    "psm1",
    "py",
    "pyw",
    "rdp",
    "reg",
    "scf",
    "scr",
    "sct",
    "search-ms",
    "settingcontent-ms",
    "sh",
    "shb",
    "shs",
    "sys",
    "theme",
    "url",
    "vb",
    "vbe",
    "vbs",
    "vbscript",
    "vhd",
    "vhdx",
    "vxd",
    "wim",
    "workflow",
    "ws",
    "wsc",
    "wsf",
    "wsh",
    "xbap",
    "xll",
];

/// Extensions of what people open without a thought.
const DOCUMENTS: &[&str] = &[
    "avi", "bmp", "csv", "doc", "docm", "docx", "eml", "gif", "htm", "html", "ics", "jpeg", "jpg",
    "mov", "mp3", "mp4", "mpg", "odp", "ods", "odt", "pdf", "png", "ppt", "pptm", "pptx", "rtf",
    "svg", "tif", "tiff", "txt", "vcf", "wav", "webp", "wmv", "xls", "xlsb", "xlsm", "xlsx", "xml",
    "zip", "rar", "7z",
];

/// Whether files of that extension are run.
pub(super) fn is_program(extension: &str) -> bool {
    PROGRAMS.contains(&extension)
}

/// The name of a file out of the name that an archive gives it, and what is odd about the latter. Folders are given
/// back apart, without the parts that lead elsewhere.
pub(super) fn read(written: &str) -> (String, String, FileFlags) {
    let mut flags = FileFlags::default();
    let mut parts: Vec<&str> = written.split(['/', '\\']).collect();
    let name = parts.pop().unwrap_or_default();
    flags.add_if(
        name == ".." || parts.contains(&".."),
        FileFlag::NameTraversal,
    );
    let drive = matches!(written.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    flags.add_if(
        drive || (written.starts_with(['/', '\\']) && written.len() > 1),
        FileFlag::NameAbsolute,
    );
    parts.retain(|part| !part.is_empty() && *part != ".");
    let (name, folders) = (short(name, &mut flags), short(&parts.join("/"), &mut flags));
    flags.merge(tricks(written));
    (name, folders, flags)
}

/// A name of which the middle is left out where it is too long.
fn short(name: &str, flags: &mut FileFlags) -> String {
    if name.len() <= NAME_BYTES {
        return name.to_owned();
    }
    flags.add(FileFlag::NameLong);
    let half = NAME_BYTES / 2 - 2;
    let start = name.floor_char_boundary(half);
    let end = name.ceil_char_boundary(name.len() - half);
    let piece = |range: Option<&str>| range.unwrap_or_default().to_owned();
    piece(name.get(..start)) + "…" + &piece(name.get(end..))
}

/// What is odd about a name.
pub(super) fn tricks(name: &str) -> FileFlags {
    let mut flags = FileFlags::default();
    flags.add_if(name.chars().any(changes_direction), FileFlag::NameDirection);
    flags.add_if(name.chars().any(char::is_control), FileFlag::NameControl);
    let mut run = 0;
    for c in name.chars() {
        run = if is_blank(c) { run + 1 } else { 0 };
        if run >= BLANKS
            || matches!(
                c,
                '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{115f}' | '\u{1160}'
            )
        {
            flags.add(FileFlag::NameBlanks);
            break;
        }
    }
    flags.add_if(is_double(name), FileFlag::DoubleExtension);
    flags
}

fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{ad}'
        )
}

/// Whether a document stands before the extension of a program.
fn is_double(name: &str) -> bool {
    let Some(last) = extension(name).filter(|e| is_program(e.trim())) else {
        return false;
    };
    let lower = name.to_lowercase();
    let Some(at) = lower.rfind(&last) else {
        return false;
    };
    let stem = lower.get(..at).unwrap_or_default();
    let stem = stem.trim_end_matches(|c: char| !c.is_alphanumeric());
    let before = stem.rsplit(|c: char| !c.is_alphanumeric()).next();
    let dotted = before.is_some_and(|word| {
        let rest = stem.get(..stem.len() - word.len()).unwrap_or_default();
        rest.ends_with('.') && rest.len() > 1
    });
    dotted && before.is_some_and(|word| DOCUMENTS.contains(&word))
}

/// All extensions of a name, in lower case: up to four, each of at most twelve letters and digits.
pub(super) fn extensions(name: &str) -> Option<String> {
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c.is_control());
    let mut all: Vec<&str> = Vec::new();
    let mut rest = name;
    while let Some((stem, last)) = rest.rsplit_once('.') {
        let fits =
            (1..=12).contains(&last.len()) && last.chars().all(|c| c.is_alphanumeric() || c == '-');
        if stem.is_empty() || !fits || all.len() == 4 {
            break;
        }
        all.push(last);
        rest = stem;
    }
    all.reverse();
    (!all.is_empty()).then(|| all.join(".").to_lowercase())
}

/// A name that an archive writes in a charset which it does not say: UTF-8 where it is that, else the charset of DOS.
pub(super) fn unlabelled(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| code_page_437(*b)).collect(),
    }
}

/// A name that an archive says to be UTF-8, and whether it is.
pub(super) fn utf8(bytes: &[u8]) -> (String, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), true),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), false),
    }
}

fn code_page_437(byte: u8) -> char {
    const UPPER: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
    match byte {
        0..0x80 => char::from(byte),
        _ => UPPER
            .chars()
            .nth(usize::from(byte) - 0x80)
            .unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tricks_of_names_are_seen() {
        for (name, flag) in [
            ("invoice.pdf.exe", FileFlag::DoubleExtension),
            ("invoice.pdf .exe. ", FileFlag::DoubleExtension),
            ("photo.jpg               .scr", FileFlag::DoubleExtension),
            ("photo.jpg_.lnk", FileFlag::DoubleExtension),
            ("report\u{202e}fdp.exe", FileFlag::NameDirection),
            ("a            .exe", FileFlag::NameBlanks),
            ("a\u{2800}.exe", FileFlag::NameBlanks),
            ("a.exe\0.pdf", FileFlag::NameControl),
            ("../../etc/passwd", FileFlag::NameTraversal),
            ("..\\x.exe", FileFlag::NameTraversal),
            ("/etc/passwd", FileFlag::NameAbsolute),
            ("C:\\x.exe", FileFlag::NameAbsolute),
        ] {
            assert!(read(name).2.has(flag), "{name:?} {}", flag.name());
        }
        for name in [
            "archive.tar.gz",
            "jquery.min.js",
            "my pdf.exe",
            "pdf.exe",
            "a..b",
            "annual report 2026 (final).pdf",
            "./src/main.rs",
        ] {
            assert_eq!(read(name).2, FileFlags::default(), "{name}");
        }
    }

    #[test]
    fn folders_are_apart_and_long_names_cut_in_the_middle() {
        let (name, folders, _) = read("./a//b\\c.txt");
        assert_eq!((name.as_str(), folders.as_str()), ("c.txt", "a/b"));
        let (name, _, flags) = read(&format!("{}.exe", "ü".repeat(400)));
        assert!(
            flags.has(FileFlag::NameLong) && name.len() <= NAME_BYTES && name.ends_with(".exe")
        );
    }

    #[test]
    fn names_without_a_charset_are_read() {
        assert_eq!(unlabelled("Müller".as_bytes()), "Müller");
        assert_eq!(unlabelled(b"M\x81ller \xff"), "Müller \u{a0}");
        assert_eq!(code_page_437(0xfe), '■');
        assert_eq!(extensions("a.PDF.Exe. ").as_deref(), Some("pdf.exe"));
        assert_eq!(extensions(".profile"), None);
        assert_eq!(extensions("Dr. Who is here.doc").as_deref(), Some("doc"));
    }
}
