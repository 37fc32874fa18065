//! Where patterns without a literal can begin: one automaton for all of a place, over the first bytes of their matches.
//!
//! Words that are written in many ways (`v[i1!|][a@]gr[a@]`) hold no literal of three bytes, and long choices of words
//! hold too many, but few places of a text go on like one of their matches. From each place of a text where a pair of
//! bytes stands from which there is any way on, the automaton is walked until it knows none, mostly after two or three
//! bytes; where the first bytes of a match of someone stand, or a whole match, that one is told. It is made in advance
//! (`starts_maker`) and holds no loops, so a text costs what its places cost, and nothing is kept between texts.

use super::machine::Program;
use super::starts_maker::Maker;

/// By byte: the node that it leads to.
pub(super) type Table = Box<[u32; 256]>;

/// The automaton of the first bytes.
#[derive(Debug)]
pub(super) struct Starts {
    /// By whether the byte before is part of a word, then by the first byte: the node.
    pub(super) first: [Table; 2],
    pub(super) nodes: Vec<Node>,
    /// The ways of all nodes, in the order of their bytes: first byte, last byte, node.
    pub(super) ways: Vec<(u8, u8, u32)>,
    pub(super) tables: Vec<Table>,
    pub(super) told: Vec<u32>,
    /// Who may match at the beginning of a text whatever the bytes.
    pub(super) beginning: Vec<u32>,
}

impl Default for Starts {
    fn default() -> Self {
        Starts {
            first: std::array::from_fn(|_| Box::new([0; 256])),
            nodes: vec![Node::default()],
            ways: Vec::new(),
            tables: Vec::new(),
            told: Vec::new(),
            beginning: Vec::new(),
        }
    }
}

/// What is known after some bytes. The first of all nodes is that of no way on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    pub(super) ways: (u32, u32),
    /// One more than the number of its table, if it has one.
    pub(super) table: u32,
    pub(super) told: (u32, u32),
}

impl Starts {
    /// Builds the automaton for those who seek.
    pub(super) fn new(sought: &[(u32, &Program)]) -> Starts {
        if sought.is_empty() {
            return Starts::default();
        }
        Maker::new(sought).most()
    }

    /// Tells of everyone whose match may begin at a place of a text, behind part of a word or not.
    #[inline(never)]
    pub(super) fn walk(
        &self,
        text: &[u8],
        at: usize,
        after_word: bool,
        tell: &mut dyn FnMut(u32, usize),
    ) {
        let mut rest = text.get(at..).unwrap_or_default().iter();
        let Some(byte) = rest.next() else {
            return;
        };
        let mut number = self.first(after_word, *byte);
        while let Some(node) = self.nodes.get(number as usize).filter(|_| number != 0) {
            for seeker in self.told(node) {
                tell(*seeker, at);
            }
            let Some(byte) = rest.next() else {
                break;
            };
            number = self.after(node, *byte);
        }
    }

    fn first(&self, after_word: bool, byte: u8) -> u32 {
        let [off, on] = &self.first;
        let table = if after_word { on } else { off };
        table.get(usize::from(byte)).copied().unwrap_or(0)
    }

    fn told(&self, node: &Node) -> &[u32] {
        let (from, to) = node.told;
        self.told.get(from as usize..to as usize).unwrap_or(&[])
    }

    /// The pairs of bytes, after part of a word or not, with which someone's match may begin.
    pub(super) fn pairs(&self) -> Vec<(bool, u8, u8)> {
        let mut pairs = Vec::new();
        for after_word in [false, true] {
            for first in 0..=u8::MAX {
                let number = self.first(after_word, first);
                let Some(node) = self.nodes.get(number as usize).filter(|_| number != 0) else {
                    continue;
                };
                let told = !self.told(node).is_empty();
                let seconds = (0..=u8::MAX).filter(|b| told || self.after(node, *b) != 0);
                pairs.extend(seconds.map(|second| (after_word, first, second)));
            }
        }
        pairs
    }

