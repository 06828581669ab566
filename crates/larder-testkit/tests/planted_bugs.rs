//! A check that can't fail is worse than none: the suite is run on backends with one bug each, and every
//! case must have caught one.

#[cfg(test)]
#[path = "planted_bugs/broken/mod.rs"]
mod broken;

use std::collections::BTreeSet;
use std::thread;

use broken::{Broken, Bug};
use larder_testkit::suite::CASES;
use larder_testkit::{Failure, Way, try_run};

fn check(case: &str, bug: Option<Bug>) -> Result<(), Failure> {
    try_run(case, Way::Bare, move || async move { Broken::subject(bug) })
}

#[test]
fn each_bug_is_caught_by_the_cases_about_it() {
    let missed = thread::scope(|scope| {
        // Two threads, because a few bugs show only after a while of real time.
        let halves = Bug::ALL.chunks(Bug::ALL.len().div_ceil(2)).map(|bugs| {
            scope.spawn(move || {
                let pairs = bugs
                    .iter()
                    .flat_map(|bug| bug.caught_by().iter().map(move |case| (*bug, *case)));
                pairs
                    .filter(|(bug, case)| check(case, Some(*bug)).is_ok())
                    .collect::<Vec<_>>()
            })
        });
        let halves: Vec<_> = halves.collect();
        halves
            .into_iter()
            .flat_map(|half| half.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(missed, [], "bugs with cases that missed them");
}

#[test]
fn every_case_has_caught_a_bug() {
    let listed: BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
    let caught: BTreeSet<_> = Bug::ALL
        .iter()
        .flat_map(|bug| bug.caught_by())
        .copied()
        .collect();
    assert_eq!(caught, listed);
}

/// Without it the tests above would prove nothing: the wrapper might break the contract by itself.
#[test]
fn without_a_bug_every_case_passes() {
    for case in CASES {
        if let Err(failure) = check(case.name, None) {
            panic!("{failure}");
        }
    }
}
