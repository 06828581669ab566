//! What was measured, as text.

use std::fmt::Write;
use std::time::Duration;

use larder::CacheStats;

use crate::readers::{EXPONENT, READERS, Run};
use crate::terminal::{BAR, Table, bar, grouped};

/// Said with the latencies, which it multiplies.
const BUILD: &str = if cfg!(debug_assertions) {
    "\n(An unoptimized build: `--release` shows what larder takes.)"
} else {
    ""
};

/// What one run did.
pub(crate) struct Measured {
    pub(crate) run: Run,
    /// How often the origin was called meanwhile.
    pub(crate) calls: u64,
    /// How often the cache had the answer.
    pub(crate) hits: u64,
}

/// Two runs side by side.
pub(crate) fn comparison(without: &Measured, with: &Measured) -> String {
    let row = |table: Table, name, value: &dyn Fn(&Measured) -> String| {
        table.row(name, &value(without), &value(with))
    };
    let took = |it: &Measured, percent| format!("{:.1?}", it.run.percentile(percent));
    let mut table = Table::new("without the cache", "with it");
    table = row(table, "reads", &|it| grouped(it.run.reads()));
    table = row(table, "origin calls", &|it| grouped(it.calls));
    table = row(table, "hit ratio", &|it| percent(it.hits, it.run.reads()));
    table = row(table, "reads per second", &|it| {
        grouped(it.run.per_second())
    });
    table = row(table, "latency p50", &|it| took(it, 50));
    table = row(table, "latency p99", &|it| took(it, 99));
    table = row(table, "latency max", &|it| took(it, 100));
    let reads = with.run.reads();
    let saved = reads.saturating_sub(with.calls);
    format!(
        "{READERS} readers at once, asking by Zipf's law with exponent {EXPONENT}; fewer without the cache,\n\
         which takes longer:\n\n{table}\n{} of {} origin calls saved.{BUILD}\n",
        percent(saved, reads),
        grouped(reads),
    )
}

/// Which share of the reads took how long, as bars.
pub(crate) fn chart(without: &Run, with: &Run) -> String {
    const LIMITS: [Duration; 7] = [
        Duration::ZERO,
        Duration::from_micros(10),
        Duration::from_micros(100),
        Duration::from_millis(1),
        Duration::from_millis(10),
        Duration::from_millis(100),
        Duration::MAX,
    ];
    let mut text = "How long reads took:\n\n".to_owned();
    for limits in LIMITS.windows(2) {
        let (from, to) = (limits[0], limits[1]);
        if without.between(from, to) + with.between(from, to) == 0 {
            continue;
        }
        let label = if to == Duration::MAX {
            format!("{from:?} or more")
        } else {
            format!("below {to:?}")
        };
        for (label, name, run) in [(&*label, "without", without), ("", "with", with)] {
            let (reads, all) = (run.between(from, to), run.reads());
            writeln!(
                text,
                "  {label:<15}{name:<8}{:<BAR$}{:>8}",
                bar(ratio(reads, all)),
                percent(reads, all)
            )
            .expect("memory takes everything");
        }
    }
    text
}

/// The cache's own numbers.
pub(crate) fn summary(stats: &CacheStats) -> String {
    let in_memory = stats.tiers.first().and_then(|memory| memory.entries);
    let evicted: u64 = stats.tiers.iter().map(|tier| tier.evicted).sum();
    let mut text = "What `cache.stats()` says of all that:\n\n".to_owned();
    for (number, meaning) in [
        (stats.hits, "hits"),
        (stats.misses, "misses"),
        (stats.stale, "look-ups that found a stale entry"),
        (stats.loads, "loads"),
        (
            stats.load_waits,
            "callers who waited for somebody else's load",
        ),
        (stats.load_failures, "loads that failed"),
        (
            stats.stale_served,
            "stale values served because a load failed",
        ),
        (stats.sets, "values set"),
        (stats.invalidations, "values invalidated"),
        (in_memory.unwrap_or_default(), "entries in memory"),
        (stats.bytes(), "bytes that they take"),
        (evicted, "entries evicted for lack of room"),
    ] {
        writeln!(text, "  {:>9}  {meaning}", grouped(number)).expect("memory takes everything");
    }
    text
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * ratio(part, whole))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a ratio needs no more than 53 bits"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(micros: &[u64]) -> Run {
        let latencies = micros.iter().copied().map(Duration::from_micros);
        Run::new(latencies.collect(), Duration::from_secs(1))
    }

    #[test]
    fn the_comparison_counts_what_the_cache_saved() {
        let without = Measured {
            run: run(&[500; 10]),
            calls: 10,
            hits: 0,
        };
        let with = Measured {
            run: run(&[5; 2_000]),
            calls: 500,
            hits: 1_500,
        };
        let text = comparison(&without, &with);
        assert!(
            text.contains("75.0 % of 2,000 origin calls saved"),
            "{text}"
        );
    }

    #[test]
    fn the_chart_shows_the_latencies_that_occurred_and_no_others() {
        let text = chart(&run(&[500, 600, 700, 2_000]), &run(&[5, 6, 7, 500]));
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let labels: Vec<&str> = lines.iter().map(|line| line[..16].trim()).collect();
        assert_eq!(
            labels,
            ["below 10µs", "", "below 1ms", "", "below 10ms", ""]
        );
        let shares: Vec<&str> = lines
            .iter()
            .map(|line| line.rsplit("  ").next().unwrap().trim())
            .collect();
        assert_eq!(
            shares,
            ["0.0 %", "75.0 %", "75.0 %", "25.0 %", "25.0 %", "0.0 %"]
        );
    }
}
