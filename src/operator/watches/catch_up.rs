//! Brings the index to what the API has at this moment. A follower's watches may be behind when it takes over, and a leader
//! that decides on old knowledge could page for what its predecessor has finished.
//!
//! The watches go on meanwhile, and may be ahead of a list by the time that its answer is used. What they have said counts
//! then: they would not say it again, and a silence that somebody has deleted would hold pages until it ends.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ::kube::Resource;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::{take_event, take_monitor, take_override, take_policy, take_silence, take_ticket};
use crate::{
    context::Context,
    index::World,
    kube::{
        meta::{Key, version},
        watch::{self, Seen},
    },
};

/// Objects of a kind, and the version in which they are known.
type Versions = BTreeMap<Key, u64>;

/// What the watch of one kind has said to be gone since a list of it was asked for, and at which version. `None`: nobody lists
/// it.
#[derive(Debug, Default)]
pub(crate) struct Deleted(Option<Versions>);

impl Deleted {
    pub(super) fn note<K>(&mut self, seen: &Seen<K>) {
        if let (Some(deleted), Seen::Gone(key, version)) = (&mut self.0, seen) {
            deleted.insert(key.clone(), *version);
        }
    }
}

/// The same of every kind.
#[derive(Debug, Default)]
pub(crate) struct Deletions(Mutex<HashMap<Cow<'static, str>, Arc<Mutex<Deleted>>>>);

impl Deletions {
    /// Of one kind. Locked by whoever brings something of that kind into the index.
    pub(super) fn of<K: Resource<DynamicType = ()>>(&self) -> Arc<Mutex<Deleted>> {
        self.0.lock().entry(K::kind(&())).or_default().clone()
    }
}

/// Brings every kind that decisions rest on up to date. False when stopped before.
pub(crate) async fn catch_up(ctx: &Context) -> bool {
    list(ctx, take_policy, |world| {
        world.policies().map(|(key, entry)| (key.clone(), version(entry.object.as_ref()))).collect()
    })
    .await
        && list(ctx, take_silence, |world| {
            world.silences().map(|(key, entry)| (key.clone(), version(entry.object.as_ref()))).collect()
        })
        .await
        && list(ctx, take_override, |world| {
            world.on_call_overrides().map(|(key, entry)| (key.clone(), version(entry.object.as_ref()))).collect()
        })
        .await
        && list(ctx, take_ticket, |world| {
            world.tickets().map(|(key, ticket)| (key.clone(), version(ticket.as_ref()))).collect()
        })
        .await
        && list(ctx, take_event, |_| Versions::new()).await
        && list(ctx, take_monitor, |world| {
            world.monitors().map(|(key, entry)| (key.clone(), version(entry.object.as_ref()))).collect()
        })
        .await
}

async fn list<K>(ctx: &Context, take: fn(&Context, Seen<K>), known: fn(&World) -> Versions) -> bool
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let deleted = ctx.deletions.of::<K>();
    deleted.lock().0 = Some(Versions::new());
    let Some((listed_at, all)) = watch::list_now::<K>(&ctx.client, &ctx.leadership, &ctx.stop).await else {
        return false;
    };
    let mut deleted = deleted.lock();
    let gone = deleted.0.take().unwrap_or_default();
    let known = known(&ctx.world.read());
    for seen in news(listed_at, all, &known, &gone) {
        take(ctx, seen);
    }
    true
}

/// What a list says that the watch does not know better: what is missing from it, and what it has.
fn news<K>(listed_at: u64, all: Vec<Seen<K>>, known: &Versions, gone: &Versions) -> Vec<Seen<K>>
where
    K: Resource<DynamicType = ()>,
{
    let listed: BTreeSet<Key> = all.iter().map(key).collect();
    let missing = known.iter().filter(|&(key, version)| *version <= listed_at && !listed.contains(key));
    let missing = missing.map(|(key, _)| Seen::Gone(key.clone(), listed_at));
    let is_news = |seen: &Seen<K>| {
        let Seen::There(object) = seen else { return true };
        let (key, version) = (Key::of(object.as_ref()), version(object.as_ref()));
        [known.get(&key), gone.get(&key)].into_iter().flatten().all(|said| *said <= version)
    };
    missing.chain(all.into_iter().filter(is_news)).collect()
}

fn key<K: Resource<DynamicType = ()>>(seen: &Seen<K>) -> Key {
    match seen {
        Seen::There(object) => Key::of(object.as_ref()),
        Seen::Unreadable(key, _) | Seen::Gone(key, _) => key.clone(),
    }
}

#[cfg(test)]
mod tests {
    use ::kube::ResourceExt;
    use api::Silence;

    use super::*;

    fn there(name: &str, version: u64) -> Seen<Silence> {
        let value = serde_json::json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "Silence",
            "metadata": {"name": name, "namespace": "a", "resourceVersion": version.to_string()},
            "spec": {"matchers": ["a=\"b\""], "startsAt": "2026-11-23T00:00:00Z", "endsAt": "2026-11-24T00:00:00Z", "reason": "r", "author": "ada"}
        });
        Seen::There(Box::new(serde_json::from_value(value).unwrap()))
    }

    fn versions(all: &[(&str, u64)]) -> Versions {
        all.iter().map(|(name, version)| (Key::new("a", *name), *version)).collect()
    }

    /// What comes into the index of a list at version 100, by what the watch has said by then.
    fn used(listed: Vec<Seen<Silence>>, known: &[(&str, u64)], gone: &[(&str, u64)]) -> Vec<String> {
        let words = |seen: Seen<Silence>| match seen {
            Seen::There(object) => format!("+{}", object.name_any()),
            Seen::Gone(key, _) => format!("-{}", key.name),
            Seen::Unreadable(key, _) => format!("?{}", key.name),
        };
        news(100, listed, &versions(known), &versions(gone)).into_iter().map(words).collect()
    }

    #[test]
    fn a_list_brings_what_the_watch_has_not_seen_yet() {
        let known = [("old", 10), ("vanished", 20), ("same", 30)];
        assert_eq!(
            used(vec![there("old", 90), there("new", 95), there("same", 30)], &known, &[]),
            ["-vanished", "+old", "+new", "+same"]
        );
    }

    #[test]
    fn what_the_watch_brought_after_the_list_is_neither_missing_from_it_nor_made_old_by_it() {
        let known = [("later", 101), ("made-anew", 105)];
        assert_eq!(used(vec![there("made-anew", 90)], &known, &[]), Vec::<String>::new());
    }

    #[test]
    fn what_the_watch_said_to_be_gone_after_the_list_is_not_brought_back_by_it() {
        let gone = [("deleted", 101), ("not-listed-any-more", u64::MAX), ("made-anew", 80)];
        let listed = ["deleted", "not-listed-any-more", "made-anew"].map(|name| there(name, 90)).into();
        assert_eq!(used(listed, &[], &gone), ["+made-anew"]);
    }
}
