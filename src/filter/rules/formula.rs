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
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A = 1, B = 0, C = 2, D = 3; others 0.
    fn value(text: &str) -> Option<f64> {
        parse(text)
            .unwrap_or_else(|e| panic!("{text}: {e:?}"))
            .value(&mut |name| match name.text.as_str() {
                "A" => 1.0,
                "C" => 2.0,
                "D" => 3.0,
                _ => 0.0,
            })
    }

    /// Expected values are what perl 5.38 prints for the same text with numbers in place of the names.
    #[test]
    fn formulas_mean_what_perl_means() {
        for (text, expected) in [
            ("A", 1.0),
            ("A + B + 2*C > 3", 1.0),
            ("A && (B || !C)", 0.0),
            ("A && C", 2.0),
            ("B || D || A", 3.0),
            ("(A || D) + C", 3.0),
            ("!A + 1", 1.0),
            ("!(A + 1)", 0.0),
            ("-C + 5", 3.0),
            ("A -1", 0.0),
            ("A-1", 0.0),
            ("10 - 4 - 3", 3.0),
            ("2 + 3 * 4", 14.0),
            ("(2 + 3) * 4", 20.0),
            ("7 / 2", 3.5),
            ("7 % 3", 1.0),
            ("-7 % 3", 2.0),
            ("C ^ D", 1.0),
            ("A ^ B", 1.0),
            ("A ^ A", 0.0),
            ("-2 ^ 1", 18_446_744_073_709_551_615.0),
            ("C == 2", 1.0),
            ("C != 2", 0.0),
            ("A + C >= D", 1.0),
            ("D <= 2", 0.0),
            ("1 < 2 == 1", 1.0),
            ("B ? 5 : C ? 6 : 7", 6.0),
            ("A?C:D", 2.0),
            ("!!C", 1.0),
            ("A && B == 0", 1.0),
            ("(A + B + C + D > 2) && !B", 1.0),
            (".5 + 1.25", 1.75),
            ("1 || 1 / 0", 1.0),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        assert_eq!(value("A / B"), None);
        assert_eq!(value("A % B"), None);
    }

    #[test]
    fn a_value_may_be_settled_before_all_names_are_known() {
        for (text, expected) in [
            ("A && X", Some(0.0)),
            ("X && A", Some(0.0)),
            ("A || X", None),
            ("!A", Some(1.0)),
            ("A + A > 1", Some(0.0)),
            ("A + X > 1", None),
            ("A ? X : 2", Some(2.0)),
            ("(A || A) && !X", Some(0.0)),
            ("1 / X", None),
            ("T + T > 1", None),
            ("T + T > 2", Some(0.0)),
            ("T + T + 1 > 0", Some(1.0)),
            ("T == 2", Some(0.0)),
            ("X && (T > 1)", Some(0.0)),
            ("T ^ T", None),
        ] {
            let known = &mut |name: &Name| match name.text.as_str() {
                "A" => Interval::only(0.0),
                "T" => Interval::TRUTH,
                _ => Interval::ANY,
            };
            let range = parse(text).unwrap().range(known);
            let settled = (range.at_least == range.at_most).then_some(range.at_least);
            assert_eq!(settled, expected, "{text}");
        }
        assert!(
            parse("A / X").is_ok_and(|f| !f.is_total())
                && parse("A * X").is_ok_and(|f| f.is_total())
        );
    }

    proptest! {
        /// Break it by taking the wrong end of an interval.
        #[test]
        fn the_value_lies_in_its_range(
            text in r"(?:!?[ABCD]|-?[ABCD]|[0-3]|\([ABCD] [-+*<>] [ABCD]\)|\([ABCD] \? [ABCD] : 2\))(?: (?:\|\||&&|\^|==|!=|<=|>=|<|>|\+|-|\*) (?:!?[ABCD]|[0-3]|\([ABCD] (?:&&|\|\|) [ABCD]\))){1,5}",
            bounds in proptest::array::uniform4((-2_i8..3, 0_i8..3)),
            within in proptest::array::uniform4(0.0_f64..1.0),
        ) {
            let Ok(formula) = parse(&text) else {
                return Ok(());
            };
            let number = |name: &Name| usize::from(name.text.as_bytes()[0] - b'A');
            let ends = |n: usize| (f64::from(bounds[n].0), f64::from(bounds[n].0 + bounds[n].1));
            let range = formula.range(&mut |name| {
                let (least, most) = ends(number(name));
                Interval::new(least, most)
            });
            let value = formula.value(&mut |name| {
                let (least, most) = ends(number(name));
                (least + (most - least) * within[number(name)]).round()
            });
            prop_assert!(value.is_none_or(|v| range.contain(v)), "{} {:?} {:?}", text, value, range);
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place() {
        for (text, at) in [
            ("", 0..1),
            ("A +", 2..3),
            ("A B", 2..3),
            ("(A", 1..2),
            ("A & B", 2..3),
            ("A + ) B", 4..5),
            ("A > 1.2.3", 4..9),
            ("A ? B", 4..5),
        ] {
            assert_eq!(parse(text).unwrap_err().span, at, "{text}");
        }
        assert!(parse(&"(".repeat(1000)).is_err());
        assert!(parse(&"!".repeat(1000)).is_err());
        assert!(parse(&"A+".repeat(10_000)).is_err());
        let long = ["A"; 2000].join("+");
        assert_eq!(value(&long), Some(2000.0));
    }
}
