//! Random lists of operations, done to the backend and to the reference backend side by side.

mod compare;
mod play;
mod steps;

use std::fmt::Write as _;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use self::play::Play;
use self::steps::{Step, steps};
use crate::Subject;

/// Whatever is done in whatever order, each answer is the one that [`ReferenceBackend`] gives. A list
/// that fails is shortened to the steps that matter, and printed. Lists differ from run to run;
/// `PROPTEST_CASES` says how many.
///
/// In real time there are fewer lists, and one is cut short where a step comes so close to an entry's end
/// that either answer would be right.
///
/// [`ReferenceBackend`]: crate::ReferenceBackend
pub async fn random_operations_agree_with_the_reference(subject: &Subject) {
    let lists = if subject.is_real_time() { 12 } else { 256 };
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").map_or(lists, |_| Config::default().cases),
        // A list that failed becomes a case of its own, not a file in every backend's repository.
        failure_persistence: None,
        max_shrink_time: 20_000,
        ..Config::default()
    };
    // The runner of proptest isn't asynchronous, and its values can't move between threads.
    let outcome = block_in_place(|| {
        TestRunner::new(config).run(&steps(), |steps| {
            let played = Handle::current().block_on(play(subject, &steps));
            played.map_err(TestCaseError::fail)
        })
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, steps)) => {
            let (reason, steps) = shorten(subject, reason.message().to_owned(), steps).await;
            panic!("{}", story(&reason, &steps));
        }
        Err(TestError::Abort(reason)) => panic!("no lists could be made: {reason}"),
    }
}

async fn play(subject: &Subject, steps: &[Step]) -> Result<(), String> {
    let mut play = Play::new(subject);
    for (at, step) in steps.iter().enumerate() {
        match play.step(step).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(why) => return Err(format!("step {}: {why}", at + 1)),
        }
    }
    Ok(())
}

/// Leaves out every step without which the list still fails: proptest tries each only once, early on.
async fn shorten(subject: &Subject, mut why: String, mut steps: Vec<Step>) -> (String, Vec<Step>) {
    for at in (0..steps.len()).rev() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        if let Err(still) = play(subject, &fewer).await {
            (why, steps) = (still, fewer);
        }
    }
    (why, steps)
}

fn story(reason: &str, steps: &[Step]) -> String {
    let mut story = format!("{reason}\nafter these steps:\n");
    for (at, step) in steps.iter().enumerate() {
        writeln!(story, "  {}. {step:?}", at + 1).expect("a String takes any text");
    }
    story
}
