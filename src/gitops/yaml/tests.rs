use rstest::rstest;
use serde_json::json;

use super::*;

fn errors_of(text: &str) -> Vec<String> {
    let (_, errors) = read("a.yaml", text.as_bytes(), Limits::default());
    errors.iter().map(ToString::to_string).collect()
}

fn values_of(text: &str) -> Vec<Value> {
    let (documents, errors) = read("a.yaml", text.as_bytes(), Limits::default());
    assert_eq!(errors, []);
    documents.into_iter().map(|document| document.value).collect()
}

#[rstest]
#[case::boolean_word(
    "spec:\n  mode: on\n",
    "a.yaml:2:9: `on` is a boolean to some readers of YAML and text to others; write \"on\" for text, or true"
)]
#[case::boolean_word_in_a_list(
    "a: [x, no]\n",
    "a.yaml:1:8: `no` is a boolean to some readers of YAML and text to others; write \"no\" for text, or false"
)]
#[case::boolean_word_as_a_key(
    "on:\n  push: {}\n",
    "a.yaml:1:1: `on` is a boolean to some readers of YAML and text to others; write \"on\" for text, or true"
)]
#[case::leading_zero(
    "a:\n  b:\n    - 0777\n",
    "a.yaml:3:7: `0777` has a leading zero, which makes it octal, decimal or text depending on the reader; write \"0777\" for text"
)]
#[case::duplicate_key("a: 1\nb: 2\na: 3\n", "a.yaml:3:1: the key `a` is written twice, first on line 1 column 1")]
#[case::duplicate_key_with_quotes(
    "{a: 1, \"a\": 2}",
    "a.yaml:1:8: the key `a` is written twice, first on line 1 column 2"
)]
#[case::unknown_tag(
    "a: !secret b\n",
    "a.yaml:1:4: unknown tag `!secret`; remove it, or quote the text if the `!` belongs to it"
)]
#[case::unknown_tag_on_a_mapping(
    "a: !x {b: 1}\n",
    "a.yaml:1:4: unknown tag `!x`; remove it, or quote the text if the `!` belongs to it"
)]
#[case::binary(
    "a: !!binary aGk=\n",
    "a.yaml:1:4: unknown tag `!!binary`; remove it, or quote the text if the `!` belongs to it"
)]
#[case::a_tag_that_does_not_fit("a: !!int x\n", "a.yaml:1:10: `x` is no int, as its tag says")]
#[case::a_number_as_a_key("labels:\n  1: a\n", "a.yaml:2:3: expected text as a key, found `1`; write \"1\"")]
#[case::null_as_a_key("~: a\n", "a.yaml:1:1: expected text as a key, found `~`; write \"~\"")]
#[case::a_list_as_a_key("? [a]\n: b\n", "a.yaml:1:3: expected text as a key, found a list or mapping")]
#[case::an_alias_as_a_key("a: &a x\n*a : b\n", "a.yaml:2:1: expected text as a key, found an alias")]
#[case::an_alias_within_itself("a: &a [*a]\n", "a.yaml:1:8: the alias stands within what it stands for")]
#[case::a_question_in_braces(
    "a: {text: Which?}\n",
    "a.yaml:1:11: kubectl cannot read `Which?` between brackets or braces without quotes; write \"Which?\""
)]
#[case::a_query_in_braces(
    "a: {url: https://x/?a=b}\n",
    "a.yaml:1:10: kubectl cannot read `https://x/?a=b` between brackets or braces without quotes; write \"https://x/?a=b\""
)]
#[case::a_question_in_brackets(
    "a: [b?c, d]\n",
    "a.yaml:1:5: kubectl cannot read `b?c` between brackets or braces without quotes; write \"b?c\""
)]
#[case::a_key_that_asks(
    "a: {b?: c}\n",
    "a.yaml:1:5: kubectl cannot read `b?` between brackets or braces without quotes; write \"b?\""
)]
#[case::a_colon_at_the_end_in_brackets(
    "a: [b:, c]\n",
    "a.yaml:1:5: `b:` is text to kubectl and a key without a value to others; write \"b:\" for text, or b: null"
)]
#[case::a_colon_at_the_end_in_braces(
    "a: {b:, c: d}\n",
    "a.yaml:1:5: `b:` is text to kubectl and a key without a value to others; write \"b:\" for text, or b: null"
)]
#[case::a_colon_at_the_front(
    "a: [:b]\n",
    "a.yaml:1:5: kubectl cannot read `:b` between brackets or braces without quotes; write \":b\""
)]
#[case::merging_text("a: &a x\nb: {<<: *a}\n", "a.yaml:2:9: expected a mapping, or a list of them, after `<<`")]
#[case::a_list_as_a_document("- a\n", "a.yaml:1:1: expected an object with `apiVersion` and `kind`")]
#[case::text_as_a_document("<html>\n", "a.yaml:1:1: expected an object with `apiVersion` and `kind`")]
fn a_trap_is_told_with_line_and_column(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(errors_of(text), [expected]);
}

