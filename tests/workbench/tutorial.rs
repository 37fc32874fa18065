//! docs/training.md is run: every command in it, in order, gives what the page says it gives.

use std::fs;
use std::process::Command;

use super::letters;
use super::place::Place;

/// The commands of the page: fenced blocks of the language `sh`.
fn commands(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line) {
            (false, "```sh") => {
                inside = true;
                blocks.push(String::new());
            }
            (true, "```") => inside = false,
            (true, line) => {
                let block: &mut String = blocks.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            _ => {}
        }
    }
    assert!(!inside);
    blocks
}

#[test]
fn the_tutorial_works_as_it_is_written() {
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/training.md")).unwrap();
    let blocks = commands(&page);
    assert!(blocks.len() >= 8, "{blocks:?}");
    let place = Place::new();
    letters::write(&place.path("mail/ham"), false, 0..200, 25);
    letters::write(&place.path("mail/spam"), true, 0..200, 25);
    // The page speaks of newer mail that is pinned, and of mail that came after the training.
    letters::write(&place.path("newer/ham"), false, 1000..1050, 25);
    letters::write(&place.path("newer/spam"), true, 1000..1050, 25);
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_mailweir"));
    let path = std::env::join_paths(
        std::iter::once(binary.parent().unwrap().to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    for block in blocks {
        let out = Command::new("sh")
            .args(["-eu", "-c", &block])
            .env("PATH", &path)
            .current_dir(place.path(""))
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{block}\n{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
    assert!(
        place.path("data/model.mwb").is_symlink(),
        "the tutorial ends without a model in force"
    );
    assert!(place.path("report.html").is_file());
}
