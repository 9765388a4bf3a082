//! The last resort of the whole operator: one channel on a path of its own, told when no policy can tell anybody.
//!
//! It is a channel of a policy in the operator's namespace that whoever runs the operator has named. Tickets know it only
//! as [`LastResort::NAME`], which no channel of a policy can be called: where it leads is what its policy says now.

use std::collections::BTreeMap;

use super::{NotifyTarget, Policy, Promises, Route, ShareWith};
use crate::{message::Channel, routing::Tree};

/// The channel, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastResort {
    /// Where its policy lives; its Secrets are read there.
    pub namespace: String,
    /// The policy.
    pub policy: String,
    /// Its name there.
    pub channel: String,
    /// The channel itself.
    pub through: Channel,
}

impl LastResort {
    /// What stands for the channel's name on tickets.
    pub const NAME: &str = "operator/last-resort";

    /// The channel of this name, if it can be told without a person.
    ///
    /// # Errors
    /// A sentence on what is missing.
    pub fn of(policy: &Policy, channel: &str) -> Result<Self, String> {
        let place = format!("policy {}/{}", policy.namespace, policy.name);
        let Some(through) = policy.channels.get(channel) else {
            return Err(format!("{place} has no channel {channel}"));
        };
        if matches!(through, Channel::Email(email) if email.to.is_empty()) {
            return Err(format!("channel {channel} of {place} has no `to` address"));
        }
        Ok(Self {
            namespace: policy.namespace.clone(),
            policy: policy.name.clone(),
            channel: channel.to_owned(),
            through: through.clone(),
        })
    }

    /// The policy of what no policy serves: whatever it is goes to this channel.
    pub fn as_policy(&self) -> Policy {
        let told = NotifyTarget::Channel(Self::NAME.to_owned());
        let everything = Route {
            name: "last-resort".to_owned(),
            under: None,
            matchers: Vec::new(),
            continues: false,
            group_by: None,
            group_wait: None,
            group_interval: None,
            repeat_interval: None,
            mute: Vec::new(),
            active: Vec::new(),
            escalation: None,
            notify: vec![told.clone()],
            ticket: None,
            priority: None,
            resolve_after: None,
            refire_within: None,
        };
        Policy {
            namespace: self.namespace.clone(),
            name: self.policy.clone(),
            matchers: Vec::new(),
            order: 0,
            share_with: ShareWith::All,
            last_resort: vec![told],
            severities: BTreeMap::new(),
            correlate: vec!["service".to_owned()],
            people: BTreeMap::new(),
            channels: BTreeMap::from([(Self::NAME.to_owned(), self.through.clone())]),
            schedules: BTreeMap::new(),
            escalations: BTreeMap::new(),
            routes: Tree::new(vec![everything]),
            inhibit: Vec::new(),
            calendars: BTreeMap::new(),
            sla: Promises::default(),
            queues: BTreeMap::new(),
            priorities: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        alert::Severity,
        labels::Labels,
        message::{EmailChannel, SmtpTls},
        policy::example,
        routing,
    };

    #[test]
    fn everything_that_fires_goes_to_it() {
        let policy = example::policy();
        let name = policy.channels.keys().next().unwrap().clone();
        let last = LastResort::of(&policy, &name).unwrap();
        let little = last.as_policy();
        for severity in [Severity::Page, Severity::Ticket] {
            let decision = routing::route(&little, &Labels::new(), severity);
            assert!(decision.opens_ticket);
            assert_eq!(decision.notify, [NotifyTarget::Channel(LastResort::NAME.to_owned())]);
        }
        assert_eq!(little.channels[LastResort::NAME], policy.channels[&name]);
    }

    #[test]
    fn a_channel_that_cannot_be_told_is_none() {
        let mut policy = example::policy();
        let error = LastResort::of(&policy, "fax").unwrap_err();
        assert!(error.ends_with("has no channel fax"), "{error}");
        let mail = EmailChannel {
            from: "a@acme.example".into(),
            to: Vec::new(),
            host: "mail".into(),
            port: 25,
            tls: SmtpTls::Required,
            auth: None,
            ca: None,
            timeout: Duration::from_secs(10),
        };
        policy.channels.insert("fax".into(), Channel::Email(mail));
        let error = LastResort::of(&policy, "fax").unwrap_err();
        assert!(error.ends_with("has no `to` address"), "{error}");
    }
}
