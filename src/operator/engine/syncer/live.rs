//! What the cluster holds of a source: its members by label, and strangers that stand where an object is to be created.

use std::collections::{BTreeSet, HashSet};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use gitops::{
    applyset,
    load::{Object, ObjectKey},
    plan::Live,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, ObjectList},
};
use serde_json::{Value, json};

use super::{
    kinds::{Kind, kinds},
    refusal::{self, Fault, Mend},
    write::TIMEOUT,
};

/// Objects in one answer; the server's own tools ask for as many.
const PAGE: u32 = 500;
/// Lists in flight at once.
const CONCURRENCY: usize = 4;

/// Where members are looked for.
#[derive(Debug, Clone, Copy)]
pub enum Reach<'a> {
    /// In every namespace, so that a namespace taken out of the spec gives up its members.
    Everywhere,
    /// Only here: an impersonated account may see no more.
    Only(&'a [String]),
}

/// All objects that the desired ones are to be compared with.
///
/// # Errors
/// When the lists are refused, or do not come.
pub async fn read(client: &Client, set: &str, reach: Reach<'_>, desired: &[Object]) -> Result<Vec<Live>, Fault> {
    let mut live = members(client, set, reach, desired).await?;
    let held: HashSet<&ObjectKey> = live.iter().map(|live| &live.key).collect();
    let missing: HashSet<&ObjectKey> =
        desired.iter().map(|object| &object.key).filter(|key| !held.contains(key)).collect();
    let strangers = strangers(client, &missing).await?;
    live.extend(strangers);
    Ok(live)
}

async fn members(client: &Client, set: &str, reach: Reach<'_>, desired: &[Object]) -> Result<Vec<Live>, Fault> {
    let wanted: BTreeSet<&str> = desired.iter().map(|object| object.key.kind.as_str()).collect();
    let selector = format!("{}={set}", applyset::PART_OF);
    let mut lists = Vec::new();
    for kind in kinds() {
        match reach {
            Reach::Everywhere => lists.push((kind, None)),
            Reach::Only(namespaces) => {
                lists.extend(namespaces.iter().map(|namespace| (kind.clone(), Some(namespace.clone()))));
            }
        }
    }
    let (selector, wanted) = (&selector, &wanted);
    let found: Vec<Vec<Live>> = stream::iter(lists)
        .map(|(kind, namespace)| {
            let listing = async move {
                match list(client, &kind, namespace.as_deref(), Some(selector)).await {
                    // What an account may not even list it has not written, and neither does this commit ask it to.
                    Err(Fault::Refused(Mend::Cluster, _)) if !wanted.contains(kind.name) => Ok(Vec::new()),
                    answer => answer,
                }
            };
            listing.boxed()
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Objects that have the name of one that is missing but are no members: made by hand, or of another source.
async fn strangers(client: &Client, missing: &HashSet<&ObjectKey>) -> Result<Vec<Live>, Fault> {
    let mut found = Vec::new();
    for kind in kinds() {
        let namespaces: BTreeSet<&str> =
            missing.iter().filter(|key| key.kind == kind.name).map(|key| key.namespace.as_str()).collect();
        for namespace in namespaces {
            let there = names(client, &kind, namespace).await?;
            found.extend(there.into_iter().filter(|live| missing.contains(&live.key)));
        }
    }
    Ok(found)
}

/// One object as it is now, its managedFields included; `None` when it is not there.
///
/// # Errors
/// When it cannot be read.
pub async fn get(client: &Client, kind: &Kind, key: &ObjectKey) -> Result<Option<DynamicObject>, Fault> {
    in_time(api_of(client, kind, Some(&key.namespace)).get_opt(&key.name)).await
}

/// Whole objects.
async fn list(
    client: &Client,
    kind: &Kind,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Vec<Live>, Fault> {
    let api = api_of(client, kind, namespace);
    let mut found = Vec::new();
    let mut params = params(selector);
    loop {
        let page: ObjectList<DynamicObject> = in_time(api.list(&params)).await?;
        params.continue_token = page.metadata.continue_.clone().filter(|token| !token.is_empty());
        found.extend(page.items.into_iter().map(|object| whole(kind, object)));
        if params.continue_token.is_none() {
            return Ok(found);
        }
    }
}

/// Metadata only: of a stranger nothing more is needed, and a namespace may hold many.
async fn names(client: &Client, kind: &Kind, namespace: &str) -> Result<Vec<Live>, Fault> {
    let api = api_of(client, kind, Some(namespace));
    let mut found = Vec::new();
    let mut params = params(None);
    loop {
        let page = in_time(api.list_metadata(&params)).await?;
        params.continue_token = page.metadata.continue_.clone().filter(|token| !token.is_empty());
        found.extend(page.items.into_iter().map(|object| Live {
            key: key(kind, &object),
            uid: object.uid().unwrap_or_default(),
            value: json!({"metadata": {"labels": object.labels(), "annotations": object.annotations()}}),
        }));
        if params.continue_token.is_none() {
            return Ok(found);
        }
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Fault> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| refusal::judge(&error)),
        Err(_) => Err(Fault::Passing(format!("the API server did not answer within {} s", TIMEOUT.as_secs()))),
    }
}

fn params(selector: Option<&str>) -> ListParams {
    ListParams { label_selector: selector.map(str::to_owned), limit: Some(PAGE), ..ListParams::default() }
}

fn api_of(client: &Client, kind: &Kind, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind.resource),
        None => Api::all_with(client.clone(), &kind.resource),
    }
}

fn key<K: kube::Resource>(kind: &Kind, object: &K) -> ObjectKey {
    ObjectKey { kind: kind.name.to_owned(), namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

/// An object as a plan compares it: without what the server and controllers add.
pub fn whole(kind: &Kind, mut object: DynamicObject) -> Live {
    object.managed_fields_mut().clear();
    let (key, uid) = (key(kind, &object), object.uid().unwrap_or_default());
    let mut value = serde_json::to_value(object).unwrap_or(Value::Null);
    if let Some(members) = value.as_object_mut() {
        members.remove("status");
    }
    Live { key, uid, value }
}
