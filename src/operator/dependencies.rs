//! What is wrong with the dependencies of monitors that stand in files: circles, and names that are not there.
//!
//! Shared by `firstline validate` and the Git engine. In a cluster the same is said by the index, of the monitors that are
//! there.

use std::collections::BTreeMap;

use api::ServiceMonitor;
use domain::{problem::Problem, suppression::dependency};
use gitops::{
    FileError,
    load::{Object, ObjectKey},
};

/// What each monitor depends on, by namespace and name.
type Graph = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// All findings: a circle is an error; a monitor that is not among these objects is a warning, since the cluster may have
/// it. Of those that were refused nothing is said.
pub fn check(objects: &[Object], refused: &[ObjectKey]) -> Vec<FileError> {
    let monitors = || objects.iter().filter(|object| object.key.kind == "ServiceMonitor");
    let read = |object: &Object| {
        let monitor: ServiceMonitor = serde_json::from_value(object.value().clone()).ok()?;
        Some(monitor.spec.depends_on.into_iter().map(|one| one.monitor).collect())
    };
    let mut graph = Graph::new();
    for object in monitors() {
        let here = graph.entry(object.key.namespace.clone()).or_default();
        here.extend(read(object).map(|depends_on| (object.key.name.clone(), depends_on)));
    }
    monitors().flat_map(|object| of_one(object, &graph, refused)).collect()
}

fn of_one(object: &Object, graph: &Graph, refused: &[ObjectKey]) -> Vec<FileError> {
    let key = &object.key;
    let Some(here) = graph.get(&key.namespace) else { return Vec::new() };
    let Some(depends_on) = here.get(&key.name).filter(|names| !names.is_empty()) else { return Vec::new() };
    let mut found = Vec::new();
    // Depending on itself is said of the object alone, and a circle of the first of its monitors by name.
    let circle = dependency::circle(&key.name, |name| here.get(name).map_or(&[], Vec::as_slice));
    let is_first = |circle: &String| circle.split(dependency::ARROW).min() == Some(key.name.as_str());
    if let Some(circle) = circle.filter(|circle| is_first(circle) && !depends_on.contains(&key.name)) {
        let problem = Problem::error("spec.dependsOn", format!("expected no circle, found {circle}"));
        found.push(object.error(problem.suggest("leave out the one of these that works without the other")));
    }
    for (i, parent) in depends_on.iter().enumerate() {
        let is_it = |other: &ObjectKey| other.namespace == key.namespace && other.name == *parent;
        let is_refused = refused.iter().any(|other| other.kind == "ServiceMonitor" && is_it(other));
        if is_refused || here.contains_key(parent) {
            continue;
        }
        let message = format!(
            "no ServiceMonitor of namespace {} in these files is called `{parent}`: it counts for nothing, unless the cluster has one",
            key.namespace
        );
        let known = here.keys().filter(|name| **name != key.name).map(String::as_str);
        let problem = Problem::warning(format!("spec.dependsOn[{i}].monitor"), message);
        found.push(object.error(problem.suggest_from(parent, known)));
    }
    found
}

#[cfg(test)]
mod tests {
    use gitops::{
        load::Namespaces,
        tree::{SourceFile, Tree},
    };

    use crate::load;

    fn problems(monitors: &[(&str, &str)]) -> Vec<String> {
        let file = |(name, depends_on): &(&str, &str)| {
            SourceFile {
            path: format!("{name}.yaml"),
            bytes: format!(
                "apiVersion: firstline.dev/v1alpha1\nkind: ServiceMonitor\nmetadata: {{name: {name}, namespace: payments}}\nspec:\n  service: x\n  probe: {{tcp: {{address: 'x.example:443'}}}}\n  dependsOn: {depends_on}\n"
            )
            .into_bytes(),
        }
        };
        let tree = Tree { files: monitors.iter().map(file).collect(), ..Tree::default() };
        let world = load::compile(tree, Namespaces::Any { default: "default" }, jiff::Timestamp::UNIX_EPOCH);
        let about = |text: &String| text.contains("dependsOn");
        world.problems.iter().map(ToString::to_string).filter(about).collect()
    }

    #[test]
    fn a_circle_across_files_is_one_error_that_names_all_of_it() {
        let found = problems(&[
            ("b", "[{monitor: c}]"),
            ("a", "[{monitor: b}]"),
            ("c", "[{monitor: a}]"),
            ("d", "[{monitor: a}]"),
        ]);
        assert_eq!(
            found,
            [
                "a.yaml:7:3: ServiceMonitor payments/a: spec.dependsOn: expected no circle, found a → b → c → a; leave out the one of these that works without the other",
            ]
        );
    }

    #[test]
    fn two_circles_are_two_errors() {
        let found = problems(&[
            ("a", "[{monitor: b}]"),
            ("b", "[{monitor: a}]"),
            ("c", "[{monitor: d}]"),
            ("d", "[{monitor: c}]"),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn one_that_is_not_in_the_files_is_a_warning_with_what_may_be_meant_and_one_that_was_refused_is_there() {
        let found =
            problems(&[("shop", "[{monitor: databse}, {monitor: wrong}]"), ("database", "[]"), ("wrong", "[{}]")]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].ends_with("ServiceMonitor payments/shop: spec.dependsOn[0].monitor: no ServiceMonitor of namespace payments in these files is called `databse`: it counts for nothing, unless the cluster has one; did you mean `database`?"),
            "{found:?}"
        );
        assert!(found[1].starts_with("wrong.yaml"), "{found:?}");
    }

    #[test]
    fn a_monitor_that_depends_on_itself_is_told_once() {
        let found = problems(&[("a", "[{monitor: a}]")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("expected another monitor, found this one"), "{found:?}");
    }
}
