//! The rules of support under load and against other implementations: what the tests, `make bench-rules` and
//! `make soak` share.
//!
//! Each subject has a file of its own. It holds a second, deliberately naive implementation or a simulator, written
//! without a line of the code that it judges, and gives its [`Bar`]s and its [`Soak`].

pub mod bar;
pub mod calendars;
pub mod clocks;
pub mod fixtures;
pub mod incidents;
#[cfg(feature = "bench")]
pub mod index;
pub mod oncall;
pub mod probe;
pub mod random;
pub mod routing;
#[cfg(feature = "bench")]
pub mod self_watch;
pub mod tickets;

pub use bar::{Bar, Soak};
