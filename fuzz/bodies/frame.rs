//! Framing: what is decoded and encoded again is what was read.

use bytes::BytesMut;
use mailweir::milter::{Frame, MAX_PACKET};

/// What must hold for one input.
pub fn run(data: &[u8]) {
    let mut input = BytesMut::from(data);
    let mut again = BytesMut::new();
    while let Ok(Some(frame)) = Frame::decode(&mut input) {
        assert!(frame.data.len() <= MAX_PACKET);
        Frame::encode(frame.code, &[&frame.data], &mut again);
    }
    assert_eq!(again.len() + input.len(), data.len());
    assert!(data.starts_with(&again));
    assert!(data.ends_with(&input));
}
