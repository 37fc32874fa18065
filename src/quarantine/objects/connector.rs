//! How the object store is spoken to: by the program's own HTTPS client, so that there is one TLS in the program and
//! one place that says whom it trusts.

use data_encoding::BASE64;
use http_body_util::{BodyExt, Limited};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Uri};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};

use crate::https::{Client, Target};

/// Bytes of a list that are read.
const LIST_BYTES: usize = 32 << 20;
/// Bytes of what a server says of an error that are read.
const ERROR_BYTES: usize = 64 << 10;

/// Makes clients, and is one.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    client: Client,
    /// For WebDAV; requests to S3 bring their own signature.
    authorization: Option<HeaderValue>,
}

impl Connector {
    /// With Basic authentication (RFC 7617) for a user with a password, where there is one.
    pub(super) fn new(client: Client, login: Option<(&str, &str)>) -> Connector {
        let basic = |(user, password)| {
            let pair = BASE64.encode(format!("{user}:{password}").as_bytes());
            let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        Connector {
            client,
            authorization: login.and_then(basic),
        }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

// Written out because the trait is made by the macro of a crate that is needed nowhere else.
impl HttpService for Connector {
    fn call<'s, 'f>(
        &'s self,
        request: HttpRequest,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.answer(request))
    }
}

impl Connector {
    async fn answer(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let unsent = |why: &str| HttpError::new(HttpErrorKind::Unknown, std::io::Error::other(why));
        let tls = request.uri().scheme_str() != Some("http");
        let target = Target::of(request.uri(), tls).ok_or_else(|| unsent("no host"))?;
        let host = HeaderValue::try_from(&target.authority).map_err(|_| unsent("no host"))?;
        let listed = request.method().as_str() == "PROPFIND"
            || request
                .uri()
                .query()
                .is_some_and(|q| q.contains("list-type="));
        let fetched = request.method() == Method::GET && !listed;
        *request.uri_mut() = Uri::try_from(&target.path).map_err(|_| unsent("no path"))?;
        let headers = request.headers_mut();
        // Both may be among what is signed, with these values.
        headers.entry(HOST).or_insert(host);
        let own = HeaderValue::from_static(concat!("mailweir/", env!("CARGO_PKG_VERSION")));
        headers.entry(USER_AGENT).or_insert(own);
        if let Some(login) = &self.authorization {
            headers.insert(AUTHORIZATION, login.clone());
        }
        let answer = self.client.open(&target, request).await;
        let answer = answer.map_err(|e| HttpError::new(HttpErrorKind::Connect, e))?;
        let (head, body) = answer.into_parts();
        let most = match head.status.is_success() {
            // Who fetches knows how long the object is, and reads no more.
            true if fetched => usize::MAX,
            true => LIST_BYTES,
            false => ERROR_BYTES,
        };
        let body = Limited::new(body, most)
            .map_err(|e| HttpError::new(HttpErrorKind::Interrupted, std::io::Error::other(e)));
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}
