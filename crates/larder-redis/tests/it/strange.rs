//! Things in the server that no larder has put there, or not so.

use std::time::Duration;

use larder_core::{
    Backend, BatchOperation, BatchReply, Entry, ErrorKind, Filled, Lease, LeaseMode, LeaseOptions,
    Lifetime, Marker, MarkerRead, Pattern, ReadOptions, ScanRequest, Ttl, Update, Updated, Value,
    Version, WriteOptions,
};
use larder_redis::Redis;
use larder_testkit::RedisServer;

use crate::harness::{Opened, PATIENCE, shared_server};
use crate::operations::{Operation, Worker};

async fn opened(server: &RedisServer) -> Opened {
    Opened::by(Redis::builder(server.url())).await
}

/// Other commands read and claim where the length of what is stored is limited.
async fn opened_by_both_ways(server: &RedisServer) -> [Opened; 2] {
    let limited = Redis::builder(server.url()).max_value_bytes(1 << 20);
    [opened(server).await, Opened::by(limited).await]
}

fn unreadable(opened: &Opened) -> u64 {
    opened.redis.stats()[0].unreadable
}

async fn listed(opened: &Opened) -> Vec<String> {
    let pattern = Pattern::new("*").expect("a pattern");
    let request = ScanRequest::new(opened.namespace.clone(), pattern);
    let options = ReadOptions::default();
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = opened.redis.scan(&request, cursor, &options).await;
        let page = page.expect("a page");
        keys.extend(page.entries.iter().map(|(key, _)| key.text().to_owned()));
        cursor = page.next;
        if cursor.is_none() {
            return keys;
        }
    }
}

/// Nobody reads it: a counted miss by every route.
async fn is_a_counted_miss(opened: &Opened, key: &str) {
    let (options, write) = (ReadOptions::default(), WriteOptions::default());
    let before = unreadable(opened);
    let got = opened.get(key).await;
    assert!(matches!(got, Ok(None)), "get: {got:?}");
    assert_eq!(unreadable(opened), before + 1, "counted");
    let head = opened.redis.head(&opened.key(key), &options).await;
    assert!(matches!(head, Ok(None)), "head: {head:?}");
    let gets = vec![BatchOperation::Get(opened.key(key))];
    for mut batch in [gets, vec![BatchOperation::Delete(opened.key("none"))]] {
        batch.push(BatchOperation::Get(opened.key(key)));
        let answers = opened.redis.batch(batch, &write).await;
        let last = answers.last();
        assert!(
            matches!(last, Some(Ok(BatchReply::Entry(None)))),
            "batch: {last:?}"
        );
    }
    assert_eq!(listed(opened).await, Vec::<String>::new(), "scan");
}

#[tokio::test]
async fn s1_a_key_that_holds_no_string_is_a_miss_and_left_alone_by_all_that_is_conditional() {
    let server = shared_server();
    for opened in opened_by_both_ways(&server).await {
        let stored = opened.stored("a");
        server.command(&["RPUSH", &stored, "x", "y"]);
        is_a_counted_miss(&opened, "a").await;
        let mut worker = Worker::new(&opened, "a");
        for operation in Operation::ALL {
            use Operation::{Batch, Delete, Expire, Invalidate, ReplaceIf, Set, SetIfAbsent, Take};
            server.command(&["DEL", &stored]);
            server.command(&["RPUSH", &stored, "x", "y"]);
            let done = worker.perform(operation, None).await;
            match operation {
                // Scripts that look into it first.
                Expire | SetIfAbsent | ReplaceIf | Take => {
                    let error = done.expect_err("nobody can tell what it is");
                    assert_eq!(error.kind(), ErrorKind::Unexpected, "{operation}: {error}");
                    assert!(!error.is_temporary(), "{operation}: {error}");
                }
                // Its last step deletes what its third has set.
                Batch => {}
                _ => done.unwrap_or_else(|error| panic!("{operation}: {error}")),
            }
            if !matches!(
                operation,
                Set | Delete | Invalidate | Batch | Operation::Fill | Operation::Release
            ) {
                let length = server.command(&["LLEN", &stored]).integer();
                assert_eq!(length, 2, "{operation} leaves it alone");
            }
        }
        // Who asks for a lease gets one that fills nothing.
        server.command(&["DEL", &stored]);
        server.command(&["RPUSH", &stored, "x", "y"]);
        let token = opened.granted("a", Duration::from_secs(5)).await;
        let filled = opened.fill(token, opened.entry("loaded")).await.unwrap();
        assert_eq!(filled, Filled::Refused);
        assert_eq!(server.command(&["LLEN", &stored]).integer(), 2);
        opened.set("a", "ours").await.unwrap();
        assert_eq!(opened.get("a").await.unwrap().as_deref(), Some("ours"));
    }
}

