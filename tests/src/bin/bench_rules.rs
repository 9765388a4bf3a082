//! `make bench-rules`: what the rules of support cost, one call each, of the release build.
//!
//! One table of medians beside what was promised; a promise that is not kept ends it with an error.
#![allow(clippy::print_stdout, reason = "a bench speaks to a person")]

use anyhow::{Result, ensure};
use tests::rules::{self, Bar};

fn main() -> Result<()> {
    println!("{:<64} {:>12} {:>10}", "one call", "median", "bar");
    let subjects: &[fn() -> Vec<Bar>] = &[
        rules::calendars::bars,
        rules::clocks::bars,
        rules::oncall::bars,
        rules::probe::bars,
        rules::routing::bars,
        rules::tickets::bars,
        #[cfg(feature = "bench")]
        rules::self_watch::bars,
        #[cfg(feature = "bench")]
        rules::index::bars,
        rules::fixtures::bars,
    ];
    let mut kept = true;
    for subject in subjects {
        for bar in subject() {
            println!("{bar}");
            kept &= bar.is_kept();
        }
    }
    ensure!(kept, "a bar was missed");
    Ok(())
}
