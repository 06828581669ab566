//! What must hold: in every state, and when nothing is left to do.

use std::fmt;

use crate::entry::{Life, Which};
use crate::model::{Model, node_name, shown};
use crate::situation::Checked;
use crate::state::{At, Beat, Link, Look, Slip, State};

/// The promises, by the names of `docs/promises.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// What was loaded before an invalidation completed is not found after it.
    NoLateFill,
    /// Memory is not older than what has been told.
    Told,
    /// A set, or a load, doesn't survive an invalidation of its tag or a clear.
    Stamped,
    /// A copy doesn't outlive its original.
    Lifetime,
    /// What completed here is seen by the next read here.
    OwnReads,
    /// Nothing waits for ever.
    Progress,
    /// A set that nothing has invalidated is there.
    Kept,
    /// One load does.
    OneLoad,
    /// What is served while memory is distrusted is no older than it may be.
    Distrust,
}

impl Promise {
    /// As the documents call it.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoLateFill => "C1",
            Self::Told => "C3",
            Self::Stamped => "C4",
            Self::Lifetime => "C5",
            Self::OwnReads => "C7",
            Self::Progress => "A3",
            Self::Kept => "lost write",
            Self::OneLoad => "one load",
            Self::Distrust => "distrust",
        }
    }
}

/// A promise that a state breaks.
#[derive(Clone, Debug)]
pub struct Breach {
    /// Which one.
    pub promise: Promise,
    /// In words.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise.code(), self.what)
    }
}

fn breach(promise: Promise, what: String) -> Breach {
    Breach { promise, what }
}

