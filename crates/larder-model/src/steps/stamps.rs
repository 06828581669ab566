//! Reading versions: the markers that a load or a set asks for, and the order of a load's phases.

use crate::entry::{Kind, Which, small};
use crate::model::{Model, Steps};
use crate::situation::{Action, Made};
use crate::state::{At, Carried, Command, KEY, News, State, Writer, flag};
use crate::variant::{
    CreatedMarker, LostMarker, MarkerFence, MissingMarker, Rejection, SetStamps, TagsRead,
};

/// What a load or a set does, in order. Those that need nobody else are done on the way to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The versions that are known now are remembered (1.2.6).
    Note,
    Claim,
    Reread,
    Version(Which),
    /// Adopt what is there, or remember its id.
    Decide,
    /// Remember its id.
    See,
    Load,
    /// The loader has returned, and something follows here.
    Back,
    /// Is the tag's version still the one that was noted?
    Compare,
    Fill,
    Write,
}

const BEFORE_LOADER: &[Phase] = &[
    Phase::Claim,
    Phase::Reread,
    Phase::Version(Which::Tag),
    Phase::Version(Which::Generation),
    Phase::Decide,
    Phase::Load,
    Phase::Fill,
];
const AFTER_LOADER: &[Phase] = &[
    Phase::Claim,
    Phase::Reread,
    Phase::See,
    Phase::Load,
    Phase::Back,
    Phase::Version(Which::Tag),
    Phase::Version(Which::Generation),
    Phase::Fill,
];
const HELD_SINCE_BEFORE: &[Phase] = &[
    Phase::Note,
    Phase::Claim,
    Phase::Reread,
    Phase::Version(Which::Generation),
    Phase::See,
    Phase::Load,
    Phase::Back,
    Phase::Compare,
    Phase::Fill,
];
const WRITE: &[Phase] = &[
    Phase::Version(Which::Tag),
    Phase::Version(Which::Generation),
    Phase::Write,
];

