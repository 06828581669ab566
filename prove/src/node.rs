//! A node: a process with a cache of memory before Redis, that does what its seed says and records it.

use std::error::Error;
use std::io::BufRead;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use larder::{Backend, Cache, LoadPolicy, Memory, Redis, Space, Start};
use larder_core::{Change, Observer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::bounds;
use crate::history::{Event, Outcome, Recorder, What};
use crate::keys::{KeyIndex, LONG, NAMESPACE, SHORT, indexes, spec};
use crate::moment::{Moment, now};
use crate::origin::OriginClient;
use crate::rhythm::Rhythm;
use crate::stamp::Stamp;
use crate::{reading, writing};

/// How many tasks of a node read, and how many write.
const READERS: u8 = 6;
const WRITERS: u8 = 3;

/// What a node is told on its command line.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) node: u8,
    pub(crate) incarnation: u16,
    pub(crate) rhythm: Rhythm,
    pub(crate) redis: SocketAddr,
    pub(crate) origin: SocketAddr,
    pub(crate) history: PathBuf,
}

impl Orders {
    /// As words of a command line.
    pub(crate) fn words(&self) -> Vec<String> {
        vec![
            self.node.to_string(),
            self.incarnation.to_string(),
            self.rhythm.seed.to_string(),
            self.rhythm.begin.to_string(),
            self.redis.to_string(),
            self.origin.to_string(),
            self.history.display().to_string(),
        ]
    }

    /// From the words of a command line.
    pub(crate) fn read(words: &[String]) -> Result<Self, Box<dyn Error>> {
        let [node, incarnation, seed, begin, redis, origin, history] = words else {
            return Err("a node is told seven things".into());
        };
        Ok(Self {
            node: node.parse()?,
            incarnation: incarnation.parse()?,
            rhythm: Rhythm {
                seed: seed.parse()?,
                begin: begin.parse()?,
            },
            redis: redis.parse()?,
            origin: origin.parse()?,
            history: history.into(),
        })
    }
}

/// What a node's tasks share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) orders: Orders,
    pub(crate) cache: Cache,
    long: Space<String>,
    short: Space<String>,
    eager: Space<String>,
    pub(crate) origin: OriginClient,
    pub(crate) recorder: Arc<Recorder>,
    numbers: AtomicU64,
    sequence: AtomicU64,
    pub(crate) is_over: AtomicBool,
}

impl Node {
    pub(crate) fn space(&self, key: KeyIndex) -> &Space<String> {
        match spec(key).space {
            "long" => &self.long,
            "short" => &self.short,
            _ => &self.eager,
        }
    }

