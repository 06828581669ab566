//! The trouble of a run: chosen by the seed, made one after the other, each noted for as long as it lasts.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::Duration;

use larder_testkit::{Connections, Direction, FaultProxy};
use rustix::process::Signal;

use crate::keys::{indexes, spec};
use crate::moment::{Moment, millis, now, pause};
use crate::stage::{NODES, Stage};

/// Hard trouble until the run is over: links that break, processes that stop or die.
pub(crate) fn make(stage: &Stage) -> Result<(), Box<dyn Error>> {
    let mut random = fastrand::Rng::with_seed(stage.rhythm.seed ^ 0xfa17);
    while !stage.is_over.load(Ordering::Relaxed) {
        // Some of the time nothing is in the way, or nobody would have to hear of anything.
        pause(millis(random.u64(100..1_200)));
        let node = random.u8(..NODES);
        match random.u8(..100) {
            0..50 => network(stage, node, &mut random),
            50..62 => paused_node(stage, node, millis(random.u64(50..1_200))),
            62..68 => stage.restart(node)?,
            68..78 => paused_server(stage, millis(random.u64(50..900))),
            78..84 => evict(stage, &mut random),
            84..90 => kill_connection(stage, &mut random),
            90..95 => command(stage, &["SCRIPT", "FLUSH"]),
            95..98 => flush(stage),
            _ => restarted_server(stage),
        }
    }
    Ok(())
}

fn either(random: &mut fastrand::Rng) -> Direction {
    if random.bool() {
        Direction::ToServer
    } else {
        Direction::ToClient
    }
}

/// Trouble on the way between one node and the server.
fn network(stage: &Stage, node: u8, random: &mut fastrand::Rng) {
    let proxy = &stage.proxies[usize::from(node)];
    let way = either(random);
    let lasts = |kind: &str, length: Moment, begin: &dyn Fn(&FaultProxy)| {
        stage.fault(kind, Some(node), || {
            begin(proxy);
            pause(length);
            proxy.heal();
        });
    };
    let length = millis(random.u64(100..700));
    match random.u8(..16) {
        0..4 => {
            let delay = Duration::from_millis(random.u64(2..120));
            lasts("delay", length, &|proxy| proxy.latency(way, delay));
        }
        4..6 => {
            let rate = random.u64(1_000..30_000);
            lasts("throttle", length, &|proxy| proxy.throttle(way, Some(rate)));
        }
        6..8 => lasts("reset", 0, &FaultProxy::reset_all),
        8 => lasts("disconnect", 0, &FaultProxy::disconnect_all),
        9..11 => {
            let bytes = random.u64(1..600);
            lasts("cut", length, &|proxy| proxy.cut_after(bytes));
        }
        11..14 => {
            let length = millis(random.u64(200..2_000));
            lasts("black hole", length, &FaultProxy::black_hole);
        }
        14 => lasts("stop reading", length, &|proxy| proxy.stop_reading(way)),
        _ => lasts("refuse", length, &|proxy| {
            proxy.refuse();
            proxy.reset_all();
        }),
    }
}

fn paused_node(stage: &Stage, node: u8, length: Moment) {
    stage.fault("node stopped", Some(node), || {
        stage.signal(node, Signal::STOP);
        pause(length);
        stage.signal(node, Signal::CONT);
    });
}

fn paused_server(stage: &Stage, length: Moment) {
    let _only = stage.only_one();
    stage.fault("redis stopped", None, || {
        stage.server.pause();
        pause(length);
        stage.server.resume();
    });
}

fn restarted_server(stage: &Stage) {
    let _only = stage.only_one();
    stage.fault("redis restarted", None, || {
        crate::foreign::noted(stage, crate::history::What::Restart, || {
            stage.server.restart();
            true
        });
    });
}

fn flush(stage: &Stage) {
    crate::foreign::noted(stage, crate::history::What::FlushAll, || {
        try_command(stage, &["FLUSHALL"])
    });
}

