//! Where patterns without a literal can begin: one automaton for all of a place, over the first bytes of their matches.
//!
//! Words that are written in many ways (`v[i1!|][a@]gr[a@]`) hold no literal of three bytes, and long choices of words
//! hold too many, but few places of a text go on like one of their matches. From each place of a text the
//! automaton is walked until it knows no way on, mostly after two or three bytes; where the first [`DEPTH`] bytes of a
//! match of someone stand, or a whole match, that one is told. It is made in advance and holds no loops, so a text costs
//! what its places cost, and nothing is kept between texts.

use std::collections::HashMap;
use std::rc::Rc;

use regex_automata::util::primitives::StateID;

use super::machine::{Program, Way, is_word};
use super::rarity;

/// Most bytes of a match that are looked at.
const DEPTH: usize = 8;
/// Places of a text of which one gets so far by chance, from which on looking further does not pay.
const SELDOM: f64 = 1.0 / 65536.0;
/// Most nodes; where there would be more, fewer bytes are looked at.
const NODES: usize = 1 << 15;
/// Ways of a node from which on a table finds them, and not a search.
const MANY: usize = 12;

/// Bit of an entry of the first table.
const WORD: u32 = 1 << 31;

/// By byte: the node that it leads to.
type Table = Box<[u32; 256]>;

/// The automaton of the first bytes.
#[derive(Debug)]
pub(super) struct Starts {
    /// By whether the byte before is part of a word, then by the first byte: the node, and [`WORD`] if this byte is part
    /// of a word.
    first: [Table; 2],
    nodes: Vec<Node>,
    /// The ways of all nodes, in the order of their bytes: first byte, last byte, node.
    ways: Vec<(u8, u8, u32)>,
    tables: Vec<Table>,
    told: Vec<u32>,
    /// Who may match at the beginning of a text whatever the bytes.
    beginning: Vec<u32>,
}

