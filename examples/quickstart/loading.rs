//! What `get_or_load` can do, on the airports in SQLite: many keys at once, absences, slow and failing origins,
//! refreshes before the time is over. `docs/loading.md` has a picture of each.
//!
//! `cargo run --example loading`; with `REDIS_URL` set, memory stands in front of that server.
#![expect(clippy::print_stdout, reason = "an example has something to show")]

mod airport;
mod origin;

use std::sync::Arc;
use std::time::Duration;

use larder::{Cache, LoadPolicy, Loaded, Memory, Outcome, Redis, Retry, Source, Space, cached};
use rusqlite::OptionalExtension;

use crate::airport::Airport;
use crate::origin::Origin;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::main]
async fn main() -> Result<()> {
    let origin = Origin::create()?;
    let mut builder = Cache::builder("loading")
        .tier(Memory::builder())
        .ttl(Duration::from_secs(300))
        .stale_for(HOUR) // what the policies below may serve while the origin is slow or away
        .load_policy(LoadPolicy::new().timeout(Duration::from_secs(5)));
    if let Ok(url) = std::env::var("REDIS_URL") {
        builder = builder.tier(Redis::builder(url));
    }
    let cache = builder.build().await?;
    cache.clear().await?;
    let airports = cache.space::<Airport>("airport").version(1);

    warm(&airports, &origin).await?;
    many(&airports, &origin).await?;
    absent(&airports, &origin).await?;
    conditional(&airports, &origin).await?;
    slow(&airports, &origin).await?;
    early(&airports, &origin).await?;
    annotated(&airports, &origin).await?;
    down(&airports, &origin).await?;

    let stats = cache.stats();
    println!(
        "\n{} loads, {} callers joined one, {} stale values served, {} refreshes behind callers",
        stats.loads, stats.load_waits, stats.stale_served, stats.refreshes
    );
    cache.close(Duration::from_secs(1)).await?;
    Ok(())
}

/// Before anybody asks, in batches and at a pace that the origin stands.
async fn warm(airports: &Space<Airport>, origin: &Origin) -> Result<()> {
    let codes: Vec<String> = airport::all()
        .filter_map(|it| it.ok().filter(|it| it.country == "JP"))
        .map(|it| it.iata)
        .collect();
    let origin = origin.clone();
    let load = move |codes: Vec<String>| {
        let origin = origin.clone();
        async move { in_one_query(&origin, codes).await }
    };
    let report = airports.warm_keys(codes, load).per_second(1_000).await?;
    println!("warmed with {} airports of Japan", report.stored);
    Ok(())
}

/// A method that is cached by an attribute.
#[derive(Clone)]
struct Service {
    airports: Space<Airport>,
    origin: Origin,
}

impl Service {
    #[cached(cache = self.airports, key = "{code}", ttl = "5m")]
    async fn airport(&self, code: &str) -> Result<Airport> {
        self.origin.airport(code).await
    }
}

async fn annotated(airports: &Space<Airport>, origin: &Origin) -> Result<()> {
    let service = Service {
        airports: airports.clone(),
        origin: origin.clone(),
    };
    let before = origin.calls();
    for _ in 0..3 {
        service.airport("ZRH").await?;
    }
    println!("three calls, {} query", origin.calls() - before);
    service.airport_invalidate("ZRH").await?;
    let again = service.airport_uncached("ZRH").await?;
    println!("{} past the cache", again.name);
    Ok(())
}

/// One call of the loader for all that is missing.
async fn many(airports: &Space<Airport>, origin: &Origin) -> Result<()> {
    let codes = ["LHR", "JFK", "HND", "GRU"].map(str::to_owned);
    let load = {
        let origin = origin.clone();
        move |missing: Vec<String>| {
            let origin = origin.clone();
            async move { in_one_query(&origin, missing).await }
        }
    };
    let before = origin.calls();
    let found = airports.get_many_or_load(codes, load).await?;
    let names: Vec<_> = found.iter().flatten().map(|it| it.city.as_str()).collect();
    println!("{names:?} by {} query", origin.calls() - before);
    Ok(())
}

async fn in_one_query(origin: &Origin, codes: Vec<String>) -> Result<Vec<(String, Airport)>> {
    let marks = vec!["?"; codes.len()].join(", ");
    let query = format!("SELECT * FROM airport WHERE iata IN ({marks})");
    let found = origin.call(move |connection| {
        let mut statement = connection.prepare(&query)?;
        let rows = statement.query_map(rusqlite::params_from_iter(codes), origin::read)?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    });
    let airports = found.await?.into_iter();
    Ok(airports.map(|it| (it.iata.clone(), it)).collect())
}

