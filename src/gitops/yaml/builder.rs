//! From the events of the parser to JSON values, with every refusal on the way.

use std::collections::HashMap;

use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{Event, Marker, Options, Parser, ScalarStyle, Span, StructureStyle, Tag};

use super::scalar::{self, Trap};
use super::{Limits, Nulls, Position};
use crate::FileError;

/// After so many errors a file is given up: they have one cause.
const MAX_ERRORS: usize = 50;

/// All documents without errors, each with its number in the file, and all errors.
pub(super) fn build(file: &str, text: &str, limits: Limits, nulls: Nulls) -> (Vec<(usize, Value)>, Vec<FileError>) {
    let mut builder = Builder {
        file,
        text,
        limits,
        nulls,
        nodes: 0,
        stack: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        next_index: 0,
        errors_before: 0,
        documents: Vec::new(),
        errors: Vec::new(),
    };
    for event in Parser::new_from_str_with_options(text, options()) {
        let outcome = match event {
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => Err(builder.refusal(position(error.marker()), format!("not valid YAML: {}", error.info()))),
        };
        if let Err(fatal) = outcome {
            builder.errors.push(*fatal);
            break;
        }
        if builder.errors.len() >= MAX_ERRORS {
            builder
                .errors
                .push(FileError::of_file(file, format!("more than {MAX_ERRORS} errors, the rest is not read")));
            break;
        }
    }
    (builder.documents, builder.errors)
}

/// Comments are no concern of ours.
pub(super) fn options() -> Options {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options
}

/// The parser counts columns from 0.
pub(super) fn position(marker: &Marker) -> Position {
    (u32::try_from(marker.line()).unwrap_or(u32::MAX), u32::try_from(marker.col() + 1).unwrap_or(u32::MAX))
}

/// Boxed, as nearly everything goes well.
type Refusal = Box<FileError>;

struct Builder<'a> {
    file: &'a str,
    /// The whole file, for what stands after a scalar.
    text: &'a str,
    limits: Limits,
    nulls: Nulls,
    /// Values so far, aliases with all that they stand for.
    nodes: usize,
    /// The lists and mappings that are open, outermost first.
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    root: Option<Value>,
    next_index: usize,
    /// How many errors there were when the present document began.
    errors_before: usize,
    documents: Vec<(usize, Value)>,
    errors: Vec<FileError>,
}

/// What an alias stands for.
struct Anchored {
    value: Value,
    nodes: usize,
    depth: usize,
}

/// A list or mapping that is open.
struct Frame {
    content: Content,
    /// 0 where it has none.
    anchor: usize,
    start: Position,
    nodes_before: usize,
    style: StructureStyle,
}

enum Content {
    List(Vec<Value>),
    Mapping(Mapping),
}

#[derive(Default)]
struct Mapping {
    members: Map<String, Value>,
    /// Keys written here and where, null ones included: a merged value does not come back over an explicit null.
    written: HashMap<String, Position>,
    /// The key whose value comes next.
    key: Option<Key>,
    merged: Vec<Map<String, Value>>,
}

