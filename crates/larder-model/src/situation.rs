//! A bounded situation: which operations run, what is there at the start, and what may go wrong how often.

/// The most operations of a situation.
pub(crate) const MAX_OPERATIONS: usize = 5;

/// Nodes, by index.
pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Load,
    Get,
    /// A caller who joins a load that is under way.
    Join,
    Set,
    Delete,
    Expire,
    InvalidateTag,
    Clear,
    /// Lengthens the entry's time to live.
    Touch,
    /// The same for the tag's marker.
    TouchTag,
    ForeignDelete,
    ForeignSet,
    ForeignExpire,
    ForeignPersist,
    /// `FLUSHALL`, which is told to nobody in a way that arrives.
    Flush,
}

/// An operation of a situation. Its caller writes the origin first if it invalidates anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) action: Action,
    /// 2 for a foreign client.
    pub(crate) node: usize,
    /// The operation that must have completed before this one begins.
    pub(crate) after: Option<usize>,
    /// Whether the origin has a new version, or only the cache is told.
    pub(crate) changes_origin: bool,
    /// When a set's value is made.
    pub(crate) made: Made,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// Before the call.
    Earlier,
    /// When the call begins.
    AtBegin,
    /// When its stamps are read.
    WithStamps,
}

impl Operation {
    const fn new(action: Action, node: usize) -> Self {
        Self {
            action,
            node,
            after: None,
            changes_origin: true,
            made: Made::Earlier,
        }
    }

    pub(crate) const fn after(mut self, op: usize) -> Self {
        self.after = Some(op);
        self
    }

    /// The origin stays as it is.
    pub(crate) const fn same(mut self) -> Self {
        self.changes_origin = false;
        self
    }

    pub(crate) const fn made(mut self, made: Made) -> Self {
        self.made = made;
        self.same()
    }

    /// As it is called in traces.
    pub(crate) fn name(&self, index: usize) -> String {
        let what = match self.action {
            Action::Load => "load",
            Action::Get => "get",
            Action::Join => "join",
            Action::Set => "set",
            Action::Delete => "delete",
            Action::Expire => "expire",
            Action::InvalidateTag => "invalidate-tag",
            Action::Clear => "clear",
            Action::Touch => "touch",
            Action::TouchTag => "touch-tag",
            Action::ForeignDelete => "DEL",
            Action::ForeignSet => "SET",
            Action::ForeignExpire => "PEXPIRE",
            Action::ForeignPersist => "PERSIST",
            Action::Flush => "FLUSHALL",
        };
        let who = ["A", "B", "foreign"][self.node];
        format!("{what}#{index}@{who}")
    }
}

pub(crate) const fn load(node: usize) -> Operation {
    Operation::new(Action::Load, node)
}

pub(crate) const fn get(node: usize) -> Operation {
    Operation::new(Action::Get, node)
}

pub(crate) const fn join(node: usize) -> Operation {
    Operation::new(Action::Join, node)
}

pub(crate) const fn set(node: usize) -> Operation {
    Operation::new(Action::Set, node)
}

pub(crate) const fn delete(node: usize) -> Operation {
    Operation::new(Action::Delete, node)
}

/// New times for an entry: the origin stays as it is.
pub(crate) const fn expire(node: usize) -> Operation {
    Operation::new(Action::Expire, node).same()
}

pub(crate) const fn invalidate_tag(node: usize) -> Operation {
    Operation::new(Action::InvalidateTag, node)
}

pub(crate) const fn clear(node: usize) -> Operation {
    Operation::new(Action::Clear, node)
}

pub(crate) const fn touch(node: usize) -> Operation {
    Operation::new(Action::Touch, node)
}

pub(crate) const fn touch_tag(node: usize) -> Operation {
    Operation::new(Action::TouchTag, node)
}

/// Somebody else's command.
pub(crate) const fn foreign(action: Action) -> Operation {
    Operation::new(action, 2)
}

/// `DEL` by somebody else.
pub(crate) const fn del() -> Operation {
    foreign(Action::ForeignDelete)
}

