//! Probing: a target goes in, one [`Sample`] comes out.
//!
//! [`probe`] takes one look. It never fails and never panics: whatever goes wrong is a Sample with
//! a stable [`Reason`](domain::probe::Reason), the phase it happened in, and a sentence with the
//! address. The connection is made by this crate itself (names, TCP, TLS, HTTP), one fresh
//! connection a look, so that the time of every phase is measured and not guessed.
//!
//! Absent on purpose: a Kubernetes client, the verdict over many looks (`domain::probe::verdict`),
//! limits on how many looks run at once, retries, connection pools and TLS resumption. [`schedule`]
//! is arithmetic only; somebody else waits.
//!
//! | module | decides |
//! |---|---|
//! | `look` | the one deadline of a look, and where the time went |
//! | [`egress`] | which addresses may be contacted at all |
//! | `resolve`, `connect` | from a name to a connection |
//! | `tls` | the handshake, and the judgement of the certificate after it |
//! | `http`, `tcp` | what is said on the connection, and whether the answer is as expected |
//! | [`schedule`] | when the next look begins |

mod connect;
mod context;
pub mod egress;
mod http;
mod look;
mod resolve;
pub mod schedule;
mod secrets;
mod tcp;
mod tls;

#[cfg(test)]
mod fixtures;

use std::time::Duration;

use domain::probe::{Sample, Target};
use jiff::Timestamp;

pub use context::{Context, ContextError};
pub use egress::{Egress, Rule};
pub use secrets::Secrets;

use look::Look;

/// Takes one look at `target`.
///
/// `timeout` is for everything together: names, connections, redirects, body. `at` is when the look
/// begins and the time certificates are judged by. `secrets` holds the values of
/// [`Target::secrets`]; a missing one is a `ConfigError`.
pub async fn probe(target: &Target, timeout: Duration, at: Timestamp, secrets: &Secrets, context: &Context) -> Sample {
    let mut look = Look::begin(at, timeout);
    let outcome = match target {
        Target::Http(http) => http::look(http, secrets, context, &mut look).await,
        Target::Tcp(tcp) => tcp::look(tcp, secrets, context, &mut look).await,
    };
    look.end(outcome.err())
}