    /// A new value, unlike any other.
    pub(crate) fn stamp(&self, key: KeyIndex, version: u64) -> Stamp {
        Stamp {
            key,
            version,
            node: self.orders.node,
            incarnation: self.orders.incarnation,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Notes that something begins; its number.
    pub(crate) fn invoked(&self, worker: u8, what: What, keys: &[KeyIndex]) -> u64 {
        self.invoked_with(worker, what, keys, None, None)
    }

    pub(crate) fn invoked_with(
        &self,
        worker: u8,
        what: What,
        keys: &[KeyIndex],
        stamp: Option<Stamp>,
        ttl: Option<Moment>,
    ) -> u64 {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let keys = keys.to_vec();
        self.recorder.record(&Event::Invoked {
            at: now(),
            number,
            worker,
            what,
            keys,
            stamp,
            ttl,
        });
        number
    }

    /// Notes how something ended. `at` is when its call returned.
    pub(crate) fn completed(&self, number: u64, outcome: Outcome, seen: Vec<Option<Stamp>>) {
        self.recorder.record(&Event::Completed {
            at: now(),
            number,
            outcome,
            seen,
        });
    }

    /// A source of chance for one task.
    pub(crate) fn random(&self, worker: u8) -> fastrand::Rng {
        let orders = &self.orders;
        let place = u64::from(orders.incarnation) << 16 | u64::from(orders.node) << 8;
        fastrand::Rng::with_seed(
            orders.rhythm.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place ^ u64::from(worker),
        )
    }
}

/// Notes what the cache is told of its link.
struct Links(Arc<Recorder>);

impl Observer for Links {
    fn changed(&self, change: &Change<'_>) {
        let state = match change {
            Change::LinkUp => "up",
            Change::LinkDown => "down",
            Change::Everything => "everything may have changed",
            _ => return,
        };
        self.0.record(&Event::Link {
            at: now(),
            state: state.to_owned(),
        });
    }
}

/// Runs a node until its standard input ends.
pub(crate) fn run(orders: Orders) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let done = runtime.block_on(live(orders));
    runtime.shutdown_background();
    done
}

async fn live(orders: Orders) -> Result<(), Box<dyn Error>> {
    let recorder = Arc::new(Recorder::create(&orders.history)?);
    recorder.record(&Event::Started { at: now() });
    let cache = cache(&orders).await?;
    let links: Arc<dyn Observer> = Arc::new(Links(Arc::clone(&recorder)));
    if let Some(changes) = cache.store().watch() {
        let links: Weak<dyn Observer> = Arc::downgrade(&links);
        changes.subscribe(links);
    }
    let long = cache.space("long").default_ttl(Duration::from_nanos(LONG));
    let short = cache
        .space("short")
        .default_ttl(Duration::from_nanos(SHORT));
    let eager = cache
        .space("eager")
        .default_ttl(Duration::from_nanos(SHORT))
        .load_policy(LoadPolicy::new().eager_refresh(0.6));
    let node = Arc::new(Node {
        cache,
        long,
        short,
        eager,
        origin: OriginClient::new(orders.origin),
        recorder,
        numbers: AtomicU64::new(0),
        sequence: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
        orders,
    });
    let mut heard = orders_heard();
    tokio::spawn(watch_stalls(Arc::clone(&node)));
    let mut workers = JoinSet::new();
    for worker in 0..READERS {
        workers.spawn(reading::work(Arc::clone(&node), worker));
    }
    for worker in READERS..READERS + WRITERS {
        workers.spawn(writing::work(Arc::clone(&node), worker));
    }
    while let Some(line) = heard.recv().await {
        match line.as_str() {
            "stop" => {
                node.is_over.store(true, Ordering::Relaxed);
            }
            "rest" => {
                // Loads that wait for a lease may take their time.
                while workers.join_next().await.is_some() {}
                rest(&node).await;
                say_done();
            }
            _ => {}
        }
    }
    Ok(())
}

/// The lines of standard input; their end is ours, so that no node outlives the run.
fn orders_heard() -> mpsc::UnboundedReceiver<String> {
    let (tell, heard) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
        drop(tell);
    });
    heard
}

#[expect(clippy::print_stdout, reason = "the parent waits for this line")]
fn say_done() {
    println!("done");
}

async fn cache(orders: &Orders) -> larder::Result<Cache> {
    // One that reads over the connection of the writes, two that don't.
    let pool = [2, 3, 1][usize::from(orders.node) % 3];
    let redis = Redis::builder(format!("redis://{}", orders.redis))
        .pool_size(pool)
        .dial_timeout(Duration::from_millis(500))
        .read_timeout(Duration::from_millis(400))
        .write_timeout(Duration::from_millis(400))
        .heartbeat(Duration::from_nanos(bounds::HEARTBEAT))
        .start(Start::Degraded);
    Cache::builder(NAMESPACE)
        .tier(Memory::builder())
        .tier(redis)
        .load_policy(LoadPolicy::new().timeout(Duration::from_secs(2)))
        .build()
        .await
}

/// Notes when this process doesn't get to run: what it can't hear meanwhile is not the cache's doing.
async fn watch_stalls(node: Arc<Node>) {
    let mut last = now();
    loop {
        tokio::time::sleep(Duration::from_nanos(bounds::TICK)).await;
        let at = now();
        if at - last > bounds::STALL {
            node.recorder.record(&Event::Stalled { from: last, to: at });
        }
        last = at;
    }
}

/// What is there when nobody writes any more: read through the tiers, then in memory alone, then once more.
async fn rest(node: &Arc<Node>) {
    node.recorder.record(&Event::AtRest { at: now() });
    for _ in 0..2 {
        for key in indexes() {
            reading::get(node, u8::MAX, key).await;
        }
        tokio::time::sleep(Duration::from_nanos(2 * bounds::DELAY)).await;
        for key in indexes() {
            reading::get_local(node, u8::MAX, key);
        }
    }
}
