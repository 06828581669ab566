//! Fair races on a noisy machine: contenders take turns (A B C, A B C, …), the first round is dropped, and
//! a ratio is the median over rounds of contender / reference *within one round*, so that a drift of the
//! machine, which spans many turns, cancels.

use std::fmt;
use std::future::Future;
use std::hint::black_box;
use std::ops::Range;
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use crate::report::{Table, number};

/// Does the operations with these numbers.
pub(crate) type Run<'a> = Box<dyn Fn(Range<usize>) + Sync + 'a>;

/// One row of a race.
pub(crate) struct Contender<'a> {
    name: String,
    sample: Box<dyn FnMut() -> f64 + 'a>,
    target: Option<Target>,
    against: usize,
    samples: Vec<f64>,
}

/// Which ratio to the reference is good enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Of what should be small: times.
    AtMost(f64),
    /// Of what should be great: operations per second.
    AtLeast(f64),
}

impl Target {
    fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(most) => ratio <= most,
            Self::AtLeast(least) => ratio >= least,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most:.2}"),
            Self::AtLeast(least) => write!(f, "≥ {least:.2}"),
        }
    }
}

impl Contender<'_> {
    /// The highest ratio to the reference that is good enough. Default: none.
    pub(crate) fn at_most(&mut self, target: Option<f64>) -> &mut Self {
        self.judged_by(target.map(Target::AtMost))
    }

    /// Which ratio to the reference is good enough. Default: any.
    pub(crate) fn judged_by(&mut self, target: Option<Target>) -> &mut Self {
        self.target = target;
        self
    }
}

/// Contenders that are measured together.
pub(crate) struct Race<'a> {
    title: String,
    unit: &'static str,
    contenders: Vec<Contender<'a>>,
}

impl<'a> Race<'a> {
    /// A race without contenders. The first that is added is the reference of all that name no other.
    pub(crate) fn new(title: impl Into<String>, unit: &'static str) -> Self {
        Self {
            title: title.into(),
            unit,
            contenders: Vec::new(),
        }
    }

    /// Adds a row. `sample` measures once, in the race's unit.
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        against: Option<&str>,
        sample: impl FnMut() -> f64 + 'a,
    ) -> &mut Contender<'a> {
        let against = against.map_or(0, |wanted| {
            let found = self.contenders.iter().position(|row| row.name == wanted);
            found.expect("a reference stands above the rows that name it")
        });
        self.contenders.push(Contender {
            name: name.into(),
            sample: Box::new(sample),
            target: None,
            against,
            samples: Vec::new(),
        });
        self.contenders.last_mut().expect("pushed above")
    }

    /// Runs all rounds and one more, which warms up.
    pub(crate) fn run(mut self, rounds: usize) -> Table {
        for round in 0..=rounds {
            for contender in &mut self.contenders {
                let sample = (contender.sample)();
                if round > 0 {
                    contender.samples.push(sample);
                }
            }
        }
        self.table()
    }

    fn table(&self) -> Table {
        let header = [
            "row", self.unit, "min..max", "against", "ratio", "target", "verdict",
        ];
        let mut table = Table::new(&self.title, &header);
        for (index, row) in self.contenders.iter().enumerate() {
            let reference = &self.contenders[row.against];
            let ratio = (index != row.against).then(|| paired(&row.samples, &reference.samples));
            let against = ratio.map_or("–", |_| &reference.name);
            let judged = row.target.zip(ratio);
            let met = judged.map(|(target, ratio)| target.is_met(ratio));
            let least = row.samples.iter().copied().fold(f64::INFINITY, f64::min);
            let most = row.samples.iter().copied().fold(0.0, f64::max);
            table.judged_row(
                [
                    row.name.clone(),
                    number(median(&row.samples)),
                    format!("{}..{}", number(least), number(most)),
                    against.to_owned(),
                    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}")),
                    row.target
                        .map_or_else(|| "–".to_owned(), |target| target.to_string()),
                ],
                met,
            );
        }
        table
    }
}

/// The median over rounds of one contender's sample by the other's in the same round.
fn paired(samples: &[f64], reference: &[f64]) -> f64 {
    let ratios: Vec<f64> = samples.iter().zip(reference).map(|(a, b)| a / b).collect();
    median(&ratios)
}

/// The middle one.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// Nanoseconds per operation on each of `threads` threads that do `count` operations each, beside one
/// another, after a quarter as many that aren't timed. The slowest thread counts.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn nanos_per_operation(
    threads: usize,
    from: usize,
    count: usize,
    run: &(dyn Fn(Range<usize>) + Sync),
) -> f64 {
    let timed = |from: usize| {
        // The turn before was another contender's, and so are the contents of the processor's caches.
        run(black_box(from..from + count / 4));
        let start = Instant::now();
        run(black_box(from..from + count));
        start.elapsed().as_nanos() as f64 / count as f64
    };
    if threads == 1 {
        return timed(from);
    }
    let ready = Barrier::new(threads);
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|thread| {
                let (ready, timed) = (&ready, &timed);
                scope.spawn(move || {
                    ready.wait();
                    timed(from + thread * count)
                })
            })
            .collect();
        let ended = started
            .into_iter()
            .map(|thread| thread.join().expect("a contender doesn't panic"));
        ended.fold(0.0, f64::max)
    })
}

/// The output of a future that waits for nothing. A loop of awaits is polled once, so no executor is
/// measured.
///
/// # Panics
///
/// If the future does wait.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("an operation in memory waited for something"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_of_the_machine_cancels_in_the_ratio() {
        let (drifting, twice) = ([10.0, 30.0, 90.0], [20.0, 60.0, 180.0]);
        assert!((paired(&twice, &drifting) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_first_round_is_dropped_and_rounds_interleave() {
        let order = std::cell::RefCell::new(String::new());
        let mut race = Race::new("race", "ns");
        for name in ["a", "b"] {
            let order = &order;
            race.add(name, None, move || {
                order.borrow_mut().push_str(name);
                if order.borrow().len() <= 2 { 1e9 } else { 1.0 }
            });
        }
        let table = race.run(2);
        assert_eq!(*order.borrow(), "ababab");
        assert!(
            table.markdown().contains("1.0..1.0"),
            "{}",
            table.markdown()
        );
    }

    #[test]
    fn a_ratio_above_its_target_is_missed() {
        let mut race = Race::new("race", "ns");
        race.add("reference", None, || 10.0);
        race.add("slow", None, || 12.0).at_most(Some(1.15));
        race.add("no slower", Some("slow"), || 12.0)
            .at_most(Some(1.0));
        let table = race.run(1);
        assert_eq!(table.missed(), 1, "{}", table.markdown());
    }

    #[test]
    fn a_rate_below_its_target_is_missed() {
        let mut race = Race::new("race", "per second");
        race.add("reference", None, || 10.0);
        race.add("slow", None, || 9.0)
            .judged_by(Some(Target::AtLeast(0.95)));
        race.add("fast", None, || 30.0)
            .judged_by(Some(Target::AtLeast(0.95)));
        let table = race.run(1);
        assert_eq!(table.missed(), 1, "{}", table.markdown());
    }
}
