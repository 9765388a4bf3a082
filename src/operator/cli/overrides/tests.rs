//! On a cluster of our own with one policy: ada is on call in `primary`.

use super::{
    super::{
        Cli, Verb,
        fixtures::{FakeCluster, Judge, now},
    },
    *,
};

fn args(line: &str) -> OverrideArgs {
    let words = ["firstline", "override", "--timeout", "500ms"].into_iter().chain(line.split(' '));
    let Verb::Override(args) = Cli::read(words.map(std::ffi::OsString::from)).unwrap().verb else {
        panic!("expected override")
    };
    args
}

fn policy(name: &str) -> serde_json::Value {
    json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "SupportPolicy",
        "metadata": {"name": name, "namespace": "payments"},
        "spec": {
            "lastResort": [{"schedule": "primary"}],
            "people": [{"name": "ada", "email": "ada@acme.example"}, {"name": "bob", "email": "bob@acme.example"}],
            "channels": [{"name": "mail", "email": {"from": "a@acme.example", "smarthost": "smtp.acme.example:587"}}],
            "schedules": [{"name": "primary", "timeZone": "Europe/Berlin", "layers": [
                {"name": "week", "people": ["ada"], "start": "2026-11-02", "handover": "09:00", "every": "1w"},
            ]}],
        },
    })
}

/// What is printed, how it ends, and what stands in the cluster then.
async fn run(judge: Judge, policies: &[&str], line: &str) -> (Result<Exit, String>, String, Vec<serde_json::Value>) {
    let cluster = FakeCluster::start(judge, Vec::new()).await;
    policies.iter().for_each(|name| cluster.add(policy(name)));
    let (mut results, mut progress) = (Vec::new(), Vec::new());
    let mut output = Output::new(&mut results, &mut progress);
    let exit = take_over_in(&cluster.session(), &args(line), "firstline", now(), &mut output).await;
    let exit = exit.map_err(|failure| format!("{:?}: {failure}", failure.exit()));
    let made = cluster.created().into_iter().filter(|object| object["kind"] == "OnCallOverride").collect();
    (exit, String::from_utf8(results).unwrap(), made)
}

#[tokio::test]
async fn a_shift_that_is_taken_over_says_from_when_until_when_and_how_to_give_it_back() {
    let line = "bob --schedule primary --for 8h --replaces ada --reason swap";
    let (exit, text, made) = run(Judge::Accept, &["payments"], line).await;
    let name = made[0]["metadata"]["name"].as_str().unwrap();
    assert_eq!(exit, Ok(Exit::Done));
    assert_eq!(
        text,
        format!(
            "{name}: bob is on call in primary whenever ada would be from 2026-11-23T04:12:00+01:00 until \
             2026-11-23T12:12:00+01:00; give it back with `firstline override --expire {name} -n payments`\n"
        )
    );
    assert_eq!(
        made[0]["spec"],
        json!({
            "policy": "payments", "schedule": "primary", "person": "bob", "replaces": "ada", "reason": "swap",
            "from": "2026-11-23T03:12:00Z", "until": "2026-11-23T11:12:00Z", "author": "oidc:ada",
        })
    );
}

#[tokio::test]
async fn until_counts_from_the_beginning_and_is_an_instant_as_well() {
    let (_, _, made) = run(Judge::Accept, &["payments"], "bob --schedule primary --from 2h --until 1h").await;
    assert_eq!(made[0]["spec"]["until"], "2026-11-23T06:12:00Z");
    let line = "bob --schedule primary --until 2026-11-24T09:00:00+01:00";
    let (_, _, made) = run(Judge::Accept, &["payments"], line).await;
    assert_eq!(made[0]["spec"]["until"], "2026-11-24T08:00:00Z");
}

