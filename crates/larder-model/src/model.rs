//! The words that all steps are written in: what a node knows, what it does to its memory, what the server tells.

use crate::entry::{Entry, Head, Held, Kind, Mark, Which, small};
use crate::situation::{Action, First, MAX_OPERATIONS, Operation, Policy, Situation};
use crate::state::{
    ALL, At, Beat, Link, Look, News, Node, Op, Queue, Server, Slip, State, Writer, flag,
};
use crate::variant::{
    BeforeAtTrust, BlindAtTrust, Connection, DistrustedHits, DistrustedVersions, Emptied,
    ForeignId, LossDetaches, MissingMarker, QueuedReads, Rounds, Token, TrustDetaches, TrustMoves,
    TrustWakes, Variant,
};

/// A situation under a variant of the protocol.
#[derive(Clone, Copy)]
pub(crate) struct Model<'a> {
    pub(crate) situation: &'a Situation,
    pub(crate) variant: &'a Variant,
}

/// The states that may follow one, each with the step that leads there. Steps are named only where a trace is
/// wanted.
pub(crate) struct Steps {
    pub(crate) list: Vec<(State, String)>,
    named: bool,
}

impl Steps {
    pub(crate) fn new(named: bool) -> Self {
        let list = Vec::new();
        Self { list, named }
    }

    pub(crate) fn add(&mut self, next: State, name: impl FnOnce() -> String) {
        let name = if self.named { name() } else { String::new() };
        self.list.push((next, name));
    }
}

/// A hit in memory, as its reader sees it.
#[derive(Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) held: Held,
    pub(crate) stale: bool,
}

