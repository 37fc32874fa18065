//! Links in digests: each releases one message to one recipient, for some time.
//!
//! In: a message and a recipient. Out: a token of 76 letters, digits, `-` and `_`: version, id of the message,
//! expiry, and a keyed BLAKE3 hash over these and the recipient's address. The address itself is not in it:
//! it is found among the recipients of the message, as the one for whom the hash fits. So nothing in a token
//! can be altered, and one that was made for a recipient is good for nobody else.
//!
//! The key lies in `data_dir`, mode 0600. Whoever removes it makes all links void.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use nix::fcntl::OFlag;
use ulid::Ulid;

use super::record::{Record, State, instant};
use super::searched::{Searched, recipient_key};
use super::{Quarantine, QuarantineError, Released, blocking};
use crate::clock;
use crate::mail::Address;

/// Name of the file with the key, in `data_dir`.
const KEY: &str = "quarantine-links.key";
const VERSION: u8 = 1;
/// Version, id, seconds, hash.
const TOKEN_BYTES: usize = 1 + 16 + 8 + 32;
/// What the path of a link begins with, behind the base.
pub const LINK_PATH: &str = "/quarantine/link/";

/// What a link leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The message.
    pub record: Record,
    /// Whose link it is, as the message names them.
    pub recipient: Address,
    /// What has become of their copy.
    pub state: State,
    /// When the link ends.
    pub expires: Timestamp,
}

/// Why a link does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No link of ours, or not for this message and recipient.
    #[error("this link is not valid")]
    Invalid,
    /// Its time is over.
    #[error("this link has expired")]
    Expired,
    /// The message is not in the quarantine any more.
    #[error("the message is not in the quarantine any more")]
    Gone,
    /// The copy was released before.
    #[error("the message was released before")]
    Before,
    /// It worked, and what it asks for did not.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
}

impl LinkError {
    /// The word used in metrics.
    fn name(&self) -> &'static str {
        match self {
            LinkError::Invalid => "invalid",
            LinkError::Expired => "expired",
            LinkError::Gone => "gone",
            LinkError::Before => "before",
            LinkError::Quarantine(_) => "failed",
        }
    }
}

/// The key of links.
pub(super) struct Key([u8; 32]);

impl Key {
    /// Reads the key, or makes one where there is none.
    pub(super) fn of(data_dir: &Path) -> Result<Key, QuarantineError> {
        let path = data_dir.join(KEY);
        match read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => make(data_dir, &path),
            other => other.map_err(QuarantineError::file("read", &path)),
        }
    }

    fn hash(&self, id: Ulid, expires: u64, recipient: &str) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(b"mailweir quarantine link 1");
        hasher.update(&id.to_bytes());
        hasher.update(&expires.to_be_bytes());
        hasher.update(recipient.as_bytes());
        hasher.finalize()
    }

    fn token(&self, id: Ulid, expires: u64, recipient: &str) -> String {
        let mut token = Vec::with_capacity(TOKEN_BYTES);
        token.push(VERSION);
        token.extend_from_slice(&id.to_bytes());
        token.extend_from_slice(&expires.to_be_bytes());
        token.extend_from_slice(self.hash(id, expires, recipient).as_bytes());
        BASE64URL_NOPAD.encode(&token)
    }
}

/// What a token says, not yet believed.
struct Claim {
    id: Ulid,
    expires: u64,
    hash: blake3::Hash,
}

impl Claim {
    fn parse(token: &str) -> Option<Claim> {
        let token = Some(token).filter(|t| t.len() <= 2 * TOKEN_BYTES)?;
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (expires, hash) = rest.split_first_chunk::<8>()?;
        let hash = <[u8; 32]>::try_from(hash).ok()?;
        (*version == VERSION).then(|| Claim {
            id: Ulid::from_bytes(*id),
            expires: u64::from_be_bytes(*expires),
            hash: blake3::Hash::from_bytes(hash),
        })
    }
}

impl Quarantine {
    /// The link with which a recipient releases a message, from now on for as long as the options say; `None`
    /// where no `base_url` is configured.
    ///
    /// # Errors
    /// The key; an id that is none.
    pub async fn link(
        &self,
        id: &str,
        recipient: &Address,
    ) -> Result<Option<String>, QuarantineError> {
        let options = self.options();
        let Some(base) = options.digest.base_url.as_ref() else {
            return Ok(None);
        };
        let key = self.link_key().await?;
        let valid = options.digest.link_valid.value.0.as_secs();
        let now = clock::unsigned_seconds();
        let id = super::entry::checked_id(id)?;
        let token = key.token(id, now.saturating_add(valid), &recipient_key(recipient));
        let base = base.value.trim_end_matches('/');
        Ok(Some(format!("{base}{LINK_PATH}{token}")))
    }

    async fn link_key(&self) -> Result<Key, QuarantineError> {
        let folder = self.data_dir.clone();
        blocking(move || Key::of(&folder)).await?
    }

    /// What the link with that token leads to. Changes nothing.
    ///
    /// # Errors
    /// Why it leads nowhere. One that is altered and one for somebody else are the same [`LinkError::Invalid`].
    pub async fn follow_link(&self, token: &str) -> Result<Offer, LinkError> {
        let followed = self.follow(token).await;
        self.count_link(followed.as_ref().map_or_else(LinkError::name, |_| "shown"));
        followed
    }

