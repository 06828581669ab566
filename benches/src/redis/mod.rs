//! The group `redis`: larder over Redis beside a raw client of the same driver, and memory over Redis.
//!
//! It starts a server of its own.

mod callers;
mod reads;
mod room;
mod stage;
mod tiers;
mod writes;

use self::callers::Callers;
use self::stage::Stage;
pub(crate) use self::stage::version;
use crate::report::Measured;

/// Turns are short here, and a network's times spread wider than memory's: so there are more of them.
const TURNS: usize = 4;

/// Every table of the group.
pub(crate) fn measured(rounds: usize) -> Measured {
    let stage = Stage::set();
    let turns = rounds * TURNS;
    let mut tables = reads::tables(&stage, turns);
    tables.extend(writes::tables(&stage, turns));
    tables.extend(tiers::tables(&stage, rounds, turns));
    tables.push(room::table(&stage));
    Measured {
        tables,
        crates: &["fred", "moka", "tokio"],
        server: Some(stage.version()),
    }
}

/// Does one kind of look-up or write `count` times, and nothing else after filling the server.
pub(crate) fn profile(way: &str, callers: &str, count: &str) -> Result<(), String> {
    let number = |text: &str| text.parse().map_err(|error| format!("{text}: {error}"));
    let stage = Stage::set();
    let (callers, operations): (usize, usize) = (number(callers)?, number(count)?);
    let ways: Vec<_> = reads::hits(&stage)
        .into_iter()
        .chain(writes::sets(&stage))
        .collect();
    let Some(way) = ways.iter().find(|known| known.name == way) else {
        let names: Vec<_> = ways.iter().map(|way| way.name).collect();
        return Err(format!("{way}: one of {}", names.join("; ")));
    };
    let callers = Callers {
        runtime: &stage.runtime,
        count: callers.max(1),
        operations,
    };
    callers.run(way, operations);
    Ok(())
}
