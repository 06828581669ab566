//! Moving bytes: each way a reader that fills a queue and a writer that empties it.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::shared::Shared;
use super::state::{Direction, Ending, Next};

/// The most that is read at once.
const CHUNK: usize = 16 * 1024;

/// One way of one connection.
#[derive(Clone, Copy)]
struct Way<'a> {
    shared: &'a Shared,
    index: usize,
    direction: Direction,
}

/// Forwards until both sides have closed, or one of them breaks, or it is cut.
pub(super) async fn both_ways(
    shared: &Shared,
    index: usize,
    client: &mut TcpStream,
    server: &mut TcpStream,
) -> Ending {
    let (client_reader, client_writer) = client.split();
    let (server_reader, server_writer) = server.split();
    let way = |direction| Way {
        shared,
        index,
        direction,
    };
    let done = tokio::try_join!(
        way(Direction::ToServer).read(client_reader),
        way(Direction::ToServer).write(server_writer),
        way(Direction::ToClient).read(server_reader),
        way(Direction::ToClient).write(client_writer),
    );
    match done {
        Ok(_) | Err(Broken::Cut) => Ending::Close,
        Err(Broken::Lost) => Ending::Reset,
    }
}

/// Why forwarding stops at once.
enum Broken {
    Cut,
    Lost,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

impl Way<'_> {
    async fn read(self, mut source: ReadHalf<'_>) -> Result<(), Broken> {
        let (index, direction) = (self.index, self.direction);
        let mut buffer = vec![0; CHUNK];
        loop {
            self.shared
                .until(|state| state.may_read(index, direction).then_some(()))
                .await;
            let count = tokio::select! {
                biased;
                () = self.shared.until(|state| (!state.may_read(index, direction)).then_some(())) => continue,
                count = source.read(&mut buffer) => count?,
            };
            self.shared.change(|state| {
                let Some(connection) = state.connections.get_mut(&index) else {
                    return;
                };
                let queue = &mut connection.queues[direction];
                match count {
                    0 => queue.is_closed = true,
                    count => queue.push(&buffer[..count]),
                }
            });
            if count == 0 {
                return Ok(());
            }
        }
    }

    async fn write(self, mut target: WriteHalf<'_>) -> Result<(), Broken> {
        let (index, direction) = (self.index, self.direction);
        let mut changes = self.shared.changes();
        loop {
            // Seen before the look at the state, so that no change between the two is missed.
            changes.mark_unchanged();
            let next = self.shared.lock().next(index, direction);
            match next {
                None => changed(&mut changes).await,
                Some(Next::Deliver(bytes)) => {
                    target.write_all(&bytes).await?;
                    // The queue is shorter: its reader may have waited for that.
                    self.shared.change(|_| ());
                }
                Some(Next::WaitUntil(due)) => tokio::select! {
                    () = tokio::time::sleep_until(due) => {}
                    () = changed(&mut changes) => {}
                },
                Some(Next::End) => {
                    target.shutdown().await?;
                    return Ok(());
                }
                Some(Next::Cut) => return Err(Broken::Cut),
            }
        }
    }
}

async fn changed(changes: &mut watch::Receiver<()>) {
    // The sender is at hand, so the channel can't close.
    let _ = changes.changed().await;
}
