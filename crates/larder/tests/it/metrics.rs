//! Every metric is documented, every documented metric exists, and labels come from closed sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use larder::{Cache, ErrorKind, Memory};
use larder_testkit::ChaosLayer;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// Keeps what is counted, by name and labels.
#[derive(Clone, Default)]
struct Recording(Arc<Mutex<BTreeMap<Key, u64>>>);

struct Cell(Recording, Key);

impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += by;
    }

    fn absolute(&self, value: u64) {
        self.0.0.lock().unwrap().insert(self.1.clone(), value);
    }
}

impl HistogramFn for Cell {
    fn record(&self, _: f64) {
        self.increment(1);
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.0.lock().unwrap().entry(key.clone()).or_default();
        Counter::from_arc(Arc::new(Cell(self.clone(), key.clone())))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.0.lock().unwrap().entry(key.clone()).or_default();
        Histogram::from_arc(Arc::new(Cell(self.clone(), key.clone())))
    }
}

impl Recording {
    fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let recorded = self.0.lock().unwrap();
        let matching = recorded.iter().filter(|(key, _)| {
            key.name() == name
                && labels.iter().all(|(label, value)| {
                    key.labels()
                        .any(|found| found.key() == *label && found.value() == *value)
                })
        });
        matching.map(|(_, count)| count).sum()
    }
}

/// A cache whose metrics are recorded, put through every outcome there is.
fn exercised() -> Recording {
    let recording = Recording::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    metrics::with_local_recorder(&recording, || {
        runtime.block_on(async {
            let chaos = ChaosLayer::new();
            let layer = chaos.clone();
            let builder = Cache::builder("shop").tier(Memory::builder()).layer(layer);
            let cache = builder.build().await.unwrap();
            cache.set("secret-key", "v".to_owned()).await.unwrap();
            let _ = cache.get::<String>("secret-key").await;
            let _ = cache.get::<String>("missing-key").await;
            cache.increment("secret-counter", 1).await.unwrap();
            let load = || async { Ok::<_, std::io::Error>("v".to_owned()) };
            cache
                .get_or_load::<String, _>("loaded-key", load)
                .await
                .unwrap();
            let fail = || async { Err::<String, _>("no") };
            cache
                .get_or_load::<String, _>("failed-key", fail)
                .await
                .unwrap_err();
            chaos.fail_next(larder::Operation::Fill, ErrorKind::Unavailable);
            cache
                .get_or_load::<String, _>("unfilled-key", load)
                .await
                .unwrap();
            cache.clear().await.unwrap();
        });
    });
    recording
}

#[test]
fn what_happens_is_counted_under_its_name() {
    let recording = exercised();
    let count = |name, labels: &[_]| recording.count(name, labels);
    assert_eq!(
        count(
            "larder_requests_total",
            &[("cache", "shop"), ("outcome", "hit")]
        ),
        1
    );
    assert_eq!(count("larder_requests_total", &[("outcome", "miss")]), 4);
    assert_eq!(count("larder_writes_total", &[("operation", "set")]), 1);
    assert_eq!(count("larder_writes_total", &[("operation", "update")]), 1);
    assert_eq!(count("larder_writes_total", &[("operation", "fill")]), 1);
    assert_eq!(count("larder_writes_total", &[("operation", "bump")]), 1);
    assert_eq!(count("larder_loads_total", &[("outcome", "ok")]), 2);
    assert_eq!(count("larder_loads_total", &[("outcome", "error")]), 1);
    assert_eq!(count("larder_load_duration_seconds", &[]), 3);
    assert_eq!(
        count(
            "larder_errors_total",
            &[("operation", "fill"), ("kind", "unavailable")]
        ),
        1
    );
}

#[test]
fn the_page_lists_exactly_the_metrics_that_exist() {
    let page = include_str!("../../../../docs/metrics.md");
    let listed: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `larder_")?.split_once('`'))
        .map(|(name, _)| format!("larder_{name}"))
        .collect();
    let recorded = exercised();
    let existing: BTreeSet<_> = recorded
        .0
        .lock()
        .unwrap()
        .keys()
        .map(|key| key.name().to_owned())
        .collect();
    assert_eq!(listed, existing);
}

#[test]
fn labels_come_from_closed_sets_and_never_show_a_key() {
    for (key, _) in exercised().0.lock().unwrap().iter() {
        for label in key.labels() {
            assert!(
                ["cache", "outcome", "operation", "kind"].contains(&label.key()),
                "{key}"
            );
            assert!(
                !label.value().contains("key") && !label.value().contains("counter"),
                "{key}"
            );
        }
    }
}