#[rstest]
#[case::a_tab("a:\n\tb: 1\n", "a.yaml:2:")]
#[case::an_open_quote("a: \"b\nc: d\n", "a.yaml:")]
#[case::two_values("a: b: c\n", "a.yaml:1:")]
#[case::an_unknown_alias("a: *b\n", "a.yaml:1:4: ")]
#[case::an_open_list("a: [1, 2\n", "a.yaml:")]
fn an_error_of_syntax_has_its_line_and_a_reason(#[case] text: &str, #[case] expected: &str) {
    let errors = errors_of(text);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with(expected), "{errors:?}");
    let reason = errors[0].split("not valid YAML: ").nth(1).expect("a reason");
    assert!(reason.len() > 8, "{errors:?}");
}

#[test]
fn all_traps_of_a_file_are_told_at_once_and_good_documents_beside_them_are_read() {
    let text = "a: yes\nb: 010\n---\nkind: Good\n---\nc: !x 1\n";
    let (documents, errors) = read("a.yaml", text.as_bytes(), Limits::default());
    let places: Vec<_> = errors.iter().map(|error| (error.line, error.column)).collect();
    assert_eq!(places, [(1, 4), (2, 4), (6, 4)]);
    let values: Vec<_> = documents.iter().map(|document| (document.index, document.value.clone())).collect();
    assert_eq!(values, [(1, json!({"kind": "Good"}))]);
}

#[test]
fn nulls_of_mappings_are_left_out_and_those_of_lists_stay_to_be_refused_by_the_schema() {
    assert_eq!(values_of("a: ~\nb: null\nc:\nd: [~]\n"), [json!({"d": [null]})]);
}

#[test]
fn a_null_that_says_there_must_be_none_is_kept_where_it_is_asked_for() {
    let (documents, errors) = read_keeping_nulls("a.test.yaml", b"due: {resolution: null}\n", Limits::default());
    assert_eq!(errors, []);
    assert_eq!(documents[0].value, json!({"due": {"resolution": null}}));
}

#[test]
fn empty_documents_are_skipped_but_counted() {
    let (documents, errors) = read("a.yaml", b"---\n# nothing\n---\na: 1\n---\n", Limits::default());
    assert_eq!(errors, []);
    assert_eq!(documents.iter().map(|document| document.index).collect::<Vec<_>>(), [1]);
    assert_eq!(documents[0].position("a"), (4, 1));
    assert_eq!(values_of(""), [] as [Value; 0]);
}

#[test]
fn a_question_is_text_in_quotes_and_in_block_style() {
    let text = "a: Which?\nb: {c: \"Which?\", d: 'e?'}\nf:\n  - g?\n  - :h\ni: [j:k, -m, \"l:\"]\n";
    let expected = json!({"a": "Which?", "b": {"c": "Which?", "d": "e?"}, "f": ["g?", ":h"], "i": ["j:k", "-m", "l:"]});
    assert_eq!(values_of(text), [expected]);
}

#[test]
fn a_merge_key_fills_in_what_is_not_written() {
    let text =
        "base: &base {a: 1, b: 2, c: 3}\nmore: &more {d: 4, b: 9}\nx:\n  <<: [*base, *more]\n  b: 7\n  c: null\n";
    assert_eq!(values_of(text)[0]["x"], json!({"a": 1, "b": 7, "d": 4}));
}

#[test]
fn a_key_can_have_an_anchor() {
    assert_eq!(values_of("&k a: 1\nb: *k\n"), [json!({"a": 1, "b": "a"})]);
}

#[test]
fn quotes_and_blocks_are_always_text() {
    let text = "a: \"yes\"\nb: '0777'\nc: |\n  on\nd: !!str 12\ne: ! 12\n";
    assert_eq!(values_of(text), [json!({"a": "yes", "b": "0777", "c": "on\n", "d": "12", "e": "12"})]);
}

