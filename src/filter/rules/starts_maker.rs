//! Makes the automaton of the first bytes, byte after byte.
//!
//! It stands for the automata of all who seek at once, without what leads back to where it was: no more than
//! [`DEPTH`] bytes are looked at, fewer where there would be more than [`NODES`] nodes.

use std::collections::HashMap;
use std::rc::Rc;

use regex_automata::util::primitives::StateID;

use super::machine::{Program, Way, is_word};
use super::rarity;
use super::starts::{Node, Starts, Table};

/// Most bytes of a match that are looked at.
pub(super) const DEPTH: usize = 8;
/// Places of a text of which one gets so far by chance, from which on looking further does not pay.
const SELDOM: f64 = 1.0 / 65536.0;
/// Most nodes; where there would be more, fewer bytes are looked at.
pub(super) const NODES: usize = 1 << 15;
/// Ways of a node from which on a table finds them, and not a search.
const MANY: usize = 12;

/// Someone's automaton in one of its states.
type Item = (u32, StateID);

/// Why no automaton was made.
struct TooMany;
/// The automaton on its way.
pub(super) struct Maker<'a> {
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

impl<'a> Maker<'a> {
    /// For those who seek.
    pub(super) fn new(sought: &'a [(u32, &'a Program)]) -> Maker<'a> {
        Maker {
            sought,
            onward: HashMap::new(),
            starts: Starts::default(),
        }
    }

    /// The automaton of as many bytes as there are nodes for.
    pub(super) fn most(mut self) -> Starts {
        // After one byte there are at most 512 nodes.
        let made = (1..=DEPTH).rev().find_map(|depth| self.make(depth).ok());
        made.unwrap_or_default()
    }

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
                *to = *node;
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
