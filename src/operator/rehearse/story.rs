//! What happened in the order of time, as text, with what only repeats said once.
//!
//! An escalation that nobody answers tells the same people every hour for as long as it is looked at: that is one fact.

use jiff::Timestamp;

use domain::time::{between, format_duration};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When.
    pub(crate) at: Timestamp,
    /// What, as a sentence.
    pub(crate) text: String,
}

/// As many instants may belong to what repeats: a cycle of an escalation with its steps and personal rules.
const LONGEST: usize = 12;

/// What happened at one instant.
struct Moment {
    at: Timestamp,
    texts: Vec<String>,
    /// The same for two moments that differ only in how often it happened before.
    key: Vec<String>,
}

/// What repeats.
#[derive(Debug, Clone, Copy)]
struct Repeat {
    /// So many moments belong to it.
    moments: usize,
    /// So often more.
    times: usize,
}

/// The entries as lines, `when` before each. What comes again at least twice in equal distances is said once.
pub(crate) fn lines(entries: Vec<Entry>, when: impl Fn(Timestamp) -> String) -> Vec<String> {
    let moments = moments(entries);
    let mut lines = Vec::new();
    let mut rest = moments.as_slice();
    while let Some(first) = rest.first() {
        let repeat = repeat(rest).unwrap_or(Repeat { moments: 1, times: 0 });
        let (said, after) = rest.split_at(repeat.moments.min(rest.len()));
        for moment in said {
            lines.extend(moment.texts.iter().map(|text| format!("{}: {text}", when(moment.at))));
        }
        let again = repeat.moments * repeat.times;
        let last = after.get(..again).and_then(<[Moment]>::last);
        if let (Some(next), Some(last)) = (after.first(), last) {
            let every = format_duration(between(first.at, next.at));
            let unless = if is_page(said) { " until somebody acknowledges" } else { "" };
            let (times, up_to) = (repeat.times, when(last.at));
            lines.push(format!("then the same every {every}{unless}: {times} more times, the last at {up_to}"));
        }
        rest = after.get(again..).unwrap_or_default();
    }
    lines
}

fn moments(mut entries: Vec<Entry>) -> Vec<Moment> {
    entries.sort_by_key(|entry| entry.at);
    let mut moments: Vec<Moment> = Vec::new();
    for Entry { at, text } in entries {
        let key = without_count(&text);
        match moments.last_mut().filter(|moment| moment.at == at) {
            Some(moment) => {
                moment.texts.push(text);
                moment.key.push(key);
            }
            None => moments.push(Moment { at, texts: vec![text], key: vec![key] }),
        }
    }
    moments
}

/// `step 3 of escalation page, cycle #`.
fn without_count(text: &str) -> String {
    let mut parts = text.split("cycle ");
    let mut key = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        key.push_str("cycle #");
        key.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    key
}

fn is_page(moments: &[Moment]) -> bool {
    moments.iter().flat_map(|moment| &moment.texts).any(|text| text.starts_with("page "))
}

/// The shortest thing that begins here and comes again at least twice.
fn repeat(moments: &[Moment]) -> Option<Repeat> {
    let first = moments.first()?;
    (1..=LONGEST).find_map(|length| {
        let every = between(first.at, moments.get(length)?.at);
        let is_again = |index: usize| {
            let (before, now) = (moments.get(index - length)?, moments.get(index)?);
            (before.key == now.key && between(before.at, now.at) == every).then_some(())
        };
        let again = (length..moments.len()).take_while(|index| is_again(*index).is_some()).count();
        let times = again / length;
        (times >= 2).then_some(Repeat { moments: length, times })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(story: &[(i64, &str)]) -> Vec<String> {
        let entry = |(minute, text): &(i64, &str)| Entry {
            at: Timestamp::from_second(minute * 60).unwrap(),
            text: (*text).to_owned(),
        };
        lines(story.iter().map(entry).collect(), |at| format!("{}m", at.as_second() / 60))
    }

    #[test]
    fn what_comes_again_and_again_is_said_once_with_how_often_and_until_when() {
        let mut story = vec![(0, "Fired".to_owned())];
        story.extend((1..=24).map(|hour| (hour * 60, format!("page to carol: step 3, cycle {hour}"))));
        story.push((1_500, "Resolved".to_owned()));
        let story: Vec<(i64, &str)> = story.iter().map(|(at, text)| (*at, text.as_str())).collect();
        assert_eq!(
            told(&story),
            [
                "0m: Fired",
                "60m: page to carol: step 3, cycle 1",
                "then the same every 1h until somebody acknowledges: 23 more times, the last at 1440m",
                "1500m: Resolved",
            ]
        );
    }

    #[test]
    fn a_whole_cycle_that_comes_again_is_said_once() {
        let cycle = |start: i64| [(start, "Step 1"), (start + 10, "Step 2"), (start + 10, "into chat")];
        let story: Vec<(i64, &str)> = [0, 60, 120].into_iter().flat_map(cycle).collect();
        assert_eq!(
            told(&story),
            ["0m: Step 1", "10m: Step 2", "10m: into chat", "then the same every 1h: 2 more times, the last at 130m"]
        );
    }

    #[test]
    fn what_comes_twice_or_irregularly_or_to_another_person_is_told_in_full() {
        assert_eq!(told(&[(0, "a"), (60, "a")]).len(), 2);
        assert_eq!(told(&[(0, "a"), (60, "a"), (121, "a")]).len(), 3);
        assert_eq!(told(&[(0, "to ada, cycle 1"), (60, "to ada, cycle 2"), (120, "to bob, cycle 3")]).len(), 3);
        assert_eq!(told(&[]), [] as [String; 0]);
    }
}
