//! What speaks against an act that the fold cannot know: people, queues, steps and tickets that do not exist.
//!
//! Asked once, when an event is judged; the answer is recorded with the event, so that a replay does not depend on what
//! the policy says by then.

use super::event::{Act, Link, LinkTarget};
use crate::{policy::Policy, problem::Problem};

/// What was found around a ticket when an event was judged.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The policy as it is now; `None`: none serves the ticket, and every name is taken as it is.
    pub policy: Option<&'a Policy>,
    /// How many steps its escalation has; `None`: it has no escalation.
    pub steps: Option<usize>,
    /// Whether somebody asked for this ticket.
    pub has_requester: bool,
    /// The other ticket that the act names, when it names one.
    pub other: Other,
}

/// The other ticket that an act names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// There is none in this namespace.
    Missing,
    /// It is Closed.
    Closed,
    /// It goes on.
    Goes {
        /// Whether somebody asked for it.
        has_requester: bool,
    },
}

/// The name of the other ticket that an act names.
pub fn other_ticket(act: &Act) -> Option<&str> {
    match act {
        Act::Merge { into: name } | Act::Link(Link { target: LinkTarget::Ticket(name), .. }) => Some(name),
        _ => None,
    }
}

/// Why the act cannot count, with what to write instead; `None` when nothing speaks against it.
pub fn objection(act: &Act, around: &Surroundings<'_>) -> Option<String> {
    match act {
        Act::Assign { to } => stranger(to, around.policy?),
        Act::Queue { to } => unknown_queue(to, around.policy?),
        Act::Escalate { step } => no_such_step(*step, around),
        Act::Merge { into } => cannot_merge(into, around),
        Act::Link(Link { target: LinkTarget::Ticket(name), .. }) if around.other == Other::Missing => Some(format!(
            "there is no ticket `{name}` in this namespace; for one that was archived, link its page by `url`"
        )),
        _ => None,
    }
}

fn stranger(to: &str, policy: &Policy) -> Option<String> {
    if policy.people.contains_key(to) {
        return None;
    }
    let what = format!("no person of policy {}/{} is called `{to}`", policy.namespace, policy.name);
    Some(Problem::error("", what).suggest_from(to, policy.people.keys().map(String::as_str)).to_string())
}

fn unknown_queue(to: &str, policy: &Policy) -> Option<String> {
    if policy.queues.contains_key(to) {
        return None;
    }
    let what = format!("no queue of policy {}/{} is called `{to}`", policy.namespace, policy.name);
    Some(Problem::error("", what).suggest_from(to, policy.queues.keys().map(String::as_str)).to_string())
}

fn no_such_step(step: u32, around: &Surroundings<'_>) -> Option<String> {
    let exists = |most: usize| step > 0 && step as usize <= most;
    match (around.steps, around.policy) {
        (Some(most), _) if exists(most) => None,
        (None, None) => Some(
            "no SupportPolicy serves the ticket, so it has no escalation whose step could run; take it with `ack`, or \
             create a policy for it, by which what fires goes on"
                .to_owned(),
        ),
        (Some(_), None) => Some(
            "no SupportPolicy serves the ticket, so its only step is the operator's last resort, which step 1 tells \
             again; take it with `ack`, or create a policy for it, by which what fires goes on"
                .to_owned(),
        ),
        (None, Some(_)) => {
            Some("the ticket has no escalation, so no step can run; assign it to somebody instead".to_owned())
        }
        (Some(1), Some(_)) => Some(format!("the escalation has one step, which step 1 runs again; found {step}")),
        (Some(most), Some(_)) => {
            Some(format!("the escalation has {most} steps; expected a step from 1 to {most}, found {step}"))
        }
    }
}

fn cannot_merge(into: &str, around: &Surroundings<'_>) -> Option<String> {
    match around.other {
        Other::Missing => Some(format!("there is no ticket `{into}` in this namespace to merge into")),
        Other::Closed => Some(format!("the ticket {into} is Closed, so nobody would look there; link it instead")),
        Other::Goes { has_requester: false } if around.has_requester => Some(format!(
            "{into} is an incident without a requester, and others would read what this requester wrote; \
             link it instead, with relation causedBy"
        )),
        Other::Goes { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::policy::{Queue, example};

    fn asked(act: &Act, other: Other) -> Option<String> {
        let mut policy = example::policy();
        policy.queues.insert("network".into(), Queue::default());
        objection(act, &Surroundings { policy: Some(&policy), steps: Some(2), has_requester: true, other })
    }

    #[rstest]
    #[case::a_stranger(Act::Assign { to: "adda".into() }, "no person of policy payments/payments is called `adda`; did you mean `ada`?")]
    #[case::no_queue(Act::Queue { to: "netwrk".into() }, "no queue of policy payments/payments is called `netwrk`; did you mean `network`?")]
    #[case::no_step(Act::Escalate { step: 3 }, "the escalation has 2 steps; expected a step from 1 to 2, found 3")]
    #[case::nothing_to_merge_into(Act::Merge { into: "inc-b".into() }, "there is no ticket `inc-b` in this namespace to merge into")]
    fn what_does_not_exist_is_refused_with_what_was_meant(#[case] act: Act, #[case] expected: &str) {
        assert_eq!(asked(&act, Other::Missing).as_deref(), Some(expected));
    }

    #[test]
    fn a_requesters_words_do_not_leak_into_an_incident() {
        let merge = Act::Merge { into: "inc-b".into() };
        let refused = asked(&merge, Other::Goes { has_requester: false }).unwrap();
        assert!(refused.contains("link it instead, with relation causedBy"), "{refused}");
        assert_eq!(asked(&merge, Other::Goes { has_requester: true }), None);
        assert!(asked(&merge, Other::Closed).unwrap().contains("is Closed"));
    }

    #[test]
    fn a_ticket_without_escalation_has_no_steps_to_run() {
        let policy = example::policy();
        let around = Surroundings { policy: Some(&policy), steps: None, has_requester: false, other: Other::Missing };
        assert!(objection(&Act::Escalate { step: 1 }, &around).unwrap().starts_with("the ticket has no escalation"));
    }

    #[test]
    fn a_ticket_that_no_policy_serves_says_so_and_what_to_do() {
        let around = |steps| Surroundings { policy: None, steps, has_requester: false, other: Other::Missing };
        let said = |step, steps| objection(&Act::Escalate { step }, &around(steps));
        assert!(said(1, None).unwrap().contains("take it with `ack`, or create a policy"));
        assert!(said(2, Some(1)).unwrap().contains("its only step is the operator's last resort"));
        assert_eq!(said(1, Some(1)), None);
        assert_eq!(objection(&Act::Assign { to: "anybody".into() }, &around(None)), None);
    }
}
