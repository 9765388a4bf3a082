//! What a plain (unquoted) scalar means, and which ones mean different things to different readers.

use serde_json::{Number, Value};

/// The words that YAML 1.1 (kubectl, Ansible, most of Python) reads as booleans and YAML 1.2 as text.
const BOOLEAN_WORDS: [&str; 16] =
    ["y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"];

/// The value of a plain scalar by the core schema of YAML 1.2.
///
/// # Errors
/// For a scalar that readers understand differently, or that JSON cannot hold: what it is and what to write instead.
pub(super) fn plain(text: &str) -> Result<Value, Trap> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        word if BOOLEAN_WORDS.contains(&word) => {
            let boolean =
                if word.starts_with(['y', 'Y']) || word.eq_ignore_ascii_case("on") { "true" } else { "false" };
            return Err(Trap {
                message: format!("`{word}` is a boolean to some readers of YAML and text to others"),
                suggestion: format!("write \"{word}\" for text, or {boolean}"),
            });
        }
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(Value::String(text.to_owned()));
    }
    number(text, unsigned)
}

/// Whether kubectl's parser (go-yaml, a port of libyaml) stumbles over this plain scalar between `[]` or `{}`: there a
/// `?` ends it, wherever it stands, and a `:` cannot begin it. Tried with kubectl 1.36; YAML 1.2 allows both.
pub(super) fn breaks_flow(text: &str) -> bool {
    text.contains('?') || text.starts_with(':')
}

/// A scalar that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trap {
    pub(super) message: String,
    pub(super) suggestion: String,
}

fn number(text: &str, unsigned: &str) -> Result<Value, Trap> {
    let trap = |what: &str| {
        Err(Trap { message: format!("`{text}` {what}"), suggestion: format!("write \"{text}\" for text") })
    };
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return trap("is no number that JSON can hold");
    }
    if has_radix(unsigned) {
        return trap("is a number to some readers of YAML and text to others, expected a decimal number");
    }
    if unsigned.contains('_') && is_decimal(&unsigned.replace('_', "")) {
        return trap("is a number to some readers of YAML and text to others, expected one without `_`");
    }
    if !is_decimal(unsigned) {
        return Ok(Value::String(text.to_owned()));
    }
    if unsigned.starts_with('0') && unsigned.as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
        return trap("has a leading zero, which makes it octal, decimal or text depending on the reader");
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = text.strip_prefix('+').unwrap_or(text);
        return match (digits.parse::<i64>(), digits.parse::<u64>()) {
            (Ok(number), _) => Ok(Value::from(number)),
            (_, Ok(number)) => Ok(Value::from(number)),
            _ => trap("is larger than any whole number that can be stored"),
        };
    }
    match text.parse::<f64>() {
        // As kubectl sends it: `1e3` and `5.0` are whole numbers.
        Ok(number) if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            Ok(Value::from(number as i64))
        }
        Ok(number) => match Number::from_f64(number) {
            Some(number) => Ok(Value::Number(number)),
            None => trap("is larger than any number that can be stored"),
        },
        Err(_) => Ok(Value::String(text.to_owned())),
    }
}

/// `0x1f`, `0o17`, `0b101`.
fn has_radix(unsigned: &str) -> bool {
    [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().any(|(prefix, radix)| {
        unsigned
            .strip_prefix(prefix)
            .is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c == '_' || c.is_digit(radix)))
    })
}

/// `12`, `1.5`, `.5`, `1.`, `1e3`, `1.5E-3`.
fn is_decimal(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    (!whole.is_empty() || !fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("checkout", json!("checkout"))]
    #[case("1h30m", json!("1h30m"))]
    #[case("09:00", json!("09:00"))]
    #[case("22:00", json!("22:00"))]
    #[case("2026-12-25", json!("2026-12-25"))]
    #[case("10.2.0.7", json!("10.2.0.7"))]
    #[case("1e", json!("1e"))]
    #[case("-", json!("-"))]
    #[case(".", json!("."))]
    #[case("0x", json!("0x"))]
    #[case("0", json!(0))]
    #[case("-7", json!(-7))]
    #[case("+7", json!(7))]
    #[case("18446744073709551615", json!(18_446_744_073_709_551_615_u64))]
    #[case("0.5", json!(0.5))]
    #[case(".5", json!(0.5))]
    #[case("1e3", json!(1000))]
    #[case("5.0", json!(5))]
    #[case("True", json!(true))]
    #[case("~", json!(null))]
    fn a_plain_scalar_is_what_kubectl_and_yaml_1_2_agree_on(#[case] text: &str, #[case] expected: Value) {
        assert_eq!(plain(text), Ok(expected));
    }

    #[rstest]
    #[case("yes", "write \"yes\" for text, or true")]
    #[case("Off", "write \"Off\" for text, or false")]
    #[case("n", "write \"n\" for text, or false")]
    #[case("0777", "write \"0777\" for text")]
    #[case("-012", "write \"-012\" for text")]
    #[case("00.5", "write \"00.5\" for text")]
    #[case("0x1f", "write \"0x1f\" for text")]
    #[case("0o17", "write \"0o17\" for text")]
    #[case("1_000", "write \"1_000\" for text")]
    #[case(".inf", "write \".inf\" for text")]
    #[case("1e999", "write \"1e999\" for text")]
    #[case("99999999999999999999", "write \"99999999999999999999\" for text")]
    fn a_scalar_that_readers_disagree_on_is_refused_with_what_to_write(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(plain(text).unwrap_err().suggestion, expected);
    }
}