    async fn follow(&self, token: &str) -> Result<Offer, LinkError> {
        let claim = Claim::parse(token).ok_or(LinkError::Invalid)?;
        let key = self.link_key().await?;
        let record = match self.get(&claim.id.to_string()).await {
            Ok(record) => record,
            // The hash cannot be checked without the recipients; nothing is told but that there is nothing.
            Err(QuarantineError::NotFound(_)) => return Err(LinkError::Gone),
            Err(e) => return Err(e.into()),
        };
        let recipients = record.entry.recipients.iter();
        let fits = |address: &&Address| {
            key.hash(claim.id, claim.expires, &recipient_key(address)) == claim.hash
        };
        let recipient = recipients
            .clone()
            .find(fits)
            .cloned()
            .ok_or(LinkError::Invalid)?;
        let now = clock::unsigned_seconds();
        if now > claim.expires {
            return Err(LinkError::Expired);
        }
        if matches!(record.state, State::Deleting | State::Lost) {
            return Err(LinkError::Gone);
        }
        // It may have been named by the scanner since the link was made, or the options may have changed.
        if Searched::of(&record.entry).virus && !self.options().digest.viruses {
            return Err(LinkError::Invalid);
        }
        let deliveries = self.deliveries(&record.entry.id).await?;
        let wanted = recipient_key(&recipient);
        let own = deliveries.into_iter().find(|d| d.recipient == wanted);
        let state = own.map_or(State::Held, |d| d.state);
        let seconds = i64::try_from(claim.expires).unwrap_or(i64::MAX / 1_000);
        Ok(Offer {
            record,
            recipient,
            state,
            expires: instant(seconds.saturating_mul(1_000)),
        })
    }

    /// Releases what a link leads to, to its recipient and nobody else, once.
    ///
    /// # Errors
    /// As [`Quarantine::follow_link`]; [`LinkError::Before`]; why the release failed.
    pub async fn release_by_link(&self, token: &str) -> Result<Released, LinkError> {
        let done = self.release_offer(token).await;
        self.count_link(done.as_ref().map_or_else(LinkError::name, |_| "released"));
        done
    }

    async fn release_offer(&self, token: &str) -> Result<Released, LinkError> {
        let offer = self.follow(token).await?;
        let to = std::slice::from_ref(&offer.recipient);
        match self.release(&offer.record.entry.id, to, false).await {
            Err(QuarantineError::Released { .. }) => Err(LinkError::Before),
            other => Ok(other?),
        }
    }

    fn count_link(&self, result: &str) {
        self.metrics
            .quarantine_links
            .with_label_values(&[result])
            .inc();
    }
}

fn read(path: &Path) -> io::Result<Key> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    if file.metadata()?.mode() & 0o077 != 0 {
        let why = format!("others can read it: run chmod 600 {}", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let mut key = [0; 32];
    file.read_exact(&mut key)?;
    Ok(Key(key))
}

/// Whoever comes first makes it; all others read what that one has made.
fn make(data_dir: &Path, path: &Path) -> Result<Key, QuarantineError> {
    let temporary: PathBuf = data_dir.join(format!("{KEY}.{}", Ulid::new()));
    let made = write(&temporary, data_dir).and_then(|()| match fs::hard_link(&temporary, path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let _ = fs::remove_file(&temporary);
    made.and_then(|()| File::open(data_dir)?.sync_all())
        .and_then(|()| read(path))
        .map_err(QuarantineError::file("create", path))
}

fn write(path: &Path, data_dir: &Path) -> io::Result<()> {
    let mut key = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&key)?;
    // What root makes must be open to the daemon.
    let owner = fs::metadata(data_dir)?;
    if file.metadata()?.uid() != owner.uid() {
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_kept_from_others() {
        let dir = tempfile::tempdir().unwrap();
        let first = Key::of(dir.path()).unwrap();
        assert_eq!(Key::of(dir.path()).unwrap().0, first.0);
        let path = dir.path().join(KEY);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Key::of(dir.path()).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn nothing_of_a_token_can_be_altered() {
        let (key, other) = (Key([7; 32]), Key([8; 32]));
        let id = Ulid::new();
        let good = |token: &str, recipient: &str, key: &Key| {
            Claim::parse(token).is_some_and(|c| key.hash(c.id, c.expires, recipient) == c.hash)
        };
        let token = key.token(id, 1_000, "a@example.org");
        assert_eq!(token.len(), 76);
        assert!(good(&token, "a@example.org", &key));
        assert!(!good(&token, "b@example.org", &key));
        assert!(!good(&token, "a@example.org", &other));
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap();
        for i in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[i] ^= 1 << bit;
                let altered = BASE64URL_NOPAD.encode(&altered);
                assert!(
                    !good(&altered, "a@example.org", &key),
                    "byte {i}, bit {bit}"
                );
            }
        }
        for none in [
            "",
            "x",
            token.get(..75).unwrap(),
            &format!("{token}A"),
            &"A".repeat(10_000),
            "ä",
        ] {
            assert!(Claim::parse(none).is_none(), "{none:.80}");
        }
    }
}
