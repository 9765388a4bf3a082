//! Why this person, in words.

use super::*;

#[test]
fn a_turn_is_told_with_its_layer_and_its_times_in_the_schedules_zone() {
    let mut week = weekly();
    week.zone = zone("Europe/Berlin").unwrap();
    let why = explain(&week, &[], at("2026-11-11T12:00:00Z"));
    assert_eq!(why.person, Some("bob"));
    assert_eq!(
        why.sentences(&week.zone),
        ["layer `ada-bob` puts bob on call from 2026-11-09T09:00:00+01:00 until 2026-11-16T09:00:00+01:00"]
    );
}

#[test]
fn each_layer_and_override_says_why_it_does_not_count() {
    let layers = schedule([
        layer("UTC", "2026-11-02 09:00", 7, "ada bob"),
        layer("UTC", "2026-11-03 09:00", 1, "carol"),
        layer("UTC", "2027-01-01 09:00", 1, "dan"),
    ]);
    let overrides = [
        instead("eve", "2026-11-12T00:00:00Z", "2026-11-13T00:00:00Z", 1),
        instead("finn/carol", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z", 2),
        instead("gil/ada", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z", 3),
        instead("hana/finn", "2026-11-10T00:00:00Z", "2026-11-12T00:00:30Z", 4),
        instead("ivo", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", 5),
    ];
    let why = explain(&layers, &overrides, at("2026-11-11T12:00:00Z"));
    assert_eq!(
        why.sentences(&TimeZone::UTC),
        [
            "override `hana-finn` (hana for finn) puts hana on call from 2026-11-10T00:00:00Z until 2026-11-12T00:00:30Z",
            "override `gil-ada` (gil for ada) does not count: without it finn is on call, not ada",
            "override `finn-carol` (finn for carol) gives way to override `hana-finn` (hana for finn), which was created later",
            "override `eve` (eve) begins at 2026-11-12T00:00:00Z",
            "layer `dan` begins at 2027-01-01T09:00:00Z",
            "layer `carol` stands below override `hana-finn` (hana for finn)",
            "layer `ada-bob` stands below override `hana-finn` (hana for finn)",
        ]
    );
}

#[test]
fn of_two_layers_the_lower_one_is_told_to_stand_below() {
    let layers =
        schedule([layer("UTC", "2026-11-02 09:00", 7, "ada bob"), layer("UTC", "2026-11-03 09:00", 1, "carol")]);
    assert_eq!(
        explain(&layers, &[], at("2026-11-11T12:00:00Z")).sentences(&TimeZone::UTC),
        [
            "layer `carol` puts carol on call from 2026-11-03T09:00:00Z without end",
            "layer `ada-bob` stands below layer `carol`",
        ]
    );
}

#[test]
fn that_nobody_is_on_call_is_said_first() {
    assert_eq!(
        explain(&weekly(), &[], at("2026-11-01T00:00:00Z")).sentences(&TimeZone::UTC),
        ["nobody is on call", "layer `ada-bob` begins at 2026-11-02T08:00:00Z"]
    );
}
