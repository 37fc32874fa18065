//! Encryption by the standard handler (ISO 32000-2, section 7.6), undone where the password is known.
//!
//! A file with an empty user password opens like any other; its password only restricts what may be done with it. Others
//! come with their password in the text of the message. Both hide texts and links from filters, which is what they
//! are for. In: the encryption dictionary, the identifier of the file, a password. Out: the key, if the password is right,
//! and decrypted strings and streams.

use aes::{Aes128, Aes256};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use md5::{Digest, Md5};
use sha2::{Sha256, Sha384, Sha512};

/// What a password is filled up with.
const PADDING: [u8; 32] = [
    0x28, 0xBF, 0x4E, 0x5E, 0x4E, 0x75, 0x8A, 0x41, 0x64, 0x00, 0x4E, 0x56, 0xFF, 0xFA, 0x01, 0x08,
    0x2E, 0x2E, 0x00, 0xB6, 0xD0, 0x68, 0x3E, 0x80, 0x2F, 0x0C, 0xA9, 0xFE, 0x64, 0x53, 0x69, 0x7A,
];
/// Bytes of a block of AES.
const BLOCK: usize = 16;

/// How content is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    /// RC4 with a key for each object.
    #[default]
    Rc4,
    /// AES with a key of 128 bits for each object.
    Aes128,
    /// AES with one key of 256 bits.
    Aes256,
}

/// What the encryption dictionary says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Protection {
    pub(super) version: i64,
    pub(super) revision: i64,
    /// Length of the key, bits.
    pub(super) bits: Option<usize>,
    pub(super) permissions: i64,
    pub(super) owner: Vec<u8>,
    pub(super) user: Vec<u8>,
    pub(super) user_key: Vec<u8>,
    pub(super) method: Option<Method>,
    pub(super) plain_metadata: bool,
}

/// The key of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    bytes: Vec<u8>,
    method: Method,
}

impl Protection {
    /// The key, if this user password opens the file.
    pub(super) fn open(&self, identifier: &[u8], password: &str) -> Option<Key> {
        if self.version >= 5 {
            return self.open_256(password);
        }
        let padded: Vec<u8> = encoding_rs::WINDOWS_1252
            .encode(password)
            .0
            .iter()
            .chain(&PADDING)
            .copied()
            .collect();
        let padded = padded.get(..PADDING.len())?;
        let bytes = self.legacy_key(identifier, padded)?;
        let right = match self.revision {
            ..=2 => self.user.get(..32)? == rc4(&bytes, &PADDING),
            _ => self.user.get(..16)? == check_value(&bytes, identifier),
        };
        right.then(|| Key {
            bytes,
            method: self.method.unwrap_or_default(),
        })
    }

    /// The key of revisions 2 to 4 (algorithm 2).
    fn legacy_key(&self, identifier: &[u8], padded: &[u8]) -> Option<Vec<u8>> {
        let usual = if self.version == 4 { 128 } else { 40 };
        let length = match self.revision {
            ..=2 => 5,
            _ => (self.bits.unwrap_or(usual) / 8).clamp(5, 16),
        };
        let mut hash = Md5::new();
        hash.update(padded);
        hash.update(self.owner.get(..32)?);
        // Written as a signed or an unsigned number; the lowest 32 bits are meant.
        hash.update(self.permissions.to_le_bytes().get(..4)?);
        hash.update(identifier);
        if self.revision >= 4 && self.plain_metadata {
            hash.update([0xFF; 4]);
        }
        let mut key = hash.finalize().to_vec();
        if self.revision >= 3 {
            for _ in 0..50 {
                key = Md5::digest(key.get(..length)?).to_vec();
            }
        }
        key.truncate(length);
        Some(key)
    }

    /// Revisions 5 and 6.
    fn open_256(&self, password: &str) -> Option<Key> {
        // Longer ones count up to here.
        let password = password.as_bytes();
        let password = password.get(..127).unwrap_or(password);
        let hash = |salt: &[u8]| match self.revision {
            5 => Some(Sha256::digest([password, salt].concat()).to_vec()),
            _ => hash_of_revision_6(password, salt),
        };
        if hash(self.user.get(32..40)?)? != self.user.get(..32)? {
            return None;
        }
        let wrapping = hash(self.user.get(40..48)?)?;
        let key = decrypt_256(&wrapping, &[0; BLOCK], self.user_key.get(..32)?)?;
        Some(Key {
            bytes: key,
            method: Method::Aes256,
        })
    }
}