#[tokio::test]
async fn s1_foreign_bytes_are_a_miss_and_no_fill_replaces_them() {
    let server = shared_server();
    for opened in opened_by_both_ways(&server).await {
        let stored = opened.stored("a");
        for foreign in [&b"foreign"[..], b"", b"\xc0\xc1", &[b'x'; 200]] {
            server.command(&[b"SET", stored.as_bytes(), foreign]);
            if !foreign.is_empty() {
                is_a_counted_miss(&opened, "a").await;
            }
            let token = opened.granted("a", Duration::from_secs(5)).await;
            let filled = opened.fill(token, opened.entry("loaded")).await.unwrap();
            assert_eq!(filled, Filled::Refused, "{foreign:?}");
            let there = server.command(&["GET", &stored]).bytes();
            assert_eq!(there.as_deref(), Some(foreign), "it is left alone");
            let id = opened.entry("other").id();
            let update = Update::ReplaceIf {
                id,
                entry: opened.entry("ours"),
            };
            let options = WriteOptions::default();
            let updated = opened
                .redis
                .update(&opened.key("a"), update, &options)
                .await;
            assert!(matches!(updated, Ok(Updated::Refused)), "{updated:?}");
            if foreign.is_empty() {
                continue;
            }
            let template = opened.entry("ours");
            let (by, entry) = (1, template.clone());
            for update in [
                Update::Increment { by, template },
                Update::SetIfAbsent(entry),
            ] {
                let refused = opened
                    .redis
                    .update(&opened.key("a"), update, &options)
                    .await;
                let error = refused.expect_err("it would be lost");
                assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
            }
            let there = server.command(&["GET", &stored]).bytes();
            assert_eq!(there.as_deref(), Some(foreign), "it is left alone");
        }
        opened.set("a", "ours").await.unwrap();
        assert_eq!(opened.get("a").await.unwrap().as_deref(), Some("ours"));
    }
}

#[tokio::test]
async fn s1_damaged_entries_are_a_miss_and_a_fill_replaces_them() {
    let server = shared_server();
    for opened in opened_by_both_ways(&server).await {
        let stored = opened.stored("a");
        opened.set("a", "the payload").await.unwrap();
        opened.set("b", "another's").await.unwrap();
        let whole = server.command(&["GET", &stored]).bytes().unwrap();
        let other = server
            .command(&["GET", &opened.stored("b")])
            .bytes()
            .unwrap();
        server.command(&["DEL", &opened.stored("b")]);
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            bytes
        };
        let mut damaged: Vec<(String, Vec<u8>)> = (1..whole.len())
            .map(|len| (format!("cut to {len}"), whole[..len].to_vec()))
            .collect();
        damaged.push(("bytes of another key".to_owned(), other));
        damaged.push(("another id".to_owned(), flipped(9)));
        damaged.push(("another payload".to_owned(), flipped(whole.len() - 1)));
        for (what, bytes) in damaged {
            server.command(&[b"SET", stored.as_bytes(), &bytes]);
            let before = unreadable(&opened);
            assert_eq!(opened.get("a").await.unwrap(), None, "{what}");
            assert_eq!(unreadable(&opened), before + 1, "{what} is counted");
            let token = opened.granted("a", Duration::from_secs(5)).await;
            let filled = opened.fill(token, opened.entry("loaded")).await.unwrap();
            assert_eq!(filled, Filled::Stored, "{what}");
            assert_eq!(opened.get("a").await.unwrap().as_deref(), Some("loaded"));
        }
    }
}

#[tokio::test]
async fn s1_a_newer_format_is_a_miss_and_no_fill_replaces_it() {
    let server = shared_server();
    for opened in opened_by_both_ways(&server).await {
        let stored = opened.stored("a");
        opened.set("a", "x").await.unwrap();
        let mut bytes = server.command(&["GET", &stored]).bytes().unwrap();
        bytes[1] = 2;
        server.command(&[b"SET", stored.as_bytes(), &bytes]);
        is_a_counted_miss(&opened, "a").await;
        let token = opened.granted("a", Duration::from_secs(5)).await;
        let filled = opened.fill(token, opened.entry("loaded")).await.unwrap();
        assert_eq!(filled, Filled::Refused, "a later version is at work here");
    }
}

