//! Fetches from real servers on loopback and from repositories on disk.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod git_server;

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use git_server::{Behaviour, GitServer, basic, commit, noise, request};
use gitops::fetch::{Budget, Budgets, Credentials, FetchError, FetchFailure, FetchRequest, History, fetch};
use gitops::tree::{TreeBudgets, read_commit};
use rstest::rstest;
use tempfile::TempDir;

/// A folder with the bare repository `support.git`, and a place for a mirror.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn commit(&self, files: &[(&str, &[u8])]) -> String {
        commit(&self.folder.path().join("support.git"), "main", files, false)
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn request(&self, url: &str) -> FetchRequest {
        request(url, &self.root().join("mirror"))
    }

    fn file_url(&self) -> String {
        format!("file://{}/support.git", self.root().display())
    }
}

fn failure(result: Result<impl std::fmt::Debug, FetchError>) -> FetchError {
    result.expect_err("the fetch must fail")
}

#[derive(Clone, Copy)]
enum Over {
    File,
    Http,
    Https,
}

#[rstest]
#[case::file(Over::File)]
#[case::http(Over::Http)]
#[case::https(Over::Https)]
fn a_branch_is_fetched_and_followed_as_it_grows_and_is_rewritten(#[case] over: Over) {
    let place = Place::new();
    let first = place.commit(&[("production/a.yaml", b"a: 1")]);
    let server = GitServer::with(place.root(), None, matches!(over, Over::Https));
    let mut request = place.request(&match over {
        Over::File => place.file_url(),
        Over::Http | Over::Https => server.url("support.git"),
    });
    request.ca.clone_from(&server.ca);

    let report = fetch(&request).unwrap();
    assert_eq!((report.commit.as_str(), report.history), (first.as_str(), History::First));
    let tree = read_commit(&request.mirror, &first, "production", TreeBudgets::default()).unwrap();
    assert_eq!(tree.files[0].bytes, b"a: 1");

    let report = fetch(&request).unwrap();
    assert_eq!((report.history.clone(), report.received_objects), (History::Same, 0));

    let second = place.commit(&[("production/b.yaml", b"b: 1")]);
    let report = fetch(&request).unwrap();
    assert_eq!((report.commit.as_str(), report.history.clone()), (second.as_str(), History::Forward));
    assert_eq!(report.received_objects, 4, "commit, two folders, one file");
    assert_eq!(report.revision(), format!("main@sha1:{second}"));

    let repository = place.root().join("support.git");
    commit(&repository, "main", &[("production/a.yaml", b"a: 2")], true);
    assert_eq!(fetch(&request).unwrap().history, History::Rewritten);

    // Asked about an earlier commit, it says so again, also when nothing of that commit is left.
    assert_eq!(fetch(&request).unwrap().history, History::Same);
    request.since = Some(second);
    assert_eq!(fetch(&request).unwrap().history, History::Rewritten);
    std::fs::remove_dir_all(&request.mirror).unwrap();
    assert_eq!(fetch(&request).unwrap().history, History::Rewritten);
}

#[test]
fn a_branch_that_goes_back_is_noticed() {
    let place = Place::new();
    let first = place.commit(&[("a.yaml", b"a: 1")]);
    place.commit(&[("a.yaml", b"a: 2")]);
    let request = place.request(&place.file_url());
    fetch(&request).unwrap();
    let repository = git2::Repository::open_bare(place.root().join("support.git")).unwrap();
    repository.reference("refs/heads/main", first.parse().unwrap(), true, "back").unwrap();
    assert_eq!(fetch(&request).unwrap().history, History::Backward);
}

#[test]
fn a_long_history_is_negotiated_in_several_rounds() {
    let place = Place::new();
    for number in 0..60 {
        place.commit(&[("a.yaml", format!("a: {number}").as_bytes())]);
    }
    let server = GitServer::start(place.root());
    let request = place.request(&server.url("support.git"));
    fetch(&request).unwrap();
    // Forty commits of ours that the server does not know, before the one both know.
    for number in 0..40 {
        commit(&request.mirror, "main", &[("b.yaml", format!("b: {number}").as_bytes())], false);
    }
    let tip = place.commit(&[("a.yaml", b"a: last")]);
    let report = fetch(&request).unwrap();
    assert_eq!((report.commit.as_str(), report.received_objects), (tip.as_str(), 3));
}

