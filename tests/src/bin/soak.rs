//! `make soak`: the rules of support over a million cases each, of the release build.
//!
//! One table of counts beside what they have to be; a count that is another ends it with an error.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a soak speaks to a person and says how long it took"
)]

use std::time::Instant;

use anyhow::{Result, ensure};
use tests::rules::{self, Soak};

/// A subject's name, and what it counts.
type Subject = (&'static str, fn() -> Vec<Soak>);

fn main() -> Result<()> {
    println!("{:<64} {:>14} {:>12}", "what", "count", "has to be");
    let subjects: [Subject; 3] =
        [("calendars", rules::calendars::soak), ("clocks", rules::clocks::soak), ("incidents", rules::incidents::soak)];
    let mut holds = true;
    for (subject, run) in subjects {
        let began = Instant::now();
        for row in run() {
            println!("{row}");
            holds &= row.holds();
        }
        println!("  {subject} took {:.1?}", began.elapsed());
    }
    ensure!(holds, "a count is not what it has to be");
    Ok(())
}
