//! A read: memory, the server, and what of its answer enters memory.

use crate::entry::{Entry, Held, Kind, Mark, Which, small};
use crate::model::{Model, Steps, shown};
use crate::situation::Policy;
use crate::state::{ALL, At, Carried, Command, KEY, State, Writer};
use crate::variant::{
    BlindPromotion, FrozenVersions, MarkerFence, PromotedLife, Promotion, ReadFrom, Reclaim,
    Rejection, Sampled,
};

impl Model<'_> {
    pub(crate) fn get(&self, s: &State, i: usize, steps: &mut Steps) {
        let n = self.operation(i).node;
        match s.ops[i].at {
            At::Start => self.begin_get(s, i, n, steps),
            At::Ask(Command::Head) => self.ask_head(s, i, steps),
            At::Hear(Command::Head) => self.hear_suspects_head(s, i, n, steps),
            At::Ask(Command::Get) => {
                let found = match self.variant.read_from {
                    ReadFrom::Primary => s.server.entry,
                    ReadFrom::Replica => s.replica.and_then(|replica| replica.entry),
                };
                let mut t = *s;
                t.ops[i].carried = Carried::Found(found);
                t.ops[i].at = At::Hear(Command::Get);
                steps.add(t, || {
                    let from = match self.variant.read_from {
                        ReadFrom::Primary => "server",
                        ReadFrom::Replica => "replica",
                    };
                    format!("{}: the {from} answers {}", self.name(i), shown(found))
                });
            }
            At::Hear(Command::Get) => self.hear_get(s, i, n, steps),
            At::Ask(Command::Marker(which)) => {
                let mut t = *s;
                let marker = self.current(s.server.markers[which.index()]);
                t.ops[i].stamps[which.index()] = marker;
                t.ops[i].at = At::Hear(Command::Marker(which));
                steps.add(t, || {
                    let (name, which) = (self.name(i), which.name());
                    format!("{name}: the server answers the {which} marker: {marker:?}")
                });
            }
            At::Hear(Command::Marker(which)) => self.hear_marker(s, i, n, which, steps),
            At::Reclaiming => self.reclaim(s, i, n, steps),
            At::Inserting => {
                let mut t = *s;
                if let Carried::Found(Some(entry)) = s.ops[i].carried {
                    self.insert(&mut t, n, entry, Mark::Copied);
                }
                if self.variant.promotion == Promotion::ThenLook {
                    t.ops[i].at = At::Looking;
                } else {
                    Self::finish(&mut t, i);
                }
                steps.add(t, || format!("{}: inserts in memory", self.name(i)));
            }
            At::Looking => {
                let mut t = *s;
                if s.ops[i].moved & KEY != 0 {
                    t.nodes[n].memory = None;
                }
                Self::finish(&mut t, i);
                steps.add(t, || format!("{}: looks at the fence again", self.name(i)));
            }
            _ => {}
        }
    }

    fn begin_get(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let (node, mut t) = (&s.nodes[n], *s);
        if self.hit(s, n).is_some() || self.is_masked(s, n) {
            Self::finish(&mut t, i);
            steps.add(t, || {
                format!("{}: is answered without the server", self.name(i))
            });
            return;
        }
        t.ops[i].floor = if node.is_trusted() {
            node.floor
        } else {
            node.floor.max(s.completed)
        };
        let suspect = node.memory.is_some_and(|held| held.mark == Mark::Suspect);
        t.ops[i].at = At::Ask(if suspect && node.is_trusted() {
            Command::Head
        } else {
            Command::Get
        });
        steps.add(t, || {
            format!("{}: misses memory, samples the fence", self.name(i))
        });
    }

    fn hear_suspects_head(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let (op, node) = (&s.ops[i], &s.nodes[n]);
        let mut t = *s;
        if let Some(held) = node.memory
            && held.mark == Mark::Suspect
        {
            let same = op.carried == Carried::Head(Some((held.entry.id, held.entry.header)));
            let kept = same && op.moved & KEY == 0 && node.is_trusted();
            t.nodes[n].memory = kept.then_some(Held::new(held.entry, Mark::Copied));
        }
        Self::finish(&mut t, i);
        steps.add(t, || format!("{}: acts on the header", self.name(i)));
    }

    fn hear_get(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let mut t = *s;
        if self.variant.sampled == Sampled::AfterReply {
            t.ops[i].moved = 0;
        }
        let ours = matches!(s.ops[i].carried, Carried::Found(Some(entry))
            if matches!(entry.kind, Kind::Fresh | Kind::Stale));
        if ours {
            self.judge(&mut t, i, n, &Which::BOTH);
        } else {
            Self::finish(&mut t, i);
        }
        steps.add(t, || {
            let what = if ours { "acts on the reply" } else { "a miss" };
            format!("{}: {what}", self.name(i))
        });
    }

    /// Compares the stamps that are left with cached versions, and asks where those don't suffice.
    fn judge(&self, t: &mut State, i: usize, n: usize, left: &[Which]) {
        let Carried::Found(Some(entry)) = t.ops[i].carried else {
            return;
        };
        for &which in left.iter().filter(|which| self.is_judged(**which)) {
            match self.version(t, n, which) {
                Some(known) if known == entry.stamps[which.index()] => {}
                Some(_) if self.variant.rejection == Rejection::FromCache => {
                    return self.miss(t, i);
                }
                _ => {
                    t.ops[i].moved &= !which.fence();
                    t.ops[i].at = At::Ask(Command::Marker(which));
                    return;
                }
            }
        }
        self.promote(t, i, n, entry);
    }

    fn miss(&self, t: &mut State, i: usize) {
        if self.variant.reclaim == Reclaim::Never {
            Self::finish(t, i);
        } else {
            t.ops[i].at = At::Reclaiming;
        }
    }

    fn promote(&self, t: &mut State, i: usize, n: usize, entry: Entry) {
        let floor = t.ops[i].floor;
        self.answer(t, i, entry.value, floor);
        let stood = t.ops[i].moved & KEY == 0;
        match self.variant.promotion {
            Promotion::TwoSteps if stood => {
                t.ops[i].at = At::Inserting;
                return;
            }
            Promotion::ThenLook => {
                t.ops[i].at = At::Inserting;
                return;
            }
            _ => {}
        }
        let entry = match self.variant.promoted_life {
            PromotedLife::Server => Entry {
                header: entry.life,
                ..entry
            },
            PromotedLife::Header => entry,
        };
        let blind = self.variant.blind_promotion == BlindPromotion::Fenced
            && self.situation.policy != Policy::Nothing
            && !t.nodes[n].is_trusted();
        if blind && t.ops[i].moved & ALL == 0 {
            t.nodes[n].memory = Some(Held::new(entry, Mark::Blind));
        } else if stood || self.variant.promotion == Promotion::Unfenced {
            self.insert(t, n, entry, Mark::Copied);
        }
        Self::finish(t, i);
    }

    fn hear_marker(&self, s: &State, i: usize, n: usize, which: Which, steps: &mut Steps) {
        let (op, mut t) = (&s.ops[i], *s);
        let version = op.stamps[which.index()];
        let fenced = self.variant.marker_fence == MarkerFence::Compared;
        let stood = op.moved & which.fence() == 0 || !fenced;
        if version.is_some() && stood && s.nodes[n].is_trusted() {
            t.nodes[n].known[which.index()] = version;
        } else {
            self.refresh_frozen(&mut t, n, which, version);
        }
        let fits = matches!(op.carried, Carried::Found(Some(entry))
            if version == Some(entry.stamps[which.index()]));
        if fits {
            let left: &[Which] = match which {
                Which::Tag => &[Which::Generation],
                Which::Generation => &[],
            };
            self.judge(&mut t, i, n, left);
        } else {
            self.miss(&mut t, i);
        }
        steps.add(t, || {
            let what = if fits { "fits" } else { "says invalid: a miss" };
            format!("{}: the {} version {what}", self.name(i), which.name())
        });
    }

    /// The mistake against D11: what is read while memory is distrusted judges what is from before.
    pub(crate) fn refresh_frozen(&self, t: &mut State, n: usize, which: Which, read: Option<u8>) {
        if self.variant.frozen_versions == FrozenVersions::Refreshed && !t.nodes[n].is_trusted() {
            t.nodes[n].known[which.index()] = read;
        }
    }

    fn reclaim(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let Carried::Found(Some(invalid)) = s.ops[i].carried else {
            return;
        };
        let mut t = *s;
        let same = s.server.entry.is_some_and(|entry| entry.id == invalid.id);
        match self.variant.reclaim {
            Reclaim::ById if same => self.replace(&mut t, None, Writer::Other),
            Reclaim::Blindly if s.server.entry.is_some() => {
                self.replace(&mut t, None, Writer::Node(small(n)));
            }
            _ => {}
        }
        Self::finish(&mut t, i);
        steps.add(t, || {
            format!("{}: removes what it has found invalid", self.name(i))
        });
    }
}
