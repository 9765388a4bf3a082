//! Real conversations with a real server that misbehaves on request.

use domain::{
    message::{Channel, Refused, SmtpAuth},
    secret::SecretRef,
};
use rstest::rstest;
use tokio::net::TcpListener;

use super::*;
use crate::{
    fixtures::{now, page},
    receivers::{
        FOREVER, certificate, past_the_deadline,
        smtp::{Act, Moment, Received, Script, Server},
    },
};

fn secret(key: &str) -> SecretRef {
    SecretRef { name: "smtp".into(), key: key.into() }
}

fn secrets(ca: &str, password: &str) -> Secrets {
    [(secret("username"), "firstline"), (secret("password"), password), (secret("ca.crt"), ca)]
        .into_iter()
        .map(|(reference, value)| (reference, value.into()))
        .collect()
}

/// A channel to this server as its script wants it: encrypted and logged in where it can be.
fn channel_to(server: &Server, tls: SmtpTls) -> EmailChannel {
    let auth = (tls != SmtpTls::None).then(|| SmtpAuth { username: secret("username"), password: secret("password") });
    let ca = (tls != SmtpTls::None).then(|| secret("ca.crt"));
    EmailChannel { host: "127.0.0.1".into(), port: server.port, tls, auth, ca, timeout: FOREVER, ..fixtures::channel() }
}

async fn send_page(channel: EmailChannel, secrets: &Secrets) -> Delivery {
    crate::send(&Channel::Email(channel), &page(), secrets, now(), &Context::new().unwrap()).await
}

/// One page to a server with this script, through a channel that fits it.
async fn sent(script: Script) -> (Delivery, Server) {
    let tls = script.tls;
    let server = Server::start(script).await;
    let delivery = send_page(channel_to(&server, tls), &secrets(&server.ca, "s3cret")).await;
    (delivery, server)
}

fn failed(delivery: Delivery) -> String {
    let Delivery::Failed { error } = delivery else { panic!("expected Failed, found {delivery:?}") };
    error
}

fn retried(delivery: Delivery) -> String {
    let Delivery::Retry { after: None, error } = delivery else { panic!("expected Retry, found {delivery:?}") };
    error
}

fn uncertain(delivery: Delivery) -> String {
    let Delivery::Uncertain { error } = delivery else { panic!("expected Uncertain, found {delivery:?}") };
    error
}