/// What the user entry of revisions 3 and 4 holds (algorithm 5).
fn check_value(key: &[u8], identifier: &[u8]) -> Vec<u8> {
    let mut hash = Md5::new();
    hash.update(PADDING);
    hash.update(identifier);
    let mut check = hash.finalize().to_vec();
    for round in 0..20 {
        let round_key: Vec<u8> = key.iter().map(|byte| byte ^ round).collect();
        check = rc4(&round_key, &check);
    }
    check
}

impl Key {
    /// Decrypts a string or a stream of an object.
    pub(super) fn decrypt(&self, object: u32, generation: u16, data: &[u8]) -> Vec<u8> {
        if self.method == Method::Aes256 {
            return chained(data, |first, rest| decrypt_256(&self.bytes, first, rest));
        }
        let key = self.of_object(object, generation);
        let key = key.as_slice();
        match self.method {
            Method::Aes128 => chained(data, |first, rest| decrypt_128(key, first, rest)),
            _ => rc4(key, data),
        }
    }
}

impl Key {
    /// The key of one object (algorithm 1).
    fn of_object(&self, object: u32, generation: u16) -> Vec<u8> {
        let mut hash = Md5::new();
        hash.update(&self.bytes);
        hash.update(object.to_le_bytes().get(..3).unwrap_or_default());
        hash.update(generation.to_le_bytes());
        if self.method == Method::Aes128 {
            hash.update(b"sAlT");
        }
        let mut key = hash.finalize().to_vec();
        key.truncate((self.bytes.len() + 5).min(16));
        key
    }
}