impl Default for Starts {
    fn default() -> Self {
        let words = |byte: usize| u8::try_from(byte).is_ok_and(is_word);
        let first = std::array::from_fn(|byte| if words(byte) { WORD } else { 0 });
        Starts {
            first: [Box::new(first), Box::new(first)],
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
struct Node {
    ways: (u32, u32),
    /// One more than the number of its table, if it has one.
    table: u32,
    told: (u32, u32),
}

/// Someone's automaton in one of its states.
type Item = (u32, StateID);

/// Why no automaton was made.
struct TooMany;

impl Starts {
    /// Builds the automaton for those who seek.
    pub(super) fn new(sought: &[(u32, &Program)]) -> Starts {
        if sought.is_empty() {
            return Starts::default();
        }
        let mut maker = Maker {
            sought,
            onward: HashMap::new(),
            starts: Starts::default(),
        };
        // After one byte there are at most 512 nodes.
        let made = (1..=DEPTH).rev().find_map(|depth| maker.make(depth).ok());
        made.unwrap_or_default()
    }

    /// Tells of every place where someone's match may begin.
    pub(super) fn look(&self, text: &[u8], tell: &mut dyn FnMut(u32, usize)) {
        for seeker in &self.beginning {
            tell(*seeker, 0);
        }
        if self.told.is_empty() {
            return;
        }
        let [off, on] = &self.first;
        let mut table = off;
        for (at, byte) in text.iter().enumerate() {
            let entry = table.get(usize::from(*byte)).copied().unwrap_or(0);
            table = if entry & WORD == 0 { off } else { on };
            let mut number = entry & !WORD;
            let mut ahead = at + 1;
            while number != 0 {
                let Some(node) = self.nodes.get(number as usize) else {
                    break;
                };
                let (from, to) = node.told;
                for seeker in self.told.get(from as usize..to as usize).unwrap_or(&[]) {
                    tell(*seeker, at);
                }
                let Some(byte) = text.get(ahead) else {
                    break;
                };
                number = self.after(node, *byte);
                ahead += 1;
            }
        }
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

/// Makes the automaton, byte after byte.
struct Maker<'a> {
    sought: &'a [(u32, &'a Program)],
    /// The ways on from a state; `None` where a match may end, or nothing can be said.
    onward: HashMap<Item, Option<Rc<[Way]>>>,
    starts: Starts,
}

/// The nodes after so many bytes.
#[derive(Default)]
struct Level {
    /// By what they stand for: where they are in `nodes`.
    known: HashMap<Rc<[Item]>, usize>,
    nodes: Vec<New>,
}

/// A node that has no ways yet.
struct New {
    number: u32,
    items: Rc<[Item]>,
    /// The share of the places of a text that get here.
    share: f64,
}

impl Maker<'_> {
    fn make(&mut self, depth: usize) -> Result<Starts, TooMany> {
        self.starts = Starts::default();
        let mut all = Vec::with_capacity(self.sought.len());
        for (number, (seeker, program)) in (0..).zip(self.sought) {
            let start = program.machine.nfa().start_anchored();
            let Some(onward) = program.onward(start, true) else {
                continue;
            };
            if onward.at_beginning {
                self.starts.beginning.push(*seeker);
            }
            let item = (number, start);
            self.onward.insert(item, Some(onward.ways.into()));
            all.push(item);
        }
        let mut level = Level::default();
        let off = self.ways(&all, Some(false), 0.5, &mut level)?;
        let on = self.ways(&all, Some(true), 0.5, &mut level)?;
        for (table, ways) in self.starts.first.iter_mut().zip([off, on]) {
            write(table, &ways);
        }
        for left in (0..depth).rev() {
            let mut next = Level::default();
            for New {
                number,
                items,
                share,
            } in level.nodes
            {
                let ended = self.ended(&items, left == 0 || share < SELDOM);
                let open = items.iter().filter(|(who, _)| !ended.contains(who));
                let open: Vec<Item> = open.copied().collect();
                let ways = self.ways(&open, None, share, &mut next)?;
                let (ways, table) = match ways.len() {
                    MANY.. => ((0, 0), self.table(&ways) + 1),
                    _ => (appended(&mut self.starts.ways, ways), 0),
                };
                let seekers = ended
                    .iter()
                    .filter_map(|who| self.sought.get(*who as usize));
                let seekers = seekers.map(|(seeker, _)| *seeker).collect();
                let told = appended(&mut self.starts.told, seekers);
                if let Some(node) = self.starts.nodes.get_mut(number as usize) {
                    *node = Node { ways, table, told };
                }
            }
            level = next;
        }
        Ok(std::mem::take(&mut self.starts))
    }

    /// Who has nothing more to say, or is to be asked no more; they are told there, and are not followed further.
    fn ended(&mut self, items: &[Item], all: bool) -> Vec<u32> {
        let mut ended: Vec<u32> = Vec::new();
        for item in items {
            if all || self.onward(*item).is_none() {
                ended.push(item.0);
            }
        }
        ended.dedup();
        ended
    }

    /// The ways on with these items, from where that share of the places of a text gets to, to nodes of the next
    /// level.
    fn ways(
        &mut self,
        items: &[Item],
        after_word: Option<bool>,
        share: f64,
        level: &mut Level,
    ) -> Result<Vec<(u8, u8, u32)>, TooMany> {
        let mut ranges: Vec<(u8, u8, Item)> = Vec::new();
        for item in items {
            for way in self.onward(*item).iter().flat_map(|ways| ways.iter()) {
                let to = (item.0, way.next);
                match after_word {
                    // At a boundary the byte is of the other kind than that before it.
                    Some(word) if way.boundary => {
                        let other = (way.first..=way.last).filter(|b| is_word(*b) != word);
                        ranges.extend(other.map(|b| (b, b, to)));
                    }
                    _ => ranges.push((way.first, way.last, to)),
                }
            }
        }
        let mut cuts: Vec<u16> = ranges
            .iter()
            .flat_map(|(first, last, _)| [u16::from(*first), u16::from(*last) + 1])
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut ways: Vec<(u8, u8, u32)> = Vec::new();
        for [from, behind] in cuts.array_windows() {
            let [Ok(first), Ok(last)] = [*from, *behind - 1].map(u8::try_from) else {
                continue;
            };
            let mut to: Vec<Item> = ranges
                .iter()
                .filter(|(from, until, _)| *from <= first && last <= *until)
                .map(|(_, _, item)| *item)
                .collect();
            to.sort_unstable();
            to.dedup();
            if to.is_empty() {
                continue;
            }
            let of_bytes: f64 = (first..=last).map(rarity::share).sum();
            let node = self.node(to, share * of_bytes, level)?;
            match ways.last_mut() {
                Some((_, until, same)) if *same == node && *until + 1 == first => *until = last,
                _ => ways.push((first, last, node)),
            }
        }
        Ok(ways)
    }

    /// The number of the node of these items, to which this share more gets.
    fn node(&mut self, items: Vec<Item>, share: f64, level: &mut Level) -> Result<u32, TooMany> {
        let known = level.known.get(items.as_slice());
        if let Some(known) = known.and_then(|known| level.nodes.get_mut(*known)) {
            known.share += share;
            return Ok(known.number);
        }
        let number = self.starts.nodes.len();
        if number >= NODES {
            return Err(TooMany);
        }
        self.starts.nodes.push(Node::default());
        let number = u32::try_from(number).unwrap_or(0);
        let items: Rc<[Item]> = items.into();
        level.known.insert(items.clone(), level.nodes.len());
        level.nodes.push(New {
            number,
            items,
            share,
        });
        Ok(number)
    }

    fn onward(&mut self, item: Item) -> Option<Rc<[Way]>> {
        let known = self.onward.entry(item).or_insert_with(|| {
            let (_, program) = self.sought.get(item.0 as usize)?;
            Some(program.onward(item.1, false)?.ways.into())
        });
        known.clone()
    }

    /// Keeps ways as a table; gives its number.
    fn table(&mut self, ways: &[(u8, u8, u32)]) -> u32 {
        let mut table = Box::new([0; 256]);
        write(&mut table, ways);
        self.starts.tables.push(table);
        u32::try_from(self.starts.tables.len() - 1).unwrap_or(u32::MAX)
    }
}

/// Adds ways to a table.
fn write(table: &mut Table, ways: &[(u8, u8, u32)]) {
    for (first, last, node) in ways {
        for byte in *first..=*last {
            if let Some(to) = table.get_mut(usize::from(byte)) {
                *to |= *node;
            }
        }
    }
}

/// Puts `more` behind `all`; gives where it stands.
fn appended<T>(all: &mut Vec<T>, more: Vec<T>) -> (u32, u32) {
    let from = all.len();
    all.extend(more);
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    (place(from), place(all.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::extension::extended;
    use super::super::machine::Machine;
    use super::*;

    fn program(pattern: &str) -> Program {
        let extended = extended(pattern, 1 << 20, true).unwrap();
        Program {
            machine: Machine::new(&extended.hir, 1 << 20).unwrap(),
            extensions: extended.extensions.into(),
        }
    }

    fn told(patterns: &[&str], text: &str) -> Vec<(u32, usize)> {
        let programs: Vec<Program> = patterns.iter().map(|p| program(p)).collect();
        let mut told = Vec::new();
        let starts = Starts::new(&(0..).zip(&programs).collect::<Vec<_>>());
        starts.look(text.as_bytes(), &mut |who, at| told.push((who, at)));
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
        starts.look(b"abcdabcdabcdxabcdx", &mut |_, _| all += 1);
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
            starts.look(text.as_bytes(), &mut |seeker, at| told.push((seeker, at)));
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
