//! Looking the server over.

use std::time::Duration;

use larder_core::{ReadOptions, Severity, TierCheck};

use crate::driver::{Command, Fault};
use crate::facts::{Facts, Policy};
use crate::link;
use crate::self_test::{self, Verdict};
use crate::shared::{Primary, Shared};

/// An offset of clocks above this is worth a word.
const OFFSET: Duration = Duration::from_secs(1);

/// Memory above this part of its limit is worth a word.
const NEARLY_FULL: u64 = 90;

impl Shared {
    pub(crate) async fn check(&self, options: &ReadOptions) -> TierCheck {
        let within = self.budget(options.deadline, self.settings.read_timeout);
        let asked = self.clock.now();
        let looked = async {
            let primary = self.primary()?;
            let ping = Command::fixed("PING", &[]);
            primary.connection.call(ping, within).await?;
            let latency = self.clock.now().saturating_since(asked);
            let left = within.saturating_sub(latency);
            let facts = Facts::ask(&primary.connection, left).await?;
            Ok::<_, larder_core::Error>((latency, facts, primary))
        };
        match looked.await {
            Ok((latency, facts, primary)) => {
                let check = self.findings(TierCheck::new("redis", latency), &facts);
                if facts.check().is_err() {
                    return check;
                }
                let left = within.saturating_sub(self.clock.now().saturating_since(asked));
                self.tested(check, &primary, left).await
            }
            Err(error) => {
                let took = self.clock.now().saturating_since(asked);
                TierCheck::new("redis", took).with_finding(Severity::Error, error.to_string())
            }
        }
    }

    /// What the self-test finds, now.
    async fn tested(&self, check: TierCheck, primary: &Primary, within: Duration) -> TierCheck {
        let tested = async {
            let lane =
                (0..self.lanes()).find_map(|lane| self.lane(lane).filter(|it| it.is_alive()));
            let other = match lane {
                Some(reader) => reader,
                None => link::open_reader_at(self, &primary.run).await?,
            };
            // Half of it for the push, half for the sign of life if there is none.
            self_test::examine(self, primary, &other, within / 2).await
        };
        let tested = tokio::time::timeout(within, tested).await;
        match tested.unwrap_or(Err(Fault::Timeout.into())) {
            Ok(Verdict::Sound) => check,
            Ok(Verdict::Untried(why)) => check.with_finding(
                Severity::Warning,
                format!(
                    "whether changes are told can't be tried: {}",
                    larder_core::Error::from(why).message()
                ),
            ),
            Err(error) => check.with_finding(Severity::Error, error.message().to_owned()),
        }
    }

    fn findings(&self, mut check: TierCheck, facts: &Facts) -> TierCheck {
        check = check.with_finding(
            Severity::Info,
            format!(
                "redis {} at {}, database {}, RESP3, changes of {}:* are told",
                facts.version(),
                self.settings.address,
                self.settings.db,
                self.namespace
            ),
        );
        if let Err(error) = facts.check() {
            check = check.with_finding(Severity::Error, error.message().to_owned());
        }
        if facts.number("loading") == Some(1) {
            check = check.with_finding(Severity::Error, "the server is loading its data");
        }
        check = eviction(check, facts);
        check = fullness(check, facts);
        check = endless(check, facts, self.settings.db);
        let shift = self.offset.shift().as_nanos();
        let offset = Duration::from_nanos(shift.unsigned_abs());
        if offset >= OFFSET {
            let ahead = if shift > 0 { "ahead of" } else { "behind" };
            check = check.with_finding(
                Severity::Warning,
                format!(
                    "the server's clock is {offset:?} {ahead} ours; lifetimes are translated, but one of \
                     the two is wrong"
                ),
            );
        }
        if shared_name(facts, self.settings.db) {
            check = check.with_finding(
                Severity::Info,
                "other databases of this server hold keys too: changes are told by name alone, so the same \
                 namespace in two databases disturbs both memory tiers",
            );
        }
        check
    }
}

fn eviction(check: TierCheck, facts: &Facts) -> TierCheck {
    let policy = facts.policy();
    let severity = match policy {
        // With that no store would be opened.
        Policy::Random => Severity::Error,
        Policy::AnyKey(_) => Severity::Info,
        _ => Severity::Warning,
    };
    match (policy.objection(), policy) {
        (Some(objection), _) => check.with_finding(severity, objection),
        (None, Policy::Never) if facts.number("maxmemory").is_some_and(|most| most > 0) => check
            .with_finding(
                severity,
                "maxmemory-policy noeviction refuses writes once the memory is full: use volatile-lfu or \
                 allkeys-lfu for a cache",
            ),
        (None, Policy::Never) => check.with_finding(
            severity,
            "there is no maxmemory: what has no time to live stays until the machine's memory is full",
        ),
        _ => check,
    }
}

fn fullness(check: TierCheck, facts: &Facts) -> TierCheck {
    match (facts.number("used_memory"), facts.number("maxmemory")) {
        (Some(used), Some(most)) if most > 0 && used.saturating_mul(100) / most >= NEARLY_FULL => {
            check.with_finding(
                Severity::Warning,
                format!("the server uses {used} of its {most} bytes: entries are dropped, or writes refused"),
            )
        }
        _ => check,
    }
}

/// Keys that never end.
fn endless(check: TierCheck, facts: &Facts, db: u8) -> TierCheck {
    let keyspace = facts.get(&format!("db{db}")).unwrap_or_default();
    let number = |name: &str| -> Option<u64> {
        let mut parts = keyspace.split(',').filter_map(|part| part.split_once('='));
        parts.find(|(key, _)| *key == name)?.1.parse().ok()
    };
    match (number("keys"), number("expires")) {
        (Some(keys), Some(expires)) if keys > expires => check.with_finding(
            Severity::Info,
            format!(
                "{} of {keys} keys in the database have no time to live; markers have none by design",
                keys - expires
            ),
        ),
        _ => check,
    }
}

fn shared_name(facts: &Facts, db: u8) -> bool {
    facts.databases().any(|other| other != db)
}
