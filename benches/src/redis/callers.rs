//! Callers beside one another, as tasks on a server's runtime: each does its share, one after the other.

use std::cell::Cell;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;

use crate::alloc::count;
use crate::harness::{Race, Target};
use crate::report::Table;

/// Does the operations with these numbers in one task.
pub(super) type Share = Box<dyn Fn(Range<usize>) -> Pin<Box<dyn Future<Output = ()> + Send>>>;

/// Makes a [`Share`] of an expression that is evaluated for one operation after the other, and may await. What
/// it uses are references; it is cloned once per caller.
macro_rules! share {
    ($($used:ident),+ => |$operation:ident| $body:expr) => {{
        $(let $used = Clone::clone($used);)+
        let share: $crate::redis::callers::Share = Box::new(move |range| {
            $(let $used = Clone::clone(&$used);)+
            Box::pin(async move {
                let mut sum = 0_usize;
                for $operation in range {
                    sum = sum.wrapping_add($body);
                }
                std::hint::black_box(sum);
            })
        });
        share
    }};
}
pub(super) use share;

/// One way of doing something.
pub(super) struct Way {
    pub(super) name: &'static str,
    target: Option<Target>,
    share: Share,
    before: Box<dyn Fn()>,
    /// The number of the next operation. Never the same twice: some are of keys that nobody has asked for.
    next: Cell<usize>,
}

impl Way {
    /// A row without a target.
    pub(super) fn new(name: &'static str, share: Share) -> Self {
        Self {
            name,
            target: None,
            share,
            before: Box::new(|| {}),
            next: Cell::new(0),
        }
    }

    /// What is done before each turn, and not measured.
    pub(super) fn before(self, before: impl Fn() + 'static) -> Self {
        Self {
            before: Box::new(before),
            ..self
        }
    }

    /// Which ratio to the first row is good enough.
    pub(super) fn judged_by(self, target: Target) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }
}

/// How many callers there are, and what they do in one turn.
#[derive(Clone, Copy)]
pub(super) struct Callers<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) count: usize,
    /// Operations of all of them in one turn: some 10 to 50 ms.
    pub(super) operations: usize,
}

impl Callers<'_> {
    /// Operations per second.
    pub(super) fn rates(
        self,
        title: &str,
        unit: &'static str,
        ways: &[Way],
        turns: usize,
    ) -> Table {
        self.race(title, unit, ways, turns, |took, count| {
            count / took.as_secs_f64() / 1e3
        })
    }

    /// Microseconds per operation: the time of all by their number, so it is what one takes only if there is one
    /// caller.
    pub(super) fn times(
        self,
        title: &str,
        unit: &'static str,
        ways: &[Way],
        turns: usize,
    ) -> Table {
        self.race(title, unit, ways, turns, |took, count| {
            took.as_secs_f64() * 1e6 / count
        })
    }

    /// What an operation takes of the client's processors and of its allocator. The server is another process.
    pub(super) fn costs(self, title: &str, ways: &[Way], turns: usize) -> Vec<Table> {
        let mut race = Race::new(title, "µs of processor");
        for way in ways {
            race.add(way.name, None, move || {
                self.run(way, self.operations / 4);
                let before = processor_time();
                self.run(way, self.operations);
                let took = processor_time().saturating_sub(before);
                took.as_secs_f64() * 1e6 / float(self.operations)
            });
        }
        let mut allocations = Table::new(
            &format!("{title}: allocations"),
            &["row", "allocations", "bytes"],
        );
        let times = race.run(turns);
        for way in ways {
            let counted = count(|| {
                self.run(way, self.operations);
            });
            let (calls, bytes) = counted.per(self.operations);
            allocations.row([
                way.name.to_owned(),
                format!("{calls:.1}"),
                format!("{bytes:.0}"),
            ]);
        }
        vec![times, allocations]
    }

    fn race(
        self,
        title: &str,
        unit: &'static str,
        ways: &[Way],
        turns: usize,
        figure: impl Fn(Duration, f64) -> f64 + Copy,
    ) -> Table {
        let mut race = Race::new(title, unit);
        for way in ways {
            race.add(way.name, None, move || {
                // The turn before was another contender's, and the processor's caches are full of it.
                self.run(way, self.operations / 4);
                let took = self.run(way, self.operations);
                figure(took, float(self.operations))
            })
            .judged_by(way.target);
        }
        race.run(turns)
    }

    /// Does so many operations and answers how long they took.
    pub(super) fn run(self, way: &Way, operations: usize) -> Duration {
        let each = (operations / self.count).max(1);
        (way.before)();
        let from = way.next.get();
        way.next.set(from + each * self.count);
        let shares: Vec<_> = (0..self.count)
            .map(|caller| (way.share)(from + caller * each..from + (caller + 1) * each))
            .collect();
        // Begun in a task, as in a server: from outside of the pool a worker would have to be woken first.
        let all = async {
            let start = Instant::now();
            let tasks: Vec<_> = shares.into_iter().map(tokio::spawn).collect();
            for task in tasks {
                task.await.expect("a caller doesn't panic");
            }
            start.elapsed()
        };
        let all = self.runtime.block_on(async { tokio::spawn(all).await });
        all.expect("a caller doesn't panic")
    }
}

/// What this process has had of all processors so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).expect("it begins at zero"),
        u32::try_from(time.tv_nsec).expect("less than a second"),
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}
