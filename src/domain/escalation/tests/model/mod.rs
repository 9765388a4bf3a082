//! The machine against an independent reckoning of who must be told when.
//!
//! [`reckoning::Model`] keeps plain lists of what is planned and goes through them minute by minute: no cursor, no next
//! deadline, nothing of the machine's code. Random events come late, twice and out of order; looks come early, in time
//! or late; the machine's state is written and read back between any two of them.

mod reckoning;

use std::collections::BTreeSet;

use proptest::{prelude::*, test_runner::Config};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use self::reckoning::{Act, Model, ROTATIONS, Target, Told, World, ways};
use super::{at, *};
use crate::{
    policy::{
        PersonalRule, Schedule,
        example::{channel, minutes, person},
    },
    suppression::{Hold, HoldKind},
};

impl Act {
    fn event(&self, minute: i64) -> Event {
        let (by, at) = ("ada".to_owned(), at(minute));
        match self {
            Self::Acknowledge => Event::Acknowledge { by, at },
            Self::Snooze(minutes) => Event::Snooze { by, at, until: super::at(minute + minutes) },
            Self::Unacknowledge => Event::Unacknowledge { at },
            Self::Activity => Event::Activity { at },
            Self::EscalateTo(step) => Event::EscalateTo { step: *step as u32 + 1, at },
            Self::Stop => Event::Stop { at },
            Self::Refire => Event::Refire { at },
            Self::Restart => Event::Restart { at },
        }
    }

    fn counts_each_time(&self) -> bool {
        matches!(self, Self::EscalateTo(_) | Self::Restart)
    }
}

#[derive(Debug, Clone)]
enum Transition {
    /// Somebody looks after so many minutes, be anything due or not.
    Look(i64),
    /// Somebody looks when the machine said that there is something to do; so many minutes late.
    Deadline(i64),
    /// Something happens after so many minutes, and is heard of later, perhaps twice.
    Act { after: i64, late: i64, twice: bool, act: Act },
    /// Something begins to suppress, for so many minutes where that is known.
    Mute(HoldKind, Option<i64>),
    /// Nothing suppresses any more.
    Unmute,
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        let target = prop_oneof![
            prop::sample::select(vec!["ada", "bob", "carol", "dan"]).prop_map(Target::Person),
            prop::sample::select(vec!["first", "second", "empty"]).prop_map(Target::Duty),
            Just(Target::Chat),
        ];
        let step = (prop::sample::select(vec![0i64, 3, 10, 30]), prop::collection::vec(target, 1..4));
        let timeout = prop::option::of(prop::sample::select(vec![20i64, 60, 90]));
        (prop::collection::vec(step, 1..5), 0u32..3, 1i64..90, timeout)
            .prop_map(|(steps, times, every, timeout)| {
                let mut from = 0;
                let steps = steps.into_iter().map(|(wait, mut targets)| {
                    from += wait;
                    // Whoever is named twice in one list is refused by validation.
                    let mut named = Vec::new();
                    targets.retain(|target| {
                        !named.contains(target) && {
                            named.push(*target);
                            true
                        }
                    });
                    (from, targets)
                });
                Self::new(World { steps: steps.collect(), times, every, timeout })
            })
            .boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Transition> {
        let act = prop_oneof![
            3 => Just(Act::Acknowledge),
            1 => (0i64..200).prop_map(Act::Snooze),
            2 => Just(Act::Unacknowledge),
            1 => Just(Act::Activity),
            2 => (0usize..5).prop_map(Act::EscalateTo),
            2 => Just(Act::Stop),
            3 => Just(Act::Refire),
            1 => Just(Act::Restart),
        ];
        let kind = prop::sample::select(vec![
            HoldKind::Silence,
            HoldKind::Inhibition,
            HoldKind::Dependency,
            HoldKind::Calendar,
        ]);
        prop_oneof![
            2 => (0i64..50).prop_map(Transition::Look),
            1 => (0i64..2_000).prop_map(Transition::Look),
            6 => Just(Transition::Deadline(0)),
            2 => (0i64..90).prop_map(Transition::Deadline),
            6 => (0i64..40, 0i64..10, any::<bool>(), act)
                .prop_map(|(after, late, twice, act)| Transition::Act { after, late, twice, act }),
            1 => (kind, prop::option::of(1i64..120)).prop_map(|(kind, until)| Transition::Mute(kind, until)),
            2 => Just(Transition::Unmute),
        ]
        .boxed()
    }

    fn apply(mut state: Self, transition: &Transition) -> Self {
        match transition {
            Transition::Look(after) => state.now += after,
            Transition::Deadline(late) => state.now = state.deadline().unwrap_or(state.now).max(state.now) + late,
            Transition::Act { after, late, act, .. } => {
                state.now += after;
                let at = (state.now - late).max(0);
                state.happens(act, at);
            }
            Transition::Mute(kind, minutes) => state.mute = Some((*kind, minutes.map(|minutes| state.now + minutes))),
            Transition::Unmute => state.mute = None,
        }
        state.look();
        state
    }
}

/// The example's rotation, with other people from noon of another day on, UTC, day by day.
fn rotation(people: &[&str], start: &str) -> Schedule {
    let mut schedule = policy().schedules["primary"].clone();
    let layer = &mut schedule.layers[0];
    layer.people = people.iter().map(|person| (*person).to_owned()).collect();
    layer.start = start.parse().unwrap();
    layer.handover = crate::time::LocalTime { hour: 12, minute: 0 };
    layer.every_days = 1;
    layer.zone = jiff::tz::TimeZone::UTC;
    schedule
}

