//! Arithmetic over hits: `A + B + 2*C > 3`, `A && (B || !C)`.
//!
//! Names in upper case are rules, with the number of their hits as value: 0, 1, or more for a rule that counts
//! its occurrences; a rule whose whole condition is a formula has the value of the formula. Names in lower
//! case are numbers of the message. The semantics are those of meta rules in SpamAssassin, which are Perl's:
//! a comparison and `!` give 1 or 0, `&&` and `||` give the value of the operand that decided, `^` is exclusive
//! or over whole numbers, the condition holds when the result is not 0. What cannot be computed (a division by zero)
//! does not hold. Operators, the strongest first:
//!
//! `! -`, `* / %`, `+ -`, `< <= > >=`, `== !=`, `^`, `&&`, `||`, `? :`
//!
//! Limits: [`FORMULA_BYTES`] as written, [`NESTING`] operators in operators.

use std::ops::Range;

use super::bounds::Interval;

/// Longest formula, bytes: imported ones add up hundreds of rules.
pub(super) const FORMULA_BYTES: usize = 16 << 10;
/// Most operators within operators; sums and chains of one operator count once.
const NESTING: usize = 64;

/// A formula over names of type `N`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Formula<N> {
    Number(f64),
    Name(N),
    Not(Box<Formula<N>>),
    Minus(Box<Formula<N>>),
    /// Operands with the operator before each, from left to right; that of the first is not looked at.
    Chain(Vec<(Operator, Formula<N>)>),
    /// Condition, then, else.
    Choice(Box<[Formula<N>; 3]>),
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Xor,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Plus,
    Minus,
    Times,
    Divided,
    Modulo,
}

/// Operators by strength, the weakest first; of one level, longer spellings first.
const LEVELS: &[&[(&str, Operator)]] = &[
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[("^", Operator::Xor)],
    &[("==", Operator::Equal), ("!=", Operator::Unequal)],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::MoreOrEqual),
        ("<", Operator::Less),
        (">", Operator::More),
    ],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[
        ("*", Operator::Times),
        ("/", Operator::Divided),
        ("%", Operator::Modulo),
    ],
];

/// A name as written, with its place in the formula.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// Why a formula cannot be read, and where in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    pub(super) message: String,
    pub(super) span: Range<usize>,
}

/// Reads a formula.
pub(super) fn parse(text: &str) -> Result<Formula<Name>, Refused> {
    if text.len() > FORMULA_BYTES {
        return Err(Refused {
            message: format!("a formula has at most {FORMULA_BYTES} bytes"),
            span: 0..1,
        });
    }
    let mut parser = Parser { text, at: 0 };
    let formula = parser.choice(0)?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(parser.refused("expected an operator such as `+`, `&&` or `>`"));
    }
    Ok(formula)
}

/// The ids of rules in a formula, also in one that cannot be read.
pub(super) fn rules_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn took(&mut self, sign: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn refused(&self, message: impl Into<String>) -> Refused {
        let length = self.rest().chars().next().map_or(0, char::len_utf8);
        let start = if length == 0 {
            self.text.len().saturating_sub(1)
        } else {
            self.at
        };
        Refused {
            message: message.into(),
            span: start..start + length.max(1),
        }
    }

    fn choice(&mut self, depth: usize) -> Result<Formula<Name>, Refused> {
        if depth >= NESTING {
            return Err(self.refused(format!("more than {NESTING} operators in operators")));
        }
        let condition = self.level(0, depth)?;
        if !self.took("?") {
            return Ok(condition);
        }
        let then = self.choice(depth + 1)?;
        if !self.took(":") {
            return Err(self.refused("expected `:` and what else holds"));
        }
        let otherwise = self.choice(depth + 1)?;
        Ok(Formula::Choice(Box::new([condition, then, otherwise])))
    }

    fn level(&mut self, level: usize, depth: usize) -> Result<Formula<Name>, Refused> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary(depth);
        };
        let first = self.level(level + 1, depth)?;
        let mut chain = Vec::new();
        loop {
            self.skip_space();
            let found = operators
                .iter()
                .find(|(sign, _)| self.rest().starts_with(sign))
                .copied();
            let Some((sign, operator)) = found else {
                break;
            };
            self.at += sign.len();
            let next = self.level(level + 1, depth)?;
            chain.push((operator, next));
        }
        if chain.is_empty() {
            return Ok(first);
        }
        chain.insert(0, (Operator::Plus, first));
        Ok(Formula::Chain(chain))
    }

    fn unary(&mut self, depth: usize) -> Result<Formula<Name>, Refused> {
        if depth >= NESTING {
            return Err(self.refused(format!("more than {NESTING} operators in operators")));
        }
        self.skip_space();
        if !self.rest().starts_with("!=") && self.took("!") {
            return Ok(Formula::Not(Box::new(self.unary(depth + 1)?)));
        }
        if self.took("-") {
            return Ok(Formula::Minus(Box::new(self.unary(depth + 1)?)));
        }
        if self.took("+") {
            return self.unary(depth + 1);
        }
        if self.took("(") {
            let inner = self.choice(depth + 1)?;
            if !self.took(")") {
                return Err(self.refused("expected `)`"));
            }
            return Ok(inner);
        }
        let rest = self.rest();
        let length = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default().to_owned();
        let span = self.at..self.at + length;
        let Some(first) = word.bytes().next() else {
            return Err(self.refused("expected a rule, a number or `(`"));
        };
        if first.is_ascii_digit() || first == b'.' {
            let number = word.parse::<f64>().ok().filter(|n| n.is_finite());
            self.at += length;
            return number.map(Formula::Number).ok_or(Refused {
                message: format!("`{word}` is not a number"),
                span,
            });
        }
        self.at += length;
        Ok(Formula::Name(Name { text: word, span }))
    }
}

