//! Standard Webhooks 1.0 signatures, symmetric (`v1`): <https://www.standardwebhooks.com>.
//!
//! Signed is `id.timestamp.body`, exactly as sent, with HMAC-SHA256. Signing and verifying are pure; the
//! asymmetric `v1a` is deliberately absent, because no receiver we know needs it.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

/// How far a message's timestamp may be from the receiver's clock, either way; the figure of the reference
/// implementations.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// One key, or several while a key is being changed; never empty.
pub struct SigningKeys(Vec<SecretSlice<u8>>);

/// A signing secret that cannot be used. Never contains the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKey {
    /// Nothing but white space.
    #[error("expected `whsec_` and base64 of 24 to 64 bytes, found nothing")]
    Empty,
    /// The prefix is missing.
    #[error("key {0}: expected it to start with `whsec_`")]
    Prefix(usize),
    /// Not base64.
    #[error("key {0}: expected standard base64 with padding after `whsec_`")]
    Base64(usize),
    /// Too short or too long.
    #[error("key {0}: expected 24 to 64 bytes in base64, found {1}")]
    Length(usize, usize),
}

/// Why a receiver must not believe a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `webhook-timestamp` is not whole seconds since 1970.
    #[error("webhook-timestamp: expected whole seconds since 1970")]
    Timestamp,
    /// An old message sent again, or clocks that disagree.
    #[error("webhook-timestamp is more than 5 minutes from our clock")]
    Stale,
    /// No signature was made with any of our keys.
    #[error("no signature in webhook-signature fits id, timestamp and body")]
    Signature,
}

impl SigningKeys {
    /// Reads `whsec_` + base64 of 24–64 bytes; several are separated by white space.
    ///
    /// # Errors
    /// The first key that is malformed, counted from 1.
    pub fn parse(secret: &str) -> Result<Self, MalformedKey> {
        let keys = secret.split_whitespace().zip(1..).map(|(key, number)| {
            let encoded = key.strip_prefix("whsec_").ok_or(MalformedKey::Prefix(number))?;
            let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| MalformedKey::Base64(number))?;
            if (24..=64).contains(&bytes.len()) {
                Ok(bytes.into())
            } else {
                Err(MalformedKey::Length(number, bytes.len()))
            }
        });
        let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(MalformedKey::Empty) } else { Ok(Self(keys)) }
    }

    /// The value of `webhook-signature`: one `v1,…` per key, separated by spaces. `timestamp` is the attempt's.
    pub fn signature(&self, id: &str, timestamp: Timestamp, body: &[u8]) -> String {
        let seconds = timestamp.as_second().to_string();
        let signatures = self
            .0
            .iter()
            .filter_map(|key| mac(key, id, &seconds, body))
            .map(|mac| format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())));
        signatures.collect::<Vec<_>>().join(" ")
    }

    /// What a receiver does: `timestamp` and `signatures` are the headers as received.
    ///
    /// A receiver also drops an id it has already seen; that needs memory and is not done here.
    ///
    /// # Errors
    /// Why the message must not be believed.
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), Refused> {
        let seconds: i64 = timestamp.parse().map_err(|_| Refused::Timestamp)?;
        let sent = Timestamp::from_second(seconds).map_err(|_| Refused::Timestamp)?;
        if now.duration_since(sent).abs() > TOLERANCE {
            return Err(Refused::Stale);
        }
        let made_with = |key: &SecretSlice<u8>, signature: &[u8]| {
            mac(key, id, timestamp, body).is_some_and(|mac| mac.verify_slice(signature).is_ok())
        };
        let known = signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,"));
        let mut decoded = known.filter_map(|signature| BASE64_STANDARD.decode(signature).ok());
        if decoded.any(|signature| self.0.iter().any(|key| made_with(key, &signature))) {
            Ok(())
        } else {
            Err(Refused::Signature)
        }
    }
}

/// HMAC takes keys of any length, so this is always `Some`; the library's signature cannot say so.
fn mac(key: &SecretSlice<u8>, id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).ok()?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The vector that the reference implementations publish and test with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn the_published_vector_is_signed_as_published() {
        let keys = SigningKeys::parse(SECRET).unwrap();
        assert_eq!(keys.signature(ID, at(1_614_265_330), BODY), SIGNATURE);
        assert_eq!(keys.verify(ID, "1614265330", SIGNATURE, BODY, at(1_614_265_330)), Ok(()));
    }

    #[test]
    fn while_a_key_is_changed_a_receiver_with_either_key_believes_the_message() {
        let both = SigningKeys::parse(&format!("{OTHER} {SECRET}\n")).unwrap();
        let signatures = both.signature(ID, at(1_614_265_330), BODY);
        assert_eq!(signatures.split(' ').count(), 2);
        for one in [SECRET, OTHER] {
            let receiver = SigningKeys::parse(one).unwrap();
            assert_eq!(receiver.verify(ID, "1614265330", &signatures, BODY, at(1_614_265_330)), Ok(()));
        }
    }

    #[rstest]
    #[case::another_body(ID, "1614265330", SIGNATURE, b"{}", Refused::Signature)]
    #[case::another_id("msg_x", "1614265330", SIGNATURE, BODY, Refused::Signature)]
    #[case::another_time(ID, "1614265331", SIGNATURE, BODY, Refused::Signature)]
    #[case::six_minutes_old(ID, "1614264970", SIGNATURE, BODY, Refused::Stale)]
    #[case::six_minutes_ahead(ID, "1614265690", SIGNATURE, BODY, Refused::Stale)]
    #[case::no_time(ID, "yesterday", SIGNATURE, BODY, Refused::Timestamp)]
    #[case::an_unknown_scheme(
        ID,
        "1614265330",
        "v9,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        BODY,
        Refused::Signature
    )]
    #[case::no_signature(ID, "1614265330", "", BODY, Refused::Signature)]
    fn a_receiver_refuses(
        #[case] id: &str,
        #[case] timestamp: &str,
        #[case] signatures: &str,
        #[case] body: &[u8],
        #[case] reason: Refused,
    ) {
        let keys = SigningKeys::parse(SECRET).unwrap();
        assert_eq!(keys.verify(id, timestamp, signatures, body, at(1_614_265_330)), Err(reason));
    }

    #[rstest]
    #[case::nothing(" \n", MalformedKey::Empty)]
    #[case::no_prefix("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", MalformedKey::Prefix(1))]
    #[case::no_base64("whsec_???", MalformedKey::Base64(1))]
    #[case::too_short("whsec_c2hvcnQ=", MalformedKey::Length(1, 5))]
    fn a_malformed_secret_is_refused(#[case] secret: &str, #[case] expected: MalformedKey) {
        assert_eq!(SigningKeys::parse(secret).err(), Some(expected));
    }

    #[test]
    fn the_malformed_one_of_several_keys_is_named_without_showing_it() {
        let error = SigningKeys::parse(&format!("{SECRET} whsec_c2hvcnQ=")).err().unwrap().to_string();
        assert_eq!(error, "key 2: expected 24 to 64 bytes in base64, found 5");
    }
}
