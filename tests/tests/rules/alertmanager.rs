//! Routing, grouping, inhibition and silences against Debian's Alertmanager, decision by decision.
//!
//! Random trees of routes and rules of inhibition are loaded into a running Alertmanager that holds random alerts and
//! silences; for each alert its API says which receivers are told, in which group it is, and what silences and inhibits
//! it. The same texts make a policy of ours. Nothing is sent: the receivers are empty.
//!
//! What differs on purpose, and is therefore kept out of the random cases:
//!
//! - An alert has one ticket, of the first route that matches. Routes reached through `continue` notify and form no
//!   group of their own, and a target that two of them name is told once.
//! - `severity` is one of three words, whatever its sender wrote, before any matcher of a route or an inhibition reads it.
//!   Alertmanager has no such step: it is given the alerts as we read them. Silences match the sender's word, so none
//!   here is about the severity.
//! - When a route tells is compared in `intervals`.
//! - `correlate` comes before `groupBy`: it is empty here.
//! - The root tells nobody of what no route takes unless it pages: its receiver is left out of the comparison.
//! - An inhibition needs a matcher on both sides. With none, everything would be meant.
//! - Alertmanager's older syntax for matchers without quotes reads texts that we refuse (`domain::matcher`).
//! - A silence acts in its own namespace. There is one namespace here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use domain::{
    labels::{Fingerprint, Labels},
    matcher::{Comparison, Matcher},
    policy::{NotifyTarget, Policy},
    routing,
    suppression::{self, Silence, Surroundings, dependency::Standings},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tests::{
    child::Running,
    eventually, oracles,
    ports::Port,
    rules::{
        random::Random,
        routing::{policy, policy_with_idle_parts},
    },
    scratch,
};

/// Alertmanagers, each with alerts and silences of its own; two run at a time.
const PEERS: u64 = 4;
/// Configurations that each of them is given.
const CONFIGURATIONS: u64 = 550;
/// Alerts and silences that each of them holds.
const ALERTS: usize = 40;
const SILENCES: usize = 6;

const NAMES: [&str; 4] = ["a", "b", "c", "service"];
const VALUES: [&str; 5] = ["x", "y", "xy", "x.y", "é"];
/// As senders write them, with one that only this policy knows, one that nobody does, and none at all.
const SEVERITIES: [&str; 9] = ["page", "critical", "ticket", "warning", "info", "none", "sev1", "odd", ""];
const EXPRESSIONS: [&str; 10] = ["x", "x|y", "x.*", ".+", ".*", "[xy]+", "x?", "", "(x|xy)\\.?y?", "\\w+"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alertmanager_and_we_decide_the_same() {
    let began = std::time::Instant::now();
    let mut compared = Compared::default();
    for pair in (0..PEERS).collect::<Vec<_>>().chunks(2) {
        let peers: Vec<_> = pair.iter().map(|seed| tokio::spawn(compare(*seed))).collect();
        for peer in peers {
            compared.add(&peer.await.expect("no peer panics").unwrap_or_else(|error| panic!("{error:#}")));
        }
    }
    println!("{compared:?} in {:?}", began.elapsed());
    assert!(compared.configurations >= 2_000);
    assert!(compared.inhibited > 1_000 && compared.silenced > 1_000 && compared.fan_out > 1_000, "{compared:?}");
}

/// How much was compared, so that a case that never comes about is noticed.
#[derive(Debug, Default)]
struct Compared {
    configurations: u64,
    decisions: u64,
    at_root: u64,
    fan_out: u64,
    inhibited: u64,
    silenced: u64,
}

impl Compared {
    fn add(&mut self, other: &Self) {
        self.configurations += other.configurations;
        self.decisions += other.decisions;
        self.at_root += other.at_root;
        self.fan_out += other.fan_out;
        self.inhibited += other.inhibited;
        self.silenced += other.silenced;
    }
}

async fn compare(seed: u64) -> Result<Compared> {
    let mut random = Random::seeded(seed);
    let peer = Peer::start(seed).await?;
    let alerts = any_alerts(&mut random);
    let as_we_read_them: Vec<Labels> = alerts.iter().map(as_we_read_it).collect();
    peer.post("alerts", &as_we_read_them.iter().map(alert).collect()).await?.context("the alerts are taken")?;
    let mut silences = BTreeMap::new();
    while silences.len() < SILENCES {
        let silence = any_silence(&mut random);
        // It refuses one that would mute everything, as we do.
        if let Some(answer) = peer.post("silences", &silence_body(&silence)).await? {
            let id = answer["silenceID"].as_str().context("a silence has an id")?.to_owned();
            silences.insert(id.clone(), Silence { name: id, ..silence });
        }
    }
    let mut compared = Compared::default();
    for _ in 0..CONFIGURATIONS {
        let configuration = any_configuration(&mut random);
        peer.load(&configuration.theirs()).await?;
        let ours = our_decisions(&configuration, &alerts, &silences);
        // After a reload its parts learn of the alerts one after the other.
        eventually(Duration::from_secs(5), "the same decisions", || async {
            let theirs = peer.decisions().await?;
            match first_difference(&ours, &theirs) {
                None => Ok(()),
                Some(what) => bail!("seed {seed}, of this configuration\n{}\n{what}", configuration.theirs()),
            }
        })
        .await?;
        compared.configurations += 1;
        compared.decisions += ours.len() as u64;
        let count = |which: fn(&Decision) -> bool| ours.values().filter(|one| which(one)).count() as u64;
        compared.at_root += count(|one| one.receivers.is_empty());
        compared.fan_out += count(|one| one.receivers.len() > 1);
        compared.inhibited += count(|one| one.inhibited);
        compared.silenced += count(|one| !one.silenced_by.is_empty());
    }
    Ok(compared)
}

/// What is decided about one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Decision {
    /// Without the root's; each once, in the order of the routes.
    receivers: Vec<String>,
    /// The labels of its group in the route that owns it; theirs are the groups of that route's receiver, which may be
    /// another route's too.
    groups: BTreeSet<Labels>,
    inhibited: bool,
    silenced_by: BTreeSet<String>,
}

