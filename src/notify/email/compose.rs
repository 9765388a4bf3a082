//! The mail itself: who, headers, two parts. Pure: the same message at the same `now` gives the same bytes.
//!
//! Threading rests on `References` to a root that no mail carries: every mail of an incident is an answer to
//! it, whichever of them a person received. The root holds the ticket's uid, so a ticket created anew under
//! the same name starts a new thread.

use std::time::SystemTime;

use domain::message::{EmailChannel, Message};
use jiff::Timestamp;
use lettre::{
    Address,
    address::AddressError,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use crate::{outcome::NotAccepted, render};

/// A mail ready to be handed over.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) from: Address,
    /// Whom it goes to; those of the header `To` who have it already are left out.
    pub(super) to: Vec<Address>,
    /// Headers and body with CR LF line ends, dots not yet doubled.
    pub(super) bytes: Vec<u8>,
}

impl Mail {
    /// Whether the server must speak SMTPUTF8.
    pub(super) fn has_international_address(&self) -> bool {
        self.to.iter().chain([&self.from]).any(|address| !AsRef::<str>::as_ref(address).is_ascii())
    }

    /// Whether the server must speak 8BITMIME.
    pub(super) fn is_eight_bit(&self) -> bool {
        !self.bytes.is_ascii()
    }
}

/// # Errors
/// `Failed`, with the address that cannot be used or the one that is missing.
pub(super) fn compose(channel: &EmailChannel, message: &Message, now: Timestamp) -> Result<Mail, NotAccepted> {
    let from = mailbox(&channel.from, "the channel's `from`")?;
    let to = recipients(channel, message)?;
    let domain = from.email.domain().to_owned();
    let root = format!("<{}@firstline.{domain}>", render::one_line(&message.thread));
    let mut builder = lettre::Message::builder()
        .from(from.clone())
        .date(SystemTime::from(now.max(Timestamp::UNIX_EPOCH)))
        .message_id(Some(format!("<{}@firstline.{domain}>", message.id)))
        .in_reply_to(root.clone())
        .references(root)
        .subject(render::subject(message))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Firstline-Ticket", &message.ticket))
        .raw_header(header("X-Firstline-Namespace", &message.namespace))
        .raw_header(header("X-Firstline-Kind", message.kind.as_str()));
    for mailbox in &to {
        builder = builder.to(mailbox.clone());
    }
    let parts = MultiPart::alternative()
        .boundary(format!("firstline-{}", message.id))
        .singlepart(SinglePart::plain(render::text(message)))
        .singlepart(SinglePart::html(render::html(message)));
    let mail = builder
        .multipart(parts)
        .map_err(|error| NotAccepted::Failed(format!("the mail cannot be written: {error}")))?;
    let is_settled = |address: &Address| message.settled.iter().any(|settled| *settled == address.to_string());
    let to = to.into_iter().map(|mailbox| mailbox.email).filter(|address| !is_settled(address)).collect();
    Ok(Mail { from: from.email, to, bytes: mail.formatted() })
}

fn recipients(channel: &EmailChannel, message: &Message) -> Result<Vec<Mailbox>, NotAccepted> {
    match (&message.address, &message.person) {
        (Some(address), _) => Ok(vec![mailbox(address, "the person's `email`")?]),
        (None, Some(person)) => Err(NotAccepted::Failed(format!(
            "person `{person}` has no `email` in the policy: add one, or use another channel"
        ))),
        (None, None) if channel.to.is_empty() => {
            Err(NotAccepted::Failed("the channel has no `to`, and the message is for no person: add `to`".to_owned()))
        }
        (None, None) => channel.to.iter().map(|address| mailbox(address, "the channel's `to`")).collect(),
    }
}

