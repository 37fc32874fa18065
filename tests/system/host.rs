//! What only tests of a whole host look at: who runs them, processes, the address as a mail server writes it, files changed beside
//! a daemon.

use std::path::Path;

use super::daemon::Daemon;

/// Whether the test may start servers that change their user; says that it is skipped if not.
pub(crate) fn root() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

impl Daemon {
    /// Its process id.
    pub(crate) fn pid(&self) -> String {
        self.process.pid()
    }

    /// The value of `smtpd_milters` for the port.
    pub(crate) fn inet(&self) -> String {
        format!("inet:127.0.0.1:{}", self.milter)
    }

    /// Changes the configuration file; gives what stood in it.
    pub(crate) fn rewrite(&self, change: impl FnOnce(&str) -> String) -> String {
        let path = self.path().join("mailweir.yaml");
        let before = std::fs::read_to_string(&path).unwrap();
        let after = change(&before);
        assert_ne!(before, after, "there is something to change");
        std::fs::write(&path, after).unwrap();
        before
    }

    /// The same daemon again, with its own files below another folder.
    pub(crate) fn move_to(&mut self, folder: &Path) {
        self.signal("TERM");
        self.wait();
        let own = format!("data_dir: {}/data", self.path().display());
        let other = format!("data_dir: {}/data", folder.display());
        self.rewrite(|yaml| yaml.replace(&own, &other));
        self.restart();
    }

    /// Makes the quarantine believe that digests were made a day ago.
    pub(crate) fn digests_were_made_yesterday(&self) {
        let index = self.path().join("data/quarantine/index.sqlite");
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let url = format!("sqlite://{}", index.display());
            let db = sqlx::SqlitePool::connect(&url).await.unwrap();
            sqlx::query(
                "INSERT OR REPLACE INTO digest_clock (only, last_run)
                 VALUES (1, 1000 * (CAST(strftime('%s', 'now') AS INTEGER) - 86400))",
            )
            .execute(&db)
            .await
            .unwrap();
            db.close().await;
        });
    }
}
