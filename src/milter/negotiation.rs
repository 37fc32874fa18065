//! Option negotiation: the filter answers with subsets of what the MTA offers.

use bytes::{Buf, BytesMut};

use super::frame::Frame;

macro_rules! bits {
    ($(#[doc = $doc:literal])+ $name:ident { $( $(#[doc = $bdoc:literal])+ $bit:ident = $value:literal, )* }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub u32);

        impl $name {
            $( $(#[doc = $bdoc])+ pub const $bit: $name = $name($value); )*

            /// Whether every bit of `other` is set.
            pub const fn has(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            /// Both sets together.
            pub const fn with(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }

            /// What both have.
            pub const fn and(self, other: $name) -> $name {
                $name(self.0 & other.0)
            }
        }
    };
}

bits! {
    /// What a filter may do to a message (`SMFIF_*`).
    Actions {
        /// Add or insert header fields.
        ADD_HEADERS = 0x001,
        /// Replace the body.
        CHANGE_BODY = 0x002,
        /// Add recipients.
        ADD_RCPT = 0x004,
        /// Remove recipients.
        DELETE_RCPT = 0x008,
        /// Change or delete header fields.
        CHANGE_HEADERS = 0x010,
        /// Put the message on hold in the MTA's queue.
        QUARANTINE = 0x020,
        /// Change the envelope sender.
        CHANGE_FROM = 0x040,
        /// Add recipients with ESMTP arguments.
        ADD_RCPT_ARGS = 0x080,
        /// Choose the macros that the MTA sends.
        SET_MACROS = 0x100,
    }
}

bits! {
    /// What is sent, and what is answered (`SMFIP_*`).
    Steps {
        /// Do not send CONNECT.
        NO_CONNECT = 0x1,
        /// Do not send HELO.
        NO_HELO = 0x2,
        /// Do not send MAIL.
        NO_MAIL = 0x4,
        /// Do not send RCPT.
        NO_RCPT = 0x8,
        /// Do not send the body.
        NO_BODY = 0x10,
        /// Do not send header fields.
        NO_HEADERS = 0x20,
        /// Do not send end of headers.
        NO_EOH = 0x40,
        /// Header fields get no reply.
        NR_HEADER = 0x80,
        /// Do not send unknown SMTP commands.
        NO_UNKNOWN = 0x100,
        /// Do not send DATA.
        NO_DATA = 0x200,
        /// The filter may answer SKIP.
        SKIP = 0x400,
        /// Send recipients too that the MTA has rejected.
        RCPT_REJECTED = 0x800,
        /// CONNECT gets no reply.
        NR_CONNECT = 0x1000,
        /// HELO gets no reply.
        NR_HELO = 0x2000,
        /// MAIL gets no reply.
        NR_MAIL = 0x4000,
        /// RCPT gets no reply.
        NR_RCPT = 0x8000,
        /// DATA gets no reply.
        NR_DATA = 0x1_0000,
        /// Unknown commands get no reply.
        NR_UNKNOWN = 0x2_0000,
        /// End of headers gets no reply.
        NR_EOH = 0x4_0000,
        /// Body chunks get no reply.
        NR_BODY = 0x8_0000,
        /// Header values keep the white space after the colon, both ways.
        LEADING_SPACE = 0x10_0000,
        /// Packets of up to 1 MiB, between Sendmail and libmilter only.
        PACKETS_1M = 0x2000_0000,
    }
}

/// What the MTA can do: the data of its `O` packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Protocol version.
    pub version: u32,
    /// Actions that the MTA will carry out.
    pub actions: Actions,
    /// Steps that may be left out, and features.
    pub steps: Steps,
}

/// The MTA and mailweir have no version in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerIncompatible {
    /// Older than version 2.
    #[error("the MTA speaks milter version {0}; 2 is the oldest supported")]
    Version(u32),
    /// The packet is too short.
    #[error("option negotiation of {0} bytes; 12 are needed")]
    Short(usize),
}

impl Offer {
    /// Reads the data of an `O` packet; whatever follows the 12 known bytes is ignored.
    ///
    /// # Errors
    /// When it is too short, or older than version 2.
    pub fn parse(mut data: &[u8]) -> Result<Offer, PeerIncompatible> {
        if data.len() < 12 {
            return Err(PeerIncompatible::Short(data.len()));
        }
        let version = data.get_u32();
        if version < 2 {
            return Err(PeerIncompatible::Version(version));
        }
        // libmilter reads 0 as "a peer of the first version": its full set of that time.
        let or = |v: u32, zero: u32| if v == 0 { zero } else { v };
        Ok(Offer {
            version,
            actions: Actions(or(data.get_u32(), 0x0f)),
            steps: Steps(or(data.get_u32(), 0x3f)),
        })
    }
}

/// What both sides hold to for the rest of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The lower of both versions.
    pub version: u32,
    /// What this filter may do.
    pub actions: Actions,
    /// What is left out, and features in force.
    pub steps: Steps,
}

/// Newest version known.
const VERSION: u32 = 6;

/// Everything that mailweir does to a message.
const WANTED_ACTIONS: Actions = Actions::ADD_HEADERS
    .with(Actions::CHANGE_HEADERS)
    .with(Actions::DELETE_RCPT)
    .with(Actions::QUARANTINE)
    .with(Actions::SET_MACROS);

/// What stays unanswered in any case: it only informs, so replies would cost a round trip each and say
/// nothing.
const WANTED_STEPS: Steps = Steps::NO_UNKNOWN
    .with(Steps::NO_DATA)
    .with(Steps::NR_HELO)
    .with(Steps::NR_MAIL)
    .with(Steps::NR_DATA)
    .with(Steps::NR_UNKNOWN)
    .with(Steps::NR_HEADER)
    .with(Steps::NR_EOH)
    .with(Steps::SKIP)
    .with(Steps::LEADING_SPACE)
    .with(Steps::PACKETS_1M);

/// Which commands before end of message are answered, where the MTA leaves the choice. Each answer is a round
/// trip, and with small messages these are most of what a milter costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// CONNECT, although the answer says nothing: Postfix keeps packets that are owed no reply in its
    /// buffer until one is (milter8.c of 3.7 flushes only before it reads), so look-ups of the client would
    /// begin together with RCPT, or with the end of the message.
    pub connect: bool,
    /// RCPT, to refuse recipients, and BODY, to skip the rest.
    pub early: bool,
}

