//! Keys by what they have in common.
//!
//! Nearly always that is one key: of a hundred thousand tickets each has a group of its own. So one alone costs no
//! allocation beyond itself.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use crate::kube::meta::Key;

/// Which keys share a value.
#[derive(Debug)]
pub(super) struct Shared<V>(HashMap<V, Keys>);

#[derive(Debug)]
enum Keys {
    One(Key),
    Several(BTreeSet<Key>),
}

impl<V> Default for Shared<V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<V: Eq + Hash> Shared<V> {
    pub(super) fn insert(&mut self, value: V, key: &Key) {
        match self.0.get_mut(&value) {
            None => drop(self.0.insert(value, Keys::One(key.clone()))),
            Some(Keys::Several(keys)) => drop(keys.insert(key.clone())),
            Some(Keys::One(one)) if one == key => {}
            Some(keys @ Keys::One(_)) => {
                if let Keys::One(one) = std::mem::replace(keys, Keys::Several(BTreeSet::new())) {
                    *keys = Keys::Several([one, key.clone()].into());
                }
            }
        }
    }

    pub(super) fn remove(&mut self, value: &V, key: &Key) {
        let is_empty = match self.0.get_mut(value) {
            None => false,
            Some(Keys::One(one)) => one == key,
            Some(Keys::Several(keys)) => {
                keys.remove(key);
                keys.is_empty()
            }
        };
        if is_empty {
            self.0.remove(value);
        }
    }

    /// In order.
    pub(super) fn of<'a>(&'a self, value: &V) -> impl Iterator<Item = &'a Key> + use<'a, V> {
        let (one, several) = match self.0.get(value) {
            None => (None, None),
            Some(Keys::One(one)) => (Some(one), None),
            Some(Keys::Several(keys)) => (None, Some(keys)),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }
}
