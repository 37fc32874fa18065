//! What becomes of each rule.
//!
//! A formula over a rule that was left out is kept when the missing rule can only add hits; it then hits less
//! often and is told so. Where the missing rule would prevent hits, the formula is left out too: a rule that hits
//! where SpamAssassin's does not costs good mail.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::delimited;
use super::eval;
use super::meta::{self, Token};
use super::pattern::{self, Written};
use super::report::{Dropped, Narrowed, Reason, Report};
use super::rule::{HeaderTest, Place, Test};
use super::settings::Settings;
use crate::filter::rules::probe::{self, Fate};

/// Longest id of a rule.
const ID_BYTES: usize = 64;
/// Most formulas in a chain.
const CHAIN: usize = 16;
/// Most occurrences that are counted where the source has no bound.
const OCCURRENCES: usize = 10_000;

/// A condition to be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum When {
    Place {
        key: &'static str,
        name: Option<String>,
        /// `None` asks only whether there is a text.
        pattern: Option<String>,
        backtracking: bool,
    },
    Not(Box<When>),
    Any(Vec<When>),
    Formula(String),
    /// YAML of a condition.
    Written(String),
}

impl When {
    fn backtracks(&self) -> bool {
        match self {
            When::Place { backtracking, .. } => *backtracking,
            When::Not(inner) => inner.backtracks(),
            When::Any(list) => list.iter().any(When::backtracks),
            When::Formula(_) | When::Written(_) => false,
        }
    }
}

/// A rule to be written.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) place: Place,
    pub(super) description: String,
    pub(super) score: f64,
    pub(super) silent: bool,
    /// Occurrences are counted, up to so many.
    pub(super) at_most: Option<usize>,
    pub(super) when: When,
}

/// All rules to be written, and the account.
pub(super) struct Plan {
    pub(super) rules: Vec<Planned>,
    pub(super) report: Report,
}

/// Decides on every rule.
pub(super) fn plan(settings: &Settings) -> Plan {
    let (ids, renamed) = ids(settings.rules.keys());
    let mut fates: BTreeMap<&str, Result<When, Reason>> = BTreeMap::new();
    let mut formulas: BTreeMap<&str, Vec<Token>> = BTreeMap::new();
    for (name, (_, test)) in &settings.rules {
        if settings.points(name) == 0.0 {
            fates.insert(name, Err(Reason::ScoreZero));
            continue;
        }
        if let Test::Meta(text) = test {
            match meta::tokens(text, || settings.rules.keys().map(String::as_str).collect()) {
                Ok(tokens) => {
                    formulas.insert(name, tokens);
                }
                Err(why) => {
                    fates.insert(name, Err(Reason::Syntax(why)));
                }
            }
            continue;
        }
        let fate = match condition(settings, name, test) {
            // Without network and Bayes SpamAssassin does not run these either.
            Err(Reason::Function(_) | Reason::Kind(_))
                if settings.has_flag(name, "net") || settings.has_flag(name, "learn") =>
            {
                Err(Reason::NotLocal)
            }
            fate => fate,
        };
        fates.insert(name, fate);
    }
    let order = in_order(&formulas);
    for name in formulas.keys().filter(|n| !order.contains(n)) {
        fates.insert(name, Err(Reason::Circle));
    }
    let mut narrowed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for name in order {
        let Some(tokens) = formulas.get(name) else {
            continue;
        };
        let fate = formula(tokens, &ids, &fates, &mut narrowed, name);
        fates.insert(name, fate);
    }
    account(settings, &ids, renamed, fates, &narrowed)
}

