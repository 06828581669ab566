//! larder in one file: airports in an SQLite file, read through a cache, and what that is worth.
//!
//! `cargo run --example quickstart`; with `REDIS_URL` set, memory stands in front of that server.
#![expect(clippy::print_stdout, reason = "an example has something to show")]

mod airport;
mod origin;
mod readers;
mod report;
mod terminal;
mod zipf;

use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, MIB, Memory, Redis, Space};

use crate::airport::Airport;
use crate::origin::Origin;
use crate::readers::{Readers, Run};
use crate::report::Measured;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let origin = Origin::create()?; // every airport with an IATA code, in SQLite

    let mut builder = Cache::builder("quickstart")
        .tier(Memory::builder().max_bytes(4 * MIB)) // room for two thirds of them
        .ttl(Duration::from_secs(300))
        .jitter(0.1) // what was stored together doesn't expire together
        .stale_for(Duration::from_secs(3600)); // what has expired stands in while the origin fails
    if let Ok(url) = std::env::var("REDIS_URL") {
        builder = builder.tier(Redis::builder(url)); // behind memory, for every process that uses it
    }
    let cache = builder.build().await?;
    cache.clear().await?; // one step, however much an earlier run has left
    let airports = cache.space::<Airport>("airport").version(1);

    let db = origin.clone();
    let heathrow = airports
        .get_or_load("LHR", move || async move { db.airport("LHR").await })
        .await?; // an Arc<Airport>; the next one who asks gets it without a query
    println!("LHR is {}, {}.\n", heathrow.name, heathrow.country);

    let readers = Readers::new()?;
    measure(&cache, &airports, &origin, &readers).await?;
    change(&airports, &origin, &readers.favourite()).await?;
    fail(&airports, &origin, &readers.favourite()).await?;
    println!("{}", report::summary(&cache.stats()));

    cache.close(Duration::from_secs(1)).await?;
    Ok(())
}

/// The airport with a code: from the cache, or from the origin if it isn't there.
async fn find(airports: &Space<Airport>, origin: &Origin, code: &Arc<str>) -> Result<Arc<Airport>> {
    let (db, iata) = (origin.clone(), Arc::clone(code));
    let load = move || async move { db.airport(&iata).await };
    Ok(airports.get_or_load(code, load).await?)
}

/// Many readers ask for airports, without the cache and with it.
async fn measure(
    cache: &Cache,
    airports: &Space<Airport>,
    origin: &Origin,
    readers: &Readers,
) -> Result<()> {
    const READS: usize = 200_000;
    /// A tenth will do to compare with; the whole would be the longest part.
    const READS_WITHOUT: usize = READS / 10;

    let db = origin.clone();
    let without = readers.run("without the cache", READS_WITHOUT, move |code| {
        let db = db.clone();
        async move { db.airport(&code).await }
    });
    let without = counted(cache, origin, without).await?;

    let (airports, db) = (airports.clone(), origin.clone());
    let with = readers.run("with the cache", READS, move |code| {
        let (airports, db) = (airports.clone(), db.clone());
        async move { find(&airports, &db, &code).await }
    });
    let with = counted(cache, origin, with).await?;

    println!("{}", report::comparison(&without, &with));
    println!("{}", report::chart(&without.run, &with.run));
    Ok(())
}

/// Counts what happens during a run.
async fn counted(
    cache: &Cache,
    origin: &Origin,
    run: impl Future<Output = Result<Run>>,
) -> Result<Measured> {
    let (calls, hits) = (origin.calls(), cache.stats().hits);
    let run = run.await?;
    Ok(Measured {
        run,
        calls: origin.calls() - calls,
        hits: cache.stats().hits - hits,
    })
}

/// Two ways to tell the cache that the origin has changed.
async fn change(airports: &Space<Airport>, origin: &Origin, code: &Arc<str>) -> Result<()> {
    let found = || find(airports, origin, code);
    println!("{code} was asked for most. Its name, as a reader gets it:\n");
    show("at first", &*found().await?);

    origin.rename(code, "First New Name").await?;
    show("renamed, the cache not told", &*found().await?);
    airports.invalidate(code).await?;
    show("after `invalidate`, loaded anew", &*found().await?);

    origin.rename(code, "Second New Name").await?;
    airports.set(code, origin.airport(code).await?).await?;
    show("renamed again, after `set`", &*found().await?);
    Ok(())
}

/// The origin goes down, and what readers ask for has expired.
async fn fail(airports: &Space<Airport>, origin: &Origin, code: &Arc<str>) -> Result<()> {
    let soon = Duration::from_millis(20);
    airports.expire(code, soon).await?;
    tokio::time::sleep(2 * soon).await;
    origin.fail();
    let stale = find(airports, origin, code).await?;
    show("expired, and the origin is down", &stale);
    println!();
    Ok(())
}

fn show(when: &str, airport: &Airport) {
    println!("  {when:<34}{}", airport.name);
}
