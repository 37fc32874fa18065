//! What is told of a mistake in the configuration.

/// That `taken` is a refusal of `yaml` which points to `position` of `mailweir.yaml`, line and column, and says `words`.
#[track_caller]
pub(crate) fn shown<T>(yaml: &str, taken: Result<T, String>, position: &str, words: &str) {
    let Err(said) = taken else {
        panic!("taken: {yaml}");
    };
    assert!(
        said.contains(&format!("mailweir.yaml:{position}")),
        "{yaml}\n{said}"
    );
    assert!(said.contains(words), "{yaml}\n{said}");
}
