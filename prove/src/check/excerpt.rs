//! The part of a history that a violation is about.

use std::fmt::Write;

use crate::check::history::{Actor, History};
use crate::check::rules::Violation;
use crate::history::Event;
use crate::keys::KeyIndex;
use crate::moment::{Moment, millis};

/// What is shown before and after the span from the invalidation to the read.
const MARGIN: Moment = millis(150);
/// How many lines at most; those at the ends are kept.
const LINES: usize = 160;

/// All events of the key in the window, and what went on with the node, in their order, with milliseconds from
/// the start of the window.
pub(super) fn excerpt(history: &History, violation: &Violation) -> String {
    let (from, to) = (
        violation.since.saturating_sub(MARGIN),
        violation.at + MARGIN,
    );
    let mut lines: Vec<(Moment, String)> = Vec::new();
    let mut shown = std::collections::HashSet::new();
    for (actor, event) in &history.events {
        let Some((at, text)) = line(history, *actor, event, violation, &mut shown) else {
            continue;
        };
        if (from..=to).contains(&at) {
            lines.push((at, text));
        }
    }
    lines.sort();
    let mut text = String::new();
    let skipped = lines.len().saturating_sub(LINES);
    for (place, (at, line)) in lines.iter().enumerate() {
        if skipped > 0 && (LINES / 2..LINES / 2 + skipped).contains(&place) {
            if place == LINES / 2 {
                let _ = writeln!(text, "      …        ({skipped} lines)");
            }
            continue;
        }
        let since = at.saturating_sub(from) / 1_000;
        let mark = if *at == violation.at { ">" } else { " " };
        let _ = writeln!(
            text,
            "{mark}{:>6}.{:03} {line}",
            since / 1_000,
            since % 1_000
        );
    }
    text
}

fn name(actor: Actor) -> String {
    if actor == Actor::PARENT {
        "world   ".to_owned()
    } else {
        format!("node {}.{}", actor.node, actor.incarnation)
    }
}

/// When an event happened, and how it reads, if it has to do with the violation.
fn line(
    history: &History,
    actor: Actor,
    event: &Event,
    violation: &Violation,
    shown: &mut std::collections::HashSet<(Actor, u64)>,
) -> Option<(Moment, String)> {
    let who = name(actor);
    let is_about = |key: KeyIndex| key == violation.key;
    let is_near = actor == Actor::PARENT || actor.node == violation.actor.node;
    Some(match event {
        Event::Invoked {
            at,
            number,
            worker,
            what,
            keys,
            stamp,
            ttl,
        } if keys.iter().any(|key| is_about(*key)) => {
            shown.insert((actor, *number));
            let mut text = format!("{who}  {what:?} #{number} of worker {worker} begins");
            if let Some(stamp) = stamp {
                let _ = write!(text, ", writes {stamp}");
            }
            if let Some(ttl) = ttl {
                let _ = write!(text, ", leaves {} ms", ttl / millis(1));
            }
            (*at, text)
        }
        Event::Completed {
            at,
            number,
            outcome,
            seen,
        } if shown.contains(&(actor, *number)) => {
            let mut text = format!("{who}  #{number}: {outcome:?}");
            for stamp in seen.iter().flatten().filter(|stamp| is_about(stamp.key)) {
                let _ = write!(text, ", saw {stamp}");
            }
            (*at, text)
        }
        Event::Loaded { from, at, stamp } if is_about(stamp.key) => {
            let before = at.saturating_sub(*from) / 1_000;
            let text = format!("{who}  loaded {stamp}, asked the origin {before} µs before");
            (*at, text)
        }
        Event::Origin { at, key, version } if is_about(*key) => {
            (*at, format!("origin    version {version}"))
        }
        Event::Looked { from, to, there } => {
            let there = there.get(usize::from(violation.key)).copied().flatten();
            if !is_news(history, violation.key, *from) {
                return None;
            }
            let there = there.map_or_else(|| "nothing".to_owned(), |stamp| stamp.to_string());
            (*to, format!("redis     has {there}"))
        }
        Event::Fault {
            kind,
            node,
            from,
            to,
        } if node.is_none_or(|node| node == violation.actor.node) => {
            let length = to.saturating_sub(*from) / millis(1);
            let whose = node.map_or_else(String::new, |node| format!(" for node {node}"));
            (*from, format!("fault     {kind}{whose}, {length} ms"))
        }
        Event::Stalled { from, to } if is_near => {
            let length = to.saturating_sub(*from) / millis(1);
            (*from, format!("{who}  stalled, {length} ms"))
        }
        Event::Link { at, state } if is_near => (*at, format!("{who}  link: {state}")),
        Event::Started { at } if is_near => (*at, format!("{who}  started")),
        Event::AtRest { at } if is_near => (*at, format!("{who}  at rest")),
        _ => return None,
    })
}

/// Whether a look saw something else than the one before it.
fn is_news(history: &History, key: KeyIndex, from: Moment) -> bool {
    let looks = &history.looks[usize::from(key)];
    let place = looks.partition_point(|look| look.span.from < from);
    let there = |place: usize| looks.get(place).map(|look| look.there);
    place == 0 || there(place) != there(place - 1)
}
