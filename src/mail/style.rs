//! The little of CSS that decides whether a reader sees text: inline styles and simple rules.
//!
//! In: a `style` attribute or a style sheet. Out: what of it hides, colours, addresses. Linear,
//! bounded, no cascade: a sheet is read for rules whose selector is one class or id and that hide
//! what they match, outside of media queries.

use std::collections::HashSet;

/// Selectors that are kept of one message.
const SELECTORS: usize = 1_000;
/// Colours that differ by no more than this in the sum of red, green and blue look the same.
const SAME: u32 = 24;

/// A colour, red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Color(u8, u8, u8);

impl Color {
    pub(super) const WHITE: Color = Color(255, 255, 255);

    /// Whether text of this colour cannot be read on `ground`.
    pub(super) fn vanishes_on(self, ground: Color) -> bool {
        let apart = |a: u8, b: u8| u32::from(a.abs_diff(b));
        apart(self.0, ground.0) + apart(self.1, ground.1) + apart(self.2, ground.2) <= SAME
    }

    /// A colour as HTML attributes and CSS write it. `None` for what is not known.
    pub(super) fn parse(text: &str) -> Option<Color> {
        let text = text.trim().to_ascii_lowercase();
        let named = match text.as_str() {
            "white" => Some(Color::WHITE),
            "snow" => Some(Color(255, 250, 250)),
            "ivory" => Some(Color(255, 255, 240)),
            "ghostwhite" => Some(Color(248, 248, 255)),
            "whitesmoke" => Some(Color(245, 245, 245)),
            "floralwhite" => Some(Color(255, 250, 240)),
            "black" => Some(Color(0, 0, 0)),
            "red" => Some(Color(255, 0, 0)),
            "green" => Some(Color(0, 128, 0)),
            "blue" => Some(Color(0, 0, 255)),
            "yellow" => Some(Color(255, 255, 0)),
            "gray" | "grey" => Some(Color(128, 128, 128)),
            "silver" => Some(Color(192, 192, 192)),
            "navy" => Some(Color(0, 0, 128)),
            "orange" => Some(Color(255, 165, 0)),
            _ => None,
        };
        named.or_else(|| Color::numeric(&text))
    }

    fn numeric(text: &str) -> Option<Color> {
        if let Some(inner) = text.strip_prefix("rgb") {
            let inner = inner
                .trim_start_matches('a')
                .trim_start()
                .strip_prefix('(')?;
            let mut values = inner
                .split([',', ' ', '/', ')'])
                .filter(|v| !v.is_empty())
                .map(|v| match v.strip_suffix('%') {
                    Some(percent) => percent.parse::<f32>().map(|p| p * 2.55),
                    None => v.parse::<f32>(),
                })
                .map_while(Result::ok);
            let mut next = || values.next().map(|v| v.clamp(0.0, 255.0) as u8);
            return Some(Color(next()?, next()?, next()?));
        }
        let digits = text.strip_prefix('#').unwrap_or(text);
        let value = u32::from_str_radix(digits, 16).ok()?;
        let byte = |shift: u32| (value >> shift & 0xff) as u8;
        let twice = |shift: u32| ((value >> shift & 0xf) * 17) as u8;
        match digits.len() {
            3 => Some(Color(twice(8), twice(4), twice(0))),
            4 => Some(Color(twice(12), twice(8), twice(4))),
            6 => Some(Color(byte(16), byte(8), byte(0))),
            8 => Some(Color(byte(24), byte(16), byte(8))),
            _ => None,
        }
    }
}

/// What a ground is, as far as a style says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    Color(Color),
    /// An image or a gradient: no telling what it looks like.
    Unknown,
}

/// What one style says of visibility.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Style {
    /// Taken out of sight, children included: not displayed, transparent, of no height, far outside.
    pub(super) gone: bool,
    /// `visibility`: `Some(true)` hides, `Some(false)` shows again.
    pub(super) invisible: Option<bool>,
    /// `font-size`: `Some(true)` for one that nobody can read.
    pub(super) tiny: Option<bool>,
    pub(super) color: Option<Color>,
    /// Fully transparent text.
    pub(super) transparent: bool,
    pub(super) ground: Option<Ground>,
    /// Addresses in `url(...)`.
    pub(super) urls: Vec<String>,
}

