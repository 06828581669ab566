//! Many readers at once, each with its own draws, and how long every read took.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::task::JoinSet;

use crate::Result;
use crate::airport::{self, Airport};
use crate::terminal::Progress;
use crate::zipf::Zipf;

pub(crate) const READERS: usize = 32;
pub(crate) const EXPONENT: f64 = 0.99;

/// A fixed one: every run on every machine asks for the same.
const SEED: u64 = 0x1a2d_e200;

/// Who asks for what.
pub(crate) struct Readers {
    /// The airports' codes, by popularity.
    codes: Arc<[Arc<str>]>,
    zipf: Arc<Zipf>,
}

/// What a run took.
pub(crate) struct Run {
    /// How long each read took, shortest first.
    latencies: Vec<Duration>,
    elapsed: Duration,
}

impl Readers {
    /// Makes every airport as popular as chance wants it: the file doesn't say.
    pub(crate) fn new() -> Result<Self> {
        let codes = airport::all().map(|airport| Ok(airport?.iata.into()));
        let mut codes = codes.collect::<Result<Vec<Arc<str>>>>()?;
        Rng::with_seed(SEED).shuffle(&mut codes);
        let zipf = Zipf::new(u32::try_from(codes.len())?, EXPONENT);
        Ok(Self {
            codes: codes.into(),
            zipf: Arc::new(zipf),
        })
    }

    /// The code that is asked for most.
    pub(crate) fn favourite(&self) -> Arc<str> {
        Arc::clone(&self.codes[0])
    }

    /// Reads this many airports. Every run begins with the same draws.
    pub(crate) async fn run<F, Fut, A>(&self, title: &str, reads: usize, read: F) -> Result<Run>
    where
        F: Fn(Arc<str>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<A>> + Send,
        A: Borrow<Airport> + Send,
    {
        let progress = Arc::new(Progress::new(title, reads));
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for reader in 0..READERS {
            let (codes, zipf) = (Arc::clone(&self.codes), Arc::clone(&self.zipf));
            let (read, progress) = (read.clone(), Arc::clone(&progress));
            let share = (reads + reader) / READERS;
            let mut rng = Rng::with_seed(SEED + reader as u64);
            tasks.spawn(async move {
                let mut latencies = Vec::with_capacity(share);
                for _ in 0..share {
                    let code = &codes[zipf.draw(&mut rng)];
                    let asked = Instant::now();
                    let airport = read(Arc::clone(code)).await?;
                    latencies.push(asked.elapsed());
                    let answered = &airport.borrow().iata;
                    if **answered != **code {
                        return Err(format!("asked for {code}, answered {answered}").into());
                    }
                    progress.advance();
                    // Here a service would wait for its next request. A hit never waits, so without this
                    // a reader would keep its thread, and others' loads would wait for that.
                    tokio::task::yield_now().await;
                }
                Result::Ok(latencies)
            });
        }
        let mut latencies = Vec::with_capacity(reads);
        while let Some(reader) = tasks.join_next().await {
            latencies.extend(reader??);
        }
        Ok(Run::new(latencies, started.elapsed()))
    }
}

impl Run {
    pub(crate) fn new(mut latencies: Vec<Duration>, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        Self { latencies, elapsed }
    }

    pub(crate) fn reads(&self) -> u64 {
        self.latencies.len() as u64
    }

    pub(crate) fn per_second(&self) -> u128 {
        u128::from(self.reads()) * 1_000_000_000 / self.elapsed.as_nanos().max(1)
    }

    /// The latency that so many percent of the reads kept within.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        self.latencies[rank.max(1) - 1]
    }

    /// How many reads took at least `from` and less than `to`.
    pub(crate) fn between(&self, from: Duration, to: Duration) -> u64 {
        let before = |limit| self.latencies.partition_point(|&took| took < limit);
        (before(to) - before(from)) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use super::*;

    fn run(micros: impl Iterator<Item = u64>) -> Run {
        Run::new(
            micros.map(Duration::from_micros).collect(),
            Duration::from_secs(2),
        )
    }

    #[test]
    fn percentiles_are_latencies_that_occurred() {
        let hundred = run((1..=100).rev());
        assert_eq!(hundred.percentile(50), Duration::from_micros(50));
        assert_eq!(hundred.percentile(99), Duration::from_micros(99));
        assert_eq!(hundred.percentile(100), Duration::from_micros(100));
        assert_eq!(
            run([7].into_iter()).percentile(50),
            Duration::from_micros(7)
        );
    }

    #[test]
    fn a_range_includes_its_lower_limit_and_not_its_upper_one() {
        let (ten, micros) = (run(1..=10), Duration::from_micros);
        assert_eq!(ten.between(micros(3), micros(5)), 2);
        assert_eq!(ten.between(Duration::ZERO, Duration::MAX), 10);
    }

    /// All airports, and a log of who was asked for.
    struct Recorder {
        airports: HashMap<String, Airport>,
        asked: Mutex<Vec<String>>,
    }

    impl Recorder {
        fn new() -> Arc<Self> {
            let airports = airport::all().map(Result::unwrap);
            Arc::new(Self {
                airports: airports.map(|it| (it.iata.clone(), it)).collect(),
                asked: Mutex::default(),
            })
        }

        fn read(&self, code: &str) -> Airport {
            self.asked.lock().unwrap().push(code.to_owned());
            self.airports[code].clone()
        }
    }

    #[tokio::test]
    async fn every_run_asks_for_the_same() {
        let readers = Readers::new().unwrap();
        let mut runs = Vec::new();
        for _ in 0..2 {
            let recorder = Recorder::new();
            let log = Arc::clone(&recorder);
            let run = readers.run("test", 1_000, move |code| {
                let airport = log.read(&code);
                async move { Ok(airport) }
            });
            assert_eq!(run.await.unwrap().reads(), 1_000);
            let mut asked = recorder.asked.lock().unwrap().clone();
            asked.sort_unstable();
            runs.push(asked);
        }
        assert_eq!(runs[0], runs[1]);
    }

    #[tokio::test]
    async fn the_favourite_is_asked_for_most() {
        let readers = Readers::new().unwrap();
        let recorder = Recorder::new();
        let log = Arc::clone(&recorder);
        let run = readers.run("test", 10_000, move |code| {
            let airport = log.read(&code);
            async move { Ok(airport) }
        });
        run.await.unwrap();
        let mut counts: HashMap<&str, u32> = HashMap::new();
        let asked = recorder.asked.lock().unwrap();
        for code in asked.iter() {
            *counts.entry(code).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|&(_, count)| count);
        assert_eq!(most.unwrap().0, &*readers.favourite());
    }

    #[tokio::test]
    async fn an_answer_to_another_question_ends_the_run() {
        let readers = Readers::new().unwrap();
        let recorder = Recorder::new();
        let run = readers.run("test", 100, move |_| {
            let airport = recorder.read("LHR");
            async move { Ok(airport) }
        });
        let error = run.await.err().expect("not everybody asks for LHR");
        assert!(error.to_string().ends_with("answered LHR"), "{error}");
    }
}
