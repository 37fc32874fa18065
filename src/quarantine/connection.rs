//! The connection to the mail server that takes released messages: TCP, TLS (RFC 3207, RFC 8314), login
//! (RFC 4954). What goes wrong here goes wrong before anything is sent.

use std::future::Future;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;

use super::QuarantineError;
use super::error::words;
use super::options::{ReleaseOptions, Tls, server};
use crate::config::secret_line;

/// Characters that are kept of what a mail server said.
const WORDS: usize = 500;

/// A connection past EHLO, encrypted and logged in as the options ask for.
///
/// # Errors
/// [`QuarantineError::NotSent`].
pub(super) async fn open(options: &ReleaseOptions) -> Result<AsyncSmtpConnection, QuarantineError> {
    let refused = |why: String| QuarantineError::NotSent(why);
    let address = options.smtp.value.as_str();
    let (host, port) =
        server(address).ok_or_else(|| refused(format!("{address:?} is not host:port")))?;
    let own = match &options.helo {
        Some(helo) => ClientId::Domain(helo.value.clone()),
        None => ClientId::Domain(host_name()),
    };
    let login = login(options)?;
    let timeout = options.timeout.value.0;
    let tls = options.tls.value;
    let parameters = parameters(host, options)?;
    let at_once = parameters.clone().filter(|_| tls == Tls::Implicit);
    let connect =
        AsyncSmtpConnection::connect_tokio1((host, port), Some(timeout), &own, at_once, None);
    // Connection, greeting and EHLO.
    let mut connection = within(timeout * 3, connect)
        .await
        .map_err(|e| not_sent(&format!("cannot reach {address}"), &e))?;
    if let Some(parameters) = parameters.filter(|_| tls != Tls::Implicit) {
        if connection.can_starttls() {
            within(timeout * 3, connection.starttls(parameters, &own))
                .await
                .map_err(|e| not_sent("STARTTLS", &e))?;
        } else if tls == Tls::Required {
            let _ = within(timeout, connection.quit()).await;
            return Err(refused(format!(
                "{address} does not offer STARTTLS, and quarantine.release.tls is `required`"
            )));
        }
    }
    if let Some(login) = login {
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        within(timeout * 3, connection.auth(&mechanisms, &login))
            .await
            .map_err(|e| not_sent("login", &e))?;
    }
    Ok(connection)
}

/// How to encrypt; `None` for not at all.
fn parameters(
    host: &str,
    options: &ReleaseOptions,
) -> Result<Option<TlsParameters>, QuarantineError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    match options.tls.value {
        Tls::None => return Ok(None),
        // Who could stand in between could as well hide that encryption is offered.
        Tls::Opportunistic => builder = builder.dangerous_accept_invalid_certs(true),
        Tls::Required | Tls::Implicit => {}
    }
    let broken = |why: String| QuarantineError::NotSent(why);
    if let Some(file) = &options.ca_file {
        let shown = file.value.display();
        let pem = std::fs::read(&file.value)
            .map_err(|e| broken(format!("cannot read the certificates in {shown}: {e}")))?;
        let certificates = Certificate::from_pem(&pem)
            .map_err(|e| broken(format!("no certificates in PEM form in {shown}: {e}")))?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificates);
    }
    let built = builder.build();
    built
        .map(Some)
        .map_err(|e| not_sent("TLS", &Failure::Smtp(e)))
}

/// User and password, if there are any.
fn login(options: &ReleaseOptions) -> Result<Option<Credentials>, QuarantineError> {
    match (&options.user, &options.password_file) {
        (Some(user), Some(file)) => {
            let password =
                secret_line(&file.value, "password").map_err(QuarantineError::NotSent)?;
            Ok(Some(Credentials::new(user.value.clone(), password)))
        }
        _ => Ok(None),
    }
}

/// What went wrong with one exchange.
pub(super) enum Failure {
    Smtp(Error),
    Timeout(Duration),
}

impl Failure {
    pub(super) fn text(&self) -> String {
        match self {
            Failure::Smtp(e) => words(e, WORDS),
            Failure::Timeout(after) => format!("no answer within {after:?}"),
        }
    }
}

/// Waits for one exchange, but not longer than that.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result.map_err(Failure::Smtp),
        Err(_) => Err(Failure::Timeout(limit)),
    }
}

/// Nothing was delivered.
pub(super) fn not_sent(what: &str, failure: &Failure) -> QuarantineError {
    QuarantineError::NotSent(format!("{what}: {}", failure.text()))
}

/// The name of this host; `localhost` where it has none that could stand in an address.
pub(super) fn host_name() -> String {
    let name = crate::host::name();
    match server(&format!("{name}:25")) {
        Some(_) => name,
        None => "localhost".to_owned(),
    }
}
