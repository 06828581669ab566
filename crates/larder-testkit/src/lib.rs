#![doc = include_str!("../README.md")]

#[cfg(feature = "servers")]
mod certificates;
mod chaos;
mod clock;
mod conformance;
mod keys_of;
mod pass_through;
#[cfg(feature = "servers")]
mod ports;
#[cfg(feature = "servers")]
mod proxy;
mod recording;
#[cfg(feature = "servers")]
mod redis;
mod reference;
mod run;
mod subject;
pub mod suite;

#[cfg(feature = "servers")]
pub use self::certificates::Certificates;
pub use self::chaos::{Call, ChaosLayer, Fault, Gate};
pub use self::clock::ManualClock;
pub use self::pass_through::PassThrough;
#[cfg(feature = "servers")]
pub use self::proxy::{Connections, Direction, FaultProxy, Hold};
pub use self::recording::{Outcome, Recorded, RecordingLayer};
#[cfg(feature = "servers")]
pub use self::redis::{
    RedisBuilder, RedisClient, RedisSentinel, RedisServer, Reply, SentinelBuilder,
};
pub use self::reference::ReferenceBackend;
pub use self::run::{Failure, run, try_run};
pub use self::subject::{Subject, Time, Way};
