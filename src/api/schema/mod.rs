//! Schemas of fields that several kinds share, for `#[schemars(schema_with = "…")]`.
//!
//! A pattern costs the server nothing, a regular expression in CEL a lot; so shapes are said here.
//! The rules across fields are CEL rules beside the types they belong to.

mod finish;
#[cfg(test)]
mod tests;

use schemars::{Schema, SchemaGenerator, json_schema};

pub use finish::finish;

/// A duration such as `90s`, `15m` or `1h30m`.
pub fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 32, "pattern": DURATION})
}

/// Whole local days: `1d`, `2w`.
pub fn days(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 16, "pattern": DAYS})
}

/// A percentage of 50 to 99.9999, as text.
pub fn percentage(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 7, "pattern": PERCENTAGE})
}

/// A local date: `2026-11-02`.
pub fn date(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 10, "pattern": DATE})
}

/// Local hours of one day: `09:00-17:00`, at most 8 intervals.
pub fn hours(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": 8, "items": {"type": "string", "maxLength": 11, "pattern": HOURS}})
}

/// A span of working time: `8h`, `1h30m`.
pub fn working_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 32, "pattern": WORKING_TIME})
}

/// An instant, RFC 3339.
pub fn instant(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time", "maxLength": 64})
}

/// A name inside an object: lower-case letters, digits and `-`.
pub fn name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 63, "pattern": NAME})
}

/// Names inside an object, at most `MAX`.
pub fn names<const MAX: u32>(_: &mut SchemaGenerator) -> Schema {
    let item = json_schema!({"type": "string", "minLength": 1, "maxLength": 63, "pattern": NAME});
    json_schema!({"type": "array", "maxItems": MAX, "items": item})
}

/// The name of a Kubernetes object.
pub fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": OBJECT_NAME})
}

/// Text of at most `MAX` characters.
pub fn text<const MAX: u32>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": MAX})
}

/// Text of 1 to `MAX` characters.
pub fn some_text<const MAX: u32>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": MAX})
}

/// At most `ITEMS` texts of 1 to `MAX` characters.
pub fn texts<const ITEMS: u32, const MAX: u32>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": ITEMS, "items": {"type": "string", "minLength": 1, "maxLength": MAX}})
}

/// Alertmanager matchers, at most 16.
pub fn matchers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": 16, "items": {"type": "string", "minLength": 1, "maxLength": 512}})
}

/// Alertmanager matchers, 1 to 16.
pub fn some_matchers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "minItems": 1, "maxItems": 16, "items": {"type": "string", "minLength": 1, "maxLength": 512}})
}

/// Label names, at most 16.
pub fn label_names(_: &mut SchemaGenerator) -> Schema {
    let item = json_schema!({"type": "string", "minLength": 1, "maxLength": 128});
    json_schema!({"type": "array", "maxItems": 16, "items": item})
}

/// Labels or annotations of an alert: at most 64, values of at most 4,096 characters.
pub fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "maxProperties": 64, "additionalProperties": {"type": "string", "maxLength": 4096}})
}

/// An IANA time zone.
pub fn time_zone(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": TIME_ZONE})
}

/// An `http` or `https` URL.
pub fn http_url(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 2048, "pattern": HTTP_URL})
}

/// `host:port`; an IPv6 address stands in brackets.
pub fn host_port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 262, "pattern": HOST_PORT})
}

/// A mail address, loosely.
pub fn mail_address(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 254, "pattern": MAIL})
}

/// Mail addresses, at most 50.
pub fn mail_addresses(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "maxItems": 50, "items": {"type": "string", "maxLength": 254, "pattern": MAIL}})
}

/// `P1` to `P5`.
pub fn priority(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 2, "pattern": PRIORITY})
}

/// Only `true`: an act is written or left out.
pub fn only_true(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "boolean", "enum": [true]})
}

/// The conditions of an object, one per type.
pub fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": 16,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "maxLength": 63, "description": "What this condition is about, such as Ready."},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether it holds."},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_INT64, "description": "The generation of the spec that this is about."},
                "lastTransitionTime": {"type": "string", "format": "date-time", "maxLength": 64, "description": "Since when the status is what it is."},
                "reason": {"type": "string", "maxLength": 63, "description": "Why, as a stable word."},
                "message": {"type": "string", "maxLength": 32768, "description": "Why, for people: what is wrong, where, and what to do."},
            },
        },
    })
}

/// The largest integer that JavaScript and JSON readers keep exactly (2^53 - 1).
pub const MAX_INT64: i64 = 9_007_199_254_740_991;

