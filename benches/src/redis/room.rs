//! What larder adds to a value in Redis.

use std::convert::Infallible;
use std::time::Duration;

use larder::Space;

use super::stage::{Stage, TTL, VALUE};
use crate::report::Table;

/// Bytes that an entry without tags may add to its value.
const TARGET: usize = 48;

/// Lengths as the server counts them.
pub(super) fn table(stage: &Stage) -> Table {
    let mut table = Table::new(
        "What an entry adds to its value in Redis",
        &[
            "row",
            "stored bytes",
            "of the value",
            "added",
            "target",
            "verdict",
        ],
    );
    let space = stage.cache.space::<String>("room");
    let text = "x".repeat(VALUE);
    stage.runtime.block_on(async {
        let written = "the server takes it";
        let set = space.set_raw("raw", text.clone()).await;
        set.expect(written);
        let set = space.set("set", text.clone()).ttl(TTL).stale_for(TTL).await;
        set.expect(written);
        for (name, takes) in [("loaded", 0), ("loaded slowly", 2)] {
            let text = text.clone();
            let origin = async move || {
                tokio::time::sleep(Duration::from_millis(takes)).await;
                Ok::<_, Infallible>(text)
            };
            space.get_or_load(name, origin).await.expect("it is loaded");
        }
        space.increment("counter", 1).await.expect(written);
    });
    for (name, row, target) in [
        ("raw", "set_raw", Some(TARGET)),
        ("set", "set, with a time to live, stale_for", Some(TARGET)),
        (
            "loaded",
            "get_or_load, an origin that is ready at once",
            None,
        ),
        (
            "loaded slowly",
            "get_or_load, an origin that takes 2 ms",
            None,
        ),
        ("counter", "increment", Some(TARGET)),
    ] {
        let (stored, value) = lengths(stage, &space, name);
        let added = stored - value;
        let shown = target.map_or_else(|| "–".to_owned(), |target| format!("≤ {target}"));
        let cells = [stored, value, added].map(|count| count.to_string());
        table.judged_row(
            [row.to_owned()].into_iter().chain(cells).chain([shown]),
            target.map(|target| added <= target),
        );
    }
    table
}

/// Of the stored string and of the value in it.
fn lengths(stage: &Stage, space: &Space<String>, name: &str) -> (usize, usize) {
    let stored = format!("{}:room:{name}", stage.names.namespace().as_str());
    let stored = stage.server.command(&["STRLEN", &stored]).integer();
    let value = stage.runtime.block_on(space.get_raw(name));
    let value = value.expect("the server answers").expect("it is there");
    (usize::try_from(stored).expect("a length"), value.len())
}
