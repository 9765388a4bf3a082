//! A ticket's clocks, lived through minute by minute: nothing is computed ahead, each minute that is open adds one.
//!
//! What a clock shows at the end of such a life is compared with what `domain::sla` says at once.

use std::time::Duration;

use domain::{
    sla::{self, ClockName, Happened, Happening, Standing, Targets},
    ticket::TicketState,
};

use super::{
    Bar, Soak,
    calendars::{Minutes, Plan, instant, number, span, zones},
    random::Random,
};

/// How long a ticket is watched.
const LIFE: i64 = 10 * 1_440;

/// One run of one clock, as it was lived through.
#[derive(Debug, Clone)]
struct Life {
    name: ClockName,
    began: i64,
    counted: i64,
    breached_at: Option<i64>,
    ended: Option<&'static str>,
    silent: bool,
    promised: bool,
}

/// A ticket in which a minute is all that ever happens.
struct Ticket<'a> {
    plans: [&'a Minutes; 2],
    /// Which of the plans counts, and minutes per clock.
    targets: (usize, [Option<i64>; 4]),
    fixed: Option<i64>,
    state: TicketState,
    has_requester: bool,
    lives: Vec<Life>,
}

impl Ticket<'_> {
    fn running(&self, name: ClockName) -> bool {
        match name {
            ClockName::FirstResponse => true,
            ClockName::NextResponse => self.state.as_str() != "Scheduled",
            ClockName::Update | ClockName::Resolution => {
                matches!(self.state, TicketState::New | TicketState::Open | TicketState::PendingVendor)
            }
        }
    }

    fn fixed(&self, name: ClockName) -> Option<i64> {
        self.fixed.filter(|_| name == ClockName::Resolution)
    }

    fn target(&self, name: ClockName) -> Option<i64> {
        let place = ClockName::ALL.iter().position(|clock| *clock == name).unwrap();
        self.targets.1[place]
    }

    fn start(&mut self, name: ClockName, began: i64) {
        let life = Life { name, began, counted: 0, breached_at: None, ended: None, silent: false, promised: true };
        self.lives.push(life);
    }

    fn last(&mut self, name: ClockName) -> Option<&mut Life> {
        self.lives.iter_mut().rev().find(|life| life.name == name)
    }

    fn open(&mut self, name: ClockName) -> Option<&mut Life> {
        self.last(name).filter(|life| life.ended.is_none())
    }

    fn end(&mut self, name: ClockName, unless_late: &'static str, silent: bool) {
        let promised = self.target(name).is_some() || self.fixed(name).is_some();
        if let Some(life) = self.open(name) {
            life.ended = Some(if life.breached_at.is_some() { "Missed" } else { unless_late });
            life.silent = silent;
            life.promised = promised;
        }
    }

    fn answer(&mut self, at: i64) {
        for name in [ClockName::FirstResponse, ClockName::NextResponse, ClockName::Update] {
            self.end(name, "Met", false);
        }
        if !self.state.is_over() {
            self.start(ClockName::Update, at);
        }
    }

    fn take(&mut self, at: i64, what: &What) {
        match what {
            What::Asked => {
                let answered =
                    self.last(ClockName::FirstResponse).is_some_and(|life| life.ended.is_some() && !life.silent);
                if answered
                    && self.has_requester
                    && self.state != TicketState::Closed
                    && self.open(ClockName::NextResponse).is_none()
                {
                    self.start(ClockName::NextResponse, at);
                }
            }
            What::Replied => self.answer(at),
            What::Noted if !self.has_requester => self.answer(at),
            What::Taken if !self.has_requester && self.open(ClockName::FirstResponse).is_some() => {
                self.end(ClockName::FirstResponse, "Met", false);
                self.start(ClockName::Update, at);
            }
            What::Noted | What::Taken => {}
            What::NotNeeded => {
                self.end(ClockName::FirstResponse, "Cancelled", false);
                self.end(ClockName::NextResponse, "Cancelled", false);
            }
            What::State(to) => self.enter(at, *to),
            What::Targets(plan, targets) => self.targets = (*plan, *targets),
            What::Fixed(due) => self.fixed = *due,
        }
    }

    fn enter(&mut self, at: i64, to: TicketState) {
        let was_over = self.state.is_over();
        self.state = to;
        if !was_over && to.is_over() {
            self.end(ClockName::FirstResponse, "Cancelled", true);
            self.end(ClockName::NextResponse, "Cancelled", true);
            self.end(ClockName::Update, "Met", false);
            self.end(ClockName::Resolution, "Met", false);
        }
        if was_over && !to.is_over() {
            if let Some(life) = self.last(ClockName::FirstResponse).filter(|life| life.silent) {
                (life.ended, life.silent) = (None, false);
            }
            if let Some(life) = self.last(ClockName::Resolution) {
                life.ended = None;
            }
            if self.last(ClockName::Update).is_some() {
                self.start(ClockName::Update, at);
            }
        }
    }

    /// What is reached at this minute is broken now; then the minute passes.
    fn pass(&mut self, minute: i64) {
        let open = self.plans[self.targets.0].is_open(minute);
        let mut lives = std::mem::take(&mut self.lives);
        for life in lives.iter_mut().filter(|life| life.ended.is_none()) {
            let (target, fixed) = (self.target(life.name), self.fixed(life.name));
            life.promised = target.is_some() || fixed.is_some();
            if !life.promised || !self.running(life.name) {
                continue;
            }
            let reached =
                fixed.map_or_else(|| target.is_some_and(|target| life.counted >= target), |fixed| minute >= fixed);
            if reached && life.breached_at.is_none() {
                life.breached_at = Some(minute);
            }
            life.counted += i64::from(open);
        }
        self.lives = lives;
    }

    fn shows(&self, life: &Life) -> Option<String> {
        if !life.promised && life.breached_at.is_none() {
            return None;
        }
        let standing = life.ended.unwrap_or(if !life.promised {
            "Cancelled"
        } else if self.running(life.name) {
            "Running"
        } else {
            "Paused"
        });
        let breached = life.breached_at.map(instant);
        Some(format!("{} {} {standing} {:?} {breached:?}", instant(life.began), life.name, span(life.counted)))
    }
}

