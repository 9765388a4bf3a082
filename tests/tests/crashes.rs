//! Crashes at points that a seed chooses, in the middle of several incidents. A test program for itself: many seeds side by
//! side keep both cores busy, and beside other tests every page would be late.
#![allow(clippy::print_stdout, reason = "what all seeds came to is for a person")]

use anyhow::{Context, Result};
use tests::crash;

/// Seeds side by side: each waits for leases most of its time.
const SIDE_BY_SIDE: usize = 10;

/// `FIRSTLINE_SEEDS=17` runs one of them again, `FIRSTLINE_SEEDS=100-199` others.
#[tokio::test(flavor = "multi_thread")]
async fn seeded_crashes_lose_nothing_and_repeat_only_what_was_in_flight() -> Result<()> {
    let named = std::env::var("FIRSTLINE_SEEDS").unwrap_or_else(|_| "1-40".to_owned());
    let seeds = crash::seeds(&named).with_context(|| format!("FIRSTLINE_SEEDS={named}: expected 17, 1-40 or 3,5"))?;
    let report = crash::run(seeds, SIDE_BY_SIDE).await?;
    println!("{report}");
    report.holds()
}
