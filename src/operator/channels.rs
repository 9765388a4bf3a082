//! Whether the channels of policies could send: their Secrets are there, meant for it, and hold what is needed; and since when
//! each is as it is.
//!
//! Nothing here reads: whoever looks at a policy does, and hands in what was seen. Secrets are not watched. A channel that
//! nobody has looked at yet counts as one that could send.

use std::collections::{BTreeMap, HashMap};

use domain::{message::Channel, time::after};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{config::ChannelName, engine::secrets::Versions, index::World, kube::meta::Key};

/// A channel as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What the policy says of it.
    pub channel: Channel,
    /// Its Secrets.
    pub secrets: Versions,
    /// When the API changed one of those last, by our clock.
    pub changed: Option<Timestamp>,
    /// What keeps it from sending, in a sentence.
    pub wrong: Option<String>,
}

/// A look at a channel.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// Its Secrets were read, or are not there.
    Seen(Box<Seen>),
    /// The API did not answer, in a sentence: what is known stays.
    Unread(String),
}

impl Look {
    /// What keeps it from sending.
    pub fn wrong(&self) -> Option<&str> {
        match self {
            Self::Seen(seen) => seen.wrong.as_deref(),
            Self::Unread(why) => Some(why),
        }
    }
}

/// A look at each channel of a policy, by name.
pub type Looks = BTreeMap<String, Look>;

/// What is known of one channel.
#[derive(Debug)]
struct Known {
    seen: Box<Seen>,
    /// Since when it is so; `None`: longer than anybody can tell.
    since: Option<Timestamp>,
}

/// All of them, by policy and name.
#[derive(Debug, Default)]
pub struct Channels(Mutex<HashMap<Key, BTreeMap<String, Known>>>);

impl Channels {
    /// Takes what a look at a policy has found. Returns the channels that could send and were not like this before; of a
    /// policy that this process looks at for the first time, those of which somebody has changed a Secret, whenever.
    pub fn take(&self, policy: &Key, looks: Looks, now: Timestamp) -> Vec<String> {
        let mut all = self.0.lock();
        let mut before = all.remove(policy);
        let is_first_look = before.is_none();
        let mut known = BTreeMap::new();
        let mut mended = Vec::new();
        for (name, look) in looks {
            let old = before.as_mut().and_then(|before| before.remove(&name));
            let (seen, since) = match (look, old) {
                (Look::Unread(_), None) => continue,
                (Look::Unread(_), Some(old)) => (old.seen, old.since),
                (Look::Seen(seen), Some(old)) if seen == old.seen => (seen, old.since),
                // What happened before this process looked is dated by the API.
                (Look::Seen(seen), None) if is_first_look => {
                    let since = seen.changed.map(next_second);
                    mended.extend(since.filter(|_| seen.wrong.is_none()).map(|_| name.clone()));
                    (seen, since)
                }
                (Look::Seen(seen), _) => {
                    if seen.wrong.is_none() {
                        mended.push(name.clone());
                    }
                    (seen, Some(next_second(now)))
                }
            };
            known.insert(name, Known { seen, since });
        }
        all.insert(policy.clone(), known);
        mended
    }

    /// A policy is gone.
    pub fn forget(&self, policy: &Key) {
        self.0.lock().remove(policy);
    }

    /// Since when the channels of a policy are as they are, of those that could send.
    pub fn since(&self, policy: &Key) -> BTreeMap<String, Timestamp> {
        let all = self.0.lock();
        let known = all.get(policy).into_iter().flatten().filter(|(_, known)| known.seen.wrong.is_none());
        known.filter_map(|(name, known)| Some((name.clone(), known.since?))).collect()
    }

    /// What keeps a channel from sending, in a sentence.
    pub fn wrong(&self, policy: &Key, channel: &str) -> Option<String> {
        self.0.lock().get(policy)?.get(channel)?.seen.wrong.clone()
    }
}

/// Whether the operator's last resort could be told.
///
/// # Errors
/// A sentence on what is missing.
pub fn last_resort(world: &World, channels: &Channels, name: &ChannelName) -> Result<(), String> {
    let last = world.last_resort(name)?;
    channels.wrong(&Key::new(last.namespace, last.policy), &last.channel).map_or(Ok(()), Err)
}

/// Attempts are dated in whole seconds: the first one that has not begun yet at this moment.
fn next_second(at: Timestamp) -> Timestamp {
    after(domain::time::whole_seconds(at), std::time::Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::message::{WebhookChannel, WebhookUrl};

    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + millisecond).unwrap()
    }

    fn policy() -> Key {
        Key::new("firstline-system", "company")
    }

    /// The channel `pager` with this version of its Secret, or without.
    fn looks(address: &str, version: Option<u64>) -> Looks {
        let url = WebhookUrl::Plain(format!("https://{address}/hook").parse().unwrap());
        let channel =
            Channel::Webhook(WebhookChannel { url, signing_secret: None, ca: None, timeout: Duration::from_secs(10) });
        let secrets = [("pager".to_owned(), version.map(|version| ("u".to_owned(), version)))].into();
        let wrong = version.is_none().then(|| "channel pager cannot send: there is no Secret".to_owned());
        let seen = Seen { channel, secrets, changed: version.map(|_| at(-5_500)), wrong };
        [("pager".to_owned(), Look::Seen(Box::new(seen)))].into()
    }

    #[test]
    fn a_secret_that_comes_mends_its_channel_from_the_next_second_on() {
        let channels = Channels::default();
        assert_eq!(channels.take(&policy(), looks("a.example", None), at(0)), Vec::<String>::new());
        assert!(channels.wrong(&policy(), "pager").unwrap().contains("no Secret"));
        assert_eq!(channels.since(&policy()), BTreeMap::new());
        assert_eq!(channels.take(&policy(), looks("a.example", Some(7)), at(30_100)), ["pager"]);
        assert_eq!((channels.wrong(&policy(), "pager"), channels.since(&policy())["pager"]), (None, at(31_000)));
        assert_eq!(channels.take(&policy(), looks("a.example", Some(7)), at(60_000)), Vec::<String>::new());
        assert_eq!(channels.since(&policy())["pager"], at(31_000), "looking again changes nothing");
    }

    #[test]
    fn another_version_and_another_address_are_changes_too() {
        let channels = Channels::default();
        assert_eq!(channels.take(&policy(), looks("a.example", Some(7)), at(0)), ["pager"]);
        assert_eq!(channels.since(&policy())["pager"], at(-5_000), "a new process goes by the API's date");
        assert_eq!(channels.take(&policy(), looks("a.example", Some(8)), at(30_000)), ["pager"]);
        assert_eq!(channels.take(&policy(), looks("b.example", Some(8)), at(60_000)), ["pager"]);
        assert_eq!(channels.since(&policy())["pager"], at(61_000));
    }

    #[test]
    fn an_api_that_does_not_answer_says_nothing_about_a_channel() {
        let channels = Channels::default();
        let unread = || Looks::from([("pager".to_owned(), Look::Unread("no answer".to_owned()))]);
        channels.take(&policy(), unread(), at(0));
        assert_eq!(channels.wrong(&policy(), "pager"), None, "nobody knows");
        channels.take(&policy(), looks("a.example", None), at(0));
        channels.take(&policy(), unread(), at(30_000));
        assert!(channels.wrong(&policy(), "pager").is_some());
    }
}