impl Model<'_> {
    fn phases(&self, i: usize) -> &'static [Phase] {
        match (self.operation(i).action, self.variant.tags_read) {
            (Action::Load, TagsRead::BeforeLoader) => BEFORE_LOADER,
            (Action::Load, TagsRead::AfterLoader) => AFTER_LOADER,
            (Action::Load, TagsRead::HeldSinceBefore) => HELD_SINCE_BEFORE,
            _ => WRITE,
        }
    }

    /// Goes on to the next phase that needs somebody else.
    pub(crate) fn advance(&self, s: &mut State, i: usize, done: Option<Phase>) {
        let phases = self.phases(i);
        let next = done.map_or(0, |done| {
            let at = phases.iter().position(|phase| *phase == done);
            at.expect("a phase of this operation") + 1
        });
        for &phase in &phases[next..] {
            if self.enter(s, i, phase) {
                return;
            }
        }
    }

    /// Begins a phase; answers whether it takes a step of its own.
    fn enter(&self, s: &mut State, i: usize, phase: Phase) -> bool {
        let n = self.operation(i).node;
        match phase {
            Phase::Version(which) => {
                if !self.is_judged(which) {
                    return false;
                }
                let asks = self.operation(i).action == Action::Set
                    && self.variant.set_stamps == SetStamps::Asked;
                let known = self.version(s, n, which).filter(|_| !asks);
                if known.is_some() {
                    s.ops[i].stamps[which.index()] = known;
                    return false;
                }
                s.ops[i].moved &= !which.fence(); // Sampled before it is asked for.
                s.ops[i].at = At::Ask(Command::Marker(which));
            }
            Phase::Note => {
                s.ops[i].stamps[0] = self.version(s, n, Which::Tag);
                return false;
            }
            Phase::Compare => {
                let noted = s.ops[i].stamps[0];
                // Versions are never reused, so equal means unchanged all the while.
                if noted.is_some() && noted == self.version(s, n, Which::Tag) {
                    return false;
                }
                s.ops[i].at = At::LateTag;
            }
            Phase::See => {
                self.see(s, i);
                return false;
            }
            Phase::Decide => return self.decide(s, i, n),
            Phase::Claim => s.ops[i].at = At::Ask(Command::Claim),
            Phase::Reread => s.ops[i].at = At::Ask(Command::Reread),
            Phase::Load => s.ops[i].at = At::Loading,
            Phase::Back => s.ops[i].at = At::Loaded,
            Phase::Fill => {
                s.ops[i].moved &= !KEY; // 1.2.7
                s.ops[i].at = At::Ask(Command::Fill);
            }
            Phase::Write => s.ops[i].at = At::Ask(Command::Write),
        }
        true
    }

    fn see(&self, s: &mut State, i: usize) {
        if let Carried::Found(found) = s.ops[i].carried {
            s.ops[i].seen = found.map_or(0, |entry| self.id_of(entry));
        }
        s.ops[i].carried = Carried::Nothing;
    }

    /// What is there is adopted if it is fresh and of the right versions (1.2.4).
    fn decide(&self, s: &mut State, i: usize, n: usize) -> bool {
        let op = &s.ops[i];
        if let Carried::Found(Some(entry)) = op.carried
            && entry.kind == Kind::Fresh
        {
            if entry.stamps == op.stamped() {
                s.ops[i].at = At::Adopting;
                return true;
            }
            let cached = Which::BOTH
                .into_iter()
                .any(|which| self.is_judged(which) && s.nodes[n].known[which.index()].is_some());
            let asks = self.variant.rejection == Rejection::AsksFirst;
            if asks && cached && !op.has(flag::CONFIRMED) {
                s.ops[i].flags |= flag::CONFIRMED;
                s.nodes[n].known = [None; 2];
                self.advance(s, i, Some(Phase::Reread)); // Decides again, by what the server says.
                return true;
            }
        }
        self.see(s, i);
        false
    }

    /// `SET marker random NX GET`, and its reply.
    pub(crate) fn stamp(&self, s: &State, i: usize, which: Which, heard: bool, steps: &mut Steps) {
        let mut t = *s;
        if heard {
            self.take_version(&mut t, i, which);
            steps.add(t, || {
                format!("{}: takes the {} version", self.name(i), which.name())
            });
            return;
        }
        let (before, op) = (s.server.markers[which.index()], &s.ops[i]);
        if self.variant.lost_marker == LostMarker::NewAfterRead
            && before.is_none()
            && !op.has(flag::READ_ABSENT)
        {
            t.ops[i].flags |= flag::READ_ABSENT;
            steps.add(t, || {
                format!(
                    "{}: reads the {} marker: nothing",
                    self.name(i),
                    which.name()
                )
            });
            return;
        }
        let version = self.create_marker(&mut t, i, which);
        if t.server.markers[which.index()] != before {
            t.ops[i].flags |= flag::CREATED;
        }
        if which == Which::Tag && self.operation(i).made == Made::WithStamps {
            t.ops[i].value = s.origin;
        }
        t.ops[i].flags &= !flag::READ_ABSENT;
        t.ops[i].stamps[which.index()] = Some(version);
        t.ops[i].at = At::Hear(Command::Marker(which));
        steps.add(t, || {
            let made = if before.is_none() { ", made now" } else { "" };
            format!(
                "{}: the server answers {} version {version}{made}",
                self.name(i),
                which.name()
            )
        });
    }

    /// The one that exists wins.
    fn create_marker(&self, t: &mut State, i: usize, which: Which) -> u8 {
        let overwrites =
            self.variant.lost_marker == LostMarker::NewAfterRead && t.ops[i].has(flag::READ_ABSENT);
        if let Some(version) = t.server.markers[which.index()]
            && !overwrites
        {
            return version;
        }
        if self.variant.missing_marker == MissingMarker::Zero {
            return 0;
        }
        let version = match self.variant.lost_marker {
            LostMarker::Restored => which.first(),
            LostMarker::NewIfAbsent | LostMarker::NewAfterRead => which.made_by(i),
        };
        t.server.markers[which.index()] = Some(version);
        let writer = Writer::Node(small(self.operation(i).node));
        self.tell(t, News::Marker(which), writer);
        version
    }

    /// The version enters the cache under its fence, and is used either way.
    fn take_version(&self, t: &mut State, i: usize, which: Which) {
        let (n, op) = (self.operation(i).node, t.ops[i]);
        let unfenced = self.variant.marker_fence == MarkerFence::Ignored;
        let stood = t.nodes[n].is_trusted() && (unfenced || op.moved & which.fence() == 0);
        let version = op.stamps[which.index()];
        let created =
            op.has(flag::CREATED) && self.variant.created_marker == CreatedMarker::OwnWrite;
        if created {
            // A plain write of ours may have hidden somebody else's (R1).
            self.move_fences(t, n, which.fence());
            t.nodes[n].known[which.index()] = version.filter(|_| stood);
        } else if stood {
            t.nodes[n].known[which.index()] = version;
        } else {
            self.refresh_frozen(t, n, which, version);
        }
        t.ops[i].flags &= !flag::CREATED;
        self.advance(t, i, Some(Phase::Version(which)));
    }
}
