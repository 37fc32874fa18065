//! `mailweir model`: which model is in force, and what must never happen on the way.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::letters;
use super::place::Place;

/// Letters to learn, letters to pin, a good model in force.
fn place() -> Place {
    let place = Place::new();
    letters::write(&place.path("ham"), false, 0..120, 20);
    letters::write(&place.path("spam"), true, 0..120, 20);
    letters::write(&place.path("pin/ham"), false, 1000..1040, 20);
    letters::write(&place.path("pin/spam"), true, 1000..1040, 20);
    place.ok("model --data-dir data pin --ham pin/ham --spam pin/spam");
    place.ok("train --ham ham --spam spam --data-dir data --promote");
    place
}

fn live(place: &Place) -> String {
    let list = place.json("model --data-dir data list --json");
    list["live"]
        .as_str()
        .unwrap_or_else(|| panic!("{list}"))
        .to_owned()
}

#[test]
fn a_worse_model_is_kept_aside_with_the_reason_and_a_forced_one_can_be_taken_back() {
    let place = place();
    let good = live(&place);
    let before = fs::read(place.path("data/model.mwb")).unwrap();
    // Labels the wrong way round.
    place.ok("train --ham spam --spam ham --model bad.mwb");
    let said = place.run("model --data-dir data promote bad.mwb");
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    assert!(said.out.contains("is kept aside: it loses"), "{}", said.out);
    assert_eq!(live(&place), good);
    assert_eq!(fs::read(place.path("data/model.mwb")).unwrap(), before);
    let list = place.ok("model --data-dir data list");
    assert!(
        list.contains("kept aside") && list.contains("it loses"),
        "{list}"
    );

    let said = place.run("model --data-dir data promote bad.mwb --force");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert_ne!(live(&place), good);
    assert_eq!(
        fs::read(place.path("data/model.mwb")).unwrap(),
        fs::read(place.path("bad.mwb")).unwrap()
    );
    place.ok("model --data-dir data rollback");
    assert_eq!(live(&place), good);
    assert_eq!(fs::read(place.path("data/model.mwb")).unwrap(), before);
    let show = place.ok("model --data-dir data show");
    assert!(show.contains("rolled back"), "{show}");
    let said = place.run("model --data-dir data rollback");
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("no model before"), "{}", said.err);
}

#[test]
fn a_model_that_is_as_good_goes_live_and_what_changed_can_be_seen() {
    let place = place();
    let first = live(&place);
    letters::write(&place.path("ham"), false, 200..260, 20);
    letters::write(&place.path("spam"), true, 200..260, 20);
    place.ok("train --ham ham --spam spam --data-dir data --promote");
    assert_ne!(live(&place), first);
    let diff = place.ok("model --data-dir data diff previous live");
    assert!(diff.contains("messages are called differently"), "{diff}");
    assert!(
        diff.contains("120 ham and 120 spam") && diff.contains("180 ham and 180 spam"),
        "{diff}"
    );
    assert!(!place.path("data/models").read_dir().unwrap().any(|e| {
        e.unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("candidate")
    }));
}

/// Break it by removing what the book does not know whatever its name, or while the process is there.
#[test]
fn what_a_dead_process_left_goes_before_the_next_training_and_nothing_else() {
    let place = place();
    let models = place.path("data/models");
    let kept = live(&place);
    let own_candidate = format!("candidate.{}", std::process::id());
    let leftovers = [
        "20200101-0123abcd.mwb",
        "20200101-0123abcd.mwb.7.0.tmp",
        "20200101-0123abcd.evaluation.json",
        "20200101-0123abcd.evaluation.json.7.0.tmp",
        "book.json.7.0.tmp",
        "candidate.4294967295",
        "candidate.4294967295.4294967295.0.tmp",
    ];
    let others = ["mine.mwb", "20200101-0123abcd.txt", own_candidate.as_str()];
    for name in leftovers.iter().chain(&others) {
        fs::write(models.join(name), "x").unwrap();
    }
    let said = place.run("train --ham ham --spam spam --data-dir data --promote");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for name in leftovers {
        assert!(!models.join(name).exists(), "{name}");
        assert!(said.err.contains(name), "{name} in {}", said.err);
    }
    for name in others {
        assert!(models.join(name).exists(), "{name}");
    }
    assert!(models.join(format!("{kept}.mwb")).exists());
    // What the training came to lies beside the model.
    let evaluation = format!("{}.evaluation.json", live(&place));
    assert!(models.join(evaluation).exists());
    // Where the book is gone, models are not taken for leftovers.
    fs::remove_file(models.join("book.json")).unwrap();
    fs::write(models.join("20200101-0123abcd.mwb"), "x").unwrap();
    let live = fs::canonicalize(place.path("data/model.mwb")).unwrap();
    fs::remove_file(place.path("data/model.mwb")).unwrap();
    place.ok("train --ham ham --spam spam --data-dir data --promote");
    assert!(live.exists() && models.join("20200101-0123abcd.mwb").exists());
}

