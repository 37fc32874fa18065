//! `mailweir serve`: the daemon.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use arc_swap::{ArcSwap, ArcSwapOption};
use clap::Args;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{ConfigArgs, logging, told};
use crate::config::{Config, Overrides};
use crate::events::{Events, Herald, Kind};
use crate::history::History;
use crate::mail::Direction;
use crate::metrics::Metrics;
use crate::quarantine::Quarantine;
use crate::scanners::Doors;
use crate::server::{
    self, Address, Budget, Engine, Health, Listener, ModelPlace, Reloader, Services, Watched,
};
use crate::store::{Facts, FactsFile};
use crate::web::accounts::Accounts;
use crate::web::{self, Console, Journal, WebListener};

/// `mailweir serve`
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where mail servers connect: 127.0.0.1:8895 or unix:/path; wins over the configuration.
    #[arg(long, value_name = "ADDR")]
    milter: Option<Address>,
    /// Where /metrics, /healthz and /readyz are served; wins over the configuration.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
}

impl ServeArgs {
    fn load(&self) -> Result<Config, crate::config::Problems> {
        let overrides = Overrides {
            milter: self.milter.clone(),
            http: self.http,
            ..self.config.overrides()
        };
        Config::load(self.config.file(), &overrides)
    }
}

pub(super) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let watched = Watched::before(args.config.file());
    let Some(config) = told(args.load()) else {
        return Ok(ExitCode::FAILURE);
    };
    let journal = Journal::default();
    logging::start_with(config.log(), &journal);
    // Whatever the daemon creates is nobody else's business; sockets get their mode explicitly.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let runtime = super::runtime()?;
    runtime.block_on(serve(args, config, watched, journal))
}

async fn serve(
    args: ServeArgs,
    config: Config,
    watched: Watched,
    journal: Journal,
) -> anyhow::Result<ExitCode> {
    let watched = watched.and(Engine::files(&config));
    // From here on a SIGHUP is a reload and no longer the end.
    let hangup = signal(SignalKind::hangup())?;
    let metrics = Arc::new(Metrics::new()?);
    metrics
        .build
        .with_label_values(&[env!("CARGO_PKG_VERSION")])
        .set(1);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data_dir)
        .with_context(|| format!("cannot create {}", config.data_dir.display()))?;
    let facts = Arc::new(Facts::new(metrics.clone()));
    let engine = Engine::build_beside(&config, &metrics, None, Some(&facts));
    let Some(engine) = told(engine) else {
        return Ok(ExitCode::FAILURE);
    };
    let quarantine = Quarantine::open(&config.file.quarantine, &config.data_dir, metrics.clone())
        .await
        .context("cannot open the quarantine")?;
    // Behind the quarantine, which knows whether another daemon uses this folder.
    let facts = FactsFile::open(&config.data_dir, facts, metrics.clone()).await;
    let (history, historian) =
        History::open(&config.data_dir, &config.file.history, metrics.clone());

    let mut listeners = Vec::new();
    for listen in &config.listen {
        let listener = Listener::bind(&listen.address, &config.access).await?;
        listeners.push((listener, listen.profile));
    }
    let doors = Doors::bind(&config.scanners).await?;
    let http = match config.http {
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address} for HTTP"))?,
        ),
        None => None,
    };
    let (events, herald) = Herald::start(config.events.clone(), &metrics)?;
    let services = Arc::new(Services {
        events: events.clone(),
        engine: ArcSwap::from_pointee(engine),
        quarantine: Arc::new(quarantine),
        history,
        budget: Budget::new(config.settings.total_bytes, metrics.bytes_in_flight.clone()),
        metrics: metrics.clone(),
        settings: config.settings,
        model: ModelPlace {
            path: config.file.bayes.model_path(&config.base, &config.data_dir),
            engine: config.file.bayes.engine,
        },
        reloads: tokio::sync::watch::Sender::default(),
        reload_problem: ArcSwapOption::empty(),
    });
    let console = match &config.console {
        Some(settings) => Some(console(settings, &config.data_dir, &services, journal).await?),
        None => None,
    };
    server::taken(&services, &services.engine.load());
    let ends = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    ];
    events.tell(Kind::Daemon, &Life::new("started", &services));
    announce(&listeners, &doors, http.as_ref(), &services)?;
    if let Some((listener, console)) = &console {
        invite(listener, console, config.console.as_ref()).await?;
    }
    tell_manager(NotifyState::Ready);

    let drain = CancellationToken::new();
    let stop = CancellationToken::new();
    let health = Arc::new(Health::default());
    health.set_ready(true);
    let web = http.map(|listener| {
        tokio::spawn(server::serve_http(
            listener,
            metrics.clone(),
            health.clone(),
            stop.clone(),
        ))
    });
    let console = console
        .map(|(listener, console)| tokio::spawn(web::serve(listener, console, stop.clone())));
    let housed = services.quarantine.clone();
    let until = stop.clone();
    let keeper = tokio::spawn(async move { housed.keep_house(until).await });
    let digests = tokio::spawn(services.quarantine.clone().keep_digests(stop.clone()));
    let facts = tokio::spawn(facts.run(stop.clone()));
    let historian = tokio::spawn(historian.run(stop.clone()));
    let load = Arc::new(move || args.load());
    let reloader = Reloader::new(load, services.clone(), watched, config.watch);
    tokio::spawn(reloader.run(hangup, stop.clone()));
    tokio::spawn(drain_on_signal(ends, drain.clone(), health));
    tokio::spawn(reopen_on_hangup(
        signal(SignalKind::hangup())?,
        events.clone(),
    ));
    let scanners = tokio::spawn(doors.serve(services.clone(), drain.clone()));
    server::serve(listeners, services.clone(), drain).await;
    scanners.await?;
    stop.cancel();
    keeper.await?;
    digests.await?;
    facts.await?;
    historian.await?;
    if let Some(web) = web {
        web.await?;
    }
    if let Some(console) = console {
        console.await?;
    }
    events.tell(Kind::Daemon, &Life::new("stopped", &services));
    herald.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The daemon's own life, as an event.
