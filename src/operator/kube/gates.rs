//! What readiness waits for: for each kind, that its CRD is there and that its first list is complete.
//!
//! Engines start only when every gate is open: with half an index a ticket's policy would be "none".

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::watch;

/// The gates that are still closed.
#[derive(Clone, Debug)]
pub struct Gates(Arc<watch::Sender<BTreeSet<&'static str>>>);

impl Gates {
    /// All of them closed.
    pub fn closed(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self(Arc::new(watch::Sender::new(names.into_iter().collect())))
    }

    /// Opens one; opening it again does nothing.
    pub fn open(&self, name: &'static str) {
        self.0.send_if_modified(|closed| closed.remove(name));
    }

    /// What is still waited for.
    pub fn waiting(&self) -> Vec<&'static str> {
        self.0.borrow().iter().copied().collect()
    }

    /// Waits until every gate is open.
    pub async fn opened(&self) {
        // The sender lives as long as self, so the wait cannot end otherwise.
        let _ = self.0.subscribe().wait_for(BTreeSet::is_empty).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_gate_lets_everybody_through() {
        let gates = Gates::closed(["tickets", "policies"]);
        gates.open("tickets");
        assert_eq!(gates.waiting(), ["policies"]);
        let waiting = gates.clone();
        let (opened, ()) = tokio::join!(waiting.opened(), async { gates.open("policies") });
        assert_eq!(opened, ());
        assert!(gates.waiting().is_empty());
    }
}