impl Decision {
    fn is_that_of(&self, theirs: &Self) -> bool {
        self.groups.is_subset(&theirs.groups) && *self == Self { groups: self.groups.clone(), ..theirs.clone() }
    }
}

/// By fingerprint.
type Decisions = BTreeMap<String, Decision>;

fn first_difference(ours: &Decisions, theirs: &Decisions) -> Option<String> {
    let same =
        |(fingerprint, ours): (&String, &Decision)| theirs.get(fingerprint).is_some_and(|it| ours.is_that_of(it));
    let differs = ours.iter().find(|one| !same(*one));
    differs.map(|(fingerprint, ours)| format!("ours   {ours:?}\ntheirs {:?}", theirs.get(fingerprint)))
}

// The random cases.

fn any_alerts(random: &mut Random) -> Vec<Labels> {
    let mut alerts = BTreeMap::new();
    while alerts.len() < ALERTS {
        let mut labels = Labels::from([("alertname".to_owned(), format!("A{}", random.below(4)))]);
        let severity = *random.one_of(&SEVERITIES);
        if !severity.is_empty() {
            labels.insert("severity".to_owned(), severity.to_owned());
        }
        for name in NAMES {
            if random.below(3) > 0 {
                labels.insert(name.to_owned(), (*random.one_of(&VALUES)).to_owned());
            }
        }
        // Two that differ only in words for the same severity are one alert to Alertmanager.
        alerts.insert(Fingerprint::of(&as_we_read_it(&labels)), labels);
    }
    alerts.into_values().collect()
}

/// With the severity in our words, which no random policy changes.
fn as_we_read_it(labels: &Labels) -> Labels {
    static POLICY: std::sync::LazyLock<Policy> =
        std::sync::LazyLock::new(|| policy(json!({"severities": severities()})));
    routing::normalise(&POLICY, labels).0
}

/// What a word means that no other policy knows.
fn severities() -> Value {
    json!({"sev1": "page"})
}

pub(super) fn alert(labels: &Labels) -> Value {
    let now = Timestamp::now();
    json!({"labels": labels, "startsAt": now.to_string(), "endsAt": (now + SignedDuration::from_hours(24)).to_string()})
}