    #[inline]
    fn after(&self, node: &Node, byte: u8) -> u32 {
        if node.table != 0 {
            let table = self.tables.get(node.table as usize - 1);
            let to = table.and_then(|table| table.get(usize::from(byte)));
            return to.copied().unwrap_or(0);
        }
        let (from, to) = node.ways;
        let ways = self.ways.get(from as usize..to as usize).unwrap_or(&[]);
        let way = ways.iter().find(|(_, last, _)| byte <= *last);
        way.map_or(0, |(first, _, node)| if *first <= byte { *node } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::extension::extended;
    use super::super::machine::{Machine, is_word};
    use super::super::starts_maker::NODES;
    use super::*;

    fn program(pattern: &str) -> Program {
        let extended = extended(pattern, 1 << 20, true).unwrap();
        let machine = Machine::new(&extended.hir, 1 << 20).unwrap();
        Program::new(machine, extended.extensions.into())
    }

    /// What is told of all places of a text.
    fn look(starts: &Starts, text: &[u8], tell: &mut dyn FnMut(u32, usize)) {
        for seeker in &starts.beginning {
            tell(*seeker, 0);
        }
        let pairs = starts.pairs();
        for at in 0..text.len() {
            let after_word = at > 0 && is_word(text[at - 1]);
            let next = text.get(at + 1);
            if next.is_none_or(|next| pairs.contains(&(after_word, text[at], *next))) {
                starts.walk(text, at, after_word, tell);
            }
        }
    }

    fn told(patterns: &[&str], text: &str) -> Vec<(u32, usize)> {
        let programs: Vec<Program> = patterns.iter().map(|p| program(p)).collect();
        let mut told = Vec::new();
        let starts = Starts::new(&(0..).zip(&programs).collect::<Vec<_>>());
        look(&starts, text.as_bytes(), &mut |who, at| {
            told.push((who, at))
        });
        told
    }

    #[test]
    fn what_goes_on_like_a_match_is_told() {
        assert_eq!(
            told(&["v[i1]ag[a@]"], "via v1ag@ viaga vian"),
            [(0, 4), (0, 10)]
        );
        assert_eq!(
            told(&["ab?c", "ab"], "ac abc ab"),
            [(0, 0), (1, 3), (0, 3), (1, 7)]
        );
        assert_eq!(
            told(&[r"\bv1", r"(?:\A|x)a"], "v1 xv1 xa"),
            [(1, 0), (0, 0), (1, 7)]
        );
        // A reference back says nothing more; what stands before it does.
        assert_eq!(told(&[r"([ab])c\1", "x$"], "ac bd cx"), [(0, 0), (1, 7)]);
    }

    /// Break it by counting nodes up without a bound.
    #[test]
    fn where_there_are_too_many_ways_fewer_bytes_are_looked_at() {
        let patterns: Vec<String> = (0..40)
            .map(|n| format!("(?:{}|[a-y]){{7}}x", char::from(b'a' + n % 20)))
            .collect();
        let patterns: Vec<String> = patterns
            .iter()
            .enumerate()
            .map(|(n, p)| format!(".{{{}}}[bcd]{p}", n % 5))
            .collect();
        let programs: Vec<Program> = patterns.iter().map(|p| program(p)).collect();
        let starts = Starts::new(&(0..).zip(&programs).collect::<Vec<_>>());
        assert!(starts.nodes.len() <= NODES);
        let mut all = 0;
        look(&starts, b"abcdabcdabcdxabcdx", &mut |_, _| all += 1);
        assert!(all > 40);
    }

    proptest! {
        /// Break it by leaving the last places of a text out, or the beginning.
        #[test]
        fn every_match_begins_where_it_was_told(
            patterns in proptest::collection::vec(
                r"(?:\\b|\\A|\(\?:\\A\|b\)|\(\?!b\)|)(?:[abc]|[bc]\?|a\{0,9\}|\[ab\]\{1,2\}){1,5}", 1..90),
            text in "[abc ]{0,30}",
        ) {
            let programs: Vec<Program> = patterns.iter().map(|p| program(p)).collect();
            let mut told = Vec::new();
            let starts = Starts::new(&(0..).zip(&programs).collect::<Vec<_>>());
            look(&starts, text.as_bytes(), &mut |seeker, at| told.push((seeker, at)));
            for ((number, program), pattern) in (0..).zip(&programs).zip(&patterns) {
                // What may match nothing is not looked for by its beginning.
                let start = program.machine.nfa().start_anchored();
                if program.onward(start, true).is_none() {
                    continue;
                }
                let regex = fancy_regex::Regex::new(&format!("(?={pattern})")).unwrap();
                let mut from = 0;
                while let Ok(Some(found)) = regex.find_from_pos(&text, from) {
                    prop_assert!(told.contains(&(number, found.start())), "{:?} {:?}", pattern, text);
                    from = found.start() + 1;
                }
            }
        }
    }
}
