//! Says that the wall clock was stepped, and has everything looked at whose time has come by that.
//!
//! Timers count real time and were set by the speed of before the step; and they stand still while the machine is
//! suspended, which the clock does not.

use std::time::Duration;

use domain::time::between;
use jiff::SignedDuration;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{
    Clock,
    reading::{HASTENED, MOST_AHEAD},
};
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
        let step = ctx.clock.take_step();
        if let Some(step) = step {
            tell(&ctx.clock, &ctx.metrics, step);
        }
        ctx.metrics.clock_ahead.set(ctx.clock.ahead().as_secs_f64());
        let (now, at) = (ctx.clock.now(), Instant::now());
        let was_suspended = between(shown, now) > at.saturating_duration_since(timers) * HASTENED + TOLERANCE;
        if step.is_some() || was_suspended {
            tracing::info!("the clock and timers have parted; looking at everything that waits");
            ctx.queues.hurry();
        }
        (shown, timers) = (now, at);
    }
}

fn tell(clock: &Clock, metrics: &Metrics, step: SignedDuration) {
    let (seconds, ahead) = (step.as_secs(), clock.ahead().as_secs());
    let label = if step.is_negative() { StepLabel::BACK } else { StepLabel::FORWARD };
    metrics.clock_steps.get_or_create(&label).inc();
    if step.is_negative() && step.unsigned_abs() > MOST_AHEAD {
        tracing::error!(
            seconds,
            ahead,
            "the wall clock was stepped back by more than a day, and deadlines follow it; what was planned before may be late by that much, so look at every open ticket"
        );
        return;
    }
    let follows = match ahead {
        1.. => "at half speed until it has caught up",
        0 => "with it",
        _ => "at double speed until they have caught up",
    };
    tracing::warn!(seconds, ahead, "the wall clock was stepped {}; deadlines go on {follows}", label.direction);
}
