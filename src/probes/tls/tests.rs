use domain::{
    probe::{Failure, HttpTarget, Phase, Reason, Sample, ScriptStep, Target, TcpTarget, TlsSettings},
    secret::SecretRef,
};
use regex::Regex;
use rstest::rstest;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    Secrets,
    fixtures::{
        AMPLE, Aim, Authority, BRIEF, Leaf, Server, context, context_trusting, get, http2, look, look_within, noon,
        self_signed, tcp, tls_acceptor,
    },
    probe,
};

const ALL: &[&rustls::SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// Answers 200 to every request.
async fn web(leaf: Leaf) -> Server {
    Server::https(tls_acceptor(leaf, &["http/1.1"], ALL), |_| "HTTP/1.1 200 OK\r\n\r\nfine".to_owned()).await
}

fn at_localhost(server: &Server) -> HttpTarget {
    get(&format!("https://localhost:{}/", server.port()))
}

fn failure(sample: &Sample) -> &Failure {
    sample.failure.as_ref().expect("the look should have failed")
}

#[tokio::test]
async fn a_good_certificate_is_described() {
    let authority = Authority::new("Acme Root");
    let server = web(authority.leaf(&["localhost", "127.0.0.1"])).await;
    let sample = look(at_localhost(&server), &context_trusting(&[&authority])).await;
    assert_eq!(sample.failure, None);
    assert!(sample.phases.tls.is_some());
    let facts = sample.tls.unwrap();
    assert_eq!(facts.version, "TLS 1.3");
    assert!(facts.cipher.starts_with("TLS_AES_") || facts.cipher.starts_with("TLS_CHACHA20_"), "{}", facts.cipher);
    assert_eq!(facts.not_after.unwrap().to_string(), "2028-01-01T00:00:00Z");
    assert_eq!((facts.subject.as_str(), facts.issuer.as_str()), ("CN=web,C=DE", "CN=Acme Root,C=DE"));
    assert_eq!(facts.names, ["localhost", "127.0.0.1"]);
    assert_eq!((facts.fingerprint_sha256.len(), facts.serial.len() % 2), (64, 0));
    assert_eq!(facts.problem, None);
}

#[tokio::test]
async fn the_older_version_is_described_too() {
    let authority = Authority::new("Acme Root");
    let acceptor = tls_acceptor(authority.leaf(&["localhost"]), &[], &[&TLS12]);
    let server = Server::https(acceptor, |_| "HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    let facts = look(at_localhost(&server), &context_trusting(&[&authority])).await.tls.unwrap();
    assert_eq!(facts.version, "TLS 1.2");
    assert!(facts.cipher.starts_with("TLS_ECDHE_"), "{}", facts.cipher);
}

fn known() -> Authority {
    Authority::new("Acme Root")
}

#[rstest]
#[case::expired(|a: &Authority| a.leaf_between(&["localhost"], 2024, 2025), Reason::TlsExpired, "expired on 2025-01-01")]
#[case::not_yet_valid(|a: &Authority| a.leaf_between(&["localhost"], 2027, 2028), Reason::TlsNotYetValid, "begins on 2027-01-01")]
#[case::wrong_host(|a: &Authority| a.leaf(&["other.example"]), Reason::TlsWrongHost, "is for other.example, expected localhost")]
#[case::no_host(|a: &Authority| a.leaf(&[]), Reason::TlsWrongHost, "is for no name at all, expected localhost")]
#[case::unknown_authority(|_: &Authority| Authority::new("Nobody").leaf(&["localhost"]), Reason::TlsUnknownCa, "issued by CN=Nobody,C=DE, which leads to no trusted authority")]
#[case::another_key_of_the_same_name(|_: &Authority| known().leaf(&["localhost"]), Reason::TlsUnknownCa, "issued by CN=Acme Root,C=DE")]
#[case::self_signed(|_: &Authority| self_signed(&["localhost"]), Reason::TlsSelfSigned, "CN=web,C=DE is signed by itself")]
#[tokio::test]
async fn a_bad_certificate_is_described_and_nothing_is_said_to_its_owner(
    #[case] leaf: fn(&Authority) -> Leaf,
    #[case] reason: Reason,
    #[case] words: &str,
) {
    let authority = known();
    let server = web(leaf(&authority)).await;
    let sample = look(at_localhost(&server), &context_trusting(&[&authority])).await;
    let failure = failure(&sample);
    assert_eq!((failure.reason, failure.phase), (reason, Phase::Tls), "{}", failure.message);
    assert!(failure.message.contains(words), "{}", failure.message);
    assert!(failure.message.contains(&server.address.to_string()), "{}", failure.message);
    let facts = sample.tls.unwrap();
    assert_eq!((facts.version.as_str(), facts.problem.map(|problem| problem.reason)), ("TLS 1.3", Some(reason)));
    assert!(facts.not_after.is_some() && facts.subject == "CN=web,C=DE");
    assert_eq!(server.requests(), Vec::<String>::new());
    assert_eq!((sample.http, sample.phases.first_byte), (None, None));
}

#[tokio::test]
async fn all_faults_are_said_and_the_gravest_is_the_reason() {
    let server = web(Authority::new("Nobody").leaf_between(&["other.example"], 2024, 2025)).await;
    let sample = look(at_localhost(&server), &context_trusting(&[&known()])).await;
    let failure = failure(&sample);
    assert_eq!(failure.reason, Reason::TlsUnknownCa);
    let order = ["no trusted authority", "is for other.example", "expired on 2025"];
    let places: Vec<_> = order.iter().map(|words| failure.message.find(words).unwrap()).collect();
    assert!(places.is_sorted(), "{}", failure.message);
}

#[tokio::test]
async fn a_bad_certificate_can_be_reported_only() {
    let server = web(self_signed(&["other.example"])).await;
    let tls = TlsSettings { insecure_skip_verify: true, ..TlsSettings::default() };
    let sample = look(HttpTarget { tls, ..at_localhost(&server) }, &context()).await;
    assert_eq!(sample.failure, None);
    assert_eq!(sample.tls.unwrap().problem.unwrap().reason, Reason::TlsSelfSigned);
    assert_eq!(server.requests().len(), 1);
}

fn ca() -> SecretRef {
    SecretRef { name: "ca".to_owned(), key: "ca.crt".to_owned() }
}

async fn with_ca(server: &Server, pem: String) -> Sample {
    let tls = TlsSettings { ca: Some(ca()), ..TlsSettings::default() };
    let secrets = Secrets::from_iter([(ca(), pem.into())]);
    let Aim(target) = HttpTarget { tls, ..at_localhost(server) }.into();
    probe(&target, AMPLE, noon(), &secrets, &context()).await
}

#[tokio::test]
async fn a_target_can_bring_its_own_authority() {
    let authority = known();
    let server = web(authority.leaf(&["localhost"])).await;
    assert_eq!(with_ca(&server, authority.pem()).await.failure, None);
    let other = with_ca(&server, Authority::new("Other").pem()).await;
    assert_eq!(failure(&other).reason, Reason::TlsUnknownCa);
}

#[tokio::test]
async fn a_self_signed_certificate_that_was_handed_over_is_trusted() {
    let leaf = self_signed(&["localhost"]);
    let pem = leaf.pem.clone();
    let server = web(leaf).await;
    assert_eq!(with_ca(&server, pem).await.failure, None);
}

#[tokio::test]
async fn a_handed_over_certificate_is_still_judged_by_its_names() {
    let leaf = self_signed(&["other.example"]);
    let pem = leaf.pem.clone();
    let server = web(leaf).await;
    assert_eq!(failure(&with_ca(&server, pem).await).reason, Reason::TlsWrongHost);
}

#[rstest]
#[case::nothing("", "expected at least one PEM certificate, found none")]
#[case::something_else("hello", "expected at least one PEM certificate, found none")]
#[case::cut("-----BEGIN CERTIFICATE-----\nMIIB", "expected PEM certificates")]
#[case::nonsense_inside("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a certificate")]
#[tokio::test]
async fn an_authority_that_cannot_be_read_is_a_fault_of_the_configuration(#[case] pem: &str, #[case] words: &str) {
    let server = web(known().leaf(&["localhost"])).await;
    let sample = with_ca(&server, pem.to_owned()).await;
    let failure = failure(&sample);
    assert_eq!((failure.reason, sample.address), (Reason::ConfigError, None));
    assert!(failure.message.starts_with("tls.ca: secret ca, key ca.crt: "), "{}", failure.message);
    assert!(failure.message.contains(words), "{}", failure.message);
}

#[tokio::test]
async fn a_secret_that_is_missing_is_a_fault_of_the_configuration() {
    let tls = TlsSettings { ca: Some(ca()), ..TlsSettings::default() };
    let sample = look(HttpTarget { tls, ..get("https://localhost:1/") }, &context()).await;
    assert_eq!(failure(&sample).message, "tls.ca: secret ca, key ca.crt could not be read");
    assert_eq!(failure(&sample).reason, Reason::ConfigError);
}

#[tokio::test]
async fn without_any_authority_nothing_is_judged_and_nothing_is_down() {
    let sample = look(get("https://localhost:1/"), &context()).await;
    assert!(failure(&sample).reason.is_blind(), "{:?}", sample.failure);
    assert!(failure(&sample).message.contains("install ca-certificates or set tls.ca"));
}

#[tokio::test]
async fn another_name_can_be_asked_for() {
    let authority = known();
    let server = web(authority.leaf(&["web.example"])).await;
    let tls = TlsSettings { server_name: Some("web.example".to_owned()), ..TlsSettings::default() };
    let sample = look(HttpTarget { tls, ..at_localhost(&server) }, &context_trusting(&[&authority])).await;
    assert_eq!(sample.failure, None);
}

#[tokio::test]
async fn an_address_is_compared_with_the_addresses_of_the_certificate() {
    let authority = known();
    let server = web(authority.leaf(&["127.0.0.1"])).await;
    let url = format!("https://127.0.0.1:{}/", server.port());
    assert_eq!(look(get(&url), &context_trusting(&[&authority])).await.failure, None);
}

#[tokio::test]
async fn http_2_is_spoken_with_those_who_offer_it() {
    let authority = known();
    let acceptor = tls_acceptor(authority.leaf(&["localhost"]), &["h2", "http/1.1"], ALL);
    let server = Server::new(move |stream, _| {
        let acceptor = acceptor.clone();
        async move { http2(acceptor.accept(stream).await.unwrap()).await }
    })
    .await;
    let mut target = at_localhost(&server);
    let said = format!("^authority=localhost:{} agent=firstline/", server.port());
    target.expect.body.matches = Some(Regex::new(&said).unwrap());
    let sample = look(target, &context_trusting(&[&authority])).await;
    assert_eq!(sample.failure, None);
    let facts = sample.http.unwrap();
    assert_eq!((facts.version.as_str(), facts.status, facts.tls), ("2", 200, true));
}

#[tokio::test]
async fn a_connection_without_http_can_be_tls_too() {
    let authority = known();
    let acceptor = tls_acceptor(authority.leaf(&["localhost"]), &[], ALL);
    let server = Server::new(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut hello = [0; 7];
            stream.read_exact(&mut hello).await.unwrap();
            stream.write_all(b"you said ").await.unwrap();
            stream.write_all(&hello).await.unwrap();
            let _ = stream.shutdown().await;
        }
    })
    .await;
    let script =
        vec![ScriptStep::Send("hello".to_owned()), ScriptStep::Expect(Regex::new("^you said hello$").unwrap())];
    let target = TcpTarget { tls: Some(TlsSettings::default()), script, ..tcp("localhost", server.port()) };
    let sample = look(target, &context_trusting(&[&authority])).await;
    assert_eq!(sample.failure, None);
    assert_eq!(sample.tls.unwrap().issuer, "CN=Acme Root,C=DE");
}

