//! The well-known lists that are shipped to copy from.

use mailweir::config::{Config, Overrides};

use super::*;

const SHIPPED: &str = include_str!("../../docs/dnsbl-zones.yaml");

fn check(text: &str, keys: bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mailweir.yaml");
    std::fs::write(&file, text).unwrap();
    if keys {
        for key in ["spamhaus.key", "abusix.key"] {
            std::fs::write(folder.path().join(key), "0123456789abcdef\n").unwrap();
        }
    }
    let config = Config::load(Some(&file), &Overrides::default()).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let options = dns::Options::default();
    let dns = Dns::new(&options, &config.source, &metrics).unwrap();
    let context = Build {
        source: &config.source,
        metrics: &metrics,
        base: folder.path(),
        data_dir: folder.path(),
    };
    let _filter = build(&config.file.dnsbl, &dns, &context).unwrap_or_else(|p| panic!("{p}"));
    let exported = String::from_utf8(metrics.encode().unwrap()).unwrap();
    exported.matches("mailweir_dnsbl_up{").count()
}

#[test]
fn the_shipped_lists_are_in_order_and_those_with_terms_are_off() {
    let all = SHIPPED.matches("\n    - zone: ").count();
    let off = SHIPPED.matches("enabled: false\n").count();
    assert!(all >= 15 && off >= 10, "{off} of {all}");
    assert_eq!(check(SHIPPED, false), all - off);
    let on = SHIPPED.replace("      enabled: false\n", "");
    assert_eq!(check(&on, true), all);
    // What needs a key or says so is off; each operator's terms are told.
    for entry in SHIPPED.split("\n    - ").skip(1) {
        let zone = entry.lines().next().unwrap();
        if entry.contains("key_file") {
            assert!(entry.contains("enabled: false"), "{zone}");
        }
    }
    assert!(SHIPPED.matches("Terms:").count() >= 12);
}
