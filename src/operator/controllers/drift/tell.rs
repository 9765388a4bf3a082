//! Event, log and metric of drift: who changed what, and what became of it. Each difference is told of once.

use std::time::Duration;

use api::git_source::{Deviation, DeviationState, Drift};
use gitops::load::ObjectKey;
use k8s_openapi::api::core::v1::ObjectReference;

use super::{Read, decide::Finding};
use crate::{
    context::Context,
    engine::syncer::{
        blame,
        kinds::API_VERSION,
        members::{Charge, Version},
    },
    kube::events::Note,
    telemetry::metrics::DriftLabels,
};

/// The object was put back.
pub(super) fn corrected(
    ctx: &Context,
    charge: &Charge,
    key: &ObjectKey,
    read: &Read,
    version: Option<&Version>,
    took: Duration,
) {
    let text = match &read.finding {
        Finding::Missing => format!("it was deleted; made again as {} has it", charge.revision),
        _ => format!("{}; put back as {} has it", changed(read), charge.revision),
    };
    tracing::info!(object = %key, source = %charge.source, by = read.by, took_ms = took.as_millis(), what = text, "drift corrected");
    count(ctx, charge, key, read, "corrected");
    ctx.metrics.drift_repair.observe(took.as_secs_f64());
    let uid = version.map(|version| version.uid.clone());
    note(ctx, key, uid, Note { warning: true, reason: "DriftCorrected", action: "Correct", text });
}

/// The object stays as it is. Nothing is said when the status says the same already.
pub(super) fn left(ctx: &Context, charge: &Charge, key: &ObjectKey, read: &Read, deviation: &Deviation, mode: Drift) {
    let same = |old: &Deviation| {
        (old.state, &old.fields, &old.message, old.until)
            == (deviation.state, &deviation.fields, &deviation.message, deviation.until)
    };
    if charge.deviation.as_ref().is_some_and(same) {
        return;
    }
    let message = deviation.message.clone().unwrap_or_default();
    let until = deviation.until.map(|until| until.to_string()).unwrap_or_default();
    let source = &charge.source;
    let (reason, word, text) = match deviation.state {
        DeviationState::Reported => (
            "DriftReported",
            "reported",
            format!("{}; left so, as spec.apply.drift of GitSource {source} is {mode:?}", changed(read)),
        ),
        DeviationState::Frozen => {
            ("Frozen", "frozen", format!("GitSource {source} leaves it alone until {until}: {message}"))
        }
        DeviationState::Fighting => (
            "DriftFight",
            "fighting",
            format!(
                "{}, again and again; GitSource {source} leaves it so until {until}. Whoever writes it has to stop, or it has to leave Git",
                changed(read)
            ),
        ),
        DeviationState::BadFreeze => ("BadFreeze", "bad_freeze", message),
        DeviationState::Refused => {
            ("DriftRefused", "refused", format!("{}; the server refuses to put it back: {message}", changed(read)))
        }
        DeviationState::Conflict => ("DriftConflict", "conflict", message),
    };
    tracing::warn!(object = %key, source = %charge.source, by = read.by, what = text, "not as Git has it");
    count(ctx, charge, key, read, word);
    let uid = read.live.as_ref().map(|live| live.uid.clone());
    note(ctx, key, uid, Note { warning: true, reason, action: "Compare", text });
}

/// `kubectl-edit changed spec.suspend`.
fn changed(read: &Read) -> String {
    let by = read.by.as_deref().unwrap_or("somebody");
    match &read.finding {
        Finding::Differs(fields) => format!("{by} changed {}", fields.join(", ")),
        Finding::Missing => "it was deleted".to_owned(),
        Finding::AsGit | Finding::Foreign(_) | Finding::Leaving => "it was changed".to_owned(),
    }
}

fn count(ctx: &Context, charge: &Charge, key: &ObjectKey, read: &Read, action: &'static str) {
    let labels = DriftLabels {
        source: charge.source.to_string(),
        kind: key.kind.clone(),
        by: blame::class(read.by.as_deref()),
        action,
    };
    ctx.metrics.drift.get_or_create(&labels).inc();
}

fn note(ctx: &Context, key: &ObjectKey, uid: Option<String>, note: Note) {
    let object = ObjectReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some(key.kind.clone()),
        namespace: Some(key.namespace.clone()),
        name: Some(key.name.clone()),
        uid,
        ..ObjectReference::default()
    };
    ctx.events.note_on(object, note);
}