#[rstest]
#[case::starttls(SmtpTls::Required)]
#[case::tls_from_the_first_byte(SmtpTls::Implicit)]
#[case::plain_text_without_credentials(SmtpTls::None)]
#[tokio::test]
async fn the_reply_to_the_final_dot_is_the_receipt(#[case] tls: SmtpTls) {
    let (delivery, server) = sent(Script::usual(tls)).await;
    assert_eq!(delivery, Delivery::Accepted { receipt: "250 2.0.0 queued as 4711".into() });
    let mails = server.mails();
    let [Received { from, to, data, encrypted }] = &mails[..] else { panic!("one mail, found {mails:?}") };
    assert_eq!(from, "FROM:<support@acme.example>");
    assert_eq!(to, &["TO:<ada@acme.example>"]);
    assert_eq!(*encrypted, tls != SmtpTls::None);
    assert!(data.contains("Subject: [P1] Checkout is down"), "{data}");
    assert!(data.contains("Message-ID: <5f0c2f4e-7d1a-5c3b-9e2d-1a2b3c4d5e6f@firstline.acme.example>"), "{data}");
    assert_eq!(server.commands().last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn a_server_that_knows_only_auth_login_is_logged_into() {
    let (delivery, server) = sent(Script { mechanisms: "LOGIN", ..Script::usual(SmtpTls::Required) }).await;
    assert!(matches!(delivery, Delivery::Accepted { .. }), "{delivery:?}");
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn nothing_but_ehlo_and_starttls_is_said_before_the_encryption() {
    let (_, server) = sent(Script::usual(SmtpTls::Required)).await;
    assert_eq!(server.commands()[..3], ["EHLO [127.0.0.1]", "STARTTLS", "EHLO [127.0.0.1]"]);
}

#[tokio::test]
async fn a_refused_password_says_where_to_look_shows_nothing_and_waits_for_the_secret() {
    for mechanisms in ["PLAIN", "LOGIN"] {
        let server = Server::start(Script { mechanisms, ..Script::usual(SmtpTls::Required) }).await;
        let error = retried(send_page(channel_to(&server, SmtpTls::Required), &secrets(&server.ca, "wr0ng")).await);
        assert!(error.contains("refused at logging in: 535 5.7.8 bad credentials"), "{error}");
        assert!(error.ends_with("check the user name and the password in secret smtp, key password"), "{error}");
        assert!(!error.contains("wr0ng") && !error.contains("AGZpcnN0bGluZQB3cjBuZw"), "{error}");
    }
}

#[tokio::test]
async fn credentials_are_never_sent_over_plain_text() {
    let server = Server::start(Script::usual(SmtpTls::None)).await;
    let auth = Some(SmtpAuth { username: secret("username"), password: secret("password") });
    let error =
        failed(send_page(EmailChannel { auth, ..channel_to(&server, SmtpTls::None) }, &secrets("", "s3cret")).await);
    assert_eq!(error, "credentials are not sent over plain text: set `tls` to Required or Implicit, or remove `auth`");
    assert_eq!(server.commands(), Vec::<String>::new());
}

#[tokio::test]
async fn a_missing_password_waits_for_the_secret() {
    let server = Server::start(Script::usual(SmtpTls::Required)).await;
    let only_ca =
        Secrets::from_iter([(secret("ca.crt"), server.ca.clone().into()), (secret("username"), "firstline".into())]);
    let error = retried(send_page(channel_to(&server, SmtpTls::Required), &only_ca).await);
    assert!(error.starts_with("the SMTP password is missing: secret smtp, key password, was not found"), "{error}");
}

#[tokio::test]
async fn a_server_without_starttls_gets_no_mail() {
    let server = Server::start(Script::usual(SmtpTls::None)).await;
    let error = failed(send_page(channel_to(&server, SmtpTls::Required), &secrets(&server.ca, "s3cret")).await);
    assert!(error.contains("does not offer STARTTLS"), "{error}");
    assert_eq!(server.commands().len(), 1, "only EHLO");
}

#[tokio::test]
async fn a_server_without_auth_is_told_apart_from_a_wrong_password() {
    let (delivery, _) = sent(Script { mechanisms: "CRAM-MD5", ..Script::usual(SmtpTls::Required) }).await;
    assert!(failed(delivery).contains("offers neither AUTH PLAIN nor AUTH LOGIN"));
}

#[tokio::test]
async fn what_is_slipped_in_before_the_encryption_is_not_believed() {
    // CVE-2011-0411: an answer to the EHLO that will follow the handshake.
    let injected = Act::Say("220 go ahead\r\n250-evil\r\n250 AUTH PLAIN");
    let (delivery, server) = sent(Script::usual(SmtpTls::Required).at(Moment::StartTls, injected)).await;
    assert!(retried(delivery).contains("more than the reply to STARTTLS, before the encryption"));
    assert_eq!(server.mails().len(), 0);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_says_what_to_do() {
    let server = Server::start(Script::usual(SmtpTls::Required)).await;
    let error = retried(send_page(channel_to(&server, SmtpTls::Required), &secrets(&certificate().0, "s3cret")).await);
    assert!(error.contains("signed by nobody trusted here; name the issuer's certificate in `ca`"), "{error}");
    assert_eq!(server.commands().len(), 2, "EHLO and STARTTLS, no credentials");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let server = Server::start(Script::usual(SmtpTls::Implicit)).await;
    // 127.0.0.2 reaches the same machine, but the certificate does not name it.
    let other = TcpListener::bind(("127.0.0.2", 0)).await.unwrap();
    let port = other.local_addr().unwrap().port();
    let mut relay = tokio::task::JoinSet::new();
    let target = server.port;
    relay.spawn(async move {
        let (mut near, _) = other.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(("127.0.0.1", target)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    let channel = EmailChannel { host: "127.0.0.2".into(), port, ..channel_to(&server, SmtpTls::Implicit) };
    let error = retried(send_page(channel, &secrets(&server.ca, "s3cret")).await);
    assert!(error.contains("the TLS handshake failed") && error.contains("127.0.0.2"), "{error}");
}

#[tokio::test]
async fn implicit_tls_on_a_port_of_plain_text_says_so() {
    let server = Server::start(Script::usual(SmtpTls::None)).await;
    let error = retried(send_page(channel_to(&server, SmtpTls::Implicit), &secrets(&server.ca, "s3cret")).await);
    assert!(error.contains("the TLS handshake failed: it does not speak TLS on this port"), "{error}");
}

#[tokio::test]
async fn a_ca_that_is_no_certificate_names_its_secret() {
    let server = Server::start(Script::usual(SmtpTls::Required)).await;
    let error = failed(send_page(channel_to(&server, SmtpTls::Required), &secrets("hello", "s3cret")).await);
    assert!(error.starts_with("the mail server's CA in secret smtp, key ca.crt: expected PEM"), "{error}");
}

#[tokio::test]
async fn a_refused_connection_says_which_address() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let channel = EmailChannel { host: "127.0.0.1".into(), port, tls: SmtpTls::None, ..fixtures::channel() };
    let error = retried(send_page(channel, &Secrets::default()).await);
    assert!(
        error.starts_with(&format!("127.0.0.1:{port}: no connection to 127.0.0.1:{port}: Connection refused")),
        "{error}"
    );
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_tried_again() {
    let channel = EmailChannel { host: "mail.invalid".into(), tls: SmtpTls::None, ..fixtures::channel() };
    let error = retried(send_page(channel, &Secrets::default()).await);
    assert!(error.starts_with("mail.invalid:587: the name cannot be resolved"), "{error}");
}

#[rstest]
#[case(Moment::Greeting, "421 too busy")]
#[case(Moment::Ehlo, "421 too busy")]
#[case(Moment::StartTls, "454 TLS not available")]
#[case(Moment::Auth, "454 4.7.0 directory is down")]
#[case(Moment::Mail, "451 try later")]
#[case(Moment::Rcpt, "450 greylisted")]
#[case(Moment::Data, "451 try later")]
#[case(Moment::FinalDot, "452 no space")]
#[tokio::test]
async fn a_4xx_at_any_moment_is_tried_again(#[case] moment: Moment, #[case] reply: &'static str) {
    let (delivery, server) = sent(Script::usual(SmtpTls::Required).at(moment, Act::Say(reply))).await;
    let error = retried(delivery);
    assert!(error.contains(reply), "{error}");
    assert_eq!(server.mails().len(), 0);
}

#[rstest]
#[case(Moment::Greeting, "554 no service here")]
#[case(Moment::Ehlo, "502 unknown")]
#[case(Moment::StartTls, "501 no")]
#[case(Moment::Mail, "553 not your address")]
#[case(Moment::Rcpt, "550 no such user")]
#[case(Moment::Data, "554 no valid recipients")]
#[case(Moment::FinalDot, "554 looks like spam")]
#[tokio::test]
async fn a_5xx_at_any_moment_but_the_login_has_failed(#[case] moment: Moment, #[case] reply: &'static str) {
    let (delivery, server) = sent(Script::usual(SmtpTls::Required).at(moment, Act::Say(reply))).await;
    let error = failed(delivery);
    assert!(error.contains(reply), "{error}");
    assert_eq!(server.mails().len(), 0);
}

#[tokio::test]
async fn a_server_that_wants_a_login_first_is_not_taken_for_one_that_dislikes_the_sender() {
    let (delivery, _) =
        sent(Script::usual(SmtpTls::None).at(Moment::Mail, Act::Say("530 5.7.0 Authentication required"))).await;
    let error = failed(delivery);
    assert!(error.ends_with("the server wants encryption or a login first: set `tls` and `auth`"), "{error}");
}

#[rstest]
#[tokio::test]
async fn a_cut_before_the_final_dot_certainly_delivered_nothing(
    #[values(
        Moment::Greeting,
        Moment::Ehlo,
        Moment::StartTls,
        Moment::Handshake,
        Moment::Auth,
        Moment::Mail,
        Moment::Rcpt,
        Moment::Data
    )]
    moment: Moment,
) {
    let (delivery, _) = sent(Script::usual(SmtpTls::Required).at(moment, Act::Cut)).await;
    retried(delivery);
}

/// A mail that no socket's buffers hold, so that it cannot be sent while the server does not read.
async fn hand_over_a_huge_mail(server: &Server) -> Delivery {
    let channel = channel_to(server, SmtpTls::None);
    let (submission, mut mail) =
        prepare(&channel, &page(), &Secrets::default(), now(), &Context::new().unwrap()).unwrap();
    mail.bytes.extend("more of it\r\n".repeat(3_000_000).bytes());
    hand_over(&submission, &mail, FOREVER).await
}

#[tokio::test]
async fn a_cut_in_the_middle_of_the_mail_certainly_delivered_nothing() {
    let server = Server::start(Script::usual(SmtpTls::None).at(Moment::Body, Act::Cut)).await;
    let error = retried(hand_over_a_huge_mail(&server).await);
    assert!(error.contains("at sending the mail: the connection was lost"), "{error}");
}

#[tokio::test]
async fn a_deadline_in_the_middle_of_the_mail_is_tried_again() {
    let server = Server::start(Script::usual(SmtpTls::None).at(Moment::Body, Act::Hang)).await;
    let error = retried(past_the_deadline(&server.hung, hand_over_a_huge_mail(&server)).await);
    assert!(error.ends_with("at sending the mail"), "{error}");
}

#[tokio::test]
async fn a_cut_after_the_final_dot_is_uncertain() {
    let (delivery, _) = sent(Script::usual(SmtpTls::Required).at(Moment::FinalDot, Act::Cut)).await;
    let error = uncertain(delivery);
    assert!(error.contains("at the final dot: the connection was lost"), "{error}");
}

#[rstest]
#[case::not_smtp("ok, thanks")]
#[case::the_answer_to_another_command("354 end with a dot")]
#[tokio::test]
async fn an_unfitting_answer_to_the_final_dot_is_uncertain(#[case] answer: &'static str) {
    let (delivery, _) = sent(Script::usual(SmtpTls::None).at(Moment::FinalDot, Act::Say(answer))).await;
    uncertain(delivery);
}

#[tokio::test]
async fn no_mail_is_sent_to_a_server_that_does_not_ask_for_it() {
    let (delivery, server) = sent(Script::usual(SmtpTls::None).at(Moment::Data, Act::Say("250 ok"))).await;
    let error = retried(delivery);
    assert!(error.contains("at sending the mail: expected a fitting SMTP reply, found `250 ok`"), "{error}");
    assert_eq!(server.commands().last().map(String::as_str), Some("DATA"));
}

#[rstest]
#[tokio::test]
async fn a_deadline_before_the_final_dot_is_tried_again_and_says_where_it_hung(
    #[values(
        (Moment::Greeting, "at the greeting"),
        (Moment::Ehlo, "at the greeting"),
        (Moment::StartTls, "at the greeting"),
        (Moment::Handshake, "at the TLS handshake"),
        (Moment::Auth, "at logging in"),
        (Moment::Mail, "at MAIL FROM"),
        (Moment::Rcpt, "at RCPT TO"),
        (Moment::Data, "at sending the mail")
    )]
    hang: (Moment, &'static str),
) {
    let (moment, place) = hang;
    let server = Server::start(Script::usual(SmtpTls::Required).at(moment, Act::Hang)).await;
    let secrets = secrets(&server.ca, "s3cret");
    let attempt = send_page(channel_to(&server, SmtpTls::Required), &secrets);
    let error = retried(past_the_deadline(&server.hung, attempt).await);
    assert!(error.contains("no answer within 3600s") && error.ends_with(place), "{error}");
}

#[tokio::test]
async fn a_deadline_after_the_final_dot_is_uncertain() {
    let server = Server::start(Script::usual(SmtpTls::Required).at(Moment::FinalDot, Act::Hang)).await;
    let secrets = secrets(&server.ca, "s3cret");
    let attempt = send_page(channel_to(&server, SmtpTls::Required), &secrets);
    let error = uncertain(past_the_deadline(&server.hung, attempt).await);
    assert!(error.ends_with("no answer within 3600s, at the final dot"), "{error}");
}

#[rstest]
#[tokio::test]
async fn trouble_at_goodbye_changes_nothing_about_an_accepted_mail(
    #[values(Act::Say("500 what?"), Act::Cut)] act: Act,
) {
    let (delivery, _) = sent(Script::usual(SmtpTls::Required).at(Moment::Quit, act)).await;
    assert!(matches!(delivery, Delivery::Accepted { .. }), "{delivery:?}");
}

#[tokio::test]
async fn a_server_that_hangs_at_goodbye_is_left() {
    let server = Server::start(Script::usual(SmtpTls::Required).at(Moment::Quit, Act::Hang)).await;
    let secrets = secrets(&server.ca, "s3cret");
    let attempt = send_page(channel_to(&server, SmtpTls::Required), &secrets);
    let delivery = past_the_deadline(&server.hung, attempt).await;
    assert!(matches!(delivery, Delivery::Accepted { .. }), "{delivery:?}");
}

#[rstest]
#[case::for_good("550 no such user", true)]
#[case::for_now("450 greylisted", false)]
#[tokio::test]
async fn one_refused_recipient_does_not_keep_the_page_from_the_other_and_is_not_hidden(
    #[case] reply: &'static str,
    #[case] for_good: bool,
) {
    let server = Server::start(Script::usual(SmtpTls::None).at(Moment::Rcpt, Act::SayTo("cto@", reply))).await;
    let channel = Channel::Email(channel_to(&server, SmtpTls::None));
    let to_the_team = Message { person: None, address: None, ..page() };
    let delivery = crate::send(&channel, &to_the_team, &Secrets::default(), now(), &Context::new().unwrap()).await;
    let refused = Refused { recipient: "cto@acme.example".into(), word: reply.into(), for_good };
    let reached = vec!["ops@acme.example".into()];
    let receipt = "250 2.0.0 queued as 4711".into();
    assert_eq!(delivery, Delivery::Partly { receipt, reached, refused: vec![refused] });
    assert_eq!(server.mails()[0].to, ["TO:<ops@acme.example>"]);
}

#[tokio::test]
async fn who_was_refused_is_tried_again_alone_with_the_same_mail() {
    let server = Server::start(Script::usual(SmtpTls::None)).await;
    let channel = Channel::Email(channel_to(&server, SmtpTls::None));
    let to_the_team = Message { person: None, address: None, ..page() };
    let the_rest = Message { settled: vec!["ops@acme.example".into()], ..to_the_team.clone() };
    for message in [&to_the_team, &the_rest] {
        let delivery = crate::send(&channel, message, &Secrets::default(), now(), &Context::new().unwrap()).await;
        assert!(matches!(delivery, Delivery::Accepted { .. }), "{delivery:?}");
    }
    let mails = server.mails();
    assert_eq!((&mails[1].to, &mails[1].data), (&vec!["TO:<cto@acme.example>".to_owned()], &mails[0].data));

    let settled = vec!["ops@acme.example".into(), "cto@acme.example".into()];
    let nobody = Message { settled, ..to_the_team };
    let delivery = crate::send(&channel, &nobody, &Secrets::default(), now(), &Context::new().unwrap()).await;
    assert_eq!(delivery, Delivery::Accepted { receipt: "nobody is left to be told".into() });
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn a_repeat_carries_the_same_message_id_and_thread() {
    let server = Server::start(Script::usual(SmtpTls::None)).await;
    for _ in 0..2 {
        send_page(channel_to(&server, SmtpTls::None), &Secrets::default()).await;
    }
    let mails = server.mails();
    let ids = |mail: &Received| {
        let lines = mail.data.lines().filter(|line| line.starts_with("Message-ID:") || line.starts_with("References:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ids(&mails[0]).len(), 2);
    assert_eq!(ids(&mails[0]), ids(&mails[1]));
}
