//! Says that the wall clock was stepped, and has everything looked at whose time has come by that.
//!
//! Timers count real time, so a deadline comes with no step later than it would without, but what goes by the calendar may
//! be due now; and they stand still while the machine is suspended, which the clock does not.

use std::time::Duration;

use domain::time::between;
use jiff::SignedDuration;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Clock;
use crate::{
    context::Context,
    telemetry::metrics::{Metrics, StepLabel},
};

/// How often the clocks are compared.
const EVERY: Duration = Duration::from_secs(1);
/// What the clock may be ahead of timers before everything is looked at.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Watches the clock until the process stops.
pub async fn watch(ctx: Context) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut shown, mut timers) = (ctx.clock.now(), Instant::now());
    loop {
        tokio::select! {
            () = ctx.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Some(step) = ctx.clock.take_step() {
            tell(&ctx.clock, &ctx.metrics, step);
        }
        ctx.metrics.clock_ahead.set(ctx.clock.ahead().as_secs_f64());
        let (now, at) = (ctx.clock.now(), Instant::now());
        if between(shown, now) > at.saturating_duration_since(timers) + TOLERANCE {
            tracing::info!("the clock went on faster than timers; looking at everything that waits");
            ctx.queues.hurry();
        }
        (shown, timers) = (now, at);
    }
}

fn tell(clock: &Clock, metrics: &Metrics, step: SignedDuration) {
    let (seconds, ahead) = (step.as_secs(), clock.ahead().as_secs());
    let direction = if step.is_negative() { "back" } else { "forward" };
    metrics.clock_steps.get_or_create(&StepLabel { direction }).inc();
    if step.is_negative() && ahead > 0 {
        tracing::warn!(
            seconds,
            ahead,
            "the wall clock was stepped back; deadlines go on at half speed until it has caught up"
        );
    } else {
        tracing::warn!(seconds, ahead, "the wall clock was stepped; deadlines follow it");
    }
}
