use std::time::Duration;

use domain::{
    probe::{
        Failure, Header, HeaderExpectation, HeaderValue, HttpTarget, Method, Phase, Reason, Redirects, Sample,
        StatusRange,
    },
    secret::SecretRef,
};
use regex::Regex;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    Secrets,
    fixtures::{AMPLE, Aim, BRIEF, Server, context, get, look, look_within, noon},
    probe,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n";

fn failure(sample: &Sample) -> &Failure {
    sample.failure.as_ref().expect("the look should have failed")
}

fn redirect(code: u16, to: &str) -> String {
    format!("HTTP/1.1 {code} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

fn token() -> SecretRef {
    SecretRef { name: "tok".to_owned(), key: "header".to_owned() }
}

fn with_token(target: HttpTarget) -> HttpTarget {
    let plain = Header { name: "X-Probe".to_owned(), value: HeaderValue::Plain("1".to_owned()) };
    let cookie = Header { name: "Cookie".to_owned(), value: HeaderValue::Plain("session=plain".to_owned()) };
    let secret = Header { name: "X-Api-Key".to_owned(), value: HeaderValue::Secret(token()) };
    HttpTarget { headers: vec![plain, cookie, secret], ..target }
}

async fn look_with_token(value: &str, target: HttpTarget) -> Sample {
    let secrets = Secrets::from_iter([(token(), value.into())]);
    probe(&Aim::from(target).0, AMPLE, noon(), &secrets, &context()).await
}

#[tokio::test]
async fn a_good_answer_is_described() {
    let server = Server::http(|_| {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nfine\n".to_owned()
    })
    .await;
    let sample = look(get(&server.url("/healthz?full=1")), &context()).await;
    assert_eq!(sample.failure, None);
    assert_eq!((sample.at, sample.address), (noon(), Some(server.address)));
    let facts = sample.http.unwrap();
    assert_eq!((facts.status, facts.version.as_str(), facts.redirects, facts.tls), (200, "1.1", 0, false));
    assert_eq!((facts.content_length, facts.body_bytes), (Some(5), 5));
    assert_eq!(facts.last_modified, Some(784_111_777));
    let phases = sample.phases;
    assert_eq!((phases.dns, phases.tls), (None, None));
    let parts =
        [phases.connect, phases.first_byte, phases.transfer].map(|part| part.expect("a phase that was reached"));
    assert!(parts.iter().sum::<Duration>() <= sample.duration);
}

#[tokio::test]
async fn the_request_says_who_asks_and_that_it_comes_alone() {
    let server = Server::http(|_| OK.to_owned()).await;
    look(get(&server.url("/healthz?full=1#top")), &context()).await;
    let request = server.requests().remove(0).to_lowercase();
    assert!(request.starts_with("get /healthz?full=1 http/1.1\r\n"), "{request}");
    for line in ["user-agent: firstline/", "connection: close\r\n", "accept: */*\r\n"] {
        assert!(request.contains(line), "{request}");
    }
    assert!(request.contains(&format!("host: {}\r\n", server.address)), "{request}");
}

#[tokio::test]
async fn method_body_and_headers_are_sent_as_written() {
    let server = Server::http(|_| OK.to_owned()).await;
    let own = |name: &str, value: &str| Header { name: name.to_owned(), value: HeaderValue::Plain(value.to_owned()) };
    let headers = vec![own("Host", "shop.example"), own("User-Agent", "acme"), own("X-A", "1"), own("X-A", "2")];
    let target = HttpTarget { method: Method::Post, body: "ping".to_owned(), headers, ..get(&server.url("/")) };
    assert_eq!(look(target, &context()).await.failure, None);
    let request = server.requests().remove(0).to_lowercase();
    assert!(request.starts_with("post / ") && request.ends_with("\r\n\r\nping"), "{request}");
    for line in ["host: shop.example\r\n", "user-agent: acme\r\n", "x-a: 1\r\n", "x-a: 2\r\n"] {
        assert_eq!(request.matches(line).count(), 1, "{request}");
    }
    assert_eq!(request.matches("user-agent").count() + request.matches("host:").count(), 2, "{request}");
}

#[tokio::test]
async fn the_answer_to_head_has_no_body() {
    let server = Server::http(|_| "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n".to_owned()).await;
    let sample = look(HttpTarget { method: Method::Head, ..get(&server.url("/")) }, &context()).await;
    assert_eq!(sample.failure, None);
    assert_eq!(sample.http.map(|facts| (facts.content_length, facts.body_bytes)), Some((Some(5000), 0)));
}

#[rstest]
#[case::unexpected("HTTP/1.1 503 No\r\n\r\n", Reason::BadStatus, "answered 503, expected 200-299 or 404")]
#[case::missing_header(
    "HTTP/1.1 200 OK\r\n\r\n",
    Reason::BadHeader,
    "sent no header X-State, expected one that matches `^ok`"
)]
#[case::wrong_header(
    "HTTP/1.1 200 OK\r\nX-State: secret-echo\r\n\r\n",
    Reason::BadHeader,
    "sent a header X-State that does not match `^ok`"
)]
#[case::not_contained("HTTP/1.1 200 OK\r\nX-State: ok\r\n\r\nhi", Reason::BadBody, "the body of 2 bytes from")]
#[case::not_matched("HTTP/1.1 200 OK\r\nX-State: ok\r\n\r\nfine", Reason::BadBody, "does not match `\\d+`")]
#[case::matched(
    "HTTP/1.1 200 OK\r\nX-State: ok\r\n\r\nfine 12 ERROR",
    Reason::BadBody,
    "matches `ERROR`, which it must not"
)]
#[tokio::test]
async fn an_answer_that_is_not_as_expected_has_its_reason(
    #[case] answer: &'static str,
    #[case] reason: Reason,
    #[case] words: &str,
) {
    let server = Server::http(|_| answer.to_owned()).await;
    let mut target = get(&server.url("/"));
    target.expect.status.push(StatusRange { from: 404, to: 404 });
    let matches = Regex::new("^ok").unwrap();
    target.expect.headers.push(HeaderExpectation { name: "X-State".to_owned(), matches });
    target.expect.body.contains = Some("fine".to_owned());
    target.expect.body.matches = Some(Regex::new(r"\d+").unwrap());
    target.expect.body.not_matches = Some(Regex::new("ERROR").unwrap());
    let sample = look(target, &context()).await;
    assert_eq!((failure(&sample).reason, failure(&sample).phase), (reason, Phase::Expect));
    assert!(failure(&sample).message.contains(words), "{}", failure(&sample).message);
    assert!(failure(&sample).message.contains(&server.address.to_string()));
    assert!(!failure(&sample).message.contains("secret-echo"));
    assert_eq!(sample.http.unwrap().failed_due_to_regex, reason != Reason::BadStatus);
}

