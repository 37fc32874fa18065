//! `quarantine.objects`, as written.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{ByteSize, Findings, Seconds, unwritten};
use crate::https::Target;

/// `quarantine.objects`: where the bytes of held messages are moved after they are safe in the folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectsOptions {
    /// `s3://bucket/prefix`, or `https://host/folder` for WebDAV; null for no object store. Default null.
    pub url: Option<Spanned<String>>,
    /// The server of the bucket, `https://host:port`; null for Amazon's in the region.
    pub endpoint: Option<Spanned<String>>,
    /// The region of the bucket. Default us-east-1.
    pub region: Spanned<String>,
    /// The access key of S3, or who logs in to WebDAV. Default: for S3 what the environment says
    /// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`) or the role of the machine; for WebDAV
    /// nobody.
    pub user: Option<Spanned<String>>,
    /// The file whose one line is the secret key or the password, not readable for others; relative to the
    /// configuration file.
    pub password_file: Option<Spanned<PathBuf>>,
    /// Certificates in PEM form that are trusted instead of those of the system; relative to the configuration file.
    pub ca_file: Option<Spanned<PathBuf>>,
    /// For each request, its bytes included. Default 60s.
    pub timeout: Spanned<Seconds>,
    /// Messages that are moved at one time, and as many that are fetched for readers. Default 4.
    pub parallel: Spanned<usize>,
    /// Bytes of messages that may wait in the folder; when they are more, what should be held is answered with a
    /// temporary failure. Default 2GiB.
    pub waiting: Spanned<ByteSize>,
    /// Brings everything back into the folder, and moves nothing. Default false.
    pub drain: bool,
}

impl Default for ObjectsOptions {
    fn default() -> Self {
        ObjectsOptions {
            url: None,
            endpoint: None,
            region: unwritten("us-east-1".to_owned()),
            user: None,
            password_file: None,
            ca_file: None,
            timeout: unwritten(Seconds::new(60)),
            parallel: unwritten(4),
            waiting: unwritten(ByteSize(2 << 30)),
            drain: false,
        }
    }
}

/// What kind of store a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A bucket, and the prefix of the objects in it.
    S3(String, String),
    /// A WebDAV server, and a folder of it, which need not be there yet.
    WebDav(String, String),
}

impl Place {
    /// # Errors
    /// What is wrong with the URL.
    pub(super) fn parse(url: &str) -> Result<Place, &'static str> {
        let Some(rest) = url.strip_prefix("s3://") else {
            if !url.starts_with("http") {
                return Err("the URL begins with s3:// or https://");
            }
            let target = Target::parse(url)?;
            if url.contains(['?', '#']) {
                return Err("the URL names a folder, without `?` and `#`");
            }
            let scheme = if target.tls { "https" } else { "http" };
            let folder = object_store::path::Path::from_url_path(&target.path);
            let folder = folder.map_err(|_| "the folder is no path: words with / between them")?;
            let server = format!("{scheme}://{}", target.authority);
            return Ok(Place::WebDav(server, folder.to_string()));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        // The rules for buckets of Amazon S3, which others keep too.
        let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(fine) {
            return Err("a bucket has 3 to 63 lower case letters, digits, hyphens and dots");
        }
        match object_store::path::Path::parse(prefix) {
            Ok(_) => Ok(Place::S3(bucket.to_owned(), prefix.to_owned())),
            Err(_) => Err("the prefix is no path: words with / between them"),
        }
    }
}

impl ObjectsOptions {
    pub(crate) fn resolve(&mut self, base: &Path) {
        for file in [&mut self.ca_file, &mut self.password_file]
            .into_iter()
            .flatten()
        {
            file.value = base.join(&file.value);
        }
    }

    /// Whether messages are to be moved into a store.
    pub(crate) fn fills(&self) -> bool {
        self.url.is_some() && !self.drain
    }

    pub(crate) fn check(&self, findings: &mut Findings<'_>) {
        let place = self.url.as_ref().map(|url| (url, Place::parse(&url.value)));
        if let Some((url, Err(why))) = &place {
            let help = "write s3://bucket/prefix, or https://host/folder for WebDAV";
            findings.wrong_with_help(url, *why, help);
        }
        let webdav = matches!(place, Some((_, Ok(Place::WebDav(..)))));
        if let Some(endpoint) = &self.endpoint {
            let help = "write https://minio.example.org:9000, or null for Amazon S3";
            match Target::parse(&endpoint.value) {
                Err(why) => findings.wrong_with_help(endpoint, why, help),
                Ok(target) if target.path != "/" => {
                    findings.wrong_with_help(endpoint, "an endpoint has no path", help);
                }
                Ok(_) => {}
            }
            if webdav {
                let help = "the URL of a WebDAV folder says all; leave the endpoint out";
                findings.wrong_with_help(endpoint, "an endpoint is for s3:// only", help);
            }
        }
        let region = &self.region.value;
        if region.is_empty() || region.len() > 64 || !region.bytes().all(|b| b.is_ascii_graphic()) {
            findings.wrong(&self.region, "not the name of a region");
        }
        match (&self.user, &self.password_file) {
            (Some(user), None) => {
                let help = "name the file that holds it in `password_file`";
                findings.wrong_with_help(user, "a user needs a password", help);
            }
            (None, Some(file)) => {
                let help = "name the user, for S3 the access key, in `user`";
                findings.wrong_with_help(file, "a password needs a user", help);
            }
            _ => {}
        }
        // A colon would end the name (RFC 7617, section 2).
        if let Some(user) = &self.user
            && (user.value.is_empty()
                || user.value.contains(char::is_control)
                || webdav && user.value.contains(':'))
        {
            findings.wrong(user, "not the name of a user");
        }
        if self.timeout.value.0.is_zero() {
            let help = "the store needs some time to answer, such as 60s";
            findings.wrong_with_help(&self.timeout, "objects.timeout is zero", help);
        }
        findings.within(&self.parallel, 1, 64, "messages at one time");
        if self.waiting.value.0 == 0 {
            let help = "messages wait until they are moved; give them room, such as 2GiB";
            findings.wrong_with_help(&self.waiting, "objects.waiting is zero", help);
        }
    }
}
