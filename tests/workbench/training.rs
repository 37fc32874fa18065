//! `mailweir train`: the same mail gives the same model however it lies there.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;

use mailweir::filter::bayes::{Class, EngineKind, Facts, Trainer};
use mailweir::mail::corpus::Sample;
use mailweir::workbench::evaluation::Evaluation;

use super::letters::{self, letter};
use super::place::{Place, Said};

/// Letters as one mbox.
fn mbox(spam: bool, numbers: impl Iterator<Item = u64>, own: u64) -> Vec<u8> {
    let mut all = String::new();
    for number in numbers {
        let _ = write!(
            all,
            "From w@example.net Mon Jan  1 10:00:00 2024\n{}\n",
            letter(spam, number, own)
        );
    }
    all.into_bytes()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The bytes of the model that is trained from `ham` and `spam` in a place.
fn model(place: &Place, cores: &str) -> Vec<u8> {
    let said = place
        .command("train --ham ham --spam spam --model m.mwb")
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env("RAYON_NUM_THREADS", cores)
        .output()
        .unwrap();
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    fs::read(place.path("m.mwb")).unwrap()
}

#[test]
fn folder_maildir_mbox_and_packed_mbox_give_the_same_model_on_any_number_of_cores() {
    let folder = Place::new();
    letters::write(&folder.path("ham"), false, 0..60, 20);
    letters::write(&folder.path("spam"), true, 0..60, 20);
    let expected = model(&folder, "1");
    assert!(expected == model(&folder, "4"), "cores change the model");

    let maildir = Place::new();
    for (name, spam) in [("ham", false), ("spam", true)] {
        for sub in ["cur", "new", "tmp"] {
            fs::create_dir_all(maildir.path(name).join(sub)).unwrap();
        }
        for number in 0..60 {
            let sub = if number % 2 == 0 { "cur" } else { "new" };
            let file = maildir
                .path(name)
                .join(sub)
                .join(format!("17{number}.M1.host:2,S"));
            fs::write(file, letter(spam, number, 20)).unwrap();
        }
        fs::write(maildir.path(name).join("tmp/half"), letter(spam, 99, 20)).unwrap();
    }
    assert!(
        expected == model(&maildir, "2"),
        "a Maildir changes the model"
    );

    let boxes = Place::new();
    fs::write(boxes.path("ham"), mbox(false, 0..60, 20)).unwrap();
    fs::write(boxes.path("spam"), packed(&mbox(true, (0..60).rev(), 20))).unwrap();
    assert!(expected == model(&boxes, "3"), "mboxes change the model");
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_learned() {
    let place = Place::new();
    letters::write(&place.path("ham"), false, 0..30, 20);
    letters::write(&place.path("spam"), true, 0..30, 20);
    let mut cut = packed(letter(true, 77, 20).repeat(50).as_bytes());
    cut.truncate(cut.len() / 2);
    fs::write(place.path("spam/cut\u{1b}[31m.eml.gz"), cut).unwrap();
    let said = place.run("train --ham ham --spam spam --model m.mwb");
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.err.contains("left out: spam/cut\\u{1b}[31m.eml.gz: "),
        "{}",
        said.err
    );
    assert!(
        said.out.contains("30 ham, 30 spam") && said.out.contains("1 not readable"),
        "{}",
        said.out
    );
    let said = place.run("train --ham none --spam spam --model n.mwb");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("cannot read none"), "{}", said.err);
    assert!(!place.path("n.mwb").exists());
}

#[test]
fn messages_kept_to_test_with_are_not_learned_nor_near_copies_of_them() {
    let place = Place::new();
    letters::write(&place.path("ham"), false, 0..40, 20);
    letters::write(&place.path("spam"), true, 0..40, 20);
    letters::write(&place.path("kept"), false, 0..3, 20);
    let near = letter(true, 7, 20).replace("letter 7", "letter seven");
    fs::write(place.path("kept/near.eml"), near).unwrap();
    let out = place.ok("train --ham ham --spam spam --leave-out kept --model m.mwb");
    assert!(out.contains("learned      37 ham, 39 spam"), "{out}");
    assert!(out.contains("4 kept to test with"), "{out}");
}

/// The exit code tells whether the model was written. Break it by writing the model before the test mail is read.
#[test]
fn a_training_that_fails_at_its_end_leaves_the_model_before() {
    let place = Place::new();
    letters::write(&place.path("ham"), false, 0..40, 20);
    letters::write(&place.path("spam"), true, 0..40, 20);
    fs::create_dir(place.path("empty")).unwrap();
    fs::write(place.path("m.mwb"), "the one before").unwrap();
    let said =
        place.run("train --ham ham --spam spam --model m.mwb --test-ham empty --test-spam spam");
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.err.contains("no ham to test with"), "{}", said.err);
    assert_eq!(fs::read(place.path("m.mwb")).unwrap(), b"the one before");
}

/// Break it by finding out when the work is done: then the damaged item is named first.
#[test]
fn what_cannot_be_written_is_told_before_the_mail_is_read() {
    let place = Place::new();
    letters::write(&place.path("ham"), false, 0..40, 20);
    letters::write(&place.path("spam"), true, 0..40, 20);
    place.ok("train --ham ham --spam spam --data-dir data --promote");
    fs::write(place.path("ham/cut.eml.gz"), b"\x1f\x8bcut").unwrap();
    let sorted = "--ham ham --spam spam";
    for (line, why) in [
        ("train --model no/m.mwb", "cannot write no/m.mwb"),
        ("evaluate --html no/page.html", "cannot write no/page.html"),
        ("evaluate --scores no/s.csv", "cannot write no/s.csv"),
        (
            "train --data-dir data --promote",
            "no validation set is pinned",
        ),
    ] {
        let said = place.run(&format!("{line} {sorted}"));
        assert_eq!(said.code, 1, "{line}: {}", said.err);
        assert!(said.err.contains(why), "{line}: {}", said.err);
        assert!(!said.err.contains("left out"), "{line}: {}", said.err);
    }
}

#[test]
fn a_data_folder_may_have_any_name() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    letters::write(&place.path("ham"), false, 0..40, 20);
    letters::write(&place.path("spam"), true, 0..40, 20);
    let folder = std::ffi::OsStr::from_bytes(b"data-\xe9");
    let mut command = place.command("train --ham ham --spam spam --promote --data-dir");
    let said: Said = command.arg(folder).output().unwrap().into();
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(place.path(folder).join("model.mwb").is_file());
}

/// Near copies of a mailing are one observation. Break it by giving each message of the training a unit of its own.
#[test]
fn intervals_of_a_training_draw_near_copies_together() {
    let mut trainer = Trainer::new(EngineKind::Osb);
    for (class, spam) in [(Class::Ham, false), (Class::Spam, true)] {
        let letters = (0..40).flat_map(|number| (0..4).map(move |copy| (number, copy)));
        let samples = letters.map(|(number, copy)| Sample {
            path: format!("{class}/{number}-{copy}").into(),
            number: None,
            raw: format!("{}word{copy}\n", letter(spam, number, 6)).into(),
        });
        trainer.learn(class, samples.collect());
    }
    let trained = trainer.finish(Facts::default()).unwrap();
    let evaluation = Evaluation::of_training(&trained).unwrap();
    assert_eq!(evaluation.members.len(), 320);
    assert!(trained.read.near_copies > 200, "{:?}", trained.read);
    assert_eq!(evaluation.near_copies(), trained.read.near_copies);
}
