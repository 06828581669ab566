//! Histories made by hand, each rule with one that breaks it and those that don't.

mod written;

use self::written::{LONG, SHORT, Written, node, value};
use crate::check::history::Actor;
use crate::check::rules::Rule;
use crate::history::{Event, Outcome, What};
use crate::moment::millis;

/// Version 1 is loaded by node 0; version 2 follows, and node 0 deletes from 1,010 to 1,020.
fn deleted(outcome: Outcome) -> Written {
    Written::default()
        .origin(500, 1)
        .loads(0, 600, 1)
        .origin(1_000, 2)
        .loads(0, 1_100, 2)
        .does(0, What::Delete, (1_010, 1_020), outcome)
}

fn done() -> Written {
    deleted(Outcome::Done)
}

#[test]
fn after_an_own_invalidation_nothing_older_is_seen() {
    assert_eq!(
        done().reads(0, 1_021, value(0, 1, LONG)).broken(),
        [Rule::Own]
    );
    assert_eq!(
        done().reads(0, 9_000, value(0, 1, LONG)).broken(),
        [Rule::Own]
    );
    assert_eq!(done().reads(0, 1_021, value(0, 2, LONG)).broken(), []);
}

#[test]
fn a_read_that_begins_before_the_invalidation_has_completed_may_see_anything() {
    assert_eq!(done().reads(0, 1_015, value(0, 1, LONG)).broken(), []);
}

#[test]
fn others_have_the_time_that_news_take() {
    assert_eq!(done().reads(1, 1_100, value(0, 1, LONG)).broken(), []);
    assert_eq!(
        done().reads(1, 1_300, value(0, 1, LONG)).broken(),
        [Rule::Heard]
    );
    assert_eq!(done().reads(1, 1_300, value(0, 2, LONG)).broken(), []);
}

#[test]
fn what_is_older_never_comes_back() {
    let history = done()
        .reads(1, 1_300, value(0, 2, LONG))
        .reads(1, 9_000, value(0, 1, LONG));
    assert_eq!(history.broken(), [Rule::Heard]);
}

#[test]
fn with_a_fault_in_the_way_the_heartbeats_count() {
    let history = || done().fault("black hole", 1, 900, 8_000);
    assert_eq!(history().reads(1, 1_600, value(0, 1, LONG)).broken(), []);
    assert_eq!(
        history().reads(1, 1_900, value(0, 1, LONG)).broken(),
        [Rule::Heard]
    );
    // It was not in the way of the others.
    assert_eq!(
        history().reads(2, 1_600, value(0, 1, LONG)).broken(),
        [Rule::Heard]
    );
}

#[test]
fn a_node_that_was_stopped_has_its_time_when_it_goes_on() {
    let history = || done().fault("node stopped", 1, 1_015, 5_000);
    assert_eq!(history().reads(1, 5_100, value(0, 1, LONG)).broken(), []);
    assert_eq!(
        history().reads(1, 5_300, value(0, 1, LONG)).broken(),
        [Rule::Heard]
    );
}

#[test]
fn what_failed_or_is_queued_promises_nothing() {
    for outcome in [Outcome::Failed("Timeout".to_owned()), Outcome::Queued] {
        let history = deleted(outcome);
        assert_eq!(history.reads(0, 2_000, value(0, 1, LONG)).broken(), []);
    }
}

#[test]
fn what_failed_does_not_undo_what_had_been_done() {
    let failed = Outcome::Failed("Unavailable".to_owned());
    let history = done().does(0, What::Delete, (1_030, 1_040), failed);
    assert_eq!(
        history.reads(0, 1_050, value(0, 1, LONG)).broken(),
        [Rule::Own]
    );
}

#[test]
fn another_incarnation_is_another_node() {
    let next = Actor {
        node: 0,
        incarnation: 1,
    };
    let reads = |at| {
        let (seen, outcome) = (Some(value(0, 1, LONG)), Some(Outcome::Done));
        done().operates(next, What::Get, LONG, (at, at + 1), outcome, seen, None)
    };
    assert_eq!(reads(1_100).broken(), []);
    assert_eq!(reads(1_300).broken(), [Rule::Heard]);
}

#[test]
fn a_set_that_overlaps_an_invalidation_may_have_come_after_it() {
    let set = |span| {
        done()
            .sets(span, value(1, 1, LONG), Some(Outcome::Done))
            .reads(2, 3_000, value(1, 1, LONG))
    };
    assert_eq!(set((1_000, 1_012)).broken(), []);
    assert_eq!(set((1_100, 1_110)).broken(), []);
    assert_eq!(set((900, 1_005)).broken(), [Rule::Heard]);
}

