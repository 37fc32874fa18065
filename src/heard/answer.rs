//! What DNS said to somebody who asked while a message was on its way.

use std::sync::Arc;
use std::time::Instant;

use crate::dns::{Failure, Found, RData};

/// What DNS said, and to whom: the same question may be answered to one and not to another, who asked at another time.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) asker: u64,
    pub(super) said: Said,
}

/// Who asks, as it is kept: FNV-1a of the name, the same on every machine and in every version.
pub(super) fn asker(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What DNS said.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// These records; none where the name has none, or does not exist.
    Records(Arc<[RData]>, bool),
    /// Nothing, and why.
    Failure(Failure),
    /// Nothing before nobody waited any more.
    Open,
    /// It was not asked, because the message had asked for too much.
    TooMany,
}

impl Said {
    /// Whether it says the same, so that it need not be written twice.
    pub(super) fn is_same(&self, other: &Said) -> bool {
        match (self, other) {
            (Said::Records(one, exists), Said::Records(two, other)) => {
                exists == other && (Arc::ptr_eq(one, two) || one == two)
            }
            (Said::Failure(one), Said::Failure(two)) => one == two,
            (Said::Open, Said::Open) | (Said::TooMany, Said::TooMany) => true,
            _ => false,
        }
    }

    /// About how many bytes of memory it takes.
    pub(super) fn weight(&self) -> usize {
        let more = match self {
            Said::Records(records, _) => records.iter().map(weight).sum(),
            Said::Failure(failure) => failure.detail.len(),
            Said::Open | Said::TooMany => 0,
        };
        40 + more
    }

    /// What an answer says.
    pub(super) fn of(answer: &Result<Found, Failure>) -> Said {
        match answer {
            Ok(found) => Said::Records(Arc::clone(&found.records), found.exists),
            Err(failure) => Said::Failure(failure.clone()),
        }
    }

    /// The same answer again.
    pub(super) fn told(self) -> Result<Found, Failure> {
        match self {
            Said::Records(records, exists) => Ok(Found {
                records,
                exists,
                valid_until: Instant::now(),
                took: None,
            }),
            Said::Failure(failure) => Err(failure),
            Said::Open | Said::TooMany => Err(Failure::timeout()),
        }
    }
}

fn weight(record: &RData) -> usize {
    let text = match record {
        RData::TXT(text) => text.txt_data.iter().map(|piece| piece.len()).sum(),
        _ => 0,
    };
    size_of::<RData>() + text
}
