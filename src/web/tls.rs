//! Certificate and key of the console. The files are looked at each minute, and taken when they have changed, so that
//! a renewed certificate needs no restart; ones that cannot be used leave the old ones in force.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::options::TlsOptions;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(60);

/// What handshakes are made with, as the files are now.
#[derive(Debug)]
pub(super) struct Certificate {
    files: TlsOptions,
    config: ArcSwap<ServerConfig>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// Which cannot be used, and why.
    pub(super) fn read(files: TlsOptions) -> anyhow::Result<Certificate> {
        let config = ArcSwap::from_pointee(config(&files)?);
        Ok(Certificate { files, config })
    }

    /// For a handshake.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Takes new files until `stop` is cancelled.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut taken = self.changed();
        while stop
            .run_until_cancelled(tokio::time::sleep(LOOK))
            .await
            .is_some()
        {
            let now = self.changed();
            if now == taken {
                continue;
            }
            taken = now;
            match config(&self.files) {
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

    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.files.certificate, &self.files.key]
            .map(|file| std::fs::metadata(file).ok()?.modified().ok())
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
