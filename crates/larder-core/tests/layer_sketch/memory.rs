//! A memory tier: everything at once, everything decoded.

use std::collections::HashMap;
use std::sync::Mutex;

use larder_core::{
    Backend, Capability, Clock, Deletion, Entry, Key, KeyBuf, Peek, ReadOptions, Result, Timestamp,
    WriteOptions, async_trait,
};

use crate::support::{TestClock, lock};

#[derive(Debug)]
pub(crate) struct Memory {
    clock: TestClock,
    entries: Mutex<HashMap<KeyBuf, Entry>>,
}

impl Memory {
    pub(crate) fn new(clock: &TestClock) -> Self {
        Self {
            clock: clock.clone(),
            entries: Mutex::default(),
        }
    }

    fn find(&self, key: &Key<'_>, now: Timestamp) -> Option<Entry> {
        let entry = lock(&self.entries).get(&key.to_buf()).cloned()?;
        (!entry.head().lifetime().is_expired(now)).then_some(entry)
    }
}

#[async_trait]
impl Backend for Memory {
    fn capability(&self) -> Capability {
        Capability::default().with_immediate().with_keeps_decoded()
    }

    fn peek(&self, key: &Key<'_>, now: Timestamp) -> Peek {
        self.find(key, now).map_or(Peek::Miss, Peek::Hit)
    }

    async fn get(&self, key: &Key<'_>, _: &ReadOptions) -> Result<Option<Entry>> {
        Ok(self.find(key, self.clock.now()))
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, _: &WriteOptions) -> Result<()> {
        self.put_now(key, entry)
    }

    async fn delete(&self, key: &Key<'_>, _: &WriteOptions) -> Result<Deletion> {
        let existed = self.find(key, self.clock.now()).is_some();
        self.forget_now(key)?;
        Ok(Deletion::Delivered { existed })
    }

    fn put_now(&self, key: &Key<'_>, entry: Entry) -> Result<()> {
        lock(&self.entries).insert(key.to_buf(), entry);
        Ok(())
    }

    fn forget_now(&self, key: &Key<'_>) -> Result<()> {
        lock(&self.entries).remove(&key.to_buf());
        Ok(())
    }
}
