use tokio_util::sync::CancellationToken;

use super::super::{Fact, Key};
use super::*;

struct Fixture {
    folder: tempfile::TempDir,
    metrics: Arc<Metrics>,
    facts: Arc<Facts>,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::in_folder(tempfile::tempdir().unwrap())
    }

    fn in_folder(folder: tempfile::TempDir) -> Fixture {
        let metrics = Arc::new(Metrics::new().unwrap());
        let facts = Arc::new(Facts::new(Arc::clone(&metrics)));
        facts.allow(Kind::Network, 1000);
        Fixture {
            folder,
            metrics,
            facts,
        }
    }

    /// The same folder, as another process finds it.
    fn restarted(self) -> Fixture {
        Fixture::in_folder(self.folder)
    }

    async fn keeper(&self) -> Keeper<FactsFile> {
        let (facts, metrics) = (Arc::clone(&self.facts), Arc::clone(&self.metrics));
        FactsFile::open(self.folder.path(), facts, metrics).await
    }

    fn set(&self, name: &str, count: f64) {
        let fact = Fact {
            since: clock::milliseconds(),
            at: clock::milliseconds(),
            expires: clock::milliseconds() + 3_600_000,
            count,
            total: -0.5,
        };
        self.facts.update(
            Kind::Network,
            &Key::new(&[name]),
            clock::milliseconds(),
            |_| Some(fact),
        );
    }

    fn count(&self, name: &str) -> Option<f64> {
        let fact = self
            .facts
            .get(Kind::Network, &Key::new(&[name]), clock::milliseconds());
        fact.map(|fact| fact.count)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }
}

/// Ends a keeper as the daemon does.
async fn ended(keeper: Keeper<FactsFile>) {
    let stop = CancellationToken::new();
    stop.cancel();
    keeper.run(stop).await;
}

#[tokio::test]
async fn facts_outlast_the_daemon() {
    let f = Fixture::new();
    let keeper = f.keeper().await;
    for number in 0..700 {
        f.set(&number.to_string(), f64::from(number));
    }
    f.set("1", 77.0);
    ended(keeper).await;
    assert_eq!(f.metrics.facts_written.get(), 700);

    let f = f.restarted();
    let keeper = f.keeper().await;
    assert_eq!(f.count("1"), Some(77.0));
    assert_eq!(f.count("699"), Some(699.0));
    assert_eq!(f.facts.len(Kind::Network), 700);
    assert_eq!(f.metrics.facts_up.get(), 1);
    ended(keeper).await;
    assert_eq!(f.metrics.facts_written.get(), 0);
}

#[tokio::test]
async fn no_file_is_made_where_no_filter_remembers_anything() {
    let f = Fixture::new();
    let facts = Arc::new(Facts::new(Arc::clone(&f.metrics)));
    let keeper = FactsFile::open(f.folder.path(), facts, Arc::clone(&f.metrics)).await;
    ended(keeper).await;
    assert!(!f.path().exists());
}

#[tokio::test]
async fn of_a_file_with_more_facts_than_are_allowed_the_newest_are_read() {
    let f = Fixture::new();
    let keeper = f.keeper().await;
    for number in 0..900 {
        let fact = Fact {
            at: number,
            expires: clock::milliseconds() + 3_600_000,
            ..Fact::default()
        };
        let key = Key::new(&[&number.to_string()]);
        f.facts.update(Kind::Network, &key, 0, |_| Some(fact));
    }
    ended(keeper).await;
    let f = f.restarted();
    f.facts.allow(Kind::Network, 160);
    ended(f.keeper().await).await;
    let len = f.facts.len(Kind::Network);
    assert!((100..=160).contains(&len), "{len}");
    assert!(f.count("899").is_some() && f.count("700").is_none());
}

#[tokio::test]
async fn a_file_that_is_none_of_ours_is_set_aside() {
    let f = Fixture::new();
    std::fs::write(
        f.path(),
        "not a database, whatever its name says".repeat(100),
    )
    .unwrap();
    let keeper = f.keeper().await;
    assert_eq!(f.metrics.facts_set_aside.get(), 1);
    assert_eq!(f.metrics.facts_up.get(), 1);
    f.set("a", 1.0);
    ended(keeper).await;
    let aside = f.folder.path().join("facts.sqlite.damaged");
    let aside = std::fs::read_to_string(aside).unwrap();
    assert!(aside.starts_with("not a database"));
    let f = f.restarted();
    ended(f.keeper().await).await;
    assert_eq!(f.count("a"), Some(1.0));
}

/// The pages behind the first are overwritten: it opens, and cannot be read.
#[tokio::test]
async fn a_damaged_file_is_set_aside_and_what_is_in_memory_is_written_anew() {
    let f = Fixture::new();
    let keeper = f.keeper().await;
    for number in 0..900 {
        f.set(&number.to_string(), 1.0);
    }
    ended(keeper).await;
    let mut bytes = std::fs::read(f.path()).unwrap();
    assert!(bytes.len() > 20_000);
    bytes[4096..].fill(0x5a);
    std::fs::write(f.path(), &bytes).unwrap();
    let f = f.restarted();
    let keeper = f.keeper().await;
    assert_eq!(f.metrics.facts_set_aside.get(), 1);
    assert_eq!(f.facts.len(Kind::Network), 0);
    f.set("a", 2.0);
    ended(keeper).await;

    // Damage that shows only in use: what is in memory is kept.
    let f = f.restarted();
    let mut keeper = f.keeper().await;
    assert_eq!(f.count("a"), Some(2.0));
    keeper.set_aside("for the test").await.unwrap();
    ended(keeper).await;
    let f = f.restarted();
    ended(f.keeper().await).await;
    assert_eq!(f.count("a"), Some(2.0));
}