/// What happens to a ticket, in the words of this file.
#[derive(Debug, Clone)]
enum What {
    Asked,
    Replied,
    Noted,
    Taken,
    NotNeeded,
    State(TicketState),
    Targets(usize, [Option<i64>; 4]),
    Fixed(Option<i64>),
}

fn any_targets(random: &mut Random) -> [Option<i64>; 4] {
    std::array::from_fn(|_| (random.below(5) > 0).then(|| 1 + number(random, 2_000)))
}

fn any_what(random: &mut Random, start: i64) -> What {
    match random.below(12) {
        0 | 1 => What::Asked,
        2 | 3 => What::Replied,
        4 => What::Noted,
        5 => What::Taken,
        6 => What::NotNeeded,
        7 => What::Targets(usize::from(random.below(2) == 0), any_targets(random)),
        8 => What::Fixed((random.below(2) == 0).then(|| start + number(random, LIFE))),
        _ => What::State(*random.one_of(&TicketState::ALL)),
    }
}

/// Lives through so many tickets. Returns how many, and what differed.
pub fn compare(seed: u64, tickets: u64) -> (u64, Vec<String>) {
    const PER_CALENDAR: u64 = 50;
    let mut random = Random::seeded(seed);
    let zones = zones();
    let (mut lived, mut wrong) = (0, Vec::new());
    while lived < tickets {
        let plan = Plan::any(&mut random, &zones);
        // The same days under other hours.
        let other = Plan::any(&mut random, &zones).from(plan.start);
        let (Some(minutes), Some(others)) = (plan.minutes(), other.minutes()) else { continue };
        let calendars = [plan.calendar(), other.calendar()];
        for _ in 0..PER_CALENDAR {
            let start = plan.start + number(&mut random, super::calendars::HORIZON - LIFE);
            let mut story: Vec<(i64, What)> = (0..random.below(16))
                .map(|_| (start + number(&mut random, LIFE), any_what(&mut random, start)))
                .collect();
            story.sort_by_key(|(at, _)| *at);
            let (has_requester, initial) = (random.below(2) == 0, any_targets(&mut random));
            let targets = |plan: usize, minutes: &[Option<i64>; 4]| {
                let [first_response, next_response, update, resolution] = minutes.map(|target| target.map(span));
                let calendar = calendars[plan].clone();
                Targets {
                    calendar_name: plan.to_string(),
                    calendar,
                    first_response,
                    next_response,
                    update,
                    resolution,
                    warn_at: vec![50],
                }
            };
            let mut ticket = Ticket {
                plans: [&minutes, &others],
                targets: (0, initial),
                fixed: None,
                state: TicketState::New,
                has_requester,
                lives: Vec::new(),
            };
            let lived = live(&mut ticket, start, &story);
            let told = story.iter().map(|(at, what)| Happening { at: instant(*at), what: told(what, &targets) });
            let began = Happening { at: instant(start), what: Happened::Began { has_requester } };
            let happenings: Vec<Happening> = std::iter::once(began).chain(told).collect();
            let said = said(&sla::clocks(&happenings, &targets(0, &initial), instant(start + LIFE)));
            if lived != said {
                wrong
                    .push(format!("lived {lived:#?}\nsaid {said:#?}\n{story:#?} {initial:?} {has_requester} {plan:?}"));
            }
        }
        lived += PER_CALENDAR;
    }
    (lived, wrong)
}