/// What the world may do, each at most as often as a situation allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Node A's link breaks.
    LinkA,
    LinkB,
    /// The new connection of a node breaks before it is trusted.
    NewLinkBreaks,
    LeaseExpires,
    EntryExpires,
    TagEvicted,
    GenerationEvicted,
    /// A heartbeat of node A is due.
    BeatA,
    /// A process that loads dies.
    Crash,
    LoadFails,
    /// A claim's reply is lost while the link stays.
    GrantLost,
    /// A load gives up, and its claim is executed afterwards.
    GrantLate,
    /// No lease is to be had, though the link is up.
    NoLease,
    Failover,
    /// `blind_ttl` passes.
    BlindOver,
    /// The time for which entries from before a loss are served passes.
    ServedOver,
}

impl Fault {
    pub(crate) const COUNT: usize = 16;
}

/// What is there under the key at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    Nothing,
    Fresh,
    Stale,
    Foreign,
}

/// What memory is for while it is distrusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Nothing at all: `bypass` with a `blind_ttl` of zero.
    Nothing,
    /// What has been loaded meanwhile is served for at most `blind_ttl`.
    Bypass,
    /// The same, and what is from before is served as stale for a while.
    ServeFor,
}

/// Which promises are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Always,
    /// Only what is left when everything has been delivered: where more can't be promised.
    AtRest,
}

/// A bounded situation.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a sentence about the situation, written by a method of that name"
)]
#[derive(Clone, Debug)]
pub struct Situation {
    pub(crate) name: &'static str,
    pub(crate) ops: Vec<Operation>,
    pub(crate) first: First,
    /// The nodes that have the first entry in memory.
    pub(crate) held_by: &'static [usize],
    /// Whether there are tags, and whether the generation is looked at.
    pub(crate) judged: [bool; 2],
    /// Whether the nodes know the versions at the start.
    pub(crate) warm: bool,
    /// Whether the tag's marker is there at the start.
    pub(crate) marked: bool,
    pub(crate) faults: [u8; Fault::COUNT],
    pub(crate) policy: Policy,
    pub(crate) checked: Checked,
    /// Whether pushes of refresh leases are looked at, because somebody waits for them.
    pub(crate) waiters: bool,
    /// At rest a valid entry must be there.
    pub(crate) set_expected: bool,
    /// One load must do.
    pub(crate) one_load: bool,
    /// There is a replica, which may lag.
    pub(crate) replicated: bool,
    /// The caller of an undelivered invalidation is told that it is queued, so it counts as completed here.
    pub(crate) queued: bool,
}

impl Situation {
    pub(crate) fn new(name: &'static str, ops: &[Operation]) -> Self {
        assert!(ops.len() <= MAX_OPERATIONS, "{name}: too many operations");
        Self {
            name,
            ops: ops.to_vec(),
            first: First::Nothing,
            held_by: &[],
            judged: [false; 2],
            warm: true,
            marked: true,
            faults: [0; Fault::COUNT],
            policy: Policy::Nothing,
            checked: Checked::Always,
            waiters: false,
            set_expected: false,
            one_load: false,
            replicated: false,
            queued: false,
        }
    }

    /// Its name, `group/situation`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn first(mut self, first: First, held_by: &'static [usize]) -> Self {
        (self.first, self.held_by) = (first, held_by);
        self
    }

    pub(crate) fn fault(mut self, fault: Fault, times: u8) -> Self {
        self.faults[fault as usize] = times;
        self
    }

    pub(crate) fn tagged(mut self) -> Self {
        self.judged[0] = true;
        self
    }

    pub(crate) fn generations(mut self) -> Self {
        self.judged[1] = true;
        self
    }

    pub(crate) fn cold(mut self) -> Self {
        self.warm = false;
        self
    }

    pub(crate) fn without_marker(mut self) -> Self {
        self.marked = false;
        self
    }

    pub(crate) fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    pub(crate) fn at_rest(mut self) -> Self {
        self.checked = Checked::AtRest;
        self
    }

    pub(crate) fn waiters(mut self) -> Self {
        self.waiters = true;
        self
    }

    pub(crate) fn set_expected(mut self) -> Self {
        self.set_expected = true;
        self
    }

    pub(crate) fn one_load(mut self) -> Self {
        self.one_load = true;
        self
    }

    pub(crate) fn replicated(mut self) -> Self {
        self.replicated = true;
        self
    }

    pub(crate) fn queued(mut self) -> Self {
        self.queued = true;
        self
    }
}
