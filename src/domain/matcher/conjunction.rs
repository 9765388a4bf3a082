//! Conditions that must hold together: whether they can, and what follows from them.
//!
//! Both questions are answered only where the values that a label may have can be listed: it must equal something, it
//! must match an expression that is no more than alternatives (`ticket|info`, `db-[1-3]`), or all its values are known
//! beforehand. Everything else is taken to be possible, and to imply nothing but itself. So a contradiction that is
//! named is one, and one that is not named may still be there.

use std::collections::BTreeMap;

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{Matcher, Op};

/// Labels of which every value is known beforehand: name and values.
pub type Known<'a> = &'a [(&'a str, &'a [&'a str])];

/// The most texts that are listed for one expression, and the longest of them in bytes.
const MOST: usize = 512;
const LONGEST: usize = 4_096;
/// Counted repetitions beyond this are not listed.
const REPEATED: u32 = 64;

/// Conditions that must all hold, by the label they are about.
#[derive(Debug, Clone)]
pub struct Conjunction<'m> {
    known: Known<'m>,
    labels: BTreeMap<&'m str, OneLabel<'m>>,
}

#[derive(Debug, Clone, Default)]
struct OneLabel<'m> {
    /// With their places in the list.
    conditions: Vec<(usize, &'m Matcher)>,
    /// The values that fulfil all of them; `None` where they cannot be listed.
    values: Option<Vec<String>>,
}

/// Conditions that cannot hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The label they are about.
    pub label: String,
    /// Their places in the list, increasing: one that no known value fulfils, the first two that exclude each other, or
    /// all about this label.
    pub among: Vec<usize>,
}

impl<'m> Conjunction<'m> {
    /// These conditions. `known` lists labels whose values are known beforehand.
    pub fn new(matchers: impl IntoIterator<Item = &'m Matcher>, known: Known<'m>) -> Self {
        let mut labels: BTreeMap<&str, OneLabel<'_>> = BTreeMap::new();
        for (place, matcher) in matchers.into_iter().enumerate() {
            labels.entry(&matcher.name).or_default().conditions.push((place, matcher));
        }
        for (name, label) in &mut labels {
            label.values = values(&label.matchers(), of(known, name));
        }
        Self { known, labels }
    }

    /// The same where moreover a label has this value.
    #[must_use]
    pub fn where_label_is(mut self, name: &'m str, value: &str) -> Self {
        let label = self.labels.entry(name).or_default();
        let fulfils = label.conditions.iter().all(|(_, matcher)| matcher.matches_value(value));
        label.values = Some(if fulfils { vec![value.to_owned()] } else { Vec::new() });
        self
    }

    /// Why no labels can fulfil all conditions. `None`: some can, or that cannot be told.
    pub fn contradiction(&self) -> Option<Contradiction> {
        let (name, label) = self.labels.iter().find(|(_, label)| label.is_impossible())?;
        let known = of(self.known, name);
        let excludes = |matchers: &[&'m Matcher]| {
            impossible(matchers) || values(matchers, known).is_some_and(|values| values.is_empty())
        };
        let conditions = &label.conditions;
        let alone = conditions.iter().find(|(_, matcher)| excludes(&[*matcher])).map(|(place, _)| vec![*place]);
        let pair = || {
            conditions.iter().enumerate().find_map(|(i, (second, later))| {
                let (first, _) = conditions.iter().take(i).find(|(_, earlier)| excludes(&[*earlier, *later]))?;
                Some(vec![*first, *second])
            })
        };
        let among = alone.or_else(pair).unwrap_or_else(|| conditions.iter().map(|(place, _)| *place).collect());
        Some(Contradiction { label: (*name).to_owned(), among })
    }

    /// Whether all labels that fulfil these conditions surely fulfil `others` too.
    pub fn implies(&self, others: &[Matcher]) -> bool {
        others.iter().all(|other| {
            let label = self.labels.get(other.name.as_str());
            let is_written = label.is_some_and(|label| label.conditions.iter().any(|(_, matcher)| *matcher == other));
            let holds = match label.and_then(|label| label.values.as_ref()) {
                Some(values) => values.iter().all(|value| other.matches_value(value)),
                None => of(self.known, &other.name)
                    .is_some_and(|values| values.iter().all(|value| other.matches_value(value))),
            };
            is_written || holds
        })
    }
}

impl<'m> OneLabel<'m> {
    fn matchers(&self) -> Vec<&'m Matcher> {
        self.conditions.iter().map(|(_, matcher)| *matcher).collect()
    }

    fn is_impossible(&self) -> bool {
        self.values.as_ref().is_some_and(Vec::is_empty) || impossible(&self.matchers())
    }
}

