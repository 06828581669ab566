#![doc = include_str!("../README.md")]

mod chaos;
mod clock;
mod conformance;
mod keys_of;
mod pass_through;
mod recording;
mod reference;
mod run;
mod subject;
pub mod suite;

pub use self::chaos::{Call, ChaosLayer, Fault, Gate};
pub use self::clock::ManualClock;
pub use self::pass_through::PassThrough;
pub use self::recording::{Outcome, Recorded, RecordingLayer};
pub use self::reference::ReferenceBackend;
pub use self::run::{Failure, run, try_run};
pub use self::subject::{Subject, Time, Way};
