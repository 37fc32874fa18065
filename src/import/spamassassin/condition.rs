//! `if`, `ifplugin`, `else`, `endif`.
//!
//! What an imported file may ask: the version of SpamAssassin and of Perl, whether a plugin is loaded, whether a
//! module can do something. The answers are those of SpamAssassin 4.0.1 on Perl 5.36.

use std::collections::HashSet;

/// The version as SpamAssassin compares it.
const VERSION: f64 = 4.000_001;
const PERL: f64 = 5.036;

/// Plugins that a stock SpamAssassin 4 loads, without `Mail::SpamAssassin::Plugin::`.
pub(super) const STOCK: &[&str] = &[
    "URIDNSBL",
    "SPF",
    "DKIM",
    "DMARC",
    "Pyzor",
    "Razor2",
    "SpamCop",
    "AutoLearnThreshold",
    "TextCat",
    "WelcomeListSubject",
    "WhiteListSubject",
    "MIMEHeader",
    "ReplaceTags",
    "Check",
    "HTTPSMismatch",
    "URIDetail",
    "Bayes",
    "BodyEval",
    "DNSEval",
    "HTMLEval",
    "HeaderEval",
    "MIMEEval",
    "RelayEval",
    "URIEval",
    "WLBLEval",
    "VBounce",
    "ImageInfo",
    "FreeMail",
    "AskDNS",
    "HashBL",
    "FromNameSpoof",
    "Phishing",
];

/// Methods that `can` answers with no in a stock installation.
const CANNOT: &[&str] = &["Mail::SpamAssassin::Conf::compat_welcomelist_blocklist"];

/// What the conditions of a file are decided by.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Loaded plugins by their full names; empty: the stock ones.
    pub(super) plugins: HashSet<String>,
}

impl World {
    /// Whether that plugin is loaded.
    fn has_plugin(&self, name: &str) -> bool {
        if !self.plugins.is_empty() {
            return self.plugins.contains(name);
        }
        name.strip_prefix("Mail::SpamAssassin::Plugin::")
            .is_some_and(|n| STOCK.contains(&n))
    }

    /// Answers an `if`.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn holds(&self, condition: &str) -> Result<bool, String> {
        let mut parser = Parser {
            world: self,
            rest: condition,
            depth: 0,
        };
        let value = parser.or()?;
        match parser.rest.trim() {
            "" => Ok(value != 0.0),
            left => Err(format!("cannot read `{left}` in the condition")),
        }
    }

    /// Whether a module has a method. `Module::method`.
    fn can(&self, name: &str) -> bool {
        let Some((module, _)) = name.rsplit_once("::") else {
            return false;
        };
        if CANNOT.contains(&name) {
            return false;
        }
        match module.starts_with("Mail::SpamAssassin::Plugin::") {
            true => self.has_plugin(module),
            false => module.starts_with("Mail::SpamAssassin"),
        }
    }
}

struct Parser<'a> {
    world: &'a World,
    rest: &'a str,
    depth: usize,
}

const DEPTH: usize = 50;

impl Parser<'_> {
    fn took(&mut self, sign: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn or(&mut self) -> Result<f64, String> {
        let mut value = self.and()?;
        while self.took("||") {
            let right = self.and()?;
            value = f64::from(u8::from(value != 0.0 || right != 0.0));
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<f64, String> {
        let mut value = self.comparison()?;
        while self.took("&&") {
            let right = self.comparison()?;
            value = f64::from(u8::from(value != 0.0 && right != 0.0));
        }
        Ok(value)
    }

    fn comparison(&mut self) -> Result<f64, String> {
        let left = self.unary()?;
        for sign in ["<=", ">=", "==", "!=", "<", ">"] {
            if self.took(sign) {
                let right = self.unary()?;
                let holds = match sign {
                    "<=" => left <= right,
                    ">=" => left >= right,
                    "==" => left == right,
                    "!=" => left != right,
                    "<" => left < right,
                    _ => left > right,
                };
                return Ok(f64::from(u8::from(holds)));
            }
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<f64, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("the condition is too deep".to_owned());
        }
        let value = self.primary();
        self.depth -= 1;
        value
    }

    fn primary(&mut self) -> Result<f64, String> {
        if self.took("!") {
            return Ok(f64::from(u8::from(self.unary()? == 0.0)));
        }
        if self.took("(") {
            let value = self.or()?;
            return match self.took(")") {
                true => Ok(value),
                false => Err("a `)` is missing in the condition".to_owned()),
            };
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.')))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let truth = |held: bool| Ok(f64::from(u8::from(held)));
        match word {
            "version" => Ok(VERSION),
            "perl_version" => Ok(PERL),
            "local_tests_only" => Ok(1.0),
            "true" => Ok(1.0),
            "false" => Ok(0.0),
            "plugin" => {
                let name = self.argument()?;
                truth(self.world.has_plugin(&name))
            }
            "can" | "has" => {
                let name = self.argument()?;
                truth(self.world.can(&name))
            }
            number => number
                .parse()
                .map_err(|_| format!("cannot read `{number}` in the condition")),
        }
    }

    fn argument(&mut self) -> Result<String, String> {
        let open = self.took("(");
        let word = self.rest.trim_start();
        let end = word
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':')))
            .unwrap_or(word.len());
        let (name, rest) = word.split_at(end);
        self.rest = rest;
        if open && !self.took(")") {
            return Err("a `)` is missing in the condition".to_owned());
        }
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_plugins_and_abilities() {
        let world = World::default();
        for (condition, expected) in [
            ("version >= 3.004002", true),
            ("(version < 4.0)", false),
            ("plugin (Mail::SpamAssassin::Plugin::ReplaceTags)", true),
            (
                "!plugin(Mail::SpamAssassin::Plugin::DCC) && perl_version >= 5.010",
                true,
            ),
            ("can(Mail::SpamAssassin::Conf::feature_bug6558_free)", true),
            ("has(Some::Module::x) || !(1 > 2)", true),
            ("0", false),
        ] {
            assert_eq!(world.holds(condition), Ok(expected), "{condition}");
        }
        assert!(world.holds("version >").is_err());
        let mut own = World::default();
        own.plugins.insert("X::Y".to_owned());
        assert_eq!(own.holds("plugin(X::Y)"), Ok(true));
        assert_eq!(
            own.holds("plugin(Mail::SpamAssassin::Plugin::ReplaceTags)"),
            Ok(false)
        );
    }
}
