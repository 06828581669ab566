//! The origin: the airports in an SQLite file, with what a service would put before it, a small pool of
//! connections.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, params};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::Result;
use crate::airport::{self, Airport};

const CONNECTIONS: usize = 4;

/// A database of all airports. Its file is made for this run, in a folder of its own below the system's
/// temporary one, and goes with the last clone; a run that is interrupted leaves it there.
#[derive(Clone)]
pub(crate) struct Origin {
    pool: Arc<Pool>,
    free: Arc<Semaphore>,
}

struct Pool {
    idle: Mutex<Vec<Connection>>,
    calls: AtomicU64,
    /// Dropped behind the connections: what is open can't be removed everywhere.
    _folder: TempDir,
}

impl Origin {
    /// Makes the database and fills it.
    pub(crate) fn create() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("larder-quickstart-")
            .tempdir()?;
        let file = folder.path().join("airports.sqlite");
        fill(&file)?;
        let connections: rusqlite::Result<_> =
            (0..CONNECTIONS).map(|_| Connection::open(&file)).collect();
        Ok(Self {
            pool: Arc::new(Pool {
                idle: Mutex::new(connections?),
                calls: AtomicU64::new(0),
                _folder: folder,
            }),
            free: Arc::new(Semaphore::new(CONNECTIONS)),
        })
    }

    /// The airport with a code.
    pub(crate) async fn airport(&self, iata: &str) -> Result<Airport> {
        let code = iata.to_owned();
        let found = self.call(move |connection| {
            connection
                .prepare_cached("SELECT * FROM airport WHERE iata = ?")?
                .query_row([code], read)
                .optional()
        });
        found
            .await?
            .ok_or_else(|| format!("no airport has the code {iata}").into())
    }

    /// Gives an airport another name.
    pub(crate) async fn rename(&self, iata: &str, name: &str) -> Result<()> {
        let (code, name) = (iata.to_owned(), name.to_owned());
        let renamed = self.call(move |connection| {
            connection.execute("UPDATE airport SET name = ? WHERE iata = ?", [name, code])
        });
        match renamed.await? {
            0 => Err(format!("no airport has the code {iata}").into()),
            _ => Ok(()),
        }
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> u64 {
        self.pool.calls.load(Ordering::Relaxed)
    }

    /// Makes every later call fail: an outage.
    pub(crate) fn fail(&self) {
        self.free.close();
    }

    /// Runs a query off the runtime's threads, as soon as a connection is free.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.pool.calls.fetch_add(1, Ordering::Relaxed);
        let Ok(permit) = Arc::clone(&self.free).acquire_owned().await else {
            return Err("the database is down".into());
        };
        let pool = Arc::clone(&self.pool);
        let answer = spawn_blocking(move || {
            let _permit = permit;
            let connection = pool.idle().pop().expect("a permit stands for a connection");
            let answer = query(&connection);
            pool.idle().push(connection);
            answer
        });
        Ok(answer.await??)
    }
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fill(file: &Path) -> Result<()> {
    let mut connection = Connection::open(file)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE airport (
            iata TEXT PRIMARY KEY, icao TEXT NOT NULL, name TEXT NOT NULL, city TEXT NOT NULL,
            country TEXT NOT NULL, elevation REAL NOT NULL, lat REAL NOT NULL, lon REAL NOT NULL,
            tz TEXT NOT NULL
        ) STRICT",
    )?;
    {
        let mut insert =
            transaction.prepare("INSERT INTO airport VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        for airport in airport::all() {
            let it = airport?;
            insert.execute(params![
                it.iata,
                it.icao,
                it.name,
                it.city,
                it.country,
                it.elevation,
                it.lat,
                it.lon,
                it.tz
            ])?;
        }
    }
    Ok(transaction.commit()?)
}

pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Airport> {
    Ok(Airport {
        iata: row.get("iata")?,
        icao: row.get("icao")?,
        name: row.get("name")?,
        city: row.get("city")?,
        country: row.get("country")?,
        elevation: row.get("elevation")?,
        lat: row.get("lat")?,
        lon: row.get("lon")?,
        tz: row.get("tz")?,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[tokio::test]
    async fn every_airport_of_the_file_is_found_as_it_is_there() {
        let origin = Origin::create().unwrap();
        for airport in airport::all().step_by(100) {
            let airport = airport.unwrap();
            assert_eq!(origin.airport(&airport.iata).await.unwrap(), airport);
        }
    }

    #[tokio::test]
    async fn an_unknown_code_is_an_error_that_names_it() {
        let origin = Origin::create().unwrap();
        let error = origin.airport("???").await.unwrap_err();
        assert_eq!(error.to_string(), "no airport has the code ???");
        let error = origin.rename("???", "Nowhere").await.unwrap_err();
        assert_eq!(error.to_string(), "no airport has the code ???");
    }

    #[tokio::test]
    async fn more_callers_than_connections_all_get_an_answer() {
        let origin = Origin::create().unwrap();
        let callers: Vec<_> = (0..10 * CONNECTIONS)
            .map(|_| {
                let origin = origin.clone();
                tokio::spawn(async move { origin.airport("LHR").await.unwrap().icao })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), "EGLL");
        }
        assert_eq!(origin.calls(), 10 * CONNECTIONS as u64);
    }

    #[tokio::test]
    async fn a_new_name_is_found_afterwards() {
        let origin = Origin::create().unwrap();
        origin.rename("LHR", "Heathrow").await.unwrap();
        assert_eq!(origin.airport("LHR").await.unwrap().name, "Heathrow");
    }

    #[tokio::test]
    async fn an_outage_fails_calls() {
        let origin = Origin::create().unwrap();
        origin.fail();
        let error = origin.airport("LHR").await.unwrap_err();
        assert_eq!(error.to_string(), "the database is down");
    }

    #[tokio::test]
    async fn nothing_is_left_on_disk() {
        let origin = Origin::create().unwrap();
        let file = PathBuf::from(origin.pool.idle()[0].path().unwrap());
        assert!(file.is_file());
        drop(origin);
        let folder = file.parent().unwrap();
        assert!(!folder.exists(), "{} is left", folder.display());
    }
}
