//! Entries in Redis.
