//! Redis servers that a test starts and stops, and a client that owes nothing to larder.

mod builder;
mod client;
mod process;
mod reply;
mod sentinel;
mod server;
mod url;

pub use self::builder::RedisBuilder;
pub use self::client::RedisClient;
pub use self::reply::Reply;
pub use self::sentinel::{RedisSentinel, SentinelBuilder};
pub use self::server::RedisServer;
