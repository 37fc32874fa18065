//! References from rule to rule, alone and within formulas.

use std::ops::Range;

use serde_saphyr::Spanned;

use super::compile::Compiled;
use super::condition::{Index, Node, Operand};
use super::formula;
use super::number::Number;
use super::ruleset::PROBLEMS;
use super::span::within;
use super::suggestion::{nearest, unknown};
use crate::config::{Problem, Source, span_of};

impl Compiled {
    pub(super) fn reference(&mut self, source: &Source, id: &Spanned<String>) -> Node {
        match self.referred(source, &id.value, span_of(id)) {
            Some(number) => Node::Rule(number),
            None => Node::Any(Vec::new()),
        }
    }

    /// The rule of that id, on which the rule in hand depends from now on.
    fn referred(&mut self, source: &Source, id: &str, span: Range<usize>) -> Option<Index> {
        let Some(number) = self.ids.get(id).copied() else {
            // More than are shown need no hint: each is a look at all ids.
            let near = (self.problems.len() < PROBLEMS)
                .then(|| nearest(id, self.ids.keys().map(String::as_str)))
                .flatten();
            let mut problem = Problem::at(source, span, format!("there is no rule `{id}`"));
            if let Some(near) = near {
                problem = problem.label(format!("did you mean `{near}`?"));
            }
            self.problem(problem);
            return None;
        };
        if let Some(references) = self.references.last_mut() {
            references.push((number, source.clone(), span));
        }
        Some(number)
    }

    pub(super) fn formula(&mut self, source: &Source, written: &Spanned<String>) -> Node {
        let whole = span_of(written);
        let text = written.value.as_str();
        let place = |inner: Range<usize>| {
            within(source, whole.clone(), text, inner).unwrap_or_else(|| whole.clone())
        };
        let formula = match formula::parse(text) {
            Ok(formula) => formula,
            Err(refused) => {
                self.problem(
                    Problem::at(
                        source,
                        place(refused.span),
                        format!("this is not a formula: {}", refused.message),
                    )
                    .help("write for example 'A + 2 * B > 3' or 'A && (B || !C)'"),
                );
                return Node::Any(Vec::new());
            }
        };
        let mut names = 0;
        let formula = formula.map(&mut |name: formula::Name| {
            names += 1;
            if let Some(number) = Number::named(&name.text) {
                return Operand::Number(number);
            }
            let span = place(name.span);
            if name.text.starts_with(|c: char| c.is_ascii_lowercase()) {
                let known = Number::ALL.map(Number::name);
                self.problem(unknown(source, span, "number", &name.text, &known));
                return Operand::Number(Number::Size);
            }
            Operand::Rule(self.referred(source, &name.text, span).unwrap_or_default())
        });
        if names == 0 {
            self.problem(Problem::at(
                source,
                whole,
                "the formula asks nothing: it holds no rule and no number of the message",
            ));
        }
        Node::Formula(Box::new(formula))
    }
}
