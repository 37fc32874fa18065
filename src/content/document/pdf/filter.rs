//! What packs streams in PDF (ISO 32000-1, section 7.4), undone as far as the data goes.

use super::super::examination::{Examination, Wrapper};
use super::lexer::unhex;

/// Filters that are undone one after another.
const CHAIN: usize = 6;

/// One filter of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Flate,
    Lzw,
    Hexadecimal,
    Base85,
    RunLength,
    /// Encrypted, or a picture or sound, which stays as it is.
    Other,
}

impl Filter {
    /// The filter of that name, long or short.
    pub(super) fn named(name: &[u8]) -> Filter {
        match name {
            b"FlateDecode" | b"Fl" => Filter::Flate,
            b"LZWDecode" | b"LZW" => Filter::Lzw,
            b"ASCIIHexDecode" | b"AHx" => Filter::Hexadecimal,
            b"ASCII85Decode" | b"A85" => Filter::Base85,
            b"RunLengthDecode" | b"RL" => Filter::RunLength,
            _ => Filter::Other,
        }
    }
}

/// How rows of a table were written as differences (`DecodeParms`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Predictor {
    pub(super) kind: usize,
    pub(super) columns: Option<usize>,
    pub(super) colors: Option<usize>,
    pub(super) bits: Option<usize>,
}

/// The content of a stream; `None` where a filter is not undone here.
pub(super) fn decode(
    raw: &[u8],
    filters: &[Filter],
    predictor: Predictor,
    examination: &mut Examination,
) -> Option<Vec<u8>> {
    if filters.len() > CHAIN {
        examination.limit();
        return None;
    }
    let mut data = None::<Vec<u8>>;
    for filter in filters {
        let from = data.as_deref().unwrap_or(raw);
        let most = from.len();
        let decoded = match filter {
            Filter::Flate => examination.inflate(Wrapper::Zlib, from),
            Filter::Hexadecimal => {
                let most = examination.spend(most / 2 + 1);
                let end = memchr::memchr(b'>', from).unwrap_or(from.len());
                unhex(from.get(..end).unwrap_or_default(), most)
            }
            Filter::Base85 => {
                let most = examination.spend(most);
                base85(from, most)
            }
            Filter::RunLength => run_length(from, examination),
            Filter::Lzw => lzw(from, examination),
            Filter::Other => return None,
        };
        data = Some(match filter {
            Filter::Flate | Filter::Lzw if predictor.kind > 1 => predictor.undo(decoded),
            _ => decoded,
        });
    }
    Some(data.unwrap_or_else(|| examination.copy(raw)))
}

impl Predictor {
    /// Rows from their differences: TIFF 6.0, section 14, for whole bytes, and PNG, section 9.
    fn undo(self, data: Vec<u8>) -> Vec<u8> {
        let colors = self.colors.unwrap_or(1).clamp(1, 32);
        let bits = self.bits.unwrap_or(8).clamp(1, 16);
        let columns = self.columns.unwrap_or(1).clamp(1, 1 << 20);
        let width = (colors * bits).div_ceil(8);
        let row = (columns * colors * bits).div_ceil(8);
        if self.kind == 2 {
            return undo_tiff(data, row, width);
        }
        let mut out: Vec<u8> = Vec::with_capacity(data.len());
        let mut above = vec![0_u8; row];
        for packed in data.chunks(row + 1) {
            let Some((kind, values)) = packed.split_first() else {
                break;
            };
            let mut line: Vec<u8> = Vec::with_capacity(row);
            for (at, value) in values.iter().enumerate() {
                let before = |line: &[u8]| at.checked_sub(width).and_then(|i| line.get(i).copied());
                let left = before(&line).unwrap_or(0);
                let up = above.get(at).copied().unwrap_or(0);
                let corner = before(&above).unwrap_or(0);
                let guess = match kind {
                    1 => left,
                    2 => up,
                    3 => u8::midpoint(left, up),
                    4 => paeth(left, up, corner),
                    _ => 0,
                };
                line.push(value.wrapping_add(guess));
            }
            out.extend_from_slice(&line);
            above = line;
        }
        out
    }
}

fn undo_tiff(mut data: Vec<u8>, row: usize, width: usize) -> Vec<u8> {
    for line in data.chunks_mut(row) {
        for at in width..line.len() {
            let left = line.get(at - width).copied().unwrap_or(0);
            if let Some(value) = line.get_mut(at) {
                *value = value.wrapping_add(left);
            }
        }
    }
    data
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let guess = i16::from(left) + i16::from(up) - i16::from(corner);
    let far = |value: u8| (guess - i16::from(value)).abs();
    if far(left) <= far(up) && far(left) <= far(corner) {
        left
    } else if far(up) <= far(corner) {
        up
    } else {
        corner
    }
}

fn base85(raw: &[u8], most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut group = Vec::with_capacity(5);
    for byte in raw {
        match byte {
            b'~' => break,
            b'z' if group.is_empty() => out.extend_from_slice(&[0; 4]),
            b'!'..=b'u' => group.push(byte - b'!'),
            _ => {}
        }
        if group.len() == 5 {
            out.extend_from_slice(&value85(&group));
            group.clear();
        }
        if out.len() >= most {
            break;
        }
    }
    if group.len() > 1 {
        let kept = group.len() - 1;
        group.resize(5, 84);
        out.extend(value85(&group).iter().take(kept));
    }
    out.truncate(most);
    out
}

fn value85(group: &[u8]) -> [u8; 4] {
    let value = group.iter().fold(0_u32, |value, digit| {
        value.wrapping_mul(85).wrapping_add(u32::from(*digit))
    });
    value.to_be_bytes()
}

