//! `replace_tag` and its like: names in a pattern that stand for longer pieces.

use std::collections::HashMap;

/// How often replacements are looked for in replacements.
const PASSES: usize = 6;
/// Longest pattern that replacing may make, characters.
const PATTERN_CHARS: usize = 64 << 10;

/// The replacements of the files.
#[derive(Clone, Debug)]
pub(super) struct Tags {
    pub(super) start: String,
    pub(super) end: String,
    pub(super) tag: HashMap<String, String>,
    pub(super) pre: HashMap<String, String>,
    pub(super) inter: HashMap<String, String>,
    pub(super) post: HashMap<String, String>,
}

impl Default for Tags {
    fn default() -> Self {
        Tags {
            start: "<".to_owned(),
            end: ">".to_owned(),
            tag: HashMap::new(),
            pre: HashMap::new(),
            inter: HashMap::new(),
            post: HashMap::new(),
        }
    }
}

impl Tags {
    /// The pattern with all names replaced.
    pub(super) fn replaced(&self, pattern: &str) -> String {
        let mut pattern = pattern.to_owned();
        for _ in 0..PASSES {
            let pre = self.taken(&mut pattern, "pre ", &self.pre);
            let post = self.taken(&mut pattern, "post ", &self.post);
            let inter = self.taken(&mut pattern, "inter ", &self.inter);
            let mut again = false;
            let mut out = String::new();
            for (number, piece) in pieces(&pattern).iter().enumerate() {
                // Between two names that touch lies nothing, which is where `inter` goes.
                if piece.is_empty() && number % 2 == 0 {
                    out.push_str(inter.as_deref().unwrap_or_default());
                    continue;
                }
                let name = piece
                    .strip_prefix(self.start.as_str())
                    .and_then(|p| p.strip_suffix(self.end.as_str()));
                let Some(name) = name else {
                    out.push_str(piece);
                    continue;
                };
                out.push_str(pre.as_deref().unwrap_or_default());
                match self.tag.get(name).filter(|r| !r.is_empty()) {
                    Some(replacement) => {
                        again |= pieces(replacement).len() > 1;
                        out.push_str(replacement);
                    }
                    None => out.push_str(piece),
                }
                out.push_str(post.as_deref().unwrap_or_default());
            }
            pattern = out;
            if !again || pattern.len() > PATTERN_CHARS {
                break;
            }
        }
        pattern
    }

    /// Takes an instruction such as `<inter W1>` out of the pattern; what it names.
    fn taken(
        &self,
        pattern: &mut String,
        word: &str,
        known: &HashMap<String, String>,
    ) -> Option<String> {
        let opening = format!("{}{word}", self.start);
        let start = pattern.find(&opening)?;
        let behind = pattern.get(start + opening.len()..)?;
        let length = behind.find(self.end.as_str())?;
        let name = behind.get(..length)?.to_owned();
        let end = start + opening.len() + length + self.end.len();
        pattern.replace_range(start..end, "");
        known.get(&name).cloned()
    }
}

/// The pattern cut at `<...>`: other text and names in turn.
fn pieces(pattern: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    let mut from = 0;
    while let Some(open) = rest.get(from..).and_then(|r| r.find('<')).map(|o| o + from) {
        let behind = rest.get(open + 1..).unwrap_or_default();
        match behind.find(['<', '>']) {
            Some(length)
                if length > 0 && behind.get(length..).is_some_and(|r| r.starts_with('>')) =>
            {
                let (before, tail) = rest.split_at(open);
                let (name, tail) = tail.split_at(length + 2);
                pieces.push(before);
                pieces.push(name);
                rest = tail;
                from = 0;
            }
            _ => from = open + 1,
        }
    }
    // Nothing behind a name at the end is no piece.
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_in_passes_with_what_stands_between() {
        let mut tags = Tags::default();
        for (name, value) in [("A", "[a<B>]"), ("B", "\\xe4"), ("S", "[^a]")] {
            tags.tag.insert(name.into(), value.into());
        }
        tags.inter.insert("W".into(), "\\W?".into());
        tags.post.insert("P".into(), "{1,2}".into());
        assert_eq!(tags.replaced("x<A>y"), "x[a\\xe4]y");
        assert_eq!(
            tags.replaced("<inter W><post P>\\b<S><S>z<X>"),
            "\\b[^a]{1,2}\\W?[^a]{1,2}z<X>{1,2}"
        );
        assert_eq!(tags.replaced("(?<!a)b<c"), "(?<!a)b<c");
    }
}
