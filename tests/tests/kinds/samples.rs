//! The samples of `api`, each rule of the CRDs accepted and rejected, before the server that has the last word.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context, Result};
use tests::stage;

use crate::cluster;

/// One sample: what its first lines say about the server.
struct Sample {
    /// Parts of what the server says; empty when it accepts.
    server: Vec<String>,
    /// Whether it writes a field as null.
    has_null: bool,
}

fn samples(folder: &str) -> Result<BTreeMap<String, Sample>> {
    let mut samples = BTreeMap::new();
    for entry in fs::read_dir(stage::path("src/api/samples").join(folder))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let server: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("# server: ")).map(str::to_owned).collect();
        let has_null = text.contains(": null");
        let name = path.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
        samples.insert(name, Sample { server, has_null });
    }
    assert!(samples.len() > 20, "src/api/samples/{folder} has {} files", samples.len());
    Ok(samples)
}

/// kubectl's refusals by the file they are about. It goes on after a refusal.
fn refusals(stderr: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut current = String::new();
    for line in stderr.lines() {
        if let Some(at) = line.find("samples/") {
            current = line[at..]
                .split(['"', '\''])
                .next()
                .and_then(|path| path.rsplit('/').next())
                .unwrap_or_default()
                .to_owned();
        }
        let text = found.entry(current.clone()).or_default();
        text.push_str(line);
        text.push('\n');
    }
    found
}

#[tokio::test]
async fn the_server_accepts_what_the_samples_call_right() -> Result<()> {
    let plane = cluster().await?;
    let namespace = plane.namespace("accepted").await?;
    let folder = stage::path("src/api/samples/accepted");
    let created = plane
        .kubectl(&["-n", &namespace, "create", "--validate=strict", "-f", &folder.to_string_lossy()])
        .await?
        .ok()?;
    let count = samples("accepted")?.len();
    assert_eq!(created.lines().filter(|line| line.ends_with(" created")).count(), count, "{created}");
    Ok(())
}

/// Server-side apply reads an object by its schema first, another way in than a create: it drops no nulls but
/// those of fields with a default. What comes from Git is stripped of them before.
#[tokio::test]
async fn server_side_apply_accepts_the_same_samples_but_for_nulls() -> Result<()> {
    let plane = cluster().await?;
    let namespace = plane.namespace("accepted").await?;
    let folder = stage::path("src/api/samples/accepted");
    let apply = ["-n", &namespace, "apply", "--server-side", "--validate=strict", "-f", &folder.to_string_lossy()];
    let output = plane.kubectl(&apply).await?;
    let taken = applied(&output.stdout);
    for (file, sample) in samples("accepted")? {
        assert!(taken.contains(file.trim_end_matches(".yaml")) || sample.has_null, "{file}: {}", output.stderr);
    }
    for refusal in output.stderr.lines() {
        assert!(refusal.contains(r#"Invalid value: "null""#), "{refusal}");
    }
    Ok(())
}

/// Each file has an object and its next version; a status is written where it says so.
#[tokio::test]
async fn what_may_change_changes_and_what_may_not_is_refused_in_the_words_the_samples_expect() -> Result<()> {
    let plane = cluster().await?;
    let namespace = plane.namespace("changes").await?;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(stage::path("src/api/samples/changes"))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let (before, after) =
            text.split_once("\n---\n").with_context(|| format!("{}: one document", path.display()))?;
        let admin = plane.kubectl_with(&plane.admin_kubeconfig());
        let created =
            admin.run_with_input(&["-n", &namespace, "create", "-o", "name", "-f", "-"], before).await?.ok()?;
        let mut patch = vec!["-n", &namespace, "patch", created.trim(), "--type=merge", "-p"];
        let mut answers = Vec::new();
        if text.contains("\n# subresource: status\n") {
            for version in [before, after] {
                let arguments = [&patch[..], &[version, "--subresource=status"]].concat();
                answers.push(plane.kubectl(&arguments).await?);
            }
        } else {
            patch.push(after);
            answers.push(plane.kubectl(&patch).await?);
        }
        let last = answers.pop().context("an answer")?;
        for earlier in answers {
            earlier.ok()?;
        }
        let expected = text.lines().find_map(|line| line.strip_prefix("# server: "));
        let fits = match expected {
            Some(words) => !last.status.success() && last.stderr.contains(words),
            None => last.status.success(),
        };
        if !fits {
            wrong.push(format!("{}: expected {expected:?}, found {last:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The names in kubectl's answer to an apply.
fn applied(stdout: &str) -> BTreeSet<String> {
    stdout
        .lines()
        .filter_map(|line| line.strip_suffix(" serverside-applied")?.split('/').nth(1).map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn the_server_refuses_what_the_samples_call_wrong_in_the_words_they_expect() -> Result<()> {
    let plane = cluster().await?;
    let namespace = plane.namespace("rejected").await?;
    let folder = stage::path("src/api/samples/rejected");
    let output =
        plane.kubectl(&["-n", &namespace, "create", "--validate=strict", "-f", &folder.to_string_lossy()]).await?;
    let said = refusals(&output.refused()?);
    let mut wrong = Vec::new();
    for (file, sample) in samples("rejected")? {
        let found = said.get(&file).cloned().unwrap_or_default();
        let fits = if sample.server.is_empty() {
            found.is_empty()
        } else {
            sample.server.iter().all(|words| found.contains(words))
        };
        if !fits {
            wrong.push(format!("{file}: expected {:?}, found {found:?}", sample.server));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn server_side_apply_refuses_the_same_samples() -> Result<()> {
    let plane = cluster().await?;
    let namespace = plane.namespace("rejected").await?;
    let mut wrong = Vec::new();
    let folder = stage::path("src/api/samples/rejected");
    let output = plane
        .kubectl(&["-n", &namespace, "apply", "--server-side", "--validate=strict", "-f", &folder.to_string_lossy()])
        .await?;
    let taken = applied(&output.stdout);
    output.refused()?;
    for (file, sample) in samples("rejected")? {
        let name = file.trim_end_matches(".yaml");
        if taken.contains(name) != sample.server.is_empty() {
            wrong.push(format!("{file}: taken {}, expected {:?}", taken.contains(name), sample.server));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
