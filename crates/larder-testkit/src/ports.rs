//! Ports of this machine.

use std::net::{Ipv4Addr, TcpListener};

/// Below the ports that systems give to outgoing connections, so that nobody gets one of ours by accident
/// while it is closed for a moment.
const RANGE: std::ops::Range<u16> = 10_240..32_000;

/// A port that nobody listens on. Somebody else may take it before it is used.
pub(crate) fn free_port() -> u16 {
    (0..1_000)
        .map(|_| fastrand::u16(RANGE))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("of a thousand ports one is free")
}
