//! A backend of one's own: a directory with a file for each entry.
//!
//! Four methods are all that a backend must have; the others loop over these or answer `Unsupported`, and
//! `capability` says which. `tests/conformance.rs` runs the whole suite on it. To see it at work, twice:
//! `cargo run -p larder-plugins --example custom_backend`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{fs, io, path::PathBuf, sync::Arc};

use larder_core::wire::{self, ClockShift, Limits};
use larder_core::{
    Backend, Capability, Clock, Deletion, Entry, EntryId, Error, ErrorKind, Key, Lifetime,
    Namespace, ReadOptions, Result, Store, SystemClock, Value, WriteOptions, async_trait,
};

/// Entries as files, in the format that all of larder's shared stores use.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) root: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Directory {
    /// Hex, so that no key leads out of the directory and none differs from another in case alone. Cut
    /// into folders, because a file's name has at most 255 bytes and a key 512; only the last part has
    /// an ending, so that no file stands where another key needs a folder.
    fn path(&self, key: &Key<'_>) -> PathBuf {
        let mut path = self.root.clone();
        let name = format!("{}:{}", key.namespace(), key.text());
        for part in name.as_bytes().chunks(100) {
            path.push(format!("{part:02x?}").replace(['[', ',', ' ', ']'], ""));
        }
        path.with_extension("entry")
    }
}

/// Files block, so they are a blocking thread's work. It goes on if the caller goes away, so that a
/// write is done or not done. What isn't there is `None`.
async fn on_files<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<Option<T>> {
    let done = tokio::task::spawn_blocking(work).await;
    match done.map_err(io::Error::from).flatten() {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(ErrorKind::Io, "a file").with_source(error)),
    }
}

#[async_trait]
impl Backend for Directory {
    fn capability(&self) -> Capability {
        Capability::default().with_needs_bytes()
    }

    async fn get(&self, key: &Key<'_>, _: &ReadOptions) -> Result<Option<Entry>> {
        let path = self.path(key);
        let bytes = on_files(|| fs::read(path)).await?.unwrap_or_default();
        // What can't be read is a miss: a file may be damaged, or another program's.
        let entry = wire::decode(key, &bytes.into(), ClockShift::NONE, Limits::default()).ok();
        Ok(entry.filter(|entry| !entry.head().lifetime().is_expired(self.clock.now())))
    }

    async fn set(&self, key: &Key<'_>, entry: Entry, _: &WriteOptions) -> Result<()> {
        let (bytes, path) = (wire::encode(key, &entry, ClockShift::NONE)?, self.path(key));
        // Written aside and renamed, so that a reader sees the old entry or the new one, whole.
        let aside = path.with_extension(format!("{:?}", EntryId::random()));
        let written = on_files(move || {
            fs::create_dir_all(path.with_file_name(""))?;
            fs::write(&aside, bytes).and_then(|()| fs::rename(&aside, &path))
        });
        let gone = || Error::new(ErrorKind::Io, "somebody removed the folder");
        written.await?.ok_or_else(gone)
    }

    async fn delete(&self, key: &Key<'_>, _: &WriteOptions) -> Result<Deletion> {
        let there = self.get(key, &ReadOptions::default()).await?.is_some();
        let path = self.path(key);
        let existed = on_files(|| fs::remove_file(path)).await?.is_some() && there;
        Ok(Deletion::Delivered { existed })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let clock = SystemClock::shared(|duration| Box::pin(tokio::time::sleep(duration)));
    let value = Value::raw("Heathrow".into());
    let entry = Entry::new(value, Lifetime::forever(clock.now()));
    let root = std::env::temp_dir().join("larder-custom-backend");
    let store = Store::new(Directory { root, clock });
    let namespace = Namespace::new("shop")?;
    let key = Key::new(&namespace, "airport", "LHR")?;
    let before = store.get(&key, &ReadOptions::default()).await?;
    println!("An earlier run has stored {before:#?}");
    store.set(&key, entry, &WriteOptions::default()).await?;
    println!("This run has stored {key:?}; the next one will find it.");
    Ok(())
}
