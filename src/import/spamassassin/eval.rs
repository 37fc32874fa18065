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
        "check_for_mime_html" => "part_type: { equals: text/html }".to_owned(),
        // Every other kind of text counts as the plain version.
        "check_for_mime_html_only" => concat!(
            "part_type: { equals: text/html }, ",
            "not: { part: { type: '(?i)^text', not: { type: '(?i)^text/html$' } } }"
        )
        .to_owned(),
        "check_for_mime" => match arguments.as_slice() {
            ["mime_attachment"] => mime_header("Content-Disposition", "attachment"),
            ["mime_base64_count"] => mime_header("Content-Transfer-Encoding", "base64"),
            _ => return None,
        },
        "html_test" if arguments == ["html"] => "part_type: { equals: text/html }".to_owned(),
        "check_body_length" => {
            let [most] = arguments.as_slice() else {
                return None;
            };
            format!("body_size: {{ at_most: {} }}", most.parse::<u32>().ok()?)
        }
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

fn mime_header(name: &str, word: &str) -> String {
    format!("sa_mime_header: {{ name: {name}, matches: '(?i){word}' }}")
}

/// Whether a function is one of the network, although its rule does not say so: DKIM keys are looked up. Without
/// the network SpamAssassin answers no.
pub(super) fn of_network(call: &str) -> bool {
    call.trim_start().starts_with("check_dkim_")
}

#[cfg(test)]
mod tests {
    use super::{condition, of_network};

    #[test]
    fn only_exact_equals_are_taken() {
        let counted = condition("check_header_count_range('Subject','2','999')").unwrap();
        assert!(counted.contains("at_least: 2, at_most: 999"), "{counted}");
        assert!(condition("check_all_trusted()").is_some());
        let short = condition("check_body_length('1024')").unwrap();
        assert_eq!(short, "body_size: { at_most: 1024 }");
        assert!(condition("check_for_mime('mime_attachment')").is_some());
        assert!(condition("check_for_mime('mime_qp_count')").is_none());
        assert!(condition("html_test('html')").is_some());
        assert!(condition("html_test('font_low_contrast')").is_none());
        assert!(of_network("check_dkim_dependable()") && !of_network("check_all_trusted()"));
        assert!(condition("check_rbl('a','b')").is_none() && condition("x").is_none());
    }
}
