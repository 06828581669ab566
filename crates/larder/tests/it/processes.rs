//! Loads across processes: one load among all of them, and none that a dead one holds up.
//!
//! The processes are this program, started once more with the name of one of its ignored tests.

use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use larder::{Cache, LoadPolicy, Memory, Redis, Space};
use larder_testkit::{RedisClient, RedisServer, Reply};
use tokio::task::JoinSet;

use crate::stacks::secs;

/// What tells a process which server to use, by its address.
const SERVER: &str = "LARDER_TEST_SERVER";

const PROCESSES: usize = 10;
const TASKS: usize = 100;
const CALLERS_OF_A_TASK: usize = 10;
const CALLERS: usize = TASKS * CALLERS_OF_A_TASK;

/// Starting so many processes on a machine that does something else takes its time.
const PATIENCE: Duration = Duration::from_secs(90);
/// What a stalled machine may add to what is promised.
const SLACK: Duration = Duration::from_secs(1);

/// What is left of a lease when its renewal is due, less a margin: a process that stands still for longer may lose it,
/// and another may then load, as is documented.
const STALL: Duration = Duration::from_millis(400);

type Failure = std::io::Error;

/// A process that is killed when it is dropped.
struct Process(Option<Child>);

impl Process {
    fn start(server: &RedisServer, test: &str) -> Self {
        let program = std::env::current_exe().expect("this program is somewhere");
        let child = Command::new(program)
            .args(["--ignored", "--exact", "--nocapture", test])
            .env(SERVER, server.address().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Self(Some(child.expect("this program can be started once more")))
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.0.take() {
            // SIGKILL: it says goodbye to nobody.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn output(mut self) -> Output {
        let child = self.0.take().expect("it was not killed");
        child.wait_with_output().expect("it was started")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What this process was told, if it is one of a test's.
fn told() -> Option<SocketAddr> {
    let address = std::env::var(SERVER).ok()?;
    Some(address.parse().expect("an address"))
}

/// Another program's view of the server, in which the processes count. Its keys are no cache's.
struct Board(RedisClient);

impl Board {
    fn at(address: SocketAddr) -> Self {
        Self(RedisClient::connect(address).expect("the server is well"))
    }

    fn add(&mut self, name: &str, count: usize) {
        let count = count.to_string();
        self.0.command(&["INCRBY", name, &count]).unwrap();
    }

    fn count(&mut self, name: &str) -> usize {
        match self.0.command(&["GET", name]).unwrap() {
            Reply::Nil => 0,
            found => found.text().parse().unwrap(),
        }
    }

    async fn reaches(&mut self, name: &str, count: usize) {
        eventually(name, || self.count(name) >= count).await;
        assert_eq!(self.count(name), count, "{name}");
    }
}

/// There is no telling by a barrier when another process is so far.
async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(
            started.elapsed() < PATIENCE,
            "waited {PATIENCE:?} in vain: {what}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Memory before the server, under the same name in every process.
async fn cache(address: SocketAddr) -> Cache {
    let redis = Redis::builder(format!("redis://{address}"))
        .dial_timeout(secs(30))
        .read_timeout(secs(30))
        .write_timeout(secs(30));
    Cache::builder("test")
        .tier(Memory::builder())
        .tier(redis)
        .load_policy(LoadPolicy::new().timeout(PATIENCE))
        .build()
        .await
        .expect("the server is well")
}

/// A thousand callers of a key, a few in each task; how many got which value.
async fn call<Fut>(
    space: &Space<u64>,
    key: &'static str,
    load: impl Fn() -> Fut + Clone + Send + 'static,
) -> Vec<(u64, usize)>
where
    Fut: Future<Output = Result<u64, Failure>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (space, load) = (space.clone(), load.clone());
        tasks.spawn(async move {
            let mut callers = JoinSet::new();
            for _ in 0..CALLERS_OF_A_TASK {
                let (space, load) = (space.clone(), load.clone());
                callers.spawn(async move { *space.get_or_load(key, load).await.unwrap() });
            }
            callers.join_all().await
        });
    }
    let mut got: Vec<(u64, usize)> = Vec::new();
    for value in tasks.join_all().await.into_iter().flatten() {
        match got.iter_mut().find(|(other, _)| *other == value) {
            Some((_, count)) => *count += 1,
            None => got.push((value, 1)),
        }
    }
    got
}

/// A load that tells the board, and does not end before the board has `waiting` reach a count.
async fn load(address: SocketAddr, loads: &'static str, until: usize) -> Result<u64, Failure> {
    let mut board = Board::at(address);
    board.add(loads, 1);
    board.reaches("waiting", until).await;
    Ok(u64::from(std::process::id()))
}

/// Tells the board when this process didn't get to run for so long that it may have lost its leases.
async fn tell_of_stalls(address: SocketAddr) {
    let mut board = Board::at(address);
    loop {
        let before = Instant::now();
        tokio::time::sleep(Duration::from_millis(20)).await;
        if before.elapsed() > STALL {
            board.add("stalls", 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "one of the processes of another test"]
async fn callers_of_a_cold_key() {
    let Some(address) = told() else { return };
    let mut board = Board::at(address);
    let cache = cache(address).await;
    let space = cache.space::<u64>("n");
    let _watch = tokio::spawn(tell_of_stalls(address));
    board.add("ready", 1);
    board.reaches("go", 1).await;

    // The load ends when all callers of all processes wait.
    let slow = tokio::spawn({
        let space = space.clone();
        async move {
            let load = move || load(address, "slow loads", PROCESSES);
            call(&space, "slow", load).await
        }
    });
    // Who has looked it up in vain joins the load or leads it in the same step.
    eventually("all callers wait", || {
        cache.stats().requests() >= CALLERS as u64
    })
    .await;
    board.add("waiting", 1);
    for (value, count) in slow.await.unwrap() {
        board.add(&format!("slow got {value}"), count);
    }

    // The load ends at once, so that some come before it, some meanwhile, and some after it.
    board.add("done", 1);
    board.reaches("done", PROCESSES).await;
    let quick = move || load(address, "quick loads", PROCESSES);
    for (value, count) in call(&space, "quick", quick).await {
        board.add(&format!("quick got {value}"), count);
    }
    assert_eq!(cache.loads_in_progress(), 0);
    assert_eq!(cache.close(secs(0)).await.unwrap().loads_stopped, 0);
}

#[tokio::test]
async fn a3_a_thousand_callers_in_each_of_ten_processes_make_one_load() {
    // On a machine that stalls it says nothing about the promise, and is tried again.
    for _ in 0..5 {
        let server = RedisServer::start();
        let start = || Process::start(&server, "processes::callers_of_a_cold_key");
        let processes: Vec<_> = (0..PROCESSES).map(|_| start()).collect();
        let mut board = Board::at(server.address());
        board.reaches("ready", PROCESSES).await;
        board.add("go", 1);
        for process in processes {
            let output = process.output();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
        }
        let mut was_one = true;
        for round in ["slow", "quick"] {
            let got = server.command(&["KEYS", &format!("{round} got *")]).texts();
            let answered: usize = got.iter().map(|value| board.count(value)).sum();
            assert_eq!(answered, PROCESSES * CALLERS, "{round}: everybody");
            let loads = board.count(&format!("{round} loads"));
            was_one &= loads == 1 && got.len() == 1;
            assert!(
                was_one || board.count("stalls") > 0,
                "{round}: {loads} loads, and no process has stalled: {got:?}"
            );
        }
        if was_one {
            return;
        }
    }
    panic!("this machine stalls all the time");
}

#[tokio::test]
#[ignore = "one of the processes of another test"]
async fn a_loader_that_never_ends() {
    let Some(address) = told() else { return };
    let cache = cache(address).await;
    let space = cache.space::<u64>("n");
    let load = move || async move {
        Board::at(address).add("loading", 1);
        std::future::pending::<Result<u64, Failure>>().await
    };
    let _ = space.get_or_load("k", load).await;
}

#[tokio::test]
async fn a3_when_a_process_is_killed_in_its_loader_another_loads_within_two_seconds() {
    let server = RedisServer::start();
    let mut holder = Process::start(&server, "processes::a_loader_that_never_ends");
    let mut board = Board::at(server.address());
    board.reaches("loading", 1).await;

    let calls = Arc::new(AtomicU32::new(0));
    let mut callers = JoinSet::new();
    let caches = [cache(server.address()).await, cache(server.address()).await];
    for cache in &caches {
        let space = cache.space::<u64>("n");
        let count = Arc::clone(&calls);
        let many = move |ids: Vec<&'static str>| {
            let asked = ids.contains(&"k");
            count.fetch_add(u32::from(asked), Ordering::SeqCst);
            async move { Ok::<_, Failure>(ids.into_iter().map(|id| (id, 7u64))) }
        };
        let batch = space.clone();
        callers.spawn(async move {
            let found = batch.get_many_or_load(["other", "k"], many).await.unwrap();
            (*found[1].clone().unwrap(), Instant::now())
        });
        for _ in 0..CALLERS {
            let (space, calls) = (space.clone(), Arc::clone(&calls));
            callers.spawn(async move {
                let load = move || async move {
                    calls.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, Failure>(7u64)
                };
                let value = *space.get_or_load("k", load).await.unwrap();
                (value, Instant::now())
            });
        }
    }
    let waits = CALLERS as u64;
    eventually("all callers wait", || {
        caches.iter().all(|cache| cache.stats().load_waits == waits)
    })
    .await;
    // The lease is renewed for as long as its holder lives.
    let mut client = server.client();
    let mut left = || {
        let name = client.command(&["KEYS", "*n:k"]).unwrap().texts();
        let name = name.first().expect("the lease stands under the key");
        client.command(&["PTTL", name]).unwrap().integer()
    };
    for _ in 0..3 {
        let mut last = i64::MAX;
        eventually("the lease is renewed", || {
            let left = left();
            assert!(left > 0, "it has {left} ms left");
            left > std::mem::replace(&mut last, left)
        })
        .await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0, "it is held");

    let killed = Instant::now();
    holder.kill();
    let got = callers.join_all().await;
    assert_eq!(got.len(), 2 * (CALLERS + 1));
    assert_eq!(calls.load(Ordering::SeqCst), 1, "by one of them");
    for (value, at) in got {
        assert_eq!(value, 7);
        let took = at.duration_since(killed);
        assert!(took < secs(2) + SLACK, "after {took:?}");
    }
    for cache in caches {
        assert_eq!(cache.loads_in_progress(), 0);
        assert_eq!(cache.close(secs(0)).await.unwrap().loads_stopped, 0);
    }
}