fn any_matcher(random: &mut Random) -> Matcher {
    let name = random.one_of(&NAMES);
    let (comparison, value) = match random.below(8) {
        0..4 => (Comparison::Equal, *random.one_of(&VALUES)),
        4 => (Comparison::NotEqual, *random.one_of(&VALUES)),
        5 | 6 => (Comparison::Match, *random.one_of(&EXPRESSIONS)),
        _ => (Comparison::NotMatch, *random.one_of(&EXPRESSIONS)),
    };
    Matcher::new(name, comparison, value).expect("each expression is one")
}

/// Of a route or an inhibition: now and then of the severity, in our words and in others that then never match.
fn any_matchers(random: &mut Random, least: u64) -> Vec<String> {
    let count = least + random.below(2);
    let mut one = || match random.below(5) {
        0 => {
            let comparison = *random.one_of(&[Comparison::Equal, Comparison::NotEqual, Comparison::Match]);
            let value = *random.one_of(&["page", "ticket", "info", "critical"]);
            Matcher::new("severity", comparison, value).expect("each expression is one").to_string()
        }
        _ => any_matcher(random).to_string(),
    };
    (0..count).map(|_| one()).collect()
}

fn any_silence(random: &mut Random) -> Silence {
    let now = Timestamp::now();
    Silence {
        namespace: "payments".to_owned(),
        name: String::new(),
        matchers: (0..3).map(|_| any_matcher(random)).collect(),
        starts_at: now - SignedDuration::from_hours(1),
        ends_at: now + SignedDuration::from_hours(random.below(20) as i64 + 1),
        reason: "random".to_owned(),
        author: "random".to_owned(),
    }
}

fn silence_body(silence: &Silence) -> Value {
    let matchers = silence.matchers.iter().map(|matcher| {
        let comparison = matcher.comparison();
        json!({
            "name": matcher.name, "value": matcher.value(),
            "isRegex": matches!(comparison, Comparison::Match | Comparison::NotMatch),
            "isEqual": matches!(comparison, Comparison::Equal | Comparison::Match),
        })
    });
    json!({
        "matchers": matchers.collect::<Vec<_>>(), "createdBy": "random", "comment": "random",
        "startsAt": silence.starts_at.to_string(), "endsAt": silence.ends_at.to_string(),
    })
}

/// Routes and rules, in words that both understand.
struct Configuration {
    routes: Vec<Route>,
    inhibit: Vec<Value>,
}

struct Route {
    parent: Option<usize>,
    matchers: Vec<String>,
    continues: bool,
    receiver: Option<String>,
    group_by: Option<Vec<String>>,
}

fn any_configuration(random: &mut Random) -> Configuration {
    let mut routes: Vec<Route> = Vec::new();
    for index in 0..random.below(12) as usize {
        let parent = (index > 0 && random.below(2) == 0).then(|| random.below(index as u64) as usize);
        let group_by = match random.below(5) {
            0 => Some(vec!["...".to_owned()]),
            1 => Some(Vec::new()),
            2 => Some(vec!["alertname".to_owned(), "a".to_owned()]),
            3 => Some(vec![(*random.one_of(&NAMES)).to_owned()]),
            _ => None,
        };
        routes.push(Route {
            parent,
            matchers: any_matchers(random, u64::from(random.clone().below(4) > 0)),
            continues: random.below(3) == 0,
            receiver: (random.below(3) > 0).then(|| format!("c{index}")),
            group_by,
        });
    }
    let inhibit = (0..random.below(4)).map(|index| {
        let equal: Vec<&str> = NAMES.into_iter().filter(|_| random.below(4) == 0).collect();
        let (source, target) = (any_matchers(random, 1), any_matchers(random, 1));
        json!({"name": format!("i{index}"), "source": source, "target": target, "equal": equal})
    });
    let inhibit = inhibit.collect();
    Configuration { routes, inhibit }
}

impl Configuration {
    /// As JSON, which is YAML.
    fn theirs(&self) -> Value {
        let mut receivers = vec![json!({"name": "root"})];
        receivers.extend(self.routes.iter().filter_map(|route| Some(json!({"name": route.receiver.as_ref()?}))));
        let inhibit = self.inhibit.iter().map(|rule| {
            json!({"source_matchers": rule["source"], "target_matchers": rule["target"], "equal": rule["equal"]})
        });
        json!({
            "route": {
                "receiver": "root", "group_by": ["alertname", "service"], "group_wait": "1h",
                "routes": self.below(None),
            },
            "receivers": receivers,
            "inhibit_rules": inhibit.collect::<Vec<_>>(),
        })
    }