/// Whether one of them is the very opposite of another, whatever the values may be.
fn impossible(matchers: &[&Matcher]) -> bool {
    let opposite = |one: &Matcher, other: &Matcher| match (&one.op, &other.op) {
        (Op::Match(one, _), Op::NotMatch(other, _)) => one == other,
        _ => false,
    };
    matchers.iter().any(|one| matchers.iter().any(|other| opposite(one, other)))
}

fn of<'a>(known: Known<'a>, name: &str) -> Option<&'a [&'a str]> {
    known.iter().find(|(label, _)| *label == name).map(|(_, values)| *values)
}

/// The values that fulfil all of these conditions about one label; `None` where they cannot be listed.
fn values(matchers: &[&Matcher], known: Option<&[&str]>) -> Option<Vec<String>> {
    let equal = matchers.iter().find_map(|matcher| match &matcher.op {
        Op::Equal(value) => Some(vec![value.clone()]),
        _ => None,
    });
    let known = || known.map(|values| values.iter().map(|value| (*value).to_owned()).collect());
    let listed = || {
        matchers.iter().find_map(|matcher| match &matcher.op {
            Op::Match(_, regex) => alternatives(regex.as_str()),
            _ => None,
        })
    };
    let mut values: Vec<String> = known().or(equal).or_else(listed)?;
    values.retain(|value| matchers.iter().all(|matcher| matcher.matches_value(value)));
    Some(values)
}

/// Every text that the expression matches, and perhaps some that it does not; `None` when there are too many.
fn alternatives(expression: &str) -> Option<Vec<String>> {
    texts(&regex_syntax::parse(expression).ok()?)
}

fn texts(part: &Hir) -> Option<Vec<String>> {
    let found = match part.kind() {
        // What stands between characters adds none. Whether it holds is asked of the whole expression afterwards.
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => vec![String::from_utf8(literal.0.to_vec()).ok()?],
        HirKind::Class(Class::Unicode(class)) => {
            let mut found = Vec::new();
            for range in class.ranges() {
                let characters = (range.start()..=range.end()).take(MOST + 1 - found.len().min(MOST));
                found.extend(characters.map(String::from));
                if found.len() > MOST {
                    return None;
                }
            }
            found
        }
        // Only what matches nothing at all is left of these where text is matched.
        HirKind::Class(Class::Bytes(class)) if class.ranges().is_empty() => Vec::new(),
        HirKind::Class(Class::Bytes(_)) => return None,
        HirKind::Capture(capture) => texts(&capture.sub)?,
        HirKind::Concat(parts) => {
            let mut found = vec![String::new()];
            for part in parts {
                found = product(&found, &texts(part)?)?;
            }
            found
        }
        HirKind::Alternation(parts) => {
            let mut found = Vec::new();
            for part in parts {
                found.extend(texts(part)?);
                if found.len() > MOST {
                    return None;
                }
            }
            found
        }
        HirKind::Repetition(repetition) => {
            let most = repetition.max.filter(|most| *most <= REPEATED)?;
            let each = texts(&repetition.sub)?;
            let (mut found, mut so_far) = (Vec::new(), vec![String::new()]);
            for count in 0..=most {
                if count >= repetition.min {
                    found.extend(so_far.iter().cloned());
                }
                if found.len() > MOST {
                    return None;
                }
                if count < most {
                    so_far = product(&so_far, &each)?;
                }
            }
            found
        }
    };
    (found.len() <= MOST).then_some(found)
}

