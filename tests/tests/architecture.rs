//! The structure that ARCHITECTURE.md promises, read from the manifests and the
//! sources: which crate may use which, what the pure rules must not touch, and
//! that every file says what it is for. Each finding names the file and the
//! reason.
//!
//! Tests are held to the edges between crates, but may read files and clocks.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot read the tree has failed")]

#[path = "architecture/source.rs"]
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use source::Source;

/// Which of our crates each crate may use.
const EDGES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("api", &["domain"]),
    ("gitops", &["domain"]),
    ("probes", &["domain"]),
    ("notify", &["domain"]),
    ("operator", &["api", "gitops", "probes", "notify", "domain"]),
];

/// The pure rules: time, ids and seeds are arguments.
const DOMAIN_CRATES: &[&str] = &[
    "tokio",
    "tokio-util",
    "kube",
    "k8s-openapi",
    "hyper",
    "hyper-util",
    "git2",
    "reqwest",
    "axum",
    "tower",
    "futures",
    "rustls",
    "tokio-rustls",
    "lettre",
    "hickory-resolver",
    "libc",
    "tracing",
    "prometheus-client",
];
const DOMAIN_PATHS: &[(&str, &str)] = &[
    ("std::fs", "files are read at the edges"),
    ("std::net", "no sockets; only the address types are allowed"),
    ("std::process", "no processes"),
    ("std::env", "configuration is an argument"),
    ("std::thread", "no threads"),
    ("std::time::Instant", "time is an argument"),
    ("std::time::SystemTime", "time is an argument"),
    ("std::time::UNIX_EPOCH", "time is an argument"),
    ("jiff::Timestamp::now", "time is an argument"),
    ("jiff::Zoned::now", "time is an argument"),
    ("Timestamp::now", "time is an argument"),
    ("Zoned::now", "time is an argument"),
    ("Instant::now", "time is an argument"),
    ("SystemTime::now", "time is an argument"),
    ("Uuid::new_v4", "ids are derived, not drawn"),
];
/// Parts of `std::net` that are values.
const ADDRESSES: &[&str] =
    &["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr", "SocketAddrV4", "SocketAddrV6", "AddrParseError"];

/// The adapters know nothing of Kubernetes.
const WITHOUT_KUBERNETES: &[&str] = &["gitops", "probes", "notify"];
const KUBERNETES: &[&str] = &["kube", "k8s-openapi"];

/// Past this a file is split by meaning.
const LONGEST: usize = 600;

/// Words that stand for work not done.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "FIXME", "TODO", "XXX"];

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let manifests = manifests();
    assert_eq!(
        manifests
            .iter()
            .map(|m| m.name.as_str())
            .filter(|name| EDGES.iter().all(|(known, _)| known != name))
            .collect::<Vec<_>>(),
        Vec::<&str>::new(),
        "a crate of src/ that this test does not know: add it to EDGES with what it may use"
    );
    report(&manifests.iter().flat_map(Manifest::findings).collect::<Vec<_>>());
}

#[test]
fn sources_keep_to_what_their_crate_may_touch() {
    report(&sources().iter().flat_map(path_findings).collect::<Vec<_>>());
}

#[test]
fn files_say_what_they_are_for_are_short_and_are_finished() {
    report(&sources().iter().flat_map(shape_findings).collect::<Vec<_>>());
}

