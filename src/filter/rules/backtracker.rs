//! A matcher that tries one place of a text: it walks an automaton depth first, in the order of preference, and
//! remembers where it has been, so that no pair of state and place is walked twice.
//!
//! Most attempts of rules fail within a few bytes. So what it remembers is a small table that costs nothing to
//! forget, instead of a bit for every state and byte of the text; where an attempt needs more than the table
//! may hold, it says so and another matcher takes over. Attempts on one text share their memory, which keeps
//! all of them together linear. It counts its steps, so that who uses it can bound them.
//!
//! Where an automaton has a mark, the automaton of the extension is walked from that place, with a memory of its
//! own: whether a look-ahead fails at a place depends on nothing but the place, so this stays linear too. What
//! captures hold is a part of the place where there are references back; those alone make the work grow faster
//! than the text, and the bound on steps ends it.

use regex_automata::nfa::thompson::State;
use regex_automata::util::primitives::StateID;

use super::captures::{CaptureSets, Captures, NO_CAPTURES};
use super::extension::Extension;
use super::machine::{Machine, Program};
use super::runs::{Order, Runs};
use super::visited::{PLACE_BITS, Visited};

/// Most steps of one look-behind, which remembers nothing.
const BEHIND_STEPS: u64 = 20_000;

/// The memory of attempts; for one text and one automaton at a time.
#[derive(Debug)]
pub(super) struct Backtracker {
    visited: Visited,
    captures: CaptureSets,
    stack: Vec<Later>,
    runs: Runs,
    steps: u64,
    most_steps: u64,
}

/// Where to go on when what is preferred fails: from a state, at each place from one to another, in this order.
#[derive(Clone, Copy, Debug)]
struct Later {
    state: StateID,
    captures: Captures,
    at: u32,
    until: u32,
}

/// An attempt that needs more memory, or more steps, than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded;

/// Where a walk goes on behind a mark.
enum Ahead {
    Nowhere,
    At(usize),
    /// There, and the captures hold something else.
    Captured(usize, Captures),
    /// At each place from one to the other, in this order.
    Among(usize, usize),
}

/// An automaton at work: the one of a branch, or one of an extension.
#[derive(Clone, Copy)]
struct Walk<'a> {
    program: &'a Program,
    text: &'a [u8],
    machine: &'a Machine,
    /// 0 for the branch, otherwise one more than the number of the extension.
    number: u32,
    /// Where a look-behind has to end; the steps at which it is given up.
    ends: Option<(usize, u64)>,
}

impl Default for Backtracker {
    fn default() -> Self {
        Backtracker {
            visited: Visited::default(),
            captures: CaptureSets::default(),
            stack: Vec::new(),
            runs: Runs::default(),
            steps: 0,
            most_steps: u64::MAX,
        }
    }
}

impl Backtracker {
    /// Forgets what is known, for another text or automaton. The attempts that follow may take so many steps; with
    /// patience they may hold more, because nobody else could go on.
    pub(super) fn forget(&mut self, steps: u64, patient: bool) {
        self.visited.forget(patient);
        self.captures.forget();
        self.runs.forget();
        self.most_steps = self.steps.saturating_add(steps);
    }

    /// States that were walked through so far.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// The end of the preferred match that begins at `start`; for starts in their order.
    pub(super) fn attempt(
        &mut self,
        program: &Program,
        text: &[u8],
        start: usize,
    ) -> Result<Option<usize>, Exceeded> {
        let walk = Walk {
            program,
            text,
            machine: &program.machine,
            number: 0,
            ends: None,
        };
        self.stack.clear();
        Ok(self.run(walk, start, NO_CAPTURES)?.map(|(end, _)| end))
    }