fn account(
    settings: &Settings,
    ids: &HashMap<String, String>,
    renamed: Vec<(String, String)>,
    fates: BTreeMap<&str, Result<When, Reason>>,
    narrowed: &BTreeMap<&str, BTreeSet<String>>,
) -> Plan {
    let origin = |place: Place| {
        let path = settings.files.get(place.file);
        let path = path.map(|p| p.display().to_string()).unwrap_or_default();
        format!("{path}:{}", place.line)
    };
    let mut report = Report {
        defined: settings.rules.len(),
        ..Report::default()
    };
    let mut rules = Vec::new();
    for (name, fate) in fates {
        let Some((place, _)) = settings.rules.get(name) else {
            continue;
        };
        let when = match fate {
            Ok(when) => when,
            Err(reason) => {
                report.dropped.push(Dropped {
                    rule: name.to_owned(),
                    origin: origin(*place),
                    reason,
                });
                continue;
            }
        };
        report.imported.push(name.to_owned());
        report.backtracking += usize::from(when.backtracks());
        if let Some(without) = narrowed.get(name) {
            report.narrowed.push(Narrowed {
                rule: name.to_owned(),
                without: without.iter().cloned().collect(),
            });
        }
        let counts = settings.has_flag(name, "multiple") && matches!(when, When::Place { .. });
        rules.push(Planned {
            name: name.to_owned(),
            id: ids.get(name).cloned().unwrap_or_default(),
            place: *place,
            description: settings.descriptions.get(name).cloned().unwrap_or_default(),
            score: settings.points(name).clamp(-100.0, 100.0),
            silent: name.starts_with("__"),
            at_most: counts.then(|| {
                let most = settings.flag_value(name, "maxhits").unwrap_or(OCCURRENCES);
                most.clamp(1, OCCURRENCES)
            }),
            when,
        });
    }
    rules.sort_by_key(|rule| rule.place);
    let kept: HashSet<&str> = rules.iter().map(|r| r.name.as_str()).collect();
    report.renamed = renamed
        .into_iter()
        .filter(|(old, _)| kept.contains(old.as_str()))
        .collect();
    for left in &settings.left {
        match &left.reason {
            Reason::Setting => *report.settings.entry(left.key.clone()).or_default() += 1,
            reason => {
                let line = format!("{} {}", left.key, left.value);
                report
                    .lines
                    .push((origin(left.place), line, reason.clone()));
            }
        }
    }
    Plan { rules, report }
}

/// An id for each name: the name itself where it can be one.
fn ids<'n>(
    names: impl Iterator<Item = &'n String>,
) -> (HashMap<String, String>, Vec<(String, String)>) {
    let names: Vec<&String> = names.collect();
    let fits = |name: &str| {
        name.len() <= ID_BYTES
            && name
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    let mut taken: HashSet<String> = names
        .iter()
        .filter(|n| fits(n))
        .map(|n| (*n).clone())
        .collect();
    let mut ids = HashMap::new();
    let mut renamed = Vec::new();
    for name in names {
        let id = if fits(name) {
            name.clone()
        } else {
            let upper: String = name
                .to_ascii_uppercase()
                .chars()
                .take(ID_BYTES - 6)
                .collect();
            let mut id = upper.clone();
            let mut number = 2;
            while !taken.insert(id.clone()) {
                id = format!("{upper}_{number}");
                number += 1;
            }
            renamed.push((name.clone(), id.clone()));
            id
        };
        ids.insert(name.clone(), id);
    }
    (ids, renamed)
}

/// The condition of a rule that is no formula.
fn condition(settings: &Settings, name: &str, test: &Test) -> Result<When, Reason> {
    match test {
        Test::Eval(call) if eval::of_network(call) => Err(Reason::NotLocal),
        Test::Eval(call) => eval::condition(call).map(When::Written).ok_or_else(|| {
            let function = call.split('(').next().unwrap_or_default().trim();
            Reason::Function(function.to_owned())
        }),
        Test::Unknown(why) => Err(Reason::Kind(why.clone())),
        Test::Meta(_) => Err(Reason::Circle),
        Test::Text(place, pattern) => {
            let key = match (place.name(), settings.has_flag(name, "nosubject")) {
                ("sa_body", true) => "sa_body_text",
                (key, _) => key,
            };
            let written = written(settings, name, pattern)?;
            Ok(asked(key, None, written).0)
        }
        Test::Header(test) => header(settings, name, test),
    }
}

/// A pattern, translated and tried.
fn written(settings: &Settings, name: &str, pattern: &str) -> Result<Written, Reason> {
    let delimited = delimited::read(pattern).map_err(Reason::Syntax)?;
    if delimited.pattern.contains("%{") {
        return Err(Reason::Pattern(
            "it takes what another rule captured".into(),
        ));
    }
    let replaced = match settings.replaced.contains(name) {
        true => settings.tags.replaced(&delimited.pattern),
        false => delimited.pattern,
    };
    let mut written = pattern::translate(&replaced, &delimited.flags).map_err(Reason::Pattern)?;
    if matches!(
        probe::probe(&written.pattern, written.backtracking),
        Fate::Refused(_)
    ) {
        // Patterns that are too large for the linear engine may fit into the limits of the other one.
        written.backtracking = true;
    }
    match probe::probe(&written.pattern, written.backtracking) {
        Fate::Refused(why) => Err(Reason::Pattern(why)),
        Fate::Always | Fate::Sometimes => Ok(written),
    }
}

/// The condition, and whether it only asks for a text.
fn asked(key: &'static str, name: Option<String>, written: Written) -> (When, bool) {
    let always = matches!(
        probe::probe(&written.pattern, written.backtracking),
        Fate::Always
    );
    let when = When::Place {
        key,
        name,
        pattern: (!always).then_some(written.pattern),
        backtracking: written.backtracking && !always,
    };
    (when, always)
}

fn header(settings: &Settings, name: &str, test: &HeaderTest) -> Result<When, Reason> {
    if !probe::is_field(&test.field) {
        return Err(Reason::Syntax(format!("`{}` is no field", test.field)));
    }
    let key = match test.mime {
        true => "sa_mime_header",
        false => "sa_header",
    };
    let field = Some(test.field.clone());
    let there = When::Place {
        key,
        name: field.clone(),
        pattern: None,
        backtracking: false,
    };
    let Some(pattern) = &test.pattern else {
        return Ok(there);
    };
    let written = written(settings, name, pattern)?;
    // In Perl a field that is not there matches as an empty text.
    let absent = test.unset.as_deref().unwrap_or_default();
    let by_default = probe::matches(&written.pattern, written.backtracking, absent);
    let (mut when, _) = asked(key, field, written);
    if by_default {
        when = When::Any(vec![when, When::Not(Box::new(there))]);
    }
    Ok(match test.negated {
        true => When::Not(Box::new(when)),
        false => when,
    })
}

/// Formulas in an order in which each comes after those that it refers to; those in circles and too long
/// chains are not among them.
fn in_order<'n>(formulas: &BTreeMap<&'n str, Vec<Token>>) -> Vec<&'n str> {
    let mut height: HashMap<&str, usize> = HashMap::new();
    let mut order = Vec::new();
    let mut left: Vec<(&'n str, Vec<&str>)> = formulas
        .iter()
        .map(|(name, tokens)| {
            let names = meta::names(tokens);
            (
                *name,
                names
                    .into_iter()
                    .filter(|n| formulas.contains_key(n))
                    .collect(),
            )
        })
        .collect();
    loop {
        let before = order.len();
        left.retain(|(name, needs)| {
            let known: Option<Vec<usize>> = needs.iter().map(|n| height.get(n).copied()).collect();
            let Some(known) = known else { return true };
            let own = known.into_iter().max().map_or(0, |h| h + 1);
            if own < CHAIN {
                height.insert(name, own);
                order.push(*name);
            }
            false
        });
        if order.len() == before {
            return order;
        }
    }
}