    fn below(&self, parent: Option<usize>) -> Vec<Value> {
        let children = self.routes.iter().enumerate().filter(|(_, route)| route.parent == parent);
        children
            .map(|(index, route)| {
                let mut written = json!({
                    "matchers": route.matchers, "continue": route.continues, "routes": self.below(Some(index)),
                });
                if let Some(receiver) = &route.receiver {
                    written["receiver"] = json!(receiver);
                }
                if let Some(group_by) = &route.group_by {
                    written["group_by"] = json!(group_by);
                }
                written
            })
            .collect()
    }

    fn ours(&self) -> Value {
        let mut channels = vec![json!({"name": "ops", "webhook": {"url": "https://chat.acme.example/hook"}})];
        let mut routes = Vec::new();
        for (index, route) in self.routes.iter().enumerate() {
            let mut written =
                json!({"name": format!("r{index}"), "match": route.matchers, "continue": route.continues});
            if let Some(receiver) = &route.receiver {
                channels.push(json!({"name": receiver, "webhook": {"url": "https://chat.acme.example/hook"}}));
                written["notify"] = json!([{"channel": receiver}]);
            }
            if let Some(parent) = route.parent {
                written["under"] = json!(format!("r{parent}"));
            }
            if let Some(group_by) = &route.group_by {
                written["groupBy"] = json!(group_by);
            }
            routes.push(written);
        }
        json!({"channels": channels, "routes": routes, "inhibit": self.inhibit, "correlate": [], "severities": severities()})
    }
}

fn our_decisions(configuration: &Configuration, alerts: &[Labels], silences: &BTreeMap<String, Silence>) -> Decisions {
    let policy = policy_with_idle_parts(configuration.ours());
    let now = Timestamp::now();
    let silences: Vec<Silence> = silences.values().cloned().collect();
    let monitors = Standings::new();
    let firing: Vec<&Labels> = alerts.iter().collect();
    let surroundings = Surroundings {
        namespace: "payments",
        operator_namespace: "firstline-system",
        policy: Some(&policy),
        route: None,
        silences: &silences,
        firing: &firing,
        monitors: &monitors,
    };
    let read: Vec<Labels> = alerts.iter().map(as_we_read_it).collect();
    let sources = suppression::sources(&policy.inhibit, &read);
    let decide = |written: &Labels| {
        let (labels, severity) = routing::normalise(&policy, written);
        let route = routing::route(&policy, &labels, severity);
        let key = routing::group_key(&policy, &route, &labels);
        let receivers = route.notify.iter().map(|target| match target {
            NotifyTarget::Channel(name) => name.clone(),
            other => panic!("routes tell channels, not {other:?}"),
        });
        let muting = silences.iter().filter(|silence| silence.mutes("payments", "", written, now));
        let decision = Decision {
            // The last resort, which the root tells of a page.
            receivers: receivers.filter(|name| name != "ops").collect(),
            groups: BTreeSet::from([group_labels(&key, &labels)]),
            inhibited: sources.iter().any(|source| source.inhibits(&labels)),
            silenced_by: muting.map(|silence| silence.name.clone()).collect(),
        };
        let judged = suppression::judge([(written, now)], &surroundings, now);
        assert_eq!(
            judged.hold.is_some(),
            decision.inhibited || !decision.silenced_by.is_empty(),
            "one answer from all suppressors: {judged:?}"
        );
        (Fingerprint::of(&labels).to_string(), decision)
    };
    alerts.iter().map(decide).collect()
}

/// The labels that a group's key names, `r3:{a="x"}`, with the alert's values.
fn group_labels(key: &str, labels: &Labels) -> Labels {
    let pairs = key.split_once(":{").map_or("", |(_, rest)| rest.trim_end_matches('}'));
    let named = pairs.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
    let named: Labels = named.map(|name| (name.to_owned(), labels[name].clone())).collect();
    let written: Vec<String> = named.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    assert_eq!(written.join(","), pairs, "the key says what it groups by");
    named
}