#[test]
fn pinned_messages_are_never_learned() {
    let place = place();
    letters::write(&place.path("ham"), false, 1000..1010, 20);
    letters::write(&place.path("spam"), true, 1000..1005, 20);
    let out = place.ok("train --ham ham --spam spam --data-dir data --promote");
    assert!(out.contains("learned      120 ham, 120 spam"), "{out}");
    assert!(out.contains("15 kept to test with"), "{out}");
}

#[test]
fn without_a_validation_set_or_with_a_changed_one_nothing_is_promoted() {
    let place = Place::new();
    letters::write(&place.path("ham"), false, 0..60, 20);
    letters::write(&place.path("spam"), true, 0..60, 20);
    letters::write(&place.path("few"), true, 70..75, 20);
    place.ok("train --ham ham --spam spam --model a.mwb");
    place.ok("train --ham ham --spam spam --model b.mwb --seed 2");
    place.ok("model --data-dir data promote a.mwb");
    let refused = |line: &str, why: &str| {
        let said = place.run(line);
        assert_eq!(said.code, 1, "{line}: {}{}", said.out, said.err);
        assert!(said.err.contains(why), "{line}: {}", said.err);
    };
    let first = live(&place);
    refused(
        "model --data-dir data promote b.mwb",
        "no validation set is pinned",
    );
    refused(
        "model --data-dir data pin --ham ham --spam few",
        "needs 20 different messages of each class",
    );
    refused(
        "model --data-dir data pin --ham ham spam --spam spam",
        "lies under both labels",
    );
    let left = place.path("data/models/validation.new");
    assert!(!left.exists(), "copies of mail are left lying about");
    place.ok("model --data-dir data pin --ham ham --spam spam");
    refused(
        "model --data-dir data pin --ham ham --spam spam",
        "pinned already",
    );
    place.ok("model --data-dir data pin --ham ham --spam spam --replace");
    let one = place
        .path("data/models/validation/ham")
        .read_dir()
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    fs::write(one.path(), "Subject: another\n\n").unwrap();
    refused(
        "model --data-dir data promote b.mwb",
        "was changed since it was pinned",
    );
    refused(
        "model --data-dir data promote ham/0001.eml",
        "this is no mailweir model",
    );
    refused(
        "model --data-dir data promote 1999",
        "there is no model \"1999\"",
    );
    place.ok("train --ham ham --spam spam --engine bayespam --model c.json");
    refused(
        "model --data-dir data promote c.json",
        "a model of the engine bayespam",
    );
    assert_eq!(live(&place), first);
    fs::write(place.path("data/models/book.json"), "{").unwrap();
    refused("model --data-dir data promote b.mwb", "book.json");
}

#[test]
fn a_model_that_was_put_there_by_hand_is_not_lost() {
    let place = place();
    letters::write(&place.path("ham"), false, 300..310, 20);
    // Whoever trains straight to the daemon's path replaces the link.
    place.ok("train --ham ham --spam spam --model data/model.mwb");
    let by_hand = fs::read(place.path("data/model.mwb")).unwrap();
    let list = place.ok("model --data-dir data list");
    assert!(list.contains("was not promoted"), "{list}");
    place.ok("train --ham ham --spam spam --seed 3 --model c.mwb");
    place.ok("model --data-dir data promote c.mwb --force");
    place.ok("model --data-dir data rollback");
    assert_eq!(fs::read(place.path("data/model.mwb")).unwrap(), by_hand);
}