#[tokio::test]
async fn a_body_that_matters_and_is_too_long_is_a_failure() {
    let server = Server::http(|_| format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(5000))).await;
    let mut target = get(&server.url("/"));
    target.expect.body.max_bytes = 1024;
    let sample = look(target.clone(), &context()).await;
    assert_eq!((&sample.failure, sample.http.as_ref().unwrap().body_bytes), (&None, 1024));
    target.expect.body.contains = Some("x".to_owned());
    let sample = look(target, &context()).await;
    assert_eq!(failure(&sample).reason, Reason::BodyTooLarge);
    assert!(failure(&sample).message.contains("more than 1024 bytes"));
}

#[tokio::test]
async fn a_body_without_end_is_not_read_for_ever() {
    let server = Server::new(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let sample = look(get(&server.url("/")), &context()).await;
    assert_eq!((sample.failure, sample.http.unwrap().body_bytes), (None, 1 << 20));
}

#[tokio::test]
async fn a_server_that_never_answers_is_late_with_its_first_byte() {
    let server = Server::saying("").await;
    let sample = look_within(BRIEF, get(&server.url("/")), &context()).await;
    assert_eq!((failure(&sample).reason, failure(&sample).phase), (Reason::FirstByteTimeout, Phase::FirstByte));
    let message = format!("request to {}: not done within the 300ms of this probe", server.address);
    assert_eq!(failure(&sample).message, message);
    assert!(sample.phases.first_byte.is_some() && sample.phases.transfer.is_none());
    assert!(sample.duration >= BRIEF && sample.duration < AMPLE);
}

#[tokio::test]
async fn a_server_that_stops_in_the_body_is_late_with_the_transfer() {
    let server = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    let sample = look_within(BRIEF, get(&server.url("/")), &context()).await;
    assert_eq!((failure(&sample).reason, failure(&sample).phase), (Reason::TransferTimeout, Phase::Transfer));
    assert_eq!(sample.http.unwrap().status, 200);
}

#[rstest]
#[case::before_the_answer("", Phase::FirstByte)]
#[case::in_the_head("HTTP/1.1 200 OK\r\nContent-Le", Phase::FirstByte)]
#[case::in_the_body("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", Phase::Transfer)]
#[tokio::test]
async fn a_server_that_cuts_the_connection_breaks_the_protocol(#[case] bytes: &'static str, #[case] phase: Phase) {
    let server = Server::http(|_| bytes.to_owned()).await;
    let sample = look(get(&server.url("/")), &context()).await;
    assert_eq!((failure(&sample).reason, failure(&sample).phase), (Reason::ProtocolError, phase));
    assert!(failure(&sample).message.contains("closed the connection before the answer was complete"));
}

#[rstest]
#[case::before_the_answer("", Phase::FirstByte)]
#[case::in_the_body("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", Phase::Transfer)]
#[tokio::test]
async fn a_server_that_resets_the_connection_is_told_apart(#[case] bytes: &'static str, #[case] phase: Phase) {
    let server = Server::new(move |mut stream, _| async move {
        let _ = stream.read(&mut [0; 2048]).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    let sample = look(get(&server.url("/")), &context()).await;
    assert_eq!(failure(&sample).reason, Reason::ConnectReset, "{:?}", sample.failure);
    // What had arrived before the reset may be lost with it.
    assert!(failure(&sample).phase == phase || failure(&sample).phase == Phase::FirstByte);
}

#[tokio::test]
async fn what_is_not_http_is_said_to_be_so() {
    let server = Server::saying("SSH-2.0-OpenSSH_9.2\r\n").await;
    let sample = look(get(&server.url("/")), &context()).await;
    assert_eq!(failure(&sample).reason, Reason::ProtocolError);
    assert!(failure(&sample).message.contains("not HTTP as it should be"), "{}", failure(&sample).message);
}

#[tokio::test]
async fn redirects_are_followed_and_their_times_added() {
    let server = Server::http(|request| match request {
        r if r.starts_with("GET /a ") => redirect(301, "/b"),
        r if r.starts_with("GET /b ") => redirect(307, "c?x=1"),
        _ => OK.to_owned(),
    })
    .await;
    let sample = look(get(&server.url("/a")), &context()).await;
    assert_eq!(sample.failure, None);
    assert_eq!(sample.http.map(|facts| (facts.status, facts.redirects)), Some((200, 2)));
    let paths: Vec<_> = server.requests().iter().map(|r| r.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(paths, ["/a", "/b", "/c?x=1"]);
}

#[rstest]
#[case::a_post_becomes_a_get_after_302(Method::Post, 302, "GET")]
#[case::a_post_becomes_a_get_after_303(Method::Post, 303, "GET")]
#[case::a_put_becomes_a_get_after_303(Method::Put, 303, "GET")]
#[case::a_put_stays_after_302(Method::Put, 302, "PUT")]
#[case::a_post_stays_after_307(Method::Post, 307, "POST")]
#[case::a_post_stays_after_308(Method::Post, 308, "POST")]
#[case::a_head_stays_after_303(Method::Head, 303, "HEAD")]
#[tokio::test]
async fn methods_change_as_in_browsers(#[case] method: Method, #[case] code: u16, #[case] expected: &str) {
    let server =
        Server::http(
            move |r| if r.contains(" /a ") { redirect(code, "/b") } else { "HTTP/1.1 204 Done\r\n\r\n".to_owned() },
        )
        .await;
    let target = HttpTarget { method, body: "ping".to_owned(), ..get(&server.url("/a")) };
    assert_eq!(look(target, &context()).await.failure, None);
    let second = server.requests().remove(1);
    assert!(second.starts_with(&format!("{expected} /b ")), "{second}");
    assert_eq!(second.ends_with("ping"), expected != "GET", "{second}");
}

#[tokio::test]
async fn a_loop_of_redirects_ends() {
    let server = Server::http(|_| redirect(302, "/")).await;
    let target = HttpTarget { redirects: Redirects::Follow(3), ..get(&server.url("/")) };
    let sample = look(target, &context()).await;
    assert_eq!(failure(&sample).reason, Reason::TooManyRedirects);
    assert_eq!(failure(&sample).message, format!("{} redirects once more after 3 redirects", server.address));
    assert_eq!((server.requests().len(), sample.http.unwrap().redirects), (4, 3));
}

#[tokio::test]
async fn a_redirect_itself_can_be_what_is_expected() {
    let server = Server::http(|_| redirect(301, "ftp://elsewhere/")).await;
    let mut target = HttpTarget { redirects: Redirects::Judge, ..get(&server.url("/")) };
    target.expect.status = vec![StatusRange { from: 301, to: 301 }];
    assert_eq!(look(target, &context()).await.failure, None);
    assert_eq!(server.requests().len(), 1);
}

#[rstest]
#[case::another_protocol("ftp://files.example/?token=hidden", "is not for HTTP but for `ftp`")]
#[case::no_url("http://[hidden", "is not a URL")]
#[tokio::test]
async fn a_redirect_to_nowhere_is_a_fault_of_the_server(#[case] location: &'static str, #[case] words: &str) {
    let server = Server::http(|_| redirect(302, location)).await;
    let sample = look(get(&server.url("/")), &context()).await;
    assert_eq!(failure(&sample).reason, Reason::ProtocolError);
    assert!(failure(&sample).message.ends_with(words), "{}", failure(&sample).message);
    assert!(!failure(&sample).message.contains("hidden"));
}

#[tokio::test]
async fn an_unchanged_answer_is_no_redirect() {
    let server = Server::http(|_| "HTTP/1.1 304 Not Modified\r\nLocation: /x\r\n\r\n".to_owned()).await;
    let sample = look(get(&server.url("/")), &context()).await;
    assert_eq!(failure(&sample).reason, Reason::BadStatus);
}

#[tokio::test]
async fn credentials_stay_with_the_origin_they_were_written_for() {
    let home_url = std::sync::Arc::new(parking_lot::Mutex::new(String::new()));
    let back = std::sync::Arc::clone(&home_url);
    let foreign = Server::http(move |_| redirect(302, &format!("{}/home", back.lock()))).await;
    let away = foreign.url("/away");
    let home = Server::http(move |request| match request {
        r if r.starts_with("GET /start ") => redirect(302, "/same"),
        r if r.starts_with("GET /same ") => redirect(302, &away),
        _ => OK.to_owned(),
    })
    .await;
    *home_url.lock() = home.url("");

    let sample = look_with_token("s3cret", with_token(get(&home.url("/start")))).await;
    assert_eq!(sample.failure, None);
    let [start, same, home_again] = &home.requests()[..] else { panic!("{:?}", home.requests()) };
    let [elsewhere] = &foreign.requests()[..] else { panic!("{:?}", foreign.requests()) };
    let carries = |request: &str| {
        let request = request.to_lowercase();
        ["x-api-key: s3cret", "cookie: session=plain", "x-probe: 1"].map(|header| request.contains(header))
    };
    assert_eq!([carries(start), carries(same)], [[true; 3]; 2]);
    assert_eq!([carries(elsewhere), carries(home_again)], [[false, false, true]; 2]);
}

#[tokio::test]
async fn no_secret_is_in_a_sample() {
    let secret = "s3cret-value";
    let echo = Server::http(|request| {
        let key = request.lines().find_map(|line| line.strip_prefix("x-api-key: ")).unwrap_or_default().to_owned();
        format!("HTTP/1.1 500 {key}\r\nX-Echo: {key}\r\n\r\n{key}")
    })
    .await;
    let mut target = with_token(get(&echo.url("/")));
    let never = Regex::new("^never").unwrap();
    for expectation in 0..3 {
        match expectation {
            0 => {}
            1 => {
                target.expect.status = vec![StatusRange { from: 500, to: 500 }];
                let matches = never.clone();
                target.expect.headers.push(HeaderExpectation { name: "X-Echo".to_owned(), matches });
            }
            _ => {
                target.expect.headers.clear();
                target.expect.body.contains = Some("never".to_owned());
            }
        }
        let sample = look_with_token(secret, target.clone()).await;
        assert!(sample.failure.is_some() && !format!("{sample:?}").contains(secret), "{sample:?}");
    }
    assert!(echo.requests().iter().all(|request| request.contains(secret)));
}

#[rstest]
#[case::a_line_break("two\r\nlines", "header X-Api-Key: not a value for a header")]
#[case::a_control_character("be\u{7}ll", "header X-Api-Key: not a value for a header")]
#[tokio::test]
async fn a_secret_that_cannot_be_sent_is_not_repeated(#[case] value: &str, #[case] message: &str) {
    let sample = look_with_token(value, with_token(get("http://127.0.0.1:1/"))).await;
    assert_eq!(failure(&sample).reason, Reason::ConfigError);
    assert_eq!(failure(&sample).message, message);
    assert_eq!(sample.address, None);
}

#[tokio::test]
async fn a_line_end_after_a_secret_is_not_part_of_it() {
    let server = Server::http(|_| OK.to_owned()).await;
    assert_eq!(look_with_token("s3cret\n", with_token(get(&server.url("/")))).await.failure, None);
    assert!(server.requests().remove(0).contains("x-api-key: s3cret\r\n"));
}

#[tokio::test]
async fn a_secret_that_is_missing_is_named() {
    let sample = look(with_token(get("http://127.0.0.1:1/")), &context()).await;
    assert_eq!(failure(&sample).reason, Reason::ConfigError);
    assert_eq!(failure(&sample).message, "header X-Api-Key: secret tok, key header could not be read");
}
