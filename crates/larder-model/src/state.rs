//! One moment of the modelled world: the origin, the server, two nodes, and the operations in flight.
//!
//! It is kept small, because millions are. A fence is no number but a bit of each operation in flight, "it
//! has moved since you sampled it". Ids and versions are named after the operation that makes them. Time is
//! no quantity: what time can do, it may do at any moment. A hit in memory is no operation: each state is
//! asked what a hit would return.

use crate::entry::{Entry, Head, Held, Which};
use crate::situation::{Fault, MAX_OPERATIONS};

/// The fence of the key, as a bit of [`Op::moved`].
pub(crate) const KEY: u8 = 1;
/// All the fences of a node.
pub(crate) const ALL: u8 = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Link {
    Up,
    /// Lost, and nobody has noticed.
    Lost,
    /// Noticed: memory is distrusted.
    Down,
    /// Connected again, tracking is on, memory is not trusted yet.
    Tracking,
    /// Trusted before tracking is on: a mistake.
    Untracked,
}

/// A name that a push tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum News {
    Entry,
    Lease,
    Marker(Which),
}

impl News {
    pub(crate) const ALL: [Self; 4] = [
        Self::Entry,
        Self::Lease,
        Self::Marker(Which::Tag),
        Self::Marker(Which::Generation),
    ];

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Entry => 0,
            Self::Lease => 1,
            Self::Marker(which) => 2 + which.index(),
        }
    }
}

/// Pushes on their way to a node, in order; four bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Queue(u64);

impl Queue {
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn push(&mut self, news: News) {
        let used = (u64::BITS - self.0.leading_zeros()).div_ceil(4) * 4;
        assert!(used < u64::BITS, "a situation makes fewer pushes than that");
        self.0 |= (news.index() as u64 + 1) << used;
    }

    pub(crate) fn pop(&mut self) -> Option<News> {
        let first = usize::try_from(self.0 & 15).unwrap_or(0);
        self.0 >>= 4;
        News::ALL.get(first.checked_sub(1)?).copied()
    }
}

/// Who has written, as far as the server's tracking goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    Node(u8),
    /// A foreign client, or a script, or the server itself: everybody is told.
    Other,
}

/// A header read that a push has caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Look {
    Idle,
    Due,
    Answered { head: Head, again: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Beat {
    Idle,
    Due,
    Read(Option<u8>),
}

/// Invalidations that are still to be delivered: for which version of the origin, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Queued {
    pub(crate) value: u8,
    pub(crate) key: bool,
    pub(crate) as_set: bool,
    pub(crate) markers: [bool; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) memory: Option<Held>,
    /// The cached versions.
    pub(crate) known: [Option<u8>; 2],
    pub(crate) pushes: Queue,
    pub(crate) look: Look,
    /// The push handler has done one of its halves.
    pub(crate) half_told: bool,
    pub(crate) beat: Beat,
    pub(crate) link: Link,
    /// The newest version whose invalidation has completed here, or was promised here.
    pub(crate) floor: u8,
    pub(crate) flight: Option<u8>,
    pub(crate) queued: Option<Queued>,
    /// The newest version whose invalidation may not be replicated yet.
    pub(crate) recent: u8,
    /// While distrusted: the newest version whose invalidation, by anybody, had completed when the loss was noticed.
    pub(crate) noticed: u8,
    /// While distrusted: whether entries from before are still served.
    pub(crate) window: bool,
    /// While distrusted: whether the time for which they may be served is over.
    pub(crate) overdue: bool,
}

impl Node {
    pub(crate) fn is_trusted(&self) -> bool {
        matches!(self.link, Link::Up | Link::Lost | Link::Untracked)
    }
}

/// What a server keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) entry: Option<Entry>,
    /// Which operation has the lease for refreshing the entry.
    pub(crate) lease: Option<u8>,
    pub(crate) markers: [Option<u8>; 2],
}

/// A command of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    Claim,
    Lease,
    Reread,
    Marker(Which),
    Fill,
    Head,
    Get,
    Write,
    /// A claim whose load has given up.
    LateClaim,
}

