//! Why this person: what each override and each layer says at an instant, and which of them counts.
//!
//! Reasons are values; [`Explanation::sentences`] puts them into words, with times in the schedule's zone.

use jiff::{Timestamp, tz::TimeZone};

use super::overrides::{self, Fate, Override, Standing};
use crate::{
    policy::{Layer, Schedule},
    time::shown,
};

/// Who is on call at an instant, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// Who; `None` when nobody is.
    pub person: Option<&'a str>,
    /// Where nobody is on call, the calendar by which nobody has to be; `None`: somebody has to.
    pub uncovered: Option<&'a str>,
    /// Each override that is not over and each layer, from the top down.
    pub reasons: Vec<Reason<'a>>,
}

/// What became of one override or layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason<'a> {
    /// Which.
    pub subject: Subject<'a>,
    /// What became of it.
    pub verdict: Verdict<'a>,
}

/// An override or a layer, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// An override.
    Override {
        /// Its name.
        name: &'a str,
        /// Who takes over.
        person: &'a str,
        /// Instead of whom.
        replaces: Option<&'a str>,
    },
    /// A layer, by its name.
    Layer(&'a str),
}

/// What became of an override or a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It puts somebody on call.
    Decides {
        /// Whom.
        person: &'a str,
        /// The turn's begin, or the override's; not that of the shift, which may reach over several.
        from: Option<Timestamp>,
        /// Up to but not including here; `None`: for ever.
        until: Option<Timestamp>,
    },
    /// It has not begun.
    NotYet {
        /// When it begins; `None`: beyond the year 9999.
        from: Option<Timestamp>,
    },
    /// It has begun, but its calendar is closed.
    Transparent {
        /// The calendar's name.
        during: &'a str,
        /// When it opens; `None`: not within 400 days.
        opens: Option<Timestamp>,
    },
    /// Something above it decides.
    Below(Subject<'a>),
    /// The person it replaces would not be on call.
    NobodyToReplace {
        /// Who would be on call without it.
        instead: Option<&'a str>,
    },
}

/// What each override and layer says at `at`.
pub fn explain<'a>(schedule: &'a Schedule, all: &'a [Override], at: Timestamp) -> Explanation<'a> {
    let layers: Vec<(&Layer, Verdict<'a>)> =
        schedule.layers.iter().rev().map(|layer| (layer, said_by(layer, at))).collect();
    let base = layers.iter().find_map(|(layer, verdict)| match verdict {
        Verdict::Decides { person, .. } => Some((*person, Subject::Layer(&layer.name))),
        _ => None,
    });

    let mut of_schedule: Vec<&Override> = all.iter().filter(|one| one.concerns(schedule) && at < one.until).collect();
    overrides::in_order_of_creation(&mut of_schedule);
    let mut standing = Standing::on(base.map(|(person, _)| person));
    let mut reasons = Vec::new();
    for one in of_schedule {
        let without = standing.last().map(|(person, _)| person);
        let verdict = if !one.covers(at) {
            Verdict::NotYet { from: Some(one.from) }
        } else if standing.put(one) == Fate::Misses {
            Verdict::NobodyToReplace { instead: without }
        } else {
            Verdict::Decides { person: &one.person, from: Some(one.from), until: Some(one.until) }
        };
        reasons.push(Reason { subject: one.subject(), verdict });
    }
    // The later-created stands above.
    reasons.reverse();
    reasons.extend(layers.into_iter().map(|(layer, verdict)| Reason { subject: Subject::Layer(&layer.name), verdict }));

    let decider = match standing.last() {
        Some((_, Some(above))) => Some(above.subject()),
        _ => base.map(|(_, layer)| layer),
    };
    for reason in &mut reasons {
        if let (Verdict::Decides { .. }, Some(decider)) = (&reason.verdict, decider)
            && reason.subject != decider
        {
            reason.verdict = Verdict::Below(decider);
        }
    }
    let person = standing.last().map(|(person, _)| person);
    let coverage = &schedule.coverage;
    let uncovered = (person.is_none() && !coverage.calendar.is_open(at)).then_some(coverage.name.as_str());
    Explanation { person, uncovered, reasons }
}

fn said_by(layer: &Layer, at: Timestamp) -> Verdict<'_> {
    match layer.turn_at(at) {
        None => Verdict::NotYet { from: layer.handover_of(0) },
        Some(_) if !layer.is_opaque(at) => {
            let during = layer.during.as_ref();
            Verdict::Transparent {
                during: during.map_or("", |during| &during.name),
                opens: during.and_then(|during| during.calendar.next_open(at)),
            }
        }
        Some(turn) => Verdict::Decides {
            person: layer.person_of(turn),
            from: layer.start_of_run(turn),
            until: layer.next_run(turn).map(|(_, begins)| begins),
        },
    }
}

