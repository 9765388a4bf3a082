//! Whether an answer is what is expected. What the server sent is not repeated in any message: it
//! may echo a credential.

use domain::probe::{BodyExpectation, Failure, HttpExpectation, Phase, Reason, StatusRange};
use http::{HeaderMap, StatusCode};

use super::exchange::Body;

/// The status must be in one of the ranges.
pub(crate) fn status(expected: &HttpExpectation, status: StatusCode, peer: &str) -> Result<(), Failure> {
    let code = status.as_u16();
    if expected.status.iter().any(|range| range.contains(code)) {
        return Ok(());
    }
    let ranges = expected.status.iter().map(range_text).collect::<Vec<_>>().join(" or ");
    Err(failure(Reason::BadStatus, format!("{peer} answered {code}, expected {ranges}")))
}

/// Each expected header must be there, with a value that matches.
pub(crate) fn headers(expected: &HttpExpectation, headers: &HeaderMap, peer: &str) -> Result<(), Failure> {
    for header in &expected.headers {
        let mut values = headers.get_all(&header.name).iter().peekable();
        let pattern = header.matches.as_str();
        if values.peek().is_none() {
            let message = format!("{peer} sent no header {}, expected one that matches `{pattern}`", header.name);
            return Err(failure(Reason::BadHeader, message));
        }
        if !values.any(|value| header.matches.is_match(&String::from_utf8_lossy(value.as_bytes()))) {
            let message = format!("{peer} sent a header {} that does not match `{pattern}`", header.name);
            return Err(failure(Reason::BadHeader, message));
        }
    }
    Ok(())
}

/// Every part that is asked for must hold, over the whole body. Bytes that are not UTF-8 count as U+FFFD.
pub(crate) fn body(expected: &BodyExpectation, body: &Body, peer: &str) -> Result<(), Failure> {
    if !expected.is_asked() {
        return Ok(());
    }
    if body.cut {
        let message = format!("{peer} sent a body of more than {} bytes, which was not read on", expected.max_bytes);
        return Err(failure(Reason::BodyTooLarge, message));
    }
    let text = String::from_utf8_lossy(&body.bytes);
    let length = body.bytes.len();
    let wrong = |what: String| Err(failure(Reason::BadBody, format!("the body of {length} bytes from {peer} {what}")));
    if let Some(part) = &expected.contains
        && !text.contains(part)
    {
        return wrong(format!("does not contain `{part}`"));
    }
    if let Some(pattern) = &expected.matches
        && !pattern.is_match(&text)
    {
        return wrong(format!("does not match `{pattern}`"));
    }
    if let Some(pattern) = &expected.not_matches
        && pattern.is_match(&text)
    {
        return wrong(format!("matches `{pattern}`, which it must not"));
    }
    Ok(())
}

fn range_text(range: &StatusRange) -> String {
    if range.from == range.to { range.from.to_string() } else { format!("{}-{}", range.from, range.to) }
}

fn failure(reason: Reason, message: String) -> Failure {
    Failure { reason, phase: Phase::Expect, message }
}
