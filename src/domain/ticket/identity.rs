//! Identities that come out the same after any crash: a ticket's name and a notification's id.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::message::{MessageKind, NotificationId};

/// Lower-case base32 of RFC 4648, whose letters are all allowed in an object's name.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Names after `inc-`: 26 letters are 130 bits.
const LETTERS: usize = 26;

/// The name of the ticket for the trouble `key`: `inc-` and 26 letters of SHA-256 over its parts.
///
/// `previous` is the name of the ticket this trouble had before, empty for the first. Creating the
/// ticket twice is harmless, since the second create finds the name taken.
pub fn ticket_name(namespace: &str, policy: &str, key: &str, previous: &str) -> String {
    let mut hash = Sha256::new();
    for part in [namespace, policy, key, previous] {
        // The length first, so that no two different lists of parts run together to the same bytes.
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let bit = |index: usize| digest.get(index / 8).map_or(0, |byte| usize::from(byte >> (7 - index % 8) & 1));
    let letter = |place: usize| {
        let value = (place * 5..place * 5 + 5).fold(0, |value, index| value << 1 | bit(index));
        char::from(BASE32.get(value).copied().unwrap_or(b'a'))
    };
    "inc-".chars().chain((0..LETTERS).map(letter)).collect()
}

/// The identity of a ticket that is opened while the cluster's API is gone and that nobody else can have opened: UUIDv5 over
/// its name, the epoch of the leader that opened it and when. Its messages go by it for good, also after the merge.
pub(super) fn island_id(namespace: &str, name: &str, epoch: i64, opened_at: Timestamp) -> Uuid {
    let space = Uuid::from_u128(0x1c8e_52d7_90ab_5f4c_8b27_6d3e_f10a_4b95);
    let opened = opened_at.as_second();
    Uuid::new_v5(&space, format!("{namespace}\u{0}{name}\u{0}{epoch}\u{0}{opened}").as_bytes())
}

/// What makes a notification the same notification.
#[derive(Debug, Clone, Copy)]
pub struct NotificationKey<'a> {
    /// The ticket's uid, not its name: a ticket created again under the same name is another trouble. Its
    /// [`identity`](super::identity) where it has one.
    pub ticket_uid: &'a str,
    /// What it is for.
    pub kind: MessageKind,
    /// The escalation's cycle.
    pub cycle: u32,
    /// The step; 0 is the last resort or no step at all.
    pub step: u32,
    /// The person; empty for a channel itself.
    pub person: &'a str,
    /// The channel's name.
    pub channel: &'a str,
    /// The personal rule; 0 for a channel itself.
    pub rule: u32,
    /// Counts what is otherwise the same and yet another message: a page run again, a further update.
    pub sequence: u64,
}

/// The id of a notification: UUIDv5 over its key, the same on every replica and after every restart.
pub fn notification_id(key: &NotificationKey<'_>) -> NotificationId {
    let namespace = Uuid::from_u128(0x5b0c_9ae4_3f1d_5e6b_9a61_0f2b_7c1e_66d1);
    let name = format!(
        "{}\u{0}{}\u{0}{}\u{0}{}\u{0}{}\u{0}{}\u{0}{}\u{0}{}",
        key.ticket_uid,
        key.kind.as_str(),
        key.cycle,
        key.step,
        key.person,
        key.channel,
        key.rule,
        key.sequence
    );
    NotificationId(Uuid::new_v5(&namespace, name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_inc_and_26_letters_and_never_changes() {
        let name = ticket_name("payments", "payments", "service=\"checkout\"", "");
        assert_eq!(name.len(), 30);
        assert!(name.bytes().skip(4).all(|b| BASE32.contains(&b)), "{name}");
        insta::assert_snapshot!(name);
    }

    #[test]
    fn the_next_ticket_of_the_same_trouble_has_another_name() {
        let first = ticket_name("a", "b", "c", "");
        assert_ne!(ticket_name("a", "b", "c", &first), first);
    }

    proptest! {
        #[test]
        fn parts_do_not_run_together(a in ".{0,8}", b in ".{0,8}", cut in 0usize..8) {
            let joined: String = a.chars().chain(b.chars()).collect();
            let cut = joined.char_indices().nth(cut).map_or(joined.len(), |(at, _)| at);
            let (left, right) = joined.split_at(cut);
            let same_parts = left == a && right == b;
            prop_assert_eq!(ticket_name("n", &a, &b, "") == ticket_name("n", left, right, ""), same_parts);
        }
    }

    #[test]
    fn an_islands_ticket_has_one_identity_and_another_one_when_it_is_opened_again() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let id = island_id("payments", "inc-a", 7, at(60));
        assert_eq!(id, island_id("payments", "inc-a", 7, at(60)));
        let others = [("shop", "inc-a", 7, 60), ("payments", "inc-b", 7, 60), ("payments", "inc-a", 8, 60)];
        for (namespace, name, epoch, second) in others.into_iter().chain([("payments", "inc-a", 7, 61)]) {
            assert_ne!(id, island_id(namespace, name, epoch, at(second)));
        }
    }

    #[test]
    fn every_part_of_the_key_makes_another_notification() {
        let key = NotificationKey {
            ticket_uid: "uid",
            kind: MessageKind::Page,
            cycle: 1,
            step: 1,
            person: "ada",
            channel: "chat",
            rule: 1,
            sequence: 0,
        };
        let others = [
            NotificationKey { ticket_uid: "other", ..key },
            NotificationKey { kind: MessageKind::Resolved, ..key },
            NotificationKey { cycle: 2, ..key },
            NotificationKey { step: 2, ..key },
            NotificationKey { person: "bob", ..key },
            NotificationKey { channel: "sms", ..key },
            NotificationKey { rule: 2, ..key },
            NotificationKey { sequence: 1, ..key },
        ];
        assert_eq!(notification_id(&key), notification_id(&key));
        for other in others {
            assert_ne!(notification_id(&key), notification_id(&other), "{other:?}");
        }
    }
}
