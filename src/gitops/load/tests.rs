use rstest::rstest;

use super::*;

const KINDS: [AllowedKind<'_>; 4] = [
    AllowedKind { api_version: "firstline.dev/v1alpha1", kind: "SupportPolicy", namespaced: true },
    AllowedKind { api_version: "firstline.dev/v1alpha1", kind: "ServiceMonitor", namespaced: true },
    AllowedKind { api_version: "v1", kind: "ConfigMap", namespaced: true },
    AllowedKind { api_version: "v1", kind: "Namespace", namespaced: false },
];

/// Stands for the schema: `spec.bad` is an error, `spec.odd` a warning.
fn check(value: &Value) -> Vec<Problem> {
    let spec = &value["spec"];
    let mut problems = Vec::new();
    if !spec["bad"].is_null() {
        problems.push(Problem::error("spec.bad", "expected no such field"));
    }
    if !spec["odd"].is_null() {
        problems.push(Problem::warning("spec.odd", "is odd"));
    }
    problems
}

fn load_into(namespaces: &[&str], files: &[(&str, &str)]) -> Loaded {
    let namespaces: Vec<String> = namespaces.iter().map(ToString::to_string).collect();
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| SourceFile { path: (*path).to_owned(), bytes: text.as_bytes().to_vec() })
        .collect();
    let rules =
        Rules { namespaces: Namespaces::Only(&namespaces), kinds: &KINDS, check: &check, limits: Limits::default() };
    load(&files, &rules)
}

fn messages(loaded: &Loaded) -> Vec<String> {
    loaded.errors.iter().map(ToString::to_string).collect()
}

fn keys(loaded: &Loaded) -> Vec<String> {
    loaded.objects.iter().map(|object| object.key.to_string()).collect()
}

const HEAD: &str = "apiVersion: firstline.dev/v1alpha1\nkind: ServiceMonitor\n";

#[test]
fn an_object_without_a_namespace_goes_to_the_only_one_and_its_value_says_so() {
    let loaded = load_into(&["payments"], &[("a.yaml", &format!("{HEAD}metadata: {{name: checkout}}\n"))]);
    assert_eq!(messages(&loaded), [] as [&str; 0]);
    assert_eq!(keys(&loaded), ["ServiceMonitor payments/checkout"]);
    assert_eq!(loaded.objects[0].value()["metadata"]["namespace"], "payments");
}

#[rstest]
#[case::no_namespace_but_several(
    "metadata:\n  name: x\n",
    "a.yaml:3:1: metadata.namespace: expected a namespace, as this source writes to several: payments, identity"
)]
#[case::another_namespace(
    "metadata:\n  name: x\n  namespace: payment\n",
    "a.yaml:5:3: ServiceMonitor payment/x: metadata.namespace: this source may not write to the namespace `payment`; did you mean `payments`?"
)]
#[case::a_bad_name(
    "metadata:\n  namespace: payments\n  name: Check_Out\n",
    "a.yaml:5:3: metadata.name: expected at most 253 of a-z, 0-9, `-` and `.`, with a letter or digit at both ends, found `Check_Out`"
)]
#[case::a_generated_name(
    "metadata:\n  generateName: x-\n  namespace: payments\n",
    "a.yaml:3:1: metadata.name: expected a name; generated names would be new on each apply"
)]
#[case::no_metadata("spec: {}\n", "a.yaml:1:1: metadata: expected `metadata` with a `name`")]
#[case::a_status(
    "metadata: {name: x, namespace: payments}\nstatus: {state: Up}\n",
    "a.yaml:4:1: ServiceMonitor payments/x: status: `status` is written by the operator; remove it"
)]
#[case::a_resource_version(
    "metadata:\n  name: x\n  namespace: payments\n  resourceVersion: \"12\"\n",
    "a.yaml:6:3: ServiceMonitor payments/x: metadata.resourceVersion: `resourceVersion` is written by the API server; remove it"
)]
#[case::our_label(
    "metadata:\n  name: x\n  namespace: payments\n  labels:\n    applyset.kubernetes.io/part-of: me\n",
    "a.yaml:7:5: ServiceMonitor payments/x: metadata.labels.applyset.kubernetes.io/part-of: this label says which source applied an object; remove it"
)]
#[case::a_finding_of_the_check(
    "metadata: {name: x, namespace: payments}\nspec:\n  good: 1\n  bad: 2\n",
    "a.yaml:6:3: ServiceMonitor payments/x: spec.bad: expected no such field"
)]
fn what_is_wrong_with_an_object_is_told_at_its_field(#[case] rest: &str, #[case] expected: &str) {
    let loaded = load_into(&["payments", "identity"], &[("a.yaml", &format!("{HEAD}{rest}"))]);
    assert_eq!(messages(&loaded), [expected]);
    assert!(loaded.has_errors());
    assert_eq!(keys(&loaded), [] as [&str; 0]);
}

