//! The proxy's thread: takes connections and gives each a task.

use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::pump;
use super::shared::Shared;
use super::state::{Ending, Listener, State};
use crate::ports::free_port;

/// A socket that listens, and its port.
pub(super) struct Port {
    pub(super) port: u16,
    listener: StdListener,
}

/// Listens on some port that nobody else has.
pub(super) fn listen_somewhere() -> Port {
    (0..100)
        .find_map(|_| {
            let port = free_port();
            let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
            listener.set_nonblocking(true).ok()?;
            Some(Port { port, listener })
        })
        .expect("of a hundred ports one stays free for a moment")
}

/// Serves until `stopped`. Whatever is open then is closed.
pub(super) fn run(
    runtime: &tokio::runtime::Runtime,
    port: Port,
    shared: &Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) {
    let _over = Over(shared);
    runtime.block_on(async {
        tokio::select! {
            // Told by the sender's end.
            _ = stopped => {}
            () = serve(port, shared) => {}
        }
    });
}

/// Nobody may wait for a thread that has ended, by a panic either.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.is_over = true);
    }
}

async fn serve(Port { port, listener }: Port, shared: &Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("it is ready for tasks");
    let mut listener = Listening(listener);
    // Ends the tasks when it is dropped.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shared.until(|state| (state.listener == Listener::ToClose).then_some(())) => {
                drop(listener);
                shared.change(|state| state.listener = Listener::Closed);
                shared.until(|state| (state.listener == Listener::ToOpen).then_some(())).await;
                listener = Listening(listen_again(port).await);
                shared.change(|state| state.listener = Listener::Open);
            }
            Some(_) = connections.join_next() => {}
            // One that went before it was taken is nothing to us.
            Ok((client, _)) = listener.0.accept() => {
                let index = shared.change(State::enter);
                connections.spawn(forward(Arc::clone(shared), index, client));
            }
        }
    }
}

/// Our port may be busy with a closing connection for a moment.
async fn listen_again(port: u16) -> TcpListener {
    for _ in 0..1_000 {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("somebody else has taken port {port}");
}

/// One connection, from its taking to its end.
async fn forward(shared: Arc<Shared>, index: usize, mut client: TcpStream) {
    let _open = Open {
        shared: &shared,
        index,
    };
    let ending = tokio::select! {
        biased;
        ending = shared.until(|state| state.connections.get(&index)?.ending) => ending,
        ending = connect_and_pump(&shared, index, &mut client) => ending,
    };
    end(&client, ending);
    // Closed before it counts as closed.
    drop(client);
}

async fn connect_and_pump(shared: &Shared, index: usize, client: &mut TcpStream) -> Ending {
    // A black hole has no server behind it.
    let target = shared
        .until(|state| (!state.is_black_hole).then_some(state.target))
        .await;
    let Ok(server) = TcpStream::connect(target).await else {
        return Ending::Reset;
    };
    let mut server = Server {
        stream: server,
        ending: Ending::Close,
        shared,
        index,
    };
    // Fails only if it is gone already.
    let _ = (client.set_nodelay(true), server.stream.set_nodelay(true));
    let ending = pump::both_ways(shared, index, client, &mut server.stream).await;
    server.ending = ending;
    ending
}

/// Sees to it that closing a connection ends it so.
fn end(stream: &TcpStream, ending: Ending) {
    // Each fails only if it is gone already.
    let _ = match ending {
        Ending::Reset => stream.set_zero_linger(),
        // Not left to its closing, for the reason at `Listening`.
        Ending::Close => rustix::net::shutdown(stream, Shutdown::Write).map_err(Into::into),
    };
}

/// Stops listening when it is dropped. A process that is being started has a copy of every socket for a moment,
/// so that closing ours isn't enough.
struct Listening(TcpListener);

impl Drop for Listening {
    fn drop(&mut self) {
        // Where the system knows no such thing, closing has to do.
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }
}

/// The server's side, which ends as the client's: as the test wants, or by itself.
struct Server<'a> {
    stream: TcpStream,
    ending: Ending,
    shared: &'a Shared,
    index: usize,
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let state = self.shared.lock();
        let wanted = state.connections.get(&self.index);
        let wanted = wanted.and_then(|connection| connection.ending);
        end(&self.stream, wanted.unwrap_or(self.ending));
    }
}

/// An entry among the open connections.
struct Open<'a> {
    shared: &'a Shared,
    index: usize,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.shared
            .change(|state| state.connections.remove(&self.index));
    }
}
