//! The text of credentials: what they look like, and how they are kept out of logs.
//!
//! A credential is a prefix that tells its kind and 48 characters of base64url: 32 random bytes, then the
//! first 4 bytes of SHA-256 over prefix and random bytes. So a cut or mistyped one is seen without
//! asking a database, and a scanner for leaked secrets has few false alarms.

use std::borrow::Cow;
use std::fmt;
use std::io;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What a credential is for. One kind is never taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// An API token.
    Access,
    /// A browser's session, held in its cookie.
    Session,
    /// Exchanged once for a session.
    Login,
    /// Exchanged once, by a worker, for an API token of its own.
    Enrolment,
}

impl SecretKind {
    pub const ALL: [Self; 4] = [Self::Access, Self::Session, Self::Login, Self::Enrolment];

    /// The first four characters.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Access => "cvt_",
            Self::Session => "cvs_",
            Self::Login => "cvl_",
            Self::Enrolment => "cve_",
        }
    }

    /// As in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Session => "session",
            Self::Login => "login",
            Self::Enrolment => "enrolment",
        }
    }
}

/// A credential. Its text is shown by [`Secret::reveal`] only.
#[derive(Clone)]
pub struct Secret {
    kind: SecretKind,
    text: String,
}

/// Why a text is not a credential of the kind wanted. Says nothing of the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASecret {
    #[error("a token is cvt_ and 48 letters, digits, - and _")]
    Shape,
    #[error("the token was cut or mistyped: its checksum does not match")]
    Checksum,
    #[error(
        "a credential of another kind: cvt_ is an API token, cvl_ a login link (cultivar login-url makes one), cve_ enrols a worker"
    )]
    OtherKind,
}

const N_RANDOM: usize = 32;
const N_CHECK: usize = 4;

impl Secret {
    /// The credential whose random part is `random`.
    pub fn new(kind: SecretKind, random: [u8; N_RANDOM]) -> Self {
        let mut bytes = [0; N_RANDOM + N_CHECK];
        bytes[..N_RANDOM].copy_from_slice(&random);
        bytes[N_RANDOM..].copy_from_slice(&checksum(kind, &random));
        let text = format!("{}{}", kind.prefix(), BASE64_URL_SAFE_NO_PAD.encode(bytes));
        Self { kind, text }
    }

    /// Reads a credential of a kind.
    ///
    /// # Errors
    /// It cannot be one.
    pub fn parse(kind: SecretKind, text: &str) -> Result<Self, NotASecret> {
        let Some(found) = SecretKind::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))
        else {
            return Err(NotASecret::Shape);
        };
        if found != kind {
            return Err(NotASecret::OtherKind);
        }
        let encoded = &text[kind.prefix().len()..];
        let is_base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !encoded.bytes().all(is_base64url) {
            return Err(NotASecret::Shape);
        }
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| NotASecret::Checksum)?;
        match bytes.split_first_chunk::<N_RANDOM>() {
            Some((random, check)) if *check == checksum(kind, random) => Ok(Self {
                kind,
                text: text.to_owned(),
            }),
            _ => Err(NotASecret::Checksum),
        }
    }

    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    /// What the database keeps.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }

    /// The text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", self.kind.prefix())
    }
}

fn checksum(kind: SecretKind, random: &[u8; N_RANDOM]) -> [u8; N_CHECK] {
    let mut hash = Sha256::new();
    hash.update(kind.prefix().as_bytes());
    hash.update(random);
    let hash: [u8; 32] = hash.finalize().into();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Blots out what looks like a credential or like the password of a URL, for logs and error messages.
/// Also mutilated ones: a log must not hold the 40 characters of a token that somebody cut.
pub fn redact(text: &str) -> Cow<'_, str> {
    match redact_passwords(text) {
        Cow::Borrowed(text) => redact_tokens(text),
        Cow::Owned(text) => Cow::Owned(redact_tokens(&text).into_owned()),
    }
}

/// Where the lines of a log go: whatever a library logs, no credential stands in it.
#[derive(Clone, Copy, Debug)]
pub struct Redacted<W>(pub W);

