//! Why a fetch failed, told apart by who can mend it.

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::request::Credentials;

/// A fetch that failed. The message says what was expected, what was found and where, and never holds a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct FetchError {
    /// The class of the failure.
    pub failure: FetchFailure,
    /// What happened, as a sentence without a full stop.
    pub message: String,
}

/// The classes of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum FetchFailure {
    /// The URL or the branch name cannot be used as written.
    InvalidUrl,
    /// The server refused the credentials, or asks for some.
    AuthenticationFailed,
    /// There is no repository at the URL.
    RepositoryNotFound,
    /// The repository has no such branch.
    BranchNotFound,
    /// The server's certificate is not trusted.
    Untrusted,
    /// The server could not be reached, or answered that it cannot serve now.
    Unreachable,
    /// The server answered something that is not Git.
    Protocol,
    /// The fetch did not end within its deadline.
    Timeout,
    /// The repository is larger than what is allowed.
    BudgetExceeded(Budget),
    /// The mirror on our own disk could not be read or written.
    Mirror,
    /// The child process ended without a report.
    Child,
}

/// What a fetch may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Budget {
    /// Bytes received from the server.
    ReceivedBytes,
    /// Objects in what the server sends.
    Objects,
    /// Memory of the child process.
    Memory,
}

impl FetchError {
    pub(crate) fn new(failure: FetchFailure, message: impl Into<String>) -> Self {
        Self { failure, message: printable(&message.into()) }
    }

    /// Whether only a person can mend it, by changing the GitSource, its Secret or the repository. The others may pass
    /// by themselves.
    pub fn needs_a_person(&self) -> bool {
        match self.failure {
            FetchFailure::InvalidUrl
            | FetchFailure::AuthenticationFailed
            | FetchFailure::RepositoryNotFound
            | FetchFailure::BranchNotFound
            | FetchFailure::Untrusted
            | FetchFailure::BudgetExceeded(_) => true,
            FetchFailure::Unreachable
            | FetchFailure::Protocol
            | FetchFailure::Timeout
            | FetchFailure::Mirror
            | FetchFailure::Child => false,
        }
    }

    /// The same error with every occurrence of the credentials blotted out: a server may echo them.
    pub(super) fn without(mut self, credentials: &Credentials) -> Self {
        let secret = match credentials {
            Credentials::None => return self,
            Credentials::Basic { password, .. } => password.expose_secret(),
            Credentials::Bearer { token } => token.expose_secret(),
        };
        let secret = secret.trim_end();
        if !secret.is_empty() && self.message.contains(secret) {
            self.message = self.message.replace(secret, "***");
        }
        self
    }
}

/// Text of a server is shown to people: control characters become spaces, and what is over 400 characters is cut.
fn printable(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_password_is_blotted_out() {
        let credentials = Credentials::Basic { username: "ada".into(), password: "s3cret\n".into() };
        let error = FetchError::new(FetchFailure::Protocol, "remote error: s3cret is wrong").without(&credentials);
        assert_eq!(error.message, "remote error: *** is wrong");
    }

    #[test]
    fn control_characters_of_a_server_do_not_reach_a_terminal() {
        let error = FetchError::new(FetchFailure::Protocol, "remote error: \u{1b}[2Jhello\0");
        assert_eq!(error.message, "remote error:  [2Jhello ");
    }
}
