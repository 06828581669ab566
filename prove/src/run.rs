//! One run: everything is started, goes on under faults for a while, and comes to rest.

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::bounds::{STALL, TICK};
use crate::history::Event;
use crate::moment::{now, pause};
use crate::stage::{NODES, Stage};
use crate::{faults, foreign};

/// The longest pause before a node tries its link again, the time that takes, and loads that wait.
const TO_REST: Duration = Duration::from_millis(3_500);

/// Leaves the histories in a folder.
pub(crate) fn run(seed: u64, length: Duration, folder: &Path) -> Result<(), Box<dyn Error>> {
    let stage = &Stage::set(seed, folder)?;
    let is_quiet = &AtomicBool::new(false);
    let quiet = || is_quiet.load(Ordering::Relaxed);
    thread::scope(|scope| {
        scope.spawn(move || foreign::look(stage, quiet));
        scope.spawn(move || watch_stalls(stage, quiet));
        let meddling = scope.spawn(|| foreign::meddle(stage));
        scope.spawn(|| faults::hiccup(stage));
        scope.spawn(|| faults::silence(stage));
        for node in 0..NODES {
            scope.spawn(move || faults::lag(stage, node));
        }
        let trouble = scope.spawn(|| faults::make(stage).map_err(|error| error.to_string()));
        thread::sleep(length);
        stage.is_over.store(true, Ordering::Relaxed);
        let ended = (trouble.join(), meddling.join());
        let rested = match ended {
            (Ok(troubled), Ok(())) => troubled.map_err(Into::into).and_then(|()| rest(stage)),
            _ => Err("a thread that makes trouble has panicked".into()),
        };
        is_quiet.store(true, Ordering::Relaxed);
        rested
    })
}

fn rest(stage: &Stage) -> Result<(), Box<dyn Error>> {
    stage.tell("stop")?;
    thread::sleep(TO_REST);
    stage.recorder.record(&Event::AtRest { at: now() });
    stage.tell("rest")?;
    stage.wait()
}

/// The network of the nodes runs in this process: when it doesn't get to run, nobody is told anything.
fn watch_stalls(stage: &Stage, is_over: impl Fn() -> bool) {
    let mut last = now();
    while !is_over() {
        pause(TICK);
        let at = now();
        if at - last > STALL {
            stage
                .recorder
                .record(&Event::Stalled { from: last, to: at });
        }
        last = at;
    }
}
