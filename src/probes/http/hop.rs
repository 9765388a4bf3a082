//! One request of a chain of redirects: what is sent, and where the answer leads.
//!
//! Values of Secrets, and the plain headers that carry credentials, go to the origin they were
//! written for and to nobody else; once dropped they do not come back.

use domain::probe::{Failure, HeaderValue as Written, HttpTarget, Method, Phase, Reason};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method as Verb, Request, StatusCode, Uri, Version,
    header::{ACCEPT, AUTHORIZATION, CONNECTION, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION, USER_AGENT},
};
use http_body_util::Full;
use hyper::body::Bytes;
use url::Url;

use super::exchange::{Head, Wire};
use crate::secrets::Secrets;

/// What servers see in their logs.
const AGENT: &str = concat!("firstline/", env!("CARGO_PKG_VERSION"));

/// A request to come.
#[derive(Debug)]
pub(crate) struct Hop {
    pub(crate) url: Url,
    /// How many redirects led here.
    pub(crate) redirects: u32,
    verb: Verb,
    headers: HeaderMap,
    /// The headers of the first origin only.
    credentials: HeaderMap,
    body: Bytes,
}

impl Hop {
    /// The request as it is written.
    pub(crate) fn first(target: &HttpTarget, secrets: &Secrets) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let mut credentials = HeaderMap::new();
        for header in &target.headers {
            let named = |what: &str| config_error(format!("header {}: {what}", header.name));
            let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| named("not the name of a header"))?;
            // The value is never repeated, as it may be a secret.
            let value = |text: &str| HeaderValue::from_str(text.trim()).map_err(|_| named("not a value for a header"));
            match &header.value {
                Written::Plain(text) if belongs_to_origin(&name) => drop(credentials.append(name, value(text)?)),
                Written::Plain(text) if headers.contains_key(&name) && is_default(&name) => {
                    drop(headers.insert(name, value(text)?));
                }
                Written::Plain(text) => drop(headers.append(name, value(text)?)),
                Written::Secret(reference) => {
                    let mut value = value(secrets.expose(reference, &format!("header {}", header.name))?)?;
                    value.set_sensitive(true);
                    credentials.append(name, value);
                }
            }
        }
        let verb = match target.method {
            Method::Get => Verb::GET,
            Method::Head => Verb::HEAD,
            Method::Post => Verb::POST,
            Method::Put => Verb::PUT,
            Method::Options => Verb::OPTIONS,
        };
        let body = Bytes::copy_from_slice(target.body.as_bytes());
        Ok(Self { url: target.url.clone(), redirects: 0, verb, headers, credentials, body })
    }

    /// The request that a redirect asks for; `None` when the answer is none. It is refused after `most`.
    ///
    /// Methods change as browsers change them (RFC 9110, section 15.4): after 303 always, after 301
    /// and 302 from POST, to GET without a body.
    pub(crate) fn follow(&self, head: &Head, most: u32, peer: &str) -> Result<Option<Self>, Failure> {
        use StatusCode as S;
        let redirects = matches!(
            head.status,
            S::MOVED_PERMANENTLY | S::FOUND | S::SEE_OTHER | S::TEMPORARY_REDIRECT | S::PERMANENT_REDIRECT
        );
        let Some(location) = head.headers.get(LOCATION).filter(|_| redirects) else { return Ok(None) };
        if self.redirects >= most {
            let message = format!("{peer} redirects once more after {most} redirects");
            return Err(Failure { reason: Reason::TooManyRedirects, phase: Phase::Expect, message });
        }
        // What the server wrote is not repeated: such URLs often carry tokens.
        let wrong = |what: &str| Failure {
            reason: Reason::ProtocolError,
            phase: Phase::Expect,
            message: format!("{peer} answered {} with a Location that {what}", head.status.as_u16()),
        };
        let url = location.to_str().ok().and_then(|location| self.url.join(location).ok());
        let url = url.ok_or_else(|| wrong("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong(&format!("is not for HTTP but for `{}`", url.scheme())));
        }
        let becomes_get = match head.status {
            S::SEE_OTHER => self.verb != Verb::HEAD,
            S::MOVED_PERMANENTLY | S::FOUND => self.verb == Verb::POST,
            _ => false,
        };
        let credentials = if url.origin() == self.url.origin() { self.credentials.clone() } else { HeaderMap::new() };
        Ok(Some(Self {
            redirects: self.redirects + 1,
            verb: if becomes_get { Verb::GET } else { self.verb.clone() },
            headers: self.headers.clone(),
            credentials,
            body: if becomes_get { Bytes::new() } else { self.body.clone() },
            url,
        }))
    }

    /// The request on the wire.
    pub(crate) fn request(&self, wire: Wire) -> Result<Request<Full<Bytes>>, Failure> {
        let host = self.url.host_str().unwrap_or_default();
        let authority = self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let path = self.url.path();
        let path = self.url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let written_host = self.credentials.get(HOST).cloned();

        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.verb.clone();
        request.headers_mut().extend(self.headers.clone());
        for (name, value) in &self.credentials {
            request.headers_mut().append(name, value.clone());
        }
        let unusable = || config_error("the URL cannot be requested".to_owned());
        match wire {
            Wire::Http1 => {
                *request.uri_mut() = Uri::try_from(path).map_err(|_| unusable())?;
                let host = match written_host {
                    Some(host) => host,
                    None => HeaderValue::try_from(authority).map_err(|_| unusable())?,
                };
                request.headers_mut().insert(HOST, host);
                // One connection a look: say so, and the server keeps the closing side.
                request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Wire::Http2 => {
                let written = written_host.and_then(|host| host.to_str().map(str::to_owned).ok());
                let uri = format!("{}://{}{path}", self.url.scheme(), written.unwrap_or(authority));
                *request.uri_mut() = Uri::try_from(uri).map_err(|_| unusable())?;
                *request.version_mut() = Version::HTTP_2;
                request.headers_mut().remove(HOST);
            }
        }
        Ok(request)
    }
}

/// Headers that are not for another origin, even when written in the open.
fn belongs_to_origin(name: &HeaderName) -> bool {
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, HOST].contains(name)
}

fn is_default(name: &HeaderName) -> bool {
    [ACCEPT, USER_AGENT].contains(name)
}

fn config_error(message: String) -> Failure {
    Failure { reason: Reason::ConfigError, phase: Phase::Dns, message }
}
