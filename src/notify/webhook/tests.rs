//! Real HTTP on loopback: wiremock where the receiver is polite, raw TCP where it is not.

use std::sync::atomic::Ordering;

use domain::{message::Channel, secret::SecretRef};
use rstest::rstest;
use tokio::net::TcpListener;
use wiremock::{
    Mock, MockServer, Request as Received, ResponseTemplate,
    matchers::{method, path},
};

use super::*;
use crate::{
    fixtures::{now, page},
    receivers::{
        FOREVER, past_the_deadline,
        tcp::{Act, Server},
    },
    sign::Refused,
};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn secret(key: &str) -> SecretRef {
    SecretRef { name: "chat".into(), key: key.into() }
}

fn channel_to(url: &str) -> WebhookChannel {
    WebhookChannel { url: WebhookUrl::Plain(url.parse().unwrap()), signing_secret: None, ca: None, timeout: FOREVER }
}

async fn send_page(channel: WebhookChannel, secrets: &Secrets) -> Delivery {
    crate::send(&Channel::Webhook(channel), &page(), secrets, now(), &Context::new().unwrap()).await
}

async fn answering(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/hooks/1")).respond_with(response).mount(&server).await;
    server
}

fn header<'a>(request: &'a Received, name: &str) -> &'a str {
    request.headers.get(name).unwrap_or_else(|| panic!("header {name}")).to_str().unwrap()
}

#[rstest]
#[case::right("key", KEY, None)]
#[case::too_short("key", "whsec_c2hvcnQ=", Some("the signing secret in secret chat, key key"))]
#[case::empty("key", "\n", Some("is empty; put the value in"))]
#[case::not_there("other", KEY, Some("was not found or may not be read"))]
fn what_the_secrets_hold_is_known_before_anything_is_sent(
    #[case] key: &str,
    #[case] value: &str,
    #[case] wrong: Option<&str>,
) {
    let channel = WebhookChannel { signing_secret: Some(secret("key")), ..channel_to("https://hooks.example/1") };
    let secrets = Secrets::from_iter([(secret(key), value.into())]);
    let said = crate::check(&Channel::Webhook(channel), &secrets).err();
    assert_eq!(said.is_some(), wrong.is_some(), "{said:?}");
    for (said, wrong) in said.iter().zip(wrong) {
        assert!(said.contains(wrong) && !said.contains("c2hvcnQ="), "{said}");
    }
}

#[test]
fn an_address_and_a_certificate_out_of_a_secret_are_checked_too() {
    let channel = |url| WebhookChannel { url, ca: Some(secret("ca")), ..channel_to("https://hooks.example/1") };
    let said = |url, values: &[(&str, &str)]| {
        let secrets: Secrets = values.iter().map(|(key, value)| (secret(key), (*value).into())).collect();
        crate::check(&Channel::Webhook(channel(url)), &secrets).unwrap_err()
    };
    let plain = WebhookUrl::Plain("https://hooks.example/1".parse().unwrap());
    assert!(said(plain, &[("ca", "no PEM")]).starts_with("the webhook's CA in secret chat, key ca: "));
    let hidden = WebhookUrl::Secret(secret("url"));
    let words = said(hidden, &[("url", "http://hooks.example/t0ken"), ("ca", "no PEM")]);
    assert!(
        words.starts_with("the webhook's address in secret chat, key url: ") && !words.contains("t0ken"),
        "{words}"
    );
}

#[tokio::test]
async fn a_receiver_with_the_key_believes_what_arrives() {
    let server = answering(ResponseTemplate::new(202)).await;
    let channel =
        WebhookChannel { signing_secret: Some(secret("key")), ..channel_to(&format!("{}/hooks/1", server.uri())) };
    let secrets = Secrets::from_iter([(secret("key"), KEY.into())]);
    assert_eq!(send_page(channel, &secrets).await, Delivery::Accepted { receipt: "HTTP 202 Accepted".into() });

    let requests = server.received_requests().await.unwrap();
    let [request] = &requests[..] else { panic!("one request, found {}", requests.len()) };
    let (id, timestamp, signature) =
        (header(request, "webhook-id"), header(request, "webhook-timestamp"), header(request, "webhook-signature"));
    assert_eq!(id, page().id.to_string());
    assert_eq!(timestamp, now().as_second().to_string());
    assert_eq!(header(request, "content-type"), "application/json");
    assert_eq!(header(request, "content-length"), request.body.len().to_string());
    let keys = SigningKeys::parse(KEY).unwrap();
    assert_eq!(keys.verify(id, timestamp, signature, &request.body, now()), Ok(()));
    assert_eq!(keys.verify(id, timestamp, signature, b"{}", now()), Err(Refused::Signature));

    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["type"], "firstline.page");
    assert_eq!(body["timestamp"], "2026-11-23T03:05:52Z");
    assert_eq!(body["data"]["ticket"], "inc-mfrggzdfmztwq2lknnwg23tpoa");
}