#[test]
fn json_is_read_with_tabs_escapes_and_surrogate_pairs() {
    let text = "{\n\t\"a\": \"\\u00e9 \\ud83d\\ude00 \\/\",\n\t\"b\": [1.5, true, null],\r\n\t\"c\":{}}";
    assert_eq!(values_of(text), [json!({"a": "é 😀 /", "b": [1.5, true, null], "c": {}})]);
}

#[test]
fn a_list_stands_for_its_items_which_know_their_own_positions() {
    let text = "kind: List\napiVersion: v1\nitems:\n- kind: A\n  spec:\n    x: 1\n- kind: B\n- text\n";
    let (documents, errors) = read("a.yaml", text.as_bytes(), Limits::default());
    assert_eq!(
        errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["a.yaml:8:3: items[2]: expected an object"]
    );
    assert_eq!(documents[0].position("spec.x"), (6, 5));
    assert_eq!(documents[1].position(""), (7, 3));
    assert_eq!(documents[1].position("spec.nothing"), (7, 3));
}

#[test]
fn a_field_is_where_its_key_is_and_an_item_where_it_begins() {
    let text = "kind: X\nspec:\n  routes:\n    - match: ['a=\"b\"', c]\n      to: {name: x}\n    - &two\n      match: []\n    - *two\n";
    let (documents, _) = read("a.yaml", text.as_bytes(), Limits::default());
    let position = |path| documents[0].position(path);
    assert_eq!(position("spec.routes"), (3, 3));
    assert_eq!(position("spec.routes[0]"), (4, 7));
    assert_eq!(position("spec.routes[0].match[1]"), (4, 24));
    assert_eq!(position("spec.routes[0].to.name"), (5, 12));
    assert_eq!(position("spec.routes[2].match"), (8, 7), "an alias stands for its fields");
    assert_eq!(position("spec.routes[9].match[0]"), (3, 3), "the nearest parent");
    assert_eq!(position("metadata.name"), (1, 1), "the document");
}

#[test]
fn a_key_with_dots_is_found_by_its_path() {
    let text = "metadata:\n  labels:\n    firstline.dev/use: git\n";
    let (documents, _) = read("a.yaml", text.as_bytes(), Limits::default());
    assert_eq!(documents[0].position("metadata.labels.firstline.dev/use"), (3, 5));
    assert_eq!(documents[0].position("metadata.labels.other.dev/use"), (2, 3));
}

#[test]
fn columns_count_characters() {
    assert_eq!(
        errors_of("\"größe\": yes\n"),
        ["a.yaml:1:10: `yes` is a boolean to some readers of YAML and text to others; write \"yes\" for text, or true"]
    );
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let (_, errors) = read("a.yaml", b"a: 1\nb: \xff\n", Limits::default());
    assert_eq!(errors[0].to_string(), "a.yaml:2:4: expected UTF-8, found other bytes");
}

#[test]
fn a_bomb_of_aliases_is_refused_before_it_unfolds() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    let errors = errors_of(&text);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("more than 500000 values in one file, aliases written out"), "{errors:?}");
}

#[rstest]
#[case::lists("[".repeat(5000))]
#[case::mappings("{a: ".repeat(5000))]
#[case::blocks((0..500).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>())]
#[case::aliases(format!("a0: &a0 [x]\n{}", (1..200).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect::<String>()))]
fn nesting_without_end_is_refused(#[case] text: String) {
    let errors = errors_of(&text);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let by_us = errors[0].contains("more than 64 lists and mappings within each other");
    assert!(by_us || errors[0].contains("recursion limit exceeded"), "{errors:?}");
}

#[test]
fn a_file_of_nothing_but_errors_is_given_up() {
    let errors = errors_of(&"- yes\n".repeat(1000));
    assert_eq!(errors.len(), 51);
    assert!(errors[50].contains("more than 50 errors"), "{}", errors[50]);
}

#[test]
fn an_error_in_each_of_many_documents_costs_no_more_than_reading_them_twice() {
    let text = "kind: X\nspec: {a: 1}\n---\n".repeat(10_000);
    let (documents, _) = read("a.yaml", text.as_bytes(), Limits::default());
    let last = documents.iter().map(|document| document.position("spec.a")).next_back();
    assert_eq!(last, Some((29_999, 8)));
}