#[rstest]
#[case::password(basic("ada", "s3cret"), Credentials::Basic { username: "ada".into(), password: "s3cret".into() })]
#[case::password_from_a_file_with_a_line_break(basic("ada", "s3cret"), Credentials::Basic { username: "ada".into(), password: "s3cret\n".into() })]
#[case::token("Bearer t0ken".to_owned(), Credentials::Bearer { token: "t0ken".into() })]
fn credentials_open_a_private_repository(#[case] expected: String, #[case] credentials: Credentials) {
    let place = Place::new();
    let tip = place.commit(&[("a.yaml", b"a: 1")]);
    let server = GitServer::with(place.root(), Some(expected), false);
    let request = FetchRequest { credentials, ..place.request(&server.url("support.git")) };
    assert_eq!(fetch(&request).unwrap().commit, tip);
}

#[rstest]
#[case::none(Credentials::None, "the server asks for credentials and none are given; name a Secret in `secretRef`")]
#[case::wrong(Credentials::Basic { username: "ada".into(), password: "hunter2".into() }, "the server refused the credentials (401)")]
fn refused_credentials_are_told_from_missing_ones_and_never_repeated(
    #[case] credentials: Credentials,
    #[case] expected: &str,
) {
    let place = Place::new();
    place.commit(&[("a.yaml", b"a: 1")]);
    let server = GitServer::with(place.root(), Some(basic("ada", "s3cret")), false);
    let request = FetchRequest { credentials, ..place.request(&server.url("support.git")) };
    let error = failure(fetch(&request));
    assert_eq!(error.failure, FetchFailure::AuthenticationFailed);
    assert_eq!(error.message, format!("{}: {expected}", request.url));
    assert!(!format!("{error:?} {request:?}").contains("hunter2"));
    assert!(server.authorized_requests.load(Ordering::SeqCst) <= 1, "refused credentials are not tried again");
}

#[test]
fn a_missing_branch_names_those_that_are_there() {
    let place = Place::new();
    place.commit(&[("a.yaml", b"a: 1")]);
    commit(&place.root().join("support.git"), "staging", &[("a.yaml", b"a: 1")], false);
    let request = FetchRequest { branch: "production".to_owned(), ..place.request(&place.file_url()) };
    let error = failure(fetch(&request));
    assert_eq!(error.failure, FetchFailure::BranchNotFound);
    assert_eq!(error.message, "the repository has no branch `production`; it has main, staging");
}

#[test]
fn a_missing_repository_is_told_over_http_and_on_disk() {
    let place = Place::new();
    let server = GitServer::start(place.root());
    let url = server.url("nothing.git");
    let error = failure(fetch(&place.request(&url)));
    assert_eq!(error.failure, FetchFailure::RepositoryNotFound);
    assert_eq!(error.message, format!("{url}: no repository is there (404); a private one needs credentials"));

    let error = failure(fetch(&place.request(&place.file_url())));
    assert_eq!(error.failure, FetchFailure::RepositoryNotFound);
    std::fs::create_dir(place.root().join("support.git")).unwrap();
    let error = failure(fetch(&place.request(&place.file_url())));
    assert_eq!(error.failure, FetchFailure::RepositoryNotFound, "{error}");
}

#[rstest]
#[case::silent(Behaviour::Hang, "127.0.0.1:{port}: waiting for the answer: no answer within the deadline")]
#[case::dripping(Behaviour::Drip, "127.0.0.1:{port}: waiting for the answer: no answer within the deadline")]
fn a_server_that_never_ends_its_answer_is_left_at_the_deadline(#[case] behaviour: Behaviour, #[case] expected: &str) {
    let place = Place::new();
    let server = GitServer::start(place.root());
    server.behave(behaviour);
    let mut request = place.request(&server.url("support.git"));
    request.timeout = Duration::from_millis(300);
    let error = failure(fetch(&request));
    assert_eq!(error.failure, FetchFailure::Timeout);
    assert_eq!(error.message, expected.replace("{port}", &server.address.port().to_string()));
}

#[test]
fn a_tls_handshake_that_never_ends_is_left_at_the_deadline() {
    let place = Place::new();
    let server = GitServer::with(place.root(), None, true);
    server.behave(Behaviour::Hang);
    let mut request = place.request(&server.url("support.git"));
    request.timeout = Duration::from_millis(300);
    request.ca.clone_from(&server.ca);
    let error = failure(fetch(&request));
    assert_eq!(error.failure, FetchFailure::Timeout);
    assert!(error.message.contains("TLS handshake"), "{error}");
}

