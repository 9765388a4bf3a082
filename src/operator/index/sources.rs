//! GitSources, by name.

use std::sync::Arc;

use api::{GitSource, git_source::Source};
use domain::problem::Problem;
use kube::ResourceExt;

use super::World;
use crate::kube::meta::Key;

/// Annotations that ask for a reconcile now; the second is Flux's.
const REQUESTED_AT: [&str; 2] = ["firstline.dev/requestedAt", "reconcile.fluxcd.io/requestedAt"];
/// What `status.lastHandledReconcileAt` holds at most, in characters.
const LONGEST_REQUEST: usize = 256;

/// A source as it was seen, and what it means.
#[derive(Debug, Clone)]
pub struct SourceEntry {
    /// The object.
    pub object: Arc<GitSource>,
    /// What is fetched and applied; `None` when the spec is invalid.
    pub compiled: Option<Arc<Source>>,
    /// What is wrong with the spec; warnings too.
    pub problems: Vec<Problem>,
}

impl SourceEntry {
    /// The reconcile that was asked for by annotation last: of two that differ the later, as both tools write instants.
    pub fn requested(&self) -> Option<String> {
        requested(&self.object)
    }
}

fn requested(object: &GitSource) -> Option<String> {
    let annotations = object.annotations();
    let written = REQUESTED_AT.iter().filter_map(|name| annotations.get(*name)).filter(|text| !text.is_empty());
    written.max().map(|text| text.chars().take(LONGEST_REQUEST).collect())
}

impl World {
    /// A source is there, in this version. Returns whether it is worth a look: its spec is new, or a reconcile is asked
    /// for. Our own writes of its status are not.
    pub fn apply_source(&mut self, object: GitSource) -> bool {
        let key = Key::of(&object);
        let object = Arc::new(object);
        let known = self.sources.get(&key);
        let same_spec = known.is_some_and(|known| {
            known.object.metadata.generation == object.metadata.generation
                && known.object.metadata.uid == object.metadata.uid
        });
        let same_request = known.is_some_and(|known| known.requested() == requested(&object));
        let entry = match known.filter(|_| same_spec) {
            Some(known) => SourceEntry { object, ..known.clone() },
            None => match api::git_source::validate(&object) {
                Ok(valid) => SourceEntry { object, compiled: Some(Arc::new(valid.value)), problems: valid.warnings },
                Err(problems) => SourceEntry { object, compiled: None, problems },
            },
        };
        self.sources.insert(key, entry);
        !(same_spec && same_request)
    }

    /// A source is gone. What it applied stays.
    pub fn delete_source(&mut self, key: &Key) {
        self.sources.remove(key);
    }

    /// One source.
    pub fn source(&self, key: &Key) -> Option<&SourceEntry> {
        self.sources.get(key)
    }

    /// Every source.
    pub fn sources(&self) -> impl Iterator<Item = (&Key, &SourceEntry)> {
        self.sources.iter()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn source(generation: i64, annotations: &Value, status: &Value) -> GitSource {
        serde_json::from_value(json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "GitSource",
            "metadata": {"name": "support", "namespace": "ops", "uid": "1", "generation": generation, "annotations": annotations},
            "spec": {"url": "https://git.acme.example/support.git", "ref": {"branch": "main"}},
            "status": status,
        }))
        .unwrap()
    }

    #[rstest]
    #[case::our_own_status(source(1, &json!({}), &json!({"observedGeneration": 1})), false)]
    #[case::another_annotation(source(1, &json!({"note": "x"}), &json!({})), false)]
    #[case::a_new_spec(source(2, &json!({}), &json!({})), true)]
    #[case::a_request(source(1, &json!({"firstline.dev/requestedAt": "2026-11-23T10:00:00Z"}), &json!({})), true)]
    #[case::a_request_of_flux(source(1, &json!({"reconcile.fluxcd.io/requestedAt": "now"}), &json!({})), true)]
    fn a_source_is_looked_at_for_its_spec_and_for_requests(#[case] next: GitSource, #[case] worth_a_look: bool) {
        let mut world = World::new("ops");
        assert!(world.apply_source(source(1, &json!({}), &json!({}))), "one that is new is looked at");
        assert_eq!(world.apply_source(next), worth_a_look);
    }

    #[test]
    fn of_two_requests_the_later_counts() {
        let both = json!({"firstline.dev/requestedAt": "2026-11-23T10:00:00Z", "reconcile.fluxcd.io/requestedAt": "2026-11-24T10:00:00Z"});
        assert_eq!(requested(&source(1, &both, &json!({}))).as_deref(), Some("2026-11-24T10:00:00Z"));
    }
}
