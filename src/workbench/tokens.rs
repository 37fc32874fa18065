//! Why a message gets its probability: the features that spoke most for either side.

use serde::Serialize;

use crate::filter::bayes::{Engine, Telling};
use crate::mail::Mail;

/// Features that are looked through for the strongest of each side, for one that is asked for.
const LOOKED_AT: usize = 20;

/// One feature of a message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Token {
    /// Field and words, as found in the message; to be escaped where it is shown.
    pub name: String,
    /// Its part in the log odds, before calibration; above 0 for spam.
    pub odds: f32,
    /// Ham messages learned that have it.
    pub ham: u32,
    /// Spam messages learned that have it.
    pub spam: u32,
    /// Their share of all ham learned, 0 to 1.
    pub ham_share: f64,
    /// Their share of all spam learned, 0 to 1.
    pub spam_share: f64,
}

/// What an engine says of a message, and by which features.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tokens {
    /// Probability of spam.
    pub probability: f64,
    /// Log odds, calibrated.
    pub odds: f64,
    /// As what the message itself was learned, if it was.
    pub learned: Option<String>,
    /// For spam, the strongest first.
    pub spam: Vec<Token>,
    /// For ham, the strongest first.
    pub ham: Vec<Token>,
}

impl Tokens {
    /// Asks `engine` about a message; at most `most` features of each side. The engine `bayespam` names none.
    pub fn of(engine: &Engine, mail: &Mail, most: usize) -> Tokens {
        let judgement = engine.judge(mail, usize::MAX, most.saturating_mul(LOOKED_AT));
        let facts = engine.facts();
        let token = |telling: &Telling| Token {
            name: telling.name.clone(),
            odds: telling.odds,
            ham: telling.ham,
            spam: telling.spam,
            ham_share: f64::from(telling.ham) / facts.ham.max(1) as f64,
            spam_share: f64::from(telling.spam) / facts.spam.max(1) as f64,
        };
        let side = |spam: bool| {
            let of_side = judgement.telling.iter().filter(|t| (t.odds > 0.0) == spam);
            of_side.take(most).map(token).collect()
        };
        Tokens {
            probability: judgement.probability,
            odds: judgement.odds,
            learned: engine.learned(mail).map(|class| class.to_string()),
            spam: side(true),
            ham: side(false),
        }
    }
}
