//! The way of a verb to the cluster: flags as kubectl has them, and refusals turned into help.
//!
//! Absent on purpose: retries of what the server refused. A person at a prompt decides that.

use std::{future::Future, path::PathBuf, time::Duration};

use clap::Args;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{Api, Client, api::PostParams};
use thiserror::Error;

use super::exit::Exit;
use crate::kube::client::{ClientError, Cluster, cause};

/// A single call may take this long; a cluster that needs longer is as good as absent to a person who waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where these flags stand in the help.
const CLUSTER: &str = "Cluster";

/// Which cluster and namespace is meant.
#[derive(Debug, Clone, Default, Args)]
pub struct ClusterArgs {
    /// The namespace; without it that of the kubeconfig's context
    #[arg(short, long, help_heading = CLUSTER)]
    pub namespace: Option<String>,

    /// The context of the kubeconfig
    #[arg(long, help_heading = CLUSTER)]
    pub context: Option<String>,

    /// The kubeconfig; without it KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE", help_heading = CLUSTER)]
    pub kubeconfig: Option<PathBuf>,
}

impl ClusterArgs {
    /// A connection; nothing is sent yet.
    ///
    /// # Errors
    /// When there is no usable kubeconfig.
    pub async fn connect(&self) -> Result<Session, Trouble> {
        let cluster = Cluster::find(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        let namespace = self.namespace.clone().unwrap_or_else(|| cluster.default_namespace().to_owned());
        Ok(Session { client: cluster.client()?, namespace })
    }
}

/// A connection, and the namespace that is meant where none is written.
#[derive(Clone)]
pub struct Session {
    /// Acts as the person who typed.
    pub client: Client,
    /// The namespace that is meant.
    pub namespace: String,
}

impl Session {
    /// The Kubernetes user that the cluster takes us for.
    ///
    /// # Errors
    /// When the cluster does not say.
    pub async fn user(&self) -> Result<String, Trouble> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let asked = Asked::new("create", "selfsubjectreviews.authentication.k8s.io", "");
        let review = ask(&asked, api.create(&PostParams::default(), &SelfSubjectReview::default())).await?;
        let user = review.status.and_then(|status| status.user_info).and_then(|info| info.username);
        Ok(user.unwrap_or_default())
    }
}

/// What was asked of the cluster, for the message when it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `list`, `get`, `create`, `patch`.
    pub verb: &'static str,
    /// `tickets.firstline.dev`.
    pub resource: &'static str,
    /// Empty: all namespaces, or a kind without one.
    pub namespace: String,
}

impl Asked {
    /// What was asked.
    pub fn new(verb: &'static str, resource: &'static str, namespace: &str) -> Self {
        Self { verb, resource, namespace: namespace.to_owned() }
    }

    fn place(&self) -> String {
        if self.namespace.is_empty() {
            "in the whole cluster".to_owned()
        } else {
            format!("in namespace {}", self.namespace)
        }
    }

    fn can_i(&self) -> String {
        let namespace = if self.namespace.is_empty() { "-A".to_owned() } else { format!("-n {}", self.namespace) };
        format!("kubectl auth can-i {} {} {namespace}", self.verb, self.resource)
    }
}

/// Why the cluster did not do what was asked, and what helps.
#[derive(Debug, Error)]
pub enum Trouble {
    /// There is no usable kubeconfig.
    #[error("{}", unconfigured(.0))]
    Client(#[from] ClientError),
    /// Nobody answers at its address.
    #[error(
        "the cluster cannot be reached: {0}; is it running, and is this the right context? (kubectl config current-context)"
    )]
    Unreachable(String),
    /// It took the call and says nothing.
    #[error("the cluster gave no answer within {} s ({} {})", PATIENCE.as_secs(), .0.verb, .0.resource)]
    Silent(Asked),
    /// It does not know who asks.
    #[error("the cluster does not accept your credentials: {0}; log in again, or name another context with --context")]
    Unauthenticated(String),
    /// The person may not.
    #[error("you may not {} {} {}; ask for a role that allows it (check with `{}`). The cluster says: {said}", asked.verb, asked.resource, asked.place(), asked.can_i())]
    Forbidden {
        /// What was asked.
        asked: Asked,
        /// In the cluster's words.
        said: String,
    },
    /// The kind is not there.
    #[error(
        "the cluster does not know {0}; install the resources with `firstline crds | kubectl apply --server-side -f -`"
    )]
    NotInstalled(&'static str),
    /// The namespace is not there.
    #[error("there is no namespace `{0}`; name another one with -n")]
    NoNamespace(String),
    /// The object is not there.
    #[error("there is no {resource} `{name}` {place}")]
    NotFound {
        /// The resource.
        resource: &'static str,
        /// Its name.
        name: String,
        /// Where it was looked for.
        place: String,
    },
    /// The server found the object wrong.
    #[error("the cluster refused: {0}")]
    Refused(String),
    /// Anything else.
    #[error("{} {} {}: {said}", asked.verb, asked.resource, asked.place())]
    Other {
        /// What was asked.
        asked: Asked,
        /// In the cluster's words.
        said: String,
    },
}

