//! On a folder that holds one fault of each sort.

use std::{fs, path::Path};

use super::{super::fixtures, *};

const POLICY: &str = r#"apiVersion: firstline.dev/v1alpha1
kind: SupportPolicy
metadata: {name: payments, namespace: payments}
spec:
  lastResort: [{channel: ops}]
  people:
    - {name: ada, email: ada@acme.example, notify: [{channel: mail}]}
  channels:
    - {name: ops, webhook: {url: "https://hooks.acme.example/ops"}}
    - {name: mail, email: {from: support@acme.example, smarthost: "smtp.acme.example:587"}}
  schedules:
    - name: primary
      timeZone: Europe/Berlin
      layers:
        - {name: week, people: [ada], start: "START", handover: "09:00", every: 1w}
  escalations:
    - {name: page, steps: [{after: 0s, notify: [{schedule: primary}]}]}
  routes:
    - {name: pages, match: ['severity="page"'], escalation: page, priority: P1}
    - {name: rest, notify: [{channel: ops}]}
"#;

fn monitor(name: &str, namespace: &str, interval: &str) -> String {
    format!(
        "apiVersion: firstline.dev/v1alpha1\nkind: ServiceMonitor\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  service: {name}\n  interval: {interval}\n  probe: {{http: {{url: \"https://{name}.acme.example/healthz\"}}}}\n"
    )
}

fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// What is printed, with the folder's own path taken out.
fn run(folder: &Path, form: ReportForm, terminal: bool) -> (Exit, String) {
    run_with(folder, &ValidateArgs { output: form, ..args(folder) }, terminal)
}

fn args(folder: &Path) -> ValidateArgs {
    ValidateArgs {
        paths: vec![folder.to_owned()],
        namespace: "default".into(),
        strict: false,
        output: ReportForm::Human,
    }
}

fn run_with(folder: &Path, args: &ValidateArgs, terminal: bool) -> (Exit, String) {
    let (mut results, mut progress) = (Vec::new(), Vec::new());
    let mut output = Output::new(&mut results, &mut progress);
    output.terminal = terminal;
    let exit = validate(args, fixtures::now(), &mut output).unwrap();
    let prefix = format!("{}/", folder.display());
    (exit, String::from_utf8([results, progress].concat()).unwrap().replace(&prefix, ""))
}

fn faulty() -> tempfile::TempDir {
    folder(&[
        ("policy.yaml", POLICY.replace("START", "2026-12-07")),
        ("monitors/checkout.yaml", format!("{}---\n{}", monitor("checkout", "payments", "2"), monitor("search", "shop", "30s"))),
        ("monitors/twice.yaml", "a: 1\na: 2\n".to_owned()),
        ("kinds.yaml", "apiVersion: v1\nkind: Deployment\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: payments}\n".to_owned()),
        ("silence.yaml", "apiVersion: firstline.dev/v1alpha1\nkind: Silence\nmetadata: {name: s, namespace: payments}\nspec: {matchers: ['service=\"a\"'], startsAt: \"2026-11-23T00:00:00Z\", endsAt: \"2026-11-24T00:00:00Z\", reason: r}\n".to_owned()),
    ])
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let folder = faulty();
    let (exit, text) = run(folder.path(), ReportForm::Human, false);
    assert_eq!(exit, Exit::No);
    insta::assert_snapshot!(text);
}

#[test]
fn on_a_terminal_the_line_is_shown_with_a_caret() {
    let folder = folder(&[("checkout.yaml", monitor("checkout", "payments", "2"))]);
    let (_, text) = run(folder.path(), ReportForm::Human, true);
    insta::assert_snapshot!(text);
}

#[test]
fn the_form_for_machines_is_stable() {
    let (exit, text) = run(faulty().path(), ReportForm::Json, false);
    assert_eq!(exit, Exit::No);
    insta::assert_snapshot!(text);
}

#[test]
fn annotations_stand_where_github_shows_them() {
    let folder = faulty();
    let (_, text) = run(folder.path(), ReportForm::Github, false);
    insta::assert_snapshot!(text);
}

#[test]
fn a_good_folder_is_valid_and_says_how_much_was_looked_at() {
    let folder = folder(&[
        ("policy.yaml", POLICY.replace("START", "2026-11-02")),
        ("a/checkout.yaml", monitor("checkout", "payments", "30s")),
    ]);
    let (exit, text) = run(folder.path(), ReportForm::Human, false);
    assert_eq!((exit, text.as_str()), (Exit::Done, "2 objects in 2 files: no problems\n"));
}

#[test]
fn a_warning_alone_is_a_failure_only_when_asked_to_be_strict() {
    let folder = folder(&[("checkout.yaml", monitor("checkout", "payments", "30s"))]);
    for (strict, expected) in [(false, Exit::Done), (true, Exit::No)] {
        let (exit, text) = run_with(folder.path(), &ValidateArgs { strict, ..args(folder.path()) }, false);
        assert_eq!(exit, expected);
        assert!(text.ends_with("1 object in 1 file: 1 warning\n"), "{text}");
    }
}

/// `firstline validate . | head -1`, when head has read enough.
struct Gone;

impl std::io::Write for Gone {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn who_reads_only_the_beginning_gets_the_same_verdict() {
    let (good, faulty) = (folder(&[("policy.yaml", POLICY.replace("START", "2026-11-02"))]), faulty());
    for (folder, expected) in [(good, Exit::Done), (faulty, Exit::No)] {
        let exit = validate(&args(folder.path()), fixtures::now(), &mut Output::new(&mut Gone, &mut Vec::new()));
        assert_eq!(exit.unwrap(), expected);
    }
}

#[test]
fn without_a_warning_strict_is_content() {
    let folder = folder(&[("policy.yaml", POLICY.replace("START", "2026-11-02"))]);
    let (exit, text) = run_with(folder.path(), &ValidateArgs { strict: true, ..args(folder.path()) }, false);
    assert_eq!((exit, text.as_str()), (Exit::Done, "1 object in 1 file: no problems\n"));
}

#[test]
fn folders_of_several_sources_are_to_be_validated_one_by_one() {
    let policy = POLICY.replace("START", "2026-11-02");
    let folder = folder(&[("demo/policy.yaml", policy.clone()), ("production/policy.yaml", policy)]);
    let (exit, text) = run(folder.path(), ReportForm::Human, false);
    assert_eq!(exit, Exit::No);
    let words = "run instead, one by one:\n  firstline validate demo\n  firstline validate production\n";
    assert!(text.ends_with(words), "{text}");
}

#[test]
fn what_breaks_an_annotation_is_escaped() {
    let problem = FileError::at("a,b:c.yaml", (1, 2), "100%\nof it");
    assert_eq!(annotation(&problem), "::error file=a%2Cb%3Ac.yaml,line=1,col=2::100%25%0Aof it");
}
