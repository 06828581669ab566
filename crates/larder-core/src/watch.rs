//! Changes as they happen, told to whoever watches.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use crate::{EntryId, Key, Marker};

/// Something changed in a store.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Change<'a> {
    /// An entry was written, removed, or given other times; with the id of the entry that is there now,
    /// if the teller knows it, by which a writer recognises its own write.
    Key(Key<'a>, Option<EntryId>),
    /// This process was granted the lease on a cold key: nothing is under it any more, and the store won't
    /// say so again. What is kept of the key elsewhere must be forgotten; a load of it goes on.
    Leased(Key<'a>),
    /// A marker has another version, or was lost.
    Marker(&'a Marker),
    /// Anything may have changed: changes were missed.
    Everything,
    /// The connection that tells of changes works from now on. What was read before must be distrusted.
    LinkUp,
    /// Changes may be missed from now on.
    LinkDown,
}

/// Is told of changes, one after the other, on the task or thread that noticed them. It must return at
/// once: move a fence, detach a flight, wake somebody.
pub trait Observer: Send + Sync {
    /// Something changed.
    fn changed(&self, change: &Change<'_>);
}

/// The observers of one store. A change is told to all of them before [`Changes::publish`] returns, so
/// a write that has completed has been heard of.
#[derive(Default)]
pub struct Changes {
    observers: RwLock<Arc<[Weak<dyn Observer>]>>,
    link_is_down: AtomicBool,
}

impl Changes {
    /// Without observers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells `observer` of every change from now on, for as long as it lives.
    pub fn subscribe(&self, observer: Weak<dyn Observer>) {
        let mut observers = self
            .observers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let living = observers
            .iter()
            .filter(|observer| observer.strong_count() > 0)
            .cloned();
        *observers = living.chain([observer]).collect();
    }

    /// Whether changes are told at present: false between [`Change::LinkDown`] and the next
    /// [`Change::LinkUp`]. Who subscribes asks after that, so that neither is missed.
    pub fn is_linked(&self) -> bool {
        !self.link_is_down.load(Ordering::Acquire)
    }

    /// Tells every observer.
    pub fn publish(&self, change: &Change<'_>) {
        match change {
            Change::LinkDown => self.link_is_down.store(true, Ordering::Release),
            Change::LinkUp => self.link_is_down.store(false, Ordering::Release),
            _ => {}
        }
        // A snapshot, so that an observer may subscribe another one.
        let observers = Arc::clone(
            &self
                .observers
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for observer in observers.iter().filter_map(Weak::upgrade) {
            observer.changed(change);
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let observers = self
            .observers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        f.debug_struct("Changes")
            .field("observers", &observers)
            .field("link_is_down", &self.link_is_down)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Observer for Counter {
        fn changed(&self, _: &Change<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_link_is_up_until_it_is_told_to_be_down() {
        let changes = Changes::new();
        assert!(changes.is_linked());
        changes.publish(&Change::LinkDown);
        changes.publish(&Change::Everything);
        assert!(!changes.is_linked());
        changes.publish(&Change::LinkUp);
        assert!(changes.is_linked());
    }

    #[test]
    fn observers_are_told_until_they_are_dropped() {
        let changes = Changes::new();
        let (kept, dropped) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
        changes.subscribe(Arc::downgrade(&kept) as Weak<dyn Observer>);
        changes.subscribe(Arc::downgrade(&dropped) as Weak<dyn Observer>);
        changes.publish(&Change::Everything);
        drop(dropped);
        changes.publish(&Change::Everything);
        assert_eq!(kept.0.load(Ordering::Relaxed), 2);
    }
}