    /// The end of the preferred match from there, and what the captures hold then.
    fn run(
        &mut self,
        walk: Walk<'_>,
        start: usize,
        captures: Captures,
    ) -> Result<Option<(usize, Captures)>, Exceeded> {
        if walk.text.len() >> PLACE_BITS != 0 {
            return Err(Exceeded);
        }
        let below = self.stack.len();
        self.later(walk.machine.nfa().start_anchored(), start, captures);
        while self.stack.len() > below {
            let Some(Later {
                state,
                captures,
                at,
                until,
            }) = self.stack.pop()
            else {
                break;
            };
            let mut at = at as usize;
            if at != until as usize {
                let follow = walk.program.follow(state).filter(|_| walk.number == 0);
                if let Some(follow) = follow {
                    let next = follow.next(walk.text, at, until as usize);
                    let passed = next.unwrap_or(until as usize).abs_diff(at);
                    self.steps += passed as u64 / 16;
                    let Some(next) = next else {
                        continue;
                    };
                    at = next;
                }
                if at != until as usize {
                    let behind = if at < until as usize { at + 1 } else { at - 1 };
                    self.stack.push(Later {
                        state,
                        captures,
                        at: behind as u32,
                        until,
                    });
                }
            }
            let found = self.walk(walk, state, at, captures);
            if !matches!(found, Ok(None)) {
                self.stack.truncate(below);
                return found;
            }
        }
        Ok(None)
    }

    fn later(&mut self, state: StateID, at: usize, captures: Captures) {
        let at = at as u32;
        self.stack.push(Later {
            state,
            captures,
            at,
            until: at,
        });
    }

    fn walk(
        &mut self,
        walk: Walk<'_>,
        mut state: StateID,
        mut at: usize,
        mut captures: Captures,
    ) -> Result<Option<(usize, Captures)>, Exceeded> {
        let Walk { text, .. } = walk;
        let nfa = walk.machine.nfa();
        loop {
            self.steps += 1;
            match nfa.state(state) {
                State::ByteRange { trans } => match text.get(at) {
                    Some(byte) if trans.matches_byte(*byte) => {
                        state = trans.next;
                        at += 1;
                    }
                    _ => return Ok(None),
                },
                State::Sparse(sparse) => match sparse.matches(text, at) {
                    Some(next) => {
                        state = next;
                        at += 1;
                    }
                    None => return Ok(None),
                },
                State::Dense(dense) => match dense.matches(text, at) {
                    Some(next) => {
                        state = next;
                        at += 1;
                    }
                    None => return Ok(None),
                },
                State::Look { look, next } => {
                    if !nfa.look_matcher().matches(*look, text, at) {
                        return Ok(None);
                    }
                    state = *next;
                }
                // Every loop passes a union, or a mark: what is remembered there is enough to end it.
                State::Union { alternates } => {
                    let Some((first, others)) = alternates.split_first() else {
                        return Ok(None);
                    };
                    if !self.visit(walk, state, at, captures)? {
                        return Ok(None);
                    }
                    for next in others.iter().rev() {
                        self.later(*next, at, captures);
                    }
                    state = *first;
                }
                State::BinaryUnion { alt1, alt2 } => {
                    if !self.visit(walk, state, at, captures)? {
                        return Ok(None);
                    }
                    self.later(*alt2, at, captures);
                    state = *alt1;
                }
                State::Capture { next, slot, .. } => {
                    let here = state;
                    state = *next;
                    if let Some(mark) = walk.machine.mark(slot.as_usize()) {
                        if !self.visit(walk, here, at, captures)? {
                            return Ok(None);
                        }
                        state = walk.machine.behind(state);
                        match self.extension(walk, mark, at, captures)? {
                            Ahead::At(after) => at = after,
                            Ahead::Captured(after, with) => (at, captures) = (after, with),
                            Ahead::Among(at, until) => {
                                self.stack.push(Later {
                                    state,
                                    captures,
                                    at: at as u32,
                                    until: until as u32,
                                });
                                return Ok(None);
                            }
                            Ahead::Nowhere => return Ok(None),
                        }
                    }
                }
                State::Fail => return Ok(None),
                State::Match { .. } => {
                    let there = walk.ends.is_none_or(|(end, _)| end == at);
                    return Ok(there.then_some((at, captures)));
                }
            }
        }
    }