impl Model<'_> {
    pub(crate) fn initial(&self) -> State {
        let situation = self.situation;
        let markers = Which::BOTH.map(|which| {
            let marked = which == Which::Generation || situation.marked;
            (situation.judged[which.index()] && marked).then(|| which.first())
        });
        let stamps = markers.map(|marker| marker.unwrap_or(0));
        let entry = match situation.first {
            First::Nothing => None,
            First::Fresh => Some(Entry::new(1, 0, stamps, Kind::Fresh)),
            First::Stale => Some(Entry::new(1, 0, stamps, Kind::Stale)),
            First::Foreign => Some(Entry::new(1, 0, [0; 2], Kind::Foreign)),
        };
        let server = Server {
            entry,
            lease: None,
            markers,
        };
        let node = |index: usize| Node {
            memory: entry
                .filter(|_| situation.held_by.contains(&index))
                .map(|entry| Held::new(entry, Mark::Copied)),
            known: if situation.warm { markers } else { [None; 2] },
            pushes: Queue::default(),
            look: Look::Idle,
            half_told: false,
            beat: Beat::Idle,
            link: Link::Up,
            floor: 0,
            flight: None,
            queued: None,
            recent: 0,
            noticed: 0,
            window: false,
            overdue: false,
        };
        let mut ops = [Op::new(At::Done); MAX_OPERATIONS];
        for op in &mut ops[..situation.ops.len()] {
            *op = Op::new(At::Start);
        }
        State {
            origin: 0,
            completed: 0,
            server,
            replica: situation.replicated.then_some(server),
            loads: 0,
            round: [None; 4],
            faults: situation.faults,
            nodes: [node(0), node(1)],
            ops,
            set_failed: false,
            slip: None,
        }
    }

    pub(crate) fn operation(&self, i: usize) -> &Operation {
        &self.situation.ops[i]
    }

    pub(crate) fn name(&self, i: usize) -> String {
        self.operation(i).name(i)
    }

    /// The operations of a node that are under way.
    pub(crate) fn running(&self, s: &State, n: usize) -> impl Iterator<Item = usize> + use<'_> {
        let ops = s.ops;
        (0..self.situation.ops.len()).filter(move |&i| {
            self.operation(i).node == n && !matches!(ops[i].at, At::Start | At::Done)
        })
    }

    pub(crate) fn is_judged(&self, which: Which) -> bool {
        self.situation.judged[which.index()]
    }

    // What the server does.

    /// It notes a change of this round.
    pub(crate) fn tell(&self, s: &mut State, news: News, writer: Writer) {
        if news == News::Lease && !self.situation.waiters {
            return;
        }
        match self.variant.rounds {
            Rounds::Merged => s.round[news.index()] = Some(writer),
            Rounds::Separate => self.dispatch(s, news, writer),
        }
    }

    /// It tells whoever tracks, but for the writer.
    pub(crate) fn dispatch(&self, s: &mut State, news: News, writer: Writer) {
        for (n, node) in s.nodes.iter_mut().enumerate() {
            let told = match (writer, self.variant.connection) {
                (Writer::Other, _) | (_, Connection::Untracked) => true,
                (Writer::Node(_), Connection::Shared) => false,
                (Writer::Node(by), Connection::Own) => usize::from(by) != n,
            };
            if told && matches!(node.link, Link::Up | Link::Tracking) {
                node.pushes.push(news);
            }
        }
    }

    pub(crate) fn replace(&self, s: &mut State, entry: Option<Entry>, writer: Writer) {
        s.server.entry = entry;
        self.tell(s, News::Entry, writer);
    }

    pub(crate) fn end_lease(&self, s: &mut State, writer: Writer) {
        if s.server.lease.take().is_some() {
            self.tell(s, News::Lease, writer);
        }
    }

    pub(crate) fn current(&self, marker: Option<u8>) -> Option<u8> {
        match self.variant.missing_marker {
            MissingMarker::Invalid => marker,
            MissingMarker::Zero => marker.or(Some(0)),
        }
    }

    pub(crate) fn head(s: &State) -> Head {
        s.server.entry.map(|entry| (entry.id, entry.life))
    }

    /// What the server itself says of an entry: a reader without caches would see it.
    pub(crate) fn is_valid(&self, s: &State, entry: Entry) -> bool {
        matches!(entry.kind, Kind::Fresh | Kind::Stale)
            && Which::BOTH.into_iter().all(|which| {
                let marker = s.server.markers[which.index()];
                !self.is_judged(which) || self.current(marker) == Some(entry.stamps[which.index()])
            })
    }

    // What a node knows.

    /// The id that a fill compares.
    pub(crate) fn id_of(&self, entry: Entry) -> u8 {
        if entry.kind == Kind::Foreign && self.variant.foreign_id == ForeignId::OneForAll {
            250
        } else {
            entry.id
        }
    }

    /// What the placeholder of a load is known by.
    pub(crate) fn token(&self, i: usize) -> u8 {
        match self.variant.token {
            Token::Claim => 60 + small(i),
            Token::Node => 70 + small(self.operation(i).node),
        }
    }

    /// The version that a node goes by, if it goes by any.
    pub(crate) fn version(&self, s: &State, n: usize, which: Which) -> Option<u8> {
        let used = self.variant.distrusted_versions == DistrustedVersions::Used;
        (s.nodes[n].is_trusted() || used)
            .then_some(s.nodes[n].known[which.index()])
            .flatten()
    }

    /// Whether the stamps of an entry are those that the node knows.
    fn fits(&self, node: &Node, entry: Entry) -> bool {
        Which::BOTH.into_iter().all(|which| {
            let stamp = Some(entry.stamps[which.index()]);
            !self.is_judged(which) || node.known[which.index()] == stamp
        })
    }

    /// What memory answers.
    pub(crate) fn hit(&self, s: &State, n: usize) -> Option<Hit> {
        let node = &s.nodes[n];
        let held = node.memory?;
        let fresh = Hit { held, stale: false };
        if node.is_trusted() {
            return (held.mark != Mark::Suspect && self.fits(node, held.entry)).then_some(fresh);
        }
        match (self.situation.policy, held.mark) {
            (Policy::Nothing, _) | (_, Mark::Suspect) => None,
            (_, Mark::Blind) => Some(fresh),
            (Policy::ServeFor, Mark::Before) => {
                (node.window && self.fits(node, held.entry)).then_some(Hit { held, stale: true })
            }
            _ => (self.variant.distrusted_hits == DistrustedHits::Everything).then_some(fresh),
        }
    }

    /// Whether reads of the key are kept from the server, because an invalidation is still to be delivered.
    pub(crate) fn is_masked(&self, s: &State, n: usize) -> bool {
        s.nodes[n].queued.is_some() && self.variant.queued_reads == QueuedReads::Miss
    }

    // What a node does.

    /// Moves fences: every operation in flight there will see it.
    pub(crate) fn move_fences(&self, s: &mut State, n: usize, fences: u8) {
        for i in self.running(s, n) {
            s.ops[i].moved |= fences;
        }
    }

    /// What has been read from the server, or acknowledged by it, enters memory if memory is trusted.
    pub(crate) fn insert(&self, s: &mut State, n: usize, entry: Entry, mark: Mark) {
        if s.nodes[n].is_trusted() && !self.is_masked(s, n) {
            s.nodes[n].memory = Some(Held::new(entry, mark));
        }
    }

    pub(crate) fn detach(s: &mut State, n: usize) {
        if let Some(flight) = s.nodes[n].flight {
            s.ops[usize::from(flight)].flags |= flag::DETACHED;
        }
    }

    pub(crate) fn wake(&self, s: &mut State, n: usize) {
        for i in self.running(s, n) {
            if self.operation(i).action == Action::Load {
                s.ops[i].flags |= flag::WOKEN;
            }
        }
    }

    pub(crate) fn finish(s: &mut State, i: usize) {
        s.ops[i] = Op::new(At::Done);
    }

    pub(crate) fn leave_flight(s: &mut State, n: usize, i: usize) {
        if s.nodes[n].flight == Some(small(i)) {
            s.nodes[n].flight = None;
        }
    }

    /// A caller gets a value.
    pub(crate) fn answer(&self, s: &mut State, i: usize, value: u8, floor: u8) {
        if value < floor && self.situation.checked == crate::situation::Checked::Always {
            let op = small(i);
            s.slip = Some(Slip::Older { op, value, floor });
        }
    }

    /// All that a node remembers may be old: it forgets it, or marks it.
    pub(crate) fn empty(&self, s: &mut State, n: usize) {
        let node = &mut s.nodes[n];
        node.memory = match (self.variant.emptied, node.memory) {
            (Emptied::KeptAsSuspects, Some(held)) if held.mark != Mark::Blind => {
                Some(Held::new(held.entry, Mark::Suspect))
            }
            _ => None,
        };
        node.known = [None; 2];
        self.stir(s, n);
    }

    /// The rest of it: fences move, flights are detached, who waits is woken.
    fn stir(&self, s: &mut State, n: usize) {
        let node = &mut s.nodes[n];
        node.look = Look::Idle;
        node.half_told = false;
        let (regained, lost) = (node.link == Link::Up, node.link == Link::Down);
        if !(regained && self.variant.trust_moves == TrustMoves::Nothing) {
            self.move_fences(s, n, ALL);
        }
        let attached = lost && self.variant.loss_detaches == LossDetaches::No
            || regained && self.variant.trust_detaches == TrustDetaches::No;
        if !attached {
            Self::detach(s, n);
        }
        if self.variant.trust_wakes == TrustWakes::Yes {
            self.wake(s, n);
        }
    }

    /// A lost link is noticed: from this step on memory is distrusted.
    pub(crate) fn distrust(&self, s: &mut State, n: usize) {
        let node = &mut s.nodes[n];
        node.link = Link::Down;
        node.noticed = s.completed;
        node.window = self.situation.policy == Policy::ServeFor;
        match self.variant.emptied {
            Emptied::AtTrust | Emptied::Never => {}
            _ if node.window => {
                if let Some(held) = &mut node.memory {
                    held.mark = Mark::Before;
                }
                self.stir(s, n);
            }
            // What is forgotten can't be served, so the mistake is not to forget it here.
            _ if self.variant.distrusted_hits == DistrustedHits::Everything => self.stir(s, n),
            _ => self.empty(s, n),
        }
    }

    /// The link is back and everything is in order: memory is trusted from this step on.
    pub(crate) fn trust(&self, s: &mut State, n: usize) {
        let node = &mut s.nodes[n];
        let before = node.memory;
        match self.variant.emptied {
            Emptied::AtLossAndTrust | Emptied::AtTrust | Emptied::KeptAsSuspects => {
                self.empty(s, n);
            }
            Emptied::AtLoss | Emptied::Never => {}
        }
        let kept = before.filter(|held| match held.mark {
            Mark::Blind => self.variant.blind_at_trust == BlindAtTrust::Kept,
            Mark::Before => self.variant.before_at_trust == BeforeAtTrust::Kept,
            Mark::Own | Mark::Copied | Mark::Suspect => false,
        });
        let node = &mut s.nodes[n];
        if kept.is_some() {
            node.memory = kept;
        }
        node.floor = node.floor.max(s.completed);
        (node.noticed, node.window, node.overdue) = (0, false, false);
    }
}

/// How an entry is called in traces.
pub(crate) fn shown(entry: Option<Entry>) -> String {
    match entry {
        None => "nothing".to_owned(),
        Some(entry) if entry.is_placeholder() => format!("placeholder {}", entry.id),
        Some(entry) if entry.kind == Kind::Foreign => format!("foreign string {}", entry.id),
        Some(Entry { id, value, .. }) => format!("entry {id} (version {value})"),
    }
}

pub(crate) fn node_name(n: usize) -> &'static str {
    ["node A", "node B"][n]
}
