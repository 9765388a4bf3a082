//! Adapters to the Kubernetes API: the client, the lease, watches, the status writer, Events.
//!
//! Lanes, highest first, are bounded so that no lower one can starve a higher: page intents and ticket
//! state are written by the tickets' own workers, everything else's status by [`status_writer`]'s few,
//! Events by a single one that drops what it cannot keep up with.

pub mod client;
pub mod events;
pub mod gates;
pub mod lease;
pub mod meta;
pub mod status_writer;
pub mod watch;

/// A client of an API that never answers.
#[cfg(test)]
pub(crate) fn silent() -> kube::Client {
    let server = tower::service_fn(|_: http::Request<kube::client::Body>| {
        std::future::pending::<Result<http::Response<kube::client::Body>, std::convert::Infallible>>()
    });
    kube::Client::new(server, "default")
}