    /// Where the walk goes on after a mark.
    fn extension(
        &mut self,
        walk: Walk<'_>,
        mark: u32,
        at: usize,
        captures: Captures,
    ) -> Result<Ahead, Exceeded> {
        let Some(extension) = walk.program.extensions.get(mark as usize) else {
            return Ok(Ahead::Nowhere);
        };
        let inner = |machine| Walk {
            machine,
            number: mark + 1,
            ends: None,
            ..walk
        };
        Ok(match extension {
            Extension::Run(run) => {
                let (end, looked) = self.runs.end(mark, run, walk.text, at);
                self.steps += looked as u64 / 8;
                let ends = (at + run.least, end);
                let ends = match run.order {
                    _ if end < ends.0 => None,
                    Order::LongestOnly => return Ok(Ahead::At(end)),
                    _ if run.most < usize::MAX => Some(ends),
                    _ => self.runs.untried(mark, captures, ends),
                };
                match (ends, run.order) {
                    (None, _) => Ahead::Nowhere,
                    (Some((least, most)), Order::ShortestFirst) => Ahead::Among(least, most),
                    (Some((least, most)), _) => Ahead::Among(most, least),
                }
            }
            Extension::Look {
                machine,
                behind,
                wanted,
            } => {
                let found = match behind {
                    None => self.inner(inner(machine), at, captures)?,
                    Some((least, most)) => {
                        let mut inner = inner(machine);
                        inner.ends = Some((at, self.steps + BEHIND_STEPS));
                        let mut found = None;
                        for length in *least..=(*most).min(at) {
                            found = self.run(inner, at - length, captures)?;
                            if found.is_some() {
                                break;
                            }
                        }
                        found
                    }
                };
                match (found, wanted) {
                    (Some((_, captures)), true) => Ahead::Captured(at, captures),
                    (None, false) => Ahead::At(at),
                    _ => Ahead::Nowhere,
                }
            }
            Extension::Atomic(machine) => match self.inner(inner(machine), at, captures)? {
                Some((end, captures)) => Ahead::Captured(end, captures),
                None => Ahead::Nowhere,
            },
            Extension::Open(group) => {
                self.steps += self.captures.len() as u64 / 8;
                Ahead::Captured(at, self.captures.opened(captures, *group, at)?)
            }
            Extension::Close(group) => {
                self.steps += self.captures.len() as u64 / 8;
                Ahead::Captured(at, self.captures.closed(captures, *group, at)?)
            }
            Extension::Same { group, ignore_case } => {
                let Some(held) = self.captures.held(captures, *group, walk.text) else {
                    return Ok(Ahead::Nowhere);
                };
                let there = walk.text.get(at..at + held.len());
                let same = there.is_some_and(|there| match ignore_case {
                    true => there.eq_ignore_ascii_case(held),
                    false => there == held,
                });
                self.steps += 1 + held.len() as u64 / 8;
                match same {
                    true => Ahead::At(at + held.len()),
                    false => Ahead::Nowhere,
                }
            }
        })
    }

    /// Walks the automaton of an extension. What failed on the way to a success is not known from what did not, so
    /// a success is forgotten.
    fn inner(
        &mut self,
        walk: Walk<'_>,
        at: usize,
        captures: Captures,
    ) -> Result<Option<(usize, Captures)>, Exceeded> {
        let found = self.run(walk, at, captures)?;
        if found.is_some() {
            self.steps += self.visited.forget_walks(walk.number) as u64 / 8;
        }
        Ok(found)
    }

    /// Whether the pair is new.
    fn visit(
        &mut self,
        walk: Walk<'_>,
        state: StateID,
        at: usize,
        captures: Captures,
    ) -> Result<bool, Exceeded> {
        if self.steps > self.most_steps {
            return Err(Exceeded);
        }
        if let Some((_, given_up)) = walk.ends {
            return match self.steps > given_up {
                true => Err(Exceeded),
                false => Ok(true),
            };
        }
        self.visited.visit((walk.number, captures), state, at)
    }
}

#[cfg(test)]
mod tests;
