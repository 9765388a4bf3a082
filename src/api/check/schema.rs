//! The CRD's schema, and its errors rewritten as help: what was expected, what was found, what to write.

use domain::problem::Problem;
use jsonschema::{ValidationError, error::ValidationErrorKind as Fault, paths::LocationSegment};
use serde_json::Value;

use crate::{defaults::member_schema, kinds::Kind, schema::shape};

/// The problems of a spec, with paths that begin with `spec`.
pub(super) fn check(kind: &Kind, spec: &Value) -> Vec<Problem> {
    let mut errors: Vec<ValidationError<'_>> = kind.validator.iter_errors(spec).collect();
    errors.sort_by_key(|error| rank(error.kind()));
    let mut problems: Vec<Problem> = Vec::new();
    for error in &errors {
        let mut said = Vec::new();
        say(&kind.spec, error, &mut said);
        said.retain(|problem| problems.iter().all(|known| known.path != problem.path));
        problems.append(&mut said);
    }
    refuse_repeated_keys(&kind.spec, spec, "spec", &mut problems);
    problems
}

/// Of several errors of one field, the one that says most comes first; the others follow from it.
fn rank(fault: &Fault) -> u8 {
    match fault {
        Fault::Type { .. } => 0,
        Fault::MaxLength { .. } | Fault::MinLength { .. } => 2,
        _ => 1,
    }
}

fn say(root: &Value, error: &ValidationError<'_>, problems: &mut Vec<Problem>) {
    let (path, schema) = locate(root, error);
    let found = error.instance();
    let text = || found.as_str().unwrap_or_default();
    match error.kind() {
        Fault::AdditionalProperties { unexpected } => {
            let known: Vec<&str> = members(schema).collect();
            let unknown = unexpected.iter();
            problems.extend(unknown.map(|name| {
                Problem::error(format!("{path}.{name}"), "unknown field").suggest_from(name, known.iter().copied())
            }));
        }
        Fault::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let about = schema.and_then(|schema| member_schema(schema, name)).and_then(description).unwrap_or_default();
            problems.push(Problem::error(format!("{path}.{name}"), format!("expected a value, found nothing{about}")));
        }
        Fault::Type { .. } => problems.push(wrong_type(&path, schema, found)),
        Fault::Enum { options } => {
            let words: Vec<String> = options.as_array().into_iter().flatten().map(plain).collect();
            let list = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            let of = if words.len() == 1 { "" } else { "one of " };
            let problem = Problem::error(path, format!("expected {of}{list}, found {}", what(found)));
            let near = words.iter().find(|word| word.eq_ignore_ascii_case(text()));
            problems.push(match near {
                Some(word) => problem.suggest(format!("did you mean `{word}`?")),
                None => problem,
            });
        }
        Fault::Pattern { pattern } => {
            problems.push(Problem::error(path, format!("expected {}, found `{}`", shape(pattern), text())));
        }
        Fault::Format { .. } => {
            problems.push(Problem::error(
                path,
                format!("expected an instant such as `2026-11-23T10:00:00Z`, found `{}`", text()),
            ));
        }
        Fault::MinLength { .. } => problems.push(Problem::error(path, "expected some text, found none")),
        Fault::MaxLength { limit } => {
            problems.push(Problem::error(
                path,
                format!("expected at most {limit} characters, found {}", text().chars().count()),
            ));
        }
        Fault::MinItems { limit } => problems.push(Problem::error(
            path,
            format!("expected at least {limit} {}, found {}", entries(*limit), count(found)),
        )),
        Fault::MaxItems { limit } | Fault::MaxProperties { limit } => {
            problems.push(Problem::error(
                path,
                format!("expected at most {limit} {}, found {}", entries(*limit), count(found)),
            ));
        }
        Fault::Minimum { .. } | Fault::Maximum { .. } => {
            let bound = |name: &str| schema.and_then(|schema| schema.get(name)).map(plain).unwrap_or_default();
            problems.push(Problem::error(
                path,
                format!("expected {} to {}, found {}", bound("minimum"), bound("maximum"), plain(found)),
            ));
        }
        _ => problems.push(Problem::error(path, error.to_string())),
    }
}

/// The path in our notation and the schema of the value there.
fn locate<'a>(root: &'a Value, error: &ValidationError<'_>) -> (String, Option<&'a Value>) {
    let mut path = "spec".to_owned();
    let mut schema = Some(root);
    for segment in error.instance_path().segments() {
        match segment {
            LocationSegment::Property(name) => {
                path = format!("{path}.{name}");
                schema = schema.and_then(|schema| member_schema(schema, &name));
            }
            LocationSegment::Index(index) => {
                path = format!("{path}[{index}]");
                schema = schema.and_then(|schema| schema.get("items"));
            }
        }
    }
    (path, schema)
}

