//! What memory does beyond the contract: idle expiry, limits, policies, eviction events.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use larder_core::{
    Backend, Entry, ErrorKind, Key, Lifetime, Marker, Namespace, Peek, ReadOptions, RegionLimits,
    Tier, TierContext, Timestamp, Ttl, Value, WriteOptions,
};
use larder_memory::{EvictionCause, Memory, MemoryBuilder, Policy};
use larder_testkit::ManualClock;

struct Bench {
    memory: Memory,
    clock: ManualClock,
    namespace: Namespace,
}

impl Bench {
    fn new(builder: MemoryBuilder) -> Self {
        let clock = ManualClock::new();
        let memory = builder.clock(clock.shared()).build().unwrap();
        let namespace = Namespace::new("test").unwrap();
        Self {
            memory,
            clock,
            namespace,
        }
    }

    fn now(&self) -> Timestamp {
        larder_core::Clock::now(&self.clock)
    }

    fn put(&self, name: &str, bytes: usize, ttl: Ttl) {
        let life = Lifetime::new(self.now(), ttl, Duration::ZERO);
        let entry = Entry::new(Value::raw(Bytes::from(vec![0; bytes])), life);
        let key = Key::new(&self.namespace, "", name).unwrap();
        self.memory.put_now(&key, entry).unwrap();
    }

    fn has(&self, name: &str) -> bool {
        let key = Key::new(&self.namespace, "", name).unwrap();
        matches!(self.memory.peek(&key, self.now()), Peek::Hit(_))
    }