impl Style {
    /// Reads declarations, `display:none; color: #fff`.
    pub(super) fn parse(text: &str) -> Style {
        let mut style = Style::default();
        let text = without_comments(text);
        let (mut flat, mut clipped) = (false, false);
        for declaration in text.split(';') {
            let Some((name, value)) = declaration.split_once(':') else {
                continue;
            };
            let name = name.trim().to_ascii_lowercase();
            let written = value.trim();
            let value = written.to_ascii_lowercase();
            let value = value.trim_end_matches("!important").trim();
            if let Some(url) = address(written) {
                style.urls.push(url);
            }
            match name.as_str() {
                "display" => style.gone |= value == "none",
                "visibility" => style.invisible = Some(matches!(value, "hidden" | "collapse")),
                "opacity" => {
                    let percent = value.strip_suffix('%').map(|p| (p, 100.0));
                    let (number, of) = percent.unwrap_or((value, 1.0));
                    style.gone |= number.trim().parse::<f32>().is_ok_and(|o| o / of <= 0.05);
                }
                "font-size" => style.tiny = tiny(value),
                "font" => {
                    style.tiny = value
                        .split([' ', '/'])
                        .find(|v| is_size(v))
                        .and_then(tiny)
                        .or(style.tiny);
                }
                "max-height" | "max-width" => style.gone |= is_nothing(value),
                "height" | "width" | "line-height" => flat |= is_nothing(value),
                "overflow" | "overflow-y" | "overflow-x" => clipped |= value == "hidden",
                "text-indent" | "left" | "top" | "margin-left" | "right" => {
                    style.gone |= pixels(value).is_some_and(|p| p <= -500.0);
                }
                "color" => {
                    style.transparent = value == "transparent" || no_alpha(value);
                    style.color = Color::parse(value);
                }
                "background" | "background-color" | "background-image" => style.background(value),
                _ => {}
            }
        }
        style.gone |= flat && clipped;
        style
    }

    fn background(&mut self, value: &str) {
        if value.contains("url(") || value.contains("gradient") {
            self.ground = Some(Ground::Unknown);
            return;
        }
        if value == "transparent" || no_alpha(value) {
            return;
        }
        let whole = Color::parse(value);
        let color = whole.or_else(|| value.split_whitespace().find_map(Color::parse));
        if let Some(color) = color
            && self.ground != Some(Ground::Unknown)
        {
            self.ground = Some(Ground::Color(color));
        }
    }
}

/// Whether a colour says that it is fully transparent.
fn no_alpha(value: &str) -> bool {
    let inner = value
        .strip_prefix("rgba(")
        .and_then(|v| v.strip_suffix(')'));
    inner.is_some_and(|v| {
        let alpha = v.rsplit([',', '/']).next().unwrap_or_default().trim();
        v.split([',', '/']).count() == 4 && alpha.parse::<f32>().is_ok_and(|a| a <= 0.05)
    })
}

/// A length in pixels, as far as it can be told.
fn pixels(value: &str) -> Option<f32> {
    let split = value
        .find(|c: char| c.is_ascii_alphabetic() || c == '%')
        .unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(split)?;
    let number: f32 = number.trim().parse().ok()?;
    let factor = match unit.split_whitespace().next().unwrap_or_default() {
        "" | "px" => 1.0,
        "pt" => 4.0 / 3.0,
        "em" | "rem" | "ex" => 16.0,
        "%" => 0.16,
        "vw" | "vh" => 8.0,
        "cm" => 37.8,
        "mm" => 3.78,
        "in" => 96.0,
        _ => return None,
    };
    Some(number * factor)
}

/// Whether a word of a `font` value is its size: a number with a unit, or nought (a weight has none).
fn is_size(word: &str) -> bool {
    word == "0"
        || word.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && word.ends_with(|c: char| c.is_ascii_alphabetic() || c == '%')
}

fn tiny(value: &str) -> Option<bool> {
    pixels(value).map(|p| p <= 1.4)
}

fn is_nothing(value: &str) -> bool {
    !value.ends_with('%') && pixels(value).is_some_and(|p| (0.0..=1.0).contains(&p))
}

/// The address in the first `url(...)` of a value.
fn address(value: &str) -> Option<String> {
    let lower = value.to_ascii_lowercase();
    let at = lower.find("url(")? + 4;
    let inner = value.get(at..)?.split(')').next()?;
    let inner = inner.trim().trim_matches(['"', '\'']);
    (!inner.is_empty()).then(|| inner.to_owned())
}

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("/*") {
        out.push_str(before);
        rest = tail.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

/// What the style sheets of a message hide.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    classes: HashSet<String>,
    ids: HashSet<String>,
    /// Whether any rule sets a background, so that grounds cannot be told from attributes alone.
    pub(super) grounds: bool,
}