#[test]
fn a_refused_connection_says_which_address() {
    let place = Place::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = failure(fetch(&place.request(&format!("http://{free}/support.git"))));
    assert_eq!(error.failure, FetchFailure::Unreachable);
    assert!(error.message.starts_with(&format!("{free}: connect to {free}: ")), "{error}");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused() {
    let place = Place::new();
    place.commit(&[("a.yaml", b"a: 1")]);
    let server = GitServer::with(place.root(), None, true);
    let other = GitServer::with(place.root(), None, true);
    for ca in [None, other.ca.clone()] {
        let request = FetchRequest { ca, ..place.request(&server.url("support.git")) };
        let error = failure(fetch(&request));
        assert_eq!(error.failure, FetchFailure::Untrusted);
        assert!(error.message.contains("is not trusted") || error.message.contains("no root certificates"), "{error}");
        assert!(error.message.contains("`ca.crt`"), "{error}");
    }
    let nonsense = FetchRequest { ca: Some("hello".to_owned()), ..place.request(&server.url("support.git")) };
    assert_eq!(failure(fetch(&nonsense)).message, "`ca.crt` holds no certificate in PEM form");
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let place = Place::new();
    place.commit(&[("a.yaml", b"a: 1")]);
    let server = GitServer::with(place.root(), None, true);
    let url = server.url("support.git").replace("localhost", "127.0.0.1");
    let error = failure(fetch(&FetchRequest { ca: server.ca.clone(), ..place.request(&url) }));
    assert_eq!(error.failure, FetchFailure::Untrusted, "{error}");
}

#[test]
fn a_redirect_is_not_followed_and_its_target_is_what_to_write() {
    let place = Place::new();
    place.commit(&[("a.yaml", b"a: 1")]);
    let target = GitServer::start(place.root());
    let server = GitServer::start(place.root());
    let location = format!("{}/info/refs?service=git-upload-pack", target.url("support.git"));
    server.behave(Behaviour::Answer(301, format!("Location: {location}\r\n")));
    let credentials = Credentials::Basic { username: "ada".into(), password: "s3cret".into() };
    let request = FetchRequest { credentials, ..place.request(&server.url("support.git")) };
    let error = failure(fetch(&request));
    assert_eq!(error.failure, FetchFailure::InvalidUrl);
    let expected =
        format!("redirects (301) to {}; redirects are not followed: write that URL", target.url("support.git"));
    assert!(error.message.ends_with(&expected), "{error}");
    assert_eq!(target.authorized_requests.load(Ordering::SeqCst), 0);
}

#[rstest]
#[case::a_sign_in_page(200, FetchFailure::Protocol, "expected a Git server, found an answer of type `text/html`")]
#[case::forbidden(403, FetchFailure::AuthenticationFailed, "secretRef")]
#[case::overloaded(503, FetchFailure::Unreachable, "the server answered 503")]
fn an_answer_that_is_not_git_is_told_as_what_it_is(
    #[case] status: u16,
    #[case] class: FetchFailure,
    #[case] expected: &str,
) {
    let place = Place::new();
    let server = GitServer::start(place.root());
    server.behave(Behaviour::Answer(status, String::new()));
    let error = failure(fetch(&place.request(&server.url("support.git"))));
    assert_eq!(error.failure, class);
    assert!(error.message.contains(expected), "{error}");
}

#[test]
fn a_server_that_speaks_no_http_is_told() {
    let place = Place::new();
    let server = GitServer::with(place.root(), None, true);
    let url = server.url("support.git").replace("https://localhost", "http://127.0.0.1");
    let error = failure(fetch(&place.request(&url)));
    assert!(matches!(error.failure, FetchFailure::Unreachable | FetchFailure::Protocol), "{error:?}");
}

#[rstest]
#[case::bytes_over_http(true, Budgets { received_bytes: 1 << 20, ..Budgets::default() }, Budget::ReceivedBytes, "more than the 1048576 bytes")]
#[case::bytes_on_disk(false, Budgets { received_bytes: 1 << 20, ..Budgets::default() }, Budget::ReceivedBytes, "more than the 1048576 bytes")]
#[case::objects_over_http(true, Budgets { objects: 4, ..Budgets::default() }, Budget::Objects, "6 objects, more than the 4")]
#[case::objects_on_disk(false, Budgets { objects: 4, ..Budgets::default() }, Budget::Objects, "6 objects, more than the 4")]
fn a_repository_over_budget_is_refused_with_the_name_of_the_budget(
    #[case] http: bool,
    #[case] budgets: Budgets,
    #[case] budget: Budget,
    #[case] expected: &str,
) {
    let place = Place::new();
    let large = noise(3 << 20);
    place.commit(&[("a/large.bin", &large), ("a/b/c.yaml", b"a: 1")]);
    let server = GitServer::start(place.root());
    let url = if http { server.url("support.git") } else { place.file_url() };
    let error = failure(fetch(&FetchRequest { budgets, ..place.request(&url) }));
    assert_eq!(error.failure, FetchFailure::BudgetExceeded(budget), "{error}");
    assert!(error.message.contains(expected), "{error}");
    assert!(error.needs_a_person());
}

#[test]
fn an_answer_that_breaks_off_leaves_the_mirror_as_it_was() {
    let place = Place::new();
    let first = place.commit(&[("a.yaml", b"a: 1")]);
    let server = GitServer::start(place.root());
    let request = place.request(&server.url("support.git"));
    fetch(&request).unwrap();
    let second = place.commit(&[("a.yaml", &noise(100_000))]);
    server.behave(Behaviour::CutOff(40_000));
    let error = failure(fetch(&request));
    assert_eq!(error.failure, FetchFailure::Unreachable, "{error}");
    let mirror = git2::Repository::open_bare(&request.mirror).unwrap();
    assert_eq!(mirror.refname_to_id("refs/heads/main").unwrap().to_string(), first);
    server.behave(Behaviour::Serve);
    assert_eq!(fetch(&request).unwrap().commit, second);
}

#[test]
fn an_empty_repository_has_no_branch_yet() {
    let place = Place::new();
    git2::Repository::init_bare(place.root().join("support.git")).unwrap();
    let server = GitServer::start(place.root());
    for url in [place.file_url(), server.url("support.git")] {
        let error = failure(fetch(&place.request(&url)));
        assert_eq!(error.failure, FetchFailure::BranchNotFound);
        assert_eq!(error.message, "the repository has no branch `main`; the repository has no branches yet");
    }
}

#[test]
fn what_a_killed_fetch_left_does_not_stop_the_next_one() {
    let place = Place::new();
    place.commit(&[("a.yaml", b"a: 1")]);
    let request = place.request(&place.file_url());
    // Killed while the mirror was made, and later while its branch moved.
    std::fs::create_dir_all(place.root().join("mirror.new/objects")).unwrap();
    fetch(&request).unwrap();
    std::fs::write(request.mirror.join("refs/heads/main.lock"), "").unwrap();
    let tip = place.commit(&[("a.yaml", b"a: 2")]);
    assert_eq!(fetch(&request).unwrap().commit, tip);
}

#[test]
fn a_mirror_that_cannot_be_made_says_where() {
    let place = Place::new();
    place.commit(&[("a.yaml", b"a: 1")]);
    std::fs::write(place.root().join("mirror"), "a file").unwrap();
    let request = place.request(&place.file_url());
    let error = failure(fetch(&request));
    assert_eq!(error.failure, FetchFailure::Mirror);
    assert!(error.message.starts_with(&format!("the mirror at {}: ", request.mirror.display())), "{error}");
}

#[test]
fn a_mirror_of_many_fetches_stays_in_few_packs_and_loses_nothing() {
    let place = Place::new();
    let request = place.request(&place.file_url());
    let mut tips = Vec::new();
    for number in 0..60 {
        tips.push(place.commit(&[("a.yaml", format!("a: {number}").as_bytes())]));
        fetch(&request).unwrap();
    }
    std::fs::write(request.mirror.join("objects/pack/pack_git2_abc123"), "of a fetch that was killed").unwrap();
    fetch(&request).unwrap();
    let packs = std::fs::read_dir(request.mirror.join("objects/pack")).unwrap();
    let packs =
        packs.filter(|entry| entry.as_ref().unwrap().path().extension().is_none_or(|end| end == "pack")).count();
    assert!(packs < 20, "{packs}");
    for (number, tip) in tips.iter().enumerate() {
        let tree = read_commit(&request.mirror, tip, "", TreeBudgets::default()).unwrap();
        assert_eq!(tree.files[0].bytes, format!("a: {number}").as_bytes());
    }
}