/// That there is nothing is an answer too, and remembered.
async fn absent(airports: &Space<Airport>, origin: &Origin) -> Result<()> {
    let before = origin.calls();
    for _ in 0..3 {
        let origin = origin.clone();
        let load = move || async move {
            let query = |connection: &rusqlite::Connection| {
                let mut statement =
                    connection.prepare("SELECT * FROM airport WHERE iata = 'XXX'")?;
                statement.query_row([], origin::read).optional()
            };
            origin.call(query).await
        };
        assert_eq!(airports.get_or_load("XXX", load).optional().await?, None);
    }
    println!("XXX is none, by {} query", origin.calls() - before);
    Ok(())
}

/// The loader is told what is there, and says that it is still right.
async fn conditional(airports: &Space<Airport>, origin: &Origin) -> Result<()> {
    for expected in ["changed", "not modified"] {
        let origin = origin.clone();
        let load = |context: larder::LoadContext<Airport>| async move {
            let airport = origin.airport("LHR").await?;
            let etag = format!("{}/{}", airport.name, airport.elevation);
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(
                if context.etag() == Some(etag.as_bytes()) {
                    println!("LHR is not modified");
                    Loaded::not_modified()
                } else {
                    Loaded::new(airport).etag(etag)
                },
            )
        };
        let loaded = airports.get_or_load_with("LHR", load).refresh();
        println!("LHR, {expected}: {}", loaded.await?.name);
    }
    Ok(())
}

/// A stale value soon instead of the new one late; the load goes on behind it.
async fn slow(airports: &Space<Airport>, origin: &Origin) -> Result<()> {
    expire(airports, "LHR").await?;
    let origin = origin.clone();
    let load = move || async move {
        tokio::time::sleep(Duration::from_millis(300)).await; // a bad day of the database
        origin.airport("LHR").await
    };
    let policy = LoadPolicy::new().soft_timeout(Duration::from_millis(50));
    let outcome = airports.get_or_load("LHR", load).policy(policy).detailed();
    show("a slow origin", &outcome.await?);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let hit = airports.get_or_load("LHR", never).detailed().await?;
    show("a little later", &hit);
    Ok(())
}

/// Refreshed before its time is over: nobody waits.
async fn early(airports: &Space<Airport>, origin: &Origin) -> Result<()> {
    let policy = LoadPolicy::new().eager_refresh(0.5);
    let eager = airports.clone().load_policy(policy);
    let load = || {
        let origin = origin.clone();
        move || async move { origin.airport("JFK").await }
    };
    let short = Duration::from_millis(500);
    eager
        .get_or_load("JFK", load())
        .ttl(short)
        .refresh()
        .await?;
    origin.rename("JFK", "Idlewild").await?;
    tokio::time::sleep(short * 6 / 10).await;
    let due = eager.get_or_load("JFK", load()).await?;
    tokio::time::sleep(short / 10).await;
    let fresh = eager.get_or_load("JFK", load()).await?;
    println!(
        "JFK was {}, and is {}, and nobody waited",
        due.name, fresh.name
    );
    Ok(())
}

/// The origin is down: stale values stand in, and it is not called again for each.
async fn down(airports: &Space<Airport>, origin: &Origin) -> Result<()> {
    expire(airports, "HND").await?;
    origin.fail();
    let before = origin.calls();
    let load = || {
        let origin = origin.clone();
        move || async move { origin.airport("HND").await }
    };
    let outcome = airports.get_or_load("HND", load()).detailed().await?;
    show("the origin is down", &outcome);
    for _ in 0..1_000 {
        airports.get_or_load("HND", load()).await?;
    }
    println!(
        "a thousand calls later: {} queries",
        origin.calls() - before
    );

    // Nothing to stand in with: an answer of one's own, after a few tries.
    let unknown = Airport {
        name: "somewhere".to_owned(),
        ..(*airports.get_or_load("HND", load()).await?).clone()
    };
    let retry = Retry::new(3).pause(Duration::from_millis(10), Duration::from_millis(20));
    let again = {
        let origin = origin.clone();
        retry.around(move || {
            let origin = origin.clone();
            async move { origin.airport("SYD").await }
        })
    };
    let instead = airports.get_or_load("SYD", again).default_value(unknown);
    show("never seen before", &instead.detailed().await?);
    Ok(())
}

async fn never() -> Result<Arc<Airport>> {
    Err("nobody calls this: the value is there".into())
}

async fn expire(airports: &Space<Airport>, code: &str) -> Result<()> {
    airports.expire(code, Duration::from_millis(1)).await?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(())
}

fn show(when: &str, outcome: &Outcome<Airport>) {
    let name = outcome.value.as_ref().map_or("nothing", |it| &it.name);
    let age = if outcome.stale { ", stale" } else { "" };
    let source = match outcome.source {
        Source::Memory => "memory",
        Source::Tier => "a tier",
        Source::Loader => "the loader",
        _ => "the call's default",
    };
    println!("{when}: {name}, from {source}{age}");
}
