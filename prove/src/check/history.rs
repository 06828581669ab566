//! The files of a run as operations, loads and looks.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::history::{Event, Outcome, What, read};
use crate::keys::{KEYS, KeyIndex};
use crate::moment::Moment;
use crate::stamp::Stamp;

/// Whose process it was. The parent, which also plays the other program, is nobody's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Actor {
    pub(super) node: u8,
    pub(super) incarnation: u16,
}

impl Actor {
    pub(super) const PARENT: Self = Self {
        node: u8::MAX,
        incarnation: 0,
    };
}

/// What somebody did to one key.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) actor: Actor,
    pub(super) what: What,
    pub(super) key: KeyIndex,
    pub(super) from: Moment,
    /// When it returned, if it did.
    pub(super) to: Option<Moment>,
    pub(super) outcome: Option<Outcome>,
    /// What a set wrote, or what a read saw.
    pub(super) stamp: Option<Stamp>,
    pub(super) ttl: Option<Moment>,
}

impl Operation {
    /// When it returned, if it was done without a doubt.
    pub(super) fn done(&self) -> Option<Moment> {
        self.to.filter(|_| self.outcome == Some(Outcome::Done))
    }
}

/// From when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) from: Moment,
    pub(super) to: Moment,
}

/// What was under a key in Redis, at some moment of the span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) span: Span,
    pub(super) there: Option<Stamp>,
}

/// Everything that is known of a run.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) operations: Vec<Operation>,
    /// When the loader returned, by what it made.
    pub(super) loads: HashMap<Stamp, Moment>,
    /// The origin's changes of each key, in their order.
    pub(super) origin: Vec<Vec<(Moment, u64)>>,
    /// For each key, in their order.
    pub(super) looks: Vec<Vec<Look>>,
    /// When a node didn't get to run.
    pub(super) stalls: Vec<(u8, Span)>,
    /// When something was in the way of what a node is told, or of every node.
    pub(super) faults: Vec<(Option<u8>, Span)>,
    /// When everything came to rest.
    pub(super) rest: Option<Moment>,
    /// The events as they were written, for excerpts.
    pub(super) events: Vec<(Actor, Event)>,
}

impl History {
    /// Reads the files of a folder.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if let Some(actor) = actor(&path) {
                files.push((actor, path));
            }
        }
        files.sort();
        let mut history = Self::empty();
        for (actor, path) in files {
            history.add(actor, read(&path)?);
        }
        history.in_order();
        Ok(history)
    }

    pub(super) fn empty() -> Self {
        Self {
            origin: vec![Vec::new(); KEYS.len()],
            looks: vec![Vec::new(); KEYS.len()],
            ..Self::default()
        }
    }

    /// Adds what one process has recorded.
    pub(super) fn add(&mut self, actor: Actor, events: Vec<Event>) {
        let mut running: HashMap<u64, Vec<usize>> = HashMap::new();
        for event in events {
            self.events.push((actor, event.clone()));
            match event {
                Event::Invoked {
                    at,
                    number,
                    what,
                    keys,
                    stamp,
                    ttl,
                    ..
                } => {
                    let first = self.operations.len();
                    running.insert(number, (first..first + keys.len()).collect());
                    self.operations.extend(keys.iter().map(|key| Operation {
                        actor,
                        what,
                        key: *key,
                        from: at,
                        to: None,
                        outcome: None,
                        stamp,
                        ttl,
                    }));
                }
                Event::Completed {
                    at,
                    number,
                    outcome,
                    seen,
                } => {
                    let places = running.remove(&number).unwrap_or_default();
                    for (at_key, place) in places.into_iter().enumerate() {
                        let operation = &mut self.operations[place];
                        operation.to = Some(at);
                        operation.outcome = Some(outcome.clone());
                        if operation.what.is_read() {
                            operation.stamp = seen.get(at_key).copied().flatten();
                        }
                    }
                }
                Event::Loaded { at, stamp, .. } => {
                    self.loads.insert(stamp, at);
                }
                Event::Origin { at, key, version } => {
                    self.origin[usize::from(key)].push((at, version));
                }
                Event::Looked { from, to, there } => {
                    let span = Span { from, to };
                    for (looks, there) in self.looks.iter_mut().zip(there) {
                        looks.push(Look { span, there });
                    }
                }
                Event::Stalled { from, to } if actor == Actor::PARENT => {
                    self.faults.push((None, Span { from, to }));
                }
                Event::Stalled { from, to } => {
                    self.stalls.push((actor.node, Span { from, to }));
                }
                Event::Fault {
                    kind,
                    node,
                    from,
                    to,
                } => {
                    let span = Span { from, to };
                    match node {
                        Some(node) if kind == "node stopped" => self.stalls.push((node, span)),
                        _ => self.faults.push((node, span)),
                    }
                }
                Event::AtRest { at } if actor == Actor::PARENT => self.rest = Some(at),
                Event::Started { .. } | Event::Link { .. } | Event::AtRest { .. } => {}
            }
        }
    }

    /// Sorts what several processes have recorded.
    pub(super) fn in_order(&mut self) {
        self.operations.sort_by_key(|operation| operation.from);
        for looks in &mut self.looks {
            looks.sort_by_key(|look| look.span.from);
        }
        for origin in &mut self.origin {
            origin.sort_unstable();
        }
    }

    /// The origin's version of a key, at least, at a moment.
    pub(super) fn version(&self, key: KeyIndex, at: Moment) -> u64 {
        let origin = &self.origin[usize::from(key)];
        let until = origin.partition_point(|(changed, _)| *changed <= at);
        until.checked_sub(1).map_or(0, |last| origin[last].1)
    }
}

/// Whose file it is.
fn actor(path: &Path) -> Option<Actor> {
    let name = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    if name == "parent" {
        return Some(Actor::PARENT);
    }
    let (node, incarnation) = name.strip_prefix("node-")?.split_once('-')?;
    Some(Actor {
        node: node.parse().ok()?,
        incarnation: incarnation.parse().ok()?,
    })
}