fn live(ticket: &mut Ticket<'_>, start: i64, story: &[(i64, What)]) -> Vec<String> {
    ticket.start(ClockName::FirstResponse, start);
    ticket.start(ClockName::Resolution, start);
    let mut story = story.iter().peekable();
    for minute in start..=start + LIFE {
        while let Some((at, what)) = story.next_if(|(at, _)| *at == minute) {
            ticket.take(*at, what);
        }
        if minute < start + LIFE {
            ticket.pass(minute);
        } else {
            // The last instant itself: what is reached then is broken, but no more time passes.
            let counted: Vec<i64> = ticket.lives.iter().map(|life| life.counted).collect();
            ticket.pass(minute);
            ticket.lives.iter_mut().zip(counted).for_each(|(life, counted)| life.counted = counted);
        }
    }
    let mut lived: Vec<String> = ticket.lives.iter().filter_map(|life| ticket.shows(life)).collect();
    lived.sort();
    lived
}

fn told(what: &What, targets: &impl Fn(usize, &[Option<i64>; 4]) -> Targets) -> Happened {
    match what {
        What::Asked => Happened::Asked,
        What::Replied => Happened::Replied,
        What::Noted => Happened::Noted,
        What::Taken => Happened::Taken,
        What::NotNeeded => Happened::NoAnswerNeeded { why: "thanks".into() },
        What::State(to) => Happened::State { to: *to, reason: None },
        What::Targets(plan, minutes) => {
            Happened::Targets { to: Box::new(targets(*plan, minutes)), why: "changed".into() }
        }
        What::Fixed(due) => Happened::DueSet { clock: ClockName::Resolution, due: due.map(instant) },
    }
}

fn said(clocks: &sla::Clocks) -> Vec<String> {
    let line = |clock: &sla::Clock| {
        let present = clock.present.as_ref().map_or(Duration::ZERO, |line| line.counted);
        let counted = clock.elapsed + present;
        format!("{} {} {} {counted:?} {:?}", clock.began, clock.name, clock.standing.as_str(), clock.breached_at)
    };
    let mut said: Vec<String> = clocks.runs.iter().map(line).collect();
    said.sort();
    said
}

/// Tickets by the ten thousand.
pub fn soak() -> Vec<Soak> {
    let (lived, wrong) = compare(27, 20_000);
    vec![
        Soak::done("tickets lived through minute by minute", lived),
        Soak::must_be("  clocks unlike those", wrong.len() as u64, 0),
    ]
}

/// What `make bench-rules` says of clocks.
pub fn bars() -> Vec<Bar> {
    let mut random = Random::seeded(28);
    let calendar = Plan::any(&mut random, &["Europe/Berlin".to_owned()]).calendar();
    let hours = |count: u64| Some(Duration::from_secs(count * 3_600));
    let targets = Targets {
        calendar,
        first_response: hours(4),
        next_response: hours(8),
        update: hours(2),
        resolution: hours(40),
        warn_at: vec![50, 75, 90],
        ..Targets::none()
    };
    let start = 29_000_000;
    let course = [
        What::Replied,
        What::State(TicketState::PendingRequester),
        What::Asked,
        What::State(TicketState::Open),
        What::Noted,
    ];
    let told = (0..100)
        .zip(course.iter().cycle())
        .map(|(place, what)| Happening { at: instant(start + place * 45), what: told(what, &|_, _| Targets::none()) });
    let began = Happening { at: instant(start), what: Happened::Began { has_requester: true } };
    let happenings: Vec<Happening> = std::iter::once(began).chain(told).collect();
    let now = instant(start + 5_000);
    let standing = sla::clocks(&happenings, &targets, now);
    assert!(standing.runs.iter().any(|clock| clock.standing == Standing::Met));
    vec![Bar::measure("clocks: of a ticket with 100 events", Some(Duration::from_micros(500)), || {
        sla::clocks(&happenings, &targets, now)
    })]
}
