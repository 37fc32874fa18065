//! Framing: `u32 length, u8 code, data[length - 1]`, both ways.
//!
//! The length is checked before anything is allocated, and nothing is allocated from it: the buffer
//! grows with the bytes that arrive.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Longest data of a packet that is taken from an MTA. libmilter's own bound is 65535 (1 MiB where
/// negotiated); header fields of 100 kB are seen, so the wider bound always holds.
pub const MAX_PACKET: usize = 1_048_575;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Command or reply letter.
    pub code: u8,
    /// Everything after the letter.
    pub data: Bytes,
}

/// A length that no packet can have; the connection is beyond repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length counts the code, so it is 1 at least.
    #[error("packet of length 0")]
    Empty,
    /// Longer than [`MAX_PACKET`].
    #[error("packet of {0} bytes is longer than allowed")]
    TooLong(u32),
}

impl Frame {
    /// Takes one complete packet off the front of `input`; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the length word is impossible.
    pub fn decode(input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(length) = input.first_chunk::<4>().map(|b| u32::from_be_bytes(*b)) else {
            return Ok(None);
        };
        if length == 0 {
            return Err(FrameError::Empty);
        }
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if size > MAX_PACKET + 1 {
            return Err(FrameError::TooLong(length));
        }
        if input.len() < 4 + size {
            return Ok(None);
        }
        input.advance(4);
        let mut packet = input.split_to(size).freeze();
        let code = packet.get_u8();
        Ok(Some(Frame { code, data: packet }))
    }

    /// Appends a packet whose data is the concatenation of `data`.
    pub fn encode(code: u8, data: &[&[u8]], out: &mut BytesMut) {
        let length: usize = data.iter().map(|d| d.len()).sum::<usize>() + 1;
        out.reserve(length + 4);
        out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
        out.put_u8(code);
        for d in data {
            out.extend_from_slice(d);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_may_arrive_byte_by_byte() {
        let mut wire = BytesMut::new();
        Frame::encode(b'H', &[b"mx.example\0"], &mut wire);
        let mut input = BytesMut::new();
        for (i, b) in wire.iter().enumerate() {
            input.extend_from_slice(&[*b]);
            let got = Frame::decode(&mut input).unwrap();
            assert_eq!(got.is_some(), i + 1 == wire.len());
        }
        assert!(input.is_empty());
    }

    #[test]
    fn impossible_lengths_end_the_connection() {
        let decode = |n: u32| Frame::decode(&mut BytesMut::from(&n.to_be_bytes()[..]));
        assert_eq!(decode(0), Err(FrameError::Empty));
        assert_eq!(decode(u32::MAX), Err(FrameError::TooLong(u32::MAX)));
        let cap = MAX_PACKET as u32 + 1;
        assert_eq!(decode(cap), Ok(None));
        assert_eq!(decode(cap + 1), Err(FrameError::TooLong(cap + 1)));
    }
}