#[test]
fn many_at_once_leave_one_whole_model_in_force_and_a_book_that_agrees() {
    let place = place();
    for seed in 10..16 {
        place.ok(&format!(
            "train --ham ham --spam spam --seed {seed} --model {seed}.mwb"
        ));
    }
    let children: Vec<Child> = (10..16)
        .map(|seed| {
            place
                .command(&format!("model --data-dir data promote {seed}.mwb --force"))
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    // A reader never finds the path empty or half.
    for _ in 0..200 {
        assert!(
            fs::read(place.path("data/model.mwb"))
                .unwrap()
                .starts_with(b"MWBAYES\0")
        );
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let list = place.json("model --data-dir data list --json");
    assert_eq!(list["models"].as_array().unwrap().len(), 7);
    let history = list["history"].as_array().unwrap();
    assert_eq!(history.len(), 7);
    assert!(
        history.windows(2).all(|w| w[1]["from"] == w[0]["to"]),
        "{history:?}"
    );
    assert_eq!(history[6]["to"], list["live"]);
}

#[test]
fn old_models_go_but_never_the_one_in_force_nor_the_one_before() {
    let place = place();
    for seed in 10..14 {
        place.ok(&format!(
            "train --ham ham --spam spam --seed {seed} --model m.mwb"
        ));
        place.ok("model --data-dir data promote m.mwb --force --keep 2");
    }
    let list = place.json("model --data-dir data list --json");
    let ids: Vec<&str> = list["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(
        ids.contains(&list["live"].as_str().unwrap())
            && ids.contains(&list["previous"].as_str().unwrap())
    );
    let count = |end: &str| {
        let files = place.path("data/models").read_dir().unwrap();
        let names = files.map(|f| f.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(end)).count()
    };
    assert_eq!(count(".mwb"), 2);
    // What the training of the others came to has gone with them.
    assert_eq!(count(".evaluation.json"), 2);
}

/// The daemon must be able to read and to replace what root has made. Break it by handing over folders only.
#[test]
fn what_root_makes_belongs_to_the_owner_of_the_data_folder() {
    use std::os::unix::fs::MetadataExt;
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let place = place();
    let owner = nix::unistd::Uid::from_raw(65_534);
    let data = place.path("data");
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir(&data).unwrap();
    nix::unistd::chown(&data, Some(owner), None).unwrap();
    place.ok("model --data-dir data pin --ham pin/ham --spam pin/spam");
    place.ok("train --ham ham --spam spam --data-dir data --promote");
    place.ok("learn spam pin/spam --data-dir data");
    let mut waiting = vec![data];
    let mut files = 0;
    while let Some(path) = waiting.pop() {
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.uid(), owner.as_raw(), "{path:?}");
        files += 1;
        if found.is_dir() {
            waiting.extend(path.read_dir().unwrap().map(|e| e.unwrap().path()));
        }
    }
    assert!(files > 40, "{files}");
}

/// The promotion is done by then, so it must not be called a failure.
#[test]
fn a_model_that_somebody_removed_needs_no_removing() {
    let place = place();
    for seed in 10..13 {
        place.ok(&format!(
            "train --ham ham --spam spam --seed {seed} --model m.mwb"
        ));
        let list = place.json("model --data-dir data list --json");
        if let Some(previous) = list["previous"].as_str() {
            fs::remove_file(place.path(format!("data/models/{previous}.mwb"))).unwrap();
        }
        place.ok("model --data-dir data promote m.mwb --force --keep 2");
    }
}

/// Break it by rolling back to whatever can be loaded.
#[test]
fn nobody_goes_back_to_a_model_that_the_daemon_would_refuse() {
    let place = place();
    let good = live(&place);
    fs::write(
        place.path("other.yaml"),
        "chain: [bayes]\ndata_dir: data\nbayes: { engine: bayespam }\n",
    )
    .unwrap();
    place.ok("train --ham ham --spam spam --engine bayespam --model c.json");
    place.ok("model --config other.yaml promote c.json --force");
    let other = live(&place);
    let said = place.run("model --config other.yaml rollback");
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        said.err.contains("a model of the engine osb"),
        "{}",
        said.err
    );
    assert_eq!(live(&place), other);
    place.ok("model --data-dir data rollback");
    assert_eq!(live(&place), good);
}

/// Break it by removing old models only where one was put into force.
#[test]
fn models_that_are_kept_aside_do_not_fill_the_disk() {
    let place = place();
    let good = live(&place);
    for seed in 10..14 {
        place.ok(&format!(
            "train --ham spam --spam ham --seed {seed} --model bad.mwb"
        ));
        let said = place.run("model --data-dir data promote bad.mwb --keep 2");
        assert_eq!(said.code, 3, "{}{}", said.out, said.err);
        let id = said.out.split(" is kept aside").next().unwrap();
        let id = id.lines().last().unwrap();
        let list = place.json("model --data-dir data list --json");
        let models = list["models"].as_array().unwrap();
        let ids: Vec<&str> = models.iter().map(|m| m["id"].as_str().unwrap()).collect();
        assert_eq!(
            ids,
            [good.as_str(), id],
            "the one in force, and the one just tried"
        );
    }
}

/// Break it by taking what lies beside a model whatever it is of, or by leaving it there.
#[test]
fn what_a_training_into_a_file_came_to_goes_into_the_folder_with_the_model() {
    let place = place();
    let evaluated = |id: &str| {
        let file = place.path(format!("data/models/{id}.evaluation.json"));
        let text = fs::read(file).ok()?;
        Some(serde_json::from_slice::<serde_json::Value>(&text).unwrap())
    };
    place.ok("train --ham ham --spam spam --seed 5 --model other.mwb");
    place.ok("model --data-dir data promote other.mwb --force");
    let of_other = evaluated(&live(&place)).expect("kept");
    assert_eq!(
        (&of_other["ham"], &of_other["spam"]),
        (&120.into(), &120.into())
    );
    // Of another model, or of none that could be evaluated.
    place.ok("train --ham ham --spam spam --seed 6 --model next.mwb");
    fs::copy(
        place.path("other.mwb.evaluation.json"),
        place.path("next.mwb.evaluation.json"),
    )
    .unwrap();
    place.ok("model --data-dir data promote next.mwb --force");
    assert_eq!(evaluated(&live(&place)), None);
    letters::write(&place.path("few"), true, 0..5, 20);
    place.ok("train --ham ham --spam few --model next.mwb");
    assert!(!place.path("next.mwb.evaluation.json").exists());
    // Straight to the daemon's path.
    place.ok("train --ham ham --spam spam --seed 8 --model data/model.mwb");
    place.ok("model --data-dir data promote other.mwb --force");
    let list = place.json("model --data-dir data list --json");
    let by_hand = list["previous"].as_str().unwrap();
    assert!(evaluated(by_hand).is_some(), "{list}");
}

#[test]
fn a_model_that_knows_the_pinned_messages_by_heart_is_kept_aside() {
    let place = place();
    let good = live(&place);
    letters::write(&place.path("ham"), false, 1000..1010, 20);
    place.ok("train --ham ham --spam spam --model heart.mwb");
    let said = place.run("model --data-dir data promote heart.mwb");
    assert_eq!(said.code, 3, "{}", said.out);
    assert!(
        said.out
            .contains("it has learned 10 of the pinned messages"),
        "{}",
        said.out
    );
    assert_eq!(live(&place), good);
}

#[test]
fn whoever_is_killed_in_the_middle_leaves_a_model_in_force() {
    let place = place();
    place.ok("train --ham ham --spam spam --seed 5 --model other.mwb");
    for spins in 0..12_u32 {
        let mut child = place
            .command(if spins % 2 == 0 {
                "model --data-dir data promote other.mwb --force"
            } else {
                "model --data-dir data rollback"
            })
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..spins * 20_000 {
            std::hint::spin_loop();
            if matches!(child.try_wait(), Ok(Some(_))) {
                break;
            }
        }
        let _ = child.kill();
        child.wait().unwrap();
        assert!(
            fs::read(place.path("data/model.mwb"))
                .unwrap()
                .starts_with(b"MWBAYES\0")
        );
        live(&place);
    }
    place.ok("model --data-dir data promote other.mwb --force");
    let list = place.json("model --data-dir data list --json");
    let history = list["history"].as_array().unwrap();
    assert_eq!(history.last().unwrap()["to"], list["live"]);
    let link = fs::read_dir(place.path("data")).unwrap().filter(|e| {
        e.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with(".link")
    });
    assert!(link.count() <= 12);
}

struct Daemon(Child, String);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    fn start(place: &Place) -> Daemon {
        fs::write(
            place.path("mailweir.yaml"),
            "chain: [bayes]\ndata_dir: data\nmilter: { listen: [\"127.0.0.1:0\"] }\nhttp: { listen: \"127.0.0.1:0\" }\nlog: { level: error }\n",
        )
        .unwrap();
        let mut child = place
            .command("serve --config mailweir.yaml")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let metrics = lines
            .find_map(|l| {
                l.unwrap()
                    .strip_prefix("metrics: http://")
                    .map(str::to_owned)
            })
            .expect("the daemon has ended");
        Daemon(child, metrics.trim_end_matches("/metrics").to_owned())
    }

    fn metric(&self, name: &str) -> Option<f64> {
        let mut stream = TcpStream::connect(&self.1).unwrap();
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.map(|v| v.parse().unwrap())
    }

    fn hang_up_and_wait_for(&self, name: &str, value: f64) {
        let sent = Command::new("kill")
            .args(["-HUP", &self.0.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while self.metric(name) != Some(value) {
            assert!(
                std::time::Instant::now() < deadline,
                "{name} is {:?}, not {value}",
                self.metric(name)
            );
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_running_daemon_takes_the_promoted_model_and_goes_back() {
    let place = place();
    let daemon = Daemon::start(&place);
    let ham = "mailweir_model_messages{class=\"ham\"}";
    assert_eq!(daemon.metric(ham), Some(120.0));
    letters::write(&place.path("ham"), false, 400..450, 20);
    letters::write(&place.path("spam"), true, 400..450, 20);
    place.ok("train --config mailweir.yaml --ham ham --spam spam --promote");
    daemon.hang_up_and_wait_for(ham, 170.0);
    place.ok("model --config mailweir.yaml rollback");
    daemon.hang_up_and_wait_for(ham, 120.0);
}
