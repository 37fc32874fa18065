//! The session machine: any bytes, any slicing, any answers.

use bytes::BytesMut;
use mailweir::milter::{Event, Frame, ProtocolError, Reply, ReplyText, Session};

/// What a session made of its input, and how it ended.
#[derive(Debug, PartialEq)]
struct Heard {
    events: Vec<Event>,
    output: Vec<u8>,
    end: Option<ProtocolError>,
}

fn hear(wire: &[u8], slice: usize, answers: u8) -> Heard {
    let mut session = Session::new();
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut events = Vec::new();
    let mut answered = 0usize;
    for slice in wire.chunks(slice) {
        input.extend_from_slice(slice);
        loop {
            match session.next(&mut input, &mut output) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    return Heard {
                        events,
                        output: output.to_vec(),
                        end: Some(error),
                    };
                }
            }
            if session.owed().is_some() {
                // Nothing more is given while a reply is owed.
                assert_eq!(session.next(&mut input, &mut output), Ok(None));
                let before = output.len();
                let reply = reply(answers, answered);
                assert!(session.reply(&reply, &mut output));
                assert!(!session.reply(&reply, &mut output));
                let mut written = BytesMut::from(output.get(before..).unwrap_or_default());
                assert!(matches!(Frame::decode(&mut written), Ok(Some(_))));
                assert!(written.is_empty(), "one packet for one reply");
                answered += 1;
            }
        }
    }
    Heard {
        events,
        output: output.to_vec(),
        end: None,
    }
}

/// Mostly CONTINUE; one in eight is what `answers` says.
fn reply(answers: u8, nth: usize) -> Reply {
    if nth % 8 != usize::from(answers >> 5) {
        return Reply::Continue;
    }
    match answers & 7 {
        0 => Reply::Accept,
        1 => Reply::Discard,
        2 => Reply::Reject,
        3 => Reply::Tempfail,
        4 => Reply::Skip,
        5 => Reply::Text(ReplyText::rejected("no")),
        _ => Reply::Continue,
    }
}

/// What must hold for one input.
pub fn run(data: &[u8]) {
    let Some((&[answers, size], rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let Some((steps, rest)) = rest.split_first_chunk::<4>() else {
        return;
    };
    let mut wire = BytesMut::new();
    let head = [6u32.to_be_bytes(), 0x1ffu32.to_be_bytes(), *steps].concat();
    Frame::encode(b'O', &[&head], &mut wire);
    wire.extend_from_slice(rest);
    let whole = hear(&wire, wire.len(), answers);
    let sliced = hear(&wire, usize::from(size) + 1, answers);
    assert_eq!(whole, sliced);
}
