//! What a run takes place on: a server, and three nodes, each behind a network of its own.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use larder_testkit::{FaultProxy, RedisServer};
use rustix::process::{Pid, Signal};

use crate::history::{Event, Recorder};
use crate::moment::now;
use crate::node::Orders;
use crate::origin::Origin;
use crate::rhythm::Rhythm;

/// How many nodes there are.
pub(crate) const NODES: u8 = 3;

/// The parts of a run, which several threads make trouble with.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) rhythm: Rhythm,
    pub(crate) server: RedisServer,
    pub(crate) proxies: Vec<FaultProxy>,
    nodes: Vec<Mutex<Running>>,
    pub(crate) origin: Arc<Origin>,
    origin_address: SocketAddr,
    pub(crate) recorder: Arc<Recorder>,
    folder: PathBuf,
    pub(crate) is_over: AtomicBool,
    server_alone: Mutex<()>,
}

/// A node's process. It ends with this value: its standard input does.
#[derive(Debug)]
struct Running {
    incarnation: u16,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Stage {
    /// Starts everything, and writes its histories into a folder that is emptied before.
    pub(crate) fn set(seed: u64, folder: &Path) -> Result<Self, Box<dyn Error>> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let recorder = Arc::new(Recorder::create(&folder.join("parent.jsonl"))?);
        recorder.record(&Event::Started { at: now() });
        let origin = Arc::new(Origin::new(Arc::clone(&recorder)));
        let origin_address = origin.serve()?;
        let server = RedisServer::start();
        let proxies = (0..NODES).map(|_| FaultProxy::start(server.address()));
        let mut stage = Self {
            rhythm: Rhythm { seed, begin: now() },
            proxies: proxies.collect(),
            server,
            nodes: Vec::new(),
            origin,
            origin_address,
            recorder,
            folder: folder.to_owned(),
            is_over: AtomicBool::new(false),
            server_alone: Mutex::default(),
        };
        for node in 0..NODES {
            let running = stage.start(node, 0)?;
            stage.nodes.push(Mutex::new(running));
        }
        Ok(stage)
    }

    fn start(&self, node: u8, incarnation: u16) -> Result<Running, Box<dyn Error>> {
        let orders = Orders {
            node,
            incarnation,
            rhythm: self.rhythm,
            redis: self.proxies[usize::from(node)].address(),
            origin: self.origin_address,
            history: self.folder.join(format!("node-{node}-{incarnation}.jsonl")),
        };
        let child = Command::new(std::env::current_exe()?)
            .arg("node")
            .args(orders.words())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Running { incarnation, child })
    }

    fn node(&self, node: u8) -> MutexGuard<'_, Running> {
        let node = &self.nodes[usize::from(node)];
        node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a signal to a node.
    pub(crate) fn signal(&self, node: u8, signal: Signal) {
        let running = self.node(node);
        rustix::process::kill_process(Pid::from_child(&running.child), signal)
            .expect("it is our child, and not waited for");
    }

    /// Kills a node, loses what it had on the way, and starts it again.
    pub(crate) fn restart(&self, node: u8) -> Result<(), Box<dyn Error>> {
        let mut running = self.node(node);
        running.child.kill()?;
        running.child.wait()?;
        // A network that delivered a dead node's writes later would make them overtake those of its successor.
        self.proxies[usize::from(node)].reset_all();
        *running = self.start(node, running.incarnation + 1)?;
        Ok(())
    }

    /// Says something to every node.
    pub(crate) fn tell(&self, line: &str) -> Result<(), Box<dyn Error>> {
        for node in 0..NODES {
            let mut running = self.node(node);
            let input = running.child.stdin.as_mut().ok_or("no standard input")?;
            writeln!(input, "{line}")?;
        }
        Ok(())
    }

    /// Waits until every node has said that it is done.
    pub(crate) fn wait(&self) -> Result<(), Box<dyn Error>> {
        for node in 0..NODES {
            let mut running = self.node(node);
            let output = running.child.stdout.as_mut().ok_or("no standard output")?;
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line)?;
            if line.trim_end() != "done" {
                return Err(format!("node {node} has ended before its time").into());
            }
        }
        Ok(())
    }

    /// Makes trouble, and notes for how long and whose it was; of every node's, if none is named.
    pub(crate) fn fault<T>(&self, kind: &str, node: Option<u8>, trouble: impl FnOnce() -> T) -> T {
        let from = now();
        let made = trouble();
        self.recorder.record(&Event::Fault {
            kind: kind.to_owned(),
            node,
            from,
            to: now(),
        });
        made
    }

    /// Whoever stops, starts or kills the server is the only one.
    pub(crate) fn only_one(&self) -> MutexGuard<'_, ()> {
        self.server_alone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