/// AES puts a block for the beginning in front and fills up the last one; a part of a block at the end is damage.
fn chained(data: &[u8], decrypt: impl Fn(&[u8], &[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let (first, rest) = data.split_at_checked(BLOCK).unwrap_or_default();
    let whole = rest
        .get(..rest.len() - rest.len() % BLOCK)
        .unwrap_or_default();
    let mut plain = decrypt(first, whole).unwrap_or_default();
    let filling = plain.last().map_or(0, |last| usize::from(*last));
    if (1..=BLOCK).contains(&filling) {
        plain.truncate(plain.len().saturating_sub(filling));
    }
    plain
}

fn decrypt_128(key: &[u8], first: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let cipher = cbc::Decryptor::<Aes128>::new_from_slices(key, first).ok()?;
    cipher.decrypt_padded_vec_mut::<NoPadding>(data).ok()
}

fn decrypt_256(key: &[u8], first: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let cipher = cbc::Decryptor::<Aes256>::new_from_slices(key, first).ok()?;
    cipher.decrypt_padded_vec_mut::<NoPadding>(data).ok()
}

/// Algorithm 2.B of ISO 32000-2, for a user password.
fn hash_of_revision_6(password: &[u8], salt: &[u8]) -> Option<Vec<u8>> {
    let mut key = Sha256::digest([password, salt].concat()).to_vec();
    for round in 0_u32.. {
        let text = [password, &key].concat().repeat(64);
        let cipher =
            cbc::Encryptor::<Aes128>::new_from_slices(key.get(..16)?, key.get(16..32)?).ok()?;
        let mixed = cipher.encrypt_padded_vec_mut::<NoPadding>(&text);
        // The first sixteen bytes as a number, of which only the remainder matters.
        let sum: u32 = mixed.iter().take(16).map(|byte| u32::from(*byte)).sum();
        key = match sum % 3 {
            0 => Sha256::digest(&mixed).to_vec(),
            1 => Sha384::digest(&mixed).to_vec(),
            _ => Sha512::digest(&mixed).to_vec(),
        };
        let last = mixed.last().map_or(0, |last| u32::from(*last));
        if round >= 63 && last <= round.saturating_sub(31) {
            break;
        }
    }
    key.truncate(32);
    Some(key)
}

/// RC4, which encrypts and decrypts in the same way.
fn rc4(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut state: Vec<u8> = (0..=255).collect();
    let mut j = 0_u8;
    for (i, add) in (0..=255_u8).zip(key.iter().cycle()) {
        let value = state.get(usize::from(i)).copied().unwrap_or(0);
        j = j.wrapping_add(value).wrapping_add(*add);
        state.swap(usize::from(i), usize::from(j));
    }
    let (mut i, mut j) = (0_u8, 0_u8);
    let at = |state: &[u8], index: u8| state.get(usize::from(index)).copied().unwrap_or(0);
    data.iter()
        .map(|byte| {
            i = i.wrapping_add(1);
            j = j.wrapping_add(at(&state, i));
            state.swap(usize::from(i), usize::from(j));
            let sum = at(&state, i).wrapping_add(at(&state, j));
            byte ^ at(&state, sum)
        })
        .collect()
}

/// Encrypts data of an object.
#[cfg(test)]
type Encrypt = Box<dyn Fn(u32, u16, &[u8]) -> Vec<u8>>;

/// An encryption dictionary of each kind, and what encrypts accordingly, for tests.
#[cfg(test)]
pub(super) fn samples(password: &str, identifier: &[u8]) -> Vec<(String, Encrypt)> {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let filled = |data: &[u8]| {
        let missing = BLOCK - data.len() % BLOCK;
        [data, &vec![missing as u8; missing]].concat()
    };
    let padded: Vec<u8> = password.bytes().chain(PADDING).take(32).collect();
    let mut samples: Vec<(String, Encrypt)> = Vec::new();
    for (version, revision, method) in [
        (1, 2, Method::Rc4),
        (2, 3, Method::Rc4),
        (4, 4, Method::Aes128),
    ] {
        let protection = Protection {
            version,
            revision,
            bits: Some(128),
            permissions: -4,
            owner: vec![7; 32],
            ..Protection::default()
        };
        let bytes = protection.legacy_key(identifier, &padded).unwrap();
        let user = match revision {
            2 => rc4(&bytes, &PADDING),
            _ => [check_value(&bytes, identifier), vec![0; 16]].concat(),
        };
        let head = format!(
            "<</Filter/Standard/V {version}/R {revision}/Length 128/P 4294967292/O<{}>/U<{}>/CF<</StdCF<</CFM/{}>>>>>>",
            hex(&protection.owner),
            hex(&user),
            if method == Method::Aes128 {
                "AESV2"
            } else {
                "V2"
            },
        );
        let key = Key { bytes, method };
        samples.push((
            head,
            Box::new(move |object, generation, data| match method {
                Method::Aes128 => {
                    let key = key.of_object(object, generation);
                    let cipher =
                        cbc::Encryptor::<Aes128>::new_from_slices(&key, &[9; BLOCK]).unwrap();
                    [
                        vec![9; BLOCK],
                        cipher.encrypt_padded_vec_mut::<NoPadding>(&filled(data)),
                    ]
                    .concat()
                }
                _ => key.decrypt(object, generation, data),
            }),
        ));
    }
    for revision in [5, 6] {
        let hash = |salt: &[u8; 8]| match revision {
            5 => Sha256::digest([password.as_bytes(), salt].concat()).to_vec(),
            _ => hash_of_revision_6(password.as_bytes(), salt).unwrap(),
        };
        let wrap = cbc::Encryptor::<Aes256>::new_from_slices(&hash(&[2; 8]), &[0; BLOCK]).unwrap();
        let head = format!(
            "<</Filter/Standard/V 5/R {revision}/P -4/O<{}>/U<{}{}{}>/UE<{}>/CF<</StdCF<</CFM/AESV3>>>>>>",
            hex(&[7; 48]),
            hex(&hash(&[1; 8])),
            hex(&[1; 8]),
            hex(&[2; 8]),
            hex(&wrap.encrypt_padded_vec_mut::<NoPadding>(&[5; 32])),
        );
        samples.push((
            head,
            Box::new(move |_, _, data| {
                let cipher =
                    cbc::Encryptor::<Aes256>::new_from_slices(&[5; 32], &[9; BLOCK]).unwrap();
                [
                    vec![9; BLOCK],
                    cipher.encrypt_padded_vec_mut::<NoPadding>(&filled(data)),
                ]
                .concat()
            }),
        ));
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rc4_gives_the_known_answers() {
        assert_eq!(
            rc4(b"Key", b"Plaintext"),
            [0xBB, 0xF3, 0x16, 0xE8, 0xD9, 0x40, 0xAF, 0x0A, 0xD3]
        );
        assert_eq!(rc4(b"Wiki", b"pedia"), [0x10, 0x21, 0xBF, 0x04, 0x20]);
        assert_eq!(rc4(b"", b"").len(), 0);
    }

    #[test]
    fn nothing_that_is_too_short_is_opened() {
        for version in [1, 2, 4, 5] {
            for revision in [2, 3, 4, 5, 6] {
                let protection = Protection {
                    version,
                    revision,
                    owner: vec![0; 48],
                    user: vec![0; 48],
                    user_key: vec![0; 32],
                    ..Protection::default()
                };
                assert_eq!(protection.open(b"id", ""), None);
                assert_eq!(
                    Protection {
                        user: vec![1; 20],
                        ..protection
                    }
                    .open(b"", "x"),
                    None
                );
            }
        }
        let key = Key {
            bytes: vec![1; 16],
            method: Method::Aes128,
        };
        for length in [0, 5, 16, 31, 32, 40] {
            key.decrypt(1, 0, &vec![7; length]);
        }
    }
}