/// What a pattern of these schemas asks for, in words for people.
pub(crate) fn shape(pattern: &str) -> &'static str {
    SHAPES.iter().find(|(known, _)| *known == pattern).map_or("another form", |(_, words)| *words)
}

pub(crate) const NAME: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
pub(crate) const OBJECT_NAME: &str = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";
pub(crate) const MAIL: &str = r"^[^@\s]+@[^@\s]+$";
pub(crate) const DURATION: &str = "^([0-9]+(ms|[smhdw]))+$";
pub(crate) const PERCENTAGE: &str = r"^[5-9][0-9](\.[0-9]{1,4})?$";
pub(crate) const DAYS: &str = "^([0-9]+[dw])+$";
pub(crate) const TIME_ZONE: &str = "^[A-Za-z0-9_+/-]+$";
pub(crate) const HTTP_URL: &str = "^https?://.+";
pub(crate) const REPOSITORY_URL: &str = "^(https?|file)://.+";
pub(crate) const HOST_PORT: &str = r"^([^\s:\[\]/]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$";
pub(crate) const PRIORITY: &str = "^P[1-5]$";
pub(crate) const BRANCH: &str = r"^[^\s~^:?*\[\\]+$";
pub(crate) const COMMIT: &str = "^[0-9a-f]{40}$";
pub(crate) const HEADER_NAME: &str = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
pub(crate) const HEADER_VALUE: &str = r"^[^\r\n]*$";
pub(crate) const STATUS_RANGE: &str = "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$";
pub(crate) const BYTES: &str = "^[0-9]+(B|KiB|MiB)$";
pub(crate) const NAMESPACE_OR_ALL: &str = r"^(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$";
pub(crate) const DATE: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
pub(crate) const HOURS: &str = "^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$";
pub(crate) const WORKING_TIME: &str = "^([0-9]+[hms])+$";
pub(crate) const PERCENT: &str = "^[1-9][0-9]?%$";
pub(crate) const LOCAL_TIME: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]$";
pub(crate) const FINGERPRINT: &str = "^[0-9a-f]{16}$";
pub(crate) const UUID: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
pub(crate) const PHONE: &str = "^[+0-9][0-9 ()./-]*$";

const SHAPES: [(&str, &str); 26] = [
    (NAME, "a name of a-z, 0-9 and `-`, with a letter or digit at both ends"),
    (OBJECT_NAME, "the name of an object: a-z, 0-9, `-` and `.`, with a letter or digit at both ends"),
    (MAIL, "a mail address such as `ada@acme.example`"),
    (DURATION, "a duration such as `30s`, `15m` or `1h30m` (units w d h m s ms)"),
    (PERCENTAGE, "a percentage from 50 to 99.9999 such as `99.9`, with at most four decimals (99.9, not 0.999)"),
    (DAYS, "whole days such as `1d`, `1w` or `2w`"),
    (TIME_ZONE, "an IANA time zone such as `Europe/Berlin`"),
    (HTTP_URL, "a URL that begins with `https://` or `http://`"),
    (REPOSITORY_URL, "a URL that begins with `https://`, `http://` or `file://`"),
    (HOST_PORT, "host:port, such as `mail.acme.example:587` or `[2001:db8::1]:587`"),
    (PRIORITY, "a priority from `P1` to `P5`"),
    (BRANCH, "the name of a branch, without spaces and ~^:?*[\\"),
    (COMMIT, "a commit: 40 hexadecimal digits"),
    (HEADER_NAME, "the name of a header, without spaces and colons"),
    (HEADER_VALUE, "the value of a header, on one line"),
    (STATUS_RANGE, "a status such as `204` or a range such as `200-299` (100 to 599)"),
    (BYTES, "a size such as `512KiB` or `1MiB`"),
    (NAMESPACE_OR_ALL, "the name of a namespace, or `*` for every one"),
    (DATE, "a date such as `2026-11-02`"),
    (HOURS, "local hours such as `09:00-17:00`"),
    (
        WORKING_TIME,
        "working time in h, m and s, such as `8h` or `1h30m` (a day would be 24 hours to one reader and a working day to the next)",
    ),
    (PERCENT, "a percent from `1%` to `99%`"),
    (LOCAL_TIME, "a time of day from `00:00` to `23:59`"),
    (FINGERPRINT, "a fingerprint: 16 hexadecimal digits"),
    (UUID, "a UUID"),
    (PHONE, "a phone number such as `+49 30 1234567`"),
];