#[tokio::test]
async fn the_longest_and_the_shortest_times_to_live_are_kept() {
    let server = shared_server();
    let opened = opened(&server).await;
    let options = WriteOptions::default();
    let longest = opened.entry_for("long", Ttl::MAX);
    let key = opened.key("long");
    opened.redis.set(&key, longest, &options).await.unwrap();
    let left = server.command(&["PTTL", &opened.stored("long")]).integer();
    let left = Duration::from_millis(u64::try_from(left).unwrap());
    assert!(left <= Ttl::MAX && left + PATIENCE > Ttl::MAX, "{left:?}");
    assert_eq!(opened.get("long").await.unwrap().as_deref(), Some("long"));
    let forever = Entry::new(Value::raw("ever".into()), Lifetime::forever(opened.now()));
    let key = opened.key("ever");
    opened.redis.set(&key, forever, &options).await.unwrap();
    assert_eq!(
        server.command(&["PTTL", &opened.stored("ever")]).integer(),
        -1
    );

    let shortest = opened.entry_for("short", Duration::from_millis(1));
    let key = opened.key("short");
    opened.redis.set(&key, shortest, &options).await.unwrap();
    crate::harness::eventually("it is gone", async || {
        opened.get("short").await.unwrap().is_none()
            && server.command(&["GET", &opened.stored("short")]).is_nil()
    })
    .await;
    // Over before it was sent.
    let entry = opened.entry_for("over", Duration::from_millis(1));
    crate::harness::eventually("its time is over", async || {
        entry.head().lifetime().is_expired(opened.now())
    })
    .await;
    opened.set("over", "former").await.unwrap();
    opened
        .redis
        .set(&opened.key("over"), entry, &options)
        .await
        .unwrap();
    assert_eq!(
        opened.get("over").await.unwrap(),
        None,
        "it has replaced what was there"
    );
    assert!(server.command(&["GET", &opened.stored("over")]).is_nil());
}

#[tokio::test]
async fn c6_a_damaged_counter_begins_anew_or_is_refused_and_is_never_guessed() {
    let server = shared_server();
    let opened = opened(&server).await;
    let stored = opened.stored("a");
    let increment = async || {
        let update = Update::Increment {
            by: 5,
            template: opened.entry("counter"),
        };
        let options = WriteOptions::default();
        opened
            .redis
            .update(&opened.key("a"), update, &options)
            .await
    };
    assert!(matches!(increment().await, Ok(Updated::Counter(5))));
    let whole = server.command(&["GET", &stored]).bytes().unwrap();
    for len in 0..whole.len() {
        server.command(&[b"SET", stored.as_bytes(), &whole[..len]]);
        match increment().await {
            Ok(Updated::Counter(5)) => {}
            Err(error) if error.kind() == ErrorKind::NotACounter => {}
            other => panic!("cut to {len}: {other:?}"),
        }
    }
    server.command(&[b"SET", stored.as_bytes(), &whole]);
    assert!(matches!(increment().await, Ok(Updated::Counter(10))));
    // One byte too many is a damage too.
    server.command(&["APPEND", &stored, "x"]);
    assert!(
        increment()
            .await
            .is_err_and(|error| error.kind() == ErrorKind::NotACounter)
    );
}

#[tokio::test]
async fn s1_a_lease_key_of_another_kind_is_no_end() {
    let server = shared_server();
    let opened = opened(&server).await;
    opened.set("a", "x").await.unwrap();
    let lease = format!("{}:~l:{{{}}}", opened.namespace, opened.stored("a"));
    let options = || {
        let until = opened.within_time(Duration::from_secs(5));
        LeaseOptions::until(until).with_mode(LeaseMode::Refresh)
    };
    // Strings that are no lease of ours are in nobody's way.
    for foreign in [
        "",
        "foreign",
        "a foreign string that is longer than a token is",
    ] {
        server.command(&["SET", &lease, foreign]);
        let mut leases = opened.redis.lease(&[opened.key("a")], &options()).await;
        let lease = leases.pop().unwrap().unwrap();
        let Lease::Granted { token, .. } = lease else {
            panic!("{foreign:?}: {lease:?}")
        };
        opened
            .redis
            .release(vec![token], &WriteOptions::default())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_generation_that_is_no_string_is_none_and_the_next_is_made_in_its_place() {
    let server = shared_server();
    for opened in opened_by_both_ways(&server).await {
        let marker = Marker::generation(&opened.namespace);
        server.command(&["RPUSH", &marker.stored_name(), "x"]);
        // What reads it: a new connection, scripts, whoever goes by it.
        let builder = Redis::builder(server.url());
        let another = Opened::within(builder, &opened.namespace).await;
        let (read, mut write) = (ReadOptions::default(), WriteOptions::default());
        write.view.generation = Some(Version::random());
        for opened in [&opened, &another] {
            let template = opened.entry("counter");
            let update = Update::Increment { by: 1, template };
            let key = opened.key("a");
            let updated = opened.redis.update(&key, update, &write).await;
            assert!(matches!(updated, Ok(Updated::Counter(_))), "{updated:?}");
            let existing = MarkerRead::Existing;
            let versions = opened
                .redis
                .markers(std::slice::from_ref(&marker), existing, &read)
                .await;
            assert_eq!(versions.unwrap(), [None]);
        }
        let made = MarkerRead::OrCreate;
        let versions = opened
            .redis
            .markers(std::slice::from_ref(&marker), made, &read)
            .await;
        let versions = versions.unwrap();
        assert!(versions[0].is_some());
        let again = another.redis.markers(&[marker], made, &read).await;
        assert_eq!(again.unwrap(), versions, "it stays");
    }
}
