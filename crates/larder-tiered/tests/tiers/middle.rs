//! Three tiers: the middle one is neither at hand nor the truth.

use larder_core::{Backend, BatchOperation, ErrorKind, Operation, Store, Tiers};
use larder_testkit::Fault;
use larder_tiered::{TierLimits, Tiered};

use crate::node::{MINUTE, Server, memory, read, reading, reading_from, text, writing};
use crate::region::{LIMIT, Region, eventually};
use crate::remote::{Echo, Remote};

#[tokio::test]
async fn a_read_goes_from_tier_to_tier_and_leaves_copies() {
    let server = Server::start();
    let region = Region::start(&server);
    region.write_elsewhere(&server, "a", "x").await;
    assert_eq!(region.node.text("a").await.as_deref(), Some("x"));
    let [middle, far] = region.lines();
    assert_eq!(middle, ["get a: miss", "lease a: granted", "fill a: done"]);
    assert_eq!(far, ["get a: hit"]);
    region.evict("a");
    assert_eq!(region.node.text("a").await.as_deref(), Some("x"));
    let [middle, far] = region.lines();
    assert_eq!(middle, ["get a: hit"], "it had a copy");
    assert_eq!(far, [""; 0], "the server was not asked");
    assert_eq!(region.node.peek_text("a").as_deref(), Some("x"));

    assert_eq!(region.node.text("unknown").await, None);
    let [middle, _] = region.lines();
    let expected = [
        "get unknown: miss",
        "lease unknown: granted",
        "release unknown: done",
    ];
    assert_eq!(middle, expected, "nothing to copy");
}

#[tokio::test]
async fn a_batch_is_one_call_of_each_tier() {
    let server = Server::start();
    let region = Region::start(&server);
    for name in ["a", "b", "c"] {
        region.write_elsewhere(&server, name, name).await;
    }
    region.node.get("b").await;
    region.evict("b");
    region.lines();
    let keys = ["a", "b", "c", "d"].map(|name| region.node.key(name));
    for round in ["from the server", "from memory"] {
        let found = region.node.store.get_many(&keys, &writing()).await;
        let found: Vec<_> = found
            .iter()
            .map(|found| found.as_ref().unwrap().as_ref().map(text))
            .collect();
        let expected = ["a", "b", "c"].map(|name| Some(name.to_owned()));
        assert_eq!(found, [&expected[..], &[None]].concat(), "{round}");
        if round == "from the server" {
            let [middle, far] = region.lines();
            let expected = [
                "batch a, b, c, d: miss, hit, miss, miss",
                "lease a, c, d: granted, granted, granted",
                "fill a, c: done, done",
                "release d: done",
            ];
            assert_eq!(middle, expected);
            assert_eq!(far, ["batch a, c, d: hit, hit, miss"]);
        }
    }
    region.lines();
    let operations = vec![
        BatchOperation::Set(keys[0], server.entry("new")),
        BatchOperation::Get(keys[0]),
        BatchOperation::Delete(keys[1]),
    ];
    let replies = region.node.store.batch(operations, &writing()).await;
    let seen = replies[1].clone().unwrap().into_entry().unwrap();
    assert_eq!(seen.as_ref().map(text).as_deref(), Some("new"));
    let [middle, far] = region.lines();
    assert_eq!(middle, ["batch a, b: done, done"]);
    assert_eq!(far, ["batch a, a, b: done, hit, done"]);
    for name in ["a", "b"] {
        assert_eq!(region.copy(name).await, None, "{name} was written");
    }
}