#[rstest::rstest]
#[case(
    "bop --schedule primary --for 1h",
    "Usage: PERSON: no person of policy payments is called `bop`; did you mean `bob`?"
)]
#[case(
    "bob --schedule primry --for 1h",
    "Usage: --schedule: no policy of namespace payments has a schedule `primry`; did you mean `primary`?"
)]
#[case(
    "bob --schedule primary --policy paymnts --for 1h",
    "Usage: --policy: no SupportPolicy of namespace payments is called `paymnts`; did you mean `payments`?"
)]
#[case(
    "bob --schedule primary --replaces bob --for 1h",
    "Usage: --replaces: expected replaces to be somebody else than person"
)]
#[case("bob --schedule primary --from 2h --until 2026-11-23T03:00:00Z", "Usage: --until: expected until after from")]
#[case("bob --schedule primary --for 53w", "Usage: --until: expected at most 366 days between from and until")]
#[tokio::test]
async fn what_is_wrong_is_told_before_anything_is_created(#[case] line: &str, #[case] words: &str) {
    let (exit, _, made) = run(Judge::Accept, &["payments"], line).await;
    assert_eq!((exit, made.len()), (Err(words.to_owned()), 0));
}

#[tokio::test]
async fn where_two_policies_have_such_a_schedule_one_must_be_named() {
    let line = "bob --schedule primary --for 1h";
    let (exit, ..) = run(Judge::Accept, &["payments", "shop"], line).await;
    let words = "Usage: --policy: expected one, since several have a schedule `primary`: payments, shop";
    assert_eq!(exit, Err(words.to_owned()));
    let (exit, _, made) = run(Judge::Accept, &["payments", "shop"], &format!("{line} --policy shop")).await;
    assert_eq!((exit, &made[0]["spec"]["policy"]), (Ok(Exit::Done), &json!("shop")));
}

#[tokio::test]
async fn an_operator_that_refuses_is_quoted_and_one_that_is_away_is_told() {
    let line = "bob --schedule primary --for 1h";
    let (exit, text, _) = run(Judge::Refuse("spec.person: who?"), &["payments"], line).await;
    assert_eq!(exit, Ok(Exit::No));
    assert!(text.ends_with(" refused: spec.person: who?\n"), "{text}");
    let (exit, text, _) = run(Judge::Away, &["payments"], line).await;
    assert_eq!(exit, Ok(Exit::Unknown));
    assert!(text.contains("It is recorded and will count when the operator is back"), "{text}");
}

#[tokio::test]
async fn giving_a_shift_back_moves_its_end_to_now_and_the_list_shows_what_is_left() {
    let cluster = FakeCluster::start(Judge::Accept, Vec::new()).await;
    for (name, person, until) in [("swap", "bob", "2026-11-23T05:00:00Z"), ("late", "eve", "2026-11-24T05:00:00Z")] {
        cluster.add(json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "OnCallOverride",
            "metadata": {"name": name, "namespace": "payments", "uid": name, "resourceVersion": "4"},
            "spec": {"policy": "payments", "schedule": "primary", "person": person, "from": "2026-11-23T03:00:00Z",
                "until": until, "reason": "r", "author": "oidc:ada"},
            "status": {"active": true}
        }));
    }
    let run = async |line: &str| {
        super::super::fixtures::printed(async |output| {
            take_over_in(&cluster.session(), &args(line), "firstline", now(), output).await.unwrap();
        })
        .await
    };
    assert_eq!(
        run("--list").await,
        "NAME   SCHEDULE   PERSON   REPLACES   ACTIVE   FROM                   UNTIL\n\
         late   primary    eve      <none>     true     2026-11-23T03:00:00Z   2026-11-24T05:00:00Z\n\
         swap   primary    bob      <none>     true     2026-11-23T03:00:00Z   2026-11-23T05:00:00Z\n"
    );
    assert_eq!(run("--expire swap").await, "swap ended at 2026-11-23T03:12:00Z\n");
    assert_eq!(cluster.created()[0]["spec"]["until"], "2026-11-23T03:12:00Z");
    assert_eq!(run("--expire swap").await, "swap has ended already, at 2026-11-23T03:12:00Z\n");
    assert_eq!(run("--list -o wide").await.lines().count(), 2);
}
