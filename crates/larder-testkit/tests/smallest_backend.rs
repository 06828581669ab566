//! The least that a backend can be passes every case: what it doesn't claim, it must refuse.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use larder_core::{
    Backend, Capability, Clock, Deletion, Entry, Key, KeyBuf, ReadOptions, Result, WriteOptions,
    async_trait,
};
use larder_testkit::{ManualClock, Subject, Time};

#[derive(Debug)]
struct Smallest {
    entries: Mutex<HashMap<KeyBuf, Entry>>,
    clock: Arc<dyn Clock>,
}

impl Smallest {
    fn there(&self, entry: Option<Entry>) -> Option<Entry> {
        entry.filter(|entry| !entry.head().lifetime().is_expired(self.clock.now()))
    }
}

#[async_trait]
impl Backend for Smallest {
    fn capability(&self) -> Capability {
        Capability::default()
    }

    async fn get(&self, key: &Key<'_>, _: &ReadOptions) -> Result<Option<Entry>> {
        let entry = self
            .entries
            .lock()
            .expect("nobody panics here")
            .get(&key.to_buf())
            .cloned();
        Ok(self.there(entry))
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, _: &WriteOptions) -> Result<()> {
        self.entries
            .lock()
            .expect("nobody panics here")
            .insert(key.to_buf(), entry);
        Ok(())
    }

    async fn delete(&self, key: &Key<'_>, _: &WriteOptions) -> Result<Deletion> {
        let removed = self
            .entries
            .lock()
            .expect("nobody panics here")
            .remove(&key.to_buf());
        Ok(Deletion::Delivered {
            existed: self.there(removed).is_some(),
        })
    }
}

async fn subject() -> Subject {
    let clock = ManualClock::new();
    let backend = Smallest {
        entries: Mutex::default(),
        clock: clock.shared(),
    };
    Subject::new(backend, Time::Manual(clock))
}

larder_testkit::conformance!(subject);
