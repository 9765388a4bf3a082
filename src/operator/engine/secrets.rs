//! Reads Secrets by name, only those that are labelled for the use at hand.
//!
//! Never lists or watches them. Without the label, whoever may create a monitor could send any Secret of
//! the namespace anywhere. A value that was read once is kept for as long as the API does not answer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use domain::secret::SecretRef;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use parking_lot::Mutex;
use secrecy::SecretString;
use thiserror::Error;
use tokio::time::Instant;

use crate::kube::{
    lease::Leadership,
    meta::{self, Key},
};

/// Says what a Secret may be used for.
const USE_LABEL: &str = "firstline.dev/use";
/// Binds a Secret to host names, separated by commas.
const HOSTS_ANNOTATION: &str = "firstline.dev/hosts";
/// A value is read anew after this long.
const FRESH: Duration = Duration::from_secs(15);
/// One read may take this long.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a Secret is read for; the value of its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    /// A probe's header or CA.
    Probe,
    /// A channel's credentials.
    Notify,
    /// A repository's credentials.
    Git,
}

impl Use {
    fn label(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Notify => "notify",
            Self::Git => "git",
        }
    }
}

/// Why a Secret gave no value. Never contains one.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SecretError {
    /// There is none of that name.
    #[error("Secret {namespace}/{name} does not exist; create it with the label {USE_LABEL}={use_}")]
    Missing {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// What for.
        use_: &'static str,
    },
    /// It is not meant for this.
    #[error(
        "Secret {namespace}/{name} is not labelled for this use; kubectl -n {namespace} label secret {name} {USE_LABEL}={use_}"
    )]
    NotLabelled {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// What for.
        use_: &'static str,
    },
    /// It is bound to other hosts.
    #[error("Secret {namespace}/{name} may not be sent to {host}: its annotation {HOSTS_ANNOTATION} names {allowed}")]
    OtherHost {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// Where it would have gone.
        host: String,
        /// Where it may go.
        allowed: String,
    },
    /// It has no such key.
    #[error("Secret {namespace}/{name} has no key {key:?}; it has {present}")]
    NoKey {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// The key.
        key: String,
        /// Those it has.
        present: String,
    },
    /// The value is not text.
    #[error("key {key:?} of Secret {namespace}/{name} is not UTF-8 text")]
    NotText {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// The key.
        key: String,
    },
    /// The API did not answer, and nothing was read before.
    #[error("Secret {namespace}/{name} could not be read: {why}")]
    Unreachable {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// Why.
        why: String,
    },
}

/// A Secret, or that there was none, and when that was read; `None`: by somebody else, so it is read anew when it can be.
type Read = (Option<Instant>, Option<Secret>);

/// Uid and version of Secrets by name; `None` for one that is not there.
pub type Versions = BTreeMap<String, Option<(String, u64)>>;

/// Values by reference.
pub type Values = BTreeMap<SecretRef, SecretString>;

/// Reads Secrets.
#[derive(Clone)]
pub struct SecretReader(Arc<Inner>);

struct Inner {
    client: Client,
    leadership: Option<Leadership>,
    read: Mutex<HashMap<Key, Read>>,
}

impl SecretReader {
    /// Reads through this client.
    pub fn new(client: Client) -> Self {
        Self(Arc::new(Inner { client, leadership: None, read: Mutex::default() }))
    }

    /// The same; what was read once is not asked for while this process goes on without the API.
    pub fn led_by(client: Client, leadership: Leadership) -> Self {
        Self(Arc::new(Inner { client, leadership: Some(leadership), read: Mutex::default() }))
    }

    /// Keeps what another reader has found, for when the API is gone. In memory alone, never on disk.
    pub fn remember(&self, other: &Self) {
        let found = other.0.read.lock().clone();
        let mut read = self.0.read.lock();
        for (key, (_, secret)) in found.into_iter().filter(|(_, (_, secret))| secret.is_some()) {
            read.entry(key).and_modify(|kept| kept.1.clone_from(&secret)).or_insert((None, secret));
        }
    }

    /// The value of each reference, for this use and, where given, for sending to this host.
    ///
    /// # Errors
    /// The first reference that gives no value, and what to do about it.
    pub async fn values(
        &self,
        namespace: &str,
        references: &[&SecretRef],
        use_: Use,
        host: Option<&str>,
    ) -> Result<Values, SecretError> {
        let names: BTreeSet<&str> = references.iter().map(|reference| reference.name.as_str()).collect();
        let mut read = BTreeMap::new();
        for name in names {
            read.insert(name, self.secret(namespace, name).await?);
        }
        let mut secrets = BTreeMap::new();
        for (name, secret) in read {
            secrets.insert(name, admit(secret.as_ref(), namespace, name, use_, host)?);
        }
        references
            .iter()
            .map(|reference| {
                let data = secrets.get(reference.name.as_str()).cloned().unwrap_or_default();
                Ok(((*reference).clone(), value(&data, namespace, reference)?))
            })
            .collect()
    }