impl Trouble {
    /// What a failed call means.
    pub fn of(asked: &Asked, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(asked, status),
            kube::Error::Auth(_) => Self::Unauthenticated(cause(error)),
            kube::Error::HyperError(_) | kube::Error::Service(_) => Self::Unreachable(cause(error)),
            other => Self::Other { asked: asked.clone(), said: cause(other) },
        }
    }

    fn of_status(asked: &Asked, status: &kube::core::Status) -> Self {
        let details = status.details.as_ref();
        let name = details.map(|details| details.name.clone()).unwrap_or_default();
        let kind = details.map(|details| details.kind.as_str()).unwrap_or_default();
        let said = status.message.clone();
        match status.code {
            401 => Self::Unauthenticated(said),
            403 => Self::Forbidden { asked: asked.clone(), said },
            404 if name.is_empty() => Self::NotInstalled(asked.resource),
            404 if kind == "namespaces" => Self::NoNamespace(name),
            404 => Self::NotFound { resource: asked.resource, name, place: asked.place() },
            400 | 409 | 422 => Self::Refused(said),
            _ => Self::Other { asked: asked.clone(), said },
        }
    }

    /// The exit code that goes with it: only a refusal is a "no".
    pub fn exit(&self) -> Exit {
        match self {
            Self::Refused(_) | Self::NotFound { .. } | Self::Forbidden { .. } | Self::NoNamespace(_) => Exit::No,
            _ => Exit::Unknown,
        }
    }
}

/// Outside a pod, which is where people are, only a kubeconfig can be meant.
fn unconfigured(error: &ClientError) -> String {
    match error {
        ClientError::Infer(_) => {
            "no cluster is configured: there is no usable kubeconfig at KUBECONFIG or ~/.kube/config; name one with --kubeconfig".to_owned()
        }
        other => format!("{other}; name another one with --kubeconfig, or a context of it with --context"),
    }
}

/// Waits for the answer to one call.
///
/// # Errors
/// What is wrong and what helps.
pub async fn ask<T>(asked: &Asked, call: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(PATIENCE, call).await {
        Err(_) => Err(Trouble::Silent(asked.clone())),
        Ok(answer) => answer.map_err(|error| Trouble::of(asked, &error)),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{Status, response::StatusDetails};
    use rstest::rstest;

    use super::*;

    fn status(code: u16, message: &str, kind: &str, name: &str) -> Status {
        let details = StatusDetails {
            name: name.into(),
            kind: kind.into(),
            group: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        };
        let status = Status::failure(message, "").with_code(code);
        if kind.is_empty() { status } else { status.with_details(details) }
    }

    #[rstest]
    #[case::forbidden(
        status(403, "tickets.firstline.dev is forbidden: User \"mia\" cannot list resource", "tickets", ""),
        "you may not list tickets.firstline.dev in namespace payments; ask for a role that allows it \
         (check with `kubectl auth can-i list tickets.firstline.dev -n payments`). The cluster says: \
         tickets.firstline.dev is forbidden: User \"mia\" cannot list resource",
        Exit::No
    )]
    #[case::no_crd(
        status(404, "404 page not found", "", ""),
        "the cluster does not know tickets.firstline.dev; install the resources with \
         `firstline crds | kubectl apply --server-side -f -`",
        Exit::Unknown
    )]
    #[case::no_namespace(
        status(404, "namespaces \"payments\" not found", "namespaces", "payments"),
        "there is no namespace `payments`; name another one with -n",
        Exit::No
    )]
    #[case::no_object(
        status(404, "", "tickets", "inc-a"),
        "there is no tickets.firstline.dev `inc-a` in namespace payments",
        Exit::No
    )]
    #[case::logged_out(
        status(401, "Unauthorized", "", ""),
        "the cluster does not accept your credentials: Unauthorized; log in again, or name another context with --context",
        Exit::Unknown
    )]
    #[case::invalid(
        status(422, "spec.endsAt: too late", "silences", "a"),
        "the cluster refused: spec.endsAt: too late",
        Exit::No
    )]
    #[case::overloaded(
        status(500, "etcdserver: timed out", "", ""),
        "list tickets.firstline.dev in namespace payments: etcdserver: timed out",
        Exit::Unknown
    )]
    fn a_refusal_says_what_helps(#[case] status: Status, #[case] message: &str, #[case] exit: Exit) {
        let asked = Asked::new("list", "tickets.firstline.dev", "payments");
        let trouble = Trouble::of_status(&asked, &status);
        assert_eq!(trouble.to_string(), message);
        assert_eq!(trouble.exit(), exit);
    }

    #[tokio::test]
    async fn an_address_where_nobody_listens_is_told_with_the_reason() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = Client::try_from(kube::Config::new(format!("http://{free}").parse().unwrap())).unwrap();
        let api: Api<api::Ticket> = Api::namespaced(client, "payments");
        let asked = Asked::new("list", "tickets.firstline.dev", "payments");
        let trouble = ask(&asked, api.list(&kube::api::ListParams::default())).await.unwrap_err();
        assert!(trouble.to_string().contains("Connection refused"), "{trouble}");
        assert_eq!(trouble.exit(), Exit::Unknown);
    }
}