#[test]
fn alert_rules_and_pages_name_only_metrics_that_are_declared() {
    let declared: Vec<Source> =
        sources().into_iter().filter(|source| source.file.starts_with("src/operator/telemetry/")).collect();
    // What the library adds to a name: by type, then by unit.
    let bare = |name: &str| {
        let by_type = ["_total", "_bucket"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned();
        by_type.strip_suffix("_seconds").map_or(by_type.clone(), str::to_owned)
    };
    let is_declared = |name: &str| {
        [name, &bare(name)]
            .iter()
            .any(|name| declared.iter().any(|source| source.text.contains(&format!("\"{name}\""))))
    };
    let mut findings = Vec::new();
    for file in ["examples/prometheus/firstline-rules.yaml", "docs/self-watch.md"] {
        let text = fs::read_to_string(root().join(file)).expect("it is there");
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let names: Vec<&str> = words.filter(|word| word.starts_with("firstline_")).collect();
        assert!(names.len() > 10, "{file} names {} metrics", names.len());
        let unknown = names.into_iter().filter(|name| !is_declared(name));
        findings.extend(unknown.map(|name| format!("{file}: no metric is called {name}")));
    }
    report(&findings);
}

struct Manifest {
    name: String,
    file: String,
    /// Name and kind (`None` for a normal one) of each dependency.
    dependencies: Vec<(String, Option<String>)>,
}

impl Manifest {
    fn findings(&self) -> Vec<String> {
        let allowed = EDGES.iter().find(|(name, _)| *name == self.name).map_or(&[][..], |(_, allowed)| *allowed);
        let mut findings = Vec::new();
        for (dependency, kind) in &self.dependencies {
            let mut finding = |why: &str| {
                findings.push(format!("{}: `{}` depends on `{dependency}`: {why}", self.file, self.name));
            };
            if EDGES.iter().any(|(ours, _)| ours == dependency) && !allowed.contains(&dependency.as_str()) {
                finding(&format!("it may only use {allowed:?} of our crates"));
            }
            if KUBERNETES.contains(&dependency.as_str()) && WITHOUT_KUBERNETES.contains(&self.name.as_str()) {
                finding("this crate has no Kubernetes client");
            }
            let pure = self.name == "domain" && kind.is_none();
            if pure && DOMAIN_CRATES.contains(&dependency.as_str()) {
                finding("the rules are pure; pass in what they need");
            }
        }
        findings
    }
}

/// The paths that a file names, against what its crate may touch.
fn path_findings(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let krate = source.krate();
    let allowed = EDGES.iter().find(|(name, _)| *name == krate).map_or(&[][..], |(_, allowed)| *allowed);
    for (line, path, in_tests) in source.paths() {
        let mut finding = |why: &str| findings.push(format!("{}:{line}: `{path}`: {why}", source.file));
        let root = path.split("::").next().unwrap_or_default();
        // `api::…` may be a module of the crate itself; then it is no edge.
        let ours = EDGES.iter().any(|(ours, _)| *ours == root) && root != krate && !source.has_module(root);
        if ours && path.contains("::") && !allowed.contains(&root) {
            finding(&format!("`{krate}` may only use {allowed:?} of our crates"));
        }
        if WITHOUT_KUBERNETES.contains(&krate) && ["kube", "k8s_openapi"].contains(&root) && !source.has_module(root) {
            finding("this crate has no Kubernetes client");
        }
        if krate == "domain" && !in_tests {
            if DOMAIN_CRATES.iter().any(|name| name.replace('-', "_") == root) && path.contains("::") {
                finding("the rules are pure; pass in what they need");
            }
            let banned =
                DOMAIN_PATHS.iter().find(|(prefix, _)| path == *prefix || path.starts_with(&format!("{prefix}::")));
            if let Some((prefix, why)) = banned {
                let address =
                    *prefix == "std::net" && path.split("::").nth(2).is_some_and(|name| ADDRESSES.contains(&name));
                if !address {
                    finding(why);
                }
            }
        }
    }
    findings
}

fn shape_findings(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = source.text.lines().count();
    if lines > LONGEST {
        findings.push(format!("{}: {lines} lines; past {LONGEST} a file is split by meaning", source.file));
    }
    // A sibling tests.rs belongs to the module above it, whose header speaks for both.
    if !source.text.starts_with("//!") && !source.file.ends_with("/tests.rs") {
        findings.push(format!("{}: no `//!` header: say what it is for and what it does not do", source.file));
    }
    for (number, line) in source.text.lines().enumerate() {
        for word in UNFINISHED {
            if source::has_word(line, word) {
                findings.push(format!("{}:{}: `{word}` stands for work not done", source.file, number + 1));
            }
        }
    }
    findings
}

fn report(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("tests/ lies in the workspace")
}

/// The manifests of src/, as cargo itself reads them.
fn manifests() -> Vec<Manifest> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let relative = |path: &str| Path::new(path).strip_prefix(root()).map(|p| p.display().to_string());
    let mut manifests = Vec::new();
    for package in metadata["packages"].as_array().expect("a list of packages") {
        let path = text(&package["manifest_path"]).expect("a manifest has a path");
        let file = relative(&path).expect("a member lies in the workspace");
        if !file.starts_with("src/") {
            continue;
        }
        let dependencies = package["dependencies"].as_array().expect("a list of dependencies").iter();
        manifests.push(Manifest {
            name: text(&package["name"]).expect("a package has a name"),
            file,
            dependencies: dependencies
                .map(|d| (text(&d["name"]).expect("a dependency has a name"), text(&d["kind"])))
                .collect(),
        });
    }
    assert!(manifests.len() >= EDGES.len(), "only {} manifests found under src/", manifests.len());
    manifests
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(root()).expect("a source lies in the workspace").display().to_string();
                sources.push(Source::new(&file, &fs::read_to_string(&path).expect("a source is text")));
            }
        }
    }
    assert!(sources.len() > EDGES.len(), "only {} sources found under src/", sources.len());
    // A module of a crate may be called like another crate.
    let modules: Vec<(String, String)> =
        sources.iter().flat_map(|s| s.declared_modules().into_iter().map(|m| (s.krate().to_owned(), m))).collect();
    for source in &mut sources {
        let krate = source.krate().to_owned();
        source.crate_modules = modules.iter().filter(|(k, _)| *k == krate).map(|(_, m)| m.clone()).collect();
    }
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    sources
}