impl<W: io::Write> io::Write for Redacted<W> {
    /// The subscriber hands over a whole event at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(redact(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Shorter runs after a prefix are words, not secrets.
const MIN_TAIL: usize = 12;

fn redact_tokens(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("cv") {
        let tail = rest.get(at + 4..).unwrap_or_default();
        let is_prefix = SecretKind::ALL
            .iter()
            .any(|kind| rest[at..].starts_with(kind.prefix()));
        let n_tail = tail
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_')
            .count();
        if is_prefix && n_tail >= MIN_TAIL {
            out.push_str(&rest[..at + 4]);
            out.push_str("[redacted]");
            rest = &tail[n_tail..];
        } else {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// `scheme://user:password@host` to `scheme://user:[redacted]@host`.
fn redact_passwords(text: &str) -> Cow<'_, str> {
    const SCHEME_END: &str = "://";
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(SCHEME_END) {
        let start = at + SCHEME_END.len();
        let authority = &rest[start..];
        let end = authority
            .find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c))
            .unwrap_or(authority.len());
        let password = authority[..end].rfind('@').and_then(|at_sign| {
            let colon = authority[..at_sign].find(':')?;
            Some((colon, at_sign))
        });
        match password {
            Some((colon, at_sign)) => {
                out.push_str(&rest[..start + colon + 1]);
                out.push_str("[redacted]");
                rest = &authority[at_sign..];
            }
            None => {
                out.push_str(&rest[..start]);
                rest = authority;
            }
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_mistake_is_seen() {
        let secret = Secret::new(SecretKind::Access, [7; 32]);
        let text = secret.reveal();
        assert_eq!(text.len(), 52);
        assert!(Secret::parse(SecretKind::Access, text).is_ok());
        for at in 4..text.len() {
            let mut wrong = text.to_owned().into_bytes();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).unwrap();
            let found = Secret::parse(SecretKind::Access, &wrong).err();
            assert_eq!(found, Some(NotASecret::Checksum), "character {at}");
            let cut = Secret::parse(SecretKind::Access, &text[..at]).err();
            assert_eq!(cut, Some(NotASecret::Checksum), "cut to {at}");
        }
        let found = |text: &str| Secret::parse(SecretKind::Access, text).err();
        assert_eq!(found("nonsense"), Some(NotASecret::Shape));
        assert_eq!(found("cvt_a b"), Some(NotASecret::Shape));
        assert_eq!(found(&format!("{text}\u{e9}")), Some(NotASecret::Shape));
    }

    #[test]
    fn a_kind_is_never_taken_for_another() {
        for made in SecretKind::ALL {
            let secret = Secret::new(made, [7; 32]);
            for wanted in SecretKind::ALL {
                let found = Secret::parse(wanted, secret.reveal()).err();
                let expect = (made != wanted).then_some(NotASecret::OtherKind);
                assert_eq!(found, expect, "{made:?} as {wanted:?}");
            }
            // A changed prefix alone is a wrong checksum.
            let body = &secret.reveal()[4..];
            let disguised = match made {
                SecretKind::Access => (SecretKind::Login, format!("cvl_{body}")),
                _ => (SecretKind::Access, format!("cvt_{body}")),
            };
            let found = Secret::parse(disguised.0, &disguised.1).err();
            assert_eq!(found, Some(NotASecret::Checksum));
        }
    }

    #[test]
    fn secrets_are_blotted_out_and_words_are_not() {
        let secret = Secret::new(SecretKind::Login, [9; 32]);
        let text = secret.reveal();
        assert!(!format!("{secret:?}").contains(&text[4..12]));
        let check = |text: &str, expect: &str| assert_eq!(redact(text), expect);
        check(
            &format!("a {text}, b={text}"),
            "a cvl_[redacted], b=cvl_[redacted]",
        );
        check(&text[..30], "cvl_[redacted]");
        check("cvt_for_tests cv cvt_ xcv", "cvt_for_tests cv cvt_ xcv");
        check(
            "at postgres://u:p:w@[::1]:5/db, http://h/x?y=a:b@c",
            "at postgres://u:[redacted]@[::1]:5/db, http://h/x?y=a:b@c",
        );
        check("é cvt_ééééééééééééé", "é cvt_ééééééééééééé");
    }
}
