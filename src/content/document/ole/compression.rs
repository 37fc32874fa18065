//! How VBA packs source ([MS-OVBA], section 2.4.1).

use super::super::examination::Examination;
use super::super::little_endian::u16_at;

/// Bytes that one chunk holds at most, unpacked.
const CHUNK: usize = 4096;

/// Unpacks a container as far as it goes; `None` where none begins.
pub(super) fn decompress(packed: &[u8], examination: &mut Examination) -> Option<Vec<u8>> {
    let mut rest = packed.strip_prefix(&[1])?;
    let mut out = Vec::new();
    while let Some(header) = u16_at(rest, 0) {
        let size = usize::from(header & 0x0FFF) + 3;
        let chunk = rest.get(..size).unwrap_or(rest);
        let data = chunk.get(2..).unwrap_or_default();
        if header >> 12 & 7 != 3 {
            break;
        }
        let start = out.len();
        if header >> 15 == 1 {
            tokens(data, start, &mut out);
        } else {
            out.extend(data.iter().take(CHUNK));
        }
        let made = out.len() - start;
        if examination.spend(made) < made {
            break;
        }
        rest = rest.get(size..).unwrap_or_default();
    }
    Some(out)
}

/// Unpacks one chunk, whose output begins at `start`.
fn tokens(mut data: &[u8], start: usize, out: &mut Vec<u8>) {
    while let Some((flags, after)) = data.split_first() {
        data = after;
        for bit in 0..8 {
            let made = out.len() - start;
            if data.is_empty() || made >= CHUNK {
                break;
            }
            if flags >> bit & 1 == 0 {
                out.extend(data.first());
                data = data.get(1..).unwrap_or_default();
                continue;
            }
            let Some(token) = u16_at(data, 0) else { return };
            data = data.get(2..).unwrap_or_default();
            // The more stands before, the more bits the offset takes: at least 4, at most 12.
            let offset_bits = (usize::BITS - made.saturating_sub(1).leading_zeros()).clamp(4, 12);
            let length_bits = 16 - offset_bits;
            let length = usize::from(token & ((1 << length_bits) - 1)) + 3;
            let offset = usize::from(token >> length_bits) + 1;
            if offset > made {
                return;
            }
            for _ in 0..length.min(CHUNK - made) {
                let byte = out.get(out.len() - offset).copied().unwrap_or(0);
                out.push(byte);
            }
        }
    }
}

/// Packs text without compressing it, as tests need it.
#[cfg(test)]
pub(in super::super) fn compress(text: &[u8]) -> Vec<u8> {
    let mut out = vec![1];
    for chunk in text.chunks(CHUNK) {
        let mut tokens = Vec::new();
        for eight in chunk.chunks(8) {
            tokens.push(0);
            tokens.extend_from_slice(eight);
        }
        if tokens.len() <= CHUNK {
            let header = 0xB000 | (tokens.len() - 1) as u16;
            out.extend_from_slice(&header.to_le_bytes());
            out.extend_from_slice(&tokens);
        } else {
            let mut raw = chunk.to_vec();
            raw.resize(CHUNK, b' ');
            out.extend_from_slice(&0x3FFF_u16.to_le_bytes());
            out.extend_from_slice(&raw);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::Bounds;
    use super::*;

    fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
        decompress(packed, &mut Examination::new(&Bounds::default()))
    }

    #[test]
    fn the_examples_of_the_specification_are_unpacked() {
        // [MS-OVBA], sections 3.2.1 to 3.2.3.
        let plain = b"\x01\x19\xB0\x00abcdefgh\x00ijklmnop\x00qrstuv.";
        assert_eq!(unpack(plain).unwrap(), b"abcdefghijklmnopqrstuv.");
        let normal = b"\x01\x2F\xB0\x00#aaabcde\x82f\x00\x70aghij\x01\x38\x08akl\x00\x30mnop\x06q\x02\x70\x04\x10rstuv\x10wxyz\x00\x3C";
        assert_eq!(
            unpack(normal).unwrap(),
            b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"
        );
        let most = [0x01, 0x03, 0xB0, 0x02, 0x61, 0x45, 0x00];
        assert_eq!(unpack(&most).unwrap(), [b'a'; 73]);
    }

    #[test]
    fn what_is_packed_is_unpacked_again_and_garbage_ends() {
        let text: Vec<u8> = (0..10_000_u32).map(|i| b' ' + (i % 90) as u8).collect();
        assert!(unpack(&compress(&text)).unwrap().starts_with(&text));
        assert_eq!(unpack(b"\x02abc"), None);
        assert_eq!(unpack(b"\x01"), Some(Vec::new()));
        let garbage: Vec<u8> = (0..100_000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8)
            .collect();
        unpack(&[&[1, 0xff, 0xbf][..], &garbage].concat());
    }
}