/// Makes the server forget some of what it has, for lack of memory.
fn evict(stage: &Stage, random: &mut fastrand::Rng) {
    let Ok(mut client) = stage.server.try_client() else {
        return;
    };
    let mut ask = |words: &[&str]| client.command(words).is_ok();
    ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    ask(&["CONFIG", "SET", "maxmemory", "3mb"]);
    let big = "x".repeat(200_000);
    for number in 0..random.u8(4..24) {
        ask(&["SET", &format!("big:{number}"), &big]);
    }
    ask(&["CONFIG", "SET", "maxmemory", "0"]);
    for number in 0..24 {
        ask(&["DEL", &format!("big:{number}")]);
    }
}

/// Kills one of the server's connections, whoever's it is.
fn kill_connection(stage: &Stage, random: &mut fastrand::Rng) {
    let Ok(mut client) = stage.server.try_client() else {
        return;
    };
    let Ok(list) = client.command(&["CLIENT", "LIST"]) else {
        return;
    };
    let list = list.text();
    let ids = list.lines().filter_map(|line| {
        let (id, _) = line.strip_prefix("id=")?.split_once(' ')?;
        Some(id.to_owned())
    });
    if let Some(id) = random.choice(ids.collect::<Vec<_>>()) {
        let _ = client.command(&["CLIENT", "KILL", "ID", &id]);
    }
}

fn command(stage: &Stage, words: &[&str]) {
    // A server that doesn't answer is trouble enough.
    let _ = try_command(stage, words);
}

fn try_command(stage: &Stage, words: &[&str]) -> bool {
    let client = stage.server.try_client();
    client.is_ok_and(|mut client| client.command(words).is_ok())
}

/// Small trouble in the storms: one connection of one node stands still for a moment, one way, while the others
/// go on. So a reply is overtaken by news, and news by a reply.
pub(crate) fn lag(stage: &Stage, node: u8) {
    let mut random = fastrand::Rng::with_seed(stage.rhythm.seed ^ 0x1a6 ^ u64::from(node) << 20);
    let proxy = &stage.proxies[usize::from(node)];
    while !stage.is_over.load(Ordering::Relaxed) {
        pause(millis(random.u64(5..60)));
        if !stage.rhythm.is_storm(now()) {
            continue;
        }
        let length = match random.u8(..12) {
            // Longer than a write is waited for: it lands when its connection has been given up.
            0 => random.u64(400..1_000),
            _ => random.u64(2..100),
        };
        let (connections, way) = match random.u8(..3) {
            // Replies and news come in one heap afterwards, and whoever waits for them races with the others.
            0 => (Connections::All, Direction::ToClient),
            _ => match random.choice(proxy.open_indexes()) {
                Some(one) => (Connections::Only(one), either(&mut random)),
                None => continue,
            },
        };
        stage.fault("lag", Some(node), || {
            let hold = proxy.hold_on(connections, way);
            pause(millis(length));
            hold.release();
        });
    }
}

/// The server stands still for a moment, every now and then: when it goes on, it does in one round what has come
/// meanwhile, and tells of a key once, whoever has written it.
pub(crate) fn hiccup(stage: &Stage) {
    let mut random = fastrand::Rng::with_seed(stage.rhythm.seed ^ 0x41cc);
    while !stage.is_over.load(Ordering::Relaxed) {
        pause(millis(random.u64(20..80)));
        if stage.rhythm.is_storm(now()) {
            paused_server(stage, millis(random.u64(5..40)));
        }
    }
}

/// In some of the quiet periods a node hears nothing more, and what it has in memory is changed: nothing but its
/// heartbeat tells it that something is wrong.
pub(crate) fn silence(stage: &Stage) {
    let mut random = fastrand::Rng::with_seed(stage.rhythm.seed ^ 0x511e);
    while !stage.is_over.load(Ordering::Relaxed) {
        let next = stage.rhythm.next_period(now());
        if stage.rhythm.is_quiet(now()) && random.bool() {
            let node = random.u8(..NODES);
            let proxy = &stage.proxies[usize::from(node)];
            // Whatever waits for an answer has it by then.
            pause(millis(300));
            stage.fault("silence", Some(node), || {
                proxy.black_hole();
                pause(millis(random.u64(10..80)));
                for key in indexes().filter(|key| spec(*key).space == "long") {
                    crate::foreign::delete(stage, key);
                }
                // And before any other write of this node is given up.
                pause(next.saturating_sub(now()) + millis(350));
                proxy.heal();
            });
        }
        pause(next.saturating_sub(now()));
    }
}
