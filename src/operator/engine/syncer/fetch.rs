//! One fetch of one source: its credentials, the child process, and what a failure means to people.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use api::git_source::Source;
use gitops::{
    child::fetch_in_child,
    fetch::{Budgets, Credentials, FetchError, FetchFailure, FetchReport, FetchRequest},
};
use secrecy::{ExposeSecret, SecretString};

use crate::engine::secrets::{SecretError, SecretReader, Use};

/// The hidden verb of this binary that fetches.
const VERB: &str = "internal-fetch";
/// The keys that a Secret for a repository may hold.
const KEYS: &str = "username and password, or bearerToken; and ca.crt where the server has a certificate of its own";

/// A fetch that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFetched {
    /// A stable word, as Flux users know it.
    pub reason: &'static str,
    /// What happened and, where a person is needed, what to do.
    pub message: String,
    /// Whether only a person can mend it.
    pub needs_a_person: bool,
}

/// Where the mirror of the source with this uid is kept.
pub fn mirror(data: &Path, uid: &str) -> PathBuf {
    data.join("mirrors").join(uid)
}

/// Brings the mirror up to the tip of the branch. `since` is the commit whose history the report tells.
///
/// # Errors
/// Says who can mend it.
pub async fn fetch(
    source: &Source,
    since: Option<String>,
    mirror: PathBuf,
    secrets: &SecretReader,
) -> Result<FetchReport, NotFetched> {
    let (credentials, ca) = match &source.secret {
        // A file needs no credentials; validation has warned of them.
        Some(name) if source.url.scheme() != "file" => {
            let keys = secrets
                .all_keys(&source.namespace, name, Use::Git, source.url.host_str())
                .await
                .map_err(|error| no_secret(&error))?;
            credentials(&keys).map_err(|what| NotFetched {
                reason: "AuthenticationFailed",
                message: format!("Secret {}/{name} {what}; expected {KEYS}", source.namespace),
                needs_a_person: true,
            })?
        }
        _ => (Credentials::None, None),
    };
    let request = FetchRequest {
        url: source.url.to_string(),
        branch: source.branch.clone(),
        since,
        mirror,
        timeout: source.timeout,
        credentials,
        ca,
        budgets: Budgets::default(),
    };
    let program = std::env::current_exe().map_err(|error| NotFetched {
        reason: "GitOperationFailed",
        message: format!("the program to fetch with cannot be found: {error}"),
        needs_a_person: false,
    })?;
    fetch_in_child(&program, &[VERB], &request).await.map_err(|error| not_fetched(&error))
}

fn no_secret(error: &SecretError) -> NotFetched {
    let needs_a_person = !matches!(error, SecretError::Unreachable { .. });
    NotFetched { reason: "AuthenticationFailed", message: error.to_string(), needs_a_person }
}

fn not_fetched(error: &FetchError) -> NotFetched {
    let reason = match error.failure {
        FetchFailure::AuthenticationFailed => "AuthenticationFailed",
        _ => "GitOperationFailed",
    };
    NotFetched { reason, message: error.to_string(), needs_a_person: error.needs_a_person() }
}

/// Who we are, and whom we trust, by the keys of a Secret. The error completes "Secret a/b …" and holds no value.
fn credentials(keys: &BTreeMap<String, SecretString>) -> Result<(Credentials, Option<String>), String> {
    let ca = keys.get("ca.crt").map(|pem| pem.expose_secret().to_owned());
    let credentials = match (keys.get("username"), keys.get("password"), keys.get("bearerToken")) {
        (None, None, Some(token)) => Credentials::Bearer { token: token.clone() },
        (Some(username), Some(password), None) => {
            let username = username.expose_secret().trim_end().to_owned();
            Credentials::Basic { username, password: password.clone() }
        }
        (None, None, None) if ca.is_some() => Credentials::None,
        (None, None, None) => return Err("has none of the keys that are known".to_owned()),
        (_, _, Some(_)) => return Err("has both a bearerToken and a username or password".to_owned()),
        (Some(_), None, None) => return Err("has a username without a password".to_owned()),
        (None, Some(_), None) => return Err("has a password without a username".to_owned()),
    };
    Ok((credentials, ca))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(keys: &[&str]) -> Result<(&'static str, bool), String> {
        let keys = keys.iter().map(|key| ((*key).to_owned(), SecretString::from("s3cret\n"))).collect();
        let (credentials, ca) = credentials(&keys)?;
        let word = match credentials {
            Credentials::None => "none",
            Credentials::Basic { .. } => "basic",
            Credentials::Bearer { .. } => "bearer",
        };
        Ok((word, ca.is_some()))
    }

    #[rstest]
    #[case(&["username", "password"], Ok(("basic", false)))]
    #[case(&["bearerToken", "ca.crt"], Ok(("bearer", true)))]
    #[case(&["ca.crt"], Ok(("none", true)))]
    #[case(&["token"], Err("none of the keys"))]
    #[case(&["username"], Err("without a password"))]
    #[case(&["password"], Err("without a username"))]
    #[case(&["username", "password", "bearerToken"], Err("both"))]
    fn the_keys_of_a_secret_say_who_we_are(
        #[case] keys: &[&str],
        #[case] expected: Result<(&'static str, bool), &str>,
    ) {
        match (read(keys), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected) && !found.contains("s3cret"), "{found}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn an_api_that_is_away_passes_and_a_missing_secret_does_not() {
        let away = SecretError::Unreachable { namespace: "a".into(), name: "b".into(), why: "timeout".into() };
        let missing = SecretError::Missing { namespace: "a".into(), name: "b".into(), use_: "git" };
        assert!(!no_secret(&away).needs_a_person);
        assert!(no_secret(&missing).needs_a_person);
    }
}
