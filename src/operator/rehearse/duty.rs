//! Who is on call in a schedule, and until when.

use domain::{
    oncall::{self, Override},
    policy::Policy,
    problem::Problem,
    time::{shown, whole_seconds},
};
use jiff::Timestamp;

use super::{
    Compared, Setting,
    difference::Differences,
    form::{CaseForm, OncallExpect, OncallForm, OverrideForm},
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
    let overrides = overrides(&form.overrides, policy)?;
    let shift = oncall::on_call(schedule, &overrides, written.at);
    let local = |at: Timestamp| shown(at, &schedule.zone);
    let mut found = Differences::default();
    if let Some(person) = &expect.person {
        found.compare_some("person", person.as_deref(), shift.person);
    }
    if let Some(until) = expect.until {
        found.compare_some("until", until.map(local), shift.until.map(local));
    }
    let explanation = oncall::explain(schedule, &overrides, written.at);
    Ok((found.0, explanation.sentences(&schedule.zone)))
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

/// The overrides that are assumed; of two that overlap the later one in the list counts, as if it was made later.
pub(super) fn overrides(written: &[OverrideForm], policy: &Policy) -> Result<Vec<Override>, Problem> {
    let one = |(index, form): (usize, &OverrideForm)| {
        let path = format!("overrides[{index}]");
        let one = Override {
            name: format!("override {index:04}"),
            schedule: form.schedule.clone(),
            person: form.person.clone(),
            replaces: form.replaces.clone(),
            from: whole_seconds(form.from),
            until: whole_seconds(form.until),
            created: Timestamp::UNIX_EPOCH,
        };
        if let Some(problem) = one.unknown_names(policy).into_iter().next() {
            return Err(problem.under(&path));
        }
        Ok(one)
    };
    written.iter().enumerate().map(one).collect()
}
