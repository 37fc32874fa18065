//! Certificate and key of the console. Renewed ones are taken without a restart; ones that cannot be used leave the old
//! ones in force.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::options::{Settings, TlsOptions};
use crate::server::Fingerprint;

/// What handshakes are made with.
#[derive(Debug)]
pub(super) struct Certificate {
    config: ArcSwap<ServerConfig>,
    /// The state of the files that were read last, whether they could be used or not.
    read: Mutex<Fingerprint>,
}

impl Settings {
    /// Reads certificate and key, if there are any, as the daemon will at its start.
    ///
    /// # Errors
    /// Which cannot be used, and why.
    pub fn try_certificate(&self) -> anyhow::Result<()> {
        self.tls
            .as_ref()
            .map_or(Ok(()), |files| config(files).map(drop))
    }
}

fn state(files: &TlsOptions) -> Fingerprint {
    Fingerprint::of(&[files.certificate.clone(), files.key.clone()])
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// Which cannot be used, and why.
    pub(super) fn read(files: &TlsOptions) -> anyhow::Result<Certificate> {
        let read = Mutex::new(state(files));
        let config = ArcSwap::from_pointee(config(files)?);
        Ok(Certificate { config, read })
    }

    /// For a handshake.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Takes the files, where they are others than those that were looked at last.
    pub(super) fn renew(&self, files: &TlsOptions) {
        let now = state(files);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *read == now {
            return;
        }
        *read = now;
        match config(files) {
            Ok(config) => {
                self.config.store(Arc::new(config));
                tracing::info!("console: a new certificate is in force");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(%error, "console: the new certificate cannot be used");
            }
        }
    }
}

fn config(files: &TlsOptions) -> anyhow::Result<ServerConfig> {
    let certificate = files.certificate.display();
    let key = files.key.display();
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("cannot read console.tls.certificate {certificate}"))?;
    if chain.is_empty() {
        bail!("console.tls.certificate {certificate} holds no certificate in PEM form");
    }
    let private = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("cannot read console.tls.key {key}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| format!("console.tls: {certificate} and {key} do not serve together"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
