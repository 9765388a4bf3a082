//! What Alertmanager reads and how it decides; then what is refused, and what is said about it.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn read(text: &str) -> Matcher {
    Matcher::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

fn parts(text: &str) -> (String, &'static str, String) {
    let matcher = read(text);
    (matcher.name.clone(), matcher.comparison().as_str(), matcher.value().to_owned())
}

#[rstest]
#[case(r#"foo="bar""#, "foo", "=", "bar")]
#[case(r#"foo!="bar""#, "foo", "!=", "bar")]
#[case(r#"foo=~"bar.*""#, "foo", "=~", "bar.*")]
#[case(r#"foo!~"bar.*""#, "foo", "!~", "bar.*")]
#[case("foo=bar", "foo", "=", "bar")]
#[case("foo=~bar.*|baz", "foo", "=~", "bar.*|baz")]
#[case("  foo =  bar  ", "foo", "=", "bar")]
#[case(r#"foo="""#, "foo", "=", "")]
#[case(r#"foo="bar,quux""#, "foo", "=", "bar,quux")]
#[case(r#"foo="}""#, "foo", "=", "}")]
#[case(r#"foo="She said: \"Hi, ladies!\"""#, "foo", "=", r#"She said: "Hi, ladies!""#)]
#[case(r#"foo="a\\b\nc""#, "foo", "=", "a\\b\nc")]
#[case(r#"foo="a\tb""#, "foo", "=", r"a\tb")] // an unknown escape is itself after a plain name
#[case(r#"foo=~"5\d\d""#, "foo", "=~", r"5\d\d")]
#[case("foo=\"a\nb\"", "foo", "=", "a\nb")]
#[case(r#"name-with-dashes = "bar""#, "name-with-dashes", "=", "bar")]
#[case(r#"k8s.io/app="a\tb""#, "k8s.io/app", "=", "a\tb")] // Go's escapes after any other name
#[case(r#""foo"="a\x41\u00e9\101""#, "foo", "=", "aAéA")]
#[case(r#""my label"!="x""#, "my label", "!=", "x")]
#[case("größe=10", "größe", "=", "10")]
#[case(r#""🙂"=🙂"#, "🙂", "=", "🙂")]
fn alertmanagers_syntax_reads_to_the_same(
    #[case] text: &str,
    #[case] name: &str,
    #[case] sign: &str,
    #[case] value: &str,
) {
    assert_eq!(parts(text), (name.to_owned(), sign, value.to_owned()));
}

#[rstest]
#[case("", "expected a matcher such as `service=\"checkout\"`, found nothing")]
#[case("team", "expected `=`, `!=`, `=~` or `!~` after `team` in `team`, found nothing; write `team=\"…\"`")]
#[case(r#"{team="a"}"#, r#"one matcher without braces, found `{team="a"}`; write `team="a"`"#)]
#[case(r#"="a""#, "expected the name of a label at the start")]
#[case(r#"""="a""#, "expected the name of a label, found an empty one")]
#[case(
    "team==payments",
    r#"expected a value after `=` in `team==payments`, found `=payments`; write `team="payments"`"#
)]
#[case("team~=pay.*", r#"found `~=pay.*`; write `team=~"pay.*"`"#)]
#[case("team: payments", r#"write `team="payments"`"#)]
#[case("team=", r#"found nothing; write `team=""`"#)]
#[case("team='payments'", r#"write `team="payments"`"#)]
#[case(
    "summary=hello world",
    r#"because it has signs that need them, found `hello world`; write `summary="hello world"`"#
)]
#[case("team=a,env=b", "found `,env=b`; write each matcher as an element of its own")]
#[case(r#"team="a", env="b""#, "write each matcher as an element of its own")]
#[case(r#"team="a"b"#, "expected nothing after the value")]
#[case(r#"team="a"#, "expected a closing `\"`")]
#[case(r#"team="a\""#, "expected a closing `\"`")]
#[case(r#""my label"="\d""#, r"found `\d` in")]
#[case(r#""my label"="\xff""#, "expected UTF-8")]
#[case(r#"team=~"a[b""#, "expected a regular expression, found `a[b`: unclosed character class")]
#[case(r#"team=~"a)|(?:b""#, "expected a regular expression")]
#[case(r#"team=~"*""#, "repetition operator missing expression")]
#[case(r#"team=~"(a{1000}){1000}""#, "at most 1 MiB when compiled")]
fn a_wrong_matcher_is_answered_with_what_to_write(#[case] text: &str, #[case] expected: &str) {
    let problem = Matcher::parse(text).unwrap_err();
    assert_eq!(problem.path, "");
    assert!(problem.to_string().contains(expected), "{text}\n  says   {problem}\n  wanted {expected}");
}

