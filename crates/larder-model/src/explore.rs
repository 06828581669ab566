//! Explores every interleaving of a situation, breadth first: the first breach that is found has the shortest
//! trace.
//!
//! A state that has been seen is remembered by a hash of 64 bits, and how it was reached by its predecessor
//! and the number of the step. The seed is fixed, so every run does the same. Two states with one hash would
//! be taken for one; among ten million states that happens with a chance of three in a million.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use foldhash::quality::FixedState;

use crate::checks::{Breach, Promise};
use crate::model::{Model, Steps};
use crate::situation::Situation;
use crate::state::{At, State};
use crate::variant::Variant;

/// Where CI leaves a situation that has more states than that.
pub const CI_LIMIT: usize = 500_000;

/// How an exploration ends.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Every state was visited and none breaks a promise.
    Holds,
    /// So many states were visited that the rest was left, and none breaks a promise.
    Stopped,
    /// A promise is broken: how, and by which steps.
    Broken(Breach, Vec<String>),
}

/// What an exploration has found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// The states visited.
    pub states: usize,
    /// The most steps from the start to any of them.
    pub depth: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, depth, .. } = self;
        match &self.verdict {
            Verdict::Holds => write!(f, "holds: all {states} states, depth {depth}"),
            Verdict::Stopped => write!(f, "no violation within {states} states, depth {depth}"),
            Verdict::Broken(breach, trace) => {
                write!(
                    f,
                    "broken after {} steps, {states} states: {breach}",
                    trace.len()
                )
            }
        }
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// How each state was reached: the number of the state before, and which of its steps.
#[derive(Default)]
struct Ways(Vec<(u32, u8)>);

impl Ways {
    fn add(&mut self, from: u32, step: usize) -> u32 {
        let step = u8::try_from(step).expect("a state has few successors");
        self.0.push((from, step));
        u32::try_from(self.0.len() - 1).expect("fewer than four billion states")
    }

    /// The numbers of the steps from the start to a state.
    fn to(&self, mut state: u32) -> Vec<usize> {
        let mut steps = Vec::new();
        while state != 0 {
            let (from, step) = self.0[state as usize];
            steps.push(usize::from(step));
            state = from;
        }
        steps.reverse();
        steps
    }
}

/// Explores a situation under a variant of the protocol, up to a number of states if there is a limit.
pub fn explore(situation: &Situation, variant: &Variant, limit: Option<usize>) -> Outcome {
    let model = Model { situation, variant };
    let limit = limit.unwrap_or(usize::MAX);
    let hashed = FixedState::with_seed(0);
    let mut seen: HashSet<u64, BuildHasherDefault<AsIs>> = HashSet::default();
    let mut ways = Ways::default();
    let first = model.initial();
    seen.insert(hashed.hash_one(first));
    let mut level = vec![(ways.add(0, 0), first)];
    let mut depth = 0;
    let mut steps = Steps::new(false);
    while !level.is_empty() {
        let mut next = Vec::new();
        for (number, state) in level {
            steps.list.clear();
            model.successors(&state, &mut steps);
            if let Some(breach) = ending(&model, &state, steps.list.is_empty()) {
                return broken(&model, breach, &ways.to(number), None, seen.len(), depth);
            }
            for (step, (successor, _)) in steps.list.drain(..).enumerate() {
                if let Some(breach) = model.broken(&successor) {
                    let way = ways.to(number);
                    return broken(&model, breach, &way, Some(step), seen.len(), depth);
                }
                if seen.insert(hashed.hash_one(successor)) {
                    next.push((ways.add(number, step), successor));
                }
            }
            if seen.len() > limit {
                let verdict = Verdict::Stopped;
                let states = seen.len();
                return Outcome {
                    verdict,
                    states,
                    depth,
                };
            }
        }
        level = next;
        depth += 1;
    }
    Outcome {
        verdict: Verdict::Holds,
        states: seen.len(),
        depth: depth.saturating_sub(1),
    }
}

/// What is wrong with a state that nothing follows, or in which everything has come to rest.
fn ending(model: &Model<'_>, state: &State, is_last: bool) -> Option<Breach> {
    if Model::is_at_rest(state) {
        return model.broken_at_rest(state);
    }
    if !is_last {
        return None;
    }
    let stuck: Vec<String> = (0..model.situation.ops.len())
        .filter(|&i| state.ops[i].at != At::Done)
        .map(|i| format!("{} ({:?})", model.name(i), state.ops[i].at))
        .collect();
    Some(Breach {
        promise: Promise::Progress,
        what: format!("stuck for ever: {}", stuck.join(", ")),
    })
}

/// The trace is made anew, with names this time.
fn broken(
    model: &Model<'_>,
    breach: Breach,
    way: &[usize],
    last: Option<usize>,
    states: usize,
    depth: usize,
) -> Outcome {
    let mut state = model.initial();
    let mut trace = Vec::new();
    for &step in way.iter().chain(&last) {
        let mut steps = Steps::new(true);
        model.successors(&state, &mut steps);
        let (next, name) = steps.list.swap_remove(step);
        trace.push(name);
        state = next;
    }
    Outcome {
        verdict: Verdict::Broken(breach, trace),
        states,
        depth,
    }
}
