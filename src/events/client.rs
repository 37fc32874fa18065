//! One HTTPS request at a time, on a connection of its own: a webhook is called once in a while.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::options::Target;

/// Bytes of an answer that are read; what it says is of no interest.
const ANSWER_BYTES: usize = 64 << 10;

/// Where requests go, and whom to trust there.
pub(super) struct Client {
    target: Target,
    /// With the name that the certificate must have.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Client {
    /// Reads the certificates that are trusted.
    pub(super) fn new(target: Target, ca_file: Option<&Path>) -> io::Result<Client> {
        if !target.tls {
            return Ok(Client { target, tls: None });
        }
        let mut roots = RootCertStore::empty();
        match ca_file {
            Some(path) => {
                let named = |why: String| {
                    io::Error::other(format!("certificates in {}: {why}", path.display()))
                };
                let certificates = CertificateDer::pem_file_iter(path);
                for certificate in certificates.map_err(|e| named(e.to_string()))? {
                    let certificate = certificate.map_err(|e| named(e.to_string()))?;
                    roots.add(certificate).map_err(|e| named(e.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(named("there are none in PEM form".to_owned()));
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(target.host.clone()).map_err(io::Error::other)?;
        Ok(Client {
            tls: Some((TlsConnector::from(Arc::new(config)), name)),
            target,
        })
    }

    /// Posts JSON with a signature and gives the status of the answer.
    pub(super) async fn post(&self, body: Bytes, signature: &str) -> io::Result<StatusCode> {
        let Target { host, port, .. } = &self.target;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        match &self.tls {
            None => self.exchange(stream, body, signature).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                self.exchange(stream, body, signature).await
            }
        }
    }

    async fn exchange<S>(&self, stream: S, body: Bytes, signature: &str) -> io::Result<StatusCode>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let request = Request::post(&self.target.path)
            .header(HOST, &self.target.authority)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("mailweir/", env!("CARGO_PKG_VERSION")))
            .header("X-Mailweir-Signature", signature)
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        let answer = async {
            let answer = sender
                .send_request(request)
                .await
                .map_err(io::Error::other)?;
            let status = answer.status();
            // The status is all that counts, but it counts only with the whole answer.
            let body = Limited::new(answer.into_body(), ANSWER_BYTES);
            body.collect().await.map_err(io::Error::other)?;
            Ok(status)
        };
        let (answer, _) = tokio::join!(answer, async {
            // What goes wrong with the connection shows in the answer.
            let _ = connection.await;
        });
        answer
    }
}
