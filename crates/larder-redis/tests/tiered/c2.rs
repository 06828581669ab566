//! Memory follows Redis: whatever overlaps, nothing older stays in memory.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;
use std::time::Duration;

use larder_core::{
    Backend, Change, Deletion, Fill, Filled, Lease, LeaseOptions, Observer, WriteOptions,
};
use larder_redis::Redis;
use larder_testkit::{Connections, Direction, FaultProxy, RedisServer, Subject};

use crate::stack::{PATIENCE, Stack, clock, entry, eventually};

/// The first connection that a store makes carries its writes and tells of changes.
const PRIMARY: Connections = Connections::Only(0);
/// The second is for reads.
const READER: Connections = Connections::Only(1);

/// A node behind a proxy, with a neighbour that reaches the server directly.
async fn behind_a_proxy() -> (Stack, FaultProxy) {
    behind_a_proxy_with(|settings| settings).await
}

async fn behind_a_proxy_with(
    change: impl FnOnce(larder_redis::RedisBuilder) -> larder_redis::RedisBuilder,
) -> (Stack, FaultProxy) {
    let server = Arc::new(RedisServer::start());
    let proxy = FaultProxy::start(server.address());
    let settings = change(Redis::builder(server.url_at(proxy.address())));
    let stack = Stack::at(server, settings, &Subject::new_namespace()).await;
    eventually("the connection for reads", || proxy.accepted() >= 2).await;
    (stack, proxy)
}

/// Hears what a store tells.
#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Observer for Ear {
    fn changed(&self, change: &Change<'_>) {
        let told = match change {
            Change::Key(key, _) => key.text(),
            Change::Leased(key) => format!("leased {}", key.text()),
            Change::LinkUp => "up".to_owned(),
            Change::LinkDown => "down".to_owned(),
            other => format!("{other:?}"),
        };
        self.0.lock().expect("no panic while listening").push(told);
    }
}

impl Ear {
    fn on(stack: &Stack) -> Arc<Self> {
        let ear = Arc::new(Self::default());
        let weak: Weak<Self> = Arc::downgrade(&ear);
        stack.store.watch().expect("redis tells").subscribe(weak);
        ear
    }

    fn count(&self, told: &str) -> usize {
        let heard = self.0.lock().expect("no panic while listening");
        heard.iter().filter(|heard| *heard == told).count()
    }

    async fn hears(&self, told: &str) {
        eventually(told, || self.count(told) > 0).await;
    }
}

