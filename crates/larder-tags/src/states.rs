//! What this process knows of all tags, and how it hears of changes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_core::Backend;
use larder_core::{Change, Changes, Marker, Observer, Store, Version};

use crate::state::{Sample, State};

/// With fewer tags than this nothing is dropped.
const FIRST_SWEEP: usize = 1_024;

/// Every tag that an entry in memory has, that a load waits for, or that was asked for of late.
#[derive(Debug)]
pub(crate) struct States {
    tags: Mutex<Known>,
    /// Whether every change is heard of. Nothing is learned while it isn't (R4, U38).
    linked: AtomicBool,
    /// Counts what is learned and what is begun, so that one can be told to have been before the other.
    counted: AtomicU64,
    /// Fills that were refused because of a tag that was named too late.
    pub(crate) late: AtomicU64,
}

#[derive(Debug)]
struct Known {
    states: HashMap<Marker, Arc<State>>,
    /// At this many tags the unused ones are dropped.
    sweep_at: usize,
}

/// A tag about which the store is being asked.
pub(crate) struct Asked {
    state: Arc<State>,
    /// None if nothing may be learned.
    sample: Option<Sample>,
}

impl States {
    pub(crate) fn new() -> Self {
        Self {
            tags: Mutex::new(Known {
                states: HashMap::new(),
                sweep_at: FIRST_SWEEP,
            }),
            linked: AtomicBool::new(false),
            counted: AtomicU64::new(1),
            late: AtomicU64::new(0),
        }
    }

    /// Hears of the store's changes from now on. Of one that tells of none nothing is ever known: each look-up asks it.
    pub(crate) fn follow(self: &Arc<Self>, store: &Store) {
        let Some(changes) = store.watch() else {
            return;
        };
        let states: std::sync::Weak<Self> = Arc::downgrade(self);
        changes.subscribe(states);
        // Asked for after subscribing and under the lock that a change takes, so that a link that is lost
        // meanwhile is heard of afterwards.
        let _tags = self.lock();
        self.linked
            .store(Changes::is_linked(changes), Ordering::SeqCst);
    }

    /// What is known of a tag; it is followed from now on.
    pub(crate) fn of(&self, marker: &Marker) -> Arc<State> {
        let mut tags = self.lock();
        if let Some(state) = tags.states.get(marker) {
            state.touch();
            return Arc::clone(state);
        }
        if tags.states.len() >= tags.sweep_at {
            tags.sweep();
        }
        let state = Arc::new(State::new());
        tags.states.insert(marker.clone(), Arc::clone(&state));
        state
    }

    /// To be called before the store is asked for a tag's version.
    pub(crate) fn ask(&self, state: Arc<State>) -> Asked {
        // The sample first: if the link is lost after it, the fence moves.
        let sample = state.sample();
        let linked = self.linked.load(Ordering::SeqCst);
        Asked {
            state,
            sample: linked.then_some(sample),
        }
    }

    /// Believes the answer, if nothing has changed since it was asked for.
    pub(crate) fn answered(&self, asked: &Asked, version: Option<Version>) {
        if let Some(sample) = asked.sample {
            asked.state.learn(version, sample, self.count());
        }
    }

    /// Moves the count on; answers what it was.
    pub(crate) fn count(&self) -> u64 {
        self.counted.fetch_add(1, Ordering::SeqCst)
    }

    /// Tags that are followed.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().states.len()
    }

    /// A marker has changed, or may have.
    pub(crate) fn forget(&self, marker: &Marker) {
        if let Some(state) = self.lock().states.get(marker) {
            state.forget();
        }
    }

    fn forget_all(&self, linked: Option<bool>) {
        let tags = self.lock();
        if linked == Some(false) {
            self.linked.store(false, Ordering::SeqCst);
        }
        for state in tags.states.values() {
            state.forget();
        }
        if linked == Some(true) {
            self.linked.store(true, Ordering::SeqCst);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Drops the tags that no entry and no load refers to and that nobody has asked for since the last time.
    fn sweep(&mut self) {
        self.states
            .retain(|_, state| Arc::strong_count(state) > 1 || state.take_used());
        self.sweep_at = FIRST_SWEEP.max(2 * self.states.len());
    }
}

impl Observer for States {
    fn changed(&self, change: &Change<'_>) {
        match change {
            Change::Key(..) | Change::Leased(_) => {}
            // A generation is judged by whoever looks up.
            Change::Marker(marker) => self.forget(marker),
            Change::LinkDown => self.forget_all(Some(false)),
            Change::LinkUp => self.forget_all(Some(true)),
            // Also what this version of the crate doesn't know.
            _ => self.forget_all(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use larder_core::{Namespace, TagName};

    use super::*;

    fn marker(name: &str) -> Marker {
        let namespace = Namespace::new("app").unwrap();
        Marker::tag(&namespace, TagName::new(name).unwrap())
    }

    #[test]
    fn c4_nothing_is_learned_while_the_link_is_down() {
        let (states, version) = (States::new(), Version::random());
        let state = states.of(&marker("a"));
        let asked = states.ask(Arc::clone(&state));
        states.answered(&asked, Some(version));
        assert_eq!(state.known(), None);
        states.changed(&Change::LinkUp);
        let asked = states.ask(Arc::clone(&state));
        states.answered(&asked, Some(version));
        assert_eq!(state.known(), Some(version));
        let asked = states.ask(Arc::clone(&state));
        states.changed(&Change::LinkDown);
        assert_eq!(state.known(), None);
        states.answered(&asked, Some(version));
        assert_eq!(state.known(), None);
    }

    #[test]
    fn tags_that_nobody_refers_to_are_dropped() {
        let states = States::new();
        let kept = states.of(&marker("kept"));
        for at in 0..10 * FIRST_SWEEP {
            states.of(&marker(&at.to_string()));
        }
        assert!(states.len() <= 3 * FIRST_SWEEP, "{}", states.len());
        assert!(Arc::ptr_eq(&kept, &states.of(&marker("kept"))));
    }
}