fn wrong_type(path: &str, schema: Option<&Value>, found: &Value) -> Problem {
    match schema.and_then(|schema| schema.get("type")).and_then(Value::as_str) {
        Some("string") => expected_text(path, schema, found),
        Some("array") => {
            let problem = Problem::error(path, format!("expected a list, found {}", what(found)));
            if found.is_array() || found.is_null() {
                problem
            } else {
                problem.suggest("put it in square brackets, or after `- `")
            }
        }
        Some("object") => {
            let known: Vec<&str> = members(schema).take(5).collect();
            let members = if known.is_empty() { String::new() } else { format!(" with {}", known.join(", ")) };
            Problem::error(path, format!("expected an object{members}, found {}", what(found)))
        }
        Some("integer") => Problem::error(path, format!("expected a whole number, found {}", what(found))),
        Some("boolean") => Problem::error(path, format!("expected true or false, found {}", what(found))),
        _ => Problem::error(path, format!("expected something else than {}", what(found))),
    }
}

/// Text was expected. A bare number or `true` in YAML usually was meant as text: what is suggested is valid there.
pub(super) fn expected_text(path: &str, schema: Option<&Value>, found: &Value) -> Problem {
    let problem = Problem::error(path, format!("expected text, found {}", what(found)));
    if !matches!(found, Value::Number(_) | Value::Bool(_)) {
        return problem;
    }
    let is_valid =
        |text: &String| schema.is_none_or(|schema| jsonschema::is_valid(schema, &Value::String(text.clone())));
    let quoted = Some(found.to_string()).filter(is_valid).map(|text| format!("put it in quotes: \"{text}\""));
    // Of what could be meant, seconds come first: most numbers without a unit are.
    let with_unit = || UNITS.iter().map(|unit| format!("{found}{unit}")).find(is_valid);
    let with_unit = || with_unit().map(|text| format!("it needs a unit, such as \"{text}\""));
    let pattern = || schema.and_then(|schema| schema.get("pattern")).and_then(Value::as_str);
    match quoted.or_else(with_unit).or_else(|| pattern().map(|pattern| format!("write {}", shape(pattern)))) {
        Some(suggestion) => problem.suggest(suggestion),
        None => problem,
    }
}

/// What durations, percents, days and sizes end with.
const UNITS: [&str; 4] = ["s", "%", "d", "B"];

/// `metadata.name` and the like are keys of a list map: the server refuses a second entry with the same ones.
fn refuse_repeated_keys(schema: &Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let Some(schema) = member_schema(schema, name) {
                    refuse_repeated_keys(schema, member, &format!("{path}.{name}"), problems);
                }
            }
        }
        Value::Array(items) => {
            let Some(item_schema) = schema.get("items") else { return };
            let keys: Vec<&str> = schema
                .get("x-kubernetes-list-map-keys")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let mut seen: Vec<Vec<Option<&Value>>> = Vec::new();
            for (i, item) in items.iter().enumerate() {
                let path = format!("{path}[{i}]");
                refuse_repeated_keys(item_schema, item, &path, problems);
                let own: Vec<Option<&Value>> = keys.iter().map(|key| item.get(key)).collect();
                if own.iter().any(Option::is_some) {
                    if seen.contains(&own) {
                        problems.push(repeated(&path, &keys, &own));
                    }
                    seen.push(own);
                }
            }
        }
        _ => {}
    }
}

/// One key has a field of its own to point at; several are a pair of the item.
fn repeated(path: &str, keys: &[&str], values: &[Option<&Value>]) -> Problem {
    let found: Vec<String> = values
        .iter()
        .map(|value| value.map_or_else(|| "nothing".to_owned(), |value| format!("`{}`", plain(value))))
        .collect();
    let (keys, found) = (keys.join(" and "), found.join(" and "));
    let article = if keys.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    let path = if values.len() == 1 { format!("{path}.{keys}") } else { path.to_owned() };
    Problem::error(path, format!("expected {article} {keys} of its own, found {found} again"))
}

/// `the number 5`, `a list`, `nothing`.
pub(super) fn what(found: &Value) -> String {
    match found {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("`{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number
            .as_f64()
            .filter(|float| float.fract() == 0.0)
            .map_or_else(|| number.to_string(), |float| format!("{float:.0}")),
        other => other.to_string(),
    }
}

fn members(schema: Option<&Value>) -> impl Iterator<Item = &str> {
    let known = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    known.into_iter().flat_map(|known| known.keys().map(String::as_str))
}

/// `: what users call the thing`, the first sentence of a field's description.
fn description(schema: &Value) -> Option<String> {
    let text = schema.get("description")?.as_str()?;
    let first = text.split(['.', ';', ':', '\n']).next()?.trim();
    let mut letters = first.chars();
    let lower: String = letters.next()?.to_lowercase().chain(letters).collect();
    Some(format!(": {lower}"))
}

fn entries(limit: u64) -> &'static str {
    if limit == 1 { "entry" } else { "entries" }
}

fn count(found: &Value) -> usize {
    found.as_array().map(Vec::len).or_else(|| found.as_object().map(serde_json::Map::len)).unwrap_or_default()
}