impl<N> Formula<N> {
    /// The same over other names. `name` is asked for each in the order of the text.
    pub(super) fn map<M>(self, name: &mut impl FnMut(N) -> M) -> Formula<M> {
        match self {
            Formula::Number(n) => Formula::Number(n),
            Formula::Name(n) => Formula::Name(name(n)),
            Formula::Not(inner) => Formula::Not(Box::new(inner.map(name))),
            Formula::Minus(inner) => Formula::Minus(Box::new(inner.map(name))),
            Formula::Chain(chain) => Formula::Chain(
                chain
                    .into_iter()
                    .map(|(operator, operand)| (operator, operand.map(name)))
                    .collect(),
            ),
            Formula::Choice(choice) => {
                let [condition, then, otherwise] = *choice;
                Formula::Choice(Box::new([
                    condition.map(name),
                    then.map(name),
                    otherwise.map(name),
                ]))
            }
        }
    }

    /// Every name in it.
    pub(super) fn names(&self, each: &mut impl FnMut(&N)) {
        match self {
            Formula::Number(_) => {}
            Formula::Name(name) => each(name),
            Formula::Not(inner) | Formula::Minus(inner) => inner.names(each),
            Formula::Chain(chain) => chain.iter().for_each(|(_, operand)| operand.names(each)),
            Formula::Choice(choice) => choice.iter().for_each(|operand| operand.names(each)),
        }
    }

    /// What the value can be when each name can be what `name` says.
    pub(super) fn range(&self, name: &mut impl FnMut(&N) -> Interval) -> Interval {
        match self {
            Formula::Number(n) => Interval::only(*n),
            Formula::Name(n) => name(n),
            Formula::Not(inner) => match inner.range(name).truth() {
                Some(held) => Interval::only(truth(!held)),
                None => Interval::TRUTH,
            },
            Formula::Minus(inner) => {
                let inner = inner.range(name);
                Interval::new(-inner.at_most, -inner.at_least)
            }
            Formula::Choice(choice) => {
                let [condition, then, otherwise] = choice.as_ref();
                match condition.range(name).truth() {
                    Some(true) => then.range(name),
                    Some(false) => otherwise.range(name),
                    None => then.range(name).or(otherwise.range(name)),
                }
            }
            Formula::Chain(chain) => {
                let mut operands = chain.iter();
                let Some((_, first)) = operands.next() else {
                    return Interval::ANY;
                };
                let mut left = first.range(name);
                for (operator, right) in operands {
                    left = match (operator, left.truth()) {
                        (Operator::Or, Some(true)) => return left,
                        (Operator::And, Some(false)) => return left,
                        (Operator::Or, Some(false)) | (Operator::And, Some(true)) => {
                            right.range(name)
                        }
                        (Operator::Or, None) => left.or(right.range(name)),
                        (Operator::And, None) => match right.range(name) {
                            right if right == Interval::only(0.0) => right,
                            right => right.or(Interval::only(0.0)),
                        },
                        _ => operator.range(left, right.range(name)),
                    };
                }
                left
            }
        }
    }

