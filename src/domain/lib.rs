//! The rules of support, and the types that cross crates.
//!
//! Everything here is pure: no I/O, no clock, no async, no randomness. Time,
//! identities and seeds are arguments, so that a month of a busy team can be
//! replayed in milliseconds and every decision can be explained afterwards.
//!
//! | module | holds |
//! |---|---|
//! | [`time`] | durations as users write them, local times, zones |
//! | [`calendar`] | working time: is it open, when does it open, how much of it lies between, when is a target used up |
//! | [`problem`] | what is wrong with an input, where, and what to write instead |
//! | [`labels`], [`matcher`], [`alert`] | the common currency of everything that goes wrong |
//! | [`probe`] | what is probed, one look at it, and the verdict over many looks |
//! | [`policy`] | a support policy that has passed validation |
//! | [`oncall`], [`routing`], [`suppression`], [`escalation`] | who, where to, what holds it, and when |
//! | [`sla`] | the clocks of a ticket, and the ledger that explains each |
//! | [`ticket`] | names, events, the fold that yields a ticket's state |
//! | [`message`] | one message to one person or channel, and what became of it |
//! | [`conditions`] | the conditions every resource reports |

pub mod alert;
pub mod calendar;
pub mod conditions;
pub mod escalation;
pub mod labels;
pub mod matcher;
pub mod message;
pub mod oncall;
pub mod policy;
pub mod probe;
pub mod problem;
pub mod routing;
pub mod secret;
pub mod sla;
pub mod suppression;
pub mod ticket;
pub mod time;
