//! What a store tells of, as a test remembers it.

use std::sync::{Arc, Mutex, Weak};

use larder_core::{Backend, Change, Observer, Store};

/// Changes as texts, in the order in which they were told.
#[derive(Debug, Default)]
pub(crate) struct Ear(Mutex<Vec<String>>);

impl Ear {
    pub(crate) fn on(store: &Store) -> Arc<Self> {
        let ear = Arc::new(Self::default());
        let observer: Weak<Self> = Arc::downgrade(&ear);
        store.watch().expect("changes are told").subscribe(observer);
        ear
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("nobody panics with it"))
    }
}

impl Observer for Ear {
    fn changed(&self, change: &Change<'_>) {
        let heard = match change {
            Change::Key(key, _) => format!("key {}", key.text()),
            Change::Leased(key) => format!("leased {}", key.text()),
            other => format!("{other:?}"),
        };
        self.0.lock().expect("nobody panics with it").push(heard);
    }
}
