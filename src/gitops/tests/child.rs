//! Fetches in a child process. This test has a `main` of its own, because it is the child too: started with
//! `internal-fetch`, as the operator starts itself, it is nothing else.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    dead_code
)]

mod git_server;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use git_server::{Behaviour, GitServer, basic, commit, request};
use gitops::child::{self, fetch_in_child};
use gitops::fetch::{Budget, Budgets, Credentials, FetchError, FetchFailure, FetchReport, FetchRequest, History};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("internal-fetch") {
        return child::main();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        a_child_fetches_with_credentials_that_only_its_stdin_holds().await;
        a_failure_in_the_child_arrives_with_its_class().await;
        a_child_leaves_a_hanging_server_at_its_deadline().await;
        a_child_that_does_not_end_is_killed_at_the_deadline().await;
        a_child_that_says_nothing_is_told_from_one_that_failed().await;
        a_child_over_its_memory_ends_alone().await;
        a_dropped_fetch_takes_its_child_with_it().await;
    });
    println!("test result: ok. 7 passed");
    ExitCode::SUCCESS
}

async fn fetch_here(request: &FetchRequest) -> Result<FetchReport, FetchError> {
    fetch_in_child(&std::env::current_exe().unwrap(), &["internal-fetch"], request).await
}

async fn a_child_fetches_with_credentials_that_only_its_stdin_holds() {
    let place = tempfile::tempdir().unwrap();
    let tip = commit(&place.path().join("support.git"), "main", &[("a.yaml", b"a: 1")], false);
    let server = GitServer::with(place.path(), Some(basic("ada", "s3cret")), true);
    let mut request = request(&server.url("support.git"), &place.path().join("mirror"));
    request.credentials = Credentials::Basic { username: "ada".into(), password: "s3cret".into() };
    request.ca.clone_from(&server.ca);
    let report = fetch_here(&request).await.unwrap();
    assert_eq!((report.commit, report.history), (tip, History::First));
}

async fn a_failure_in_the_child_arrives_with_its_class() {
    let place = tempfile::tempdir().unwrap();
    let request = request(&format!("file://{}", place.path().join("nothing").display()), &place.path().join("mirror"));
    let error = fetch_here(&request).await.unwrap_err();
    assert_eq!(error.failure, FetchFailure::RepositoryNotFound, "{error}");
}

async fn a_child_leaves_a_hanging_server_at_its_deadline() {
    let place = tempfile::tempdir().unwrap();
    let server = GitServer::start(place.path());
    server.behave(Behaviour::Hang);
    let mut request = request(&server.url("support.git"), &place.path().join("mirror"));
    request.timeout = Duration::from_millis(300);
    let error = fetch_here(&request).await.unwrap_err();
    assert_eq!(error.failure, FetchFailure::Timeout, "{error}");
    assert!(error.message.contains("waiting for the answer"), "the child says in its own words: {error}");
}

async fn a_child_that_does_not_end_is_killed_at_the_deadline() {
    let mut request = request("https://git.example/a.git", Path::new("/nonexistent"));
    request.timeout = Duration::from_millis(10);
    let error = fetch_in_child(Path::new("/bin/sleep"), &["600"], &request).await.unwrap_err();
    assert_eq!(error.failure, FetchFailure::Timeout);
    assert_eq!(error.message, "https://git.example/a.git: the fetch did not end within 0.01 s and was killed");
}

async fn a_child_that_says_nothing_is_told_from_one_that_failed() {
    let request = request("https://git.example/a.git", Path::new("/nonexistent"));
    let error = fetch_in_child(Path::new("/bin/false"), &[], &request).await.unwrap_err();
    assert_eq!(error.failure, FetchFailure::Child);
    assert!(error.message.contains("ended without a report (exit status: 1)"), "{error}");
    let error = fetch_in_child(Path::new("/nowhere/firstline"), &[], &request).await.unwrap_err();
    assert!(error.message.starts_with("/nowhere/firstline: "), "{error}");
}

async fn a_child_over_its_memory_ends_alone() {
    let place = tempfile::tempdir().unwrap();
    // 400 MB of nothing, which Git stores in 400 kB: the pack of a bomb.
    let bomb = vec![0; 400 << 20];
    commit(&place.path().join("support.git"), "main", &[("bomb.yaml", &bomb)], false);
    drop(bomb);
    let mut request = request(&format!("file://{}/support.git", place.path().display()), &place.path().join("mirror"));
    request.budgets = Budgets { memory_bytes: 300 << 20, ..Budgets::default() };
    let error = fetch_here(&request).await.unwrap_err();
    assert_eq!(error.failure, FetchFailure::BudgetExceeded(Budget::Memory), "{error}");
}

async fn a_dropped_fetch_takes_its_child_with_it() {
    let place = tempfile::tempdir().unwrap();
    let mark = place.path().join("pid");
    let request = request("https://git.example/a.git", Path::new("/nonexistent"));
    let script = format!("echo $$ > {}.new && mv {0}.new {0} && exec sleep 600", mark.display());
    let args = ["-c", script.as_str()];
    let pid = {
        let fetch = fetch_in_child(Path::new("/bin/sh"), &args, &request);
        let started = async {
            while !mark.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            std::fs::read_to_string(&mark).unwrap().trim().to_owned()
        };
        tokio::select! {
            _ = fetch => panic!("it cannot end"),
            pid = started => pid,
        }
    };
    // Killed at once, reaped by the runtime a moment later.
    let gone = async {
        while Path::new("/proc").join(&pid).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the child must be gone");
}
