//! Protected records opened.
//!
//! Job: make a direction's key and nonce out of a secret and open one record after the other. Owns: the record number.
//! Does not know: where secrets come from. The ciphers are ring's.
//! Sources: RFC 8446 5.2, 5.3, 7.1 to 7.3; RFC 5246 5, 6.3 and RFC 5288 3, RFC 7905 2 (TLS 1.2).

use core::fmt;

use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use ring::hkdf::{HKDF_SHA256, HKDF_SHA384, KeyType, Prk};
use ring::hmac;

use super::keys::Label;
use super::{HEADER, Hello, KeyLog, content};

/// A nonce, in every cipher of ours.
const NONCE: usize = 12;
/// What an AES-GCM record of TLS 1.2 carries of its nonce.
const EXPLICIT: usize = 8;

/// A cipher suite as far as records go.
#[derive(Clone, Copy)]
struct Suite {
    aead: &'static Algorithm,
    /// Whether the hash is SHA-384 rather than SHA-256.
    sha384: bool,
    /// TLS 1.2 with AES-GCM: part of the nonce is in the record.
    explicit: bool,
}

impl Suite {
    fn of(number: u16) -> Option<Self> {
        let (aead, sha384, explicit) = match number {
            0x1301 => (&AES_128_GCM, false, false),
            0x1302 => (&AES_256_GCM, true, false),
            0x1303 | 0xcca8..=0xccaa => (&CHACHA20_POLY1305, false, false),
            0x009c | 0x009e | 0xc02b | 0xc02f => (&AES_128_GCM, false, true),
            0x009d | 0x009f | 0xc02c | 0xc030 => (&AES_256_GCM, true, true),
            _ => return None,
        };
        Some(Self {
            aead,
            sha384,
            explicit,
        })
    }

    const fn hash_len(self) -> usize {
        if self.sha384 { 48 } else { 32 }
    }
}

/// What came out of a record.
pub(super) struct Opened {
    pub(super) kind: u8,
    pub(super) plain: Vec<u8>,
    /// Bytes of the record's content before the plain text.
    pub(super) before: usize,
    /// Whether a byte behind it says what it is.
    pub(super) inner: bool,
}

/// Opens the records of one direction.
pub(super) struct Opener {
    is_13: bool,
    /// What opens them; `None` if the capture holds no key, or the suite is none of ours.
    key: Option<Key>,
}

struct Key {
    suite: Suite,
    aead: LessSafeKey,
    iv: Vec<u8>,
    /// Records opened with this key.
    number: u64,
    /// What the next key is made of.
    secret: Vec<u8>,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener(..)")
    }
}

impl Opener {
    /// For a direction of TLS 1.3: of its handshake, or of what follows.
    pub(super) fn tls13(hello: &Hello, keys: &KeyLog, client: bool, traffic: bool) -> Self {
        let label = match (client, traffic) {
            (true, false) => Label::ClientHandshake,
            (false, false) => Label::ServerHandshake,
            (true, true) => Label::ClientTraffic,
            (false, true) => Label::ServerTraffic,
        };
        let key = || {
            let suite = Suite::of(hello.suite?)?;
            Key::tls13(suite, keys.get(label, hello.client_random?)?.to_vec())
        };
        Self {
            is_13: true,
            key: key(),
        }
    }

    /// For a direction of TLS 1.2, once it has changed its cipher.
    pub(super) fn tls12(hello: &Hello, keys: &KeyLog, client: bool) -> Self {
        Self {
            is_13: false,
            key: Key::tls12(hello, keys, client),
        }
    }

    /// Whether records of this type are protected now.
    pub(super) const fn protects(&self, kind: u8) -> bool {
        // In TLS 1.3 everything protected says it is application data.
        if self.is_13 {
            kind == content::APPLICATION_DATA
        } else {
            kind != content::CHANGE_CIPHER_SPEC
        }
    }

    /// Goes on with the next key (RFC 8446 7.2).
    pub(super) fn update(&mut self) {
        self.key = self.key.take().and_then(|key| {
            let next = expand(key.suite, &key.secret, "traffic upd", key.suite.hash_len())?;
            Key::tls13(key.suite, next)
        });
    }

