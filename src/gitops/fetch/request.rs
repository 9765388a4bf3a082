//! What a fetch is asked to do and what it reports. Both cross to the child process as JSON on a pipe.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::{FetchError, FetchFailure};

/// One fetch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FetchRequest {
    /// `https://`, `http://` or `file:///…`, without user name and password.
    pub url: String,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The commit that [`FetchReport::history`] is about, 40 hex digits; `None`: the one the mirror holds of the branch.
    #[serde(default)]
    pub since: Option<String>,
    /// The folder of the bare mirror; made when absent. One mirror serves one source.
    pub mirror: PathBuf,
    /// From the first look-up of the host name to the last byte.
    pub timeout: Duration,
    /// Who we are to the server.
    pub credentials: Credentials,
    /// PEM certificates. Where given, only servers certified by one of these are trusted; otherwise the roots of the
    /// machine are.
    pub ca: Option<String>,
    /// How much the repository may cost us.
    pub budgets: Budgets,
}

/// Who we are to a server over http or https. A line break at the end of a secret is not part of it: files and `echo`
/// leave one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Credentials {
    /// Nobody.
    #[default]
    None,
    /// A user name and a password or access token.
    Basic {
        /// The user name.
        username: String,
        /// The password or access token.
        #[serde(with = "on_the_pipe")]
        password: SecretString,
    },
    /// An access token.
    Bearer {
        /// The token.
        #[serde(with = "on_the_pipe")]
        token: SecretString,
    },
}

/// Limits of one fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgets {
    /// Bytes received.
    pub received_bytes: u64,
    /// Objects received.
    pub objects: u64,
    /// Address space of the child process, in bytes. Not used by a fetch in one's own process.
    pub memory_bytes: u64,
}

impl Default for Budgets {
    /// 512 MiB and 2,000,000 objects hold a monorepo of years; 1 GiB of address space is generous for a fetch that
    /// streams (17 MB resident measured for 10,000 files with 500 commits).
    fn default() -> Self {
        Self { received_bytes: 512 << 20, objects: 2_000_000, memory_bytes: 1 << 30 }
    }
}

/// What a fetch found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchReport {
    /// The commit the branch points to: 40 hex digits.
    pub commit: String,
    /// The branch.
    pub branch: String,
    /// How the commit relates to [`FetchRequest::since`].
    pub history: History,
    /// Objects received.
    pub received_objects: u64,
    /// Bytes received.
    pub received_bytes: u64,
}

impl FetchReport {
    /// The revision as Flux users know it: `main@sha1:9c2f…`.
    pub fn revision(&self) -> String {
        format!("{}@sha1:{}", self.branch, self.commit)
    }
}

/// How a fetched commit relates to an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum History {
    /// There is no earlier one.
    First,
    /// The same commit.
    Same,
    /// The earlier commit is an ancestor.
    Forward,
    /// The earlier commit is a descendant: the branch went back.
    Backward,
    /// Neither: the history was rewritten.
    Rewritten,
}

/// A URL that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Http { url: Url, host: String, port: u16, tls: bool },
}

impl Source {
    /// # Errors
    /// Says which form is expected. A URL with a user name in it is not repeated: it may hold a password.
    pub(super) fn parse(text: &str) -> Result<Self, FetchError> {
        let invalid = |message: String| FetchError::new(FetchFailure::InvalidUrl, message);
        let url = Url::parse(text).map_err(|error| {
            invalid(format!("expected a URL such as https://git.example/team/support.git: {error}"))
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(
                "the URL holds a user name or password; write them into the Secret that `secretRef` names".to_owned(),
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid(format!("`{url}`: expected a URL without `?` and `#`")));
        }
        let (tls, default_port) = match url.scheme() {
            "https" => (true, 443),
            "http" => (false, 80),
            "file" => {
                return url
                    .to_file_path()
                    .map(Self::File)
                    .map_err(|()| invalid(format!("`{url}`: expected file:// with an absolute path and no host")));
            }
            other => {
                return Err(invalid(format!("`{url}`: expected https, http or file, found `{other}`")));
            }
        };
        let Some(host) = url.host_str().map(str::to_owned) else {
            return Err(invalid(format!("`{url}`: expected a host")));
        };
        let port = url.port().unwrap_or(default_port);
        Ok(Self::Http { url, host, port, tls })
    }
}

/// # Errors
/// Says what a branch name looks like.
pub(super) fn check_branch(branch: &str) -> Result<(), FetchError> {
    let valid = !branch.starts_with("refs/") && git2::Reference::is_valid_name(&format!("refs/heads/{branch}"));
    if valid {
        return Ok(());
    }
    Err(FetchError::new(
        FetchFailure::InvalidUrl,
        format!("`{branch}` is no branch name; expected one such as `main`, without `refs/heads/`"),
    ))
}

/// Secrets leave this process only through the pipe to the child.
mod on_the_pipe {
    use secrecy::{ExposeSecret, SecretString};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose_secret())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
        String::deserialize(deserializer).map(SecretString::from)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://git.example/a.git", 443, true)]
    #[case("http://git.example:8080/a.git", 8080, false)]
    fn a_web_url_names_its_host_port_and_whether_it_is_encrypted(
        #[case] text: &str,
        #[case] expected: u16,
        #[case] encrypted: bool,
    ) {
        let Source::Http { host, port, tls, .. } = Source::parse(text).unwrap() else { panic!("expected http") };
        assert_eq!((host.as_str(), port, tls), ("git.example", expected, encrypted));
    }

    #[rstest]
    #[case("git@git.example:team/support.git", "expected a URL such as")]
    #[case("ssh://git.example/a.git", "expected https, http or file, found `ssh`")]
    #[case("https://ada:s3cret@git.example/a.git", "secretRef")]
    #[case("https://git.example/a.git?token=1", "without `?`")]
    #[case("file://host/repo", "no host")]
    fn a_url_of_another_form_says_which_is_expected(#[case] text: &str, #[case] expected: &str) {
        let error = Source::parse(text).unwrap_err();
        assert_eq!(error.failure, FetchFailure::InvalidUrl);
        assert!(error.message.contains(expected), "{}", error.message);
        assert!(!error.message.contains("s3cret"), "{}", error.message);
    }

    #[rstest]
    #[case("main", true)]
    #[case("release/1.2", true)]
    #[case("refs/heads/main", false)]
    #[case("a..b", false)]
    #[case("", false)]
    #[case("*", false)]
    fn a_branch_is_named_without_its_folder(#[case] name: &str, #[case] valid: bool) {
        assert_eq!(check_branch(name).is_ok(), valid);
    }
}
