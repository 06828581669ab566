//! The atomic steps. Each `await` of the code is a border between two of them.

mod claim;
mod fill;
mod foreign;
mod link;
mod load;
mod news;
mod read;
mod stamps;
mod world;
mod write;

use crate::model::{Model, Steps};
use crate::situation::Action;
use crate::state::{At, State};

impl Model<'_> {
    /// Everything that may happen next.
    pub(crate) fn successors(&self, s: &State, steps: &mut Steps) {
        for i in 0..self.situation.ops.len() {
            let (operation, at) = (self.operation(i), s.ops[i].at);
            let waits = operation.after.is_some_and(|first| {
                at == At::Start && !matches!(s.ops[first].at, At::Done | At::Ghost)
            });
            if at == At::Done || waits {
                continue;
            }
            match operation.action {
                Action::Load => self.load(s, i, steps),
                Action::Get => self.get(s, i, steps),
                Action::Join => self.join(s, i, steps),
                Action::Set
                | Action::Delete
                | Action::Expire
                | Action::InvalidateTag
                | Action::Clear => self.write(s, i, steps),
                Action::Touch | Action::TouchTag => self.touch(s, i, steps),
                Action::ForeignDelete
                | Action::ForeignSet
                | Action::ForeignExpire
                | Action::ForeignPersist
                | Action::Flush => self.foreign(s, i, steps),
            }
        }
        for n in 0..s.nodes.len() {
            self.news(s, n, steps);
            self.heartbeat(s, n, steps);
            self.link(s, n, steps);
        }
        self.world(s, steps);
    }
}