impl Answers {
    /// Everything that can make a difference is answered.
    pub const ALL: Answers = Answers {
        connect: true,
        early: true,
    };

    fn unanswered(self) -> Steps {
        let steps = |unless: bool, steps: Steps| if unless { Steps(0) } else { steps };
        steps(self.connect, Steps::NR_CONNECT)
            .with(steps(self.early, Steps::NR_RCPT.with(Steps::NR_BODY)))
    }
}

/// Macros asked for, by stage number. Sendmail 8.17 selects the list of end of message by the flag of
/// end of headers, so both are always set alike.
const MACRO_LISTS: [(u32, &[u8]); 7] = [
    (0, b"j {daemon_name} {client_name} {client_port}\0"),
    (1, b"{tls_version}\0"),
    (2, b"i {auth_authen}\0"),
    (3, b"i\0"),
    (4, b"i\0"),
    (6, b"i\0"),
    (5, b"i\0"),
];

impl Agreement {
    /// The intersection of an offer with what mailweir wants.
    pub fn with(offer: Offer, answers: Answers) -> Agreement {
        let wanted = WANTED_STEPS.with(answers.unanswered());
        Agreement {
            version: offer.version.min(VERSION),
            actions: offer.actions.and(WANTED_ACTIONS),
            steps: offer.steps.and(wanted),
        }
    }

    /// Appends the `O` reply, with macro lists where the MTA takes them.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut data = Vec::with_capacity(160);
        for word in [self.version, self.actions.0, self.steps.0] {
            data.extend_from_slice(&word.to_be_bytes());
        }
        if self.actions.has(Actions::SET_MACROS) {
            for (stage, names) in MACRO_LISTS {
                data.extend_from_slice(&stage.to_be_bytes());
                data.extend_from_slice(names);
            }
        }
        Frame::encode(b'O', &[&data], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(version: u32, actions: u32, steps: u32) -> Result<Offer, PeerIncompatible> {
        Offer::parse(&[version, actions, steps].map(u32::to_be_bytes).concat())
    }

    #[test]
    fn the_answer_is_always_a_subset_of_the_offer() {
        for steps in [0x1f_ffff, 0x7f, 0x3ff, 0x400, 0x8_0000, 1 << 31] {
            for actions in [0x1ff, 0x3f, 0x11, 0x100] {
                let o = offer(6, actions, steps).unwrap();
                for answers in [Answers::ALL, SILENT] {
                    let a = Agreement::with(o, answers);
                    assert_eq!(a.actions.0 & !actions, 0);
                    assert_eq!(a.steps.0 & !steps, 0);
                }
            }
        }
    }

    #[test]
    fn versions_2_to_6_and_beyond() {
        assert_eq!(offer(1, 0, 0), Err(PeerIncompatible::Version(1)));
        for v in 2..=6 {
            assert_eq!(
                Agreement::with(offer(v, 0x3f, 0x7f).unwrap(), Answers::ALL).version,
                v
            );
        }
        assert_eq!(
            Agreement::with(offer(9, 0x3f, 0x7f).unwrap(), Answers::ALL).version,
            6
        );
        let v1 = offer(2, 0, 0).unwrap();
        assert_eq!((v1.actions.0, v1.steps.0), (0x0f, 0x3f));
    }

    #[test]
    fn longer_offers_are_taken_and_shorter_refused() {
        let mut data = [6u32, 0x1ff, 0x1f_ffff].map(u32::to_be_bytes).concat();
        data.extend_from_slice(b"future");
        assert!(Offer::parse(&data).is_ok());
        assert_eq!(Offer::parse(&data[..11]), Err(PeerIncompatible::Short(11)));
    }

    const SILENT: Answers = Answers {
        connect: false,
        early: false,
    };

    #[test]
    fn only_what_can_make_a_difference_is_answered() {
        let o = offer(6, 0x1ff, 0x1f_ffff).unwrap();
        let all = Steps::NR_CONNECT.with(Steps::NR_RCPT).with(Steps::NR_BODY);
        assert!(Agreement::with(o, SILENT).steps.has(all));
        assert_eq!(Agreement::with(o, Answers::ALL).steps.and(all), Steps(0));
        let connect = Answers {
            connect: true,
            ..SILENT
        };
        let steps = Agreement::with(o, connect).steps;
        assert_eq!(steps.and(all), Steps::NR_RCPT.with(Steps::NR_BODY));
    }

    #[test]
    fn macro_lists_ride_only_where_offered() {
        let encode = |actions| {
            let mut out = BytesMut::new();
            Agreement::with(offer(6, actions, 0x1f_ffff).unwrap(), Answers::ALL).encode(&mut out);
            out.len()
        };
        assert_eq!(encode(0xff), 4 + 1 + 12);
        assert!(encode(0x1ff) > 4 + 1 + 12);
    }
}
