//! What the test has asked for and what the connections are at, in one place.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Index, IndexMut};
use std::time::Duration;

use tokio::time::Instant;

/// What is on its way and not held keeps its sender from sending more, as a network would.
const ON_THE_WAY: usize = 256 * 1024;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server: commands.
    ToServer,
    /// From the server to the client: replies and pushes.
    ToClient,
}

/// Which connections something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connections {
    /// Every one, present and future.
    All,
    /// The one with this number; they are numbered from zero in the order in which they are taken.
    Only(usize),
}

/// One of something for each direction.
#[derive(Debug, Default)]
pub(super) struct Both<T>([T; 2]);

impl<T> Index<Direction> for Both<T> {
    type Output = T;

    fn index(&self, direction: Direction) -> &T {
        &self.0[direction as usize]
    }
}

impl<T> IndexMut<Direction> for Both<T> {
    fn index_mut(&mut self, direction: Direction) -> &mut T {
        &mut self.0[direction as usize]
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) target: SocketAddr,
    pub(super) faults: Both<Faults>,
    pub(super) is_black_hole: bool,
    pub(super) cut_new_after: Option<u64>,
    pub(super) listener: Listener,
    pub(super) holds: Vec<HoldRule>,
    pub(super) next_hold: u64,
    pub(super) connections: BTreeMap<usize, Connection>,
    pub(super) accepted: usize,
    pub(super) delivered: Both<u64>,
    /// The proxy's thread has ended.
    pub(super) is_over: bool,
}

/// Whether new connections are taken. The test asks, the proxy's thread does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    Open,
    ToClose,
    Closed,
    ToOpen,
}

#[derive(Debug)]
pub(super) struct Faults {
    pub(super) latency: Duration,
    pub(super) bytes_per_second: Option<u64>,
    pub(super) is_read: bool,
}

#[derive(Debug)]
pub(super) struct HoldRule {
    pub(super) id: u64,
    pub(super) connections: Connections,
    pub(super) direction: Direction,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) ending: Option<Ending>,
    /// The bytes its client may still get.
    pub(super) cut_after: Option<u64>,
    pub(super) queues: Both<Queue>,
}

/// How a connection ends before its peers want it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Close,
    Reset,
}

/// What was read and is not yet delivered.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) chunks: VecDeque<Chunk>,
    pub(super) bytes: usize,
    /// The sender has closed, after all that is here.
    pub(super) is_closed: bool,
    /// When a throttle lets the next bytes through.
    pub(super) free_at: Option<Instant>,
}

pub(super) struct Chunk {
    pub(super) read_at: Instant,
    pub(super) bytes: Vec<u8>,
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes.escape_ascii())
    }
}

/// What is to be done about a queue now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Deliver(Vec<u8>),
    WaitUntil(Instant),
    /// The sender has closed, and all it sent was delivered.
    End,
    /// The connection is to be cut here.
    Cut,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            bytes_per_second: None,
            is_read: true,
        }
    }
}

impl State {
    pub(super) fn new(target: SocketAddr) -> Self {
        Self {
            target,
            faults: Both::default(),
            is_black_hole: false,
            cut_new_after: None,
            listener: Listener::Open,
            holds: Vec::new(),
            next_hold: 0,
            connections: BTreeMap::new(),
            accepted: 0,
            delivered: Both::default(),
            is_over: false,
        }
    }

    pub(super) fn heal(&mut self) {
        self.faults = Both::default();
        self.is_black_hole = false;
        self.cut_new_after = None;
        for connection in self.connections.values_mut() {
            connection.cut_after = None;
        }
    }

    pub(super) fn cut_open_after(&mut self, bytes: u64) {
        for connection in self.connections.values_mut() {
            connection.cut_after = Some(bytes);
        }
    }

    /// Enters a new connection and gives it its number.
    pub(super) fn enter(&mut self) -> usize {
        let index = self.accepted;
        self.accepted += 1;
        let connection = Connection {
            ending: None,
            cut_after: self.cut_new_after,
            queues: Both::default(),
        };
        self.connections.insert(index, connection);
        index
    }

    pub(super) fn is_held(&self, index: usize, direction: Direction) -> bool {
        self.holds
            .iter()
            .any(|hold| hold.direction == direction && hold.connections.contain(index))
    }

    /// Whether more may be read from the sender.
    pub(super) fn may_read(&self, index: usize, direction: Direction) -> bool {
        let Some(connection) = self.connections.get(&index) else {
            return false;
        };
        let is_read = self.faults[direction].is_read && !self.is_black_hole;
        let has_room = connection.queues[direction].bytes < ON_THE_WAY;
        is_read && (has_room || self.is_held(index, direction))
    }

    /// What is to be done now; `None` until something changes. What is to be delivered is taken out and
    /// counted.
    pub(super) fn next(&mut self, index: usize, direction: Direction) -> Option<Next> {
        if self.is_black_hole || self.is_held(index, direction) {
            return None;
        }
        let Faults {
            latency,
            bytes_per_second,
            ..
        } = self.faults[direction];
        let connection = self.connections.get_mut(&index)?;
        if direction == Direction::ToClient && connection.cut_after == Some(0) {
            return Some(Next::Cut);
        }
        let queue = &mut connection.queues[direction];
        let Some(chunk) = queue.chunks.front() else {
            return queue.is_closed.then_some(Next::End);
        };
        let now = Instant::now();
        // What it was before the throttle ended means nothing any more.
        let free_at = bytes_per_second.and(queue.free_at);
        let due = (chunk.read_at + latency).max(free_at.unwrap_or(now));
        if now < due {
            return Some(Next::WaitUntil(due));
        }
        let mut most = chunk.bytes.len();
        if let Some(rate) = bytes_per_second {
            // A fiftieth of a second's share at a time, so that it flows and doesn't come in gusts.
            most = most.min(usize::try_from((rate / 50).max(1)).unwrap_or(most));
        }
        if direction == Direction::ToClient
            && let Some(left) = &mut connection.cut_after
        {
            most = most.min(usize::try_from(*left).unwrap_or(most));
            *left -= most as u64;
        }
        let bytes = queue.take(most);
        if let Some(rate) = bytes_per_second {
            queue.free_at = Some(now + Duration::from_nanos(most as u64 * 1_000_000_000 / rate));
        }
        self.delivered[direction] += most as u64;
        Some(Next::Deliver(bytes))
    }
}

impl Connections {
    pub(super) fn contain(self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Only(only) => only == index,
        }
    }
}

impl Queue {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.chunks.push_back(Chunk {
            read_at: Instant::now(),
            bytes: bytes.to_vec(),
        });
    }

    /// The first `count` bytes, which are all in the first chunk.
    fn take(&mut self, count: usize) -> Vec<u8> {
        self.bytes -= count;
        let first = self.chunks.front_mut().expect("somebody looked");
        let rest = first.bytes.split_off(count);
        let taken = std::mem::replace(&mut first.bytes, rest);
        if first.bytes.is_empty() {
            self.chunks.pop_front();
        }
        taken
    }
}
