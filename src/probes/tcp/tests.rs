use domain::probe::{Phase, Reason, Sample, ScriptStep, TcpTarget};
use regex::Regex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::fixtures::{AMPLE, BRIEF, Server, context, look, look_within, tcp};

fn send(line: &str) -> ScriptStep {
    ScriptStep::Send(line.to_owned())
}

fn expect(pattern: &str) -> ScriptStep {
    ScriptStep::Expect(Regex::new(pattern).unwrap())
}

fn script(port: u16, script: Vec<ScriptStep>) -> TcpTarget {
    TcpTarget { script, ..tcp("127.0.0.1", port) }
}

fn failed(sample: &Sample) -> (Reason, Phase, &str) {
    let failure = sample.failure.as_ref().expect("the look should have failed");
    (failure.reason, failure.phase, &failure.message)
}

#[tokio::test]
async fn a_connection_is_enough_without_a_script() {
    let server = Server::saying("").await;
    let sample = look(tcp("127.0.0.1", server.port()), &context()).await;
    assert_eq!(sample.failure, None);
    assert_eq!(sample.address, Some(server.address));
    assert!(sample.phases.connect.is_some());
    assert_eq!((sample.phases.dns, sample.phases.tls, sample.phases.first_byte), (None, None, None));
}

#[tokio::test]
async fn localhost_is_reached_on_whichever_family_listens() {
    let server = Server::saying("").await;
    let sample = look(tcp("localhost", server.port()), &context()).await;
    assert_eq!((sample.failure, sample.phases.dns), (None, None));
    if let Ok(six) = TcpListener::bind("[::1]:0").await {
        let sample = look(tcp("localhost", six.local_addr().unwrap().port()), &context()).await;
        assert_eq!(sample.failure, None);
    }
}

#[tokio::test]
async fn a_refused_connection_says_which_address() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let sample = look(tcp("127.0.0.1", port), &context()).await;
    let message = format!("connect to 127.0.0.1:{port}: refused");
    assert_eq!(failed(&sample), (Reason::ConnectRefused, Phase::Connect, message.as_str()));
    assert_eq!(sample.address.map(|address| address.port()), Some(port));
}

#[tokio::test]
async fn a_conversation_that_goes_as_expected_succeeds() {
    let server = Server::new(|mut stream, _| async move {
        stream.write_all(b"220 mail ready\r\n").await.unwrap();
        let mut asked = [0; 16];
        let length = stream.read(&mut asked).await.unwrap();
        assert_eq!(&asked[..length], b"EHLO probe\r\n");
        stream.write_all(b"250-mail\r\n250-SIZE 1000\r\n250 STARTTLS\r\n").await.unwrap();
    })
    .await;
    let steps = vec![expect("^220 "), send("EHLO probe"), expect("^250 STARTTLS$")];
    let sample = look(script(server.port(), steps), &context()).await;
    assert_eq!(sample.failure, None);
    assert!(sample.phases.first_byte.is_some() && sample.phases.transfer.is_some());
}

#[tokio::test]
async fn a_last_line_without_its_end_counts() {
    let server = Server::new(|mut stream, _| async move { stream.write_all(b"ready").await.unwrap() }).await;
    assert_eq!(look(script(server.port(), vec![expect("^ready$")]), &context()).await.failure, None);
}

#[tokio::test]
async fn a_peer_that_says_something_else_and_closes_is_a_mismatch() {
    let server =
        Server::new(|mut stream, _| async move { stream.write_all(b"554 go \x1baway\r\n").await.unwrap() }).await;
    let sample = look(script(server.port(), vec![expect("^220 ")]), &context()).await;
    let (reason, phase, message) = failed(&sample);
    assert_eq!((reason, phase), (Reason::ScriptMismatch, Phase::Expect));
    assert!(message.ends_with(r"a line that matches `^220 `; the last line was `554 go \u{1b}away`"), "{message}");
}

#[tokio::test]
async fn a_peer_that_never_says_anything_is_late_with_its_first_byte() {
    let server = Server::saying("").await;
    let sample = look_within(BRIEF, script(server.port(), vec![expect("^220 ")]), &context()).await;
    let (reason, phase, message) = failed(&sample);
    assert_eq!((reason, phase), (Reason::FirstByteTimeout, Phase::FirstByte));
    assert!(message.ends_with("matches `^220 `: not done within the 300ms of this probe"), "{message}");
    assert!(sample.duration >= BRIEF && sample.duration < AMPLE);
}

#[tokio::test]
async fn a_peer_that_stops_half_way_is_late_with_the_transfer() {
    let server = Server::saying("100 wait\r\n").await;
    let sample = look_within(BRIEF, script(server.port(), vec![expect("^220 ")]), &context()).await;
    let (reason, phase, message) = failed(&sample);
    assert_eq!((reason, phase), (Reason::TransferTimeout, Phase::Transfer));
    assert!(message.contains("the last line was `100 wait`"), "{message}");
}

#[tokio::test]
async fn a_peer_that_talks_without_end_is_cut_off() {
    let server = Server::new(|mut stream, _| async move {
        let line = "x".repeat(1023) + "\n";
        while stream.write_all(line.as_bytes()).await.is_ok() {}
    })
    .await;
    let sample = look(script(server.port(), vec![expect("^220 ")]), &context()).await;
    assert_eq!(failed(&sample).0, Reason::BodyTooLarge);
}

#[tokio::test]
async fn a_reset_is_told_from_a_close() {
    let server = Server::new(|stream, _| async move { stream.set_zero_linger().unwrap() }).await;
    let sample = look(script(server.port(), vec![expect("^220 ")]), &context()).await;
    assert_eq!(failed(&sample).0, Reason::ConnectReset);
}
