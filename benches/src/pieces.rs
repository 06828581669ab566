//! What a hit is made of: one piece more in each row.

use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder::Space;
use larder::codecs::MessagePack;
use larder_core::{
    Backend, Clock, Entry, Key, KeyBuf, KeyHashBuilder, Lifetime, Namespace, Peek, Store,
    SystemClock, Timestamp, Ttl, Value, ValueType,
};
use larder_memory::Memory;

use crate::harness::{Race, Run, nanos_per_operation, ready};
use crate::hits::{FOUND, cache};
use crate::report::Table;
use crate::values::Profile;
use crate::work::{CAPACITY, PREFIX, Work, each};

const BATCH: usize = 100_000;
const HOUR: Duration = Duration::from_secs(3_600);

/// Finds a key by its parts, as larder's memory does.
struct Probe<'a>(Key<'a>);

impl Hash for Probe<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl moka::Equivalent<KeyBuf> for Probe<'_> {
    fn equivalent(&self, key: &KeyBuf) -> bool {
        key.is(&self.0)
    }
}

/// Gives every entry an hour.
struct Hourly;

impl<K, V> moka::Expiry<K, V> for Hourly {
    fn expire_after_create(&self, _: &K, _: &V, _: Instant) -> Option<Duration> {
        Some(HOUR)
    }
}

type Moka<K, V, H = std::hash::RandomState> = moka::sync::Cache<K, V, H>;

/// Caches with one piece more each, filled.
struct Ladder {
    namespace: Namespace,
    clock: SystemClock,
    profile_type: &'static ValueType,
    raw: Moka<String, Arc<Profile>>,
    raw_expiring: Moka<String, Arc<Profile>>,
    keyed: Moka<KeyBuf, Arc<Profile>, KeyHashBuilder>,
    entries: Moka<KeyBuf, Entry, KeyHashBuilder>,
    stores: [Store; 2],
    spaces: [Space<Profile>; 2],
}

impl Ladder {
    fn filled(work: &Work) -> Self {
        let store = || {
            let memory = Memory::builder().max_entries(CAPACITY).build();
            Store::new(memory.expect("the settings are sound"))
        };
        let space = || {
            let space = cache("bench").space::<Profile>(PREFIX);
            space.version(1).default_ttl(HOUR)
        };
        let by_key = KeyHashBuilder::default;
        let ladder = Self {
            namespace: Namespace::new("bench").expect("a namespace by the rules"),
            clock: SystemClock::new(|duration| Box::pin(tokio::time::sleep(duration))),
            profile_type: ValueType::of::<Profile, MessagePack>(),
            raw: moka().build(),
            raw_expiring: moka().expire_after(Hourly).build(),
            keyed: moka().build_with_hasher(by_key()),
            entries: moka().build_with_hasher(by_key()),
            stores: [store(), store()],
            spaces: [space(), space()],
        };
        let hour = Ttl::after(HOUR).expect("a time by the rules");
        let lifetime = Lifetime::new(ladder.clock.now(), hour, Duration::ZERO);
        let keys = || work.names.iter().map(|name| ladder.key(name));
        let values = || work.values.iter().map(Arc::clone);
        let entries = || {
            values().map(|value| Entry::new(Value::decoded(value, ladder.profile_type), lifetime))
        };
        // One after the other: filled in turns, each would lie in eight times the pages.
        for raw in [&ladder.raw, &ladder.raw_expiring] {
            for (key, value) in work.keys.iter().zip(values()) {
                raw.insert(key.clone(), value);
            }
        }
        for (key, value) in keys().zip(values()) {
            ladder.keyed.insert(key.to_buf(), value);
        }
        for (key, entry) in keys().zip(entries()) {
            ladder.entries.insert(key.to_buf(), entry);
        }
        for store in &ladder.stores {
            for (key, entry) in keys().zip(entries()) {
                let stored = store.put_now(&key, entry);
                stored.expect("memory refuses nothing");
            }
        }
        for space in &ladder.spaces {
            for (name, value) in work.names.iter().zip(values()) {
                let stored = ready(async { space.set(name, value).await });
                stored.expect("memory refuses nothing");
            }
        }
        ladder
    }

    #[inline]
    fn key<'k>(&'k self, name: &'k str) -> Key<'k> {
        Key::for_lookup(&self.namespace, PREFIX, name)
    }

    #[inline]
    fn touch(&self, entry: &Entry) -> u64 {
        let read = entry.value().read::<Profile>(self.profile_type);
        read.ok().expect("a profile").touch()
    }

    #[inline]
    fn peek(&self, store: &Store, name: &str, now: Timestamp) -> u64 {
        match store.peek(&self.key(name), now) {
            Peek::Hit(entry) => self.touch(&entry),
            Peek::Miss | Peek::Pending => panic!("{FOUND}"),
        }
    }

    fn rungs<'a>(&'a self, work: &'a Work) -> Vec<(&'static str, Run<'a>)> {
        let now = self.clock.now();
        let ([store, clocked], [local, awaited]) = (&self.stores, &self.spaces);
        vec![
            (
                "raw moka get",
                each!(work, key => self.raw.get(key).expect(FOUND).touch()),
            ),
            (
                "moka with larder's keys and hash",
                each!(work, name => self.keyed.get(&Probe(self.key(name))).expect(FOUND).touch()),
            ),
            (
                "… and an entry as value, downcast",
                each!(work, name => self.touch(&self.entries.get(&Probe(self.key(name))).expect(FOUND))),
            ),
            (
                "Store::peek: … and regions, own deadline, counts",
                Box::new(move |range| {
                    let touched = range.map(|at| self.peek(store, work.name(at), now));
                    black_box(touched.fold(0, u64::wrapping_add));
                }),
            ),
            (
                "… and a clock",
                each!(work, name => self.peek(clocked, name, self.clock.recent())),
            ),
            (
                "Space::get_local: … and generation, view, counts",
                each!(work, name => local.get_local(name).expect(FOUND).touch()),
            ),
            (
                "Space::get: … awaited",
                each!(work, name => awaited.get(name).await.expect(FOUND).expect(FOUND).touch()),
            ),
            (
                "not used: raw moka get with per-entry expiry",
                each!(work, key => self.raw_expiring.get(key).expect(FOUND).touch()),
            ),
            (
                "alone: Key::for_lookup, prefix and name",
                each!(work, name => self.key(name).hash64()),
            ),
            (
                "alone: Key::for_lookup, whole key",
                each!(work, key => Key::for_lookup(&self.namespace, "", key).hash64()),
            ),
            (
                "alone: SystemClock::now",
                each!(work, name => name.len() as u64 ^ self.clock.now().as_nanos()),
            ),
            (
                "alone: SystemClock::recent",
                each!(work, name => name.len() as u64 ^ self.clock.recent().as_nanos()),
            ),
        ]
    }
}

fn moka<K, V>() -> moka::sync::CacheBuilder<K, V, Moka<K, V>>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    moka::sync::Cache::builder().max_capacity(CAPACITY)
}

/// Times of the pieces.
pub(crate) fn table(title: &str, work: &Work, rounds: usize) -> Table {
    let ladder = Ladder::filled(work);
    let mut race = Race::new(title, "ns per hit");
    for (name, run) in ladder.rungs(work) {
        race.add(name, None, move || nanos_per_operation(1, 0, BATCH, &run));
    }
    race.run(rounds)
}