impl Model<'_> {
    /// What a state shows that it must not show, ever.
    pub(crate) fn broken(&self, s: &State) -> Option<Breach> {
        self.slipped(s).or_else(|| {
            if self.situation.checked == Checked::AtRest {
                return None;
            }
            (0..s.nodes.len())
                .find_map(|n| self.broken_memory(s, n))
                .or_else(|| self.broken_server(s))
        })
    }

    fn slipped(&self, s: &State) -> Option<Breach> {
        match s.slip? {
            Slip::SecondLoad => Some(breach(
                Promise::OneLoad,
                "a cold key is loaded twice".to_owned(),
            )),
            Slip::Older { op, value, floor } => {
                let name = self.name(usize::from(op));
                Some(breach(
                    Promise::OwnReads,
                    format!(
                        "{name} returns version {value}, but it began after an invalidation for version {floor} had \
                         completed"
                    ),
                ))
            }
        }
    }

    fn broken_memory(&self, s: &State, n: usize) -> Option<Breach> {
        let (node, hit) = (&s.nodes[n], self.hit(s, n)?);
        let (name, value) = (node_name(n), hit.held.entry.value);
        if value < node.floor {
            let floor = node.floor;
            return Some(breach(
                Promise::OwnReads,
                format!(
                    "memory of {name} serves version {value}, although {floor} has completed on this node, or was \
                     promised there"
                ),
            ));
        }
        if !node.is_trusted() {
            return Self::broken_distrust(s, n, hit.stale, hit.held.aged, value);
        }
        if self.is_told(s, n) && value < s.completed {
            return Some(breach(
                Promise::Told,
                format!(
                    "every push and reply is handled, yet memory of {name} serves version {value}, invalidated up to \
                     {}",
                    s.completed
                ),
            ));
        }
        None
    }

    /// Whether a node has handled everything that the server has to tell it.
    pub(crate) fn is_told(&self, s: &State, n: usize) -> bool {
        let node = &s.nodes[n];
        s.round.iter().all(Option::is_none)
            && node.link == Link::Up
            && node.pushes.is_empty()
            && node.look == Look::Idle
            && !node.half_told
            && node.beat == Beat::Idle
            && node.queued.is_none()
            && !self
                .running(s, n)
                .any(|i| matches!(s.ops[i].at, At::Hear(_)))
    }

    /// What memory may serve while it is distrusted.
    fn broken_distrust(s: &State, n: usize, stale: bool, aged: bool, value: u8) -> Option<Breach> {
        let (node, name) = (&s.nodes[n], node_name(n));
        let what = if stale {
            if !node.overdue {
                return None;
            }
            format!("{name} serves what is from before the loss for longer than serve_for allows")
        } else if aged {
            format!("{name} distrusts its memory and serves from it for longer than blind_ttl")
        } else if value < node.noticed {
            format!(
                "{name} distrusts its memory and serves version {value} from it as fresh, invalidated up to {} before \
                 the loss was noticed",
                node.noticed
            )
        } else {
            return None;
        };
        Some(breach(Promise::Distrust, what))
    }

    fn broken_server(&self, s: &State) -> Option<Breach> {
        let entry = s
            .server
            .entry
            .filter(|entry| self.is_valid(s, *entry) && entry.value < s.completed)?;
        Some(breach(
            Promise::NoLateFill,
            format!(
                "the server has a valid version {}, although an invalidation for {} has completed",
                entry.value, s.completed
            ),
        ))
    }

    /// Nothing is in flight, all is delivered, the links are up.
    pub(crate) fn is_at_rest(s: &State) -> bool {
        s.round.iter().all(Option::is_none)
            && s.ops.iter().all(|op| op.at == At::Done)
            && s.nodes.iter().all(|node| {
                node.pushes.is_empty()
                    && node.look == Look::Idle
                    && !node.half_told
                    && node.beat == Beat::Idle
                    && node.link == Link::Up
                    && node.queued.is_none()
            })
    }

    /// What is wrong with a state of rest: nothing will correct it.
    pub(crate) fn broken_at_rest(&self, s: &State) -> Option<Breach> {
        let valid = s.server.entry.filter(|entry| self.is_valid(s, *entry));
        if let Some(entry) = valid
            && entry.value < s.completed
        {
            return Some(breach(
                Promise::Told,
                format!(
                    "at rest the server has a valid version {}, invalidated up to {}",
                    entry.value, s.completed
                ),
            ));
        }
        if self.situation.set_expected && !s.set_failed && valid.is_none() {
            return Some(breach(
                Promise::Kept,
                "at rest a set that nothing has invalidated afterwards is not to be seen"
                    .to_owned(),
            ));
        }
        (0..s.nodes.len()).find_map(|n| self.broken_node_at_rest(s, n))
    }

    fn broken_node_at_rest(&self, s: &State, n: usize) -> Option<Breach> {
        let (node, name) = (&s.nodes[n], node_name(n));
        if let Some(hit) = self.hit(s, n) {
            let entry = hit.held.entry;
            if entry.value < s.completed {
                return Some(breach(
                    Promise::Told,
                    format!(
                        "at rest memory of {name} serves version {}, invalidated up to {}",
                        entry.value, s.completed
                    ),
                ));
            }
            let there = s.server.entry;
            if there.is_none_or(|there| there.id != entry.id) {
                return Some(breach(
                    Promise::Told,
                    format!(
                        "at rest memory of {name} serves {}, and the server has {}: nothing will ever correct it",
                        shown(Some(entry)),
                        shown(there)
                    ),
                ));
            }
            if entry.header == Life::Long && there.is_some_and(|there| there.life == Life::Short) {
                return Some(breach(
                    Promise::Lifetime,
                    format!(
                        "at rest memory of {name} keeps an entry for longer than the server does"
                    ),
                ));
            }
        }
        for which in Which::BOTH {
            let (known, there) = (node.known[which.index()], s.server.markers[which.index()]);
            if self.is_judged(which) && known.is_some() && there.is_some() && known != there {
                return Some(breach(
                    Promise::Stamped,
                    format!(
                        "at rest {name} goes by {} version {known:?}, the server has {there:?}",
                        which.name()
                    ),
                ));
            }
        }
        node.flight.map(|_| {
            breach(
                Promise::Progress,
                format!("at rest {name} still has a flight"),
            )
        })
    }
}