impl Sheet {
    /// Reads one more sheet.
    pub(super) fn read(&mut self, css: &str) {
        let css = without_comments(css);
        self.grounds |= css.contains("background");
        let mut depth = 0_usize;
        let mut selector = "";
        let mut rest = css.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
            let opens = tail.starts_with('{');
            rest = tail.get(1..).unwrap_or_default();
            if opens {
                selector = before.trim();
                depth += 1;
            } else {
                // Blocks in blocks belong to media queries.
                if depth == 1 && !selector.is_empty() && !selector.starts_with('@') {
                    self.rule(selector, before);
                }
                selector = "";
                depth = depth.saturating_sub(1);
            }
        }
    }

    fn rule(&mut self, selectors: &str, declarations: &str) {
        let style = Style::parse(declarations);
        if !style.gone && style.invisible != Some(true) && style.tiny != Some(true) {
            return;
        }
        for selector in selectors.split(',').map(str::trim) {
            if self.classes.len() + self.ids.len() >= SELECTORS {
                return;
            }
            let plain = |s: &str| {
                s.chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
            };
            // `td.x` hides no less than `.x`; a pseudo class or a descendant may mean anything.
            if let Some((tag, class)) = selector.split_once('.') {
                if plain(tag) && plain(class) {
                    self.classes.insert(class.to_ascii_lowercase());
                }
            } else if let Some((tag, id)) = selector.split_once('#')
                && plain(tag)
                && plain(id)
            {
                self.ids.insert(id.to_ascii_lowercase());
            }
        }
    }

    /// Whether an element with that class attribute is hidden.
    pub(super) fn hides_class(&self, classes: &str) -> bool {
        !self.classes.is_empty()
            && classes
                .split_whitespace()
                .any(|c| self.classes.contains(&c.to_ascii_lowercase()))
    }

    /// Whether an element with that id is hidden.
    pub(super) fn hides_id(&self, id: &str) -> bool {
        !self.ids.is_empty() && self.ids.contains(&id.trim().to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_hiding_is_known() {
        for text in [
            "display:none",
            "DISPLAY : None !important",
            "color:red;display:/**/none",
            "opacity:0",
            "opacity: 0.01",
            "opacity:0%",
            "max-height:0",
            "max-height:0px;mso-hide:all",
            "height:0;overflow:hidden",
            "width:1px; overflow: hidden",
            "text-indent:-9999px",
            "position:absolute;left:-100em",
        ] {
            assert!(Style::parse(text).gone, "{text}");
        }
        for text in [
            "display:block",
            "opacity:1",
            "height:0",
            "left:-5px",
            "max-height:100%",
            "mso-hide:all",
        ] {
            assert!(!Style::parse(text).gone, "{text}");
        }
        assert_eq!(Style::parse("visibility:hidden").invisible, Some(true));
        assert_eq!(Style::parse("visibility:visible").invisible, Some(false));
    }

    #[test]
    fn font_sizes_are_compared_in_pixels() {
        for (text, expected) in [
            ("font-size:0", Some(true)),
            ("font-size:1px", Some(true)),
            ("font-size:1pt", Some(true)),
            ("font-size:0.01em", Some(true)),
            ("font-size:1%", Some(true)),
            ("font:0px/1 Arial", Some(true)),
            ("font:bold 12px Arial", Some(false)),
            ("font-size:11px", Some(false)),
            ("font-size:small", None),
            ("font:400 0/0 a", Some(true)),
        ] {
            assert_eq!(Style::parse(text).tiny, expected, "{text}");
        }
    }

    #[test]
    fn colours_are_read_in_every_notation() {
        for text in [
            "#fff",
            "#FFFFFF",
            "ffffff",
            "white",
            "rgb(255, 255, 255)",
            "rgba(100%,100%,100%,1)",
            "#ffff",
        ] {
            assert_eq!(Color::parse(text), Some(Color::WHITE), "{text}");
        }
        assert_eq!(Color::parse("#12"), None);
        assert_eq!(Color::parse("chuck"), None);
        assert!(Color::parse("#fefefe").unwrap().vanishes_on(Color::WHITE));
        assert!(!Color::parse("#eeeeee").unwrap().vanishes_on(Color::WHITE));
        assert!(Style::parse("color:transparent").transparent);
        assert!(Style::parse("color:rgba(0,0,0,0)").transparent);
        let style = Style::parse("background:#000 url(http://a.example/x.png)");
        assert_eq!(style.ground, Some(Ground::Unknown));
        assert_eq!(style.urls, ["http://a.example/x.png"]);
        let black = Some(Ground::Color(Color(0, 0, 0)));
        assert_eq!(Style::parse("background: none #000").ground, black);
    }

    #[test]
    fn sheets_hide_by_class_and_id_outside_of_media_queries() {
        let mut sheet = Sheet::default();
        sheet.read(
            "/* x */ .a, td.b {display:none} #c{font-size:0} .d:hover{display:none}\n\
             @media (max-width:600px) { .e{display:none} } .f{color:red} .g .h{display:none}",
        );
        assert!(sheet.hides_class("x A") && sheet.hides_class("b") && sheet.hides_id("c"));
        for class in ["d", "e", "f", "g", "h"] {
            assert!(!sheet.hides_class(class), "{class}");
        }
    }

    #[test]
    fn hostile_styles_take_linear_time() {
        let started = std::time::Instant::now();
        for unit in [
            "{", "}", "/*", "*/", ".a{", "a:b;", "url(", ":", "@media{", ".a,",
        ] {
            let text = unit.repeat(500_000 / unit.len());
            let _ = Style::parse(&text);
            Sheet::default().read(&text);
        }
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
