//! What every page shares.

use std::path::Path;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::accounts::{AccountError, Accounts, Actor};
use super::journal::Journal;
use super::oidc::{Ended, Provider};
use super::options::Settings;
use super::rules::KeptProfile;
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
    settings: ArcSwap<Settings>,
    provider: ArcSwapOption<Provider>,
    /// Sign-ins by the provider that are over.
    pub(super) ended: Ended,
    /// Who has to wait before another password may be tried.
    pub(super) throttle: Throttle,
    /// What went wrong lately.
    pub(super) journal: Journal,
    /// What rules were measured to be worth and to cost.
    pub(super) profile: KeptProfile,
    /// The metrics of the last hour and day.
    pub(super) samples: Arc<Samples>,
}

/// The state, as axum hands it to pages.
pub(super) type Shared = Arc<Console>;

impl Console {
    /// The console of a daemon with these services and this folder; `journal` is what its log writes to.
    pub fn new(
        folder: &Path,
        services: Arc<Services>,
        accounts: Accounts,
        settings: Settings,
        journal: Journal,
    ) -> Console {
        Console {
            provider: ArcSwapOption::new(Provider::of(&settings, &services.metrics)),
            ended: Ended::default(),
            services,
            accounts,
            settings: ArcSwap::from_pointee(settings),
            throttle: Throttle::default(),
            journal,
            profile: KeptProfile::default(),
            samples: Arc::new(Samples::open(folder)),
        }
    }

    /// As configured: at the start, and by each reload since.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Who vouches for users, beside passwords.
    pub(super) fn provider(&self) -> Option<Arc<Provider>> {
        self.provider.load_full()
    }

    /// How a browser gets here.
    pub(super) fn site(&self) -> String {
        let settings = self.settings();
        settings.link(settings.listen)
    }

    /// Puts other settings into force, for the requests that begin after it.
    pub(super) fn take(&self, settings: Settings) {
        let provider = Provider::of(&settings, &self.services.metrics);
        self.provider.store(provider);
        self.settings.store(Arc::new(settings));
    }

    /// Records a change that was made. It stands even if this fails, so the log says it then.
    pub(super) async fn record(&self, by: &Actor, action: &str, subject: &str, detail: &str) {
        if let Err(error) = self.accounts.record(by, action, subject, detail).await {
            tracing::error!(
                %error, action, user = by.name, address = %by.address,
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
