//! Git onto the cluster: what the controller of GitSources needs to fetch, read, compare and write.
//!
//! | module | does |
//! |---|---|
//! | [`fetch`] | one fetch in a child process, with the source's credentials |
//! | [`content`] | the manifests of a commit, read and checked |
//! | [`live`] | what the cluster holds of the source |
//! | [`write`], [`refusal`] | one object to the server, and what its answer means |
//! | [`transaction`] | a whole commit: rehearsal, writes in order, prune |
//! | [`kinds`] | which kinds come out of Git |
//! | [`members`] | what each source has applied, and which of it the watches saw change |
//! | [`freeze`], [`fight`], [`blame`] | who keeps Git away from an object, who works against it, who wrote it |
//!
//! Absent: when to do what, and what the status says of it; `controllers::source` decides that.

pub mod blame;
pub mod content;
pub mod fetch;
pub mod fight;
pub mod freeze;
pub mod kinds;
pub mod live;
pub mod members;
pub mod refusal;
pub mod transaction;
pub mod write;

use std::collections::{HashMap, HashSet};

use api::{GitSource, git_source::GitSourceStatus};
use domain::conditions::Standing;
use kube::Client;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::kube::{
    client::{ClientError, Cluster},
    meta::{self, Key},
};

/// What this process remembers of its sources. A new process remembers nothing and compares everything once.
#[derive(Default)]
pub struct Sources {
    known: Mutex<HashMap<Key, Known>>,
    /// Sources whose commit is to be attempted once more, whatever is known of it.
    anew: Mutex<HashSet<Key>>,
    /// By namespace and ServiceAccount.
    clients: Mutex<HashMap<(String, String), Client>>,
}

/// What is remembered of one source.
#[derive(Debug, Clone)]
pub struct Known {
    /// The object's uid: one of the same name that is made anew is another source.
    pub uid: String,
    /// The status as it was asked to be written last. The watch may be behind it.
    pub status: GitSourceStatus,
    /// The generation that was looked at last.
    pub generation: Option<i64>,
    /// The last reconcile that was asked for and answered.
    pub request: Option<String>,
    /// When to fetch next; `None`: at once.
    pub next: Option<Instant>,
    /// Attempts in a row that failed in passing.
    pub failures: u32,
    /// What was made of the commit that was attempted last.
    pub verdict: Option<Verdict>,
}

/// What was made of a commit. It stands for as long as the commit is the tip.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// 40 hex digits.
    pub commit: String,
    /// What the conditions say.
    pub standing: Standing,
    /// When to attempt the same commit again; `None`: never, nothing but another commit changes the answer.
    pub again: Option<Instant>,
    /// Attempts of the same commit that were refused in a row.
    pub refusals: u32,
}

impl Sources {
    /// What is known of a source, or what its status says when nothing is.
    pub fn recall(&self, key: &Key, object: &GitSource) -> Known {
        let uid = meta::uid(object);
        let known = self.known.lock().get(key).filter(|known| known.uid == uid).cloned();
        known.unwrap_or_else(|| Known {
            uid,
            status: object.status.clone().unwrap_or_default(),
            generation: None,
            request: None,
            next: None,
            failures: 0,
            verdict: None,
        })
    }

    /// Has the next look at a source attempt its commit, whatever is known of it.
    pub fn attempt_anew(&self, key: &Key) {
        self.anew.lock().insert(key.clone());
    }

    /// Whether that was asked for since this was asked last.
    pub fn take_anew(&self, key: &Key) -> bool {
        self.anew.lock().remove(key)
    }

    /// Remembers it.
    pub fn keep(&self, key: &Key, known: Known) {
        self.known.lock().insert(key.clone(), known);
    }

    /// Forgets a source that is gone. Returns its uid.
    pub fn forget(&self, key: &Key) -> Option<String> {
        self.known.lock().remove(key).map(|known| known.uid)
    }

    /// A client that acts as this ServiceAccount; one for all sources that name it.
    ///
    /// # Errors
    /// When the connection's settings cannot be used.
    pub fn client_as(&self, cluster: &Cluster, namespace: &str, service_account: &str) -> Result<Client, ClientError> {
        let id = (namespace.to_owned(), service_account.to_owned());
        if let Some(client) = self.clients.lock().get(&id) {
            return Ok(client.clone());
        }
        let client = cluster.client_as(namespace, service_account)?;
        self.clients.lock().insert(id, client.clone());
        Ok(client)
    }
}