/// All that was sent before has been handled: a foreign write of a later round has been heard of. Its key is written
/// only here, so that nothing of it is still to come: it may share a stripe with what the test looks at.
async fn settled(stack: &Stack, ear: &Ear) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..2 {
        let behind = format!("behind {}", NEXT.fetch_add(1, Ordering::Relaxed));
        stack.foreign_set(&behind, "everything");
        ear.hears(&behind).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_concurrent_own_sets_gets_and_deletes_leave_memory_and_redis_agreed() {
    let stack = Arc::new(Stack::shared().await);
    let names: Vec<String> = (0..300).map(|n| format!("k{n}")).collect();
    let tasks: Vec<_> = (0..6)
        .map(|task| {
            let (stack, names) = (Arc::clone(&stack), names.clone());
            tokio::spawn(async move {
                for name in &names {
                    match task {
                        0..=2 => stack.set(name, &format!("by {task}")).await,
                        3..=4 => drop(stack.get(name).await),
                        _ => {
                            let options = WriteOptions::default();
                            let deleted = stack.store.delete(&stack.key(name), &options).await;
                            deleted.expect("a delete");
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task that sets, gets or deletes");
    }
    for name in &names {
        stack.agrees(name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_two_nodes_and_a_foreign_client_on_the_same_keys_end_in_agreement() {
    let a = Arc::new(Stack::shared().await);
    let b = Arc::new(a.another().await);
    let names: Vec<String> = (0..150).map(|n| format!("k{n}")).collect();
    let mut tasks = Vec::new();
    for (node, stack) in [&a, &b].into_iter().enumerate() {
        for task in 0..3 {
            let (stack, names) = (Arc::clone(stack), names.clone());
            tasks.push(tokio::spawn(async move {
                for name in &names {
                    if task == 0 {
                        stack.get(name).await;
                    } else {
                        stack.set(name, &format!("{node} {task}")).await;
                    }
                }
            }));
        }
    }
    let (foreign, keys) = (Arc::clone(&a), names.clone());
    tasks.push(tokio::task::spawn_blocking(move || {
        for name in &keys {
            foreign.foreign_set(name, "foreign");
        }
    }));
    for task in tasks {
        task.await.expect("a task that sets or gets");
    }
    for name in &names {
        a.agrees(name).await;
        b.agrees(name).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_a_foreign_write_between_an_own_write_and_its_reply_wins() {
    let (stack, proxy) = behind_a_proxy().await;
    let stack = Arc::new(stack);
    let hold = proxy.hold_on(PRIMARY, Direction::ToClient);
    let setting = tokio::spawn({
        let stack = Arc::clone(&stack);
        async move { stack.set("a", "ours").await }
    });
    hold.reached().await;
    stack.foreign_set("a", "foreign");
    hold.release();
    setting.await.expect("a set");
    stack.agrees("a").await;
    eventually("memory lets go of what was overwritten", || {
        stack.in_memory("a").as_deref() != Some("ours")
    })
    .await;
    assert_eq!(stack.get("a").await.as_deref(), Some("foreign"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_an_invalidation_between_reply_and_promotion_wins() {
    let (stack, proxy) = behind_a_proxy().await;
    let stack = Arc::new(stack);
    for (name, own) in [("foreign", false), ("own", true)] {
        let ear = Ear::on(&stack);
        stack.foreign_set(name, "old");
        settled(&stack, &ear).await;
        let before = ear.count(name);
        let hold = proxy.hold_on(READER, Direction::ToClient);
        let getting = tokio::spawn({
            let stack = Arc::clone(&stack);
            async move { stack.get(name).await }
        });
        hold.reached_with("old").await;
        if own {
            let options = WriteOptions::default();
            let deleted = stack.store.delete(&stack.key(name), &options).await;
            assert!(matches!(deleted, Ok(Deletion::Delivered { .. })));
        } else {
            stack.server.command(&["DEL", &stack.stored(name)]);
            eventually("the delete", || ear.count(name) > before).await;
        }
        hold.release();
        let got = getting.await.expect("a get");
        assert_eq!(
            got.as_deref(),
            Some("old"),
            "it asked before the {name} delete"
        );
        assert_eq!(
            stack.in_memory(name),
            None,
            "deleted since, by the {name} delete"
        );
        assert_eq!(stack.get(name).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_a_set_whose_caller_went_away_leaves_nothing_older_in_memory() {
    let (stack, proxy) = behind_a_proxy().await;
    stack.set("a", "old").await;
    assert_eq!(stack.in_memory("a").as_deref(), Some("old"));
    let hold = proxy.hold_on(PRIMARY, Direction::ToServer);
    let (key, options) = (stack.key("a"), WriteOptions::default());
    let mut setting = stack.store.set(&key, entry("new"), &options);
    // Polled until it has been sent, then dropped.
    poll_fn(|context| {
        assert!(setting.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    hold.reached_with("new").await;
    drop(setting);
    // While the write is under way somebody reads the old value, and memory takes it.
    assert_eq!(stack.get("a").await.as_deref(), Some("old"));
    hold.release();
    eventually("the write that nobody waits for", || {
        let stored = stack.server.command(&["GET", &stack.stored("a")]);
        stored.bytes().is_some_and(|bytes| bytes.ends_with(b"new"))
    })
    .await;
    stack.agrees("a").await;
    assert_eq!(stack.get("a").await.as_deref(), Some("new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_a_set_that_lands_after_its_callers_deadline_leaves_nothing_older_in_memory() {
    let (stack, proxy) = behind_a_proxy_with(|settings| settings.write_timeout(PATIENCE)).await;
    stack.set("a", "old").await;
    let hold = proxy.hold_on(PRIMARY, Direction::ToServer);
    let soon = clock().now().saturating_add(Duration::from_millis(50));
    let options = WriteOptions::default().with_deadline(soon);
    let set = stack
        .store
        .set(&stack.key("a"), entry("new"), &options)
        .await;
    assert_eq!(
        set.expect_err("nobody answers").kind(),
        larder_core::ErrorKind::Timeout
    );
    assert_eq!(
        stack.get("a").await.as_deref(),
        Some("old"),
        "not executed yet"
    );
    assert_eq!(stack.in_memory("a").as_deref(), Some("old"), "and promoted");
    hold.release();
    eventually("the late write", || {
        let stored = stack.server.command(&["GET", &stack.stored("a")]);
        stored.bytes().is_some_and(|bytes| bytes.ends_with(b"new"))
    })
    .await;
    stack.agrees("a").await;
    assert_eq!(stack.get("a").await.as_deref(), Some("new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_a_set_without_an_answer_never_lands_once_the_link_is_up_again() {
    let (stack, proxy) = behind_a_proxy_with(|settings| {
        let short = Duration::from_millis(500);
        settings.write_timeout(short).heartbeat(short)
    })
    .await;
    stack.set("a", "old").await;
    let ear = Ear::on(&stack);
    let hold = proxy.hold_on(PRIMARY, Direction::ToServer);
    let (key, options) = (stack.key("a"), WriteOptions::default());
    let set = stack.store.set(&key, entry("late"), &options).await;
    set.expect_err("nobody answers");
    ear.hears("down").await;
    ear.hears("up").await;
    // What the old connection still holds reaches the server now, if it lets it.
    hold.release();
    stack.set("b", "x").await;
    settled(&stack, &ear).await;
    let stored = stack.server.command(&["GET", &stack.stored("a")]);
    assert!(
        stored.bytes().is_some_and(|bytes| bytes.ends_with(b"old")),
        "a write from before the link was lost has landed after it was up again"
    );
    stack.agrees("a").await;
}

/// How often the server has performed a command, for scripts too.
fn calls(server: &RedisServer, command: &str) -> u64 {
    let info = server.command(&["INFO", "commandstats"]).text();
    let line = format!("cmdstat_{command}:calls=");
    let calls = info
        .split(&line)
        .nth(1)
        .map_or("0", |rest| rest.split(',').next().unwrap_or_default());
    calls.parse().expect("a number of calls")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_what_was_loaded_stays_in_memory_though_its_own_fill_is_echoed() {
    let server = Arc::new(RedisServer::start());
    let settings = Redis::builder(server.url());
    let stack = Stack::at(server, settings, &Subject::new_namespace()).await;
    let ear = Ear::on(&stack);
    let options = LeaseOptions::until(clock().now().saturating_add(PATIENCE));
    let checks = || calls(&stack.server, "getrange");
    for round in 0..20 {
        let (name, checked) = (format!("k{round}"), checks());
        let key = stack.key(&name);
        let lease = stack.store.lease(&[key], &options).await.pop();
        let Some(Ok(Lease::Granted { token, .. })) = lease else {
            panic!("the key is cold, and the lease is {lease:?}");
        };
        let entry = entry("loaded");
        let fill = vec![Fill { token, entry }];
        let filled = stack.store.fill(fill, &WriteOptions::default()).await;
        assert!(matches!(filled[..], [Ok(Filled::Stored)]), "{filled:?}");
        // One is the script's. Without waiting for the other, which looks what the push was about, it could meet
        // the delete below, and tell of that in a later round.
        eventually("the push is checked", || checks() >= checked + 2).await;
        settled(&stack, &ear).await;
        assert_eq!(
            stack.in_memory(&name).as_deref(),
            Some("loaded"),
            "the echo of the fill is no news"
        );
        stack.server.command(&["DEL", &stack.stored(&name)]);
        settled(&stack, &ear).await;
        assert_eq!(stack.in_memory(&name), None, "a foreign delete is");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_a_grant_makes_memory_forget_though_its_caller_went_away() {
    let (stack, proxy) = behind_a_proxy().await;
    stack.set("a", "old").await;
    let ear = Ear::on(&stack);
    // H1: another's delete and our grant in one round: the server tells us of neither.
    let hold = proxy.hold_on(PRIMARY, Direction::ToClient);
    stack.server.command(&["DEL", &stack.stored("a")]);
    let options = LeaseOptions::until(clock().now().saturating_add(PATIENCE));
    let keys = [stack.key("a")];
    {
        let mut leasing = stack.store.lease(&keys, &options);
        poll_fn(|context| {
            assert!(leasing.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    hold.release();
    ear.hears("leased a").await;
    assert_eq!(
        stack.in_memory("a"),
        None,
        "a grant says that nothing is there"
    );
    eventually("the orphaned lease is given back", || {
        stack.server.command(&["GET", &stack.stored("a")]).is_nil()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_while_the_link_is_down_nothing_from_before_is_served_and_nothing_enters() {
    let (stack, proxy) =
        behind_a_proxy_with(|settings| settings.heartbeat(Duration::from_millis(500))).await;
    stack.set("a", "old").await;
    let ear = Ear::on(&stack);
    proxy.black_hole();
    ear.hears("down").await;
    stack.foreign_set("a", "new");
    assert_eq!(stack.in_memory("a"), None, "it may have missed a change");
    proxy.heal();
    ear.hears("up").await;
    assert_eq!(stack.get("a").await.as_deref(), Some("new"));
    assert_eq!(
        stack.in_memory("a").as_deref(),
        Some("new"),
        "trusted again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_another_node_hears_of_every_kind_of_write() {
    let a = Stack::shared().await;
    let b = a.another().await;
    let options = WriteOptions::default();
    a.set("a", "one").await;
    assert_eq!(b.get("a").await.as_deref(), Some("one"));
    a.set("a", "two").await;
    eventually("a set", || b.in_memory("a").is_none()).await;
    assert_eq!(b.get("a").await.as_deref(), Some("two"));
    let expiry = larder_core::Expiry::new(larder_core::Lifetime::forever(clock().now()));
    assert!(
        a.store
            .expire(&a.key("a"), expiry, &options)
            .await
            .expect("an expire")
    );
    eventually("an expire", || b.in_memory("a").is_none()).await;
    assert_eq!(b.get("a").await.as_deref(), Some("two"));
    a.store
        .delete(&a.key("a"), &options)
        .await
        .expect("a delete");
    eventually("a delete", || b.in_memory("a").is_none()).await;
    assert_eq!(b.get("a").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_reads_come_from_the_server_whose_changes_are_told() {
    // The address leads elsewhere from now on, as after a failover; the connections for reads don't notice.
    let (stack, proxy) = behind_a_proxy().await;
    stack.set("a", "former").await;
    let other = RedisServer::start();
    other.command(&[
        b"SET".as_slice(),
        stack.stored("a").as_bytes(),
        &stack.bytes("a", "present"),
    ]);
    let ear = Ear::on(&stack);
    proxy.set_target(other.address());
    let told_by = stack
        .server
        .command(&["CLIENT", "LIST", "TYPE", "NORMAL"])
        .text();
    // The flags of a connection that is told of changes: tracking, broadcast.
    let line = told_by
        .lines()
        .find(|line| line.contains(" flags=tB ") || line.contains("flags=Bt"));
    let line = line.expect("one connection is told of changes");
    let id = line
        .split(' ')
        .find_map(|part| part.strip_prefix("id="))
        .expect("it has a number");
    stack.server.command(&["CLIENT", "KILL", "ID", id]);
    ear.hears("down").await;
    ear.hears("up").await;
    for _ in 0..50 {
        assert_eq!(stack.in_redis("a").await.as_deref(), Some("present"));
    }
    assert_eq!(stack.get("a").await.as_deref(), Some("present"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_a_flushall_right_after_the_generation_changed_is_noticed() {
    let (stack, _proxy) =
        behind_a_proxy_with(|settings| settings.heartbeat(Duration::from_millis(300))).await;
    let generation = [larder_core::Marker::generation(&stack.namespace)];
    let options = WriteOptions::default();
    stack
        .store
        .bump(&generation, &options)
        .await
        .expect("a bump");
    stack.set("a", "gone").await;
    stack.server.command(&["FLUSHALL"]);
    eventually("memory forgets what was flushed", || {
        stack.in_memory("a").is_none()
    })
    .await;
}
