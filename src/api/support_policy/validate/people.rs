//! People, and how each of them is reached.

use std::{collections::BTreeMap, time::Duration};

use domain::policy::{Person as Valid, PersonalRule as Rule};

use super::{DAY, Names};
use crate::{findings::Findings, support_policy::Person};

pub(super) fn read(findings: &mut Findings, people: &[Person], names: &Names<'_>) -> BTreeMap<String, Valid> {
    let mut valid = BTreeMap::new();
    for (i, person) in people.iter().enumerate() {
        let path = format!("spec.people[{i}]");
        let rules = if person.notify.is_empty() {
            by_mail(findings, &path, person, names).into_iter().collect()
        } else {
            own_rules(findings, &path, person, names)
        };
        valid.insert(person.name.clone(), Valid { users: person.users.clone(), email: person.email.clone(), rules });
    }
    refuse_shared_users(findings, people);
    valid
}

/// Somebody without rules gets mail at once, through the first email channel as it is written.
fn by_mail(findings: &mut Findings, path: &str, person: &Person, names: &Names<'_>) -> Option<Rule> {
    if person.email.is_none() {
        findings.error(path, "expected an email address or notify rules, else this person cannot be reached");
        return None;
    }
    let is_mail = |name: &&&str| names.emails.contains_key(**name);
    let Some(channel) = names.channels.iter().find(is_mail) else {
        findings.error(
            format!("{path}.email"),
            format!("`{}` cannot be reached: no channel is an email channel; add one, or notify rules", person.name),
        );
        return None;
    };
    Some(Rule { after: Duration::ZERO, channel: (*channel).to_owned(), severity: None })
}

fn own_rules(findings: &mut Findings, path: &str, person: &Person, names: &Names<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (i, rule) in person.notify.iter().enumerate() {
        let path = format!("{path}.notify[{i}]");
        let after = findings.duration(&format!("{path}.after"), &rule.after, Duration::ZERO..=DAY);
        names.channel(findings, &format!("{path}.channel"), &rule.channel);
        if person.email.is_none() && names.emails.contains_key(rule.channel.as_str()) {
            findings.error(
                format!("{path}.channel"),
                format!("`{}` is an email channel, and `{}` has no email address", rule.channel, person.name),
            );
        }
        rules.push(Rule { after, channel: rule.channel.clone(), severity: rule.severity.map(Into::into) });
    }
    if rules.iter().all(|rule| rule.severity.is_some()) {
        findings.warning(
            format!("{path}.notify"),
            format!("every rule names a severity, so other severities do not reach `{}`", person.name),
        );
    }
    rules
}

/// One Kubernetes user is one person, else nobody can say who acknowledged.
fn refuse_shared_users(findings: &mut Findings, people: &[Person]) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (i, person) in people.iter().enumerate() {
        for (j, user) in person.users.iter().enumerate() {
            if let Some(owner) = owners.insert(user, &person.name) {
                findings
                    .error(format!("spec.people[{i}].users[{j}]"), format!("the user `{user}` is `{owner}` already"));
            }
        }
    }
}