/// Where an operation stands. Each value is a border between two atomic steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Start,
    /// The server executes it next.
    Ask(Command),
    /// The node acts on its reply next.
    Hear(Command),
    Waiting,
    Adopting,
    Loading,
    Loaded,
    LateTag,
    Failed,
    /// A load without a lease has its value.
    Blind,
    /// It has compared its fences before it inserts: a mistake.
    BlindCompared,
    Reclaiming,
    Inserting,
    Looking,
    Joined,
    Begin,
    /// The caller has its answer, and the command may still be executed.
    Ghost,
    Done,
}

/// What a reply has brought, until it is acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Carried {
    Nothing,
    Found(Option<Entry>),
    Granted,
    Held,
    /// Something stands under the key; with what the claim's answer has shown of it, if that is used.
    Present(Option<Entry>),
    /// Whether a refresh lease was granted, and what the claim had shown.
    Leased(bool, Option<Entry>),
    Stored(bool),
    Head(Head),
    Flight(u8),
    /// The markers as they were behind the write.
    Markers([Option<u8>; 2]),
}

/// Flags of an operation.
pub(crate) mod flag {
    pub(crate) const WOKEN: u8 = 1;
    pub(crate) const DETACHED: u8 = 2;
    pub(crate) const RENEWED: u8 = 4;
    pub(crate) const CONFIRMED: u8 = 8;
    pub(crate) const CREATED: u8 = 16;
    /// Loads without a lease.
    pub(crate) const ALONE: u8 = 32;
    /// A marker was read and not there, and is written next.
    pub(crate) const READ_ABSENT: u8 = 64;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Op {
    pub(crate) at: At,
    /// The fences that have moved since they were sampled.
    pub(crate) moved: u8,
    /// What had completed when it began: it must return nothing older.
    pub(crate) floor: u8,
    pub(crate) value: u8,
    pub(crate) carried: Carried,
    pub(crate) stamps: [Option<u8>; 2],
    /// The id that a fill compares; 0 for "absent".
    pub(crate) seen: u8,
    pub(crate) flags: u8,
}

impl Op {
    pub(crate) fn new(at: At) -> Self {
        Self {
            at,
            moved: 0,
            floor: 0,
            value: 0,
            carried: Carried::Nothing,
            stamps: [None; 2],
            seen: 0,
            flags: 0,
        }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The stamps that it writes.
    pub(crate) fn stamped(&self) -> [u8; 2] {
        self.stamps.map(|stamp| stamp.unwrap_or(0))
    }
}

/// What an operation has done wrong by itself; what a state shows is found in `checks.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Slip {
    Older { op: u8, value: u8, floor: u8 },
    SecondLoad,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The version of the origin.
    pub(crate) origin: u8,
    /// The newest version whose invalidation has completed, by anybody.
    pub(crate) completed: u8,
    pub(crate) server: Server,
    pub(crate) replica: Option<Server>,
    pub(crate) loads: u8,
    /// What has changed in the server's present round, with the last writer of each.
    pub(crate) round: [Option<Writer>; 4],
    /// How often each fault may still happen.
    pub(crate) faults: [u8; Fault::COUNT],
    pub(crate) nodes: [Node; 2],
    pub(crate) ops: [Op; MAX_OPERATIONS],
    /// A set has failed, so nobody expects to find it.
    pub(crate) set_failed: bool,
    pub(crate) slip: Option<Slip>,
}

impl State {
    /// Takes one of a fault's chances.
    pub(crate) fn spend(&mut self, fault: Fault) {
        self.faults[fault as usize] -= 1;
    }

    pub(crate) fn may(&self, fault: Fault) -> bool {
        self.faults[fault as usize] > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_leave_in_the_order_they_came() {
        let mut queue = Queue::default();
        let sent = [News::ALL[0], News::ALL[3], News::ALL[0], News::ALL[1]];
        for news in sent {
            queue.push(news);
        }
        let told: Vec<News> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(told, sent);
        assert!(queue.is_empty());
    }
}
