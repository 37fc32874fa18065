//! Shortcuts of Windows ([MS-SHLLINK]): what they start, with which arguments, and what they show.
//!
//! In: the bytes of a `.lnk` file. The strings are read as the header announces them; the target is also looked for as text in
//! the lists of identifiers and in the extra data, because any of these may be what Windows takes.

use super::code::{self, Language};
use super::examination::Examination;
use super::little_endian::{latin, size_at, u16_at, u32_at, utf16};
use super::reference::is_remote;
use super::traits::Trait;

/// Bytes of the header.
const HEADER_BYTES: usize = 0x4C;
/// Programs that run what their arguments say, in lower case.
const INTERPRETERS: &[&str] = &[
    "cmd.exe",
    "cmd ",
    "comspec",
    "powershell",
    "pwsh",
    "mshta",
    "wscript",
    "cscript",
    "rundll32",
    "regsvr32",
    "msiexec",
    "certutil",
    "bitsadmin",
    "forfiles",
    "conhost",
    "pcalua",
    "wmic",
    "msbuild",
    "installutil",
    "schtasks",
    "hh.exe",
    "odbcconf",
    "curl",
    "ftp.exe",
    "ssh.exe",
    "scp.exe",
    "python",
    "bash",
    "wsl.exe",
    "node.exe",
    "scriptrunner",
    "explorer.exe shell:",
];
/// Blanks in a row that push the arguments out of sight.
const PADDING: usize = 64;
/// Data behind the end that is more than a signature of a tool, bytes.
const APPENDED_BYTES: usize = 512;
/// Icons of documents, by what their paths hold, in lower case.
const ICONS: &[&str] = &[
    ".pdf",
    ".doc",
    ".xls",
    ".ppt",
    ".txt",
    ".jpg",
    ".png",
    "winword",
    "wordicon",
    "excel",
    "xlicons",
    "powerpnt",
    "acrord",
    "acrobat",
    "msedge",
    "chrome",
    "notepad",
    "imageres.dll",
    "shell32.dll",
    "wordpad",
];

/// Examines a shortcut.
pub(super) fn examine(bytes: &[u8], examination: &mut Examination) {
    examination.note(Trait::Shortcut);
    if read(bytes, examination).is_none() {
        examination.note(Trait::Damaged);
    }
}

fn read(bytes: &[u8], examination: &mut Examination) -> Option<()> {
    let flags = u32_at(bytes, 0x14)?;
    let has = |bit: u32| flags & (1 << bit) != 0;
    let mut rest = bytes.get(HEADER_BYTES..)?;
    let mut target = String::new();
    if has(0) {
        let (list, after) = rest
            .get(2..)?
            .split_at_checked(usize::from(u16_at(rest, 0)?))?;
        texts(list, &mut target);
        rest = after;
    }
    if has(1) {
        let (info, after) = rest.split_at_checked(size_at(rest, 0)?)?;
        texts(info, &mut target);
        rest = after;
    }
    let mut strings = [const { String::new() }; 5];
    for (string, bit) in strings.iter_mut().zip(2..) {
        if !has(bit) {
            continue;
        }
        let units = usize::from(u16_at(rest, 0)?);
        let wide = has(7);
        let size = if wide { units * 2 } else { units };
        let (text, after) = rest.get(2..)?.split_at_checked(size)?;
        *string = if wide { utf16(text) } else { latin(text) };
        rest = after;
    }
    let [_, relative, folder, arguments, icon] = &strings;
    while let Some(size) = size_at(rest, 0).filter(|size| *size >= 8) {
        let Some((block, after)) = rest.split_at_checked(size) else {
            break;
        };
        texts(block, &mut target);
        rest = after;
    }
    // The last block is a size below four.
    if rest.len() > APPENDED_BYTES + 4 {
        examination.note(Trait::ShortcutAppended);
    }
    judge(&[&target, relative, folder], arguments, icon, examination);
    Some(())
}

