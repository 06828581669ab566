//! The rules, one function each.

use std::collections::HashMap;
use std::fmt;

use crate::bounds::CLOCK;
use crate::check::history::{Actor, History, Operation};
use crate::check::levels::{Invalidation, Levels};
use crate::check::quiet::Quiet;
use crate::history::{Outcome, What};
use crate::keys::{KEYS, KeyIndex, spec};
use crate::moment::{Moment, millis};
use crate::stage::NODES;
use crate::stamp::Stamp;

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A value that nobody made, of another key, or newer than the origin.
    Invented,
    /// After an own invalidation (C1, C7).
    Own,
    /// After somebody's invalidation, and the bound (C1, C3).
    Heard,
    /// After Redis had it no more, and the bound (C2).
    Gone,
    /// After its time to live (C5).
    Age,
    /// A node that can't read although nothing is in the way.
    Rest,
}

/// A broken rule.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(super) rule: Rule,
    pub(super) actor: Actor,
    pub(super) key: KeyIndex,
    /// Since when what it is about goes on.
    pub(super) since: Moment,
    /// When it was read.
    pub(super) at: Moment,
    text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule, text, key, ..
        } = self;
        let name = spec(*key).stored_name();
        write!(f, "{rule:?}: key {key} ({name}): {text}")
    }
}

/// What is looked up again and again.
struct Checker<'a> {
    history: &'a History,
    levels: Levels,
    quiet: Vec<Quiet>,
    /// Sets, by what they wrote.
    sets: HashMap<Stamp, usize>,
    /// When it was certain that a value had been stored.
    stored: HashMap<Stamp, Moment>,
    /// When Redis was seen without it afterwards.
    gone: HashMap<Stamp, Option<Moment>>,
    /// For each key, when an `expire` began, and until when what it found may live.
    expiries: Vec<Vec<(Moment, Moment)>>,
}

/// Everything that is wrong with a history, and how much there was to be wrong.
pub(super) fn check(history: &History) -> (Vec<Violation>, String) {
    let mut checker = Checker::new(history);
    let mut violations = Vec::new();
    let (mut reads, mut bound) = (0, 0);
    for read in &history.operations {
        if let (true, Some(seen)) = (read.what.is_read(), read.stamp) {
            reads += 1;
            bound += usize::from(checker.bound(read) > 0);
            violations.extend(checker.judge(read, seen));
        }
    }
    violations.extend(rest(history));
    violations.sort_by_key(|violation| violation.at);
    let of = history.operations.iter();
    let invalidations = of.filter(|one| one.what.invalidates() && one.done().is_some());
    let coverage = format!(
        "{reads} values read, {bound} of them after one of {} invalidations; {} loads, {} faults, {} stalls",
        invalidations.count(),
        history.loads.len(),
        history.faults.len(),
        history.stalls.len(),
    );
    (violations, coverage)
}

impl<'a> Checker<'a> {
    fn new(history: &'a History) -> Self {
        let mut sets = HashMap::new();
        let mut stored: HashMap<Stamp, Moment> = HashMap::new();
        let mut expiries = vec![Vec::new(); KEYS.len()];
        let mut note = |stamp, at: Moment| {
            let first = stored.entry(stamp).or_insert(at);
            *first = at.min(*first);
        };
        for (place, operation) in history.operations.iter().enumerate() {
            if let Some((stamp, at)) = is_stored(operation) {
                note(stamp, at);
            }
            if let (What::Set, Some(stamp)) = (operation.what, operation.stamp) {
                sets.insert(stamp, place);
            }
            if let Some(until) = extended(operation) {
                expiries[usize::from(operation.key)].push((operation.from, until));
            }
        }
        for look in history.looks.iter().flatten() {
            if let Some(stamp) = look.there {
                note(stamp, look.span.to);
            }
        }
        Self {
            history,
            levels: Levels::of(history),
            quiet: (0..NODES).map(|node| Quiet::of(history, node)).collect(),
            sets,
            stored,
            gone: HashMap::new(),
            expiries,
        }
    }

    fn horizon(&self, read: &Operation) -> Moment {
        let quiet = &self.quiet[usize::from(read.actor.node)];
        quiet.horizon(read.from).unwrap_or_default()
    }

    /// The version below which a read must see nothing, but for what sets may have written late.
    fn bound(&self, read: &Operation) -> u64 {
        let own = self.levels.own(read.actor, read.key);
        let own = own.map_or(0, |row| row.level(read.from));
        own.max(self.levels.anybody(read.key).level(self.horizon(read)))
    }

    fn judge(&mut self, read: &Operation, seen: Stamp) -> Option<Violation> {
        let violation = |rule, since, text| Violation {
            rule,
            actor: read.actor,
            key: read.key,
            since,
            at: read.from,
            text,
        };
        if let Some(what) = self.invented(read, seen) {
            let text = format!("{seen} was read, {what}");
            return Some(violation(Rule::Invented, read.from, text));
        }
        let own = self.levels.own(read.actor, read.key);
        let own = own.and_then(|row| self.stale(row.above(seen.version, read.from), seen));
        if let Some(over) = own {
            let text = self.told(over, read, seen, "by the same node");
            return Some(violation(Rule::Own, self.operation(over).from, text));
        }
        let anybody = self.levels.anybody(read.key);
        let heard = self.stale(anybody.above(seen.version, self.horizon(read)), seen);
        if let Some(over) = heard {
            let text = self.told(over, read, seen, "and heard of since");
            return Some(violation(Rule::Heard, self.operation(over).from, text));
        }
        if let Some(gone) = self.gone(seen).filter(|gone| *gone <= self.horizon(read)) {
            let since = shown(read.from - gone);
            let text = format!("{seen} was read {since} after Redis was seen without it");
            return Some(violation(
                Rule::Gone,
                gone.saturating_sub(millis(300)),
                text,
            ));
        }
        let end = self.end(read, seen);
        if read.from > end {
            let text = format!("{seen} was read {} after its end", shown(read.from - end));
            let since = end.saturating_sub(spec(read.key).ttl());
            return Some(violation(Rule::Age, since, text));
        }
        None
    }

