//! One branch of a repository, brought into a bare mirror.
//!
//! `http://` and `https://` run over our own transport, `file://` over libgit2's. There is no ambient configuration: no
//! gitconfig, no proxy variables, no credential store. Redirects are never followed, so that credentials reach only the
//! host they were written for. The whole history of the branch is fetched, because a rewritten history and the author
//! of a line can only be told from it.
//!
//! [`fetch`] blocks, and a `file://` source can hold it beyond its deadline: the operator calls it through
//! [`crate::child`].

mod compact;
mod connection;
mod error;
mod http;
mod mirror;
mod options;
mod request;
mod transport;

use std::sync::Arc;

pub use error::{Budget, FetchError, FetchFailure};
pub(crate) use options::apply_once as apply_libgit2_options;
pub use request::{Budgets, Credentials, FetchReport, FetchRequest, History};

use request::Source;

/// Fetches `request.branch` into the mirror and moves the mirror's branch to what the server has.
///
/// Nothing is downloaded when the mirror already holds the server's commit.
///
/// # Errors
/// See [`FetchFailure`]. No message holds a credential.
pub fn fetch(request: &FetchRequest) -> Result<FetchReport, FetchError> {
    options::apply_once()?;
    let source = Source::parse(&request.url)?;
    request::check_branch(&request.branch)?;
    let exchange = Arc::new(transport::Exchange::new(source, request)?);
    let _current = transport::enter(&exchange);
    mirror::update(request, &exchange).map_err(|error| error.without(&request.credentials))
}