fn judge(targets: &[&str], arguments: &str, icon: &str, examination: &mut Examination) {
    let target = targets.join("\n");
    let command = format!("{target}\n{arguments}").to_lowercase();
    if INTERPRETERS.iter().any(|program| command.contains(program)) {
        examination.note(Trait::ShortcutCommand);
    }
    code::examine(command.as_bytes(), Language::Other, examination);
    for place in target
        .lines()
        .chain(arguments.split_whitespace())
        .chain([icon])
    {
        if is_remote(place) {
            examination.note(Trait::ShortcutRemote);
            examination.url(place);
        }
    }
    examination.urls_in(arguments);
    let blanks = arguments.split(|c: char| !c.is_whitespace());
    if blanks.map(|run| run.chars().count()).max().unwrap_or(0) >= PADDING {
        examination.note(Trait::ShortcutPadding);
    }
    let icon = icon.to_lowercase();
    if ICONS.iter().any(|known| icon.contains(known)) {
        examination.note(Trait::ShortcutIcon);
    }
}

/// Adds the texts of at least four characters in some data, in one or two bytes a character, each on a line.
fn texts(data: &[u8], into: &mut String) {
    const SHORTEST: usize = 4;
    let is_text = |b: &u8| (0x20..0x7F).contains(b);
    for run in data
        .split(|b| !is_text(b))
        .filter(|run| run.len() >= SHORTEST)
    {
        into.push('\n');
        into.push_str(&latin(run));
    }
    for start in [0, 1] {
        let mut run = String::new();
        for pair in data.get(start..).unwrap_or_default().chunks(2) {
            match pair {
                [low, 0] if is_text(low) => run.push(char::from(*low)),
                _ if run.len() >= SHORTEST => {
                    into.push('\n');
                    into.push_str(&run);
                    run.clear();
                }
                _ => run.clear(),
            }
        }
        if run.len() >= SHORTEST {
            into.push('\n');
            into.push_str(&run);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, Findings, examine as examine_any};
    use super::*;

    /// A shortcut with these strings: relative path, arguments, icon.
    fn link(path: &str, arguments: &str, icon: &str, extra: &[u8]) -> Vec<u8> {
        let mut link = b"\x4C\0\0\0\x01\x14\x02\0\0\0\0\0\xC0\0\0\0\0\0\0\x46".to_vec();
        link.extend_from_slice(&0xE8_u32.to_le_bytes());
        link.resize(HEADER_BYTES, 0);
        for text in [path, arguments, icon] {
            link.extend_from_slice(&(text.encode_utf16().count() as u16).to_le_bytes());
            link.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        }
        link.extend_from_slice(extra);
        link
    }

    fn found(link: &[u8]) -> Findings {
        examine_any("lnk", "a.lnk", link, &Bounds::default())
    }

    #[test]
    fn commands_servers_and_disguises_are_seen() {
        use Trait::*;
        let padded = format!("/c {}calc", " ".repeat(100));
        let mut block = vec![0x14, 3, 0, 0, 1, 0, 0, 0xA0];
        block.extend_from_slice(b"%COMSPEC%\\..\\cmd.exe");
        block.resize(0x314, 0);
        for (link, expected) in [
            (link("..\\a.txt", "", "", &[0; 4]), vec![Shortcut]),
            (
                link("..\\System32\\cmd.exe", "/c calc", "", &[0; 4]),
                vec![CodeRuns, Shortcut, ShortcutCommand],
            ),
            (
                link("x", "", "", &block),
                vec![CodeRuns, Shortcut, ShortcutCommand],
            ),
            (link("x", &padded, "", b""), vec![Shortcut, ShortcutPadding]),
            (
                link("x", "http://a.example/x", "", b""),
                vec![Shortcut, ShortcutRemote],
            ),
            (
                link("\\\\1.2.3.4\\s\\x.exe", "", "", b""),
                vec![Shortcut, ShortcutRemote],
            ),
            (
                link("x", "", "C:\\x\\AcroRd32.exe", b""),
                vec![Shortcut, ShortcutIcon],
            ),
            (
                link("x", "", "", &[0; 2000]),
                vec![Shortcut, ShortcutAppended],
            ),
            (
                b"\x4C\0\0\0\x01\x14\x02\0".to_vec(),
                vec![Damaged, Shortcut],
            ),
        ] {
            let findings = found(&link);
            let expected = std::collections::BTreeSet::from_iter(expected);
            assert!(findings.traits == expected, "{expected:?}: {findings:?}");
        }
        assert_eq!(
            found(&link("x", "http://a.example/x", "", b"")).urls,
            ["http://a.example/x"]
        );
    }

    #[test]
    fn every_cut_is_survived() {
        let whole = link("..\\cmd.exe", "/c x", "y", &[9; 40]);
        for end in 0..whole.len() {
            found(&whole[..end]);
        }
    }
}