#[rstest]
#[case("team=~pay", "payments", false)] // anchored at both ends
#[case("team=~pay.*", "payments", true)]
#[case("team=~a|payments", "xpayments", false)]
#[case("team!~pay", "payments", true)]
#[case("team=payments", "Payments", false)]
#[case(r#"team=~"(?i:PAY).*""#, "payments", true)]
#[case(r#"team=~"a.b""#, "a\nb", false)]
#[case(r#"team=~"(?s)a.b""#, "a\nb", true)]
#[case(r#"team=~"a$""#, "a\n", false)]
#[case(r#"team=~"\d""#, "٣", false)] // ASCII digits only, as in Go
#[case(r#"team=~"\D\W\S""#, "ééé", true)]
#[case(r#"team=~"[\d\s]+""#, "1 2", true)]
#[case(r#"team=~"[^\W]+""#, "ab_1", true)]
#[case(r#"team=~"\w+""#, "é", false)]
#[case(r#"team=~"a\b.b""#, "aéb", true)] // é is no word character in Go
#[case(r#"team=~"\<b\>""#, "<b>", true)]
#[case(r#"team=~"\Qa.b\E+""#, "a.bb", true)]
#[case(r#"team=~"\Qa.b""#, "axb", false)]
#[case(r#"team=~"[[]""#, "[", true)]
#[case(r#"team=~"[a&&b]""#, "&", true)] // no set operations in Go
#[case(r#"team=~"[a~~b]""#, "~", true)]
#[case(r#"team=~"[+--]""#, ",", true)] // from + to -
#[case(r#"team=~"[--/]""#, ".", true)] // from - to /
#[case(r#"team=~"[]a]+""#, "]a", true)]
#[case(r#"team=~"[[:alpha:]-]+""#, "a-b", true)]
#[case(r#"team=~"[a[:]""#, "[", true)]
#[case(r#"team=~"[\x41-\x{43}\pN]+""#, "ABC7", true)]
fn a_regular_expression_means_what_it_means_in_alertmanager(
    #[case] text: &str,
    #[case] value: &str,
    #[case] holds: bool,
) {
    let labels = Labels::from([("team".to_owned(), value.to_owned())]);
    assert_eq!(read(text).matches(&labels), holds);
}

#[rstest]
#[case(r#"team="""#, true)]
#[case(r#"team!="a""#, true)]
#[case(r#"team=~".*""#, true)]
#[case(r#"team=~".+""#, false)]
#[case(r#"team!~".+""#, true)]
fn an_absent_label_is_an_empty_one(#[case] text: &str, #[case] holds: bool) {
    assert_eq!(read(text).matches(&Labels::new()), holds);
}

#[test]
fn it_is_written_as_alertmanager_writes_it() {
    assert_eq!(read("foo=bar").to_string(), r#"foo="bar""#);
    assert_eq!(read(r#""foo"=~bar"#).to_string(), r#"foo=~"bar""#);
    assert_eq!(read(r#""my label"="a\nb""#).to_string(), r#""my label"="a\nb""#);
}

/// Names and values full of the signs that matter.
fn tricky() -> impl Strategy<Value = String> {
    prop_oneof![r#"[a-c_:0-9"\\\n\t ={}~!,'`.é-]{0,8}"#, any::<String>()]
}

proptest! {
    #[test]
    fn what_is_written_reads_back_to_the_same(name in tricky(), value in tricky(), negative in any::<bool>()) {
        prop_assume!(!name.is_empty());
        let comparison = if negative { Comparison::NotEqual } else { Comparison::Equal };
        let matcher = Matcher::new(&name, comparison, &value).unwrap();
        prop_assert_eq!(Matcher::parse(&matcher.to_string()), Ok(matcher));
    }

    #[test]
    fn an_expression_reads_back_and_matches_the_same(value in r#"[ab.*+?|()\[\]^$\\dwsbQE"{}2-]{0,12}"#, probe in "[ab2 ]{0,4}") {
        if let Ok(matcher) = Matcher::new("team", Comparison::Match, &value) {
            let again = Matcher::parse(&matcher.to_string()).unwrap();
            prop_assert_eq!(again.matches_value(&probe), matcher.matches_value(&probe));
            prop_assert_eq!(again, matcher);
        }
    }

    #[test]
    fn no_text_makes_the_parser_fail_without_a_reason(text in tricky()) {
        if let Err(problem) = Matcher::parse(&text) {
            prop_assert!(!problem.message.is_empty());
        }
    }
}