    /// Opens a whole record. One that does not open uses up no number: early data has another key.
    pub(super) fn open(&mut self, record: &[u8]) -> Option<Opened> {
        let is_13 = self.is_13;
        let key = self.key.as_mut()?;
        let before = if key.suite.explicit { EXPLICIT } else { 0 };
        let body = record.get(HEADER..)?;
        let sealed = body.get(before..)?;
        let tag = key.suite.aead.tag_len();
        let nonce = key.nonce(body.get(..before)?)?;
        let additional = if is_13 {
            record.get(..HEADER)?.to_vec()
        } else {
            let len = u16::try_from(sealed.len().checked_sub(tag)?).ok()?;
            let number = key.number.to_be_bytes();
            [&number, record.get(..3)?, &len.to_be_bytes()].concat()
        };
        let mut bytes = sealed.to_vec();
        let opened = key
            .aead
            .open_in_place(nonce, Aad::from(additional), &mut bytes);
        let mut plain = opened.ok()?.to_vec();
        key.number += 1;
        let mut kind = *record.first()?;
        if is_13 {
            // Zeros are padding; the last byte before them is the type.
            while plain.last() == Some(&0) {
                plain.pop();
            }
            kind = plain.pop()?;
        }
        Some(Opened {
            kind,
            plain,
            before,
            inner: is_13,
        })
    }
}

impl Key {
    fn new(suite: Suite, key: &[u8], iv: Vec<u8>, secret: Vec<u8>) -> Option<Self> {
        let aead = LessSafeKey::new(UnboundKey::new(suite.aead, key).ok()?);
        Some(Self {
            suite,
            aead,
            iv,
            number: 0,
            secret,
        })
    }

    fn tls13(suite: Suite, secret: Vec<u8>) -> Option<Self> {
        let key = expand(suite, &secret, "key", suite.aead.key_len())?;
        let iv = expand(suite, &secret, "iv", NONCE)?;
        Self::new(suite, &key, iv, secret)
    }

    /// RFC 5246 6.3: both directions' keys out of one block.
    fn tls12(hello: &Hello, keys: &KeyLog, client: bool) -> Option<Self> {
        let suite = Suite::of(hello.suite?)?;
        let (ours, theirs) = (hello.client_random?, hello.server_random?);
        let master = keys.get(Label::Master, ours)?;
        let key_len = suite.aead.key_len();
        let iv_len = if suite.explicit {
            NONCE - EXPLICIT
        } else {
            NONCE
        };
        let seed = [b"key expansion", &theirs[..], &ours[..]].concat();
        let block = prf(suite, master, &seed, 2 * (key_len + iv_len));
        let side = usize::from(!client);
        let key = block.get(side * key_len..)?.get(..key_len)?;
        let iv = block.get(2 * key_len + side * iv_len..)?.get(..iv_len)?;
        Self::new(suite, key, iv.to_vec(), Vec::new())
    }

    fn nonce(&self, explicit: &[u8]) -> Option<Nonce> {
        let mut nonce = [0; NONCE];
        if self.suite.explicit {
            nonce.copy_from_slice([&self.iv, explicit].concat().get(..NONCE)?);
        } else {
            let number = u128::from(self.number).to_be_bytes();
            let number = number.get(16 - NONCE..)?;
            for (to, (iv, number)) in nonce.iter_mut().zip(self.iv.iter().zip(number)) {
                *to = iv ^ number;
            }
        }
        Some(Nonce::assume_unique_for_key(nonce))
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label without a context (RFC 8446 7.1).
fn expand(suite: Suite, secret: &[u8], label: &str, len: usize) -> Option<Vec<u8>> {
    let hash = if suite.sha384 {
        HKDF_SHA384
    } else {
        HKDF_SHA256
    };
    if secret.len() != suite.hash_len() {
        return None;
    }
    let label = format!("tls13 {label}");
    let info = [
        &u16::try_from(len).ok()?.to_be_bytes()[..],
        &[u8::try_from(label.len()).ok()?],
        label.as_bytes(),
        &[0],
    ];
    let mut out = vec![0; len];
    let secret = Prk::new_less_safe(hash, secret);
    let material = secret.expand(&info, Length(len)).ok()?;
    material.fill(&mut out).ok()?;
    Some(out)
}

/// The pseudorandom function of TLS 1.2 (RFC 5246 5); `seed` has the label before it.
fn prf(suite: Suite, secret: &[u8], seed: &[u8], len: usize) -> Vec<u8> {
    let hash = if suite.sha384 {
        hmac::HMAC_SHA384
    } else {
        hmac::HMAC_SHA256
    };
    let key = hmac::Key::new(hash, secret);
    let mut out = Vec::new();
    let mut a = hmac::sign(&key, seed);
    while out.len() < len {
        out.extend_from_slice(hmac::sign(&key, &[a.as_ref(), seed].concat()).as_ref());
        a = hmac::sign(&key, a.as_ref());
    }
    out
}
