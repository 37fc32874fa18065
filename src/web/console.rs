//! What every page shares.

use std::sync::Arc;

use super::accounts::{AccountError, Accounts, Actor};
use super::journal::Journal;
use super::oidc::Provider;
use super::options::Settings;
use super::samples::Samples;
use super::throttle::Throttle;
use crate::server::Services;

/// The state of the console; pages get it as `State<Shared>`.
#[derive(Debug)]
pub struct Console {
    /// The parts of the daemon.
    pub(super) services: Arc<Services>,
    /// Who may use it, and the audit log.
    pub(super) accounts: Accounts,
    /// As configured at start.
    pub(super) settings: Settings,
    /// Who vouches for users, beside passwords.
    pub(super) provider: Option<Provider>,
    /// Who has to wait before he may try another password.
    pub(super) throttle: Throttle,
    /// What went wrong lately.
    pub(super) journal: Journal,
    /// The metrics of the last hour and day.
    pub(super) samples: Samples,
}

/// The state, as axum hands it to pages.
pub(super) type Shared = Arc<Console>;

impl Console {
    /// The console of a daemon with these services; `journal` is what its log writes to.
    pub fn new(
        services: Arc<Services>,
        accounts: Accounts,
        settings: Settings,
        journal: Journal,
    ) -> Console {
        let plan = settings.oidc.clone();
        let metrics = services.metrics.clone();
        Console {
            provider: plan.map(|plan| Provider::new(plan, metrics)),
            services,
            accounts,
            settings,
            throttle: Throttle::default(),
            journal,
            samples: Samples::default(),
        }
    }

    /// How a browser gets here.
    pub(super) fn site(&self) -> String {
        self.settings.link(self.settings.listen)
    }

    /// Records a change that was made. It stands even if this fails, so the log says it then.
    pub(super) async fn record(&self, by: &Actor, action: &str, subject: &str, detail: &str) {
        if let Err(error) = self.accounts.record(by, action, subject, detail).await {
            tracing::error!(
                %error, action, user = ?by.name, address = %by.address,
                "a change cannot be written to the audit log"
            );
        }
    }

    /// A link for the first admin, while there is none, below the address of the console.
    ///
    /// # Errors
    /// A file of users that cannot be written.
    pub async fn first_link(&self, site: &str) -> Result<Option<String>, AccountError> {
        let secret = self.accounts.invite_first().await?;
        Ok(secret.map(|secret| super::welcome::link(site, &secret)))
    }
}
