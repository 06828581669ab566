//! What entries really take: bytes asked for per entry, and the resident memory of a full cache.

use std::env;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, MIB, Memory, Space};
use larder_memory::Policy;

use crate::alloc::count;
use crate::harness::ready;
use crate::report::{Table, number};
use crate::values::Profile;

/// The hidden argument with which this program starts itself to fill a cache in a process of its own.
pub(crate) const CHILD: &str = "resident";

/// What a full cache may take, by its `max_bytes`.
const TARGET: f64 = 1.3;
const ENTRIES: u64 = 100_000;

/// Live bytes per entry beside what larder charges for it.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn per_entry() -> Table {
    let mut table = Table::new(
        "What an entry takes (bytes asked for, of 100,000 entries with keys of 21 bytes)",
        &["row", "bytes", "charged", "bytes / charged"],
    );
    let hour = Duration::from_secs(3_600);
    let shared = Arc::new(Profile::sample(1));
    let mut row = |name: &str, fill: &dyn Fn(&Cache)| {
        let cache = full_sized(u64::MAX, Policy::TinyLfu);
        let counted = count(|| {
            fill(&cache);
            cache.stats();
        });
        let tier = &cache.stats().tiers[0];
        assert_eq!(tier.entries, Some(ENTRIES), "nothing is evicted");
        let live = counted.live as f64 / ENTRIES as f64;
        let charged = tier.bytes.expect("memory counts bytes") as f64 / ENTRIES as f64;
        table.row([
            name.to_owned(),
            number(live),
            number(charged),
            format!("{:.2}", live / charged),
        ]);
    };
    row("u64", &|cache| fill(&cache.space("airport"), Arc::new));
    row("u64, time to live", &|cache| {
        fill(&cache.space("airport").default_ttl(hour), Arc::new);
    });
    row("a struct that lives elsewhere too", &|cache| {
        fill(&cache.space("airport"), |_| Arc::clone(&shared));
    });
    row("… time to live", &|cache| {
        let space = cache.space("airport").default_ttl(hour);
        fill(&space, |_| Arc::clone(&shared));
    });
    row("a struct of its own", &|cache| {
        fill(&cache.space("airport"), |at| Arc::new(Profile::sample(at)));
    });
    row("… encoded too, by get_raw", &|cache| {
        let space = cache.space::<Profile>("airport");
        fill(&space, |at| Arc::new(Profile::sample(at)));
        for at in 0..ENTRIES {
            let encoded = ready(async { space.get_raw(&name(at)).await });
            encoded.expect("a profile becomes bytes");
        }
    });
    table
}

fn name(at: u64) -> String {
    format!("gate:{at:08}")
}

fn fill<T: larder::CacheValue>(space: &Space<T>, value: impl Fn(u64) -> Arc<T>) {
    for at in 0..ENTRIES {
        let stored = ready(async { space.set(&name(at), value(at)).await });
        stored.expect("memory refuses nothing");
    }
}

fn full_sized(max_bytes: u64, policy: Policy) -> Cache {
    let tier = Memory::builder().max_bytes(max_bytes).policy(policy);
    ready(Cache::builder("bench").tier(tier).build()).expect("the settings are sound")
}

/// Resident memory of caches filled well past their capacity, each in a process of its own.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn resident() -> Result<Table, String> {
    let mut table = Table::new(
        "Resident memory, full of structs of about 500 bytes",
        &[
            "row",
            "entries",
            "charged / max_bytes",
            "resident MiB",
            "resident / max_bytes",
            "target",
            "verdict",
        ],
    );
    for (mebibytes, policy) in [(64, "tinylfu"), (256, "tinylfu"), (64, "lru"), (256, "lru")] {
        let Resident {
            bytes,
            entries,
            charged,
        } = Resident::measure(mebibytes, policy)?;
        let max_bytes = (mebibytes * MIB) as f64;
        let ratio = bytes as f64 / max_bytes;
        table.judged_row(
            [
                format!("max_bytes {mebibytes} MiB, {policy}"),
                entries.to_string(),
                format!("{:.2}", charged as f64 / max_bytes),
                number(bytes as f64 / MIB as f64),
                format!("{ratio:.2}"),
                format!("≤ {TARGET:.2}"),
            ],
            Some(ratio <= TARGET),
        );
    }
    Ok(table)
}

struct Resident {
    bytes: u64,
    entries: u64,
    charged: u64,
}

impl Resident {
    fn measure(mebibytes: u64, policy: &str) -> Result<Self, String> {
        let program = env::current_exe().map_err(|error| format!("this program: {error}"))?;
        let output = Command::new(&program)
            .args([CHILD, &mebibytes.to_string(), policy])
            .output()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let told = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<u64> = told
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [bytes, entries, charged] = numbers[..] else {
            return Err(format!(
                "the child that fills a cache of {mebibytes} MiB ended with {} and told {told:?}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ));
        };
        Ok(Self {
            bytes,
            entries,
            charged,
        })
    }
}

/// In the child: fills a cache with three times what fits, and prints resident bytes, entries and what
/// is charged for them.
pub(crate) fn child(mebibytes: &str, policy: &str) -> Result<String, String> {
    let mebibytes: u64 = mebibytes
        .parse()
        .map_err(|error| format!("{mebibytes}: {error}"))?;
    let policy = match policy {
        "tinylfu" => Policy::TinyLfu,
        "lru" => Policy::Lru,
        other => return Err(format!("{other}: no such policy")),
    };
    let cache = full_sized(mebibytes * MIB, policy);
    let space = cache
        .space::<Profile>("airport")
        .default_ttl(Duration::from_secs(3_600));
    let before = resident_bytes()?;
    // A struct of 500 bytes is charged for no less than that.
    for at in 0..3 * mebibytes * MIB / 500 {
        let stored = ready(async { space.set(&name(at), Profile::sample(at)).await });
        stored.map_err(|error| error.to_string())?;
    }
    let stats = cache.stats();
    let resident = resident_bytes()?.saturating_sub(before);
    let tier = &stats.tiers[0];
    Ok(format!(
        "{resident} {} {}",
        tier.entries.unwrap_or_default(),
        tier.bytes.unwrap_or_default()
    ))
}

fn resident_bytes() -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|error| format!("/proc/self/status: {error}"))?;
    let kibibytes = status.lines().find_map(|line| {
        let value = line.strip_prefix("VmRSS:")?;
        value.trim().trim_end_matches(" kB").parse::<u64>().ok()
    });
    kibibytes
        .map(|kibibytes| kibibytes * 1024)
        .ok_or_else(|| "no VmRSS in /proc/self/status".to_owned())
}
