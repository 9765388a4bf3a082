//! The rules of support against second implementations, independent libraries and the peers themselves.
//!
//! No cluster: what is judged is `domain`. The oracles that are not ours are installed by `tests/oracles/`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that does not find what it looks for has failed; a peer that runs beside us knows only the real clock"
)]

#[path = "rules/alertmanager.rs"]
mod alertmanager;
#[path = "rules/calendars.rs"]
mod calendars;
#[path = "rules/incidents.rs"]
mod incidents;
#[path = "rules/intervals.rs"]
mod intervals;
#[path = "rules/oncall.rs"]
mod oncall;
