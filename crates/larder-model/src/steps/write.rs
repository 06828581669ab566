//! Own writes: set, delete, expire, the invalidation of a tag, clear; and a time to live that is lengthened.

use crate::entry::{Entry, Held, Life, Mark, Which, small};
use crate::model::{Model, Steps};
use crate::situation::{Action, Made};
use crate::state::{ALL, At, Carried, Command, KEY, Link, News, Node, Queued, State, Writer};
use crate::variant::{
    DeleteEnds, Detaches, DistrustedMarker, DistrustedWrite, ExpireId, ExpireMemory, Moves,
    OldConnection, OwnVersion, OwnWriteWakes, QueuedWrites, Replay, Ring, SetKeeps, SetStamps,
    Touch,
};

/// What an invalidation invalidates beside the key: a marker.
fn marker_of(action: Action) -> Option<Which> {
    match action {
        Action::InvalidateTag => Some(Which::Tag),
        Action::Clear => Some(Which::Generation),
        _ => None,
    }
}

fn fence_of(action: Action) -> u8 {
    marker_of(action).map_or(KEY, Which::fence)
}

impl Model<'_> {
    pub(crate) fn write(&self, s: &State, i: usize, steps: &mut Steps) {
        let (operation, n) = (self.operation(i), self.operation(i).node);
        match s.ops[i].at {
            At::Start => {
                let mut t = *s;
                t.origin += u8::from(operation.changes_origin);
                t.ops[i].value = t.origin;
                t.ops[i].at = At::Begin;
                let version = t.origin;
                steps.add(t, || {
                    format!("{}: the origin is at version {version}", self.name(i))
                });
            }
            At::Begin => self.begin_write(s, i, n, steps),
            At::Ask(Command::Marker(which)) => self.stamp(s, i, which, false, steps),
            At::Hear(Command::Marker(which)) => self.stamp(s, i, which, true, steps),
            At::Ask(Command::Write) => self.send(s, i, n, steps),
            At::Hear(Command::Write) => {
                if matches!(s.nodes[n].link, Link::Lost | Link::Down) {
                    let mut t = *s;
                    self.fail(&mut t, i, n);
                    Self::finish(&mut t, i);
                    steps.add(t, || {
                        format!("{}: its reply is lost{}", self.name(i), self.told())
                    });
                }
                self.complete(s, i, n, steps);
            }
            At::Ghost => {
                let alive = matches!(s.nodes[n].link, Link::Lost | Link::Down);
                if alive || self.variant.old_connection == OldConnection::Left {
                    let mut t = *s;
                    self.execute(&mut t, i, Writer::Other);
                    Self::finish(&mut t, i);
                    steps.add(t, || {
                        format!(
                            "{}: executed by the server after all, from the old connection",
                            self.name(i)
                        )
                    });
                }
                let mut t = *s;
                Self::finish(&mut t, i);
                steps.add(t, || format!("{}: never reaches the server", self.name(i)));
            }
            _ => {}
        }
    }

    fn told(&self) -> &'static str {
        if self.situation.queued {
            "; its caller is told that it is queued"
        } else {
            "; its caller gets an error"
        }
    }

    fn begin_write(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let (operation, mut t) = (self.operation(i), *s);
        if matches!(self.variant.moves, Moves::Twice | Moves::Before) {
            self.move_fences(&mut t, n, fence_of(operation.action));
        }
        if matches!(self.variant.detaches, Detaches::Twice | Detaches::Before) {
            Self::detach(&mut t, n);
        }
        t.ops[i].moved = 0;
        if operation.made == Made::AtBegin {
            t.ops[i].value = s.origin;
        }
        let is_set = operation.action == Action::Set;
        if is_set && self.variant.set_keeps == SetKeeps::BeforeServer {
            let entry = self.written(&t, i);
            self.insert(&mut t, n, entry, Mark::Own);
        }
        if is_set && self.variant.set_stamps != SetStamps::AtExecution {
            self.advance(&mut t, i, None);
        } else {
            t.ops[i].at = At::Ask(Command::Write);
        }
        steps.add(t, || {
            let moves = matches!(self.variant.moves, Moves::Twice | Moves::Before);
            let what = if moves {
                "moves and samples"
            } else {
                "samples"
            };
            format!("{}: begins, {what} the fence", self.name(i))
        });
    }

    fn send(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let node = &s.nodes[n];
        let waits = node.queued.is_some() && self.variant.queued_writes == QueuedWrites::Wait;
        if matches!(node.link, Link::Up | Link::Tracking | Link::Lost) && !waits {
            let mut t = *s;
            self.execute(&mut t, i, Writer::Node(small(n)));
            t.ops[i].at = At::Hear(Command::Write);
            if self.situation.replicated && self.variant.ring == Ring::WhenSent {
                t.nodes[n].recent = node.recent.max(s.ops[i].value);
            }
            steps.add(t, || format!("{}: executed by the server", self.name(i)));
        }
        if matches!(node.link, Link::Lost | Link::Down) {
            let mut t = *s;
            self.fail(&mut t, i, n);
            t.ops[i].at = At::Ghost;
            steps.add(t, || format!("{}: no answer{}", self.name(i), self.told()));
        }
    }

    fn execute(&self, t: &mut State, i: usize, writer: Writer) {
        let operation = self.operation(i);
        match operation.action {
            Action::Set => {
                match self.variant.set_stamps {
                    SetStamps::AtExecution => t.ops[i].stamps = t.server.markers,
                    SetStamps::Verified | SetStamps::VerifiedForTags => {
                        t.ops[i].carried = Carried::Markers(t.server.markers);
                    }
                    SetStamps::Cached | SetStamps::Asked => {}
                }
                let entry = self.written(t, i);
                self.replace(t, Some(entry), writer);
            }
            Action::Delete => {
                let spared = self.variant.delete_ends == DeleteEnds::EntriesAlone;
                let there = t
                    .server
                    .entry
                    .is_some_and(|entry| !(spared && entry.is_placeholder()));
                if there {
                    self.replace(t, None, writer);
                }
            }
            Action::Expire => {
                if let Some(entry) = t.server.entry.filter(|entry| !entry.is_placeholder()) {
                    let life = Life::Short;
                    match self.variant.expire_id {
                        // A script, so it is echoed.
                        ExpireId::New => {
                            let id = 10 + small(i);
                            let header = Life::Short;
                            let entry = Entry {
                                id,
                                header,
                                life,
                                ..entry
                            };
                            self.replace(t, Some(entry), Writer::Other);
                        }
                        // A plain `PEXPIRE`: the header keeps its words.
                        ExpireId::Kept => self.replace(t, Some(Entry { life, ..entry }), writer),
                    }
                }
            }
            Action::InvalidateTag | Action::Clear => {
                if let Some(which) = marker_of(operation.action) {
                    t.server.markers[which.index()] = Some(which.made_by(i));
                    self.tell(t, News::Marker(which), writer);
                }
            }
            _ => {}
        }
    }

    /// Whether what is in distrusted memory survives an own invalidation by a marker.
    fn survives_marker(&self, node: &Node) -> bool {
        let is_blind = node.memory.is_some_and(|held| held.mark == Mark::Blind);
        match self.variant.distrusted_marker {
            DistrustedMarker::Forgets => false,
            DistrustedMarker::ForgetsBlindAlone => !is_blind,
            DistrustedMarker::Leaves => true,
        }
    }

    /// 1.7.4: the write is queued as an invalidation, whatever becomes of it.
    fn fail(&self, t: &mut State, i: usize, n: usize) {
        let (action, value) = (self.operation(i).action, t.ops[i].value);
        let marker = marker_of(action);
        self.move_fences(t, n, ALL);
        Self::detach(t, n);
        self.wake(t, n);
        t.set_failed |= action == Action::Set;
        let node = &mut t.nodes[n];
        let left = !node.is_trusted()
            && match marker {
                None => self.variant.distrusted_write == DistrustedWrite::LeavesWhenQueued,
                Some(_) => self.survives_marker(node),
            };
        if !left {
            node.memory = None;
        }
        if let Some(which) = marker {
            node.known[which.index()] = None;
        }
        if self.variant.replay != Replay::Never {
            let mut queued = node.queued.unwrap_or(Queued {
                value: 0,
                key: false,
                as_set: false,
                markers: [false; 2],
            });
            queued.value = queued.value.max(value);
            if let Some(which) = marker {
                queued.markers[which.index()] = true;
            } else {
                queued.key = true;
                queued.as_set = action == Action::Set;
            }
            node.queued = Some(queued);
        }
        if self.situation.queued {
            node.floor = node.floor.max(value);
        }
    }

    /// The versions behind the write say that it must be written again.
    fn verified(&self, t: &mut State, i: usize) -> bool {
        let Carried::Markers(behind) = t.ops[i].carried else {
            return true;
        };
        let mut same = true;
        for which in Which::BOTH {
            let looked_at =
                which == Which::Generation || self.variant.set_stamps == SetStamps::VerifiedForTags;
            let marker = behind[which.index()];
            let differs = marker.is_some() && marker != t.ops[i].stamps[which.index()];
            if self.is_judged(which) && looked_at && differs {
                t.ops[i].stamps[which.index()] = marker;
                same = false;
            }
        }
        same
    }

    fn complete(&self, s: &State, i: usize, n: usize, steps: &mut Steps) {
        let (action, op, mut t) = (self.operation(i).action, &s.ops[i], *s);
        if !self.verified(&mut t, i) {
            t.ops[i].moved = 0;
            t.ops[i].carried = Carried::Nothing;
            t.ops[i].at = At::Ask(Command::Write);
            steps.add(t, || {
                format!(
                    "{}: the version behind the write differs, writes again",
                    self.name(i)
                )
            });
            return;
        }
        let stood = op.moved & fence_of(action) == 0;
        if matches!(self.variant.moves, Moves::Twice | Moves::After) {
            self.move_fences(&mut t, n, fence_of(action));
        }
        if matches!(self.variant.detaches, Detaches::Twice | Detaches::After) {
            Self::detach(&mut t, n);
        }
        if self.variant.own_write_wakes == OwnWriteWakes::Yes {
            self.wake(&mut t, n);
        }
        self.settle(&mut t, i, n, stood);
        let node = &mut t.nodes[n];
        node.floor = node.floor.max(op.value);
        if self.situation.replicated && self.variant.ring == Ring::WhenAnswered {
            node.recent = node.recent.max(op.value);
        }
        t.completed = t.completed.max(op.value);
        Self::finish(&mut t, i);
        steps.add(t, || {
            format!("{}: acts on the reply, completed", self.name(i))
        });
    }

    /// What memory keeps of a completed write.
    fn settle(&self, t: &mut State, i: usize, n: usize, stood: bool) {
        let action = self.operation(i).action;
        let written = self.written(t, i);
        let accepts = t.nodes[n].is_trusted() && !self.is_masked(t, n);
        let node = &mut t.nodes[n];
        let left =
            !node.is_trusted() && self.variant.distrusted_write == DistrustedWrite::LeavesWhenDone;
        match (marker_of(action), action) {
            (Some(which), _) => {
                let kept = match self.variant.own_version {
                    OwnVersion::Fenced => stood,
                    OwnVersion::Unfenced => true,
                    OwnVersion::Forgotten => false,
                };
                let version = (kept && node.is_trusted()).then(|| which.made_by(i));
                node.known[which.index()] = version;
                if !node.is_trusted() && !self.survives_marker(node) {
                    node.memory = None;
                }
            }
            (None, Action::Set) => {
                let kept = match self.variant.set_keeps {
                    SetKeeps::Unfenced => true,
                    SetKeeps::Nothing => false,
                    _ => stood,
                };
                if kept && accepts {
                    node.memory = Some(Held::new(written, Mark::Own));
                } else if !left && self.variant.set_keeps != SetKeeps::FencedOrLeaves {
                    node.memory = None;
                }
            }
            (None, Action::Expire) if self.variant.expire_memory == ExpireMemory::Adjusts => {
                if let Some(held) = &mut node.memory {
                    held.entry.header = Life::Short;
                    held.entry.life = Life::Short;
                }
            }
            _ if left => {}
            _ => node.memory = None,
        }
    }

    /// Lengthens a time to live: it changes no value, but the server counts it as a write of the key.
    pub(crate) fn touch(&self, s: &State, i: usize, steps: &mut Steps) {
        let (operation, n) = (self.operation(i), self.operation(i).node);
        let is_key = operation.action == Action::Touch;
        let mut t = *s;
        if s.ops[i].at == At::Start {
            let (news, there) = if is_key {
                (News::Entry, s.server.entry.is_some())
            } else {
                (News::Marker(Which::Tag), s.server.markers[0].is_some())
            };
            if there {
                let writer = match self.variant.touch {
                    Touch::Script => Writer::Other,
                    Touch::PlainThenForgets | Touch::Plain => Writer::Node(small(n)),
                };
                self.tell(&mut t, news, writer);
            }
            t.ops[i].at = At::Hear(Command::Write);
            steps.add(t, || format!("{}: executed by the server", self.name(i)));
            return;
        }
        if self.variant.touch == Touch::PlainThenForgets {
            if is_key {
                self.forget(&mut t, n);
            } else {
                self.move_fences(&mut t, n, Which::Tag.fence());
                t.nodes[n].known[0] = None;
            }
        }
        Self::finish(&mut t, i);
        steps.add(t, || format!("{}: acts on the reply", self.name(i)));
    }
}