    fn entries(&self) -> u64 {
        self.memory.stats()[0].entries.unwrap()
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_idle_entry_goes_by_the_given_clock_and_a_used_one_stays() {
    let bench = Bench::new(Memory::builder().time_to_idle(secs(10)));
    bench.put("used", 1, Ttl::Forever);
    bench.put("idle", 1, Ttl::Forever);
    for _ in 0..3 {
        bench.clock.advance(secs(6));
        assert!(bench.has("used"));
    }
    assert!(!bench.has("idle"), "nobody used it for 18 seconds");
    bench.clock.advance(secs(10));
    assert!(!bench.has("used"));
}

#[tokio::test]
async fn an_idle_entry_is_gone_for_every_kind_of_look_up() {
    let bench = Bench::new(Memory::builder().time_to_idle(secs(10)));
    bench.put("k", 1, Ttl::Forever);
    bench.clock.advance(secs(10));
    let key = Key::new(&bench.namespace, "", "k").unwrap();
    let options = ReadOptions::default();
    assert!(bench.memory.get(&key, &options).await.unwrap().is_none());
    assert!(bench.memory.head(&key, &options).await.unwrap().is_none());
    let deleted = bench.memory.delete(&key, &WriteOptions::default()).await;
    assert!(!deleted.unwrap().existed());
}

#[test]
fn neither_limit_is_passed() {
    let bench = Bench::new(Memory::builder().max_bytes(1 << 20).max_entries(100));
    for n in 0..2_000 {
        bench.put(&n.to_string(), 10, Ttl::Forever);
    }
    let entries = bench.entries();
    assert!(
        (90..=100).contains(&entries),
        "{entries} entries of at most 100"
    );
    for n in 0..200 {
        bench.put(&format!("large {n}"), 50_000, Ttl::Forever);
    }
    let stats = &bench.memory.stats()[0];
    assert!(
        stats.bytes.unwrap() <= 1 << 20,
        "{:?} bytes of at most 1 MiB",
        stats.bytes
    );
    assert!(stats.evicted > 1_900);
}

#[test]
fn entries_alone_can_be_limited() {
    let memory = Memory::builder().max_entries(50).policy(Policy::Lru);
    let bench = Bench::new(memory);
    for n in 0..500 {
        bench.put(&n.to_string(), 1, Ttl::Forever);
    }
    assert!(bench.entries() <= 50);
}

#[test]
fn lru_keeps_what_was_used_last_and_tiny_lfu_what_is_used_often() {
    let survives_a_scan = |policy| {
        let bench = Bench::new(Memory::builder().max_entries(100).policy(policy));
        for n in 0..100 {
            bench.put(&format!("hot {n}"), 1, Ttl::Forever);
        }
        for _ in 0..20 {
            for n in 0..100 {
                bench.has(&format!("hot {n}"));
            }
            bench.entries();
        }
        for n in 0..1_000 {
            bench.put(&format!("scan {n}"), 1, Ttl::Forever);
            bench.entries();
        }
        (0..100).filter(|n| bench.has(&format!("hot {n}"))).count()
    };
    assert_eq!(survives_a_scan(Policy::Lru), 0);
    let left = survives_a_scan(Policy::TinyLfu);
    assert!(left > 90, "a scan pushed out {} of 100", 100 - left);
}

#[test]
fn every_departure_is_told_with_its_cause() {
    let told: Arc<Mutex<HashMap<String, EvictionCause>>> = Arc::default();
    let listener = Arc::clone(&told);
    let bench = Bench::new(
        Memory::builder()
            .max_entries(10)
            .policy(Policy::Lru)
            .on_eviction(move |eviction| {
                let key = eviction.key.text().to_owned();
                listener.lock().unwrap().insert(key, eviction.cause);
            }),
    );
    bench.put("replaced", 1, Ttl::Forever);
    bench.put("replaced", 2, Ttl::Forever);
    bench.entries();
    assert_eq!(told.lock().unwrap()["replaced"], EvictionCause::Replaced);
    bench.put("removed", 1, Ttl::Forever);
    let key = Key::new(&bench.namespace, "", "removed").unwrap();
    bench.memory.forget_now(&key).unwrap();
    bench.put("crowded out", 1, Ttl::Forever);
    for n in 0..20 {
        bench.put(&n.to_string(), 1, Ttl::Forever);
        bench.entries();
    }
    let told = told.lock().unwrap();
    assert_eq!(told["removed"], EvictionCause::Removed);
    assert_eq!(told["crowded out"], EvictionCause::Size);
}

#[test]
fn what_has_expired_is_reclaimed_by_later_writes_and_told_as_such() {
    let told: Arc<Mutex<Vec<EvictionCause>>> = Arc::default();
    let listener = Arc::clone(&told);
    let bench = Bench::new(
        Memory::builder()
            .on_eviction(move |eviction| listener.lock().unwrap().push(eviction.cause)),
    );
    let ttl = Ttl::after(secs(20)).unwrap();
    for n in 0..1_000 {
        bench.put(&n.to_string(), 1, ttl);
    }
    // One that was replaced by an entry that lives on, and one that lives on by itself.
    bench.put("7", 1, Ttl::Forever);
    bench.put("kept", 1, Ttl::Forever);
    assert_eq!(bench.entries(), 1_001);
    told.lock().unwrap().clear();
    bench.clock.advance(secs(20));
    for n in 0..1_000 {
        bench.put(&format!("later {n}"), 1, Ttl::Forever);
    }
    let reclaimed = told.lock().unwrap().len();
    assert!(reclaimed > 900, "writes gave back {reclaimed} of 999");
    assert_eq!(
        bench.entries(),
        1_002,
        "and asking for the numbers the rest"
    );
    assert_eq!(*told.lock().unwrap(), [EvictionCause::Expired; 999]);
    assert_eq!(bench.memory.stats()[0].expired, 999);
    assert!(bench.has("7") && bench.has("kept"));
}

#[test]
fn a_reserved_prefix_within_another_takes_its_own() {
    let bench = Bench::new(Memory::builder());
    for name in ["a:b:1", "a:1", "ab:1", "a"] {
        bench.put(name, 1, Ttl::Forever);
    }
    let reserve = |prefix: &str, entries| {
        let limits = RegionLimits::new(&bench.namespace, prefix).with_max_entries(entries);
        bench.memory.reserve(&limits)
    };
    reserve("a:b", 5).unwrap();
    reserve("a", 5).unwrap();
    reserve("a", 5).unwrap();
    reserve("a", 6).unwrap();
    reserve("a", 5).unwrap();
    assert_eq!(reserve("", 6).unwrap_err().kind(), ErrorKind::ConfigInvalid);
    assert_eq!(
        reserve("x", 0).unwrap_err().kind(),
        ErrorKind::ConfigInvalid
    );
    for name in ["a:b:1", "a:1", "ab:1", "a"] {
        assert!(bench.has(name), "{name} was lost");
    }
    for n in 0..100 {
        bench.put(&format!("a:{n}"), 1, Ttl::Forever);
        bench.put(&format!("ab:{n}"), 1, Ttl::Forever);
        bench.entries();
    }
    assert!(
        bench.has("a:b:1"),
        "the inner region is apart from the outer one"
    );
    assert_eq!(
        bench.entries(),
        5 + 100 + 2,
        "5 under a, 100 under ab, a and a:b:1"
    );
}

#[test]
fn c7_no_look_up_misses_an_entry_that_is_being_moved_to_its_region() {
    let bench = Bench::new(Memory::builder());
    for n in 0..20_000 {
        bench.put(&format!("a:{n}"), 1, Ttl::Forever);
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for limit in [1 << 30, 1 << 31, 1 << 32] {
                let limits = RegionLimits::new(&bench.namespace, "a").with_max_bytes(limit);
                bench.memory.reserve(&limits).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        let mut n = 0;
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            n = (n + 7) % 20_000;
            assert!(bench.has(&format!("a:{n}")), "a:{n} was missed");
        }
    });
    assert_eq!(bench.entries(), 20_000);
}

/// A look-up that began before a clear and ends after it must not take what was written since along.
#[tokio::test]
async fn c7_what_is_written_after_a_clear_stays_though_somebody_looks_it_up_meanwhile() {
    let namespace = Namespace::new("test").unwrap();
    let clock = ManualClock::new();
    let context = TierContext::new(namespace.clone(), clock.shared());
    let memory = Box::new(Memory::builder()).open(&context).await.unwrap();
    let key = Key::new(&namespace, "", "k").unwrap();
    let marker = [Marker::generation(&namespace)];
    let (now, options) = (larder_core::Clock::now(&clock), WriteOptions::default());
    let stop = AtomicBool::new(false);
    let look_up = || {
        while !stop.load(Ordering::Relaxed) {
            let _ = memory.peek(&key, now);
        }
    };
    let write_and_look = || {
        let lost = (0..400).find(|_| {
            at_once(memory.bump(&marker, &options)).unwrap();
            let entry = Entry::new(Value::raw("x".into()), Lifetime::forever(now));
            memory.put_now(&key, entry).unwrap();
            (0..20).any(|_| {
                // Has the store catch up.
                let _ = memory.stats();
                matches!(memory.peek(&key, now), Peek::Miss)
            })
        });
        stop.store(true, Ordering::Relaxed);
        lost
    };
    let lost = std::thread::scope(|scope| {
        scope.spawn(look_up);
        scope.spawn(look_up);
        write_and_look()
    });
    assert_eq!(lost, None, "what was written after a clear is gone");
}

/// What is ready at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("memory waits for nothing"),
    }
}
