//! `firstline show`: everything about one ticket on one page, written for somebody woken at 3 a.m.
//!
//! First what is wrong and who works on it, then what comes next, then what happened, last the commands.

mod clocks;
mod coming;
mod page;
pub(super) mod story;

use std::collections::BTreeMap;

use api::{SupportPolicy, Ticket, TicketEvent};
use clap::Args;
use domain::{oncall::Override, policy::Policy};
use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::{Api, ResourceExt, api::ListParams, core::DeserializeGuard};
use serde::Serialize;

use super::{
    act::EVENTS,
    bare,
    cluster::{Asked, ClusterArgs, Session, Trouble, ask},
    exit::{Exit, Failure},
    lookup::TicketRef,
    output::{Form, Output},
    overrides,
};
use crate::{index::overrides_of_policy, rehearse::zone_of};

/// Flags of `firstline show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// The ticket: its name, the beginning of it, or its number
    pub ticket: TicketRef,

    /// Print the ticket and its events instead
    #[arg(short, long, value_enum)]
    pub output: Option<Form>,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// A ticket and what is needed to explain it.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// The ticket.
    pub ticket: Ticket,
    /// What people did to it.
    pub events: Vec<TicketEvent>,
    /// Its policy as it stood when the ticket began; `None` when it cannot be read.
    #[serde(skip)]
    pub frozen: Option<Policy>,
    /// Its policy as it is now.
    #[serde(skip)]
    pub live: Option<Policy>,
    /// Who takes over which of its shifts.
    #[serde(skip)]
    pub overrides: Vec<Override>,
}

impl Seen {
    /// What the policy calls a Kubernetes user, else the user.
    pub fn person(&self, user: &str) -> String {
        let policy = self.live.as_ref().or(self.frozen.as_ref());
        policy.and_then(|policy| policy.person_of_user(user)).unwrap_or(user).to_owned()
    }

    /// The zone in which its times are shown: that of its policy, UTC where none can be read.
    pub fn zone(&self) -> TimeZone {
        self.frozen.as_ref().or(self.live.as_ref()).map_or(TimeZone::UTC, zone_of)
    }

    /// Labels of the first alert that fires, else of the first that did.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let status = self.ticket.status.as_ref();
        let listed =
            status.and_then(|status| status.alerts.as_ref()).map(|alerts| alerts.list.as_slice()).unwrap_or_default();
        let firing = listed.iter().find(|alert| alert.state == api::ticket::AlertLineState::Firing);
        let stored = firing.or(listed.first()).map(|alert| alert.labels.clone());
        let origin =
            self.ticket.spec.origin.as_ref().and_then(|origin| origin.alerts.first()).map(|alert| alert.labels.clone());
        stored.filter(|labels| !labels.is_empty()).or(origin).unwrap_or_default()
    }
}

/// Shows a ticket.
///
/// # Errors
/// When no ticket is meant or the cluster does not answer.
pub async fn show(args: &ShowArgs, program: &str, now: Timestamp, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let session = args.cluster.connect().await?;
    let seen = gather(&session, &args.ticket).await?;
    match args.output {
        Some(form) => output.value(&seen, form)?,
        None => output.text(&page::render(&seen, program, now, output.colour))?,
    }
    Ok(Exit::Done)
}

pub(super) async fn gather(session: &Session, wanted: &TicketRef) -> Result<Seen, Failure> {
    let ticket = wanted.find(session).await?;
    let namespace = ticket.namespace().unwrap_or_default();
    let api: Api<DeserializeGuard<TicketEvent>> = Api::namespaced(session.client.clone(), &namespace);
    let of_ticket = ListParams::default().fields(&format!("spec.ticket={}", ticket.name_any()));
    let events = ask(&Asked::new("list", EVENTS, &namespace), api.list(&of_ticket)).await?;
    let events = events.items.into_iter().filter_map(|event| event.0.ok()).map(bare).collect();
    let (frozen, live) = tokio::join!(frozen(session, &ticket, &namespace), live(session, &ticket));
    let overrides = match live.as_ref().or(frozen.as_ref()) {
        Some(policy) => {
            // Who may read tickets may not be allowed to read these: the page then shows the layers only.
            let all = overrides::all_of(session, &policy.namespace).await.unwrap_or_default();
            overrides_of_policy(policy, &all)
        }
        None => Vec::new(),
    };
    Ok(Seen { ticket: bare(ticket), events, frozen, live, overrides })
}

/// The revision of the policy. Who may read tickets may not be allowed to read this: the page then says less.
async fn frozen(session: &Session, ticket: &Ticket, namespace: &str) -> Option<Policy> {
    let name = ticket.status.as_ref()?.policy.as_ref()?.revision.clone();
    revision(session, namespace, &name).await.ok()?
}

/// A policy as it stood; `None` when this version of the program cannot read it.
pub(super) async fn revision(session: &Session, namespace: &str, name: &str) -> Result<Option<Policy>, Trouble> {
    let api: Api<ControllerRevision> = Api::namespaced(session.client.clone(), namespace);
    let found = ask(&Asked::new("get", "controllerrevisions.apps", namespace), api.get(name)).await?;
    let policy = found.data.and_then(|data| serde_json::from_value(data.0).ok());
    Ok(policy.and_then(|policy| compiled(&policy)))
}

/// The same for the policy as it is now.
async fn live(session: &Session, ticket: &Ticket) -> Option<Policy> {
    let policy = ticket.status.as_ref()?.policy.as_ref()?;
    let api: Api<SupportPolicy> = Api::namespaced(session.client.clone(), &policy.namespace);
    let asked = Asked::new("get", "supportpolicies.firstline.dev", &policy.namespace);
    compiled(&ask(&asked, api.get(&policy.name)).await.ok()?)
}

fn compiled(policy: &SupportPolicy) -> Option<Policy> {
    api::support_policy::validate(policy).ok().map(|valid| valid.value)
}

#[cfg(test)]
mod tests;
