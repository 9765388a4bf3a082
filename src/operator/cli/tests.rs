//! How the command line is read.

use std::time::Duration;

use clap::{CommandFactory, error::ErrorKind};
use rstest::rstest;

use super::{act::Reason, *};

fn read(line: &str) -> Result<Cli, clap::Error> {
    Cli::read(line.split(' ').map(OsString::from))
}

fn verb(line: &str) -> Verb {
    read(line).unwrap().verb
}

#[test]
fn the_tree_of_verbs_and_flags_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn an_acknowledgement_names_several_tickets_and_flags_follow_kubectl() {
    let Verb::Act(ActVerb::Ack { tickets, args }) =
        verb("firstline ack inc-a 1042 #7 -n payments --context prod --timeout 3s -o json")
    else {
        panic!("expected ack");
    };
    assert_eq!(tickets.len(), 3);
    assert_eq!(args.cluster.namespace.as_deref(), Some("payments"));
    assert_eq!(args.cluster.context.as_deref(), Some("prod"));
    assert_eq!(args.timeout, Duration::from_secs(3));
    assert_eq!(args.output, Some(output::Form::Json));
}

#[test]
fn a_note_needs_no_quotes() {
    let Verb::Act(ActVerb::Note { text, .. }) = verb("firstline note inc-a restarted the pod") else {
        panic!("expected note")
    };
    assert_eq!(text.join(" "), "restarted the pod");
}

#[test]
fn a_ticket_is_done_because_the_work_is_unless_said_otherwise() {
    let Verb::Act(ActVerb::Resolve { reason, .. }) = verb("firstline resolve 7") else { panic!("expected resolve") };
    assert_eq!(reason, Reason::Completed);
    let Verb::Act(ActVerb::Resolve { reason, .. }) = verb("firstline resolve 7 --reason NotPlanned") else {
        panic!("expected resolve")
    };
    assert_eq!(reason, Reason::NotPlanned);
}

#[test]
fn a_variable_that_is_empty_counts_as_unset() {
    let with_variable = |value: &'static str| {
        let command = without_blanks(Cli::command(), |_| Some(OsString::from(value)));
        let run = command.find_subcommand("run").unwrap();
        run.get_arguments().filter(|flag| flag.get_env().is_some()).count()
    };
    assert_eq!(with_variable(""), 0, "none is read");
    assert!(with_variable("x") >= 10, "all are");
}

#[test]
fn the_operator_keeps_flags_of_its_own() {
    let Verb::Run(config) = verb("firstline run --namespace ops --http 127.0.0.1:0 --allow-file-sources") else {
        panic!("expected run");
    };
    assert_eq!(config.namespace, "ops");
    assert!(config.allow_file_sources);
}

#[rstest]
#[case("firstline tickets -A")]
#[case("firstline tickets --all -o wide -n payments")]
#[case("firstline oncall")]
#[case("firstline oncall payments -f production --schedule primary --at 2027-03-28T03:00:00+02:00 --until 2w -o ical")]
#[case("firstline show 1042 -o yaml")]
#[case("firstline unack inc-a")]
#[case("firstline reopen inc-a 7")]
#[case("firstline assign inc-a bob")]
#[case("firstline take 1042")]
#[case("firstline snooze inc-a 7 --until 2026-11-23T09:00:00+01:00")]
#[case("firstline prio 7 P1 --why outage")]
#[case("firstline pending 7 scheduled --until 3d")]
#[case("firstline close 7")]
#[case("firstline silence service=checkout --for 2h --reason deploy")]
#[case("firstline override bob --schedule primary --until 2026-11-24T09:00:00+01:00 --replaces ada")]
#[case("firstline override bob --schedule primary --policy payments --from 2h --for 8h --reason swap -n payments")]
#[case("firstline override --list -o wide")]
#[case("firstline override --expire override-1a2b3c4d")]
#[case("firstline silence --expire silence-1a2b3c4d")]
#[case("firstline probe https://shop.example --repeat 3 --interval 1s")]
#[case("firstline probe -f monitors.yaml checkout -o json")]
#[case("firstline validate a b.yaml -o github")]
#[case("firstline crds --dir crds")]
#[case("firstline internal-fetch")]
fn this_is_understood(#[case] line: &str) {
    assert!(read(line).is_ok(), "{:?}", read(line));
}