#[tokio::test]
async fn a_full_disk_is_counted_and_what_waits_is_written_when_there_is_room() {
    let f = Fixture::new();
    let mut keeper = f.keeper().await;
    // To SQLite a file that may not grow is a full disk.
    let limit = |pages: i64| format!("PRAGMA max_page_count = {pages}");
    let writer = keeper.kept.table.as_ref().unwrap().writer().clone();
    sqlx::query(sqlx::AssertSqlSafe(limit(1)))
        .execute(&writer)
        .await
        .unwrap();
    for number in 0..900 {
        f.set(&number.to_string(), 1.0);
    }
    keeper.turn().await;
    assert_eq!(f.metrics.facts_failures.get(), 1);
    assert_eq!(f.metrics.facts_up.get(), 0);
    assert_eq!(f.count("899"), Some(1.0));
    // Not tried again at once.
    keeper.turn().await;
    assert_eq!(f.metrics.facts_failures.get(), 1);
    f.set("0", 5.0);
    drop(writer);
    // The next attempt opens the file anew, where it may grow.
    ended(keeper).await;
    assert_eq!(f.metrics.facts_up.get(), 1);
    assert_eq!(f.metrics.facts_dropped.get(), 0);
    let f = f.restarted();
    ended(f.keeper().await).await;
    assert_eq!((f.count("0"), f.count("899")), (Some(5.0), Some(1.0)));
}

/// More changes than may wait are left out; all that is in memory is written when that is possible again.
#[tokio::test]
async fn what_found_no_room_to_wait_is_written_later_all_the_same() {
    let f = Fixture::new();
    f.facts.allow(Kind::Network, 200_000);
    let absent = f.folder.path().join("absent");
    let (facts, metrics) = (Arc::clone(&f.facts), Arc::clone(&f.metrics));
    let keeper = FactsFile::open(&absent, facts, metrics).await;
    let fact = Fact {
        expires: i64::MAX,
        ..Fact::default()
    };
    for number in 0..110_000_u32 {
        let key = Key::new(&[&number.to_string()]);
        f.facts.update(Kind::Network, &key, 0, |_| Some(fact));
    }
    let left_out = f.metrics.facts_dropped.get();
    assert_eq!(left_out, 10_000);
    std::fs::create_dir(&absent).unwrap();
    ended(keeper).await;
    let table = Table::open(&absent.join(FILE)).await.unwrap();
    let rows = table.load(Kind::Network, 0, 200_000).await.unwrap();
    assert_eq!(rows.len(), 110_000);
    table.close().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_leaves_the_facts_in_memory() {
    let f = Fixture::new();
    let absent = f.folder.path().join("absent");
    let (facts, metrics) = (Arc::clone(&f.facts), Arc::clone(&f.metrics));
    let keeper = FactsFile::open(&absent, facts, metrics).await;
    assert_eq!(f.metrics.facts_up.get(), 0);
    f.set("a", 1.0);
    assert_eq!(f.count("a"), Some(1.0));
    // It comes, and what waits is written.
    std::fs::create_dir(&absent).unwrap();
    ended(keeper).await;
    assert_eq!(f.metrics.facts_written.get(), 1);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let f = Fixture::new();
    ended(f.keeper().await).await;
    let table = Table::open(&f.path()).await.unwrap();
    sqlx::query("PRAGMA user_version = 99")
        .execute(table.writer())
        .await
        .unwrap();
    table.close().await;
    let before = std::fs::read(f.path()).unwrap();
    let f = f.restarted();
    f.set("a", 1.0);
    ended(f.keeper().await).await;
    assert_eq!(f.metrics.facts_up.get(), 0);
    assert_eq!(f.metrics.facts_set_aside.get(), 0);
    assert_eq!(std::fs::read(f.path()).unwrap(), before);
}

#[tokio::test]
async fn what_is_forgotten_beside_the_daemon_is_forgotten_by_it() {
    let f = Fixture::new();
    let mut keeper = f.keeper().await;
    f.set("a", 1.0);
    f.set("b", 1.0);
    keeper.turn().await;
    // Changed, and not written yet.
    f.set("a", 2.0);
    let beside = Table::open(&f.path()).await.unwrap();
    let rows = beside
        .find(clock::milliseconds(), |row| row.subject == "a")
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].fact.total, -0.5);
    beside.forget(&rows).await.unwrap();
    keeper.turn().await;
    assert_eq!((f.count("a"), f.count("b")), (None, Some(1.0)));
    let left = beside.find(clock::milliseconds(), |_| true).await.unwrap();
    assert_eq!(left.len(), 1);
    assert!(beside.forgotten().await.unwrap().is_empty());
    beside.close().await;
    ended(keeper).await;
}
