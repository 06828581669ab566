//! Loads: what it costs to lead one, and that there is one however many ask.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use larder::Space;
use tokio::runtime::{Builder, Runtime};

use crate::alloc::count;
use crate::harness::Race;
use crate::hits::cache;
use crate::report::Table;
use crate::values::Profile;
use crate::work::{CAPACITY, KEYS, PREFIX};

/// How long an origin takes, where it isn't ready at once.
const ORIGIN: Duration = Duration::from_millis(10);
const CALLERS: usize = 1_000;

/// A read-through cache, empty.
#[derive(Clone)]
enum Through {
    Moka(moka::future::Cache<String, Arc<Profile>>),
    Quick(Arc<quick_cache::sync::Cache<String, Arc<Profile>>>),
    Larder(Space<Profile>),
}

/// What is loaded, how long that takes, and how often it was done.
#[derive(Clone)]
struct Origin {
    value: Arc<Profile>,
    takes: Duration,
    loads: Arc<AtomicU64>,
}

impl Origin {
    fn taking(takes: Duration) -> Self {
        Self {
            value: Arc::new(Profile::sample(1)),
            takes,
            loads: Arc::default(),
        }
    }

    async fn load(self) -> Result<Arc<Profile>, Infallible> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        Ok(self.value)
    }
}

impl Through {
    fn moka() -> Self {
        Self::Moka(moka::future::Cache::new(CAPACITY))
    }

    fn quick() -> Self {
        let entries = usize::try_from(CAPACITY).expect("it fits");
        Self::Quick(Arc::new(quick_cache::sync::Cache::new(entries)))
    }

    fn larder() -> Self {
        Self::Larder(cache("bench").space(PREFIX).version(1))
    }

    async fn get(&self, key: &str, origin: Origin) -> u64 {
        match self {
            Self::Moka(cache) => {
                let loaded = cache.try_get_with_by_ref(key, origin.load()).await;
                loaded.expect("the origin never fails").touch()
            }
            Self::Quick(cache) => {
                let loaded = cache.get_or_insert_async(key, origin.load()).await;
                loaded.expect("the origin never fails").touch()
            }
            Self::Larder(space) => {
                let loaded = space.get_or_load(key, move || origin.load()).await;
                loaded.expect("the origin never fails").touch()
            }
        }
    }

    /// One caller, one key after the other.
    async fn one_by_one(self, keys: Arc<[String]>, origin: Origin) {
        for key in &*keys {
            std::hint::black_box(self.get(key, origin.clone()).await);
        }
    }

