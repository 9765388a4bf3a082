//! The API server's audit log as a ledger of requests: who sent what, how often.
//!
//! The log is written in step with the requests but not before their answers,
//! so a reading first sends a request of its own and waits for it to appear:
//! what was answered before the reading is then in the log.

use std::{
    collections::{BTreeMap, HashSet},
    fmt, fs,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The reader of one control plane's log.
#[derive(Debug, Clone)]
pub struct Audit {
    pub(super) log: PathBuf,
    pub(super) client: reqwest::Client,
    pub(super) server: String,
    pub(super) admin_token: String,
}

/// A place in the log.
#[derive(Debug, Clone, Copy)]
pub struct Mark(u64);

/// One request that was answered (or, for a watch, begun).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who authenticated, such as `system:serviceaccount:acme:firstline`.
    pub user: String,
    /// Whom they impersonated.
    pub acting_as: Option<String>,
    /// `User-Agent`; empty when none was sent.
    pub user_agent: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` …
    pub verb: String,
    /// Plural name; empty for other paths.
    pub resource: String,
    /// `status`, `token` …; empty for the object itself.
    pub subresource: String,
    /// Empty for a cluster-wide request.
    pub namespace: String,
    /// Empty for lists and for creates.
    pub name: String,
    /// Status code of the answer; 0 when there was none.
    pub code: u16,
    /// Path and query.
    pub uri: String,
}

impl Request {
    /// Whether it may change something. Dry runs, reviews of access and tokens
    /// change nothing that is stored.
    pub fn is_write(&self) -> bool {
        let changes = matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection");
        let reviews = self.resource.ends_with("reviews") || self.subresource == "token";
        changes && !reviews && !self.uri.contains("dryRun=")
    }

    /// `verb resource/subresource`, the line under which it is counted.
    pub fn kind(&self) -> String {
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        format!("{} {}{slash}{}", self.verb, self.resource, self.subresource)
    }
}

/// Requests in the order of their answers. Each filter gives a smaller set.
#[derive(Debug, Clone, Default)]
pub struct Requests(Vec<Request>);

impl Requests {
    /// Those for which `keep` holds.
    #[must_use]
    pub fn filter(mut self, keep: impl Fn(&Request) -> bool) -> Self {
        self.0.retain(keep);
        self
    }

    /// Those of one authenticated user.
    #[must_use]
    pub fn by(self, user: &str) -> Self {
        self.filter(|r| r.user == user)
    }

    /// Those of one service account.
    #[must_use]
    pub fn by_service_account(self, namespace: &str, name: &str) -> Self {
        self.by(&format!("system:serviceaccount:{namespace}:{name}"))
    }

    /// Those whose user agent starts with `prefix`.
    #[must_use]
    pub fn by_agent(self, prefix: &str) -> Self {
        self.filter(|r| r.user_agent.starts_with(prefix))
    }

    /// Those with this verb.
    #[must_use]
    pub fn verb(self, verb: &str) -> Self {
        self.filter(|r| r.verb == verb)
    }

    /// Those on this plural name, any subresource.
    #[must_use]
    pub fn resource(self, plural: &str) -> Self {
        self.filter(|r| r.resource == plural)
    }

    /// Those on other resources than these.
    #[must_use]
    pub fn except(self, plurals: &[&str]) -> Self {
        self.filter(|r| !plurals.contains(&r.resource.as_str()))
    }

    /// Those on this subresource; `""` for the object itself.
    #[must_use]
    pub fn subresource(self, name: &str) -> Self {
        self.filter(|r| r.subresource == name)
    }

    /// Those in this namespace.
    #[must_use]
    pub fn namespace(self, namespace: &str) -> Self {
        self.filter(|r| r.namespace == namespace)
    }

    /// Those that may change something, see [`Request::is_write`].
    #[must_use]
    pub fn writes(self) -> Self {
        self.filter(Request::is_write)
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Request> {
        self.0.iter()
    }

    /// How many of each verb and resource.
    pub fn tally(&self) -> BTreeMap<String, usize> {
        let mut tally = BTreeMap::new();
        for request in &self.0 {
            *tally.entry(request.kind()).or_default() += 1;
        }
        tally
    }
}

/// `5 requests: 2 create tickets, 3 patch tickets/status`, for failing asserts.
impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally: Vec<String> = self.tally().iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        write!(f, "{} requests: {}", self.count(), tally.join(", "))
    }
}

impl Audit {
    /// A mark after everything that has been answered so far.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn mark(&self) -> Result<Mark> {
        let before = self.settle().await?;
        Ok(Mark(before + whole_lines(&self.read_from(before)?)))
    }

    /// The requests that were answered since `mark`, watches that were begun
    /// included, without this reader's own.
    ///
    /// # Errors
    /// When the API server does not answer or the log cannot be read.
    pub async fn since(&self, mark: Mark) -> Result<Requests> {
        self.settle().await?;
        parse(&self.read_from(mark.0)?)
    }

    /// Sends a request that can be recognised and waits until it is in the log.
    /// Gives a place before it.
    async fn settle(&self) -> Result<u64> {
        let uri = format!("/version?{OWN}={}", uuid::Uuid::new_v4().simple());
        let before = self.length();
        let answer = self.client.get(format!("{}{uri}", self.server)).bearer_auth(&self.admin_token).send().await?;
        answer.error_for_status()?;
        crate::eventually(Duration::from_secs(10), "the reader's own request in the audit log", || async {
            let recent = self.read_from(before)?;
            let there = String::from_utf8_lossy(&recent).contains(&uri);
            if there { Ok(()) } else { bail!("{} bytes without it", recent.len()) }
        })
        .await?;
        Ok(before)
    }

    /// 0 while the file is not there.
    fn length(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |file| file.len())
    }

    fn read_from(&self, offset: u64) -> Result<Vec<u8>> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = fs::File::open(&self.log)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut rest = Vec::new();
            file.read_to_end(&mut rest)?;
            Ok(rest)
        };
        read().with_context(|| format!("audit log {}", self.log.display()))
    }
}

/// Marks the reader's own requests.
const OWN: &str = "audit-reading";

/// The length of what ends with a line: the log may be read in the middle of a
/// write, and a mark there would cut the line in two.
fn whole_lines(log: &[u8]) -> u64 {
    log.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline as u64 + 1)
}

fn parse(lines: &[u8]) -> Result<Requests> {
    let mut seen = HashSet::new();
    let mut requests = Vec::new();
    for line in lines.split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n")) {
        let entry: Entry =
            serde_json::from_slice(line).with_context(|| format!("audit line {}", String::from_utf8_lossy(line)))?;
        // A watch has two entries, its beginning and its end: the first counts,
        // and an end whose beginning lies before the mark does not.
        let counts = match entry.stage.as_str() {
            "ResponseStarted" => true,
            "ResponseComplete" | "Panic" => entry.verb != "watch",
            _ => false,
        };
        if !counts || entry.request_uri.contains(OWN) || !seen.insert(entry.audit_id) {
            continue;
        }
        let object = entry.object_ref.unwrap_or_default();
        requests.push(Request {
            user: entry.user.username,
            acting_as: entry.impersonated_user.map(|u| u.username),
            user_agent: entry.user_agent,
            verb: entry.verb,
            resource: object.resource,
            subresource: object.subresource,
            namespace: object.namespace,
            name: object.name,
            code: entry.response_status.map_or(0, |s| s.code),
            uri: entry.request_uri,
        });
    }
    Ok(Requests(requests))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, stage: &str, verb: &str, uri: &str) -> String {
        format!(
            r#"{{"auditID":"{id}","stage":"{stage}","requestURI":"{uri}","verb":"{verb}","user":{{"username":"u"}},"objectRef":{{"resource":"tickets"}}}}"#
        ) + "\n"
    }

    #[test]
    fn a_watch_counts_once_and_only_where_it_began() {
        let log = line("a", "ResponseComplete", "watch", "/began-before")
            + &line("b", "ResponseStarted", "watch", "/w")
            + &line("b", "ResponseComplete", "watch", "/w");
        assert_eq!(parse(log.as_bytes()).unwrap().count(), 1);
    }

    #[test]
    fn a_line_that_is_still_being_written_is_left_for_the_next_reading() {
        let log = line("a", "ResponseComplete", "get", "/x") + r#"{"auditID":"b","sta"#;
        assert_eq!(parse(log.as_bytes()).unwrap().count(), 1);
    }

    #[test]
    fn a_mark_is_never_inside_a_line() {
        let whole = line("a", "ResponseComplete", "get", "/x");
        let log = whole.clone() + r#"{"auditID":"b","sta"#;
        assert_eq!(whole_lines(log.as_bytes()), whole.len() as u64);
        assert_eq!(whole_lines(&log.as_bytes()[whole.len()..]), 0, "before the first line that ends");
    }

    #[test]
    fn a_dry_run_is_no_write() {
        let log =
            line("a", "ResponseComplete", "patch", "/x?dryRun=All") + &line("b", "ResponseComplete", "patch", "/x");
        let requests = parse(log.as_bytes()).unwrap();
        assert_eq!((requests.count(), requests.writes().count()), (2, 1));
    }
}