fn mailbox(text: &str, what: &str) -> Result<Mailbox, NotAccepted> {
    let refused = |reason: &str| {
        let written = crate::outcome::plain(text, 100);
        NotAccepted::Failed(format!(
            "{what}: expected a mail address such as ada@acme.example, found `{written}`: {reason}"
        ))
    };
    // A line break in an address would be a command of its own.
    if text.contains(char::is_control) {
        return Err(refused("it contains a control character"));
    }
    text.parse().map_err(|error: AddressError| refused(&error.to_string()))
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), render::one_line(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        email::fixtures::channel,
        fixtures::{now, page, resolved},
    };

    fn headers(message: &Message) -> String {
        let mail = compose(&channel(), message, now()).unwrap();
        let text = String::from_utf8(mail.bytes).unwrap();
        text.split_once("\r\n\r\n").unwrap().0.replace("\r\n", "\n")
    }

    #[test]
    fn the_headers_of_a_page() {
        insta::assert_snapshot!("page_headers", headers(&page()));
    }

    #[test]
    fn every_mail_of_an_incident_answers_the_same_root_and_has_its_own_id() {
        let resolved = Message { id: domain::message::NotificationId(uuid::Uuid::from_u128(7)), ..resolved() };
        let line =
            |text: &str, name: &str| text.lines().find(|line| line.starts_with(name)).map(str::to_owned).unwrap();
        let (page, resolved) = (headers(&page()), headers(&resolved));
        assert_eq!(line(&page, "References:"), line(&resolved, "References:"));
        assert_eq!(line(&page, "In-Reply-To:"), line(&resolved, "In-Reply-To:"));
        assert_ne!(line(&page, "Message-ID:"), line(&resolved, "Message-ID:"));
    }

    #[test]
    fn a_repeat_of_a_mail_is_the_same_mail() {
        let again = || compose(&channel(), &page(), now()).unwrap().bytes;
        assert_eq!(again(), again());
    }

    #[test]
    fn no_value_adds_a_header() {
        let mut message = Message { title: "down\r\nBcc: x@acme.example".into(), ..page() };
        message.ticket = "inc-1\r\nBcc: y@acme.example".into();
        message.thread = "u\r\nBcc: z@acme.example".into();
        let headers = headers(&message);
        assert!(!headers.lines().any(|line| line.starts_with("Bcc")), "{headers}");
    }

    #[test]
    fn the_plain_text_comes_first_so_that_readers_without_html_see_it() {
        let text = String::from_utf8(compose(&channel(), &page(), now()).unwrap().bytes).unwrap();
        assert!(text.find("text/plain").unwrap() < text.find("text/html").unwrap());
    }

    #[test]
    fn a_title_in_any_script_survives_a_server_of_seven_bits() {
        let mail = compose(&channel(), &Message { title: "結帳故障 – checkout".into(), ..page() }, now()).unwrap();
        assert!(!mail.is_eight_bit());
        assert!(!mail.has_international_address());
    }

    #[test]
    fn a_message_for_a_person_without_address_does_not_go_to_the_team_instead() {
        let error = compose(&channel(), &Message { address: None, ..page() }, now()).unwrap_err();
        assert_eq!(
            error,
            NotAccepted::Failed(
                "person `ada` has no `email` in the policy: add one, or use another channel".to_owned()
            )
        );
    }

    #[test]
    fn a_message_for_no_person_goes_to_the_channels_own_addresses() {
        let mail = compose(&channel(), &Message { address: None, person: None, ..page() }, now()).unwrap();
        assert_eq!(
            mail.to.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["ops@acme.example", "cto@acme.example"]
        );
    }

    #[test]
    fn who_has_it_already_is_not_sent_it_again_and_the_mail_stays_the_same() {
        let whole = Message { address: None, person: None, ..page() };
        let rest = Message { settled: vec!["ops@acme.example".into()], ..whole.clone() };
        let (whole, rest) = [whole, rest].map(|message| compose(&channel(), &message, now()).unwrap()).into();
        assert_eq!(rest.to.iter().map(ToString::to_string).collect::<Vec<_>>(), ["cto@acme.example"]);
        assert_eq!(whole.bytes, rest.bytes);
    }

    #[test]
    fn an_address_cannot_hold_a_command() {
        for address in ["ada@acme.example>\r\nRCPT TO:<eve@acme.example", "\"a\r\nDATA\"@acme.example"] {
            let error = compose(&channel(), &Message { address: Some(address.into()), ..page() }, now()).unwrap_err();
            assert!(
                matches!(&error, NotAccepted::Failed(error) if error.ends_with("a control character")),
                "{error:?}"
            );
        }
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        let error = compose(&channel(), &Message { address: Some("ada".into()), ..page() }, now()).unwrap_err();
        let NotAccepted::Failed(error) = error else { panic!("{error:?}") };
        assert!(
            error.starts_with("the person's `email`: expected a mail address such as ada@acme.example, found `ada`"),
            "{error}"
        );
    }
}
