//! One module per kind: what was read is decided on, what was decided is done.

pub mod drift;
pub mod kept;
pub mod monitor;
pub mod on_call_override;
pub mod policy;
pub mod silence;
pub mod source;
pub mod ticket;
