//! How the store behaves on real servers: told the truth, lied to, cut off, and left alone.
//!
//! Trouble comes from outside, by a proxy on the way or by signals to the server. Nothing sleeps in the hope
//! that something has happened by then.

mod acl;
mod addresses;
mod check;
mod credentials;
mod deadlines;
mod dropped;
mod foreign;
mod harness;
mod held;
mod leases;
mod life;
mod limits;
mod memory;
mod operations;
mod outages;
mod pushes;
mod retries;
mod scripts;
mod secrets;
mod self_test;
mod sentinel;
mod start;
mod strange;
#[cfg(feature = "tls")]
mod tls;
mod watchdog;
