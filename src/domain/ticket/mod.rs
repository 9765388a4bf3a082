//! Tickets: their names, what people do to them, and the fold that yields their state.
//!
//! A ticket's state is never accumulated: [`fold::fold`] computes it anew from the ticket's events and
//! timeline, so that a replay gives the same answer. The escalation and the notifications are carried
//! on the ticket, not folded.

pub mod event;
pub mod fold;
mod identity;
pub mod objection;
mod state;
pub mod subject;
pub mod timeline;
mod twin;

pub use identity::{NotificationKey, notification_id, ticket_name};
pub use state::{CloseReason, TicketState};
pub use twin::{Lead, Opener, Opening, identity, is_recent};
