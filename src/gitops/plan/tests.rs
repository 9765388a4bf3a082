use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::load::{AllowedKind, Namespaces, Rules, load};
use crate::tree::SourceFile;
use crate::yaml::Limits;

const SET: &str = "applyset-ours-v1";
const COMMIT: &str = "0123456789012345678901234567890123456789";

/// Objects through the real reader: `kind/name`, each with `spec: {a: 1}`.
fn desired(names: &[&str]) -> Vec<Object> {
    let text: String = names
        .iter()
        .map(|name| {
            let (kind, name) = name.split_once('/').unwrap();
            format!(
                "---\napiVersion: firstline.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{a: 1}}\n"
            )
        })
        .collect();
    let kinds = ["SupportPolicy", "VendorContact", "ComplianceRule", "ServiceMonitor", "Ticket"]
        .map(|kind| AllowedKind { api_version: "firstline.dev/v1alpha1", kind, namespaced: true });
    let rules = Rules {
        namespaces: Namespaces::Any { default: "payments" },
        kinds: &kinds,
        check: &|_| Vec::new(),
        limits: Limits::default(),
    };
    let loaded = load(&[SourceFile { path: "all.yaml".to_owned(), bytes: text.into_bytes() }], &rules);
    assert_eq!(loaded.errors, []);
    loaded.objects
}

fn live(name: &str, member_of: Option<&str>, spec: &Value) -> Live {
    let (kind, name) = name.split_once('/').unwrap();
    let mut value = json!({"metadata": {"name": name, "labels": {}}, "spec": spec});
    if let Some(set) = member_of {
        value["metadata"]["labels"][applyset::PART_OF] = json!(set);
    }
    let key = ObjectKey { kind: kind.to_owned(), namespace: "payments".to_owned(), name: name.to_owned() };
    Live { key, uid: format!("uid-of-{name}"), value }
}

fn members(names: &[&str]) -> Vec<Live> {
    names.iter().map(|name| live(name, Some(SET), &json!({"a": 1, "suspend": false}))).collect()
}

/// As the API server: `suspend` defaults to false.
fn defaults(_kind: &str, value: &Value) -> Value {
    let mut value = value.clone();
    value["spec"].as_object_mut().unwrap().entry("suspend").or_insert(json!(false));
    value
}

const TWENTY_PERCENT: PruneRule<'_> = PruneRule::Within { max_percent: 20, approved: None };

fn ask<'a>(desired: &'a [Object], live: &'a [Live], prune: PruneRule<'a>) -> Plan<'a> {
    plan(&Question {
        set: SET,
        commit: COMMIT,
        desired,
        refused: &[],
        live,
        defaults: &defaults,
        prune,
        hold: &hold_nothing,
    })
}

fn pruned(plan: &Plan<'_>) -> Vec<String> {
    plan.prune.iter().map(|live| live.key.name.clone()).collect()
}

#[test]
fn an_object_equal_but_for_defaults_is_unchanged() {
    let (desired, live) = (desired(&["ServiceMonitor/a"]), members(&["ServiceMonitor/a"]));
    let plan = ask(&desired, &live, TWENTY_PERCENT);
    assert!(plan.is_empty());
    assert_eq!(plan.unchanged, 1);
}

#[test]
fn a_dangerous_edit_on_a_field_that_git_does_not_mention_is_undone() {
    let desired = desired(&["ServiceMonitor/a"]);
    let live = [live("ServiceMonitor/a", Some(SET), &json!({"a": 1, "suspend": true}))];
    let plan = ask(&desired, &live, TWENTY_PERCENT);
    assert_eq!(plan.update[0].differs, ["spec.suspend"]);
    assert_eq!(plan.update[0].uid, "uid-of-a");
    assert!(!plan.update[0].adopted);
}

#[test]
fn an_object_of_another_source_is_left_alone_and_one_of_nobody_is_adopted() {
    let desired = desired(&["ServiceMonitor/a", "ServiceMonitor/b"]);
    let spec = json!({"a": 1, "suspend": false});
    let live =
        [live("ServiceMonitor/a", Some("applyset-theirs-v1"), &json!({})), live("ServiceMonitor/b", None, &spec)];
    let plan = ask(&desired, &live, TWENTY_PERCENT);
    assert_eq!(plan.conflicts[0].held_by, "applyset-theirs-v1");
    assert_eq!(plan.update.len(), 1);
    assert!(plan.update[0].adopted);
    assert_eq!(plan.update[0].differs, ["metadata.labels.applyset.kubernetes.io/part-of"]);
    assert_eq!(pruned(&plan), [] as [&str; 0]);
}

#[test]
fn policies_are_applied_first_and_removed_last() {
    let names = ["Ticket/t", "ServiceMonitor/m", "ComplianceRule/c", "VendorContact/v", "SupportPolicy/p"];
    let desired = desired(&names);
    let plan_of_new = ask(&desired, &[], TWENTY_PERCENT);
    let order: Vec<_> = plan_of_new.create.iter().map(|object| object.key.name.as_str()).collect();
    assert_eq!(order, ["p", "v", "c", "m", "t"]);
    let live = members(&names);
    let approved = PruneRule::Within { max_percent: 20, approved: Some(COMMIT) };
    assert_eq!(pruned(&ask(&[], &live, approved)), ["m", "c", "v", "p"]);
}

#[test]
fn a_ticket_that_left_git_stays() {
    let desired = desired(&["ServiceMonitor/m"]);
    let live = members(&["ServiceMonitor/m", "Ticket/t"]);
    let plan = ask(&desired, &live, TWENTY_PERCENT);
    assert_eq!(plan.kept.len(), 1);
    assert!(plan.is_empty());
}