    /// A task per key, all at once.
    async fn at_once(self, keys: Arc<[String]>, origin: Origin) {
        let tasks: Vec<_> = (0..keys.len())
            .map(|at| {
                let (through, keys, origin) = (self.clone(), Arc::clone(&keys), origin.clone());
                tokio::spawn(async move { through.get(&keys[at], origin).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("a caller doesn't panic");
        }
    }
}

type Make = fn() -> Through;

const MOKA: &str = "moka::future try_get_with";
const QUICK: &str = "quick_cache get_or_insert_async";
const LARDER: &str = "Space::get_or_load";

/// Who is measured, the reference first.
const CONTENDERS: [(&str, Make); 3] = [
    (MOKA, Through::moka),
    (QUICK, Through::quick),
    (LARDER, Through::larder),
];

/// What a cold load may cost, by moka's.
const COLD: f64 = 1.0;
/// What loads at once may cost, by the fastest peer's.
const AT_ONCE: f64 = 1.2;
/// What a hit through a load may cost, by a plain one's.
const HIT: f64 = 1.1;

/// Every table of the group.
pub(crate) fn tables(rounds: usize) -> Vec<Table> {
    let one = Builder::new_current_thread().enable_time().build();
    let one = one.expect("a runtime starts");
    let two = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build();
    let two = two.expect("a runtime starts");
    let distinct: Arc<[String]> = (0..KEYS).map(|at| format!("gate:{at:08}")).collect();
    let same: Arc<[String]> = (0..CALLERS).map(|_| "gate:00000042".to_owned()).collect();
    let [hit_times, hit_allocations] = hits(&one, &distinct, rounds);
    vec![
        hit_times,
        hit_allocations,
        cold(
            "Cold keys one by one, origin ready at once, one worker",
            &one,
            &distinct,
            rounds,
        ),
        cold(
            "Cold keys one by one, origin ready at once, two workers",
            &two,
            &distinct,
            rounds,
        ),
        allocations(&one, &distinct),
        storm(
            "1,000 tasks on one cold key, origin takes 10 ms, two workers",
            &two,
            &same,
            1,
            rounds,
        ),
        storm(
            "10,000 tasks on 10,000 cold keys, origin takes 10 ms, two workers",
            &two,
            &distinct,
            KEYS as u64,
            rounds,
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn cold(title: &str, runtime: &Runtime, keys: &Arc<[String]>, rounds: usize) -> Table {
    let mut race = Race::new(title, "ns per load");
    for (name, make) in CONTENDERS {
        let target = (name == LARDER).then_some(COLD);
        let row = race.add(name, None, move || {
            let origin = Origin::taking(Duration::ZERO);
            let took = time(runtime, make().one_by_one(Arc::clone(keys), origin.clone()));
            assert_loads(name, &origin, keys.len() as u64);
            took.as_nanos() as f64 / keys.len() as f64
        });
        row.at_most(target);
    }
    race.run(rounds)
}

/// What a hit costs through `get_or_load`, and plainly.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn hits(runtime: &Runtime, keys: &Arc<[String]>, rounds: usize) -> [Table; 2] {
    let filled = || {
        let Through::Larder(space) = Through::larder() else {
            unreachable!("it was just made")
        };
        let origin = Origin::taking(Duration::ZERO);
        let filling = Through::Larder(space.clone()).one_by_one(Arc::clone(keys), origin);
        time(runtime, filling);
        space
    };
    let (plain, through) = (filled(), filled());
    let get = |space: Space<Profile>, keys: Arc<[String]>| async move {
        for key in &*keys {
            let found = space.get(key).await.expect("memory never fails");
            std::hint::black_box(found.expect("every key is there").touch());
        }
    };
    let load = |space: Space<Profile>, keys: Arc<[String]>| async move {
        for key in &*keys {
            let never = || async { Err::<Profile, _>("nothing misses") };
            let found = space.get_or_load(key, never).await;
            std::hint::black_box(found.expect("every key is there").touch());
        }
    };
    let count_of = |took: Duration| took.as_nanos() as f64 / keys.len() as f64;
    let mut table = Table::new(
        "What a hit through a load allocates",
        &["row", "allocations per hit", "bytes per hit"],
    );
    for (name, counted) in [
        (
            "Space::get",
            count(|| {
                let _ = time(runtime, get(plain.clone(), Arc::clone(keys)));
            }),
        ),
        (
            LARDER,
            count(|| {
                let _ = time(runtime, load(through.clone(), Arc::clone(keys)));
            }),
        ),
    ] {
        let (calls, bytes) = counted.per(keys.len());
        table.row([
            name.to_owned(),
            format!("{calls:.4}"),
            format!("{bytes:.1}"),
        ]);
    }
    let mut race = Race::new("Hits through a load, one worker", "ns per hit");
    race.add("Space::get", None, || {
        count_of(time(runtime, get(plain.clone(), Arc::clone(keys))))
    });
    race.add(LARDER, None, || {
        count_of(time(runtime, load(through.clone(), Arc::clone(keys))))
    })
    .at_most(Some(HIT));
    [race.run(rounds), table]
}

fn allocations(runtime: &Runtime, keys: &Arc<[String]>) -> Table {
    let mut table = Table::new(
        "What a cold load allocates",
        &["row", "allocations per load", "bytes per load"],
    );
    for (name, make) in CONTENDERS {
        let through = make();
        let origin = Origin::taking(Duration::ZERO);
        let counted = count(|| {
            time(
                runtime,
                through.clone().one_by_one(Arc::clone(keys), origin),
            );
        });
        let (calls, bytes) = counted.per(keys.len());
        table.row([
            name.to_owned(),
            format!("{calls:.2}"),
            format!("{bytes:.0}"),
        ]);
    }
    table
}

fn storm(title: &str, runtime: &Runtime, keys: &Arc<[String]>, loads: u64, rounds: usize) -> Table {
    let mut race = Race::new(title, "ms");
    for (name, make) in CONTENDERS {
        // Where each task has its own key, the fastest peer is the measure.
        let spread = loads > 1 && name == LARDER;
        let row = race.add(name, spread.then_some(QUICK), move || {
            let origin = Origin::taking(ORIGIN);
            let took = time(runtime, make().at_once(Arc::clone(keys), origin.clone()));
            assert_loads(name, &origin, loads);
            took.as_secs_f64() * 1e3
        });
        row.at_most(spread.then_some(AT_ONCE));
    }
    race.run(rounds)
}

/// Inside a task, as in a server: a load from outside of the pool would first wake a worker.
fn time(runtime: &Runtime, work: impl Future<Output = ()> + Send + 'static) -> Duration {
    runtime.block_on(async {
        let task = tokio::spawn(async {
            let start = Instant::now();
            work.await;
            start.elapsed()
        });
        task.await.expect("a contender doesn't panic")
    })
}

fn assert_loads(name: &str, origin: &Origin, loads: u64) {
    let ran = origin.loads.load(Ordering::Relaxed);
    assert_eq!(ran, loads, "{name}: the loader runs once per key");
}