/// The formula of a meta rule, when what is missing lets it stand.
fn formula<'n>(
    tokens: &[Token],
    ids: &HashMap<String, String>,
    fates: &BTreeMap<&'n str, Result<When, Reason>>,
    narrowed: &mut BTreeMap<&'n str, BTreeSet<String>>,
    name: &'n str,
) -> Result<When, Reason> {
    let against = meta::counted_against(tokens);
    let mut without = BTreeSet::new();
    let mut needs = Vec::new();
    let mut zero: HashSet<&str> = HashSet::new();
    let mut left = 0;
    for operand in meta::names(tokens) {
        let missing = match fates.get(operand) {
            // SpamAssassin too counts these as 0.
            None
            | Some(Err(
                Reason::ScoreZero
                | Reason::NotLocal
                | Reason::NeverHits
                | Reason::Circle
                | Reason::Syntax(_),
            )) => {
                zero.insert(operand);
                false
            }
            Some(Err(_)) => {
                zero.insert(operand);
                true
            }
            Some(Ok(_)) => {
                left += 1;
                narrowed.contains_key(operand)
            }
        };
        if missing {
            without.insert(operand.to_owned());
            if against.contains(operand) {
                needs.push(operand.to_owned());
            }
        }
    }
    if left == 0 && !without.is_empty() {
        needs = without.iter().cloned().collect();
    }
    if !needs.is_empty() {
        return Err(Reason::Needs(needs));
    }
    if !without.is_empty() {
        narrowed.insert(name, without);
    }
    let written = meta::written(tokens, |operand| match zero.contains(operand) {
        true => "0".to_owned(),
        false => ids.get(operand).cloned().unwrap_or_else(|| "0".to_owned()),
    });
    probe::formula(&written).map_err(Reason::Syntax)?;
    if left > 0 {
        return Ok(When::Formula(written));
    }
    match probe::holds_always(&written) {
        true => Ok(When::Written("size: { at_least: 0 }".to_owned())),
        false => Err(Reason::NeverHits),
    }
}
