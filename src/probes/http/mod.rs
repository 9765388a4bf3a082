//! A request, the redirects it leads to, and whether the last answer is as expected.

mod exchange;
mod expect;
mod hop;

use domain::probe::{Failure, HttpFacts, HttpTarget, Phase, Reason, Redirects};
use http::{HeaderMap, Version, header};
use url::{Host, Url};

use crate::{
    connect::connect,
    context::Context,
    look::Look,
    secrets::Secrets,
    tls::{Offer, Peer, Trust},
};
pub(crate) use exchange::Stream;
use exchange::{Exchange, Head, Wire};
use hop::Hop;

/// Takes one look.
pub(crate) async fn look(
    target: &HttpTarget,
    secrets: &Secrets,
    context: &Context,
    look: &mut Look,
) -> Result<(), Failure> {
    // Whatever is wrong with the configuration is said before anything is sent.
    let needs_trust = target.url.scheme() == "https" || target.tls.ca.is_some();
    let mut trust = if needs_trust { Some(context.tls().trust(&target.tls, secrets)?) } else { None };
    let mut hop = Hop::first(target, secrets)?;
    loop {
        if hop.url.scheme() == "https" && trust.is_none() {
            trust = Some(context.tls().trust(&target.tls, secrets)?);
        }
        let (mut exchange, peer) = send(&hop, target, trust.as_deref(), context, look).await?;
        look.http = Some(facts(&exchange.head, &hop));
        let next = match target.redirects {
            Redirects::Follow(most) => hop.follow(&exchange.head, u32::from(most), &peer)?,
            Redirects::Judge => None,
        };
        match next {
            Some(next) => hop = next,
            None => return judge(target, &mut exchange, &peer, look).await,
        }
    }
}

/// Connects, secures the connection if the URL says so, and sends the request.
async fn send(
    hop: &Hop,
    target: &HttpTarget,
    trust: Option<&Trust>,
    context: &Context,
    look: &mut Look,
) -> Result<(Exchange, String), Failure> {
    let (host, port) = host_and_port(&hop.url)?;
    let tcp = connect(&host, port, context, look).await?;
    let address = look.address.map_or_else(|| host.to_string(), |address| address.to_string());
    let (stream, wire): (Box<dyn Stream>, Wire) = match trust {
        Some(trust) if hop.url.scheme() == "https" => {
            let own_name = target.tls.server_name.as_deref().filter(|_| hop.url.host() == target.url.host());
            let bare = host.to_string();
            // An address is written without brackets in a certificate.
            let bare = bare.trim_start_matches('[').trim_end_matches(']');
            let peer = Peer { name: own_name.unwrap_or(bare), trust, settings: &target.tls, offer: Offer::Http };
            let tls = context.tls().handshake(tcp, &peer, look).await?;
            let wire = if tls.get_ref().1.alpn_protocol() == Some(b"h2") { Wire::Http2 } else { Wire::Http1 };
            (Box::new(tls), wire)
        }
        _ => (Box::new(tcp), Wire::Http1),
    };
    let request = hop.request(wire)?;
    Ok((exchange::send(stream, wire, request, &address, look).await?, address))
}

/// Compares the answer with what is expected, the body last as it has to be read for that.
async fn judge(target: &HttpTarget, exchange: &mut Exchange, peer: &str, look: &mut Look) -> Result<(), Failure> {
    expect::status(&target.expect, exchange.head.status, peer)?;
    let outcome = match expect::headers(&target.expect, &exchange.head.headers, peer) {
        Ok(()) => {
            let body = exchange.read(target.expect.body.max_bytes, peer, look).await;
            if let (Some(facts), Ok(body)) = (&mut look.http, &body) {
                facts.body_bytes = u64::try_from(body.bytes.len()).unwrap_or(u64::MAX);
            }
            expect::body(&target.expect.body, &body?, peer)
        }
        Err(failure) => Err(failure),
    };
    if let (Some(facts), Err(failure)) = (&mut look.http, &outcome) {
        facts.failed_due_to_regex = matches!(failure.reason, Reason::BadHeader | Reason::BadBody);
    }
    outcome
}

fn facts(head: &Head, hop: &Hop) -> HttpFacts {
    HttpFacts {
        status: head.status.as_u16(),
        version: match head.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        }
        .to_owned(),
        redirects: hop.redirects,
        content_length: text(&head.headers, header::CONTENT_LENGTH).and_then(|length| length.trim().parse().ok()),
        body_bytes: 0,
        tls: hop.url.scheme() == "https",
        failed_due_to_regex: false,
        last_modified: text(&head.headers, header::LAST_MODIFIED).and_then(http_date),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// A date as RFC 9110, section 5.6.7 prefers it, in seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    // `GMT` is no RFC 2822 zone that jiff knows to be exact; it means the offset nought here.
    let text = text.strip_suffix("GMT")?;
    jiff::fmt::rfc2822::parse(&format!("{text}+0000")).ok().map(|date| date.timestamp().as_second())
}

fn host_and_port(url: &Url) -> Result<(Host<String>, u16), Failure> {
    match (url.host(), url.port_or_known_default()) {
        (Some(host), Some(port)) => Ok((host.to_owned(), port)),
        _ => Err(Failure {
            reason: Reason::ConfigError,
            phase: Phase::Dns,
            message: format!("expected a URL with a host, found the scheme `{}` without one", url.scheme()),
        }),
    }
}

#[cfg(test)]
mod tests;