#[rstest]
#[case::no_verb("firstline", "Usage:")]
#[case::no_ticket("firstline ack", "<TICKET>")]
#[case::no_text("firstline note inc-a", "<TEXT>")]
#[case::no_end("firstline silence service=checkout --reason deploy", "--for <TIME>")]
#[case::no_reason("firstline silence service=checkout --for 2h", "--reason <TEXT>")]
#[case::no_matcher("firstline silence --for 2h --reason deploy", "<MATCHER>")]
#[case::no_length("firstline silence service=checkout --for 0s --reason deploy", "expected more than 0s")]
#[case::not_a_duration("firstline ack inc-a --timeout soon", "found `soon`")]
#[case::no_offset("firstline oncall --at 2027-03-28T03:00:00", "expected an instant with its offset")]
#[case::not_a_ticket("firstline ack Checkout", "expected a ticket's name")]
#[case::both_namespaces("firstline tickets -A -n payments", "cannot be used with")]
#[case::unknown_reason(
    "firstline resolve 7 --reason Bored",
    "[possible values: Completed, NotPlanned, Duplicate, NoResponse, Spam]"
)]
#[case::unknown_priority("firstline prio 7 high --why x", "[possible values: P1, P2, P3, P4, P5]")]
#[case::planned_for_no_time("firstline pending 7 scheduled", "--until <TIME>")]
#[case::unknown_relation("firstline link 7 near 8", "expected one of causedBy")]
#[case::nothing_to_probe("firstline probe", "<URL|NAME>")]
fn wrong_usage_says_what_was_expected_and_ends_with_2(#[case] line: &str, #[case] expected: &str) {
    let error = read(line).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn called_as_a_plugin_it_speaks_as_kubectl_firstline() {
    let error = read("/usr/local/bin/kubectl-firstline ack").unwrap_err();
    assert!(error.to_string().contains("Usage: kubectl firstline ack"), "{error}");
    assert_eq!(read("kubectl-firstline tickets").unwrap().program, "kubectl firstline");
    assert_eq!(read("./firstline tickets").unwrap().program, "firstline");
}

#[rstest]
#[case("firstline --help", "Cloud support as code")]
#[case("firstline tickets --help", "List open tickets, the most urgent first")]
#[case("firstline ack --help", "Take tickets: their escalation stops")]
#[case("firstline silence --help", "Mute what matches for a while")]
#[case("firstline run --help", "Run the operator")]
fn help_begins_with_what_the_verb_does_and_is_no_error(#[case] line: &str, #[case] expected: &str) {
    let help = read(line).unwrap_err();
    assert_eq!((help.kind(), help.exit_code()), (ErrorKind::DisplayHelp, 0));
    assert!(help.to_string().starts_with(expected), "{help}");
}

#[test]
fn a_list_names_the_kind_of_each_object_and_hides_what_kubectl_hides() {
    let mut ticket = fixtures::ticket("inc-a", 7, "Checkout is down");
    ticket.metadata.managed_fields = Some(Vec::new());
    let list = list_of(vec![ticket]);
    assert_eq!(list["items"][0]["metadata"].get("managedFields"), None);
    assert_eq!(list["kind"], "List");
    assert_eq!(list["items"][0]["kind"], "Ticket");
    assert_eq!(list["items"][0]["apiVersion"], "firstline.dev/v1alpha1");
}

#[tokio::test]
async fn a_failure_is_said_and_is_the_exit_code() {
    let (mut results, mut progress) = (Vec::new(), Vec::new());
    let cli = read("firstline validate /nowhere/at/all").unwrap();
    let exit = cli.run(&Clock::system(), &mut Output::new(&mut results, &mut progress)).await;
    assert_eq!(exit, Exit::Usage);
    assert!(results.is_empty());
    assert_eq!(String::from_utf8(progress).unwrap(), "error: this machine has no file or folder `/nowhere/at/all`\n");
}

#[rstest::rstest]
#[case::namespace(&["-n", "payments", "tickets"], &["tickets", "-n", "payments"])]
#[case::all(&["-A", "tickets", "--all"], &["tickets", "-A", "--all"])]
#[case::two(&["--context", "c", "-n", "payments", "ack", "1042"], &["ack", "--context", "c", "-n", "payments", "1042"])]
fn flags_of_kubectl_may_stand_before_the_verb(#[case] written: &[&str], #[case] meant: &[&str]) {
    let read = |words: &[&str]| {
        let words = ["firstline"].iter().chain(words).map(std::ffi::OsString::from);
        format!("{:?}", Cli::read(words).unwrap().verb)
    };
    assert_eq!(read(written), read(meant));
}
