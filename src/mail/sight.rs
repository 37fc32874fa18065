//! Whether text in an element can be seen, inherited from element to element.

use super::style::{Color, Ground, Style};

/// What holds for the text in an element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) gone: bool,
    pub(super) invisible: bool,
    pub(super) tiny: bool,
    /// Text colour, when one is said.
    pub(super) color: Option<Color>,
    pub(super) transparent: bool,
    pub(super) ground: Ground,
}

impl Sight {
    /// A page without any style: black on white.
    pub(super) const PAGE: Sight = Sight {
        gone: false,
        invisible: false,
        tiny: false,
        color: None,
        transparent: false,
        ground: Ground::Color(Color::WHITE),
    };

    /// Changes what a style says. What is gone stays so for its children, the rest may be undone.
    pub(super) fn apply(&mut self, style: &Style) {
        self.gone |= style.gone;
        self.invisible = style.invisible.unwrap_or(self.invisible);
        self.tiny = style.tiny.unwrap_or(self.tiny);
        self.ground = style.ground.unwrap_or(self.ground);
        if style.color.is_some() || style.transparent {
            self.color = style.color;
            self.transparent = style.transparent;
        }
    }

    /// Whether a reader does not see it.
    pub(super) fn hidden(&self) -> bool {
        let vanishes = match (self.color, self.ground) {
            (Some(color), Ground::Color(ground)) => color.vanishes_on(ground),
            _ => false,
        };
        self.gone || self.invisible || self.tiny || self.transparent || vanishes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_stays_gone_and_the_rest_may_be_undone() {
        let mut sight = Sight::PAGE;
        assert!(!sight.hidden());
        for (hide, show) in [
            ("visibility:hidden", "visibility:visible"),
            ("font-size:0", "font-size:10px"),
            ("color:white", "color:black"),
            ("color:transparent", "color:black"),
        ] {
            sight.apply(&Style::parse(hide));
            assert!(sight.hidden(), "{hide}");
            sight.apply(&Style::parse(show));
            assert!(!sight.hidden(), "{show}");
        }
        sight.apply(&Style::parse("background:url(x.png)"));
        sight.apply(&Style::parse("color:white"));
        assert!(!sight.hidden());
        sight.apply(&Style::parse("display:none"));
        sight.apply(&Style::parse("display:block"));
        assert!(sight.hidden());
    }
}
