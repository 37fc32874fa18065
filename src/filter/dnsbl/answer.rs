//! What the answer of a list means. In: the A records of one question. Out: listed or not, or why the
//! answer is none. An address that no list uses for a listing is never taken for one.

use std::net::Ipv4Addr;

use super::grade::Pattern;

/// Most addresses of one answer that are looked at.
const ADDRESSES: usize = 32;

/// The answer of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The list does not know what it was asked about.
    NotListed,
    /// The list knows it: addresses in 127.0.0.0/8, sorted, each once, never empty.
    Listed(Vec<Ipv4Addr>),
    /// The list does not answer questions of ours: over the limit, blocked, from a public resolver.
    Refused(Ipv4Addr),
    /// No list speaks so: the zone is gone and its names lead elsewhere, or a resolver lies.
    Bogus(Ipv4Addr),
}

impl Answer {
    /// Reads the addresses of an answer.
    ///
    /// An address outside 127.0.0.0/8 makes the whole answer bogus; one in 127.255.255.0/24 says that
    /// the list refuses to answer, and so do 127.0.0.1 (RFC 5782, section 2.1 and practice) and what
    /// this list has for it, `refusals`.
    pub(super) fn read(
        addresses: impl IntoIterator<Item = Ipv4Addr>,
        refusals: &[Pattern],
    ) -> Answer {
        let mut codes: Vec<Ipv4Addr> = addresses.into_iter().take(ADDRESSES).collect();
        codes.sort_unstable();
        codes.dedup();
        if codes.is_empty() {
            return Answer::NotListed;
        }
        if let Some(outside) = codes.iter().find(|a| !a.is_loopback()) {
            return Answer::Bogus(*outside);
        }
        if let Some(refusal) = codes.iter().find(|a| is_refusal(**a, refusals)) {
            return Answer::Refused(*refusal);
        }
        Answer::Listed(codes)
    }
}

fn is_refusal(code: Ipv4Addr, refusals: &[Pattern]) -> bool {
    code == Ipv4Addr::LOCALHOST
        || matches!(code.octets(), [127, 255, 255, _])
        || refusals.iter().any(|r| r.takes(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(addresses: &[[u8; 4]]) -> Answer {
        Answer::read(addresses.iter().map(|a| Ipv4Addr::from(*a)), &[])
    }

    #[test]
    fn only_addresses_of_a_listing_are_one() {
        assert_eq!(read(&[]), Answer::NotListed);
        assert_eq!(
            read(&[[127, 0, 0, 4], [127, 0, 0, 2], [127, 0, 0, 4]]),
            Answer::Listed(vec![[127, 0, 0, 2].into(), [127, 0, 0, 4].into()])
        );
        assert_eq!(
            read(&[[127, 255, 255, 254], [127, 0, 0, 2]]),
            Answer::Refused([127, 255, 255, 254].into())
        );
        assert_eq!(
            read(&[[127, 0, 0, 1]]),
            Answer::Refused([127, 0, 0, 1].into())
        );
        assert_eq!(
            read(&[[127, 0, 0, 2], [203, 0, 113, 7]]),
            Answer::Bogus([203, 0, 113, 7].into())
        );
    }

    #[test]
    fn a_list_may_have_refusals_of_its_own() {
        let blocked = Ipv4Addr::new(127, 0, 0, 255);
        let refusals = [Pattern::Range(blocked..=blocked)];
        assert_eq!(Answer::read([blocked], &refusals), Answer::Refused(blocked));
        assert_eq!(Answer::read([blocked], &[]), Answer::Listed(vec![blocked]));
    }

    #[test]
    fn an_answer_of_many_addresses_is_cut() {
        let many = (2..200).map(|n| Ipv4Addr::new(127, 0, 0, n));
        let Answer::Listed(codes) = Answer::read(many, &[]) else {
            panic!("it is a listing");
        };
        assert_eq!(codes.len(), ADDRESSES);
    }
}
