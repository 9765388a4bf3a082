use domain::{alert::Severity, labels::Labels, message::MessageKind};
use rstest::rstest;

use super::*;
use crate::fixtures::{page, resolved, warning};

#[test]
fn a_page_reads_like_this() {
    insta::assert_snapshot!("page_text", text(&page()));
    insta::assert_snapshot!("page_html", html(&page()));
    insta::assert_snapshot!("page_payload", pretty(&page()));
}

#[test]
fn a_resolved_notice_reads_like_this() {
    insta::assert_snapshot!("resolved_text", text(&resolved()));
    insta::assert_snapshot!("resolved_payload", pretty(&resolved()));
}

#[test]
fn a_warning_about_a_promise_reads_like_this() {
    insta::assert_snapshot!("warning_text", text(&warning()));
    insta::assert_snapshot!("warning_payload", pretty(&warning()));
}

#[test]
fn an_alert_that_says_nothing_more_still_makes_a_page() {
    let bare = Message {
        labels: Labels::new(),
        annotations: Labels::new(),
        number: None,
        person: None,
        severity: Severity::Ticket,
        priority: "P3".into(),
        ..page()
    };
    insta::assert_snapshot!("bare_text", text(&bare));
}

#[rstest]
#[case(MessageKind::Page, "[P1] Checkout is down (payments/inc-mfrggzdfmztwq2lknnwg23tpoa)")]
#[case(MessageKind::Update, "Re: [P1] Checkout is down (payments/inc-mfrggzdfmztwq2lknnwg23tpoa)")]
#[case(MessageKind::Resolved, "Resolved: [P1] Checkout is down (payments/inc-mfrggzdfmztwq2lknnwg23tpoa)")]
#[case(MessageKind::SlaWarning, "SLA: [P1] Checkout is down (payments/inc-mfrggzdfmztwq2lknnwg23tpoa)")]
fn the_subject_keeps_its_words_through_an_incident(#[case] kind: MessageKind, #[case] expected: &str) {
    assert_eq!(subject(&Message { kind, ..page() }), expected);
}

#[test]
fn a_possible_duplicate_says_so_to_people_and_machines() {
    let marked = Message { possible_duplicate: true, ..page() };
    for words in [text(&marked), html(&marked)] {
        assert!(words.contains("Possible") && words.contains("duplicate:"), "{words}");
    }
    assert!(pretty(&marked).contains("\"possibleDuplicate\":true"), "{}", pretty(&marked));
    assert!(!text(&page()).contains("duplicate") && !pretty(&page()).contains("possibleDuplicate"));
}

#[test]
fn a_title_cannot_add_a_header() {
    let message = Message { title: "down\r\nBcc: everybody@acme.example".into(), ..page() };
    assert!(!subject(&message).contains(['\r', '\n']), "{}", subject(&message));
    assert_eq!(text(&message).lines().next(), Some("down Bcc: everybody@acme.example"));
}

#[test]
fn what_a_source_says_cannot_become_markup() {
    let message = Message { title: "<script>alert('x')</script> & \"co\"".into(), ..page() };
    let html = html(&message);
    assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;co&quot;"), "{html}");
    assert!(!html.contains("<script>"));
}

#[test]
fn only_web_addresses_become_links() {
    let mut message = page();
    message.annotations.insert("guide".into(), "javascript:alert(1)".into());
    assert!(!html(&message).contains("href=\"javascript"), "{}", html(&message));
}

#[test]
fn terminal_control_in_a_description_is_dropped() {
    let mut message = page();
    message.annotations.insert("description".into(), "\x1b]0;owned\x07 really\tdown\x00".into());
    let text = text(&message);
    assert!(text.contains("]0;owned really\tdown\n"), "{text}");
}

#[rstest]
#[case(0, "0 s")]
#[case(-5, "0 s")]
#[case(40, "40 s")]
#[case(220, "3 min 40 s")]
#[case(3_600, "1 h")]
#[case(3_605, "1 h")]
#[case(5_400, "1 h 30 min")]
#[case(187_200, "2 d 4 h")]
fn a_length_of_time_shows_its_two_largest_units(#[case] seconds: i64, #[case] expected: &str) {
    assert_eq!(length(SignedDuration::from_secs(seconds)), expected);
}

#[test]
fn a_long_annotation_is_cut_with_a_mark_and_labels_stay() {
    let mut message = page();
    message.annotations.insert("description".into(), "long ".repeat(10_000));
    let payload: serde_json::Value = serde_json::from_slice(&payload(&message).unwrap()).unwrap();
    assert_eq!(payload["data"]["truncated"], true);
    assert!(payload["data"]["annotations"]["description"].as_str().unwrap().ends_with('…'));
    assert_eq!(payload["data"]["annotations"]["guide"], "https://wiki.acme.example/checkout");
    assert_eq!(payload["data"]["labels"]["service"], "checkout");
    assert!(text(&message).len() < 6_000);
}

#[test]
fn a_thousand_annotations_are_dropped_rather_than_the_page() {
    let mut message = page();
    message.annotations.extend((0..1_000).map(|n| (format!("a{n}"), "x".repeat(100))));
    let bytes = payload(&message).unwrap();
    assert!(bytes.len() < 20_000, "{}", bytes.len());
    let text = text(&message);
    assert!(text.contains("and 951 more\n") && text.contains("kubectl firstline ack"), "{text}");
}

fn pretty(message: &Message) -> String {
    let json = String::from_utf8(payload(message).unwrap()).unwrap();
    json.replace(",\"", ",\n\"").replace(":{", ":{\n").replace('}', "\n}")
}
