//! A load from its beginning to the loader's return, and the end of its flight.

use super::stamps::Phase;
use crate::entry::{Entry, Held, Kind, Life, Mark, small};
use crate::model::{Model, Steps, shown};
use crate::situation::{Action, Fault, Policy};
use crate::state::{At, Carried, Command, KEY, Slip, State, Writer, flag};
use crate::variant::{BlindFences, Joined, Overdue, RefreshSees, Registers, Unleased, Wakes};

impl Model<'_> {
    pub(crate) fn load(&self, s: &State, i: usize, steps: &mut Steps) {
        let (op, n) = (&s.ops[i], self.operation(i).node);
        if s.may(Fault::Crash) && matches!(op.at, At::Loading | At::Ask(Command::Fill)) {
            let mut t = *s;
            t.spend(Fault::Crash);
            Self::leave_flight(&mut t, n, i);
            Self::finish(&mut t, i);
            steps.add(t, || format!("{}: its process dies", self.name(i)));
        }
        match op.at {
            At::Start => self.lead(s, i, n, steps),
            At::Ask(Command::Claim) => self.claim(s, i, n, steps),
            At::Hear(Command::Claim) => self.hear_claim(s, i, n, steps),
            At::Ask(Command::LateClaim) => self.claim_late(s, i, n, steps),
            At::Hear(Command::LateClaim) => self.hear_late_claim(s, i, n, steps),
            At::Ask(Command::Lease) => self.lease(s, i, n, steps),
            At::Hear(Command::Lease) => self.hear_lease(s, i, steps),
            At::Waiting => self.wait(s, i, steps),
            At::Ask(Command::Reread) => {
                let mut t = *s;
                t.ops[i].carried = Carried::Found(s.server.entry);
                t.ops[i].at = At::Hear(Command::Reread);
                let found = s.server.entry;
                steps.add(t, || {
                    format!(
                        "{}: the server answers the re-read: {}",
                        self.name(i),
                        shown(found)
                    )
                });
            }
            At::Hear(Command::Reread) => self.hear_reread(s, i, steps),
            At::Ask(Command::Marker(which)) => self.stamp(s, i, which, false, steps),
            At::Hear(Command::Marker(which)) => self.stamp(s, i, which, true, steps),
            At::Adopting => self.adopt(s, i, n, steps),
            At::Loading => self.call_loader(s, i, steps),
            At::Loaded => {
                let mut t = *s;
                self.advance(&mut t, i, Some(Phase::Back));
                steps.add(t, || format!("{}: the loader returns", self.name(i)));
            }
            At::LateTag => {
                let mut t = *s;
                self.give_back(&mut t, i);
                self.land(&mut t, i, n, op.value);
                steps.add(t, || {
                    let name = self.name(i);
                    format!(
                        "{name}: the tag's version was not held since before: returned, not kept"
                    )
                });
            }
            At::Failed => {
                let mut t = *s;
                self.give_back(&mut t, i);
                Self::leave_flight(&mut t, n, i);
                Self::finish(&mut t, i);
                steps.add(t, || {
                    format!("{}: gives its lease back, ends with an error", self.name(i))
                });
            }
            At::Blind | At::BlindCompared => self.keep_blindly(s, i, n, steps),
            At::Ask(Command::Fill) => self.fill(s, i, n, steps),
            At::Hear(Command::Fill) => self.hear_fill(s, i, n, steps),
            At::Ask(Command::Head) => self.ask_head(s, i, steps),
            At::Hear(Command::Head) => self.hear_fills_head(s, i, n, steps),
            _ => {}
        }
    }

    fn lead(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let mut t = *s;
        let attached = s.nodes[n]
            .flight
            .is_some_and(|flight| !s.ops[usize::from(flight)].has(flag::DETACHED));
        if attached {
            Self::finish(&mut t, i); // Joining is an operation of its own.
            steps.add(t, || format!("{}: a flight is under way", self.name(i)));
            return;
        }
        t.nodes[n].flight = Some(small(i));
        t.ops[i].floor = s.nodes[n].floor;
        self.advance(&mut t, i, None);
        steps.add(t, || format!("{}: leads a flight", self.name(i)));
    }

    fn wait(&self, s: &State, i: usize, steps: &mut Steps) {
        let entry = s.server.entry;
        let free = s.server.lease.is_none() && !entry.is_some_and(Entry::is_placeholder);
        let polls = self.variant.wakes == Wakes::Poll && free;
        let mut t = *s;
        t.ops[i].at = At::Ask(Command::Claim);
        if polls || s.ops[i].has(flag::WOKEN) {
            t.ops[i].flags &= !flag::WOKEN;
            steps.add(t, || format!("{}: wakes and asks again", self.name(i)));
        } else if self.variant.overdue == Overdue::Removed
            && entry.is_some_and(|entry| entry.life == Life::Never)
        {
            self.replace(&mut t, None, Writer::Other);
            steps.add(t, || {
                format!("{}: removes a placeholder that is overdue", self.name(i))
            });
        }
    }

    /// Waits for somebody else's load.
    pub(crate) fn begin_to_wait(&self, t: &mut State, i: usize) {
        t.ops[i].at = At::Waiting;
        t.ops[i].carried = Carried::Nothing;
        if self.variant.registers == Registers::AfterReply {
            t.ops[i].flags &= !flag::WOKEN;
        }
    }

    fn adopt(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let Carried::Found(Some(entry)) = s.ops[i].carried else {
            return;
        };
        let mut t = *s;
        self.give_back(&mut t, i);
        if s.ops[i].moved & KEY == 0 {
            self.insert(&mut t, n, entry, Mark::Copied);
        }
        self.land(&mut t, i, n, entry.value);
        steps.add(t, || {
            format!(
                "{}: finds a fresh entry, version {}, and uses it",
                self.name(i),
                entry.value
            )
        });
    }

    fn call_loader(&self, s: &State, i: usize, steps: &mut Steps) {
        let mut t = *s;
        t.ops[i].value = s.origin;
        if self.situation.one_load {
            t.loads += 1;
            if t.loads > 1 {
                t.slip = Some(Slip::SecondLoad);
            }
        }
        if s.ops[i].has(flag::ALONE) {
            t.ops[i].at = At::Blind;
        } else {
            self.advance(&mut t, i, Some(Phase::Load));
        }
        let version = s.origin;
        steps.add(t, || {
            format!("{}: the loader reads version {version}", self.name(i))
        });
        if s.may(Fault::LoadFails) {
            let mut t = *s;
            t.spend(Fault::LoadFails);
            t.ops[i].at = At::Failed;
            steps.add(t, || format!("{}: the loader fails", self.name(i)));
        }
    }

    /// No lease is to be had: all fences are sampled, and the loader is called (D2).
    pub(crate) fn go_alone(t: &mut State, i: usize) {
        let op = &mut t.ops[i];
        op.flags = op.flags & flag::DETACHED | flag::ALONE;
        (op.moved, op.seen, op.carried) = (0, 0, Carried::Nothing);
        op.at = At::Loading;
    }

    /// What was loaded without a lease.
    fn keep_blindly(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let (op, node) = (s.ops[i], s.nodes[n]);
        let wanted = self.situation.policy != Policy::Nothing
            && (!node.is_trusted() || self.variant.unleased == Unleased::Always);
        let stood = match self.variant.blind_fences {
            BlindFences::All | BlindFences::ComparedBefore => op.moved == 0,
            BlindFences::KeyAlone => op.moved & KEY == 0,
            BlindFences::Ignored => true,
        };
        let mut t = *s;
        let kept = wanted && stood || op.at == At::BlindCompared;
        if kept && op.at == At::Blind && self.variant.blind_fences == BlindFences::ComparedBefore {
            t.ops[i].at = At::BlindCompared;
            steps.add(t, || {
                format!("{}: sees that its fences stand", self.name(i))
            });
            return;
        }
        if kept {
            let stamps = node.known.map(|version| version.unwrap_or(0));
            let entry = Entry::new(10 + small(i), op.value, stamps, Kind::Fresh);
            t.nodes[n].memory = Some(Held::new(entry, Mark::Blind));
        }
        self.land(&mut t, i, n, op.value);
        steps.add(t, || {
            let name = self.name(i);
            if kept {
                format!("{name}: its value enters memory without a lease; its flight ends")
            } else {
                format!("{name}: its value is returned and not kept; its flight ends")
            }
        });
    }

    /// The flight ends: its leader and all who joined get the value.
    pub(crate) fn land(&self, t: &mut State, i: usize, n: usize, value: u8) {
        let floor = t.ops[i].floor;
        self.answer(t, i, value, floor);
        let joined: Vec<usize> = self
            .running(t, n)
            .filter(|&j| t.ops[j].at == At::Joined && t.ops[j].carried == Carried::Flight(small(i)))
            .collect();
        for j in joined {
            let floor = t.ops[j].floor;
            self.answer(t, j, value, floor);
            Self::finish(t, j);
        }
        Self::leave_flight(t, n, i);
        Self::finish(t, i);
    }

    pub(crate) fn join(&self, s: &State, i: usize, steps: &mut Steps) {
        let n = self.operation(i).node;
        let mut t = *s;
        if s.ops[i].at != At::Start {
            let Carried::Flight(leader) = s.ops[i].carried else {
                return;
            };
            if s.ops[usize::from(leader)].at == At::Done {
                Self::finish(&mut t, i);
                steps.add(t, || format!("{}: its leader is gone", self.name(i)));
            }
            return;
        }
        let flight = s.nodes[n].flight.filter(|&flight| {
            self.variant.joined == Joined::Any || !s.ops[usize::from(flight)].has(flag::DETACHED)
        });
        match flight {
            None => {
                Self::finish(&mut t, i);
                steps.add(t, || format!("{}: nothing to join", self.name(i)));
            }
            Some(flight) => {
                t.ops[i].at = At::Joined;
                t.ops[i].floor = if self.is_told(s, n) {
                    s.nodes[n].floor.max(s.completed)
                } else {
                    s.nodes[n].floor
                };
                t.ops[i].carried = Carried::Flight(flight);
                steps.add(t, || format!("{}: joins flight #{flight}", self.name(i)));
            }
        }
    }

    /// Whether a load reads its entry again before it goes on.
    pub(crate) fn remembers_answer(&self) -> bool {
        self.variant.refresh_sees == RefreshSees::ClaimsAnswer
    }

    /// Whether the load's placeholder is nobody's: its load has ended, or never learned of the grant.
    pub(crate) fn is_dead(&self, s: &State, token: u8) -> bool {
        (0..self.situation.ops.len()).all(|i| {
            self.operation(i).action != Action::Load
                || self.token(i) != token
                || s.ops[i].at == At::Done
                || s.ops[i].has(flag::ALONE)
        })
    }
}
