//! Requests to other hosts by HTTPS, each on a connection of its own: they are made once in a while, to one place that
//! the configuration names. Redirects are not followed, answers are read up to a bound; how long it may take is the
//! caller's to say.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as they stand in the URL.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl Target {
    /// The place of a URL: https, or http to this host.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Target, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "this is no URL")?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("the URL begins with https://"),
        };
        let target = Target::of(&uri, tls).ok_or("the URL has no host")?;
        if target.authority.contains('@') {
            return Err("the URL has a user; secrets have keys of their own");
        }
        let here = matches!(target.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if !tls && !here {
            return Err("without https it would go over the network for all to read");
        }
        Ok(target)
    }

    /// The place of an URI that has a host.
    pub(crate) fn of(uri: &Uri, tls: bool) -> Option<Target> {
        let authority = uri.authority()?;
        let port = authority.port_u16();
        Some(Target {
            tls,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .map_or("/".to_owned(), ToString::to_string),
        })
    }

    /// The beginning of a request to it.
    pub(crate) fn request(&self, method: Method) -> Builder {
        Request::builder()
            .method(method)
            .uri(&self.path)
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("mailweir/", env!("CARGO_PKG_VERSION")))
    }
}

/// Who asks, and whom they trust. Clones share it.
#[derive(Clone)]
pub(crate) struct Client(TlsConnector);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// Trusts the certificates of a file in PEM form, or else those of the system.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub(crate) fn new(ca_file: Option<&Path>) -> io::Result<Client> {
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
        Ok(Client(TlsConnector::from(Arc::new(config))))
    }

    /// Sends a request to a place and gives the answer, whose body has at most `most` bytes.
    ///
    /// # Errors
    /// What kept the answer away, or made it unusable.
    pub(crate) async fn send(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> io::Result<Response<Bytes>> {
        let answer = self.open(target, request).await?;
        let (head, body) = answer.into_parts();
        // The answer counts only as a whole.
        let body = Limited::new(body, most).collect().await;
        let body = body.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Sends a request to a place and gives the answer as soon as its header is there; the body is the caller's to
    /// read and to bound. The connection ends with it.
    ///
    /// # Errors
    /// What kept the answer away.
    pub(crate) async fn open<B>(
        &self,
        target: &Target,
        request: Request<B>,
    ) -> io::Result<Response<Incoming>>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
        match target.tls {
            false => exchange(stream, request).await,
            true => {
                let name = ServerName::try_from(target.host.clone()).map_err(io::Error::other)?;
                exchange(self.0.connect(name, stream).await?, request).await
            }
        }
    }
}

async fn exchange<S, B>(stream: S, request: Request<B>) -> io::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // It ends when sender and body are gone; what goes wrong with it shows in the answer.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target = Target::parse("https://[2001:db8::1]:8443/a?b=c").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("2001:db8::1", 8443));
        assert_eq!((target.path.as_str(), target.tls), ("/a?b=c", true));
        let target = Target::parse("http://localhost").unwrap();
        assert_eq!((target.port, target.path.as_str()), (80, "/"));
    }
}
