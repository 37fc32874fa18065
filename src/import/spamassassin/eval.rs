//! `eval:` functions that have an exact equal among the places of mailweir, and are cheap.

/// The condition (YAML, one line) for a call such as `check_for_mime_html()`; `None` where there is none.
pub(super) fn condition(call: &str) -> Option<String> {
    let (name, arguments) = call.split_once('(')?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    let arguments: Vec<&str> = arguments
        .split(',')
        .map(|a| a.trim().trim_matches(['\'', '"']))
        .collect();
    Some(match name.trim() {
        "check_for_missing_to_header" => {
            "all: [{ not: { sa_header: { name: To, exists: true } } }, { not: { sa_header: { name: Apparently-To, exists: true } } }]".to_owned()
        }
        "check_no_relays" => concat!(
            "all: [{ not: { sa_header: { name: X-Spam-Relays-Untrusted, matches: 'ip=' } } }, ",
            "{ not: { sa_header: { name: X-Spam-Relays-Trusted, matches: 'ip=' } } }, ",
            "{ not: { sa_header: { name: X-Spam-Relays-Unparseable, exists: true } } }]"
        )
        .to_owned(),
        "check_all_trusted" => concat!(
            "all: [{ sa_header: { name: X-Spam-Relays-Trusted, matches: 'ip=' } }, ",
            "{ not: { sa_header: { name: X-Spam-Relays-Untrusted, matches: 'ip=' } } }, ",
            "{ not: { sa_header: { name: X-Spam-Relays-Unparseable, exists: true } } }]"
        )
        .to_owned(),
        "check_header_count_range" => {
            let [name, low, high] = arguments.as_slice() else {
                return None;
            };
            let valid = name
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'\'' && b != b':');
            let (low, high) = (low.parse::<u64>().ok()?, high.parse::<u64>().ok()?);
            (valid && low <= high).then(|| {
                format!(
                    "header: {{ name: '{name}', count: {{ at_least: {low}, at_most: {high} }} }}"
                )
            })?
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::condition;

    #[test]
    fn only_exact_equals_are_taken() {
        let counted = condition("check_header_count_range('Subject','2','999')").unwrap();
        assert!(counted.contains("at_least: 2, at_most: 999"), "{counted}");
        assert!(condition("check_all_trusted()").is_some());
        assert!(condition("check_rbl('a','b')").is_none() && condition("x").is_none());
    }
}
