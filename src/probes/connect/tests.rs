use std::time::Duration;

use domain::probe::{HttpTarget, Phase, Reason};
use rstest::rstest;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::{
    Egress, Rule,
    fixtures::{Answer, BRIEF, NameServer, Server, context, context_asking, get, look, look_within, tcp},
};

const NO_LOOPBACK: Egress = Egress { loopback: Rule::Refuse, private: Rule::Allow };

/// Whether nobody has connected; whoever did waits in the queue of the listener.
fn nobody_came(listener: TcpListener) -> bool {
    let listener = listener.into_std().unwrap();
    listener.accept().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[rstest]
#[case::an_address("127.0.0.1")]
#[case::localhost("localhost")]
#[case::an_address_in_another_form("[::ffff:127.0.0.1]")]
#[case::an_address_as_a_number("2130706433")]
#[case::nought("0.0.0.0")]
#[tokio::test]
async fn what_is_not_allowed_gets_no_packet(#[case] host: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{host}:{}/", listener.local_addr().unwrap().port());
    let sample = look(get(&url), &context().with_egress(NO_LOOPBACK)).await;
    let failure = sample.failure.unwrap();
    assert_eq!((failure.reason, failure.phase), (Reason::EgressDenied, Phase::Connect));
    assert!(failure.message.contains("as it is a loopback address"), "{}", failure.message);
    assert_eq!(sample.address, None);
    assert!(nobody_came(listener));
}

#[tokio::test]
async fn the_test_for_nobody_can_fail() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _somebody = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    assert!(!nobody_came(listener));
}

#[tokio::test]
async fn a_name_that_points_inside_is_refused_like_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let names = NameServer::new(Answer::Addresses(vec![[127, 0, 0, 1].into()])).await;
    let context = context_asking(&names).with_egress(NO_LOOPBACK);
    let sample = look(tcp("rebind.example.", listener.local_addr().unwrap().port()), &context).await;
    let failure = sample.failure.unwrap();
    assert_eq!(failure.reason, Reason::EgressDenied);
    assert!(failure.message.contains("(address of rebind.example.)"), "{}", failure.message);
    assert!(nobody_came(listener));
}

#[tokio::test]
async fn a_redirect_to_an_address_that_is_not_allowed_is_refused() {
    let server =
        Server::http(|_| "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\n\r\n".to_owned()).await;
    let sample = look(get(&server.url("/")), &context()).await;
    let failure = sample.failure.unwrap();
    assert_eq!(failure.reason, Reason::EgressDenied);
    assert_eq!(
        failure.message,
        "connect to 169.254.169.254:80: refused before sending anything, as it is a link-local address"
    );
}

#[tokio::test]
async fn a_connection_that_nobody_accepts_is_late_in_connecting() {
    // A full queue of connections: further ones get no answer at all.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(stream);
        assert!(waiting.len() < 1000, "the queue never fills");
    }
    let sample = look_within(BRIEF, HttpTarget { ..get(&format!("http://{address}/")) }, &context()).await;
    let failure = sample.failure.unwrap();
    assert_eq!((failure.reason, failure.phase), (Reason::ConnectTimeout, Phase::Connect));
    assert_eq!(failure.message, format!("connect to {address}: not done within the 300ms of this probe"));
}