#[rstest]
#[case::a_few_of_few(5, 4, None, true)]
#[case::a_fifth_of_ten(10, 2, None, true)]
#[case::more_than_a_fifth_of_ten(10, 3, None, false)]
#[case::more_than_a_fifth_approved(10, 3, Some(COMMIT), true)]
#[case::approved_for_another_commit(10, 3, Some("9999999999999999999999999999999999999999"), false)]
#[case::approved_by_an_abbreviation(10, 3, Some("0123456"), false)]
#[case::the_only_one(1, 1, None, false)]
#[case::everything(3, 3, None, false)]
#[case::everything_approved(3, 3, Some(COMMIT), true)]
fn a_prune_is_refused_when_it_takes_too_much(
    #[case] members_before: usize,
    #[case] gone: usize,
    #[case] approved: Option<&str>,
    #[case] allowed: bool,
) {
    let names: Vec<String> = (0..members_before).map(|number| format!("ServiceMonitor/m{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (desired, live) = (desired(&names[gone..]), members(&names));
    let plan = ask(&desired, &live, PruneRule::Within { max_percent: 20, approved });
    assert_eq!(plan.prune.len(), if allowed { gone } else { 0 });
    assert_eq!(plan.prune_refused.is_none(), allowed);
}

#[test]
fn a_refusal_says_what_to_write_to_have_it_done() {
    let live = members(&["ServiceMonitor/a"]);
    let refusal = ask(&[], &live, TWENTY_PERCENT).prune_refused.unwrap();
    assert_eq!(
        refusal.to_string(),
        format!("all 1 objects of this source would be removed; if that is meant, set `spec.prune.approve: {COMMIT}`")
    );
}

#[test]
fn nothing_is_pruned_when_files_could_not_be_read_nor_what_git_holds_but_is_refused() {
    let live = members(&["ServiceMonitor/a", "ServiceMonitor/b"]);
    let desired = desired(&["ServiceMonitor/a"]);
    assert!(ask(&desired, &live, PruneRule::Never).is_empty());
    let refused = [live[1].key.clone()];
    let question = Question {
        set: SET,
        commit: COMMIT,
        desired: &desired,
        refused: &refused,
        live: &live,
        defaults: &defaults,
        prune: TWENTY_PERCENT,
        hold: &hold_nothing,
    };
    assert!(plan(&question).is_empty());
}

#[test]
fn what_is_held_back_is_neither_written_nor_removed_and_counts_for_the_guard() {
    let desired = desired(&["ServiceMonitor/new", "ServiceMonitor/same", "ServiceMonitor/edited"]);
    let mut live = members(&["ServiceMonitor/same", "ServiceMonitor/edited", "ServiceMonitor/gone"]);
    live[1].value["spec"]["suspend"] = json!(true);
    let question = Question {
        set: SET,
        commit: COMMIT,
        desired: &desired,
        refused: &[],
        live: &live,
        defaults: &defaults,
        prune: TWENTY_PERCENT,
        hold: &|key, _| key.name != "new",
    };
    let held_one = plan(&question);
    let names: Vec<_> = held_one.held.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["edited"], "one that is as it should be needs no holding");
    assert_eq!(held_one.staying, [live[2].key.clone()]);
    assert_eq!((held_one.create.len(), held_one.update.len(), held_one.unchanged), (1, 0, 1));
    assert!(held_one.prune.is_empty() && held_one.prune_refused.is_none());

    // Two of two left Git, one of them is held: the other must not slip past the rule for everything.
    let two = plan(&Question { desired: &[], live: &live[1..], hold: &|key, _| key.name == "gone", ..question });
    assert!(two.prune.is_empty() && two.prune_refused.is_some());
}

proptest! {
    /// Whatever Git and the cluster hold: every desired object is in exactly one list, only members of this source that
    /// left Git are pruned, and a plan that was carried out leaves nothing to do.
    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(
        wanted in proptest::collection::btree_set(0_usize..20, 0..20),
        there in proptest::collection::btree_map(0_usize..20, (0_u8..3, any::<bool>()), 0..20),
        max_percent in 0_u8..=100,
    ) {
        let name = |number: usize| format!("{}/o{number}", ["SupportPolicy", "ServiceMonitor", "ComplianceRule"][number % 3]);
        let wanted_names: Vec<String> = wanted.iter().map(|number| name(*number)).collect();
        let desired = desired(&wanted_names.iter().map(String::as_str).collect::<Vec<_>>());
        let lives: Vec<Live> = there
            .iter()
            .map(|(number, (owner, suspend))| {
                let owner = [Some(SET), Some("applyset-theirs-v1"), None][usize::from(*owner)];
                live(&name(*number), owner, &json!({"a": 1, "suspend": suspend}))
            })
            .collect();
        let rule = PruneRule::Within { max_percent, approved: None };
        let first = ask(&desired, &lives, rule);
        let listed = first.create.len() + first.update.len() + first.unchanged + first.conflicts.len();
        prop_assert_eq!(listed, desired.len());
        for gone in &first.prune {
            prop_assert_eq!(gone.member_of(), Some(SET));
            prop_assert!(desired.iter().all(|object| object.key != gone.key));
        }

        let mut after: Vec<Live> = lives
            .iter()
            .filter(|live| !first.prune.contains(live) && first.update.iter().all(|update| update.object.key != live.key))
            .cloned()
            .collect();
        for object in first.create.iter().copied().chain(first.update.iter().map(|update| update.object)) {
            let mut value = defaults(&object.key.kind, object.value());
            value["metadata"]["labels"] = json!({applyset::PART_OF: SET});
            after.push(Live { key: object.key.clone(), uid: "new".to_owned(), value });
        }
        let second = ask(&desired, &after, rule);
        prop_assert!(second.create.is_empty() && second.update.is_empty());
    }
}