impl Override {
    fn subject(&self) -> Subject<'_> {
        Subject::Override { name: &self.name, person: &self.person, replaces: self.replaces.as_deref() }
    }
}

impl Explanation<'_> {
    /// One sentence each, without a full stop: the one that counts first, then the others from the top down.
    pub fn sentences(&self, zone: &TimeZone) -> Vec<String> {
        let counts = |reason: &&Reason<'_>| matches!(reason.verdict, Verdict::Decides { .. });
        let (first, others): (Vec<_>, Vec<_>) = self.reasons.iter().partition(counts);
        let nobody = self.person.is_none().then(|| match self.uncovered {
            Some(coverage) => format!("nobody is on call, and nobody has to be: the coverage `{coverage}` is closed"),
            None => "nobody is on call".to_owned(),
        });
        nobody.into_iter().chain(first.into_iter().chain(others).map(|reason| reason.sentence(zone))).collect()
    }
}

impl Reason<'_> {
    /// One sentence, without a full stop, with times in that zone.
    pub fn sentence(&self, zone: &TimeZone) -> String {
        let it = self.subject.words();
        let at = |instant: Option<Timestamp>| instant.map_or_else(|| "never".to_owned(), |at| shown(at, zone));
        match &self.verdict {
            Verdict::Decides { person, from, until } => {
                let until =
                    until.map_or_else(|| "without end".to_owned(), |until| format!("until {}", shown(until, zone)));
                format!("{it} puts {person} on call from {} {until}", at(*from))
            }
            Verdict::NotYet { from: None } => format!("{it} never begins"),
            Verdict::NotYet { from } => format!("{it} begins at {}", at(*from)),
            Verdict::Transparent { during, opens: Some(opens) } => {
                format!("{it} is transparent: `{during}` is closed until {}", shown(*opens, zone))
            }
            Verdict::Transparent { during, opens: None } => {
                format!("{it} is transparent: `{during}` is closed for the next 400 days")
            }
            Verdict::Below(above) => match (self.subject, above) {
                (Subject::Override { .. }, Subject::Override { .. }) => {
                    format!("{it} gives way to {}, which was created later", above.words())
                }
                _ => format!("{it} stands below {}", above.words()),
            },
            Verdict::NobodyToReplace { instead } => {
                let replaced = self.subject.replaces().unwrap_or_default();
                let instead = instead.unwrap_or("nobody");
                format!("{it} does not count: without it {instead} is on call, not {replaced}")
            }
        }
    }
}

impl Subject<'_> {
    fn words(&self) -> String {
        match self {
            Self::Layer(name) => format!("layer `{name}`"),
            Self::Override { name, person, replaces: None } => format!("override `{name}` ({person})"),
            Self::Override { name, person, replaces: Some(replaced) } => {
                format!("override `{name}` ({person} for {replaced})")
            }
        }
    }

    fn replaces(&self) -> Option<&str> {
        match self {
            Self::Override { replaces, .. } => *replaces,
            Self::Layer(_) => None,
        }
    }
}
