//! The fill: a script with one condition, and what enters memory afterwards.

use crate::entry::{Entry, Kind, Mark, small};
use crate::model::{Model, Steps, shown};
use crate::state::{At, Carried, Command, KEY, State, Writer, flag};
use crate::variant::{FillAccepts, FillFence, Gone, Ids, MovedFill, RefusedFill, Renewal};

impl Model<'_> {
    /// The entry that this operation writes.
    pub(crate) fn written(&self, s: &State, i: usize) -> Entry {
        let id = match self.variant.ids {
            Ids::New => 10 + small(i),
            Ids::Reused => 1,
        };
        Entry::new(id, s.ops[i].value, s.ops[i].stamped(), Kind::Fresh)
    }

    /// P4
    fn accepts(&self, s: &State, i: usize) -> bool {
        let (seen, entry) = (s.ops[i].seen, s.server.entry);
        // An id is never reused, and "absent" is never compared.
        let same = entry.is_some_and(|entry| self.id_of(entry) == seen);
        let cold = seen == self.token(i);
        same || match self.variant.fill_accepts {
            FillAccepts::WhatWasSeen => {
                self.variant.gone == Gone::GoesOn && seen == 0 && entry.is_none()
            }
            FillAccepts::AnyPlaceholder => cold && entry.is_some_and(Entry::is_placeholder),
            FillAccepts::Absent => cold && entry.is_none(),
            FillAccepts::LeaseAlone => !cold && s.server.lease == Some(small(i)),
        }
    }

    pub(crate) fn fill(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        if self.variant.renewal != Renewal::Untried && !s.ops[i].has(flag::RENEWED) {
            let mut t = *s;
            t.ops[i].flags |= flag::RENEWED;
            if self.variant.renewal == Renewal::Recreates && s.ops[i].seen == self.token(i) {
                let placeholder = Entry::new(self.token(i), 0, [0; 2], Kind::Placeholder);
                self.replace(&mut t, Some(placeholder), Writer::Node(small(n)));
            }
            steps.add(t, || format!("{}: renews its lease", self.name(i)));
        }
        let mut t = *s;
        let stored = self.accepts(s, i);
        if stored {
            let entry = self.written(s, i);
            // A script's write is echoed to its own caller too.
            self.replace(&mut t, Some(entry), Writer::Other);
        }
        if s.server.lease == Some(small(i)) {
            self.end_lease(&mut t, Writer::Other);
        }
        t.ops[i].carried = Carried::Stored(stored);
        t.ops[i].at = At::Hear(Command::Fill);
        steps.add(t, || {
            let (name, version) = (self.name(i), s.ops[i].value);
            let what = if stored { "accepted" } else { "refused" };
            format!("{name}: its fill with version {version} is {what}")
        });
    }

    pub(crate) fn hear_fill(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let op = &s.ops[i];
        let keeps =
            op.carried == Carried::Stored(true) || self.variant.refused_fill == RefusedFill::Keeps;
        let stood = op.moved & KEY == 0 || self.variant.fill_fence == FillFence::Ignored;
        let mut t = *s;
        if keeps && !stood && self.variant.moved_fill == MovedFill::Looks {
            t.ops[i].moved = 0;
            t.ops[i].at = At::Ask(Command::Head);
            steps.add(t, || {
                format!(
                    "{}: the fence has moved: samples it anew, looks at the header",
                    self.name(i)
                )
            });
            return;
        }
        if keeps && stood {
            let entry = self.written(s, i);
            self.insert(&mut t, n, entry, Mark::Own);
        }
        self.land(&mut t, i, n, op.value);
        let kept = keeps && stood && s.nodes[n].is_trusted();
        steps.add(t, || {
            let what = if kept {
                "keeps the value"
            } else {
                "keeps nothing"
            };
            format!(
                "{}: acts on the fill's reply, {what}; its flight ends",
                self.name(i)
            )
        });
    }

    pub(crate) fn ask_head(&self, s: &State, i: usize, steps: &mut Steps) {
        let mut t = *s;
        t.ops[i].carried = Carried::Head(Self::head(s));
        t.ops[i].at = At::Hear(Command::Head);
        let found = s.server.entry;
        steps.add(t, || {
            format!(
                "{}: the server answers the header: {}",
                self.name(i),
                shown(found)
            )
        });
    }

    /// 1.2.8: kept with the life that was found.
    pub(crate) fn hear_fills_head(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let (op, entry) = (&s.ops[i], self.written(s, i));
        let mut t = *s;
        if let Carried::Head(Some((id, life))) = op.carried
            && id == entry.id
            && op.moved & KEY == 0
        {
            let entry = Entry {
                header: life,
                life,
                ..entry
            };
            self.insert(&mut t, n, entry, Mark::Own);
        }
        self.land(&mut t, i, n, op.value);
        steps.add(t, || {
            format!("{}: acts on the header; its flight ends", self.name(i))
        });
    }
}
