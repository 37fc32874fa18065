//! Promises of the filter in the chain, as it is configured.

use super::*;

fn built(yaml: &str, data_dir: &Path) -> Result<(Arc<dyn Filter>, Arc<Metrics>), String> {
    let source = Source::new("mailweir.yaml", yaml.to_owned());
    let options: Options = parse_yaml(&source).map_err(|p| p.to_string())?;
    let metrics = Arc::new(Metrics::new().unwrap());
    let filter = build(
        &options,
        &Build {
            source: &source,
            metrics: &metrics,
            base: data_dir,
            data_dir,
        },
    )
    .map_err(|p| p.to_string())?;
    Ok((filter, metrics))
}

async fn outcome(filter: &Arc<dyn Filter>, raw: Bytes) -> Outcome {
    let scan = Scan {
        envelope: Envelope::default(),
        mail: Mail::parse(raw, &Limits::default()),
        ..Scan::default()
    };
    filter.check().finish(Arc::new(scan)).await
}

#[tokio::test]
async fn without_a_model_messages_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let (filter, metrics) = built("{}", dir.path()).unwrap();
    assert_eq!(
        outcome(&filter, message(Class::Spam, 1)).await,
        Outcome::Skipped("no model")
    );
    assert_eq!(metrics.model_trained.get(), 0.0);
}

#[tokio::test]
async fn a_model_gives_one_hit_with_its_reasons() {
    let dir = tempfile::tempdir().unwrap();
    trained(EngineKind::Osb, 80, 90)
        .engine
        .save(&dir.path().join(MODEL))
        .unwrap();
    let (filter, metrics) = built("engine: osb", dir.path()).unwrap();
    filter.in_force(&metrics);
    assert_eq!(
        metrics.model_messages.with_label_values(&["spam"]).get(),
        90
    );
    assert_eq!(metrics.model_trained.get(), 1_700_000_000.0);

    let spam = outcome(&filter, message(Class::Spam, 1000)).await;
    let [hit] = spam.hits() else {
        panic!("{spam:?}")
    };
    assert_eq!(&*hit.rule, "BAYES_SPAM");
    assert!(hit.score > 1.0 && hit.score <= 6.0, "{hit:?}");
    assert!(
        SPAM.iter()
            .any(|w| hit.evidence.contains(&format!("text:{w}"))),
        "{hit:?}"
    );
    let ham = outcome(&filter, message(Class::Ham, 1000)).await;
    assert_eq!(&*ham.hits()[0].rule, "BAYES_HAM");
    assert!(ham.hits()[0].score < 0.0);

    let (strict, _) = built("min_messages: 81", dir.path()).unwrap();
    let unsure = outcome(&strict, message(Class::Spam, 1000)).await;
    assert_eq!(
        (&*unsure.hits()[0].rule, unsure.hits()[0].score),
        ("BAYES_UNSURE", 0.0)
    );
    assert_eq!(
        unsure.hits()[0].evidence,
        "80 ham and 90 spam learned, 81 of each needed"
    );

    let (flat, _) = built("scores: [[0, 0], [1, 0]]", dir.path()).unwrap();
    assert_eq!(
        &*outcome(&flat, message(Class::Spam, 1000)).await.hits()[0].rule,
        "BAYES_UNSURE"
    );
}

#[test]
fn problems_are_shown_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.mwb"), b"MWBAYES\0\x02\x00 cut off").unwrap();
    for (yaml, expected) in [
        ("engine: crm114", "crm114"),
        ("colour: red", "colour"),
        ("scores: [[0.5, 1], [0.4, 2]]", "mailweir.yaml:1:20"),
        ("scores: [[0.5, 1]]", "two points"),
        ("max_bytes: 10", "mailweir.yaml:1:12"),
        ("model: bad.mwb", "damaged"),
    ] {
        let error = built(yaml, dir.path())
            .err()
            .unwrap_or_else(|| panic!("{yaml} was taken"));
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}