    /// Whether it always has a value: nothing is divided in it.
    pub(super) fn is_total(&self) -> bool {
        match self {
            Formula::Number(_) | Formula::Name(_) => true,
            Formula::Not(inner) | Formula::Minus(inner) => inner.is_total(),
            Formula::Choice(choice) => choice.iter().all(Formula::is_total),
            Formula::Chain(chain) => chain.iter().all(|(operator, operand)| {
                !matches!(operator, Operator::Divided | Operator::Modulo) && operand.is_total()
            }),
        }
    }

    /// The value, asking `name` for those that are needed; `None` when it cannot be computed.
    pub(super) fn value(&self, name: &mut impl FnMut(&N) -> f64) -> Option<f64> {
        Some(match self {
            Formula::Number(n) => *n,
            Formula::Name(n) => name(n),
            Formula::Not(inner) => truth(inner.value(name)? == 0.0),
            Formula::Minus(inner) => -inner.value(name)?,
            Formula::Choice(choice) => {
                let [condition, then, otherwise] = choice.as_ref();
                match condition.value(name)? {
                    0.0 => otherwise.value(name)?,
                    _ => then.value(name)?,
                }
            }
            Formula::Chain(chain) => {
                let mut operands = chain.iter();
                let mut left = operands.next()?.1.value(name)?;
                for (operator, right) in operands {
                    match operator {
                        Operator::Or if left != 0.0 => return Some(left),
                        Operator::And if left == 0.0 => return Some(left),
                        _ => {}
                    }
                    left = operator.of(left, right.value(name)?);
                    if !left.is_finite() {
                        return None;
                    }
                }
                left
            }
        })
    }
}

impl Operator {
    /// The value of two operands, both of which are needed.
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Operator::Or | Operator::And => right,
            // Perl takes both as whole numbers of 64 bits, without a sign.
            Operator::Xor => ((left as i64 ^ right as i64).cast_unsigned()) as f64,
            Operator::Equal => truth(left == right),
            Operator::Unequal => truth(left != right),
            Operator::Less => truth(left < right),
            Operator::LessOrEqual => truth(left <= right),
            Operator::More => truth(left > right),
            Operator::MoreOrEqual => truth(left >= right),
            Operator::Plus => left + right,
            Operator::Minus => left - right,
            Operator::Times => left * right,
            Operator::Divided => left / right,
            Operator::Modulo => modulo(left, right),
        }
    }

    /// What the value of two operands can be that lie in these intervals.
    fn range(self, left: Interval, right: Interval) -> Interval {
        // Sums and comparisons are decided by the ends; so is all where nothing is open.
        let ends = match self {
            Operator::Plus => (left.at_least + right.at_least, left.at_most + right.at_most),
            Operator::Minus => (left.at_least - right.at_most, left.at_most - right.at_least),
            Operator::Less | Operator::LessOrEqual => (
                self.of(left.at_most, right.at_least),
                self.of(left.at_least, right.at_most),
            ),
            Operator::More | Operator::MoreOrEqual => (
                self.of(left.at_least, right.at_most),
                self.of(left.at_most, right.at_least),
            ),
            Operator::Equal | Operator::Unequal
                if left.at_most < right.at_least || right.at_most < left.at_least =>
            {
                let apart = truth(self == Operator::Unequal);
                (apart, apart)
            }
            _ if left.at_least == left.at_most && right.at_least == right.at_most => {
                let value = self.of(left.at_least, right.at_least);
                // What is not finite cannot be computed.
                let value = if value.is_finite() { value } else { f64::NAN };
                (value, value)
            }
            Operator::Equal | Operator::Unequal => (0.0, 1.0),
            _ => return Interval::ANY,
        };
        match ends {
            (least, most) if least.is_nan() || most.is_nan() => Interval::ANY,
            (least, most) => Interval::new(least, most),
        }
    }
}

fn truth(held: bool) -> f64 {
    if held { 1.0 } else { 0.0 }
}

/// Perl's remainder: of whole numbers, with the sign of the divisor.
fn modulo(left: f64, right: f64) -> f64 {
    let (left, right) = (left.trunc(), right.trunc());
    left - right * (left / right).floor()
}

#[cfg(test)]
mod tests;
