//! Which tag of ours stands for an element of a page from outside. Every tag of the new page is in this file.

/// The tag that stands for an element; `None` for one that is passed over, its text not.
pub(super) fn tag_for(name: &[u8]) -> Option<&'static str> {
    Some(match name {
        b"p" => "p",
        b"div" | b"center" | b"section" | b"article" | b"header" | b"footer" | b"main" | b"nav"
        | b"aside" | b"address" | b"fieldset" | b"form" | b"figure" | b"figcaption"
        | b"details" | b"summary" | b"legend" | b"option" | b"optgroup" | b"select"
        | b"textarea" => "div",
        b"b" | b"strong" => "b",
        b"i" | b"em" | b"cite" | b"dfn" => "i",
        b"u" | b"ins" => "u",
        b"s" | b"strike" | b"del" => "s",
        b"sub" => "sub",
        b"sup" => "sup",
        b"small" => "small",
        b"code" | b"tt" | b"kbd" | b"samp" => "code",
        b"pre" | b"listing" | b"xmp" | b"plaintext" => "pre",
        b"blockquote" => "blockquote",
        b"h1" | b"h2" => "h3",
        b"h3" | b"h4" => "h4",
        b"h5" | b"h6" => "h5",
        b"ul" | b"dir" | b"menu" => "ul",
        b"ol" => "ol",
        b"li" => "li",
        b"dl" => "dl",
        b"dt" => "dt",
        b"dd" => "dd",
        b"table" => "table",
        b"thead" => "thead",
        b"tbody" => "tbody",
        b"tfoot" => "tfoot",
        b"tr" => "tr",
        b"td" => "td",
        b"th" => "th",
        b"caption" => "caption",
        _ => return None,
    })
}
