//! Promises about learning message by message.

use super::*;

fn mail(class: Class, number: u64) -> Mail {
    Mail::parse(message(class, number), &Limits::default())
}

fn learner(engine: Engine) -> Learner {
    Learner::new(engine, true).unwrap()
}

#[test]
fn a_learner_gets_better_message_by_message_from_nothing() {
    let mut learner = Learner::empty();
    let first = learner.classify(&mail(Class::Spam, 500));
    assert_eq!(first.probability, 0.5, "nothing is known, nothing is said");
    for number in 0..60 {
        learner.learn(&mail(Class::Ham, number), Class::Ham);
        learner.learn(&mail(Class::Spam, number), Class::Spam);
    }
    for number in 500..520 {
        assert!(learner.classify(&mail(Class::Ham, number)).probability < 0.3);
        assert!(learner.classify(&mail(Class::Spam, number)).probability > 0.7);
    }
}

#[test]
fn what_is_unlearned_leaves_no_trace() {
    for engine in [Engine::empty(), trained(EngineKind::Osb, 40, 40).engine] {
        let start = bytes_of(&engine);
        let engine = || {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("m"), &start).unwrap();
            Engine::load(&dir.path().join("m"), EngineKind::Osb).unwrap()
        };
        let mut without = learner(engine());
        let mut with = learner(engine());
        for number in 100..130 {
            for class in [Class::Ham, Class::Spam] {
                without.learn(&mail(class, number), class);
                with.learn(&mail(class, number), class);
                // Taught wrongly, some at once put right, some only in the end.
                with.learn(&mail(class, number + 1000), Class::Ham);
                if number % 2 == 0 {
                    assert_eq!(
                        with.unlearn(&mail(class, number + 1000)),
                        Change::Forgotten(Class::Ham)
                    );
                }
            }
        }
        for number in 100..130 {
            for class in [Class::Ham, Class::Spam] {
                with.unlearn(&mail(class, number + 1000));
            }
        }
        assert!(bytes_of(&with.snapshot()) == bytes_of(&without.snapshot()));
        assert_eq!(with.unlearn(&mail(Class::Ham, 7777)), Change::None);
    }
}

#[test]
fn what_is_relabelled_is_as_if_it_had_been_learned_so() {
    let mut right = learner(Engine::empty());
    let mut wrong = learner(Engine::empty());
    assert_eq!(
        wrong.learn(&mail(Class::Spam, 1), Class::Ham),
        Change::Learned(Class::Ham)
    );
    for number in 10..20 {
        right.learn(&mail(Class::Ham, number), Class::Ham);
        wrong.learn(&mail(Class::Ham, number), Class::Ham);
    }
    right.learn(&mail(Class::Spam, 1), Class::Spam);
    assert_eq!(
        wrong.learn(&mail(Class::Spam, 1), Class::Spam),
        Change::Relabelled(Class::Spam)
    );
    assert!(bytes_of(&right.snapshot()) == bytes_of(&wrong.snapshot()));
    // Learned once, however often it is said.
    assert_eq!(
        wrong.learn(&mail(Class::Spam, 1), Class::Spam),
        Change::None
    );
    assert!(bytes_of(&right.snapshot()) == bytes_of(&wrong.snapshot()));
}

/// Break it by passing over a lesson of the training in `Held::take`, or by not starting over.
#[test]
fn lessons_together_come_to_the_same_as_one_after_the_other() {
    let teachings = [
        Teaching::Learn(Class::Ham),
        Teaching::Learn(Class::Spam),
        Teaching::Forget,
    ];
    for engine in [Engine::empty(), trained(EngineKind::Osb, 40, 40).engine] {
        for seed in 0..12 {
            let mut random = Random(seed);
            let mut pick = |below: u64| random.next() % below;
            let mut singly = learner(engine.clone());
            let mut together = learner(engine.clone());
            for _ in 0..4 {
                let lessons: Vec<Lesson> = (0..pick(20))
                    .map(|at| {
                        // Some of the training, some not.
                        let mail = mail(Class::Ham, 36 + pick(8));
                        let teaching = teachings[pick(3) as usize];
                        let origin = [Origin::Human, Origin::Auto][usize::from(pick(4) == 0)];
                        engine.lesson(&mail, teaching, origin, at).unwrap()
                    })
                    .collect();
                for lesson in lessons.clone() {
                    singly.apply(lesson);
                }
                together.apply_all(lessons);
                assert_eq!(singly.held(), together.held(), "seed {seed}");
                assert!(
                    bytes_of(&singly.snapshot()) == bytes_of(&together.snapshot()),
                    "seed {seed}"
                );
            }
        }
    }
}

