#![doc = include_str!("../README.md")]

mod agreement;
mod duration;
mod expand;
mod function;
mod hash;
mod loader;
mod names;
mod options;
mod scan;
mod suggestion;
mod template;

use proc_macro::TokenStream;

/// Caches what an async function, or an async method that takes `&self`, returns.
///
/// ```
/// use std::sync::OnceLock;
/// use larder::{Cache, Space, cached};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Airport {
///     code: String,
///     closed: bool,
/// }
/// # #[derive(Clone)] struct Db;
/// # impl Db {
/// #     async fn find(&self, code: &str) -> Result<Airport, std::io::Error> {
/// #         Ok(Airport { code: code.to_owned(), closed: code == "THF" })
/// #     }
/// # }
///
/// static AIRPORTS: OnceLock<Space<Airport>> = OnceLock::new();
///
/// fn airports() -> &'static Space<Airport> {
///     AIRPORTS.get().expect("set when the program starts")
/// }
///
/// /// Looks up an airport.
/// #[cached(
///     cache = airports(),
///     key = "{code}",
///     ttl = "5m",
///     stale_for = "1h",
///     skip_if = |airport: &Airport| airport.closed,
///     ignore = [db]
/// )]
/// async fn airport(db: &Db, code: &str) -> Result<Airport, std::io::Error> {
///     db.find(code).await
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let cache = Cache::builder("travel").build().await?;
/// AIRPORTS.set(cache.space("airport")).expect("set once");
///
/// assert_eq!(airport(&Db, "LHR").await?.code, "LHR");     // an Arc<Airport>, loaded
/// assert_eq!(airport(&Db, "LHR").await?.code, "LHR");     // from memory
/// assert!(cache.exists("airport:LHR").await?);
///
/// airport(&Db, "THF").await?;
/// assert!(!cache.exists("airport:THF").await?, "it is closed: returned, not stored");
///
/// airport_invalidate("LHR").await?;
/// assert!(!cache.exists("airport:LHR").await?);
/// # Ok::<_, larder::Error>(()) }).unwrap();
/// ```
///
/// # What becomes of the function
///
/// For `async fn airport(…) -> Result<Airport, DbError>`, all as visible as it was:
///
/// | function | what it does |
/// | --- | --- |
/// | `airport(…) -> larder::Result<Arc<Airport>>` | asks the cache, and loads by `larder::Space::get_or_load` |
/// | `airport_uncached(…) -> Result<Airport, DbError>` | the function as it was written: no cache |
/// | `airport_invalidate(…) -> larder::Result<larder::Deletion>` | forgets the entry; takes the arguments that `key` or `cache` mentions |
///
/// - The error of the function is the `source()` of larder's, whose kind is `Load`. It must be something that goes into
///   a `Box<dyn Error + Send + Sync>`, and is not stored.
/// - A function that returns `V`, not a type named `Result`, can't fail by itself; the cached one can.
/// - An `Option` is a value like any other: its `None` is stored too, unless `skip_if = Option::is_none`.
/// - Documentation stays with the function, lint levels and `cfg` go to all three, other attributes below `#[cached]` (such as
///   `#[instrument]`) to `airport_uncached`: they see loads, not hits.
///
/// # Options
///
/// `name = value`, separated by commas.
///
/// | option | value | default |
/// | --- | --- | --- |
/// | `cache` | an expression that is, or points at, a `larder::Space<V>`: `airports()`, `self.airports`, `db.airports` | required |
/// | `key` | a template: the key's name within the space | the function's path, `module::airport`; only where no argument is left to tell calls apart |
/// | `ttl` | how long look-ups return the value, more than zero | the space's |
/// | `stale_for` | how long after that it may stand in for a failing origin | the space's |
/// | `tags` | a list of templates; needs a cache with a tag layer | none |
/// | `skip_if` | a closure or a function, `Fn(&V) -> bool`: whether the value is returned and not stored. It can't use the arguments | everything is stored |
/// | `ignore` | a list of arguments, and of generic parameters, that two calls may differ in and share an entry | none |
/// | `crate` | the path of larder where it has another name, such as `other::larder` | `::larder` |
///
/// **Durations** are numbers with the units `ms`, `s`, `m`, `h`, `d` in quotes, such as `"1h 30m"`, which are checked when the
/// program is compiled, or an expression of type `Duration`.
///
/// **Templates** are text in quotes with the names of arguments in braces, formatted as by `format!`: `{code}`,
/// `{id:08}`, `{state:?}`; constants that the function is generic over may be named as well. There are no positions (`{0}`), no
/// expressions and no fields. `{query:hash}` is a hash of the argument's
/// `Hash`, as 16 hexadecimal digits: for what is long or can't be printed.
///
/// Each argument stands in a template or in `ignore`, or it is an error: two calls that differ in it would share an
/// entry. So does a type that the function is generic over, unless the value's type has it: `5u8` and `5u64` have one text. `self` is neither: services that return different values need different spaces.
///
/// # Keys that meet
///
/// - `"{tenant}:{user}"` is the same for `a:b`, `c` and for `a`, `b:c`. Where an argument may hold the separator, put it last,
///   format it as `{tenant:?}`, which quotes a text, or hash it.
/// - The hash is FNV-1a with 64 bits, of the bytes that `std::hash::Hash` writes: integers little-endian, `usize` and `isize`
///   as 64 bits. So it is the same in every process and on every platform, but for slices of integers wider than a
///   byte, which std hashes as they lie in memory. What a type writes may change with its fields or with Rust: then the
///   entry isn't found, and is loaded anew.
/// - **The hash is no protection**: somebody who chooses an argument can find two with the same hash, and have one answered
///   with the other's value. Hash such arguments by a cryptographic function of your own, and put that into the key.
/// - The default key of a method has no type's name in it: two types in one module with methods of the same name need
///   different spaces, or keys. Nor has that of a function within a function the outer one's name: two of one name in one
///   module meet as well.
///
/// # What a load needs
///
/// A load runs in a task of its own, so that a caller who goes away ends nothing. What it works on is owned by
/// it, and is made ready at every call, for a hit too:
///
/// - `&str`, `&[T]`, `&Path` and other `&T` are cloned (`ToOwned`: for most types `Clone`), and lent to the body as they
///   were. Clones should be cheap: take handles, such as `&Db` with an `Arc` inside.
/// - `&self` is cloned as well: `Self: Clone`.
/// - What is given by value, and `&'static`, moves into the load.
/// - All of it is `Send` and `'static`, and so is the body's future `Send`: `<T: Clone + Send + Sync + 'static>`.
///
/// # Cancel safety
///
/// Dropping the future of `airport` ends no load: it goes on, and its value is stored. `airport_invalidate`, dropped,
/// has forgotten the entry or not. `airport_uncached` is as safe as its body.
///
/// # Not supported
///
/// Errors of the compiler say so: functions that aren't async, or are unsafe; `self`, `&mut self` and other receivers than
/// `&self`; arguments of type `impl Trait`, `&mut T`, `&dyn Trait`, with references inside (`Option<&str>`), or without
/// a name (patterns); values that borrow or have no name.
///
/// Recursion by way of the cached function itself, whose future would hold itself: let a plain function in between box it,
/// `fn again(n: u32) -> Pin<Box<dyn Future<Output = …> + Send>> { Box::pin(cached(n)) }`.
///
/// Less clearly: functions of an `impl` without `self` (the sibling isn't found), methods of a trait or of its `impl`
/// (the siblings are no members), a `Result` under another name (it is taken for the value).
#[proc_macro_attribute]
pub fn cached(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::cached(options.into(), item.into()).into()
}
