//! The stored format: how an entry becomes the bytes that a shared store keeps, and comes back.
//!
//! The specification, meant to be implemented in other languages too, is `docs/wire-format.md` in the
//! repository. What a reader can't make sense of is [`Unreadable`]: a counted miss, never a panic.
//!
//! ```
//! use larder_core::wire::{self, ClockShift, Limits, Unreadable};
//! use larder_core::{Entry, Key, Lifetime, Namespace, Timestamp, Value};
//!
//! let shop = Namespace::new("shop")?;
//! let key = Key::new(&shop, "airport", "LHR")?;
//! let entry = Entry::new(Value::raw("bytes".into()), Lifetime::forever(Timestamp::from_millis(1)));
//!
//! let stored = wire::encode(&key, &entry, ClockShift::NONE)?;
//! assert_eq!(stored.len(), wire::HEADER_LEN + 5);
//! let read = wire::decode(&key, &stored, ClockShift::NONE, Limits::default()).unwrap();
//! assert_eq!(read.head(), entry.head());
//!
//! let other = Key::new(&shop, "airport", "LGW")?;
//! let refused = wire::decode(&other, &stored, ClockShift::NONE, Limits::default());
//! assert_eq!(refused.unwrap_err(), Unreadable::HeaderChecksum);
//! # Ok::<_, larder_core::Error>(())
//! ```

mod decode;
mod encode;
mod extension;
pub mod layout;
mod reader;
mod shift;
mod times;
mod unreadable;

pub use self::decode::{Limits, decode, decode_head};
pub use self::encode::encode;
pub use self::layout::{HEADER_LEN, MAX_HEAD_LEN};
pub use self::shift::ClockShift;
pub use self::times::times_block;
pub use self::unreadable::Unreadable;
