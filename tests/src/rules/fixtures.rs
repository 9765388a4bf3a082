//! `firstline test` as a whole process, on Acme's policy and a thousand generated cases.
//!
//! The cases are of the three kinds, none like another: alerts whose pages of an hour are compared, tickets with a pause
//! whose due times are, and questions to a schedule. All must pass, so that the work is not cut short.

use std::{
    fmt::Write as _,
    process::Command,
    time::{Duration, Instant},
};

use super::Bar;
use crate::{scratch, stage::path};

/// How many cases the bar is about.
const CASES: usize = 1_000;
/// The whole process is run so often; the median counts.
const ROUNDS: usize = 7;

/// The row: everything from the start of the process to its end, reading and checking the files included.
pub fn bars() -> Vec<Bar> {
    let folder = scratch::folder("bench-fixtures");
    std::fs::copy(path("examples/acme/production/payments/policy.yaml"), folder.join("policy.yaml")).expect("a copy");
    std::fs::write(folder.join("many.test.yaml"), cases()).expect("a file");
    let mut took: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            let output = Command::new(path("target/release/firstline")).arg("test").arg(&folder).output();
            let output = output.expect("target/release/firstline; run `make build`");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            began.elapsed()
        })
        .collect();
    took.sort_unstable();
    vec![Bar {
        what: "firstline test with 1,000 cases, the whole process",
        measured: took[ROUNDS / 2],
        bar: Some(Duration::from_secs(1)),
    }]
}

/// Ada and Bob take turns by weeks from Monday 2026-11-02, 09:00 in Berlin.
fn cases() -> String {
    let mut text = String::from("tests:\n");
    for case in 0..CASES {
        // From Tuesday to Thursday of one of forty weeks, in the afternoon.
        let (week, day, minute) = (case / 3 % 40, case % 3 + 1, case % 60);
        let date = jiff::civil::date(2026, 11, 2) + jiff::Span::new().weeks(week as i64).days(day as i64);
        let at = format!("{date}T12:{minute:02}:00Z");
        let (first, second) = if week % 2 == 0 { ("ada", "bob") } else { ("bob", "ada") };
        let _ = match case % 3 {
            0 => writeln!(text, "{}", alert(case, &at, first, second)),
            1 => writeln!(text, "{}", ticket(case, &at)),
            _ => writeln!(
                text,
                "  - {{name: duty {case}, oncall: {{schedule: primary, at: '{at}'}}, expect: {{person: {first}}}}}"
            ),
        };
    }
    text
}

/// The pages of an hour: two steps of the first cycle with their personal rules, and the third.
fn alert(case: usize, at: &str, first: &str, second: &str) -> String {
    let chat = |after: &str, who: &str| {
        // Ada alone has a second rule.
        if who == "ada" { format!("{{after: {after}, to: ada, channel: chat}}, ") } else { String::new() }
    };
    format!(
        "  - name: incident {case}\n    alert: {{at: '{at}', labels: {{alertname: Down, service: s{case}, severity: page}}}}\n    \
         expect: {{priority: P1, until: 59m, pages: [{{after: 0s, to: {first}, channel: mail}}, {}\
         {{after: 10m, to: {second}, channel: mail}}, {{after: 10m, channel: chat}}, {}{{after: 30m, to: carol, channel: mail}}]}}",
        chat("5m", first),
        chat("15m", second)
    )
}

/// Asked and answered within the day: what is left is known by arithmetic.
fn ticket(case: usize, at: &str) -> String {
    let later =
        |minutes: i64| at.parse::<jiff::Timestamp>().expect("a time") + jiff::SignedDuration::from_mins(minutes);
    format!(
        "  - name: request {case}\n    ticket: {{created: '{at}', priority: P1}}\n    events:\n      \
         - {{at: '{}', agentReply: true}}\n      - {{at: '{}', state: {{to: PendingRequester}}}}\n      \
         - {{at: '{}', requesterMessage: true}}\n    \
         expect: {{state: Open, due: {{resolution: '{}'}}, results: {{firstResponse: Met}}}}",
        later(5),
        later(5),
        later(35),
        later(4 * 60 + 30)
    )
}
