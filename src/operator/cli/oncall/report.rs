//! How the answer reads: a line a schedule, a line a shift, or one object for machines.

use domain::{
    oncall::{self, Override, Shift},
    policy::{Policy, Schedule},
    time::shown,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{
    output::{Colour, Paint},
    table::{Cell, table},
};

/// The answer for all schedules that are meant.
pub(super) struct Report<'a> {
    pub(super) at: Timestamp,
    pub(super) until: Option<Timestamp>,
    /// Whether the policy has to be named to know whose schedule it is.
    pub(super) several: bool,
    pub(super) rows: Vec<Row<'a>>,
}

/// One schedule.
pub(super) struct Row<'a> {
    pub(super) policy: &'a Policy,
    pub(super) schedule: &'a Schedule,
    /// Of the policy.
    pub(super) overrides: &'a [Override],
    pub(super) answer: Answer<'a>,
}

/// Who is on call in one schedule.
pub(super) struct Answer<'a> {
    now: Shift<'a>,
    next: Option<&'a str>,
    why: Vec<String>,
    /// Whether nobody is on call and somebody must be.
    is_gap: bool,
    shifts: Vec<Shift<'a>>,
    gaps: Vec<(Timestamp, Timestamp)>,
}

impl<'a> Answer<'a> {
    pub(super) fn of(
        schedule: &'a Schedule,
        overrides: &'a [Override],
        at: Timestamp,
        until: Option<Timestamp>,
    ) -> Self {
        let now = oncall::on_call(schedule, overrides, at);
        let why = oncall::explain(schedule, overrides, at);
        Self {
            now,
            next: now.until.and_then(|until| oncall::who(schedule, overrides, until)),
            is_gap: why.person.is_none() && why.uncovered.is_none(),
            why: why.sentences(&schedule.zone),
            shifts: until.map(|until| oncall::shifts(schedule, overrides, at, until)).unwrap_or_default(),
            gaps: until.map(|until| oncall::gaps(schedule, overrides, at, until)).unwrap_or_default(),
        }
    }
}

impl Report<'_> {
    /// Whether nobody is on call at some time when somebody must be.
    pub(super) fn has_gap(&self) -> bool {
        self.rows.iter().any(|row| row.answer.is_gap || !row.answer.gaps.is_empty())
    }

    /// For people, with times in the schedules' zones.
    pub(super) fn render(&self, wide: bool, colour: Colour) -> String {
        let mut heading = vec!["SCHEDULE", "ON CALL", "SINCE", "UNTIL"];
        match (self.until, wide) {
            (None, false) => heading.push("NEXT"),
            (None, true) => heading.extend(["NEXT", "WHY"]),
            (Some(_), false) => heading.push("LENGTH"),
            (Some(_), true) => heading.extend(["LENGTH", "WHY"]),
        }
        if self.several {
            heading.insert(0, "POLICY");
        }
        let mut rows = Vec::new();
        for row in &self.rows {
            let mut lines = match self.until {
                None => vec![row.line(wide)],
                Some(_) => row.lines(self.at, wide),
            };
            if self.several {
                let policy = format!("{}/{}", row.policy.namespace, row.policy.name);
                for line in &mut lines {
                    line.insert(0, policy.clone().into());
                }
            }
            rows.extend(lines);
        }
        table(&heading, &rows, colour)
    }

    /// The stable form for machines.
    pub(super) fn value(&self) -> Value {
        json!({"at": self.at, "until": self.until, "schedules": self.rows.iter().map(|row| row.value(self.until.is_some())).collect::<Vec<_>>()})
    }
}

impl Row<'_> {
    /// Who is on call at the instant asked about.
    fn line(&self, wide: bool) -> Vec<Cell> {
        let Answer { now, next, why, is_gap, .. } = &self.answer;
        let nobody_next = if now.until.is_some() { "nobody" } else { "" };
        let mut cells = vec![
            self.schedule.name.clone().into(),
            person(now.person, *is_gap),
            self.time(now.from),
            self.time(now.until),
            next.unwrap_or(nobody_next).into(),
        ];
        if wide {
            cells.push(why.join("; ").into());
        }
        cells
    }

    /// All shifts of the range, and the times when somebody is missing.
    fn lines(&self, at: Timestamp, wide: bool) -> Vec<Vec<Cell>> {
        let shifts = self.answer.shifts.iter().filter(|shift| shift.person.is_some());
        let gaps =
            self.answer.gaps.iter().map(|(from, to)| Shift { person: None, from: Some(*from), until: Some(*to) });
        let mut all: Vec<Shift<'_>> = shifts.copied().chain(gaps).collect();
        all.sort_by_key(|shift| shift.from);
        let line = |shift: &Shift<'_>| {
            let mut cells = self.of_range(person(shift.person, true), shift.from, shift.until);
            if wide {
                let why = oncall::explain(self.schedule, self.overrides, shift.from.map_or(at, |from| from.max(at)));
                cells.push(why.sentences(&self.schedule.zone).join("; ").into());
            }
            cells
        };
        all.iter().map(line).collect()
    }

    fn of_range(&self, who: Cell, from: Option<Timestamp>, until: Option<Timestamp>) -> Vec<Cell> {
        let length = from.zip(until).map(|(from, until)| super::super::age::age(from, until)).unwrap_or_default();
        vec![self.schedule.name.clone().into(), who, self.time(from), self.time(until), length.into()]
    }

    /// In the schedule's zone.
    fn time(&self, at: Option<Timestamp>) -> Cell {
        at.map(|at| shown(at, &self.schedule.zone)).unwrap_or_default().into()
    }

    fn value(&self, with_range: bool) -> Value {
        let Answer { now, next, why, is_gap, shifts, gaps } = &self.answer;
        let shift = |shift: &Shift<'_>| json!({"person": shift.person, "from": shift.from, "until": shift.until});
        let mut value = json!({
            "namespace": self.policy.namespace, "policy": self.policy.name, "schedule": self.schedule.name,
            "timeZone": self.schedule.zone.iana_name(),
            "onCall": shift(now), "next": next, "gap": is_gap, "why": why,
        });
        if let (true, Value::Object(fields)) = (with_range, &mut value) {
            fields.insert("shifts".to_owned(), shifts.iter().map(shift).collect());
            fields.insert(
                "gaps".to_owned(),
                gaps.iter().map(|(from, until)| json!({"from": from, "until": until})).collect(),
            );
        }
        value
    }
}

/// Nobody is red only where somebody must be.
fn person(name: Option<&str>, is_gap: bool) -> Cell {
    match name {
        Some(name) => name.into(),
        None if is_gap => Cell::new("nobody", Paint::Bad),
        None => Cell::new("nobody", Paint::Faint),
    }
}
