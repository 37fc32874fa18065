//! Passwords: chosen by people, kept as argon2id in the PHC string format (RFC 9106). Its memory of 19 MiB and two
//! passes are what OWASP asks for at least; [`AT_ONCE`] bounds what strangers can make of it.

use std::sync::LazyLock;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use super::AccountError;

/// Fewest characters.
const SHORTEST: usize = 12;
/// Most bytes.
const LONGEST: usize = 256;
/// Passwords that are worked on at one time.
const AT_ONCE: usize = 2;
/// Longest wait for a turn.
const TURN: Duration = Duration::from_secs(10);

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// What a password is compared with where there is no user of that name, so that both take as long.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash("nobody has this password").ok());

/// A password that was found fit to be used, not logged and not stored.
#[derive(Clone)]
pub struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

impl Password {
    /// Checks what somebody has chosen. `name` is the user's.
    ///
    /// # Errors
    /// Too short, too long, too simple, not to be typed; the text says which.
    pub fn chosen(text: &str, name: &str) -> Result<Password, AccountError> {
        let wrong = |why: String| Err(AccountError::Password(why));
        let mut seen: Vec<char> = text.chars().collect();
        if seen.len() < SHORTEST {
            return wrong(format!("a password has {SHORTEST} characters or more"));
        }
        if text.len() > LONGEST {
            return wrong(format!("a password has {LONGEST} bytes or fewer"));
        }
        if text.chars().any(char::is_control) {
            return wrong("a password is one line without control characters".to_owned());
        }
        seen.sort_unstable();
        seen.dedup();
        if seen.len() < 5 {
            return wrong("this password repeats a few characters only".to_owned());
        }
        let (text_lower, name) = (text.to_lowercase(), name.to_lowercase());
        if name.len() > 3 && text_lower.replace(&name, "").chars().count() < SHORTEST / 2 {
            return wrong("this password is little more than the name".to_owned());
        }
        Ok(Password(text.to_owned()))
    }

    /// The same of one that was typed twice, so that a slip of the finger is noticed.
    ///
    /// # Errors
    /// As [`Password::chosen`]; two that differ.
    pub fn chosen_twice(text: &str, again: &str, name: &str) -> Result<Password, AccountError> {
        match text == again {
            true => Password::chosen(text, name),
            false => Err(AccountError::Password(
                "the two passwords differ".to_owned(),
            )),
        }
    }

    /// What is stored of it.
    ///
    /// # Errors
    /// Too much is going on.
    pub(super) async fn hash(&self) -> Result<String, AccountError> {
        let text = self.0.clone();
        turn(move || hash(&text)).await?
    }
}

/// Whether `text` is the password with the stored `hash`; takes as long where there is none.
pub(super) async fn matches(text: &str, hash: Option<String>) -> Result<bool, AccountError> {
    if text.len() > LONGEST {
        return Ok(false);
    }
    let text = text.to_owned();
    turn(move || {
        let known = hash.is_some();
        let Some(hash) = hash.or_else(|| NOBODY.clone()) else {
            return false;
        };
        let Ok(hash) = PasswordHash::new(&hash) else {
            return false;
        };
        let matches = Argon2::default().verify_password(text.as_bytes(), &hash);
        matches.is_ok() && known
    })
    .await
}

fn hash(text: &str) -> Result<String, AccountError> {
    let hash = Argon2::default().hash_password(text.as_bytes());
    let hash: PasswordHash = hash.map_err(|_| AccountError::Random)?;
    Ok(hash.to_string())
}

/// Runs slow work off the async threads, a few at a time.
async fn turn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AccountError> {
    let turn = tokio::time::timeout(TURN, TURNS.acquire()).await;
    let _turn = turn
        .map_err(|_| AccountError::Busy)?
        .map_err(|_| AccountError::Busy)?;
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| AccountError::Busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_easily_guessed_is_not_taken() {
        for (text, why) in [
            ("short", "12 characters"),
            (&*"x".repeat(300), "256 bytes"),
            ("aaaaaaabbbbbbb", "repeats"),
            ("margarete12", "12 characters"),
            ("margarete123", "than the name"),
            ("one line\nand more", "one line"),
        ] {
            let told = Password::chosen(text, "Margarete").unwrap_err().to_string();
            assert!(told.contains(why), "{text}: {told}");
        }
        Password::chosen("grün wie die Heide", "Margarete").unwrap();
        Password::chosen("correct horse battery", "").unwrap();
    }

    #[tokio::test]
    async fn only_the_same_password_matches_its_hash() {
        let password = Password::chosen("correct horse battery", "ann").unwrap();
        let hash = password.hash().await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(
            matches("correct horse battery", Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!matches("correct horse batter", Some(hash)).await.unwrap());
        assert!(!matches("nobody has this password", None).await.unwrap());
    }
}
