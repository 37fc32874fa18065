//! The rules that come with mailweir, compiled in so that one binary is enough.

/// Name and text of each file, in the order of the names.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "attachments.yaml",
        include_str!("../../../rules/attachments.yaml"),
    ),
    ("headers.yaml", include_str!("../../../rules/headers.yaml")),
    ("offers.yaml", include_str!("../../../rules/offers.yaml")),
    (
        "phishing.yaml",
        include_str!("../../../rules/phishing.yaml"),
    ),
    ("scams.yaml", include_str!("../../../rules/scams.yaml")),
    (
        "structure.yaml",
        include_str!("../../../rules/structure.yaml"),
    ),
    ("urls.yaml", include_str!("../../../rules/urls.yaml")),
];
