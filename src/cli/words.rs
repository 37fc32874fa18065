//! Words on the command line, each of which stands for one of a few values.

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Takes one of `all` by its `name`; help, completions and complaints list the names.
pub(super) fn one_of<T>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.iter().map(|value| name(*value))).try_map(move |word| {
        let mut all = all.iter().copied();
        all.find(|value| name(*value) == word)
            .ok_or("there is no such word")
    })
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;
    use crate::filter::Action;

    #[test]
    fn each_value_has_its_word_and_no_other_word_is_taken() {
        let parse = |word: &str| {
            let arg = Arg::new("verdict").value_parser(one_of(&Action::ALL, Action::name));
            let found = Command::default()
                .arg(arg)
                .try_get_matches_from(["x", word]);
            found.map(|found| found.get_one::<Action>("verdict").copied())
        };
        for action in Action::ALL {
            assert_eq!(parse(action.name()).unwrap(), Some(action));
        }
        let said = parse("refuse").unwrap_err().to_string();
        assert!(said.contains("deliver, tag, quarantine"), "{said}");
    }
}