/// The machine under test.
struct Machine {
    policy: Policy,
    escalation: EscalationPolicy,
    /// As it would be stored on a ticket.
    stored: String,
    ids: BTreeSet<(u32, u32, u32, u32, Option<String>, String)>,
}

impl Machine {
    fn new(world: &World) -> Self {
        let mut policy = policy();
        let everybody = ["ada", "bob", "carol", "dan"].map(|name| {
            let rules = ways(name).iter().map(|(after, channel)| (*after as u64, *channel)).collect::<Vec<_>>();
            let mut somebody = person(&rules);
            if name == "dan" {
                somebody.rules.push(PersonalRule { after: minutes(0), channel: "gone".into(), severity: None });
            }
            (name.to_owned(), somebody)
        });
        policy.people = everybody.into();
        policy.channels = ["chat", "sms", "phone", "ops"].map(|name| (name.to_owned(), channel())).into();
        policy.schedules = ROTATIONS.map(|(name, people)| (name.to_owned(), rotation(people, "2026-11-02"))).into();
        policy.schedules.insert("empty".into(), rotation(&["ada"], "2027-11-02"));
        let target = |target: &Target| match target {
            Target::Person(name) => NotifyTarget::Person((*name).into()),
            Target::Duty(name) => NotifyTarget::Schedule((*name).into()),
            Target::Chat => NotifyTarget::Channel("chat".into()),
        };
        let step = |(after, targets): &(i64, Vec<Target>)| Step {
            after: minutes(*after as u64),
            notify: targets.iter().map(target).collect(),
        };
        let escalation = EscalationPolicy {
            name: "page".into(),
            steps: world.steps.iter().map(step).collect(),
            repeat: Repeat { times: world.times, every: minutes(world.every as u64) },
            ack_timeout: world.timeout.map(|timeout| minutes(timeout as u64)),
        };
        let stored = serde_json::to_string(&Chain::start(at(0))).unwrap();
        Self { policy, escalation, stored, ids: BTreeSet::new() }
    }

    /// Lets it happen, looks, and holds the machine to the reckoning and to what always holds.
    fn step(&mut self, event: Option<Event>, model: &Model, expect: &[Told]) {
        let mut chain: Chain = serde_json::from_str(&self.stored).unwrap();
        let before = chain.cycle;
        let hold = model.mute.map(|(kind, until)| Hold { by: kind.to_string(), kind, until: until.map(at) });
        let s = Situation {
            escalation: &self.escalation,
            live: &self.policy,
            overrides: &[],
            severity: Severity::Page,
            hold: hold.as_ref(),
        };
        let effects = advance(&mut chain, event, s, at(model.now));
        let pages: Vec<&Page> = effects
            .iter()
            .filter_map(|effect| if let Effect::Page(page) = effect { Some(page) } else { None })
            .collect();
        assert!(pages.is_sorted_by_key(|page| page.planned), "what is overdue goes out first: {pages:?}");
        for page in &pages {
            let id = (page.cycle, page.step, page.rule, page.sequence, page.person.clone(), page.channel.clone());
            assert!(self.ids.insert(id), "the identity of {page:?} was used before");
        }
        let mut told: Vec<(i64, usize, Option<&str>, &str)> = pages
            .iter()
            .map(|page| {
                let minute = page.planned.duration_since(at(0)).as_mins();
                (minute, page.step as usize, page.person.as_deref(), page.channel.as_str())
            })
            .collect();
        told.sort_unstable();
        assert_eq!(told, expect, "told at {} by {chain:?}", model.now);
        assert!(chain.cycle >= before, "cycles only grow");
        assert_eq!(chain.acknowledged.is_some(), model.ack.is_some());

        let next = next_deadline(&chain, s, at(model.now));
        assert_eq!(next.map(|next| next.duration_since(at(0)).as_mins()), model.deadline(), "{chain:?}");
        if chain.waits_for_a_person() && hold.is_none() {
            assert!(next.is_some_and(|next| next > at(model.now)), "who waits for a person has a deadline: {chain:?}");
        }
        let mut again = chain.clone();
        assert_eq!(advance(&mut again, None, s, at(model.now)), [], "looking twice does nothing");
        assert_eq!(again, chain);
        self.stored = serde_json::to_string(&chain).unwrap();
    }
}

struct Test;

impl StateMachineTest for Test {
    type SystemUnderTest = Machine;
    type Reference = Model;

    fn init_test(model: &Model) -> Machine {
        Machine::new(&model.world)
    }

    fn apply(mut machine: Machine, model: &Model, transition: Transition) -> Machine {
        match transition {
            Transition::Act { late, twice, act, .. } => {
                let event = act.event((model.now - late).max(0));
                machine.step(Some(event.clone()), model, &model.told);
                if twice && !act.counts_each_time() && !model.was_over_at_once(&act) {
                    machine.step(Some(event), model, &[]);
                }
            }
            _ => machine.step(None, model, &model.told),
        }
        machine
    }
}

impl Model {
    /// An acknowledgement that is over as soon as it is heard of: heard of a second time, it is a new one.
    fn was_over_at_once(&self, act: &Act) -> bool {
        matches!(act, Act::Acknowledge | Act::Snooze(_)) && self.ack.is_none()
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: Config::default().cases.max(512), failure_persistence: None, ..Config::default() })]

    #[test]
    fn everybody_is_told_what_an_independent_reckoning_says_and_nothing_else(sequential 1..60 => Test);
}