#[derive(serde::Serialize)]
struct Life {
    state: &'static str,
    program: &'static str,
    /// Of configuration, rules and model.
    version: String,
}

impl Life {
    fn new(state: &'static str, services: &Services) -> Life {
        Life {
            state,
            program: env!("CARGO_PKG_VERSION"),
            version: services.engine.load().version().to_owned(),
        }
    }
}

/// Whoever rotates the file of events sends SIGHUP afterwards.
async fn reopen_on_hangup(mut hangup: Signal, events: Events) {
    while hangup.recv().await.is_some() {
        events.reopen();
    }
}

/// The console, with its listener.
async fn console(
    settings: &web::Settings,
    data_dir: &Path,
    services: &Arc<Services>,
    journal: Journal,
) -> anyhow::Result<(WebListener, Arc<Console>)> {
    let accounts = Accounts::open(data_dir)
        .await
        .context("cannot open the users of the console")?;
    let listener = WebListener::bind(settings).await?;
    let services = services.clone();
    let console = Console::new(data_dir, services, accounts, settings.clone(), journal);
    Ok((listener, Arc::new(console)))
}

/// Says where the console is, and, while nobody could sign in as admin, how the first one gets in.
async fn invite(
    listener: &WebListener,
    console: &Console,
    settings: Option<&web::Settings>,
) -> anyhow::Result<()> {
    let address = listener.address()?;
    let site = settings.map_or_else(String::new, |settings| settings.link(address));
    let first = console.first_link(&site).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "console: {site}/")?;
    if let Some(link) = first {
        writeln!(
            out,
            "  there is no admin yet; this link makes one, once, within 24 hours:\n  {link}"
        )?;
    }
    out.flush()?;
    Ok(())
}

/// Says where the daemon listens and how a mail server is told, on standard output, for people and
/// for scripts that chose port 0.
fn announce(
    listeners: &[(Listener, Direction)],
    doors: &Doors,
    http: Option<&TcpListener>,
    services: &Services,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "mailweir {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "chain: {:?}", services.engine.load().chain)?;
    for (listener, profile) in listeners {
        let address = listener.address()?;
        if *profile == Direction::Outbound {
            writeln!(out, "milter: {address}, for outbound mail")?;
            continue;
        }
        let postfix = match &address {
            Address::Tcp(addr) => format!("inet:{addr}"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        };
        writeln!(
            out,
            "milter: {address}\n  \
             Postfix, in main.cf:  smtpd_milters = {postfix}\n                        \
             milter_default_action = tempfail\n  \
             first message:        mailweir send --milter {address} FILE..."
        )?;
    }
    for (protocol, address) in doors.addresses()? {
        writeln!(out, "{}: {address}", protocol.name())?;
    }
    if let Some(http) = http {
        writeln!(out, "metrics: http://{}/metrics", http.local_addr()?)?;
    }
    out.flush()?;
    Ok(())
}

/// Tells the service manager, if one started us and asked for it (`Type=notify` of systemd).
fn tell_manager(state: NotifyState<'_>) {
    if let Err(e) = sd_notify::notify(&[state]) {
        tracing::warn!(error = %e, "the service manager cannot be told");
    }
}

/// The first SIGTERM or SIGINT drains; the second ends at once.
async fn drain_on_signal(
    [mut terminate, mut interrupt]: [Signal; 2],
    drain: CancellationToken,
    health: Arc<Health>,
) {
    let mut next = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    next().await;
    tell_manager(NotifyState::Stopping);
    tracing::info!("stopping: sessions end after the message in progress");
    health.set_ready(false);
    drain.cancel();
    next().await;
    tracing::warn!("stopping at once");
    std::process::exit(1);
}