#[test]
fn a_set_without_an_answer_may_land_until_its_node_has_written_again() {
    let set = |by, outcome| {
        done()
            .sets((900, 950), value(by, 1, LONG), outcome)
            .reads(2, 3_000, value(by, 1, LONG))
    };
    let failed = || Some(Outcome::Failed("Timeout".to_owned()));
    assert_eq!(set(1, failed()).broken(), []);
    assert_eq!(set(1, None).broken(), []);
    assert_eq!(set(0, failed()).broken(), [Rule::Heard]);
}

#[test]
fn an_own_set_is_read_back() {
    let history = || {
        Written::default()
            .origin(500, 1)
            .loads(0, 510, 1)
            .origin(600, 2)
            .sets((610, 620), value(0, 2, LONG), Some(Outcome::Done))
    };
    assert_eq!(history().reads(0, 630, value(0, 2, LONG)).broken(), []);
    assert_eq!(
        history().reads(0, 630, value(0, 1, LONG)).broken(),
        [Rule::Own]
    );
}

#[test]
fn an_expire_is_an_invalidation_when_its_time_is_over() {
    let history = |outcome| {
        let (actor, span) = (node(0), (1_010, 1_020));
        let ttl = Some(200);
        let written = Written::default()
            .origin(500, 1)
            .loads(0, 600, 1)
            .origin(1_000, 2);
        written.operates(actor, What::Expire, LONG, span, Some(outcome), None, ttl)
    };
    let reads = |outcome, at| history(outcome).reads(0, at, value(0, 1, LONG)).broken();
    assert_eq!(reads(Outcome::Done, 1_200), []);
    assert_eq!(reads(Outcome::Done, 1_500), [Rule::Own]);
    assert_eq!(reads(Outcome::Absent, 1_500), []);
}

#[test]
fn what_redis_has_no_more_is_gone() {
    let history = || {
        Written::default()
            .origin(500, 1)
            .loads(0, 600, 1)
            .looked(700, Some(value(0, 1, LONG)))
            .looked(800, None)
    };
    assert_eq!(history().reads(1, 790, value(0, 1, LONG)).broken(), []);
    assert_eq!(history().reads(1, 1_000, value(0, 1, LONG)).broken(), []);
    assert_eq!(
        history().reads(1, 1_100, value(0, 1, LONG)).broken(),
        [Rule::Gone]
    );
    // Its own maker is no better off.
    assert_eq!(
        history().reads(0, 1_100, value(0, 1, LONG)).broken(),
        [Rule::Gone]
    );
}

#[test]
fn what_redis_has_not_yet_is_not_gone() {
    let history = Written::default()
        .origin(500, 1)
        .loads(0, 600, 1)
        .looked(590, None)
        .looked(800, Some(value(0, 1, LONG)))
        .reads(1, 1_500, value(0, 1, LONG));
    assert_eq!(history.broken(), []);
}

#[test]
fn nothing_is_seen_after_its_time_to_live() {
    let reads = |at| {
        let history = Written::default().origin_of(SHORT, 500, 1);
        history
            .loads_of(SHORT, 0, 600, 1)
            .reads(1, at, value(0, 1, SHORT))
    };
    assert_eq!(reads(1_300).broken(), []);
    assert_eq!(reads(1_400).broken(), [Rule::Age]);
    let (span, outcome) = ((1_000, 1_010), Some(Outcome::Done));
    let expire = What::Expire;
    let longer = reads(1_400).operates(node(0), expire, SHORT, span, outcome, None, Some(180));
    assert_eq!(longer.broken(), []);
}

#[test]
fn a_value_that_nobody_made_is_found() {
    let history = || Written::default().origin(500, 1);
    assert_eq!(
        history().reads(1, 700, value(0, 1, LONG)).broken(),
        [Rule::Invented]
    );
    let of_another_key = history().loads_of(SHORT, 0, 600, 1);
    let seen = Some(value(0, 1, SHORT));
    let read = of_another_key.operates(
        node(1),
        What::Get,
        LONG,
        (700, 701),
        Some(Outcome::Done),
        seen,
        None,
    );
    assert_eq!(read.broken(), [Rule::Invented]);
    let from_the_future = history().loads(0, 600, 2).reads(1, 700, value(0, 2, LONG));
    assert_eq!(from_the_future.broken(), [Rule::Invented]);
}

#[test]
fn at_rest_everything_can_be_read() {
    let rest = || {
        let at_rest = Event::AtRest { at: millis(5_000) };
        Written::default().event(Actor::PARENT, at_rest)
    };
    let failed = || Outcome::Failed("Unavailable".to_owned());
    assert_eq!(
        rest().does(0, What::Get, (4_000, 4_001), failed()).broken(),
        []
    );
    assert_eq!(
        rest().does(0, What::Get, (6_000, 6_001), failed()).broken(),
        [Rule::Rest]
    );
    assert_eq!(
        rest()
            .does(0, What::Get, (6_000, 6_001), Outcome::Done)
            .broken(),
        []
    );
}