/// A running Alertmanager.
pub(super) struct Peer {
    _process: Running,
    _port: Port,
    base: String,
    file: PathBuf,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct TheirAlert {
    fingerprint: String,
    receivers: Vec<Named>,
    status: TheirStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TheirStatus {
    silenced_by: BTreeSet<String>,
    inhibited_by: Vec<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct TheirGroup {
    labels: Labels,
    receiver: Named,
    alerts: Vec<TheirMember>,
}

#[derive(Deserialize)]
struct TheirMember {
    fingerprint: String,
}

impl Peer {
    pub(super) async fn start(seed: u64) -> Result<Self> {
        let home = oracles::folder("alertmanager.sh")?;
        let folder = scratch::folder(&format!("alertmanager-{seed}"));
        let file = folder.join("alertmanager.yml");
        fs::write(&file, json!({"route": {"receiver": "root"}, "receivers": [{"name": "root"}]}).to_string())?;
        let port = Port::reserve()?;
        let mut command = Command::new(home.join("usr/bin/prometheus-alertmanager"));
        command
            .current_dir(&home)
            // The zones of the release that we bundle, whatever this machine has.
            .env("ZONEINFO", oracles::folder("python.sh")?.join("tzdata/zoneinfo"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={}", port.address()))
            .args(["--cluster.listen-address=", "--log.level=warn"]);
        let process = Running::start("alertmanager", command, &folder.join("log"))?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let peer = Self { _process: process, base: format!("http://{}", port.address()), _port: port, file, client };
        eventually(Duration::from_secs(20), "Alertmanager", || async {
            peer.client.get(format!("{}/-/ready", peer.base)).send().await?.error_for_status()?;
            Ok(())
        })
        .await?;
        Ok(peer)
    }

    /// `None` when it refuses the body.
    pub(super) async fn post(&self, what: &str, body: &Value) -> Result<Option<Value>> {
        let answer = self
            .client
            .post(format!("{}/api/v2/{what}", self.base))
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await?;
        if answer.status() == 400 {
            return Ok(None);
        }
        let text = answer.error_for_status()?.text().await?;
        Ok(Some(serde_json::from_str(&text).unwrap_or_default()))
    }

    pub(super) async fn load(&self, configuration: &Value) -> Result<()> {
        fs::write(&self.file, configuration.to_string())?;
        let answer = self.client.post(format!("{}/-/reload", self.base)).send().await?;
        if !answer.status().is_success() {
            bail!("Alertmanager refuses\n{configuration}\n{}", answer.text().await?);
        }
        Ok(())
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, what: &str) -> Result<T> {
        let answer = self.client.get(format!("{}/api/v2/{what}", self.base)).send().await?.error_for_status()?;
        Ok(serde_json::from_str(&answer.text().await?)?)
    }

    /// An alert that is in no group yet has none here.
    async fn decisions(&self) -> Result<Decisions> {
        let alerts: Vec<TheirAlert> = self.get("alerts").await?;
        let groups: Vec<TheirGroup> = self.get("alerts/groups").await?;
        let mut by_alert: BTreeMap<(&str, &str), Vec<&Labels>> = BTreeMap::new();
        for group in &groups {
            for alert in &group.alerts {
                by_alert.entry((&alert.fingerprint, &group.receiver.name)).or_default().push(&group.labels);
            }
        }
        let decide = |alert: &TheirAlert| {
            // The owner is the first.
            let owner = alert.receivers.first()?;
            let groups = by_alert.get(&(&*alert.fingerprint, &*owner.name))?;
            let mut receivers: Vec<String> = Vec::new();
            for receiver in alert.receivers.iter().filter(|receiver| receiver.name != "root") {
                if !receivers.contains(&receiver.name) {
                    receivers.push(receiver.name.clone());
                }
            }
            let decision = Decision {
                receivers,
                groups: groups.iter().map(|labels| (*labels).clone()).collect(),
                inhibited: !alert.status.inhibited_by.is_empty(),
                silenced_by: alert.status.silenced_by.clone(),
            };
            Some((alert.fingerprint.clone(), decision))
        };
        Ok(alerts.iter().filter_map(decide).collect())
    }
}