fn product(heads: &[String], tails: &[String]) -> Option<Vec<String>> {
    if heads.len().saturating_mul(tails.len()) > MOST {
        return None;
    }
    let all = heads.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}")));
    let all: Vec<String> = all.collect();
    all.iter().all(|text| text.len() <= LONGEST).then_some(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::labels::Labels;

    const SEVERITIES: Known<'static> = &[("severity", &["page", "ticket", "info"])];

    fn read(texts: &[&str]) -> Vec<Matcher> {
        texts.iter().map(|text| Matcher::parse(text).unwrap()).collect()
    }

    #[rstest]
    #[case::two_values(&["team=a", "team=b"], &[0, 1])]
    #[case::a_value_and_not_that_value(&["zone=x", "team=a", "team!=a"], &[1, 2])]
    #[case::a_value_that_the_expression_does_not_match(&["team=a", r#"team=~"b|c""#], &[0, 1])]
    #[case::a_value_that_an_endless_expression_does_not_match(&[r#"team=~"db-.*""#, "team=web"], &[0, 1])]
    #[case::a_value_that_may_not_match(&["team=db-1", r#"team!~"db-.*""#], &[0, 1])]
    #[case::alternatives_that_have_nothing_in_common(&[r#"team=~"a|b""#, r#"team=~"(c|d)""#], &[0, 1])]
    #[case::numbered_alternatives(&[r#"team=~"db-[1-3]""#, r#"team=~"db-[45]""#], &[0, 1])]
    #[case::alternatives_of_which_each_is_excluded(&[r#"team=~"a|b""#, "team!=a", "team!=b"], &[0, 1, 2])]
    #[case::alternatives_in_any_case(&[r#"team=~"(?i:a|b)""#, "team=c"], &[0, 1])]
    #[case::absent_and_there(&[r#"team="""#, r#"team!="""#], &[0, 1])]
    #[case::absent_and_something(&[r#"team="""#, r#"team=~".+""#], &[0, 1])]
    #[case::an_expression_and_its_opposite(&[r#"team=~"db-.*""#, r#"team!~"db-.*""#], &[0, 1])]
    #[case::an_expression_that_matches_nothing(&[r#"team=~"[^\\x00-\\x{10FFFF}]""#], &[0])]
    #[case::a_value_that_is_not_among_the_known(&["severity=critical"], &[0])]
    #[case::all_known_values_excluded(&["severity!=page", r#"severity!~"ticket|info""#], &[0, 1])]
    #[case::known_values_that_an_expression_misses(&[r#"severity=~"crit.*""#], &[0])]
    fn conditions_that_nothing_fulfils_are_named(#[case] written: &[&str], #[case] among: &[usize]) {
        let matchers = read(written);
        let found = Conjunction::new(&matchers, SEVERITIES).contradiction();
        assert_eq!(found.map(|found| found.among).as_deref(), Some(among));
    }

    #[rstest]
    #[case::nothing(&[])]
    #[case::other_labels(&["team=a", "zone=b"])]
    #[case::the_same_twice(&["team=a", "team=a"])]
    #[case::alternatives_that_share_one(&[r#"team=~"a|b""#, r#"team=~"b|c""#, "team!=c"])]
    #[case::endless_expressions(&[r#"team=~"db-.*""#, r#"team=~"web-.*""#])]
    #[case::exclusions_alone(&["team!=a", "team!=b", r#"team!~".+""#])]
    #[case::one_known_value_left(&["severity!=page", "severity!=info"])]
    #[case::too_many_to_list(&[r#"team=~"[a-z]{3}""#, r#"team=~"[A-Z]{3}""#])]
    fn what_may_hold_or_cannot_be_told_is_not_called_a_contradiction(#[case] written: &[&str]) {
        let matchers = read(written);
        assert_eq!(Conjunction::new(&matchers, SEVERITIES).contradiction(), None);
    }

    #[rstest]
    #[case::the_same(&["team=a", "zone=b"], &["team=a"], true)]
    #[case::an_endless_expression_itself(&[r#"team=~"db-.*""#], &[r#"team=~"db-.*""#], true)]
    #[case::a_value_that_it_matches(&["team=db-1"], &[r#"team=~"db-.*""#], true)]
    #[case::alternatives_that_it_matches(&[r#"team=~"a|b""#], &[r#"team=~"a|b|c""#], true)]
    #[case::alternatives_left_by_others(&[r#"team=~"a|b""#, "team!=b"], &["team=a"], true)]
    #[case::all_known_values(&[], &[r#"severity=~"page|ticket|info""#], true)]
    #[case::nothing_is_asked(&["team=a"], &[], true)]
    #[case::more_is_asked(&["team=a"], &["team=a", "zone=b"], false)]
    #[case::another_value(&["team=a"], &["team=b"], false)]
    #[case::fewer_alternatives(&[r#"team=~"a|b""#], &["team=a"], false)]
    #[case::a_label_that_may_be_absent(&["zone=b"], &[r#"team!="a""#], false)]
    fn what_follows_surely_is_said_to(#[case] these: &[&str], #[case] others: &[&str], #[case] follows: bool) {
        let (these, others) = (read(these), read(others));
        assert_eq!(Conjunction::new(&these, SEVERITIES).implies(&others), follows);
    }

    #[test]
    fn a_label_with_a_value_narrows_what_follows() {
        let (these, others) = (read(&["team=a"]), read(&["severity=ticket"]));
        let these = Conjunction::new(&these, SEVERITIES);
        assert!(!these.implies(&others));
        assert!(these.clone().where_label_is("severity", "ticket").implies(&others));
        assert!(these.where_label_is("team", "b").contradiction().is_some());
    }

    const VALUES: [&str; 10] = ["", "a", "b", "ab", "aa", "B", "page", "ticket", "info", "a\nb"];

    fn value() -> impl Strategy<Value = String> {
        prop::sample::select(VALUES.to_vec()).prop_map(str::to_owned)
    }

    /// Expressions out of everything that an expression may hold.
    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "a",
            "b",
            "page",
            "ticket|info",
            "[ab]",
            "[^a]",
            ".",
            ".*",
            ".+",
            "",
            "^",
            "$",
            r"\b",
            "(?i:ab)",
            r"\w",
            "(?s).",
            r"\x61",
        ]);
        leaf.prop_map(|part| format!("(?:{part})")).prop_recursive(3, 8, 3, |part| {
            prop_oneof![
                (part.clone(), part.clone()).prop_map(|(one, other)| format!("{one}{other}")),
                (part.clone(), part.clone()).prop_map(|(one, other)| format!("({one}|{other})")),
                (part, prop::sample::select(vec!["?", "*", "+", "{0,2}", "{2}", "{1,}"]))
                    .prop_map(|(one, often)| format!("({one}){often}")),
            ]
        })
    }

    fn matcher() -> impl Strategy<Value = Matcher> {
        use crate::matcher::Comparison::{Equal, Match, NotEqual, NotMatch};
        let name = prop::sample::select(vec!["team", "zone", "severity"]);
        let condition = prop_oneof![
            (prop::sample::select(vec![Equal, NotEqual]), value()),
            (prop::sample::select(vec![Match, NotMatch]), expression()),
        ];
        (name, condition).prop_map(|(name, (comparison, text))| Matcher::new(name, comparison, &text).unwrap())
    }

    fn labels() -> impl Strategy<Value = Labels> {
        let severity = prop::sample::select(vec!["page", "ticket", "info"]);
        (value(), value(), severity).prop_map(|(team, zone, severity)| {
            [("team", team), ("zone", zone), ("severity", severity.to_owned())]
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn what_is_called_impossible_is_matched_by_no_labels(
            matchers in prop::collection::vec(matcher(), 0..5), labels in prop::collection::vec(labels(), 30)
        ) {
            let found = Conjunction::new(&matchers, SEVERITIES).contradiction();
            for labels in labels.iter().filter(|labels| matchers.iter().all(|matcher| matcher.matches(labels))) {
                prop_assert_eq!(&found, &None, "{} holds for {:?}", crate::matcher::list(&matchers), labels);
            }
        }

        #[test]
        fn those_named_are_impossible_by_themselves(matchers in prop::collection::vec(matcher(), 2..5)) {
            if let Some(found) = Conjunction::new(&matchers, SEVERITIES).contradiction() {
                let named: Vec<&Matcher> = found.among.iter().map(|place| &matchers[*place]).collect();
                prop_assert!(Conjunction::new(named, SEVERITIES).contradiction().is_some(), "{}", crate::matcher::list(&matchers));
            }
        }

        #[test]
        fn what_is_said_to_follow_holds_wherever_the_conditions_do(
            these in prop::collection::vec(matcher(), 0..4), others in prop::collection::vec(matcher(), 1..3),
            labels in prop::collection::vec(labels(), 30)
        ) {
            let follows = Conjunction::new(&these, SEVERITIES).implies(&others);
            for labels in labels.iter().filter(|labels| these.iter().all(|matcher| matcher.matches(labels))) {
                prop_assert!(!follows || others.iter().all(|matcher| matcher.matches(labels)));
            }
        }

        #[test]
        fn no_text_that_an_expression_matches_is_left_out(expression in expression(), text in "[ab]{0,4}") {
            let matcher = Matcher::new("team", crate::matcher::Comparison::Match, &expression).unwrap();
            let Op::Match(_, regex) = &matcher.op else { panic!("no expression: {matcher}") };
            if let Some(all) = alternatives(regex.as_str()) {
                prop_assert!(!matcher.matches_value(&text) || all.contains(&text), "{expression} lists {all:?}");
            }
        }
    }
}
