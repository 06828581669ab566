//! A history as one writes it down.

use std::collections::BTreeSet;

use crate::check::history::{Actor, History};
use crate::check::rules::{Rule, check};
use crate::history::{Event, Outcome, What};
use crate::keys::{KeyIndex, indexes};
use crate::moment::millis;
use crate::stamp::Stamp;

/// A key that lives long, and one that doesn't.
pub(super) const LONG: KeyIndex = 0;
pub(super) const SHORT: KeyIndex = 4;

/// A node in its first life.
pub(super) fn node(node: u8) -> Actor {
    Actor {
        node,
        incarnation: 0,
    }
}

/// A history in milliseconds; what it says of itself comes in any order.
#[derive(Default)]
pub(super) struct Written {
    events: Vec<(Actor, Event)>,
    numbers: u64,
}

/// What a node has made of a version.
pub(super) fn value(by: u8, version: u64, key: KeyIndex) -> Stamp {
    Stamp {
        key,
        version,
        node: by,
        incarnation: 0,
        sequence: version,
    }
}

impl Written {
    pub(super) fn event(mut self, actor: Actor, event: Event) -> Self {
        self.events.push((actor, event));
        self
    }

    /// The origin changes.
    pub(super) fn origin(self, at: u64, version: u64) -> Self {
        self.origin_of(LONG, at, version)
    }

    pub(super) fn origin_of(self, key: KeyIndex, at: u64, version: u64) -> Self {
        let at = millis(at);
        self.event(Actor::PARENT, Event::Origin { at, key, version })
    }

    /// A node loads a version.
    pub(super) fn loads(self, by: u8, at: u64, version: u64) -> Self {
        self.loads_of(LONG, by, at, version)
    }

    pub(super) fn loads_of(self, key: KeyIndex, by: u8, at: u64, version: u64) -> Self {
        let (from, at, stamp) = (millis(at), millis(at), value(by, version, key));
        self.event(node(by), Event::Loaded { from, at, stamp })
    }

    /// Somebody does something from then to then.
    pub(super) fn does(self, by: u8, what: What, span: (u64, u64), outcome: Outcome) -> Self {
        self.operates(node(by), what, LONG, span, Some(outcome), None, None)
    }

    pub(super) fn reads(self, by: u8, at: u64, seen: Stamp) -> Self {
        let span = (at, at + 1);
        let outcome = Some(Outcome::Done);
        self.operates(
            node(by),
            What::Get,
            seen.key,
            span,
            outcome,
            Some(seen),
            None,
        )
    }

    pub(super) fn sets(self, span: (u64, u64), stamp: Stamp, outcome: Option<Outcome>) -> Self {
        let by = node(stamp.node);
        self.operates(by, What::Set, stamp.key, span, outcome, Some(stamp), None)
    }

    #[expect(clippy::too_many_arguments, reason = "an operation has as many parts")]
    pub(super) fn operates(
        mut self,
        actor: Actor,
        what: What,
        key: KeyIndex,
        (from, to): (u64, u64),
        outcome: Option<Outcome>,
        stamp: Option<Stamp>,
        ttl: Option<u64>,
    ) -> Self {
        let number = self.numbers;
        self.numbers += 1;
        let written = self.event(
            actor,
            Event::Invoked {
                at: millis(from),
                number,
                worker: 0,
                what,
                keys: vec![key],
                stamp: stamp.filter(|_| !what.is_read()),
                ttl: ttl.map(millis),
            },
        );
        let Some(outcome) = outcome else {
            return written;
        };
        let completed = Event::Completed {
            at: millis(to),
            number,
            outcome,
            seen: vec![stamp.filter(|_| what.is_read())],
        };
        written.event(actor, completed)
    }

    /// Something is in a node's way.
    pub(super) fn fault(self, kind: &str, whose: u8, from: u64, to: u64) -> Self {
        let fault = Event::Fault {
            kind: kind.to_owned(),
            node: Some(whose),
            from: millis(from),
            to: millis(to),
        };
        self.event(Actor::PARENT, fault)
    }

    /// Redis has this under the long key.
    pub(super) fn looked(self, at: u64, there: Option<Stamp>) -> Self {
        let only = |key| there.filter(|_| key == LONG);
        let looked = Event::Looked {
            from: millis(at),
            to: millis(at + 1),
            there: indexes().map(only).collect(),
        };
        self.event(Actor::PARENT, looked)
    }

    pub(super) fn broken(&self) -> Vec<Rule> {
        let mut history = History::empty();
        let actors: BTreeSet<Actor> = self.events.iter().map(|(actor, _)| *actor).collect();
        for actor in actors {
            let own = self.events.iter().filter(|(whose, _)| *whose == actor);
            history.add(actor, own.map(|(_, event)| event.clone()).collect());
        }
        history.in_order();
        let (violations, _) = check(&history);
        violations.iter().map(|violation| violation.rule).collect()
    }
}
