//! What stands under the key and in memory, and the versions that judge it.

/// What has a version of its own and stamps entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Which {
    Tag,
    Generation,
}

impl Which {
    pub(crate) const BOTH: [Self; 2] = [Self::Tag, Self::Generation];

    pub(crate) fn index(self) -> usize {
        usize::from(self == Self::Generation)
    }

    /// Its fence, as a bit of [`Op::moved`].
    pub(crate) fn fence(self) -> u8 {
        match self {
            Self::Tag => 2,
            Self::Generation => 4,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Generation => "generation",
        }
    }

    /// The version that is there at the start.
    pub(crate) fn first(self) -> u8 {
        match self {
            Self::Tag => 90,
            Self::Generation => 95,
        }
    }

    /// The version that this operation makes.
    pub(crate) fn made_by(self, op: usize) -> u8 {
        let base = match self {
            Self::Tag => 100,
            Self::Generation => 200,
        };
        base + small(op)
    }
}

/// An index as it is kept in a state.
pub(crate) fn small(index: usize) -> u8 {
    u8::try_from(index).expect("a situation has few operations")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Fresh,
    Stale,
    /// Bytes that aren't ours.
    Foreign,
    Placeholder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Life {
    Long,
    /// Somebody has cut it short.
    Short,
    /// Somebody has made it eternal.
    Never,
}

/// What stands under the key. `header` is the life that the entry's own bytes tell, `life` the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) id: u8,
    /// The version of the origin that the value was made from.
    pub(crate) value: u8,
    pub(crate) stamps: [u8; 2],
    pub(crate) kind: Kind,
    pub(crate) header: Life,
    pub(crate) life: Life,
}

impl Entry {
    pub(crate) fn new(id: u8, value: u8, stamps: [u8; 2], kind: Kind) -> Self {
        Self {
            id,
            value,
            stamps,
            kind,
            header: Life::Long,
            life: Life::Long,
        }
    }

    pub(crate) fn is_placeholder(self) -> bool {
        self.kind == Kind::Placeholder
    }
}

/// How an entry of memory came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mark {
    /// Written by this node.
    Own,
    /// Read from the server.
    Copied,
    /// From before a lost link: to be looked up before it is served.
    Suspect,
    /// Loaded while memory was distrusted.
    Blind,
    /// From before a lost link: served as stale for a while.
    Before,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) entry: Entry,
    pub(crate) mark: Mark,
    /// It has been there for longer than `blind_ttl`.
    pub(crate) aged: bool,
}

impl Held {
    pub(crate) fn new(entry: Entry, mark: Mark) -> Self {
        Self {
            entry,
            mark,
            aged: false,
        }
    }
}

/// What a header says: the id and the life that the server has left, if something is there.
pub(crate) type Head = Option<(u8, Life)>;
