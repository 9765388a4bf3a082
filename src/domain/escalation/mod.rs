//! Escalation.