#[tokio::test]
async fn a1_trouble_in_the_middle_fails_no_read() {
    let server = Server::start();
    let region = Region::start(&server);
    let node = &region.node;
    region.write_elsewhere(&server, "a", "x").await;
    let kind = ErrorKind::Unavailable;
    for operation in [Operation::Get, Operation::Lease, Operation::Fill] {
        region.trouble.next(operation, Fault::Fail(kind));
        assert_eq!(
            node.text("a").await.as_deref(),
            Some("x"),
            "{operation} failed"
        );
        region.evict("a");
    }
    region.trouble.break_down(kind);
    assert_eq!(node.text("a").await.as_deref(), Some("x"));
    region.evict("a");
    let found = node
        .store
        .get_many(&[node.key("a"), node.key("b")], &writing())
        .await;
    assert!(matches!(found[..], [Ok(Some(_)), Ok(None)]), "{found:?}");
}

#[tokio::test]
async fn c5_a_copy_lives_no_longer_than_its_tiers_limit_and_keeps_its_age() {
    let server = Server::start();
    let region = Region::start(&server);
    let original = region.write_elsewhere(&server, "a", "x").await;
    let answered = region.node.get("a").await.expect("it is there");
    assert_eq!(
        answered.head(),
        original.head(),
        "who asks has the original"
    );
    let copy = region.middle.get(&region.node.key("a"), &reading()).await;
    let copy = copy.expect("get").expect("a copy").head().lifetime();
    assert_eq!(copy.created, original.head().lifetime().created);
    let end = server.now().saturating_add(LIMIT);
    assert_eq!((copy.fresh_until, copy.expires_at), (end, end));
}

#[tokio::test]
async fn c8_ttl_agrees_with_the_authority_over_three_tiers() {
    let server = Server::start();
    let region = Region::start(&server);
    let original = region.write_elsewhere(&server, "a", "x").await;
    region.node.get("a").await;
    region.evict("a");
    // Memory has the copy of a copy now, with cut times.
    region.node.get("a").await;
    let head = region
        .node
        .store
        .head(&region.node.key("a"), &reading())
        .await;
    assert_eq!(head.expect("head").as_ref(), Some(original.head()));
    let options = reading_from(Tiers::Authoritative);
    region.lines();
    let found = region.node.store.get(&region.node.key("a"), &options).await;
    assert_eq!(*read(&found.expect("get").expect("it is there")), "x");
    let [middle, _] = region.lines();
    assert_eq!(middle, [""; 0], "the authority alone was asked");
}

#[tokio::test]
async fn the_task_ends_with_the_store_and_close_tells_what_is_left() {
    let server = Server::start();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let ended = || eventually("the task ends with its store", async || tasks() == before);
    let region = Region::start(&server);
    assert_eq!(tasks(), before + 1, "one tells the middle tier");
    region.trouble.break_down(ErrorKind::Unavailable);
    server.set("a", "x").await;
    region.trouble.rule(|call| {
        (call.operation == Operation::Batch).then_some(Fault::Fail(ErrorKind::Unavailable))
    });
    let report = region.node.store.close(server.now()).await.expect("close");
    assert_eq!(report.undelivered, 1, "the middle tier was never told of a");
    ended().await;

    let region = Region::start(&server);
    let stats = region.node.store.stats();
    assert_eq!(stats.len(), 3, "a row for each tier");
    drop(region);
    ended().await;
}

#[test]
fn middle_tiers_without_leases_limits_or_runtime_are_refused() {
    let server = Server::start();
    let near = || memory(&server.clock);
    let limit = TierLimits::default().with_max_ttl(MINUTE);
    let built = |middle: Store, limits| {
        Tiered::builder(&server.namespace, server.clock.shared())
            .tier(near())
            .tier_with(middle, limits)
            .tier(near())
            .build()
            .unwrap_err()
    };
    let leaseless = Store::from(Remote::with(&near(), Echo::Signed, |mut capability| {
        capability.lease = false;
        capability
    }));
    let error = built(leaseless, limit);
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(
        error
            .message()
            .contains("tier 2 is between two others and must give leases"),
        "{error}"
    );
    let error = built(near(), TierLimits::default());
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(
        error
            .message()
            .contains("tier 2 is between two others and needs a max_ttl"),
        "{error}"
    );
    assert_eq!(built(near(), limit).kind(), ErrorKind::RuntimeGone);
}
