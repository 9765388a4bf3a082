//! A silence: matchers muted until a mandatory end, with an owner and a reason.
//!
//! A silence is a filter at the moment of each step; nothing here remembers what it held back.

use std::cmp::Reverse;

use jiff::Timestamp;

use crate::{labels::Labels, matcher::Matcher};

/// A silence that has passed validation.
#[derive(Debug, Clone)]
pub struct Silence {
    /// Where it lives: it mutes this namespace, in the operator's namespace all.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// All must match; never empty, and were it empty it would mute nothing.
    pub matchers: Vec<Matcher>,
    /// From here.
    pub starts_at: Timestamp,
    /// Up to but not including here.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
    /// Whose it is.
    pub author: String,
}

impl Silence {
    /// Whether it is in force at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.starts_at <= now && now < self.ends_at
    }

    /// Whether it mutes an alert of this namespace with these labels at `now`.
    pub fn mutes(&self, namespace: &str, operator_namespace: &str, labels: &Labels, now: Timestamp) -> bool {
        self.is_active(now)
            && (self.namespace == namespace || self.namespace == operator_namespace)
            && !self.matchers.is_empty()
            && self.matchers.iter().all(|matcher| matcher.matches(labels))
    }

    /// "silence deploy-42 until 2026-11-23T10:00:00Z (new version, by ada)": the reason that is recorded with a step
    /// it holds.
    pub fn sentence(&self) -> String {
        let why = if self.reason.is_empty() { "no reason given" } else { &self.reason };
        format!("silence {} until {} ({why}, by {})", self.name, self.ends_at, self.author)
    }
}

/// The silence that mutes an alert of this namespace with these labels at `now`. Of several it is the one that ends
/// last, so that the reason on record does not change while the alert stays muted; then the lower namespace and name.
pub fn silence_for<'a>(
    silences: impl IntoIterator<Item = &'a Silence>,
    namespace: &str,
    operator_namespace: &str,
    labels: &Labels,
    now: Timestamp,
) -> Option<&'a Silence> {
    let muting = silences.into_iter().filter(|silence| silence.mutes(namespace, operator_namespace, labels, now));
    muting.min_by_key(|silence| (Reverse(silence.ends_at), &silence.namespace, &silence.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        "2026-11-23T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_hours(hour)
    }

    /// From 10:00 to the given hour, for `service="checkout"`.
    fn silence(path: &str, until: i64) -> Silence {
        let (namespace, name) = path.split_once('/').unwrap();
        Silence {
            namespace: namespace.into(),
            name: name.into(),
            matchers: vec![Matcher::parse("service=checkout").unwrap()],
            starts_at: at(10),
            ends_at: at(until),
            reason: "deploy 42".into(),
            author: "oidc:ada@acme.example".into(),
        }
    }

    fn muting(silences: &[Silence], namespace: &str, service: &str, hour: i64) -> Option<String> {
        let labels = Labels::from([("service".into(), service.into())]);
        silence_for(silences, namespace, "firstline-system", &labels, at(hour)).map(|silence| silence.name.clone())
    }

    #[test]
    fn it_mutes_from_its_start_up_to_but_not_including_its_end() {
        let silences = [silence("payments/deploy-42", 12)];
        let by_hour = [9, 10, 11, 12].map(|hour| muting(&silences, "payments", "checkout", hour).is_some());
        assert_eq!(by_hour, [false, true, true, false]);
    }

    #[test]
    fn it_mutes_its_own_namespace_and_from_the_operators_all() {
        let own = [silence("payments/deploy-42", 12)];
        assert_eq!(muting(&own, "shop", "checkout", 11), None);
        assert_eq!(muting(&own, "payments", "search", 11), None);
        let operators = [silence("firstline-system/all", 12)];
        assert_eq!(muting(&operators, "shop", "checkout", 11).as_deref(), Some("all"));
    }

    #[test]
    fn of_several_the_one_that_ends_last_is_named_and_then_the_lower_name() {
        let mut silences = vec![silence("payments/b", 12), silence("payments/long", 13), silence("payments/a", 12)];
        assert_eq!(muting(&silences, "payments", "checkout", 11).as_deref(), Some("long"));
        silences.remove(1);
        assert_eq!(muting(&silences, "payments", "checkout", 11).as_deref(), Some("a"));
    }

    #[test]
    fn one_without_matchers_mutes_nothing() {
        let silence = Silence { matchers: Vec::new(), ..silence("payments/all", 12) };
        assert_eq!(muting(&[silence], "payments", "checkout", 11), None);
    }

    #[test]
    fn its_sentence_says_until_when_why_and_by_whom() {
        let sentence = silence("payments/deploy-42", 12).sentence();
        assert_eq!(sentence, "silence deploy-42 until 2026-11-23T12:00:00Z (deploy 42, by oidc:ada@acme.example)");
    }
}
