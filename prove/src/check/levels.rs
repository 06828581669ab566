//! What had been invalidated, up to which version of the origin.

use std::collections::HashMap;

use crate::bounds::CLOCK;
use crate::check::history::{Actor, History, Operation};
use crate::history::What;
use crate::keys::{KEYS, KeyIndex};
use crate::moment::Moment;

/// A completed invalidation of a key: nothing below `level` may be seen by who has heard of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Invalidation {
    /// Its place among the operations.
    pub(super) place: usize,
    pub(super) done: Moment,
    pub(super) level: u64,
}

/// The invalidations of one key by some, in the order in which they were done, each with the highest level up to it.
#[derive(Debug, Default)]
pub(super) struct Row(Vec<(Invalidation, u64)>);

impl Row {
    fn from_list(mut list: Vec<Invalidation>) -> Self {
        list.sort_by_key(|one| one.done);
        let mut highest = 0;
        Self(
            list.into_iter()
                .map(|one| {
                    highest = highest.max(one.level);
                    (one, highest)
                })
                .collect(),
        )
    }

    /// The highest level of those that were done before.
    pub(super) fn level(&self, before: Moment) -> u64 {
        let until = self.0.partition_point(|(one, _)| one.done < before);
        until.checked_sub(1).map_or(0, |last| self.0[last].1)
    }

    /// Those above a version that were done before.
    pub(super) fn above(
        &self,
        version: u64,
        before: Moment,
    ) -> impl Iterator<Item = &Invalidation> {
        self.0
            .iter()
            .map(|(one, _)| one)
            .take_while(move |one| one.done < before)
            .filter(move |one| one.level > version)
    }
}

/// The invalidations of all keys: by anybody, and by each process.
#[derive(Debug)]
pub(super) struct Levels {
    anybody: Vec<Row>,
    own: HashMap<(Actor, KeyIndex), Row>,
}

impl Levels {
    pub(super) fn of(history: &History) -> Self {
        let mut anybody = vec![Vec::new(); KEYS.len()];
        let mut own: HashMap<_, Vec<Invalidation>> = HashMap::new();
        for (place, operation) in history.operations.iter().enumerate() {
            if let Some(one) = invalidation(history, place, operation) {
                anybody[usize::from(operation.key)].push(one);
                let whose = (operation.actor, operation.key);
                own.entry(whose).or_default().push(one);
            }
        }
        let row = |(whose, list)| (whose, Row::from_list(list));
        Self {
            anybody: anybody.into_iter().map(Row::from_list).collect(),
            own: own.into_iter().map(row).collect(),
        }
    }

    /// Those of a key, whoever made them.
    pub(super) fn anybody(&self, key: KeyIndex) -> &Row {
        &self.anybody[usize::from(key)]
    }

    /// Those of a key that one process has made.
    pub(super) fn own(&self, actor: Actor, key: KeyIndex) -> Option<&Row> {
        self.own.get(&(actor, key))
    }
}

/// What an operation has invalidated, if it has completed without a doubt.
fn invalidation(history: &History, place: usize, operation: &Operation) -> Option<Invalidation> {
    if !operation.what.invalidates() {
        return None;
    }
    let mut done = operation.done()?;
    let level = match operation.what {
        What::Set => operation.stamp?.version,
        // What was loaded before it began shows what the origin had been until then.
        _ => history.version(operation.key, operation.from),
    };
    if operation.what == What::Expire {
        // What was there may be seen until then, by a clock that is a little off.
        done += operation.ttl? + CLOCK;
    }
    Some(Invalidation { place, done, level })
}
