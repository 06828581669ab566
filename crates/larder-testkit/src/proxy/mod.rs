//! A network that misbehaves on request: a TCP proxy between a client and a server.

mod hold;
mod pump;
mod serve;
mod shared;
mod state;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

pub use self::hold::Hold;
use self::shared::Shared;
pub use self::state::{Connections, Direction};
use self::state::{Ending, Faults};

/// Forwards TCP connections to a server, and delays, holds, throttles, cuts or resets them as the test
/// says. Does nothing to them by itself.
///
/// It runs on a thread of its own, so that a test may block. A fault is in force when the call that asks
/// for it returns: no byte that is sent afterwards escapes it.
///
/// | | open connections | new connections |
/// | --- | --- | --- |
/// | [`hold`](FaultProxy::hold) | one way stands still until the test has seen what came | as these |
/// | [`latency`](FaultProxy::latency), [`throttle`](FaultProxy::throttle) | slow | slow |
/// | [`stop_reading`](FaultProxy::stop_reading) | one way fills up, and its sender blocks | as these |
/// | [`black_hole`](FaultProxy::black_hole) | silent both ways | opened, then silent |
/// | [`cut_after`](FaultProxy::cut_after) | end within a reply | whole |
/// | [`cut_each_after`](FaultProxy::cut_each_after) | end within a reply | as these |
/// | [`reset_all`](FaultProxy::reset_all), [`disconnect_all`](FaultProxy::disconnect_all) | gone | whole |
/// | [`refuse`](FaultProxy::refuse) | whole | refused |
///
/// When the server can't be reached, the proxy takes a connection and resets it at once.
///
/// ```
/// use larder_testkit::{Direction, FaultProxy, RedisClient, RedisServer};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let server = RedisServer::start();
/// let proxy = FaultProxy::start(server.address());
/// let mut client = RedisClient::connect(proxy.address())?;
///
/// let hold = proxy.hold(Direction::ToClient);
/// client.send(&["SET", "airport:LHR", "Heathrow"])?;
/// hold.reached().await;
/// // The write is done, its reply is on its way: whatever races with it can happen here.
/// server.command(&["DEL", "airport:LHR"]);
/// hold.release();
/// assert_eq!(client.receive()?.text(), "OK");
/// # Ok::<_, std::io::Error>(())
/// # }).unwrap();
/// ```
pub struct FaultProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// A proxy on a free port of 127.0.0.1 that leads to this server.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub fn start(target: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system has sockets left");
        let shared = Arc::new(Shared::new(target, runtime.handle().clone()));
        let (stop, stopped) = oneshot::channel();
        let port = serve::listen_somewhere();
        let address = (Ipv4Addr::LOCALHOST, port.port).into();
        let thread = std::thread::Builder::new()
            .name("fault-proxy".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || serve::run(&runtime, port, &shared, stopped)
            })
            .expect("the system has a thread left");
        Self {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port of [`FaultProxy::address`].
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Leads connections to another server from now on. Open ones stay where they are.
    pub fn set_target(&self, target: SocketAddr) {
        self.shared.change(|state| state.target = target);
    }

    /// Holds what goes this way on every connection, present and future, until the [`Hold`] is released or
    /// dropped. That a sender has closed is held too. What is held is read, so the sender doesn't notice.
    pub fn hold(&self, direction: Direction) -> Hold {
        self.hold_on(Connections::All, direction)
    }

    /// As [`FaultProxy::hold`], on some connections alone.
    pub fn hold_on(&self, connections: Connections, direction: Direction) -> Hold {
        Hold::new(Arc::clone(&self.shared), connections, direction)
    }

    /// Delivers what goes this way so much later. Zero, the default, is at once; what is on its way goes by
    /// the new value.
    pub fn latency(&self, direction: Direction, delay: Duration) {
        self.faults(direction, |faults| faults.latency = delay);
    }

    /// Delivers at most so many bytes in a second this way, on each connection. `None`, the default, is no
    /// limit.
    ///
    /// # Panics
    ///
    /// If it is zero: that is [`FaultProxy::hold`] or [`FaultProxy::stop_reading`].
    pub fn throttle(&self, direction: Direction, bytes_per_second: Option<u64>) {
        assert_ne!(
            bytes_per_second,
            Some(0),
            "a throttle lets something through"
        );
        self.faults(direction, |faults| {
            faults.bytes_per_second = bytes_per_second;
        });
    }

    /// Reads nothing that goes this way any more: the buffers on the way fill up, then the sender blocks.
    /// Until [`FaultProxy::heal`], after which all of it arrives.
    pub fn stop_reading(&self, direction: Direction) {
        self.faults(direction, |faults| faults.is_read = false);
    }

    /// Nothing arrives any more, either way, and nobody is told: connections stay open, new ones can be
    /// opened and are as silent. Until [`FaultProxy::heal`], after which what was sent arrives.
    pub fn black_hole(&self) {
        self.shared.change(|state| state.is_black_hole = true);
    }

    /// Closes each open connection after so many more bytes were delivered to its client, and delivers
    /// those: with a number that is smaller than a reply, within the reply. New connections are spared.
    pub fn cut_after(&self, bytes: u64) {
        self.shared.change(|state| state.cut_open_after(bytes));
    }

    /// As [`FaultProxy::cut_after`], for new connections too, until [`FaultProxy::heal`].
    pub fn cut_each_after(&self, bytes: u64) {
        self.shared.change(|state| {
            state.cut_open_after(bytes);
            state.cut_new_after = Some(bytes);
        });
    }

    /// Resets every open connection, on both sides, and returns when that is done. What wasn't delivered
    /// is lost.
    pub fn reset_all(&self) {
        self.shared.end_all(Ending::Reset);
    }

    /// Closes every open connection, on both sides, and returns when that is done. What wasn't delivered
    /// is lost.
    pub fn disconnect_all(&self) {
        self.shared.end_all(Ending::Close);
    }

    /// Takes no new connections: they are refused, as by a server that isn't there. Open ones stay. Until
    /// [`FaultProxy::accept`] or [`FaultProxy::heal`]. Returns when it is so.
    pub fn refuse(&self) {
        self.shared.refuse();
    }

    /// Takes new connections again, on the same port. Returns when it is so.
    pub fn accept(&self) {
        self.shared.accept();
    }

    /// Ends every fault; what was kept back arrives. Holds are released by who has them.
    pub fn heal(&self) {
        self.shared.change(state::State::heal);
        self.accept();
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.shared.lock().connections.len()
    }

    /// The numbers of the open connections, in the order in which they were taken.
    pub fn open_indexes(&self) -> Vec<usize> {
        self.shared.lock().connections.keys().copied().collect()
    }

    /// How many connections were ever taken. The next one has this number.
    pub fn accepted(&self) -> usize {
        self.shared.lock().accepted
    }

    /// How many bytes were delivered this way, on all connections together. A byte counts when it is
    /// handed to the system, so whoever has received it finds it counted.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.lock().delivered[direction]
    }

    /// Returns as soon as so many connections are open, neither more nor less.
    ///
    /// # Panics
    ///
    /// If that isn't so within thirty seconds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn wait_for_open(&self, count: usize) {
        let wanted = format!("{count} open connections");
        self.shared
            .wait(&wanted, |state| {
                (state.connections.len() == count).then_some(())
            })
            .await;
    }

    /// Returns as soon as at least so many connections were ever taken.
    ///
    /// # Panics
    ///
    /// If that isn't so within thirty seconds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn wait_for_accepted(&self, count: usize) {
        let wanted = format!("{count} connections taken");
        self.shared
            .wait(&wanted, |state| (state.accepted >= count).then_some(()))
            .await;
    }

    fn faults(&self, direction: Direction, set: impl FnOnce(&mut Faults)) {
        self.shared
            .change(|state| set(&mut state.faults[direction]));
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends at once; if it has panicked, the test has seen worse.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("FaultProxy")
            .field("address", &self.address)
            .field("target", &state.target)
            .field("open", &state.connections.len())
            .field("accepted", &state.accepted)
            .finish_non_exhaustive()
    }
}