#[tokio::test]
async fn without_a_signing_secret_there_is_no_signature() {
    let server = answering(ResponseTemplate::new(204)).await;
    send_page(channel_to(&format!("{}/hooks/1", server.uri())), &Secrets::default()).await;
    assert!(!server.received_requests().await.unwrap()[0].headers.contains_key("webhook-signature"));
}

#[tokio::test]
async fn several_messages_use_one_connection() {
    let server = Server::start(Act::KeepAnswering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).await;
    let channel = Channel::Webhook(channel_to(&format!("http://{}/", server.address)));
    let context = Context::new().unwrap();
    for _ in 0..3 {
        let delivery = crate::send(&channel, &page(), &Secrets::default(), now(), &context).await;
        assert!(matches!(delivery, Delivery::Accepted { .. }), "{delivery:?}");
    }
    assert_eq!(server.requests.lock().len(), 3);
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

#[rstest]
#[case::no_prefix("secret", "the signing secret in secret chat, key key: key 1: expected it to start with `whsec_`")]
#[case::too_short(
    "whsec_c2hvcnQ=",
    "the signing secret in secret chat, key key: key 1: expected 24 to 64 bytes in base64, found 5"
)]
#[tokio::test]
async fn a_malformed_signing_secret_sends_nothing(#[case] value: &str, #[case] expected: &str) {
    let server = answering(ResponseTemplate::new(200)).await;
    let channel =
        WebhookChannel { signing_secret: Some(secret("key")), ..channel_to(&format!("{}/hooks/1", server.uri())) };
    let secrets = Secrets::from_iter([(secret("key"), value.into())]);
    assert_eq!(send_page(channel, &secrets).await, Delivery::Failed { error: expected.into() });
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_missing_address_waits_for_the_secret() {
    let channel = WebhookChannel { url: WebhookUrl::Secret(secret("url")), ..channel_to("http://unused/") };
    let Delivery::Retry { error, .. } = send_page(channel, &Secrets::default()).await else {
        panic!("a secret may come")
    };
    assert!(error.starts_with("the webhook's address is missing: secret chat, key url, was not found"), "{error}");
}

#[tokio::test]
async fn an_address_in_a_secret_never_shows() {
    let server = answering(ResponseTemplate::new(404).set_body_string("no route for /hooks/t0ken?sig=s3cret")).await;
    let channel = WebhookChannel { url: WebhookUrl::Secret(secret("url")), ..channel_to("http://unused/") };
    let address = format!("http://ada:pa55@{}/hooks/t0ken?sig=s3cret\n", server.address());
    let delivery = send_page(channel, &Secrets::from_iter([(secret("url"), address.into())])).await;
    let error = format!("http://{} answered HTTP 404 Not Found; check the address", server.address());
    assert_eq!(delivery, Delivery::Failed { error });
}

#[tokio::test]
async fn an_address_in_a_secret_that_is_none_never_shows() {
    let channel = WebhookChannel { url: WebhookUrl::Secret(secret("url")), ..channel_to("http://unused/") };
    let delivery =
        send_page(channel, &Secrets::from_iter([(secret("url"), "http://hooks.acme.example/t0ken".into())])).await;
    let error =
        "the webhook's address in secret chat, key url: expected https: http is only for hosts inside the cluster";
    assert_eq!(delivery, Delivery::Failed { error: error.into() });
}

#[tokio::test]
async fn credentials_and_query_of_a_plain_address_never_show() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let delivery =
        send_page(channel_to(&format!("http://ada:pa55@{address}/hook?token=s3cret")), &Secrets::default()).await;
    let Delivery::Retry { after: None, error } = delivery else { panic!("expected Retry, found {delivery:?}") };
    assert_eq!(error, format!("http://{address}: Connection refused (os error 111)"));
}