#[test]
fn a_forbidden_edge_in_a_manifest_is_found() {
    let manifest = |name: &str, dependency: &str, kind: Option<&str>| Manifest {
        name: name.into(),
        file: "x".into(),
        dependencies: vec![(dependency.into(), kind.map(str::to_owned))],
    };
    for (name, dependency, kind, found) in [
        ("domain", "tokio", None, true),
        ("domain", "rstest", Some("dev"), false),
        ("domain", "api", Some("dev"), true),
        ("probes", "notify", None, true),
        ("probes", "operator", None, true),
        ("gitops", "kube", Some("dev"), true),
        ("api", "kube", None, false),
        ("api", "gitops", None, true),
        ("operator", "notify", None, false),
    ] {
        let findings = manifest(name, dependency, kind).findings();
        assert_eq!(!findings.is_empty(), found, "{name} -> {dependency}: {findings:?}");
    }
}

#[test]
fn a_forbidden_path_in_a_source_is_found() {
    for (file, text, found) in [
        ("src/domain/a.rs", "use std::{fmt, fs::File};", true),
        ("src/domain/a.rs", "use std::net::{IpAddr, SocketAddr};", false),
        ("src/domain/a.rs", "use std::net::{IpAddr, TcpStream};", true),
        ("src/domain/a.rs", "fn f() { let t = std::time::Instant::now(); }", true),
        ("src/domain/a.rs", "fn f() { let t = jiff::Timestamp::now(); }", true),
        ("src/domain/a.rs", "use std::time::Duration;", false),
        ("src/domain/a.rs", "// std::fs is for the edges\nconst A: &str = \"std::fs\";", false),
        ("src/domain/a.rs", "/* a /* nested */ std::fs */ fn f<'a>(x: &'a str) -> char { '\"' }", false),
        ("src/domain/a.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n}", false),
        ("src/domain/a.rs", "#[cfg(test)]\nmod tests {}\nuse std::fs;", true),
        ("src/domain/tests.rs", "use std::fs;", false),
        ("src/domain/a.rs", "use api::Ticket;", true),
        ("src/notify/a.rs", "use probes::Probe;", true),
        ("src/notify/a.rs", "use kube::Client;", true),
        ("src/notify/a.rs", "use self::kube::Client; mod kube;", false),
        ("src/api/a.rs", "use kube::Client; use domain::Alert;", false),
        ("src/operator/a.rs", "use notify::Message; use crate::kube::Client;", false),
    ] {
        let findings = path_findings(&Source::new(file, text));
        assert_eq!(!findings.is_empty(), found, "{file}: {text}: {findings:?}");
    }
}

#[test]
fn an_unfinished_or_unexplained_file_is_found() {
    let long = format!("//! Long.\n{}", "\n".repeat(LONGEST));
    for (text, found) in [
        ("//! Good.\n", 0),
        ("fn main() {}\n", 1),
        ("//! Says.\n// FIXME later\nfn f() { todo!() }\n", 2),
        ("//! A mastodon!(x) and a FIXMEUP are words of their own.\n", 0),
        (long.as_str(), 1),
    ] {
        let findings = shape_findings(&Source::new("src/api/a.rs", text));
        assert_eq!(findings.len(), found, "{findings:?}");
    }
}
