use super::*;
use proptest::prelude::*;

/// A = 1, B = 0, C = 2, D = 3; others 0.
fn value(text: &str) -> Option<f64> {
    parse(text)
        .unwrap_or_else(|e| panic!("{text}: {e:?}"))
        .value(&mut |name| match name.text.as_str() {
            "A" => 1.0,
            "C" => 2.0,
            "D" => 3.0,
            _ => 0.0,
        })
}

/// Expected values are what perl 5.38 prints for the same text with numbers in place of the names.
#[test]
fn formulas_mean_what_perl_means() {
    for (text, expected) in [
        ("A", 1.0),
        ("A + B + 2*C > 3", 1.0),
        ("A && (B || !C)", 0.0),
        ("A && C", 2.0),
        ("B || D || A", 3.0),
        ("(A || D) + C", 3.0),
        ("!A + 1", 1.0),
        ("!(A + 1)", 0.0),
        ("-C + 5", 3.0),
        ("A -1", 0.0),
        ("A-1", 0.0),
        ("10 - 4 - 3", 3.0),
        ("2 + 3 * 4", 14.0),
        ("(2 + 3) * 4", 20.0),
        ("7 / 2", 3.5),
        ("7 % 3", 1.0),
        ("-7 % 3", 2.0),
        ("C ^ D", 1.0),
        ("A ^ B", 1.0),
        ("A ^ A", 0.0),
        ("-2 ^ 1", 18_446_744_073_709_551_615.0),
        ("C == 2", 1.0),
        ("C != 2", 0.0),
        ("A + C >= D", 1.0),
        ("D <= 2", 0.0),
        ("1 < 2 == 1", 1.0),
        ("B ? 5 : C ? 6 : 7", 6.0),
        ("A?C:D", 2.0),
        ("!!C", 1.0),
        ("A && B == 0", 1.0),
        ("(A + B + C + D > 2) && !B", 1.0),
        (".5 + 1.25", 1.75),
        ("1 || 1 / 0", 1.0),
    ] {
        assert_eq!(value(text), Some(expected), "{text}");
    }
    assert_eq!(value("A / B"), None);
    assert_eq!(value("A % B"), None);
}

#[test]
fn a_value_may_be_settled_before_all_names_are_known() {
    for (text, expected) in [
        ("A && X", Some(0.0)),
        ("X && A", Some(0.0)),
        ("A || X", None),
        ("!A", Some(1.0)),
        ("A + A > 1", Some(0.0)),
        ("A + X > 1", None),
        ("A ? X : 2", Some(2.0)),
        ("(A || A) && !X", Some(0.0)),
        ("1 / X", None),
        ("T + T > 1", None),
        ("T + T > 2", Some(0.0)),
        ("T + T + 1 > 0", Some(1.0)),
        ("T == 2", Some(0.0)),
        ("X && (T > 1)", Some(0.0)),
        ("T ^ T", None),
    ] {
        let known = &mut |name: &Name| match name.text.as_str() {
            "A" => Interval::only(0.0),
            "T" => Interval::TRUTH,
            _ => Interval::ANY,
        };
        let range = parse(text).unwrap().range(known);
        let settled = (range.at_least == range.at_most).then_some(range.at_least);
        assert_eq!(settled, expected, "{text}");
    }
    assert!(
        parse("A / X").is_ok_and(|f| !f.is_total()) && parse("A * X").is_ok_and(|f| f.is_total())
    );
}

proptest! {
    /// Break it by taking the wrong end of an interval.
    #[test]
    fn the_value_lies_in_its_range(
        text in r"(?:!?[ABCD]|-?[ABCD]|[0-3]|\([ABCD] [-+*<>] [ABCD]\)|\([ABCD] \? [ABCD] : 2\))(?: (?:\|\||&&|\^|==|!=|<=|>=|<|>|\+|-|\*) (?:!?[ABCD]|[0-3]|\([ABCD] (?:&&|\|\|) [ABCD]\))){1,5}",
        bounds in proptest::array::uniform4((-2_i8..3, 0_i8..3)),
        within in proptest::array::uniform4(0.0_f64..1.0),
    ) {
        let Ok(formula) = parse(&text) else {
            return Ok(());
        };
        let number = |name: &Name| usize::from(name.text.as_bytes()[0] - b'A');
        let ends = |n: usize| (f64::from(bounds[n].0), f64::from(bounds[n].0 + bounds[n].1));
        let range = formula.range(&mut |name| {
            let (least, most) = ends(number(name));
            Interval::new(least, most)
        });
        let value = formula.value(&mut |name| {
            let (least, most) = ends(number(name));
            (least + (most - least) * within[number(name)]).round()
        });
        prop_assert!(value.is_none_or(|v| range.contain(v)), "{} {:?} {:?}", text, value, range);
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    for (text, at) in [
        ("", 0..1),
        ("A +", 2..3),
        ("A B", 2..3),
        ("(A", 1..2),
        ("A & B", 2..3),
        ("A + ) B", 4..5),
        ("A > 1.2.3", 4..9),
        ("A ? B", 4..5),
    ] {
        assert_eq!(parse(text).unwrap_err().span, at, "{text}");
    }
    assert!(parse(&"(".repeat(1000)).is_err());
    assert!(parse(&"!".repeat(1000)).is_err());
    assert!(parse(&"A+".repeat(10_000)).is_err());
    let long = ["A"; 2000].join("+");
    assert_eq!(value(&long), Some(2000.0));
}