#[tokio::test]
async fn a_busy_receivers_retry_after_is_passed_on() {
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "17").set_body_string("slow\r\ndown");
    let server = answering(busy).await;
    let delivery = send_page(channel_to(&format!("{}/hooks/1", server.uri())), &Secrets::default()).await;
    let error = format!("{} answered HTTP 429 Too Many Requests (slow down)", server.uri());
    assert_eq!(delivery, Delivery::Retry { after: Some(Duration::from_secs(17)), error });
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = answering(ResponseTemplate::new(307).insert_header("location", "/hooks/2")).await;
    let delivery = send_page(channel_to(&format!("{}/hooks/1", server.uri())), &Secrets::default()).await;
    let Delivery::Failed { error } = delivery else { panic!("expected Failed, found {delivery:?}") };
    assert!(error.ends_with("redirects are not followed: write the final address"), "{error}");
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_cut_after_the_request_is_uncertain_and_not_repeated() {
    let server = Server::start(Act::CutAfterRequest).await;
    let delivery = send_page(channel_to(&format!("http://{}/", server.address)), &Secrets::default()).await;
    let Delivery::Uncertain { error } = delivery else { panic!("expected Uncertain, found {delivery:?}") };
    assert!(
        error.starts_with(&format!("http://{}: ", server.address)) && error.ends_with("after the message was sent"),
        "{error}"
    );
    assert_eq!(server.requests.lock().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_uncertain() {
    let server = Server::start(Act::Say("220 mail.acme.example ESMTP\r\n")).await;
    let delivery = send_page(channel_to(&format!("http://{}/", server.address)), &Secrets::default()).await;
    assert!(matches!(delivery, Delivery::Uncertain { .. }), "{delivery:?}");
}

#[tokio::test]
async fn a_deadline_after_the_request_is_uncertain() {
    let server = Server::start(Act::HangAfterRequest).await;
    let secrets = Secrets::default();
    let attempt = send_page(channel_to(&format!("http://{}/", server.address)), &secrets);
    let delivery = past_the_deadline(&server.hung, attempt).await;
    let error = format!("http://{}: no answer within 3600s, after the message was sent", server.address);
    assert_eq!(delivery, Delivery::Uncertain { error });
}

#[tokio::test]
async fn a_deadline_in_the_tls_handshake_certainly_delivered_nothing() {
    let server = Server::start(Act::Ignore).await;
    let secrets = Secrets::default();
    let attempt = send_page(channel_to(&format!("https://{}/", server.address)), &secrets);
    let delivery = past_the_deadline(&server.hung, attempt).await;
    let error = format!("https://{}: no answer within 3600s", server.address);
    assert_eq!(delivery, Delivery::Retry { after: None, error });
}

#[rstest]
#[case::a_success("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")]
#[case::a_failure("HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\nhalf")]
#[tokio::test]
async fn a_body_that_never_ends_does_not_change_what_the_status_said(#[case] answer: &'static str) {
    let server = Server::start(Act::SayAndHang(answer)).await;
    let delivery = send_page(channel_to(&format!("http://{}/", server.address)), &Secrets::default()).await;
    match answer.contains("200") {
        true => assert!(matches!(delivery, Delivery::Accepted { .. }), "{delivery:?}"),
        false => assert!(matches!(delivery, Delivery::Retry { .. }), "{delivery:?}"),
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let server = answering(ResponseTemplate::new(400).set_body_string("x".repeat(5_000_000))).await;
    let delivery = send_page(channel_to(&format!("{}/hooks/1", server.uri())), &Secrets::default()).await;
    let Delivery::Failed { error } = delivery else { panic!("expected Failed, found {delivery:?}") };
    assert!(error.len() < 400, "{}", error.len());
}

#[tokio::test]
async fn a_private_ca_is_trusted_where_it_is_named_and_only_there() {
    let (ca, acceptor) = crate::receivers::certificate();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
            let mut bytes = vec![0; 64 * 1024];
            let _ = tokio::io::AsyncReadExt::read(&mut tls, &mut bytes).await;
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut tls, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let secrets = Secrets::from_iter([(secret("ca.crt"), ca.into())]);
    let context = Context::new().unwrap();
    let named = WebhookChannel { ca: Some(secret("ca.crt")), ..channel_to(&format!("https://{address}/")) };
    let delivery = crate::send(&Channel::Webhook(named.clone()), &page(), &secrets, now(), &context).await;
    assert!(matches!(delivery, Delivery::Accepted { .. }), "{delivery:?}");
    let unnamed = WebhookChannel { ca: None, ..named };
    let delivery = crate::send(&Channel::Webhook(unnamed), &page(), &secrets, now(), &context).await;
    let Delivery::Retry { error, .. } = delivery else { panic!("expected Retry, found {delivery:?}") };
    assert!(error.contains("name the issuer's certificate in `ca`"), "{error}");
}
