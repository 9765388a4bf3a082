use domain::probe::{Phase, Reason, Sample};
use hickory_resolver::proto::op::ResponseCode;
use rstest::rstest;
use tokio::net::TcpListener;

use crate::fixtures::{
    Answer, BRIEF, NameServer, Server, context, context_asking, context_with_hosts, look, look_within, tcp,
};

fn failed(sample: &Sample) -> (Reason, Phase, &str) {
    let failure = sample.failure.as_ref().expect("the look should have failed");
    (failure.reason, failure.phase, &failure.message)
}

#[tokio::test]
async fn a_name_is_looked_up_and_its_time_measured() {
    let server = Server::saying("").await;
    let names = NameServer::new(Answer::Addresses(vec![[127, 0, 0, 1].into()])).await;
    let sample = look(tcp("web.example.", server.port()), &context_asking(&names)).await;
    assert_eq!((sample.failure, sample.address), (None, Some(server.address)));
    assert!(sample.phases.dns.is_some());
}

#[tokio::test]
async fn every_look_asks_anew() {
    let server = Server::saying("").await;
    let names = NameServer::new(Answer::Addresses(vec![[127, 0, 0, 1].into()])).await;
    let context = context_asking(&names);
    look(tcp("web.example.", server.port()), &context).await;
    let once = names.asked.lock().len();
    look(tcp("web.example.", server.port()), &context).await;
    assert_eq!(names.asked.lock().len(), 2 * once);
}

#[rstest]
#[case::no_such_name(Answer::Code(ResponseCode::NXDomain), Reason::DnsNotFound, "the name has no address")]
#[case::a_name_without_addresses(Answer::Addresses(vec![]), Reason::DnsNotFound, "the name has no address")]
#[case::a_server_that_fails(Answer::Code(ResponseCode::ServFail), Reason::DnsServerFailure, "Server Failure")]
#[case::a_server_that_refuses(Answer::Code(ResponseCode::Refused), Reason::DnsServerFailure, "Refused")]
#[tokio::test]
async fn answers_without_an_address_have_their_reasons(
    #[case] answer: Answer,
    #[case] expected: Reason,
    #[case] words: &str,
) {
    let names = NameServer::new(answer).await;
    let sample = look(tcp("web.example.", 80), &context_asking(&names)).await;
    let (reason, phase, message) = failed(&sample);
    assert_eq!((reason, phase), (expected, Phase::Dns), "{message}");
    assert!(message.starts_with("look up web.example.: ") && message.contains(words), "{message}");
    assert_eq!(sample.address, None);
}

#[tokio::test]
async fn a_name_server_that_is_silent_is_a_timeout_of_names() {
    let names = NameServer::new(Answer::Silence).await;
    let sample = look_within(BRIEF, tcp("web.example.", 80), &context_asking(&names)).await;
    assert_eq!(failed(&sample).0, Reason::DnsTimeout);
    assert_eq!(failed(&sample).2, "look up web.example.: not done within the 300ms of this probe");
}

#[rstest]
#[case::an_ipv4_line("127.0.0.1 other shop.example # ours")]
#[case::both_families("::2 shop.example\n127.0.0.1 SHOP.example")]
#[tokio::test]
async fn a_name_in_the_hosts_file_is_not_asked_for_in_either_family(#[case] hosts_file: &str) {
    let server = Server::saying("").await;
    let names = NameServer::new(Answer::Silence).await;
    let context = context_with_hosts(&names, hosts_file);
    let sample = look(tcp("shop.example", server.port()), &context).await;
    assert_eq!((sample.failure, sample.phases.dns), (None, None));
    assert_eq!(*names.asked.lock(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_has_only_ipv6_is_connected_by_ipv6() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let names = NameServer::new(Answer::Addresses(vec!["::1".parse().unwrap()])).await;
    let address = listener.local_addr().unwrap();
    let sample = look(tcp("six.example.", address.port()), &context_asking(&names)).await;
    assert_eq!((sample.failure, sample.address), (None, Some(address)));
}

#[tokio::test]
async fn what_cannot_be_a_name_is_said_to_be_so() {
    let sample = look(tcp(&"x".repeat(70), 80), &context()).await;
    assert_eq!(failed(&sample).0, Reason::ConfigError, "{:?}", sample.failure);
}
