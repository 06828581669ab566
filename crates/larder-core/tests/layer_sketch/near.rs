//! The tier at hand, behind its fences: a stripe for each part of the keys, an epoch in each.

use std::collections::HashSet;
use std::sync::Mutex;

use larder_core::{Backend, Change, Changes, Entry, Key, KeyBuf, Observer, Store};

use crate::support::lock;

/// Memory, and the fences before it.
#[derive(Debug)]
pub(crate) struct Near {
    pub(crate) store: Store,
    pub(crate) changes: Changes,
    stripes: [Mutex<Stripe>; 16],
}

#[derive(Debug, Default)]
struct Stripe {
    epoch: u64,
    /// What memory may hold, because the contract has no "forget everything now".
    keys: HashSet<KeyBuf>,
}

impl Near {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            changes: Changes::new(),
            stripes: Default::default(),
        }
    }

    fn stripe(&self, key: &Key<'_>) -> &Mutex<Stripe> {
        &self.stripes[usize::try_from(key.hash64() % 16).expect("below 16")]
    }

    pub(crate) fn sample(&self, key: &Key<'_>) -> u64 {
        lock(self.stripe(key)).epoch
    }

    /// Moves the fence, then forgets; answers the new epoch.
    pub(crate) fn evict(&self, key: &Key<'_>) -> u64 {
        let mut stripe = lock(self.stripe(key));
        stripe.epoch += 1;
        self.store.forget_now(key).expect("memory is immediate");
        stripe.keys.remove(&key.to_buf());
        stripe.epoch
    }

    /// Compare and insert, one step.
    pub(crate) fn promote(&self, key: &Key<'_>, sample: u64, entry: Entry) -> bool {
        let mut stripe = lock(self.stripe(key));
        let stands = stripe.epoch == sample;
        if stands {
            self.store.put_now(key, entry).expect("memory is immediate");
            stripe.keys.insert(key.to_buf());
        }
        stands
    }

    /// Moves the fence after a reply; what was written enters memory if the fence had stood until then.
    pub(crate) fn settle(&self, key: &Key<'_>, sample: u64, entry: Option<Entry>) -> bool {
        let mut stripe = lock(self.stripe(key));
        let stood = stripe.epoch == sample;
        stripe.epoch += 1;
        match entry.filter(|_| stood) {
            Some(entry) => {
                stripe.keys.insert(key.to_buf());
                self.store.put_now(key, entry)
            }
            None => self.store.forget_now(key),
        }
        .expect("memory is immediate");
        drop(stripe);
        // The store below may withhold what its own connection wrote; whoever watches here hears of it.
        self.changes.publish(&Change::Key(*key, None));
        stood
    }
}

impl Observer for Near {
    fn changed(&self, change: &Change<'_>) {
        match change {
            Change::Key(key, _) => {
                self.evict(key);
            }
            // The tags layer above judges by them.
            Change::Marker(_) => {}
            _ => {
                for stripe in &self.stripes {
                    let mut stripe = lock(stripe);
                    stripe.epoch += 1;
                    for key in stripe.keys.drain() {
                        self.store
                            .forget_now(&key.as_key())
                            .expect("memory is immediate");
                    }
                }
            }
        }
        self.changes.publish(change);
    }
}

/// A write under way. Dropped with its caller, it makes memory forget.
pub(crate) struct Writing<'a> {
    pub(crate) near: &'a Near,
    pub(crate) key: KeyBuf,
    pub(crate) sample: u64,
    pub(crate) settled: bool,
}

impl<'a> Writing<'a> {
    pub(crate) fn begin(near: &'a Near, key: &Key<'_>) -> Self {
        let sample = near.evict(key);
        Self {
            near,
            key: key.to_buf(),
            sample,
            settled: false,
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.near.settle(&self.key.as_key(), self.sample, None);
        }
    }
}
