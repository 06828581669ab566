//! The claim of a cold key, whose lease is a placeholder under the entry's own key, and the lease of a refresh.

use super::stamps::Phase;
use crate::entry::{Entry, Kind, small};
use crate::model::{Model, Steps};
use crate::situation::Fault;
use crate::state::{At, Carried, Command, KEY, Link, News, State, Writer, flag};
use crate::variant::{
    Claim, Gone, Grant, QueuedLoad, RefreshLease, Release, TrackingLoad, UnheardGrant,
};

impl Model<'_> {
    fn placeholder(&self, i: usize) -> Entry {
        Entry::new(self.token(i), 0, [0; 2], Kind::Placeholder)
    }

    fn grant(&self, t: &mut State, i: usize, n: usize) {
        let writer = match self.variant.grant {
            Grant::Script => Writer::Other,
            Grant::OwnWrite | Grant::Read => Writer::Node(small(n)), // Not echoed, and hides what came before.
        };
        self.replace(t, Some(self.placeholder(i)), writer);
    }

    /// Moves the key's fence and forgets it in memory.
    pub(crate) fn forget(&self, t: &mut State, n: usize) {
        self.move_fences(t, n, KEY);
        t.nodes[n].memory = None;
    }

    /// P1: `SET key placeholder NX GET PX`.
    pub(crate) fn claim(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let queued =
            s.nodes[n].queued.is_some() && self.variant.queued_load == QueuedLoad::WithoutLease;
        let alone = match s.nodes[n].link {
            Link::Down => true,
            Link::Tracking => self.variant.tracking_load == TrackingLoad::WithoutLease,
            Link::Up | Link::Lost | Link::Untracked => false,
        };
        if alone || queued {
            let mut t = *s;
            Self::go_alone(&mut t, i);
            steps.add(t, || {
                format!("{}: can't ask, loads without a lease", self.name(i))
            });
            return;
        }
        if s.nodes[n].link == Link::Lost {
            let mut t = *s;
            Self::go_alone(&mut t, i);
            steps.add(t, || {
                format!("{}: gets no answer, loads without a lease", self.name(i))
            });
        }
        if s.may(Fault::NoLease) {
            let mut t = *s;
            t.spend(Fault::NoLease);
            Self::go_alone(&mut t, i);
            steps.add(t, || {
                format!("{}: is told that no lease is to be had", self.name(i))
            });
        }
        if s.may(Fault::GrantLate) {
            let mut t = *s;
            t.spend(Fault::GrantLate);
            if self.variant.unheard_grant == UnheardGrant::WhenGivenUp {
                self.forget(&mut t, n);
            }
            Self::leave_flight(&mut t, n, i);
            t.ops[i].at = At::Ask(Command::LateClaim);
            steps.add(t, || {
                format!("{}: has sent its claim, and gives up waiting", self.name(i))
            });
        }
        let mut t = *s;
        let was_absent = s.ops[i].has(flag::READ_ABSENT);
        t.ops[i].flags &= !flag::READ_ABSENT;
        if self.variant.claim == Claim::ReadsThenSets && s.server.entry.is_none() && !was_absent {
            t.ops[i].flags |= flag::READ_ABSENT;
            steps.add(t, || format!("{}: reads the key: nothing", self.name(i)));
            return;
        }
        let (carried, what) = match s.server.entry.filter(|_| !was_absent) {
            None => {
                self.grant(&mut t, i, n);
                (Carried::Granted, "granted")
            }
            Some(entry) if entry.is_placeholder() => (Carried::Held, "held by another"),
            Some(entry) => {
                let shown = Some(entry).filter(|_| self.remembers_answer());
                (Carried::Present(shown), "an entry is there")
            }
        };
        t.ops[i].carried = carried;
        t.ops[i].at = At::Hear(Command::Claim);
        steps.add(t, || format!("{}: claims the key: {what}", self.name(i)));
    }

    pub(crate) fn hear_claim(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let mut t = *s;
        match s.ops[i].carried {
            Carried::Granted => {
                let lost = matches!(s.nodes[n].link, Link::Lost | Link::Down);
                if lost || s.may(Fault::GrantLost) {
                    let mut t = *s;
                    if !lost {
                        t.spend(Fault::GrantLost);
                    }
                    if self.variant.unheard_grant != UnheardGrant::Never {
                        self.forget(&mut t, n);
                    }
                    Self::go_alone(&mut t, i);
                    steps.add(t, || {
                        format!(
                            "{}: the claim's reply is lost, loads without a lease",
                            self.name(i)
                        )
                    });
                }
                if self.variant.grant == Grant::OwnWrite {
                    self.forget(&mut t, n); // P2
                }
                // The grant said that nothing was there: no need to read again.
                t.ops[i].carried = Carried::Found(Some(self.placeholder(i)));
                self.advance(&mut t, i, Some(Phase::Reread));
                let forgets = self.variant.grant == Grant::OwnWrite;
                steps.add(t, || {
                    let then = if forgets {
                        ", forgets the key in memory"
                    } else {
                        ""
                    };
                    format!("{}: has the placeholder{then}", self.name(i))
                });
            }
            Carried::Present(shown) => {
                if self.variant.refresh_lease == RefreshLease::Taken {
                    t.ops[i].at = At::Ask(Command::Lease);
                    t.ops[i].carried = Carried::Leased(false, shown);
                } else {
                    self.go_on_refreshing(&mut t, i, shown);
                }
                steps.add(t, || {
                    format!("{}: something is there, a refresh", self.name(i))
                });
            }
            _ => {
                self.begin_to_wait(&mut t, i);
                steps.add(t, || format!("{}: waits for the holder", self.name(i)));
            }
        }
    }

    fn go_on_refreshing(&self, t: &mut State, i: usize, shown: Option<Entry>) {
        t.ops[i].carried = Carried::Found(shown);
        let done = if shown.is_some() {
            Phase::Reread
        } else {
            Phase::Claim
        };
        self.advance(t, i, Some(done));
    }

    /// A claim that nobody waits for any more is executed after all.
    pub(crate) fn claim_late(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let mut t = *s;
        let granted = s.server.entry.is_none();
        if granted {
            self.grant(&mut t, i, n);
        }
        t.ops[i].at = At::Hear(Command::LateClaim);
        t.ops[i].flags |= flag::ALONE; // The placeholder is nobody's.
        if !granted || self.variant.unheard_grant != UnheardGrant::AtItsReply {
            Self::finish(&mut t, i);
        }
        steps.add(t, || {
            let what = if granted { "granted" } else { "refused" };
            format!("{}: its claim is executed after all: {what}", self.name(i))
        });
    }

    pub(crate) fn hear_late_claim(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let mut t = *s;
        self.forget(&mut t, n); // P2: the reply's handler, though nobody waits for it.
        Self::finish(&mut t, i);
        steps.add(t, || {
            format!(
                "{}: the reply that nobody waits for is handled",
                self.name(i)
            )
        });
    }

    /// P3: the lease for refreshing what is there.
    pub(crate) fn lease(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let Carried::Leased(_, shown) = s.ops[i].carried else {
            return;
        };
        let mut t = *s;
        let granted = s.server.lease.is_none();
        if granted {
            t.server.lease = Some(small(i));
            self.tell(&mut t, News::Lease, Writer::Node(small(n)));
        }
        t.ops[i].carried = Carried::Leased(granted, shown);
        t.ops[i].at = At::Hear(Command::Lease);
        steps.add(t, || {
            let what = if granted {
                "granted"
            } else {
                "held by another"
            };
            format!("{}: asks for the refresh lease: {what}", self.name(i))
        });
    }

    pub(crate) fn hear_lease(&self, s: &State, i: usize, steps: &mut Steps) {
        let mut t = *s;
        if let Carried::Leased(true, shown) = s.ops[i].carried {
            self.go_on_refreshing(&mut t, i, shown);
            steps.add(t, || format!("{}: has the refresh lease", self.name(i)));
        } else {
            self.begin_to_wait(&mut t, i);
            steps.add(t, || format!("{}: waits for the holder", self.name(i)));
        }
    }

    pub(crate) fn hear_reread(&self, s: &State, i: usize, steps: &mut Steps) {
        let Carried::Found(found) = s.ops[i].carried else {
            return;
        };
        let mut t = *s;
        let gone = found.is_none_or(Entry::is_placeholder);
        if gone && self.variant.gone == Gone::ClaimsAgain {
            if s.server.lease == Some(small(i)) {
                self.end_lease(&mut t, Writer::Other);
            }
            t.ops[i].carried = Carried::Nothing;
            t.ops[i].at = At::Ask(Command::Claim);
            steps.add(t, || {
                format!(
                    "{}: what was to be refreshed is gone, begins again",
                    self.name(i)
                )
            });
        } else {
            self.advance(&mut t, i, Some(Phase::Reread));
            steps.add(t, || format!("{}: acts on the re-read", self.name(i)));
        }
    }

    /// P6: a script gives back what this load still holds.
    pub(crate) fn give_back(&self, t: &mut State, i: usize) {
        if t.server.lease == Some(small(i)) {
            self.end_lease(t, Writer::Other);
        }
        let Some(entry) = t.server.entry else {
            return;
        };
        let removed = match self.variant.release {
            Release::OwnToken => entry.id == self.token(i),
            Release::AnyPlaceholder => entry.is_placeholder(),
            Release::Anything => true,
        };
        if removed {
            self.replace(t, None, Writer::Other);
        }
    }
}