#[tokio::test]
async fn a_script_is_not_read_out_to_a_bad_peer() {
    let server = web(self_signed(&["localhost"])).await;
    let script = vec![ScriptStep::Send("GET / HTTP/1.1\r\n\r\n".to_owned())];
    let target = TcpTarget { tls: Some(TlsSettings::default()), script, ..tcp("localhost", server.port()) };
    let sample = look(target, &context_trusting(&[&known()])).await;
    assert_eq!(failure(&sample).reason, Reason::TlsSelfSigned);
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[rstest]
#[case::plain_http("HTTP/1.1 400 Bad Request\r\n\r\n", "the peer does not speak TLS")]
#[case::an_alert_about_the_version("\x15\x03\x01\x00\x02\x02\x46", "the peer speaks neither TLS 1.2 nor TLS 1.3")]
#[tokio::test]
async fn a_peer_that_cannot_do_it_is_told_apart(#[case] bytes: &'static str, #[case] words: &str) {
    let server = Server::saying(bytes).await;
    let sample = look(at_localhost(&server), &context_trusting(&[&known()])).await;
    let failure = failure(&sample);
    assert!(matches!(failure.reason, Reason::TlsHandshake | Reason::TlsWeak), "{failure:?}");
    assert_eq!(failure.reason == Reason::TlsWeak, words.contains("neither"));
    assert!(failure.message.contains(words), "{}", failure.message);
    assert_eq!(sample.tls, None);
}

#[tokio::test]
async fn a_peer_that_never_answers_is_late_in_the_handshake() {
    let server = Server::saying("").await;
    let sample = look_within(BRIEF, at_localhost(&server), &context_trusting(&[&known()])).await;
    assert_eq!((failure(&sample).reason, failure(&sample).phase), (Reason::TlsHandshake, Phase::Tls));
    assert!(failure(&sample).message.ends_with("as localhost: not done within the 300ms of this probe"));
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_said_to_have_done_so() {
    let server = Server::new(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 2048]).await;
    })
    .await;
    let sample = look(at_localhost(&server), &context_trusting(&[&known()])).await;
    assert_eq!(failure(&sample).reason, Reason::TlsHandshake);
    assert!(failure(&sample).message.contains("closed the connection during the handshake"));
}

#[tokio::test]
async fn each_look_is_a_full_handshake() {
    let authority = known();
    let server = web(authority.leaf(&["localhost"])).await;
    let context = context_trusting(&[&authority]);
    for _ in 0..2 {
        let facts = look(at_localhost(&server), &context).await.tls.unwrap();
        // After a resumption the server sends no certificate.
        assert_eq!(facts.names, ["localhost"]);
    }
    assert!(matches!(Aim::from(at_localhost(&server)).0, Target::Http(_)));
}