fn run_length(mut raw: &[u8], examination: &mut Examination) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((length, rest)) = raw.split_first() {
        let (piece, after) = match usize::from(*length) {
            128 => break,
            length if length < 128 => {
                let (piece, after) = rest.split_at_checked(length + 1).unwrap_or((rest, &[]));
                (piece.to_vec(), after)
            }
            length => {
                let Some((byte, after)) = rest.split_first() else {
                    break;
                };
                (vec![*byte; 257 - length], after)
            }
        };
        let granted = examination.spend(piece.len());
        out.extend_from_slice(piece.get(..granted).unwrap_or_default());
        if granted < piece.len() {
            break;
        }
        raw = after;
    }
    out
}

/// LZW with codes of 9 to 12 bits that grow one code early, as is the default.
fn lzw(raw: &[u8], examination: &mut Examination) -> Vec<u8> {
    const CLEAR: usize = 256;
    const END: usize = 257;
    let mut out: Vec<u8> = Vec::new();
    // Each entry is a stretch of what was put out already.
    let mut table: Vec<(usize, usize)> = Vec::new();
    let mut previous = None::<(usize, usize)>;
    let (mut bits, mut held, mut width) = (0_u32, 0_u32, 9_u32);
    for byte in raw {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        if held < width {
            continue;
        }
        held -= width;
        let code = (bits >> held) as usize & ((1 << width) - 1);
        bits &= (1 << held) - 1;
        if code == CLEAR {
            table.clear();
            previous = None;
            width = 9;
            continue;
        }
        if code == END {
            break;
        }
        let start = out.len();
        let (from, length) = match (code.checked_sub(END + 1), previous) {
            (None, _) => (None, 1),
            (Some(index), last) => match (table.get(index), last) {
                (Some((from, length)), _) => (Some(*from), *length),
                (None, Some((from, length))) if index == table.len() => (Some(from), length + 1),
                _ => break,
            },
        };
        if examination.spend(length) < length {
            break;
        }
        match from {
            None => out.extend(u8::try_from(code)),
            Some(from) => {
                for at in from..from + length {
                    let byte = out.get(at).copied().unwrap_or(0);
                    out.push(byte);
                }
            }
        }
        if let Some((from, length)) = previous.filter(|_| table.len() < 4096) {
            table.push((from, length + 1));
        }
        previous = Some((start, length));
        width = match table.len() + END + 2 {
            0..=511 => 9,
            512..=1023 => 10,
            1024..=2047 => 11,
            _ => 12,
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::Bounds;
    use super::*;
    use std::io::Write;

    fn undo(raw: &[u8], filters: &[Filter], predictor: Predictor) -> Vec<u8> {
        let mut examination = Examination::new(&Bounds::default());
        decode(raw, filters, predictor, &mut examination).unwrap()
    }

    #[test]
    fn each_filter_is_undone() {
        let none = Predictor::default();
        assert_eq!(
            undo(b"4865 6C6c6f>zz", &[Filter::Hexadecimal], none),
            b"Hello"
        );
        assert_eq!(
            undo(b"87cURD]i,\"Ebo80~>", &[Filter::Base85], none),
            b"Hello World!"
        );
        assert_eq!(
            undo(
                &[1, b'a', b'b', 254, b'c', 128, 9],
                &[Filter::RunLength],
                none
            ),
            b"abccc"
        );
        // The example of ISO 32000-1, section 7.4.4.2.
        let packed = [0x80, 0x0B, 0x60, 0x50, 0x22, 0x0C, 0x0C, 0x85, 0x01];
        let plain = [45, 45, 45, 45, 45, 65, 45, 45, 45, 66];
        assert_eq!(undo(&packed, &[Filter::Lzw], none), plain);
        let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Default::default());
        packer.write_all(b"Hello").unwrap();
        let hex: String = packer
            .finish()
            .unwrap()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            undo(hex.as_bytes(), &[Filter::Hexadecimal, Filter::Flate], none),
            b"Hello"
        );
    }

    #[test]
    fn rows_are_restored_from_differences() {
        let rows = [
            [0, 1, 2, 3],
            [1, 1, 1, 1],
            [2, 1, 1, 1],
            [3, 10, 10, 10],
            [4, 1, 1, 1],
        ];
        let predictor = Predictor {
            kind: 12,
            columns: Some(3),
            ..Predictor::default()
        };
        assert_eq!(
            predictor.undo(rows.concat()),
            [1, 2, 3, 1, 2, 3, 2, 3, 4, 11, 17, 20, 12, 18, 21]
        );
        let tiff = Predictor {
            kind: 2,
            columns: Some(3),
            ..Predictor::default()
        };
        assert_eq!(tiff.undo(vec![1, 1, 1, 2, 1, 1]), [1, 2, 3, 2, 3, 4]);
    }

    #[test]
    fn garbage_and_bombs_end() {
        let mut examination = Examination::new(&Bounds {
            bytes: 1 << 20,
            ..Bounds::default()
        });
        let garbage: Vec<u8> = (0..200_000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for filter in [
            Filter::Flate,
            Filter::Lzw,
            Filter::Base85,
            Filter::Hexadecimal,
            Filter::RunLength,
        ] {
            decode(
                &garbage,
                &[filter],
                Predictor {
                    kind: 15,
                    columns: Some(usize::MAX),
                    ..Predictor::default()
                },
                &mut examination,
            );
        }
        let zeros = vec![129; 1 << 20];
        assert!(
            decode(
                &zeros,
                &[Filter::RunLength],
                Predictor::default(),
                &mut examination
            )
            .unwrap()
            .len()
                <= 1 << 20
        );
        assert!(examination.finish().limit);
    }
}
