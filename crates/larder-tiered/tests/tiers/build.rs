//! Which stacks are refused, and what is said of them.

use std::time::Duration;

use larder_core::{Capability, ErrorKind, Result, Store};
use larder_tiered::{TierLimits, Tiered, TieredBuilder};

use crate::node::{Server, memory};
use crate::remote::{Echo, Remote};

fn builder(server: &Server) -> TieredBuilder {
    Tiered::builder(&server.namespace, server.clock.shared())
}

fn with(server: &Server, narrow: fn(Capability) -> Capability) -> Store {
    Store::from(Remote::with(&server.store, Echo::Signed, narrow))
}

fn refused(built: Result<Store>, says: &str) {
    let error = built.expect_err(says);
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.message().contains(says), "{says:?} is not in {error}");
}

#[test]
fn a_single_tier_is_itself() {
    let server = Server::start();
    let built = builder(&server).tier(server.store.clone()).build();
    assert!(built.expect("one tier").ptr_eq(&server.store));
}

#[test]
fn wrong_orders_are_refused_with_the_right_one() {
    let server = Server::start();
    let far = || Store::from(Remote::connect(&server.store, Echo::Signed));
    let near = || memory(&server.clock);
    refused(builder(&server).build(), "there is no tier");
    refused(
        builder(&server).tier(far()).tier(near()).build(),
        "put memory first",
    );
    let tagged = || with(&server, Capability::with_tags);
    refused(
        builder(&server).tier(near()).tier(tagged()).build(),
        "put it above the tiers",
    );
    refused(
        builder(&server).tier(tagged()).tier(near()).build(),
        "put it above the tiers",
    );
    let behind = with(&server, Capability::with_sink);
    refused(
        builder(&server).tier(near()).tier(behind).build(),
        "put it above the tiers",
    );
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let server = Server::start();
    let second = TierLimits::default().with_max_ttl(Duration::from_secs(1));
    let never = TierLimits::default().with_max_ttl(Duration::ZERO);
    let near = || memory(&server.clock);
    let last = builder(&server).tier(near()).tier_with(near(), second);
    refused(last.build(), "the last tier can't have a max_ttl");
    let alone = builder(&server).tier_with(near(), second);
    refused(alone.build(), "the last tier can't have a max_ttl");
    let zero = builder(&server).tier_with(near(), never).tier(near());
    refused(zero.build(), "the max_ttl of tier 1");
}