/// Two thousand messages that were taught wrongly are put right in one go. One by one that would be two million steps of
/// learning, of which a debug build does a thousand a second; break it so.
#[test]
fn many_mistakes_are_put_right_together() {
    let engine = Engine::empty();
    let lessons = |class: Class| -> Vec<Lesson> {
        (0..2000)
            .map(|n| {
                let teaching = Teaching::Learn(class);
                let text = format!("From: a{n}@example.net\r\nSubject: {n}\r\n\r\nhello\r\n");
                let mail = Mail::parse(text.into(), &Limits::default());
                engine.lesson(&mail, teaching, Origin::Human, 0).unwrap()
            })
            .collect()
    };
    let mut learner = learner(engine.clone());
    learner.apply_all(lessons(Class::Spam));
    learner.apply_all(lessons(Class::Ham));
    let facts = learner.snapshot().facts().clone();
    assert_eq!((facts.ham, facts.spam, learner.held()), (2000, 0, 2000));
}

#[test]
fn a_message_of_the_training_is_known_and_its_counts_can_be_taken_back() {
    let engine = trained(EngineKind::Osb, 40, 30).engine;
    let mut learner = learner(engine);
    assert_eq!(
        learner.learn(&mail(Class::Ham, 3), Class::Ham),
        Change::None
    );
    assert_eq!(
        learner.learn(&mail(Class::Ham, 3), Class::Spam),
        Change::Relabelled(Class::Spam)
    );
    let facts = learner.snapshot().facts().clone();
    assert_eq!((facts.ham, facts.spam), (39, 31));
    assert_eq!(
        learner.unlearn(&mail(Class::Ham, 3)),
        Change::Forgotten(Class::Ham)
    );
    let facts = learner.snapshot().facts().clone();
    assert_eq!((facts.ham, facts.spam), (39, 30));
    learner.learn(&mail(Class::Ham, 900), Class::Ham);
    learner.unlearn(&mail(Class::Ham, 900));
    let facts = learner.snapshot().facts().clone();
    assert_eq!((facts.ham, facts.spam), (39, 30), "still forgotten");
}

#[test]
fn a_learner_beside_a_training_helps_with_what_was_new() {
    let mut learner = learner(trained(EngineKind::Osb, 80, 80).engine);
    let new = |n: u64| {
        let text = format!(
            "From: club{n}@chess.example\r\nSubject: rooks and bishops\r\n\r\nThe tournament number {n} begins \
             with an opening by the casino, winner takes the cup.\r\n"
        );
        Mail::parse(text.into(), &Limits::default())
    };
    let before = learner.classify(&new(0)).odds;
    for n in 1..6 {
        learner.learn(&new(n), Class::Ham);
    }
    assert!(learner.classify(&new(0)).odds < before - 1.0);
    for number in 1000..1010 {
        assert!(learner.classify(&mail(Class::Spam, number)).probability > 0.8);
    }
}

#[test]
fn the_engine_bayespam_does_not_go_on_learning() {
    assert!(Learner::new(trained(EngineKind::Bayespam, 5, 5).engine, true).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_read_without_a_panic_and_the_same_way_twice(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let mut raw = b"From: x\r\nSubject: =?utf-8?q?".to_vec();
        raw.extend(bytes);
        let mail = Mail::parse(raw.into(), &Limits::default());
        let settings = Settings::default();
        let in_order = features_in_order(&mail, &settings, 1 << 16);
        // Nothing is left behind for the next message.
        let read = || features(&mail, &settings, 1 << 16);
        let mut sorted = read();
        prop_assert_eq!(&sorted, &read());
        sorted.places.iter_mut().for_each(|places| places.sort_unstable());
        prop_assert_eq!(in_order, sorted);
    }
}