#[rstest]
#[case::git_source(
    "firstline.dev/v1alpha1",
    "GitSource",
    "kind: a GitSource is what reads this repository and cannot come out of it; create it with kubectl"
)]
#[case::near_miss(
    "firstline.dev/v1alpha1",
    "ServiceMonitr",
    "kind: objects of kind `ServiceMonitr` are not applied from here; did you mean `ServiceMonitor`?"
)]
#[case::a_secret(
    "v1",
    "Secret",
    "kind: objects of kind `Secret` are not applied from here; known: ConfigMap, Namespace, ServiceMonitor, SupportPolicy"
)]
fn a_kind_that_is_not_listed_is_refused(#[case] api_version: &str, #[case] kind: &str, #[case] expected: &str) {
    let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x, namespace: payments}}\n");
    let loaded = load_into(&["payments"], &[("a.yaml", &text)]);
    assert_eq!(messages(&loaded), [format!("a.yaml:2:1: {expected}")]);
}

#[test]
fn the_kind_of_the_same_name_of_another_group_is_not_ours() {
    let text = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: x}\n";
    let loaded = load_into(&["payments"], &[("a.yaml", text)]);
    assert_eq!(
        messages(&loaded),
        [
            "a.yaml:1:1: ServiceMonitor payments/x: apiVersion: expected `firstline.dev/v1alpha1` for a ServiceMonitor, found `monitoring.coreos.com/v1`"
        ]
    );
}

#[test]
fn a_file_that_is_no_object_says_which_fields_are_expected() {
    let loaded = load_into(&["payments"], &[("values.yaml", "replicas: 3\n")]);
    assert_eq!(
        messages(&loaded),
        [
            "values.yaml:1:1: kind: expected `kind` as text",
            "values.yaml:1:1: apiVersion: expected `apiVersion` as text",
            "values.yaml:1:1: metadata: expected `metadata` with a `name`",
        ]
    );
}

#[test]
fn a_namespace_may_only_be_one_that_is_listed() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: payments}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system}\n";
    let loaded = load_into(&["payments"], &[("a.yaml", text)]);
    assert_eq!(keys(&loaded), ["Namespace payments"]);
    assert_eq!(
        messages(&loaded),
        [
            "a.yaml:7:12: Namespace kube-system: metadata.name: this source may not write to the namespace `kube-system`; known: payments"
        ]
    );
}

#[test]
fn one_object_in_two_files_is_refused_in_both_which_name_each_other() {
    let text = format!("{HEAD}metadata:\n  name: checkout\n");
    let loaded = load_into(
        &["payments"],
        &[("a.yaml", &text), ("b.yaml", &text), ("c.yaml", &format!("{HEAD}metadata: {{name: other}}\n"))],
    );
    assert_eq!(
        messages(&loaded),
        [
            "a.yaml:4:3: ServiceMonitor payments/checkout: metadata.name: the same object is written in b.yaml:4:3 too; keep one of them",
            "b.yaml:4:3: ServiceMonitor payments/checkout: metadata.name: the same object is written in a.yaml:4:3 too; keep one of them",
        ]
    );
    assert_eq!(keys(&loaded), ["ServiceMonitor payments/other"]);
    assert_eq!(
        loaded.refused.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["ServiceMonitor payments/checkout"]
    );
}

#[test]
fn one_object_in_two_folders_may_belong_to_two_sources() {
    let text = format!("{HEAD}metadata:\n  name: checkout\n");
    let loaded = load_into(&["payments"], &[("acme/demo/a.yaml", &text), ("acme/production/shop/a.yaml", &text)]);
    let said = messages(&loaded).join("\n");
    let words = "; or read `acme/demo` and `acme/production` apart, where each is what a source of its own reads";
    assert!(said.contains(words), "{said}");
    assert_eq!(loaded.apart.iter().collect::<Vec<_>>(), ["acme/demo", "acme/production"]);
    let loaded = load_into(&["payments"], &[("acme/a.yaml", &text), ("acme/production/a.yaml", &text)]);
    assert!(loaded.apart.is_empty() && !messages(&loaded).join("\n").contains(" apart"), "they are read together");
}

#[test]
fn errors_of_all_files_come_at_once_and_in_order() {
    let bad = format!("{HEAD}metadata: {{name: x}}\nspec: {{bad: 1}}\n---\nkind: yes\n");
    let loaded = load_into(&["payments"], &[("z.yaml", &bad), ("a.yaml", "a: [\n")]);
    let places: Vec<_> = loaded.errors.iter().map(|error| (error.file.as_str(), error.line)).collect();
    assert_eq!(places, [("a.yaml", 1), ("z.yaml", 4), ("z.yaml", 6)]);
}

#[test]
fn a_warning_does_not_keep_an_object_out() {
    let loaded = load_into(&["payments"], &[("a.yaml", &format!("{HEAD}metadata: {{name: x}}\nspec: {{odd: 1}}\n"))]);
    assert!(!loaded.has_errors());
    assert_eq!(messages(&loaded), ["a.yaml:4:8: ServiceMonitor payments/x: spec.odd: is odd"]);
    assert_eq!(keys(&loaded), ["ServiceMonitor payments/x"]);
}

#[test]
fn without_a_source_any_namespace_will_do() {
    let text = format!("{HEAD}metadata: {{name: x}}\n---\n{HEAD}metadata: {{name: x, namespace: other}}\n");
    let file = SourceFile { path: "a.yaml".to_owned(), bytes: text.into_bytes() };
    let rules = Rules {
        namespaces: Namespaces::Any { default: "default" },
        kinds: &KINDS,
        check: &check,
        limits: Limits::default(),
    };
    let loaded = load([&file], &rules);
    assert_eq!(keys(&loaded), ["ServiceMonitor default/x", "ServiceMonitor other/x"]);
}