    /// Every key of one Secret whose value is text, for this use; for Secrets whose keys say what they are.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub async fn all_keys(
        &self,
        namespace: &str,
        name: &str,
        use_: Use,
        host: Option<&str>,
    ) -> Result<BTreeMap<String, SecretString>, SecretError> {
        let secret = self.secret(namespace, name).await?;
        let data = admit(secret.as_ref(), namespace, name, use_, host)?;
        let text =
            data.into_iter().filter_map(|(key, bytes)| Some((key, SecretString::from(String::from_utf8(bytes).ok()?))));
        Ok(text.collect())
    }

    /// The versions of what was read of these Secrets, by name, and when the API changed the last of them. `None` for
    /// one that was not there.
    pub fn versions(&self, namespace: &str, references: &[&SecretRef]) -> (Versions, Option<Timestamp>) {
        let read = self.0.read.lock();
        let secret = |name: &str| read.get(&Key::new(namespace, name)).and_then(|(_, secret)| secret.as_ref());
        let names: BTreeSet<&str> = references.iter().map(|reference| reference.name.as_str()).collect();
        let changed = names.iter().filter_map(|name| changed(secret(name)?)).max();
        let version = |secret: &Secret| (meta::uid(secret), meta::version(secret));
        (names.into_iter().map(|name| (name.to_owned(), secret(name).map(version))).collect(), changed)
    }

    fn is_islanded(&self) -> bool {
        self.0.leadership.as_ref().is_some_and(Leadership::is_islanded)
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, SecretError> {
        let id = Key::new(namespace, name);
        let kept = self.0.read.lock().get(&id).cloned();
        if let Some((at, secret)) = &kept
            && (at.is_some_and(|at| at.elapsed() < FRESH) || self.is_islanded())
            && secret.is_some()
        {
            return Ok(secret.clone());
        }
        let api: Api<Secret> = Api::namespaced(self.0.client.clone(), namespace);
        let why = match tokio::time::timeout(TIMEOUT, api.get_opt(name)).await {
            Ok(Ok(secret)) => {
                self.0.read.lock().insert(id, (Some(Instant::now()), secret.clone()));
                return Ok(secret);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
        };
        match kept {
            Some((_, secret @ Some(_))) => Ok(secret),
            _ => Err(SecretError::Unreachable { namespace: namespace.to_owned(), name: name.to_owned(), why }),
        }
    }
}

/// When somebody wrote it last, by the API server's clock.
fn changed(secret: &Secret) -> Option<Timestamp> {
    let writes = secret.metadata.managed_fields.iter().flatten().filter_map(|entry| entry.time.as_ref());
    writes.chain(&secret.metadata.creation_timestamp).map(|time| time.0).max()
}

type Data = BTreeMap<String, Vec<u8>>;

fn admit(
    secret: Option<&Secret>,
    namespace: &str,
    name: &str,
    use_: Use,
    host: Option<&str>,
) -> Result<Data, SecretError> {
    let (namespace, name, use_) = (namespace.to_owned(), name.to_owned(), use_.label());
    let Some(secret) = secret else { return Err(SecretError::Missing { namespace, name, use_ }) };
    if secret.metadata.labels.as_ref().and_then(|labels| labels.get(USE_LABEL)).is_none_or(|label| label != use_) {
        return Err(SecretError::NotLabelled { namespace, name, use_ });
    }
    let allowed = secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(HOSTS_ANNOTATION));
    if let (Some(allowed), Some(host)) = (allowed, host)
        && !allowed.split(',').any(|one| one.trim().eq_ignore_ascii_case(host))
    {
        return Err(SecretError::OtherHost { namespace, name, host: host.to_owned(), allowed: allowed.clone() });
    }
    let data = secret.data.clone().unwrap_or_default();
    Ok(data.into_iter().map(|(key, bytes)| (key, bytes.0)).collect())
}

fn value(data: &Data, namespace: &str, reference: &SecretRef) -> Result<SecretString, SecretError> {
    let (namespace, name, key) = (namespace.to_owned(), reference.name.clone(), reference.key.clone());
    let Some(bytes) = data.get(&key) else {
        let present =
            if data.is_empty() { "none".to_owned() } else { data.keys().cloned().collect::<Vec<_>>().join(", ") };
        return Err(SecretError::NoKey { namespace, name, key, present });
    };
    let text = String::from_utf8(bytes.clone()).map_err(|_| SecretError::NotText { namespace, name, key })?;
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use rstest::rstest;

    use super::*;

    fn secret(label: &str, hosts: Option<&str>) -> Secret {
        let mut secret = Secret::default();
        secret.metadata.labels = Some(BTreeMap::from([(USE_LABEL.to_owned(), label.to_owned())]));
        secret.metadata.annotations =
            hosts.map(|hosts| BTreeMap::from([(HOSTS_ANNOTATION.to_owned(), hosts.to_owned())]));
        secret.data = Some(BTreeMap::from([("password".to_owned(), ByteString(b"s3cret".to_vec()))]));
        secret
    }

    #[rstest]
    #[case::labelled(Some(secret("notify", None)), None, "")]
    #[case::absent(None, None, "create it with the label firstline.dev/use=notify")]
    #[case::for_probes(
        Some(secret("probe", None)),
        None,
        "kubectl -n payments label secret smtp firstline.dev/use=notify"
    )]
    #[case::bound_to_this_host(Some(secret("notify", Some("a.example, smtp.example"))), Some("SMTP.example"), "")]
    #[case::bound_to_another(
        Some(secret("notify", Some("a.example"))),
        Some("evil.example"),
        "may not be sent to evil.example"
    )]
    fn a_secret_is_read_only_for_what_it_is_labelled(
        #[case] secret: Option<Secret>,
        #[case] host: Option<&str>,
        #[case] refusal: &str,
    ) {
        let admitted = admit(secret.as_ref(), "payments", "smtp", Use::Notify, host);
        match admitted {
            Ok(data) => assert!(refusal.is_empty() && data.contains_key("password")),
            Err(error) => assert!(!refusal.is_empty() && error.to_string().contains(refusal), "{error}"),
        }
    }

    #[test]
    fn a_missing_key_names_those_that_are_there() {
        let data = admit(Some(&secret("git", None)), "a", "b", Use::Git, None).unwrap();
        let reference = SecretRef { name: "b".into(), key: "token".into() };
        assert_eq!(
            value(&data, "a", &reference).unwrap_err().to_string(),
            "Secret a/b has no key \"token\"; it has password"
        );
    }
}
