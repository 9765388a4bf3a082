//! What is wrong with a tree.

use rstest::rstest;

use super::*;

#[rstest]
#[case::a_name_nobody_has(&[("pages", ""), ("db", "page")], "routes[1].under: no route is called `page`; did you mean `pages`?")]
#[case::itself(&[("db", "db")], "routes[0].under: a route cannot stand under itself: db → db; leave `under` out on the route that comes first")]
#[case::a_circle(&[("a", "c"), ("b", "a"), ("c", "b")], "routes[0].under: a route cannot stand under itself: a → c → b → a; leave `under` out on the route that comes first")]
#[case::a_parent_that_comes_later(&[("db", "pages"), ("pages", "")], "routes[0].under: expected a route written before this one, and `pages` comes after it; move `db` below `pages`")]
fn a_wrong_under_is_reported_where_it_stands(#[case] tree: &[(&str, &str)], #[case] expected: &str) {
    let routes = tree.iter().map(|(name, parent)| match *parent {
        "" => bare(name, ""),
        parent => under(parent, bare(name, "")),
    });
    let problems: Vec<String> = check_tree(&routes.collect::<Vec<_>>()).iter().map(ToString::to_string).collect();
    assert_eq!(problems, [expected]);
}

#[test]
fn a_tree_whose_parents_come_first_has_no_problem() {
    assert_eq!(check_tree(&[bare("pages", ""), under("pages", bare("db", "")), under("db", bare("eu", ""))]), []);
}
