//! The group `memory`: hits, writes, and the room they take.

use crate::hits::{self, Caches};
use crate::report::Table;
use crate::work::Work;
use crate::{pieces, ratio, rss, writes};

/// Every table of the group.
pub(crate) fn tables(rounds: usize) -> Result<Vec<Table>, String> {
    let (zipf, hot) = (Work::zipf(), Work::one_hot_key());
    let caches = Caches::filled(&zipf);
    let (on_zipf, on_hot) = (hits::ways(&caches, &zipf), hits::ways(&caches, &hot));
    let mut tables = vec![
        hits::times(&on_zipf, "Hits, Zipf 0.99, one thread", 1, rounds),
        hits::times(&on_zipf, "Hits, Zipf 0.99, two threads", 2, rounds),
        hits::times(&on_hot, "Hits, one hot key, one thread", 1, rounds),
        hits::allocations("What a hit allocates", &on_zipf),
        pieces::table("Piece by piece, one hot key, one thread", &hot, rounds),
        pieces::table("Piece by piece, Zipf 0.99, one thread", &zipf, rounds),
    ];
    tables.extend(writes::tables(&zipf, rounds));
    tables.extend([rss::per_entry(), rss::resident()?, ratio::table()]);
    Ok(tables)
}

/// Looks up `count` times one way, Zipf 0.99, and does nothing else after filling the caches.
pub(crate) fn profile(way: &str, count: &str) -> Result<(), String> {
    let work = Work::zipf();
    let caches = Caches::filled(&work);
    let ways = hits::ways(&caches, &work);
    let count = count.parse().map_err(|error| format!("{count}: {error}"))?;
    let Some(way) = ways.iter().find(|known| known.name == way) else {
        let names: Vec<_> = ways.iter().map(|way| way.name).collect();
        return Err(format!("{way}: one of {}", names.join("; ")));
    };
    hits::profiled(way, count);
    Ok(())
}