enum Key {
    Name(String),
    Merge,
    /// One that was refused; its value is dropped.
    Refused,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Refusal> {
        let start = position(&span.start);
        match event {
            Event::DocumentStart(..) => {
                self.anchors.clear();
                self.root = None;
                self.errors_before = self.errors.len();
                if self.next_index >= self.limits.documents {
                    let limit = self.limits.documents;
                    return Err(self.refusal(start, format!("more than {limit} documents in one file")));
                }
            }
            Event::DocumentEnd => self.end_document(),
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), span)?,
            Event::SequenceStart(style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), "seq", span);
                self.open(Content::List(Vec::new()), style, anchor, start)?;
            }
            Event::MappingStart(style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), "map", span);
                self.open(Content::Mapping(Mapping::default()), style, anchor, start)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => self.alias(anchor, start)?,
            _ => {}
        }
        Ok(())
    }

    fn refusal(&self, place: Position, message: impl Into<String>) -> Refusal {
        Box::new(FileError::at(self.file, place, message))
    }

    fn end_document(&mut self) {
        let index = self.next_index;
        self.next_index += 1;
        let clean = self.errors.len() == self.errors_before;
        // Anything else is nothing between two `---`, or was refused and told.
        if let Some(value @ Value::Object(_)) = self.root.take()
            && clean
        {
            self.documents.push((index, value));
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<(), Refusal> {
        let start = position(&span.start);
        self.count(1, start)?;
        if style == ScalarStyle::Plain && self.in_flow() && scalar::breaks_flow(text) {
            let message = format!("kubectl cannot read `{text}` between brackets or braces without quotes");
            self.errors.push(FileError::at(self.file, start, message).suggest(format!("write {}", Value::from(text))));
        }
        if style == ScalarStyle::Plain && self.expects_key() && self.in_flow() && self.ends_in_colon(span) {
            let message = format!("`{text}:` is text to kubectl and a key without a value to others");
            let suggestion = format!("write {} for text, or {text}: null", Value::from(format!("{text}:")));
            self.errors.push(FileError::at(self.file, start, message).suggest(suggestion));
        }
        if self.expects_key() {
            self.scalar_key(text, style, tag, span);
            if anchor != 0 {
                let value = Value::String(text.to_owned());
                self.anchors.insert(anchor, Anchored { value, nodes: 1, depth: 0 });
            }
            return Ok(());
        }
        let value = match self.scalar_value(text, style, tag, span) {
            Ok(value) => value,
            Err(error) => {
                self.errors.push(*error);
                Value::Null
            }
        };
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { value: value.clone(), nodes: 1, depth: 0 });
        }
        self.complete(value, start);
        Ok(())
    }

    fn scalar_value(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Result<Value, Refusal> {
        let start = position(&span.start);
        let meant = |value: &Value| match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "float",
            Value::Number(_) => "int",
            _ => "str",
        };
        let plain = |text: &str| {
            scalar::plain(text)
                .map_err(|Trap { message, suggestion }| Box::new(self.refusal(start, message).suggest(suggestion)))
        };
        let Some(tag) = tag else {
            return if style == ScalarStyle::Plain { plain(text) } else { Ok(Value::String(text.to_owned())) };
        };
        match tag.core_suffix() {
            Some("str") => Ok(Value::String(text.to_owned())),
            Some(wanted @ ("null" | "bool" | "int" | "float")) => {
                let value = plain(text)?;
                let found = meant(&value);
                if found == wanted || (found == "int" && wanted == "float") {
                    return Ok(value);
                }
                Err(self.refusal(start, format!("`{text}` is no {wanted}, as its tag says")))
            }
            _ if tag.original() == "!" => Ok(Value::String(text.to_owned())),
            _ => Err(self.unknown_tag(tag, span)),
        }
    }

    fn unknown_tag(&self, tag: &Tag, span: &Span) -> Refusal {
        let start = span.tag_start().unwrap_or(span.start);
        let refusal = self.refusal(position(&start), format!("unknown tag `{}`", tag.original()));
        Box::new(refusal.suggest("remove it, or quote the text if the `!` belongs to it"))
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, allowed: &str, span: &Span) {
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema_tag(allowed)
        {
            self.errors.push(*self.unknown_tag(tag, span));
        }
    }

    /// Whether the next node stands between `[]` or `{}`. Nothing in them can be in block style.
    fn in_flow(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.style == StructureStyle::Flow)
    }

    /// Whether a key's `:` is followed by no space but by the next item or the end: for go-yaml it is part of the text.
    fn ends_in_colon(&self, key: &Span) -> bool {
        let rest = key.end.byte_offset().and_then(|end| self.text.get(end..)).map(str::trim_start);
        rest.and_then(|rest| rest.strip_prefix(':')).is_some_and(|rest| rest.starts_with([',', ']', '}', '[', '{']))
    }

    /// Whether the next node is a key.
    fn expects_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { content: Content::Mapping(Mapping { key: None, .. }), .. }))
    }

    fn scalar_key(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) {
        let start = position(&span.start);
        let is_merge = tag.is_none() && style == ScalarStyle::Plain && text == "<<";
        let refusal = match self.scalar_value(text, style, tag, span) {
            Ok(Value::String(_)) => None,
            Ok(_) => Some(
                FileError::at(self.file, start, format!("expected text as a key, found `{text}`"))
                    .suggest(format!("write \"{text}\"")),
            ),
            Err(error) => Some(*error),
        };
        let Some(Frame { content: Content::Mapping(mapping), .. }) = self.stack.last_mut() else { return };
        let refusal = refusal.or_else(|| {
            let (line, column) = mapping.written.get(text).filter(|_| !is_merge)?;
            let message = format!("the key `{text}` is written twice, first on line {line} column {column}");
            Some(FileError::at(self.file, start, message))
        });
        mapping.key = Some(match refusal {
            Some(error) => {
                self.errors.push(error);
                Key::Refused
            }
            None if is_merge => Key::Merge,
            None => {
                mapping.written.insert(text.to_owned(), start);
                Key::Name(text.to_owned())
            }
        });
    }

    fn open(&mut self, content: Content, style: StructureStyle, anchor: usize, start: Position) -> Result<(), Refusal> {
        self.count(1, start)?;
        if self.stack.len() >= self.limits.depth {
            return Err(self.too_deep(start));
        }
        if self.expects_key() {
            self.errors.push(FileError::at(self.file, start, "expected text as a key, found a list or mapping"));
        }
        self.stack.push(Frame { content, anchor, start, nodes_before: self.nodes - 1, style });
        Ok(())
    }

    fn too_deep(&self, start: Position) -> Refusal {
        let limit = self.limits.depth;
        self.refusal(start, format!("more than {limit} lists and mappings within each other"))
    }

    fn close(&mut self) -> Result<(), Refusal> {
        let Some(Frame { content, anchor, start, nodes_before, .. }) = self.stack.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::Array(items),
            Content::Mapping(Mapping { mut members, written, merged, .. }) => {
                // What is written here goes before what is merged, and an earlier merge before a later one.
                for source in merged {
                    for (key, value) in source {
                        if !written.contains_key(&key) {
                            members.entry(key).or_insert(value);
                        }
                    }
                }
                Value::Object(members)
            }
        };
        if anchor != 0 {
            // A second copy is kept, so it counts.
            let nodes = self.nodes - nodes_before;
            self.count(nodes, start)?;
            self.anchors.insert(anchor, Anchored { depth: depth_of(&value), value: value.clone(), nodes });
        }
        self.complete(value, start);
        Ok(())
    }

    fn alias(&mut self, anchor: usize, start: Position) -> Result<(), Refusal> {
        if self.expects_key() {
            self.errors.push(FileError::at(self.file, start, "expected text as a key, found an alias"));
            self.complete(Value::Null, start);
            return Ok(());
        }
        let Some(Anchored { nodes, depth, .. }) = self.anchors.get(&anchor) else {
            self.errors.push(FileError::at(self.file, start, "the alias stands within what it stands for"));
            self.complete(Value::Null, start);
            return Ok(());
        };
        if self.stack.len() + depth > self.limits.depth {
            return Err(self.too_deep(start));
        }
        self.count(*nodes, start)?;
        let value = self.anchors.get(&anchor).map_or(Value::Null, |anchored| anchored.value.clone());
        self.complete(value, start);
        Ok(())
    }

    /// # Errors
    /// Before anything is copied: an alias of aliases grows exponentially.
    fn count(&mut self, nodes: usize, start: Position) -> Result<(), Refusal> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= self.limits.nodes {
            return Ok(());
        }
        let limit = self.limits.nodes;
        Err(self.refusal(start, format!("more than {limit} values in one file, aliases written out")))
    }

    /// Puts a value where it belongs.
    fn complete(&mut self, value: Value, start: Position) {
        let Some(frame) = self.stack.last_mut() else {
            if !matches!(value, Value::Object(_) | Value::Null) {
                self.errors.push(FileError::at(self.file, start, "expected an object with `apiVersion` and `kind`"));
            }
            self.root = Some(value);
            return;
        };
        match &mut frame.content {
            Content::List(items) => items.push(value),
            Content::Mapping(mapping) => match mapping.key.take() {
                Some(Key::Name(_)) if value.is_null() && self.nulls == Nulls::LeftOut => {}
                Some(Key::Name(name)) => {
                    mapping.members.insert(name, value);
                }
                Some(Key::Merge) => match into_mappings(value) {
                    Some(mappings) => mapping.merged.extend(mappings),
                    None => {
                        self.errors.push(FileError::at(
                            self.file,
                            start,
                            "expected a mapping, or a list of them, after `<<`",
                        ));
                    }
                },
                Some(Key::Refused) => {}
                // A list, mapping or alias where a key should be: already told.
                None => mapping.key = Some(Key::Refused),
            },
        }
    }
}

fn into_mappings(value: Value) -> Option<Vec<Map<String, Value>>> {
    match value {
        Value::Object(mapping) => Some(vec![mapping]),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::Object(mapping) => Some(mapping),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// Levels of lists and mappings, this one included. Bounded by the limit of depth.
fn depth_of(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth_of).max().unwrap_or(0),
        _ => 0,
    }
}
