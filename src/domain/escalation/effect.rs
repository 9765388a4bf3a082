//! What an escalation asks for, as values: somebody else carries it out.

use std::fmt;

use jiff::Timestamp;

use crate::alert::Severity;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell somebody.
    Page(Page),
    /// A step began.
    StepBegan {
        /// See [`super::Chain::cycle`].
        cycle: u32,
        /// From 1; 0 is the last resort.
        step: u32,
        /// Who it reaches, or that it reaches nobody and why.
        reached: Reached,
    },
    /// A person's rule came due and cannot be carried out any more.
    RuleMissed {
        /// The step it belonged to.
        step: u32,
        /// Why.
        missing: Missing,
    },
    /// Something due waits.
    Held {
        /// When it would have happened.
        at: Timestamp,
        /// Its step.
        step: u32,
        /// Who would have been told, where that is known: a personal rule or a handover.
        person: Option<String>,
        /// What holds it: "silence deploy-42".
        by: String,
    },
    /// What held the steps has ended, and they go on.
    Released {
        /// What held them.
        by: String,
        /// How long they waited.
        waited: std::time::Duration,
    },
    /// No step of the cycle reached anybody; the last resort was told.
    NobodyFound,
    /// Even the last resort reached nobody: only the operator-wide one is left.
    LastResortFoundNobody,
    /// Every cycle has passed; the last resort was told.
    Exhausted,
    /// An acknowledgement counts no more; a new cycle started.
    AcknowledgementWithdrawn {
        /// Whose.
        by: String,
        /// Why.
        why: Withdrawn,
    },
    /// Ask the one who acknowledged whether they are still on it.
    AskStillOnIt {
        /// Whom.
        by: String,
    },
    /// Tell the one who acknowledged that it fires again.
    TellRefired {
        /// Whom.
        by: String,
    },
}

/// Why an acknowledgement counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawn {
    /// Nothing happened for `ackTimeout`.
    Silent,
    /// The snooze is over.
    SnoozeEnded,
    /// A person called for another step.
    Escalated,
}

/// Tell somebody, or a channel itself. Without `planned` it is the identity of the message within its ticket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Page {
    /// See [`super::Chain::cycle`].
    pub cycle: u32,
    /// From 1; 0 is the last resort.
    pub step: u32,
    /// The personal rule, from 1; 0 for a channel itself.
    pub rule: u32,
    /// See [`super::Chain::sequence`].
    pub sequence: u32,
    /// The person; `None` for a channel itself.
    pub person: Option<String>,
    /// The channel's name.
    pub channel: String,
    /// When it was planned; lateness is measured from here.
    pub planned: Timestamp,
}

/// Whom a step reaches, and whom it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reached(pub Vec<Reach>);

impl Reached {
    /// Whether anybody is reached at all.
    pub fn anybody(&self) -> bool {
        self.0.iter().any(|reach| !matches!(reach, Reach::Nobody(_)))
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("names nobody");
        }
        for (i, reach) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{reach}")?;
        }
        Ok(())
    }
}

/// One target of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// A person, by that person's own rules.
    Person {
        /// The name.
        name: String,
        /// How the step comes to this person.
        via: Via,
    },
    /// A channel itself.
    Channel(String),
    /// Nobody, and why.
    Nobody(Missing),
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person { name, via: Via::Named } => f.write_str(name),
            Self::Person { name, via: Via::OnCall(schedule) } => write!(f, "{name} (on call in {schedule})"),
            Self::Person { name, via: Via::TookOver(schedule) } => write!(f, "{name} (took over {schedule})"),
            Self::Channel(channel) => write!(f, "channel {channel}"),
            Self::Nobody(missing) => missing.fmt(f),
        }
    }
}

/// How a step comes to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// By name.
    Named,
    /// On call in this schedule when the step began.
    OnCall(String),
    /// Took over this schedule after the step had begun.
    TookOver(String),
}

/// Why a target reaches nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The person left the policy.
    PersonRemoved(String),
    /// No rule of the person is for this severity.
    NoRule(String, Severity),
    /// All channels of the person's rules left the policy.
    NoChannel(String),
    /// Nobody is on call in this schedule.
    NobodyOnCall(String),
    /// The schedule left the policy.
    ScheduleRemoved(String),
    /// The channel left the policy.
    ChannelRemoved(String),
    /// The email channel has no address of its own.
    NoAddress(String),
}

impl Missing {
    /// The reason as a stable word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PersonRemoved(_) => "PersonRemoved",
            Self::NoRule(..) => "NoRule",
            Self::NoChannel(_) => "NoChannel",
            Self::NobodyOnCall(_) => "NobodyOnCall",
            Self::ScheduleRemoved(_) => "ScheduleRemoved",
            Self::ChannelRemoved(_) => "ChannelRemoved",
            Self::NoAddress(_) => "NoAddress",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PersonRemoved(person) => write!(f, "{person} is no longer in the policy"),
            Self::NoRule(person, severity) => write!(f, "{person} has no rule for severity {severity}"),
            Self::NoChannel(person) => write!(f, "{person} has no channel left"),
            Self::NobodyOnCall(schedule) => write!(f, "nobody on call in {schedule}"),
            Self::ScheduleRemoved(schedule) => write!(f, "schedule {schedule} is no longer in the policy"),
            Self::ChannelRemoved(channel) => write!(f, "channel {channel} is no longer in the policy"),
            Self::NoAddress(channel) => write!(f, "channel {channel} has no `to` address"),
        }
    }
}
