//! What is known of HTML elements by their names, and the start tag that is being read.

use super::flow::Gap;

/// Attributes of one element that are read.
const ATTRIBUTES: usize = 64;
/// Bytes of one attribute that are read.
const ATTRIBUTE_BYTES: usize = 8 * 1024;

/// Attributes that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Href,
    Source,
    Action,
    Background,
    Alt,
    Style,
    Hidden,
    Color,
    Ground,
    Class,
    Id,
    Value,
    Kind,
    Content,
}

impl Attribute {
    fn named(name: &[u8]) -> Option<Attribute> {
        Some(match name {
            b"href" => Attribute::Href,
            b"src" => Attribute::Source,
            b"action" | b"formaction" => Attribute::Action,
            b"background" => Attribute::Background,
            b"alt" => Attribute::Alt,
            b"style" => Attribute::Style,
            b"hidden" => Attribute::Hidden,
            b"color" => Attribute::Color,
            b"bgcolor" => Attribute::Ground,
            b"class" => Attribute::Class,
            b"id" => Attribute::Id,
            b"value" => Attribute::Value,
            b"type" => Attribute::Kind,
            b"content" => Attribute::Content,
            _ => return None,
        })
    }
}

/// The start tag that is being read.
#[derive(Debug, Default)]
pub(super) struct Tag {
    pub(super) name: Vec<u8>,
    attributes: Vec<(Attribute, String)>,
    /// Attributes that hold a script (`onclick`).
    pub(super) handlers: usize,
    /// Whether the value that comes next is wanted.
    wanted: bool,
}

impl Tag {
    /// A tag without attributes so far.
    pub(super) fn new(name: &[u8]) -> Tag {
        Tag {
            name: name.to_vec(),
            ..Tag::default()
        }
    }

    /// Takes the name of the next attribute. The first of several with one name counts (WHATWG).
    pub(super) fn attribute(&mut self, name: &[u8]) {
        self.handlers += usize::from(name.starts_with(b"on"));
        let fresh = Attribute::named(name)
            .filter(|a| self.attributes.len() < ATTRIBUTES && self.get(*a).is_none());
        self.wanted = fresh.is_some();
        self.attributes.extend(fresh.map(|a| (a, String::new())));
    }

    /// Takes the value of the attribute that was named last.
    pub(super) fn value(&mut self, value: &[u8]) {
        if self.wanted
            && let Some((_, last)) = self.attributes.last_mut()
        {
            let value = value.get(..ATTRIBUTE_BYTES).unwrap_or(value);
            *last = String::from_utf8_lossy(value).into_owned();
            self.wanted = false;
        }
    }

    /// The value of an attribute, empty where it has none.
    pub(super) fn get(&self, attribute: Attribute) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(a, _)| *a == attribute)
            .map(|(_, value)| value.as_str())
    }
}

pub(super) fn is_void(name: &[u8]) -> bool {
    matches!(
        name,
        b"area"
            | b"base"
            | b"basefont"
            | b"bgsound"
            | b"br"
            | b"col"
            | b"embed"
            | b"frame"
            | b"hr"
            | b"img"
            | b"input"
            | b"keygen"
            | b"link"
            | b"meta"
            | b"param"
            | b"source"
            | b"track"
            | b"wbr"
    )
}

pub(super) fn gap_of(name: &[u8]) -> Option<Gap> {
    match name {
        b"td" | b"th" => Some(Gap::Space),
        b"address" | b"article" | b"aside" | b"blockquote" | b"body" | b"br" | b"caption"
        | b"center" | b"dd" | b"details" | b"dir" | b"div" | b"dl" | b"dt" | b"fieldset"
        | b"figcaption" | b"figure" | b"footer" | b"form" | b"h1" | b"h2" | b"h3" | b"h4"
        | b"h5" | b"h6" | b"head" | b"header" | b"hr" | b"html" | b"legend" | b"li" | b"main"
        | b"menu" | b"nav" | b"ol" | b"optgroup" | b"option" | b"p" | b"pre" | b"section"
        | b"select" | b"summary" | b"table" | b"tbody" | b"textarea" | b"tfoot" | b"thead"
        | b"title" | b"tr" | b"ul" => Some(Gap::Line),
        _ => None,
    }
}

type Names = &'static [&'static [u8]];

/// Of the open elements, the outermost first, the innermost that ends where an element of `name` starts; `is` tells whether
/// one has a name.
pub(super) fn ended_by<T>(
    name: &[u8],
    open: &[T],
    is: impl Fn(&T, &[u8]) -> bool,
) -> Option<usize> {
    let (ends, within) = implied_end(name)?;
    let among = |element: &T, names: Names| names.iter().any(|name| is(element, name));
    let innermost = open.iter().enumerate().rev();
    innermost
        .take_while(|(_, element)| !among(element, within))
        .find(|(_, element)| among(element, ends))
        .map(|(at, _)| at)
}

/// Names of the open elements that end where an element of `name` starts, and names of those beyond
/// which they are not looked for (WHATWG HTML, section 13.2.6).
fn implied_end(name: &[u8]) -> Option<(Names, Names)> {
    Some(match name {
        b"li" => (&[b"li"], &[b"ul", b"ol", b"menu"]),
        b"dt" | b"dd" => (&[b"dt", b"dd"], &[b"dl"]),
        b"option" | b"optgroup" => (&[b"option"], &[b"select"]),
        b"td" | b"th" => (&[b"td", b"th"], &[b"tr", b"table"]),
        b"tr" => (&[b"tr"], &[b"table"]),
        b"tbody" | b"thead" | b"tfoot" => (&[b"tbody", b"thead", b"tfoot"], &[b"table"]),
        b"a" => (&[b"a"], &[b"table", b"td"]),
        b"body" => (&[b"head"], &[]),
        _ if gap_of(name) == Some(Gap::Line) && name != b"br" => {
            (&[b"p"], &[b"table", b"td", b"th", b"button", b"template"])
        }
        _ => return None,
    })
}
