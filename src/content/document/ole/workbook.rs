//! Workbooks of Excel 97 to 2003, and Excel 5 ([MS-XLS]): sheets of Excel 4 macros, names that run, DDE, encryption.
//!
//! In: the stream `Workbook` or `Book`. Records follow each other, each with type and length, so one pass reads them all.

use super::super::examination::Examination;
use super::super::little_endian::{latin, u16_at, utf16};
use super::super::traits::Trait;

const FILE_PASS: u16 = 0x002F;
const NAME: u16 = 0x0018;
const BOUND_SHEET: u16 = 0x0085;
const BOOK: u16 = 0x01AE;
const LINK: u16 = 0x01B8;
const FORMULA: u16 = 0x0006;
const BEGINNING: u16 = 0x0809;

/// Numbers of built-in names that Excel runs: Auto_Open, Auto_Close, Auto_Activate, Auto_Deactivate.
const BUILT_IN: &[u8] = &[0x01, 0x02, 0x0A, 0x0B];

/// Examines a workbook.
pub(super) fn examine(stream: &[u8], examination: &mut Examination) {
    let mut rest = stream;
    let mut wide = true;
    let mut in_macro = false;
    while let (Some(kind), Some(size)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let body = rest.get(4..).unwrap_or_default();
        let (data, after) = body
            .split_at_checked(usize::from(size))
            .unwrap_or((body, &[]));
        rest = after;
        match kind {
            BEGINNING => {
                // Strings take one or two bytes a character since BIFF8.
                wide = u16_at(data, 0) == Some(0x0600);
                in_macro = u16_at(data, 2) == Some(0x0040);
                if in_macro {
                    examination.note(Trait::Excel4);
                }
            }
            FILE_PASS => examination.note(Trait::Encrypted),
            BOUND_SHEET if data.get(5) == Some(&1) => {
                examination.note(Trait::Excel4);
                if data.get(4).is_some_and(|state| state & 3 != 0) {
                    examination.note(Trait::Excel4Hidden);
                }
            }
            NAME if runs_by_itself(data, wide) => examination.note(Trait::Excel4AutoRun),
            BOOK if size > 4 && wide => supporting_book(data, examination),
            LINK => link(data, examination),
            FORMULA if in_macro => formula(data, examination),
            _ => {}
        }
    }
}

/// Whether a defined name makes a macro run.
fn runs_by_itself(data: &[u8], wide: bool) -> bool {
    let built_in = u16_at(data, 0).is_some_and(|flags| flags & 0x20 != 0);
    let length = data.get(3).map_or(0, |length| usize::from(*length));
    let (start, two) = match (wide, data.get(14)) {
        (true, Some(flag)) => (15, flag & 1 == 1),
        _ => (14, false),
    };
    let text = data.get(start..).unwrap_or_default();
    if built_in {
        return text.first().is_some_and(|code| BUILT_IN.contains(code));
    }
    let name = match two {
        true => utf16(text.get(..2 * length).unwrap_or(text)),
        false => latin(text.get(..length).unwrap_or(text)),
    };
    let name = name.to_lowercase();
    // Excel takes whatever begins so.
    [
        "auto_open",
        "auto_close",
        "auto_activate",
        "auto_deactivate",
    ]
    .iter()
    .any(|known| name.starts_with(known))
}

/// Another workbook or program that cells refer to.
fn supporting_book(data: &[u8], examination: &mut Examination) {
    let two = data.get(4).is_some_and(|flag| flag & 1 == 1);
    let length = u16_at(data, 2).map_or(0, usize::from);
    let text = data.get(5..).unwrap_or_default();
    let path = match two {
        true => utf16(text.get(..2 * length).unwrap_or(text)),
        false => latin(text.get(..length).unwrap_or(text)),
    };
    // Program and topic, parted by this character, are DDE; of a workbook the path begins with a mark.
    if path.contains('\u{3}') {
        examination.note(Trait::Dde);
    } else if path.starts_with('\u{1}') {
        examination.note(Trait::ExternalWorkbook);
    }
}

/// A hyperlink: the address is UTF-16 text somewhere in it.
fn link(data: &[u8], examination: &mut Examination) {
    const MARK: &[u8] = b"h\0t\0t\0p\0";
    if let Some(at) = memchr::memmem::find(data, MARK) {
        examination.url(&utf16(data.get(at..).unwrap_or_default()));
    }
}

/// A formula of a macro sheet: calls of functions that start programs or call the system.
fn formula(data: &[u8], examination: &mut Examination) {
    for window in data.get(20..).unwrap_or_default().windows(4) {
        let [token, _, low, high] = window else {
            continue;
        };
        // A call of a function with any number of arguments, in each of its three classes.
        if !matches!(token, 0x22 | 0x42 | 0x62) {
            continue;
        }
        match u16::from_le_bytes([*low, *high]) & 0x7FFF {
            0x6E => examination.note(Trait::CodeRuns),
            0x95 | 0x96 => examination.note(Trait::CodeSystemCall),
            0x84 | 0x85 => examination.note(Trait::CodeWrites),
            0x6F if data.len() > 400 => examination.note(Trait::CodeObfuscated),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Bounds;
    use super::*;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        [
            &kind.to_le_bytes()[..],
            &(data.len() as u16).to_le_bytes(),
            data,
        ]
        .concat()
    }

    fn traits(records: &[Vec<u8>]) -> Vec<Trait> {
        let mut stream = record(BEGINNING, &[0, 6, 5, 0]);
        stream.extend(records.concat());
        let mut examination = Examination::new(&Bounds::default());
        examine(&stream, &mut examination);
        for end in 0..stream.len() {
            examine(&stream[..end], &mut Examination::new(&Bounds::default()));
        }
        examination.finish().traits.into_iter().collect()
    }

    fn name(flags: u8, text: &[u8]) -> Vec<u8> {
        let mut data = vec![flags, 0, 0, text.len() as u8];
        data.resize(15, 0);
        data.extend_from_slice(text);
        record(NAME, &data)
    }

    #[test]
    fn records_have_traits() {
        use Trait::*;
        let sheet =
            |state: u8, kind: u8| record(BOUND_SHEET, &[0, 0, 0, 0, state, kind, 1, 0, b'a']);
        let book = |path: &[u8]| {
            let length = (path.len() as u16).to_le_bytes();
            record(BOOK, &[&[1, 0], &length[..], &[0], path].concat())
        };
        let mut call = vec![0; 22];
        call.extend_from_slice(&[0x42, 1, 0x6E, 0]);
        let macro_sheet = record(BEGINNING, &[0, 6, 0x40, 0]);
        for (records, expected) in [
            (
                vec![
                    sheet(0, 0),
                    name(0, b"Print_Area"),
                    name(0x20, &[6]),
                    record(FORMULA, &call),
                ],
                vec![],
            ),
            (vec![sheet(0, 1)], vec![Excel4]),
            (vec![sheet(2, 1)], vec![Excel4, Excel4Hidden]),
            (vec![sheet(2, 0)], vec![]),
            (vec![name(0x20, &[1])], vec![Excel4AutoRun]),
            (vec![name(0, b"AUTO_openX")], vec![Excel4AutoRun]),
            (vec![record(FILE_PASS, &[0; 6])], vec![Encrypted]),
            (vec![book(b"cmd\x03/c calc")], vec![Dde]),
            (vec![book(b"\x01other.xls")], vec![ExternalWorkbook]),
            (
                vec![macro_sheet, record(FORMULA, &call)],
                vec![CodeRuns, Excel4],
            ),
        ] {
            assert_eq!(traits(&records), expected);
        }
    }
}
