//! Who is on call in a schedule, and until when.

use domain::{oncall, policy::Policy, problem::Problem};
use jiff::Timestamp;

use super::{
    Compared, Setting,
    difference::{Differences, in_zone, or_none},
    form::{CaseForm, OncallExpect, OncallForm},
};

/// Runs a case of a fixture.
pub(super) fn compare(
    setting: Setting<'_>,
    form: &CaseForm,
    written: &OncallForm,
    expect: &OncallExpect,
) -> Result<Compared, Problem> {
    let policy = policy_of(setting, form, written)?;
    let Some(schedule) = policy.schedules.get(&written.schedule) else {
        let known = policy.schedules.keys().map(String::as_str);
        return Err(Problem::error(
            "oncall.schedule",
            format!("no schedule of policy {} is called `{}`", policy.name, written.schedule),
        )
        .suggest_from(&written.schedule, known));
    };
    let shift = oncall::on_call(schedule, written.at);
    let local = |at: Timestamp| in_zone(at, &schedule.zone);
    let mut found = Differences::default();
    if let Some(person) = &expect.person {
        found.compare_some("person", person.as_deref(), shift.as_ref().map(|shift| shift.person.as_str()));
    }
    if let Some(until) = expect.until {
        let got = shift.as_ref().and_then(|shift| shift.until);
        found.compare_some("until", until.map(local), got.map(local));
    }
    let explanation = match &shift {
        Some(shift) => vec![format!(
            "{} by layer {} from {} until {}",
            shift.person,
            shift.layer,
            local(shift.from),
            or_none(shift.until.map(local))
        )],
        None => vec!["nobody is on call".to_owned()],
    };
    Ok((found.0, explanation))
}

/// The policy that is named, else the only one with such a schedule.
fn policy_of<'a>(setting: Setting<'a>, form: &CaseForm, written: &OncallForm) -> Result<&'a Policy, Problem> {
    if let Some(name) = &written.policy {
        let namespace = setting.namespace(form.namespace.as_deref())?;
        let known = setting.policies.iter().map(|policy| policy.name.as_str());
        return setting.policy(&namespace, name).map(|policy| &**policy).ok_or_else(|| {
            Problem::error("oncall.policy", format!("no policy that serves {namespace} is called `{name}`"))
                .suggest_from(name, known)
        });
    }
    let with = setting.policies.iter().filter(|policy| {
        form.namespace.as_ref().is_none_or(|namespace| policy.serves(namespace))
            && policy.schedules.contains_key(&written.schedule)
    });
    match with.collect::<Vec<_>>().as_slice() {
        [one] => Ok(one),
        [] => {
            let known = setting.policies.iter().flat_map(|policy| policy.schedules.keys().map(String::as_str));
            Err(Problem::error("oncall.schedule", format!("no policy has a schedule `{}`", written.schedule))
                .suggest_from(&written.schedule, known))
        }
        several => Err(Problem::error(
            "oncall.policy",
            format!(
                "expected a policy, since several have a schedule `{}`: {}",
                written.schedule,
                several.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
        )),
    }
}