    fn operation(&self, one: &Invalidation) -> &Operation {
        &self.history.operations[one.place]
    }

    fn told(&self, over: &Invalidation, read: &Operation, seen: Stamp, by: &str) -> String {
        let Invalidation { done, level, .. } = over;
        format!(
            "{seen} was read {} after version {level} was made known ({:?}, done {by})",
            shown(read.from - done),
            self.operation(over).what,
        )
    }

    fn invented(&self, read: &Operation, seen: Stamp) -> Option<&'static str> {
        let newest = self
            .history
            .version(read.key, read.to.unwrap_or(Moment::MAX));
        if seen.key != read.key {
            Some("a value of another key")
        } else if !self.sets.contains_key(&seen) && !self.history.loads.contains_key(&seen) {
            Some("which nobody has made")
        } else if seen.version > newest {
            Some("newer than the origin")
        } else {
            None
        }
    }

    /// The first of these invalidations that what was seen should not have survived.
    fn stale<'b>(
        &self,
        mut over: impl Iterator<Item = &'b Invalidation>,
        seen: Stamp,
    ) -> Option<&'b Invalidation> {
        over.find(|one| !self.may_follow(seen, one))
    }

    /// Whether a value may have been written after an invalidation by a set that shows an older version: two
    /// writers whose writes arrive in the other order than those to the origin. What was loaded may not.
    fn may_follow(&self, seen: Stamp, over: &Invalidation) -> bool {
        let Some(set) = self
            .sets
            .get(&seen)
            .map(|place| &self.history.operations[*place])
        else {
            return false;
        };
        let over = self.operation(over);
        match (set.to, &set.outcome) {
            (Some(to), Some(Outcome::Done)) => to >= over.from,
            // It may land whenever, but not after a later write of the same process.
            (Some(to), _) => set.actor != over.actor || to >= over.from,
            (None, _) => true,
        }
    }

    /// When Redis was first seen without a value that it had.
    fn gone(&mut self, seen: Stamp) -> Option<Moment> {
        let (history, stored) = (self.history, self.stored.get(&seen).copied());
        *self.gone.entry(seen).or_insert_with(|| {
            let looks = &history.looks[usize::from(seen.key)];
            let first =
                looks.partition_point(|look| look.span.from < stored.unwrap_or(Moment::MAX));
            let without = looks[first..].iter().find(|look| look.there != Some(seen));
            without.map(|look| look.span.to)
        })
    }

    /// Until when a value may be seen.
    fn end(&self, read: &Operation, seen: Stamp) -> Moment {
        let ttl = spec(read.key).ttl();
        let set = self
            .sets
            .get(&seen)
            .map(|place| self.history.operations[*place].from);
        let born = set.or_else(|| self.history.loads.get(&seen).copied());
        let born = born.unwrap_or(read.from);
        let late = self.quiet.get(usize::from(seen.node));
        let late = late.map_or(0, |quiet| quiet.stalled_in(born, born + CLOCK));
        let extended = self.expiries[usize::from(read.key)].iter();
        let extended = extended
            .take_while(|(from, _)| *from <= read.from)
            .map(|(_, until)| *until)
            .max();
        (born + ttl + late).max(extended.unwrap_or_default()) + CLOCK
    }
}

/// What has been in Redis for certain when an operation returned.
fn is_stored(operation: &Operation) -> Option<(Stamp, Moment)> {
    let (stamp, done) = (operation.stamp?, operation.done()?);
    let is_foreign =
        (stamp.node, stamp.incarnation) != (operation.actor.node, operation.actor.incarnation);
    let certain = match operation.what {
        What::Set | What::Get | What::GetLocal | What::GetMany => true,
        // An own load is returned whether it could be stored or not, and may be stored later still.
        other => other.is_read() && is_foreign,
    };
    certain.then_some((stamp, done))
}

/// Until when an `expire` may let live what it found.
fn extended(operation: &Operation) -> Option<Moment> {
    if operation.what != What::Expire || operation.outcome == Some(Outcome::Absent) {
        return None;
    }
    // One without an answer may be done as long as it may be on its way.
    let late = match (operation.to, &operation.outcome) {
        (Some(to), Some(Outcome::Done)) => to,
        (Some(to), _) => to + millis(2_000),
        (None, _) => operation.from + millis(3_000),
    };
    Some(late + operation.ttl?)
}

/// When everything is at rest, each node can read each key.
fn rest(history: &History) -> Vec<Violation> {
    let Some(rest) = history.rest else {
        return Vec::new();
    };
    let operations = history.operations.iter();
    let failed = operations.filter(|operation| {
        operation.from > rest && operation.what == What::Get && operation.done().is_none()
    });
    failed
        .map(|read| Violation {
            rule: Rule::Rest,
            actor: read.actor,
            key: read.key,
            since: rest,
            at: read.from,
            text: format!("not to be read at rest: {:?}", read.outcome),
        })
        .collect()
}

/// A duration as one reads it.
fn shown(length: Moment) -> String {
    format!("{} ms", length / millis(1))
}
