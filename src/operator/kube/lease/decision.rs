//! What to do about the lease as it was read. Pure: who we are to it, what we have seen, and for how long it has not changed
//! are arguments.

use std::time::Duration;

use super::VALID_FOR;

/// What to do about the lease as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nobody holds it, or its holder has been silent for its whole validity: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Somebody else holds it, or we must not have it yet.
    Wait,
    /// It was ours and somebody else has taken it: stop.
    Lost,
}

/// Whether we have led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tenure {
    /// Never.
    Never,
    /// We held the lease and it has run out, or we go on by ourselves.
    RunOut,
    /// The lease that we wrote last is valid.
    Valid,
}

/// What this process has seen of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Not every kind is listed yet. A leader would decide by what it has, and go on by that when the API is gone.
    Part,
    /// Every kind is listed, and nothing shows that anybody has ever led here.
    Nobody,
    /// Every kind is listed, and somebody has led.
    Somebody,
}

/// Who we are to the lease.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'a> {
    /// Our identity.
    pub(super) me: &'a str,
    /// Whose heir we are: a process that died as the last holder and whose journal we have.
    pub(super) heir_of: Option<&'a str>,
    /// Whether we have led.
    pub(super) tenure: Tenure,
    /// What we have seen.
    pub(super) known: Known,
}

/// Decides from the holder (empty: nobody; `None`: there is no lease), and for how long we have seen the lease as it is.
pub(super) fn evaluate(holder: Option<&str>, we: &Standing<'_>, unchanged_for: Duration) -> Decision {
    let led = we.tenure != Tenure::Never;
    match holder {
        // Somebody has deleted it. As long as ours would be valid nobody else takes it.
        None if we.tenure == Tenure::Valid => Decision::Renew,
        // We had it, so somebody took it from us and has given it back since.
        Some("") if led => Decision::Lost,
        Some(holder) if holder == we.me => Decision::Renew,
        // It is dead, and nobody has led since.
        Some(holder) if led && we.heir_of == Some(holder) => Decision::Take,
        Some(_) if led => Decision::Lost,
        _ if !led && we.known == Known::Part => Decision::Wait,
        Some("") => Decision::Take,
        None if we.known == Known::Nobody => Decision::Take,
        // Who held one that was deleted goes by it until it would have run out.
        _ if unchanged_for >= VALID_FOR => Decision::Take,
        _ => Decision::Wait,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NEVER: Standing<'static> =
        Standing { me: "me", heir_of: None, tenure: Tenure::Never, known: Known::Somebody };
    const VALID: Standing<'static> = Standing { tenure: Tenure::Valid, ..NEVER };
    const RUN_OUT: Standing<'static> = Standing { tenure: Tenure::RunOut, ..NEVER };
    const HALF_LISTED: Standing<'static> = Standing { known: Known::Part, ..NEVER };
    const FIRST_EVER: Standing<'static> = Standing { known: Known::Nobody, ..NEVER };

    #[rstest]
    #[case::free(Some(""), NEVER, 0, Decision::Take)]
    #[case::ours(Some("me"), VALID, 0, Decision::Renew)]
    #[case::ours_even_when_long_silent(Some("me"), RUN_OUT, 60, Decision::Renew)]
    #[case::somebody_elses(Some("other"), NEVER, 3, Decision::Wait)]
    #[case::silent_for_its_validity(Some("other"), NEVER, 4, Decision::Take)]
    #[case::taken_from_us(Some("other"), VALID, 0, Decision::Lost)]
    #[case::taken_from_us_and_given_back(Some(""), RUN_OUT, 0, Decision::Lost)]
    #[case::taken_from_us_and_silent(Some("other"), RUN_OUT, 60, Decision::Lost)]
    #[case::free_for_one_who_has_not_seen_everything(Some(""), HALF_LISTED, 60, Decision::Wait)]
    #[case::silent_before_one_who_has_not_seen_everything(Some("other"), HALF_LISTED, 60, Decision::Wait)]
    fn who_holds_it_and_how_long_it_was_silent_decides(
        #[case] holder: Option<&str>,
        #[case] we: Standing<'_>,
        #[case] silent: u64,
        #[case] expected: Decision,
    ) {
        assert_eq!(evaluate(holder, &we, Duration::from_secs(silent)), expected);
    }

    #[rstest]
    #[case::of_a_cluster_in_which_nobody_has_led(FIRST_EVER, 0, Decision::Take)]
    #[case::of_a_leader_that_may_go_by_it_still(NEVER, 3, Decision::Wait)]
    #[case::of_a_leader_that_cannot_go_by_it_any_more(NEVER, 4, Decision::Take)]
    #[case::of_ours_that_is_valid(VALID, 0, Decision::Renew)]
    #[case::of_ours_after_which_another_may_have_had_it(RUN_OUT, 3, Decision::Wait)]
    #[case::of_ours_that_nobody_has_taken(RUN_OUT, 4, Decision::Take)]
    #[case::before_everything_is_seen(HALF_LISTED, 60, Decision::Wait)]
    fn a_lease_that_is_not_there_may_have_been_deleted_under_its_holder(
        #[case] we: Standing<'_>,
        #[case] absent: u64,
        #[case] expected: Decision,
    ) {
        assert_eq!(evaluate(None, &we, Duration::from_secs(absent)), expected);
    }

    #[rstest]
    #[case::still_its_predecessors("dead", Tenure::RunOut, Decision::Take)]
    #[case::taken_by_another("other", Tenure::RunOut, Decision::Lost)]
    #[case::before_it_went_on_by_itself("dead", Tenure::Never, Decision::Wait)]
    fn an_heir_takes_what_its_predecessor_held_and_nothing_else(
        #[case] holder: &str,
        #[case] tenure: Tenure,
        #[case] expected: Decision,
    ) {
        // Its journal stands for the lists that it has not seen.
        let heir = Standing { heir_of: Some("dead"), tenure, ..HALF_LISTED };
        assert_eq!(evaluate(Some(holder), &heir, Duration::from_secs(1)), expected);
    }
}
