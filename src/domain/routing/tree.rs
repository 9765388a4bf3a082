//! The routes of a policy, made ready to be walked.
//!
//! A policy writes its tree as a flat list in which `under` names the parent. Here each route knows its children, and
//! each condition knows which label it asks for, so that the walk looks every label up once and a route that does not
//! match costs a comparison and no allocation.

use std::{collections::HashMap, ops::Deref};

use crate::{
    labels::Labels,
    matcher::{Matcher, Op},
    policy::Route,
    problem::Problem,
};

/// The routes in the order written, with the tree that they form.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    routes: Vec<Route>,
    nodes: Vec<Node>,
    /// Routes directly under the root.
    top: Vec<usize>,
    /// Every label that some condition asks for.
    names: Vec<String>,
}

#[derive(Debug, Clone)]
struct Node {
    parent: Option<usize>,
    children: Vec<usize>,
    /// In the order in which they are tried: comparisons of text before regular expressions.
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy)]
struct Condition {
    /// Place in [`Tree::names`].
    name: usize,
    /// Place in the route's matchers.
    matcher: usize,
}

/// The values of the labels that conditions ask for, by place.
pub(super) struct Values<'l>(Vec<&'l str>);

impl Tree {
    /// Whatever the list says, the result can be walked: a route whose parent does not stand before it is never
    /// reached ([`check_tree`] reports it).
    pub fn new(routes: Vec<Route>) -> Self {
        let mut tree = Self { nodes: Vec::with_capacity(routes.len()), ..Self::default() };
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut names: HashMap<&str, usize> = HashMap::new();
        for (index, route) in routes.iter().enumerate() {
            let parent = route.under.as_deref().map(|name| places.get(name).copied());
            match parent {
                None => tree.top.push(index),
                Some(Some(parent)) => tree.nodes.get_mut(parent).into_iter().for_each(|node| node.children.push(index)),
                Some(None) => {}
            }
            let mut conditions = Vec::with_capacity(route.matchers.len());
            for (matcher, written) in route.matchers.iter().enumerate() {
                let name = *names.entry(&written.name).or_insert_with(|| {
                    tree.names.push(written.name.clone());
                    tree.names.len() - 1
                });
                conditions.push(Condition { name, matcher });
            }
            conditions.sort_by_key(|condition| route.matchers.get(condition.matcher).is_some_and(is_expression));
            tree.nodes.push(Node { parent: parent.flatten(), children: Vec::new(), conditions });
            places.entry(&route.name).or_insert(index);
        }
        tree.routes = routes;
        tree
    }

    pub(super) fn values<'l>(&self, labels: &'l Labels) -> Values<'l> {
        Values(self.names.iter().map(|name| super::value(labels, name)).collect())
    }

    /// The places of the children of a route, or of the root, in the order in which they are tried.
    pub fn below(&self, parent: Option<usize>) -> &[usize] {
        match parent {
            None => &self.top,
            Some(parent) => self.nodes.get(parent).map_or(&[], |node| &node.children),
        }
    }

    /// Whether all conditions of a route hold.
    pub(super) fn matches(&self, index: usize, values: &Values<'_>) -> bool {
        let (Some(node), Some(route)) = (self.nodes.get(index), self.routes.get(index)) else { return false };
        node.conditions.iter().all(|condition| {
            let value = values.0.get(condition.name).copied().unwrap_or_default();
            route.matchers.get(condition.matcher).is_some_and(|matcher| matcher.matches_value(value))
        })
    }

    /// The routes from the one directly under the root down to this one.
    pub(super) fn path(&self, index: usize) -> Vec<&Route> {
        self.places(index).into_iter().filter_map(|place| self.routes.get(place)).collect()
    }

    /// The places of the routes from the one directly under the root down to this one.
    pub fn places(&self, index: usize) -> Vec<usize> {
        let mut places = Vec::new();
        let mut place = Some(index).filter(|index| *index < self.routes.len());
        // Parents stand before their children, so that this ends.
        while let Some(index) = place {
            places.push(index);
            place = self.nodes.get(index).and_then(|node| node.parent).filter(|parent| *parent < index);
        }
        places.reverse();
        places
    }
}

fn is_expression(matcher: &Matcher) -> bool {
    matches!(matcher.op, Op::Match(..) | Op::NotMatch(..))
}

impl Deref for Tree {
    type Target = [Route];

    fn deref(&self) -> &[Route] {
        &self.routes
    }
}

impl FromIterator<Route> for Tree {
    fn from_iter<I: IntoIterator<Item = Route>>(routes: I) -> Self {
        Self::new(routes.into_iter().collect())
    }
}

/// What is wrong with `under`, as `routes[2].under`: a name that no route has, a route under itself, or one under a
/// route that stands after it.
pub fn check_tree(routes: &[Route]) -> Vec<Problem> {
    let check = |(index, route): (usize, &Route)| {
        let parent = route.under.as_deref()?;
        let path = format!("routes[{index}].under");
        let place = routes.iter().position(|other| other.name == parent);
        match place {
            None => {
                let names = routes.iter().map(|other| other.name.as_str()).filter(|name| *name != route.name);
                let problem = Problem::error(path, format!("no route is called `{parent}`"));
                Some(problem.suggest_from(parent, names))
            }
            Some(place) if place < index => None,
            Some(_) => Some(match circle(routes, route) {
                Some(circle) => Problem::error(path, format!("a route cannot stand under itself: {circle}"))
                    .suggest("leave `under` out on the route that comes first"),
                None => Problem::error(
                    path,
                    format!("expected a route written before this one, and `{parent}` comes after it"),
                )
                .suggest(format!("move `{}` below `{parent}`", route.name)),
            }),
        }
    };
    routes.iter().enumerate().filter_map(check).collect()
}

/// "a → b → a" when the parents of `route` lead back to it.
fn circle(routes: &[Route], route: &Route) -> Option<String> {
    let mut names = vec![route.name.as_str()];
    let mut parent = route.under.as_deref();
    while let Some(name) = parent {
        names.push(name);
        if name == route.name {
            return Some(names.join(" → "));
        }
        if names.len() > routes.len() {
            return None;
        }
        parent = routes.iter().find(|other| other.name == name).and_then(|other| other.under.as_deref());
    }
    None
}
