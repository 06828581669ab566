//! Keeping back what goes one way until the test has seen it.

use std::fmt;
use std::sync::Arc;

use super::shared::Shared;
use super::state::{Connections, Direction, HoldRule, State};

/// Keeps back what goes one way, in order, until it is released or dropped. Made by
/// [`FaultProxy::hold`](crate::FaultProxy::hold).
#[must_use = "a hold that is dropped is released"]
pub struct Hold {
    shared: Arc<Shared>,
    id: u64,
    connections: Connections,
    direction: Direction,
}

impl Hold {
    pub(super) fn new(shared: Arc<Shared>, connections: Connections, direction: Direction) -> Self {
        let id = shared.change(|state| {
            let id = state.next_hold;
            state.next_hold += 1;
            state.holds.push(HoldRule {
                id,
                connections,
                direction,
            });
            id
        });
        Self {
            shared,
            id,
            connections,
            direction,
        }
    }

    /// Returns as soon as anything is held.
    ///
    /// # Panics
    ///
    /// If nothing comes for thirty seconds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Returns as soon as at least so many bytes are held, on all of its connections together.
    ///
    /// # Panics
    ///
    /// If they don't come within thirty seconds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn reached_by(&self, bytes: usize) {
        let wanted = format!("{bytes} bytes {:?} to be held", self.direction);
        self.shared
            .wait(&wanted, |state| {
                let held: usize = self.held_in(state).map(<[u8]>::len).sum();
                (held >= bytes).then_some(())
            })
            .await;
    }

    /// Returns as soon as these bytes are held, such as the name of a command or the text of a push; the
    /// number of the connection that they are on.
    ///
    /// # Panics
    ///
    /// If they don't come within thirty seconds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn reached_with(&self, bytes: impl AsRef<[u8]>) -> usize {
        let bytes = bytes.as_ref();
        let wanted = format!(
            "{:?} {:?} to be held",
            String::from_utf8_lossy(bytes),
            self.direction
        );
        self.shared
            .wait(&wanted, |state| {
                let indexes: Vec<usize> = state.connections.keys().copied().collect();
                indexes.into_iter().find(|index| {
                    self.connections.contain(*index)
                        && contains(&self.held_on(state, *index), bytes)
                })
            })
            .await
    }

    /// What is held now, the connections one after the other.
    pub fn bytes(&self) -> Vec<u8> {
        let state = self.shared.lock();
        self.held_in(&state).flatten().copied().collect()
    }

    /// Delivers what was held, in order, and holds no more. It is on its way when this returns.
    pub fn release(self) {
        drop(self);
    }

    fn held_in<'a>(&self, state: &'a State) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (connections, direction) = (self.connections, self.direction);
        state
            .connections
            .iter()
            .filter(move |(index, _)| connections.contain(**index))
            .flat_map(move |(_, connection)| &connection.queues[direction].chunks)
            .map(|chunk| chunk.bytes.as_slice())
    }

    fn held_on(&self, state: &State, index: usize) -> Vec<u8> {
        let chunks = &state.connections[&index].queues[self.direction].chunks;
        chunks
            .iter()
            .flat_map(|chunk| chunk.bytes.clone())
            .collect()
    }
}

fn contains(held: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || held.windows(wanted.len()).any(|window| window == wanted)
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared
            .change(|state| state.holds.retain(|hold| hold.id != self.id));
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold")
            .field("connections", &self.connections)
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}
