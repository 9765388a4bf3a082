//! `make soak`: the rules of support over a million cases each, then the operator killed at the points of a thousand
//! seeds, of the release build.
//!
//! Two tables of counts; one that is not what it has to be ends it with an error. `FIRSTLINE_SEEDS=1-100` crashes less.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a soak speaks to a person and says how long it took"
)]

use std::time::Instant;

use anyhow::{Result, ensure};
use tests::{
    crash,
    rules::{self, Soak},
};

/// Seeds side by side: each waits for leases most of its time.
const SIDE_BY_SIDE: usize = 16;

/// A subject's name, and what it counts.
type Subject = (&'static str, fn() -> Vec<Soak>);

#[tokio::main]
async fn main() -> Result<()> {
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
    let seeds = crash::seeds(&std::env::var("FIRSTLINE_SEEDS").unwrap_or_else(|_| "1-1000".to_owned()))?;
    let crashes = crash::run(seeds, SIDE_BY_SIDE).await?;
    println!("\n{crashes}");
    ensure!(holds, "a count is not what it has to be");
    crashes.holds()
}
