//! `firstline override --list`: who takes over what, now and next.

use api::OnCallOverride;
use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    super::{
        age::clock,
        cluster::Session,
        exit::{Exit, Failure},
        list_of,
        output::{Format, Output, Paint, plain},
        table::{Cell, table},
    },
    OverrideArgs, all_of, is_active, refused,
};

/// Lists overrides that are not over, the one that begins first first.
pub(super) async fn list(
    session: &Session,
    args: &OverrideArgs,
    now: Timestamp,
    output: &mut Output<'_>,
) -> Result<Exit, Failure> {
    let mut found = all_of(session, &session.namespace).await?;
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    found.retain(|object| {
        let spec = &object.spec;
        spec.until > now && is(&args.schedule, &spec.schedule) && is(&args.policy, &spec.policy)
    });
    found.sort_by_key(|object| (object.spec.from, object.name_any()));
    if let Some(form) = args.output.form() {
        output.value(&list_of(found), form)?;
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        output.say(format!("No overrides in namespace {}.", session.namespace))?;
        return Ok(Exit::Done);
    }
    let wide = args.output == Format::Wide;
    let mut heading = vec!["NAME", "SCHEDULE", "PERSON", "REPLACES", "ACTIVE", "FROM", "UNTIL"];
    if wide {
        heading.extend(["POLICY", "AUTHOR", "REASON"]);
    }
    let rows: Vec<Vec<Cell>> = found.iter().map(|object| row(object, wide)).collect();
    output.text(&table(&heading, &rows, output.colour))?;
    Ok(Exit::Done)
}

fn row(object: &OnCallOverride, wide: bool) -> Vec<Cell> {
    let spec = &object.spec;
    let active = match (is_active(object), refused(object)) {
        (true, _) => Cell::new("true", Paint::Good),
        // It will never count as it is.
        (false, Some(_)) => Cell::new("refused", Paint::Bad),
        (false, None) => "false".into(),
    };
    let mut cells = vec![
        object.name_any().into(),
        spec.schedule.clone().into(),
        spec.person.clone().into(),
        spec.replaces.clone().unwrap_or_default().into(),
        active,
        clock(spec.from).into(),
        clock(spec.until).into(),
    ];
    if wide {
        let author = plain(spec.author.as_deref().unwrap_or_default());
        cells.extend([spec.policy.clone().into(), author.into(), plain(&spec.reason).into()]);
    }
    cells
}
