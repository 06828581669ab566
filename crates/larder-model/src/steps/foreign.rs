//! Other programs that use the same server.

use crate::entry::{Entry, Kind, Life, Which, small};
use crate::model::{Model, Steps};
use crate::situation::Action;
use crate::state::{At, Beat, Command, State, Writer};

impl Model<'_> {
    pub(crate) fn foreign(&self, s: &State, i: usize, steps: &mut Steps) {
        let (operation, mut t) = (self.operation(i), *s);
        if s.ops[i].at == At::Start {
            t.origin += u8::from(operation.changes_origin);
            t.ops[i].value = t.origin;
            t.ops[i].at = At::Ask(Command::Write);
            let version = t.origin;
            steps.add(t, || {
                format!("{}: the origin is at version {version}", self.name(i))
            });
            return;
        }
        let value = s.ops[i].value;
        match operation.action {
            Action::ForeignDelete => {
                if s.server.entry.is_some() {
                    self.replace(&mut t, None, Writer::Other);
                }
                t.completed = t.completed.max(value);
            }
            Action::ForeignSet => {
                let string = Entry::new(10 + small(i), 0, [0; 2], Kind::Foreign);
                self.replace(&mut t, Some(string), Writer::Other);
                t.completed = t.completed.max(value);
            }
            Action::ForeignExpire => {
                if let Some(entry) = s.server.entry {
                    let life = Life::Short;
                    self.replace(&mut t, Some(Entry { life, ..entry }), Writer::Other);
                }
            }
            Action::ForeignPersist => {
                if let Some(entry) = s.server.entry.filter(|entry| entry.is_placeholder()) {
                    let life = Life::Never;
                    self.replace(&mut t, Some(Entry { life, ..entry }), Writer::Other);
                }
            }
            _ => Self::flush(&mut t, value),
        }
        Self::finish(&mut t, i);
        steps.add(t, || format!("{}: executed by the server", self.name(i)));
    }

    /// Its push is a null, which doesn't arrive; the heartbeat finds that the generation's marker is gone.
    fn flush(t: &mut State, value: u8) {
        t.server.entry = None;
        t.server.lease = None;
        for which in Which::BOTH {
            t.server.markers[which.index()] = None;
        }
        t.completed = t.completed.max(value);
        for node in &mut t.nodes {
            node.beat = Beat::Due;
        }
    }
}
