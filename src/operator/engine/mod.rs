//! What runs for as long as the process leads: probes, deliveries, Git. Nothing here decides what people
//! are told; that is the controllers' and `domain`'s work.

pub mod numbers;
pub mod outbox;
pub mod post;
pub mod prober;
pub mod secrets;
pub mod syncer;
