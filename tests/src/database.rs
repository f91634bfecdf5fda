//! A PostgreSQL database for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use api::Clock;

use crate::sql::{Sql, SqlError};

/// An empty database that is dropped at the end, whoever is still connected.
#[derive(Debug)]
pub struct Database {
    maintenance_url: String,
    name: String,
}

impl Database {
    /// Creates a database on the server of another one.
    ///
    /// # Errors
    /// The server cannot be reached, or the role may not create databases.
    pub fn create(maintenance_url: &str) -> Result<Self, SqlError> {
        Ok(Self { maintenance_url: maintenance_url.to_owned(), name: create(maintenance_url)? })
    }

    /// Returns its URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_by(&self.maintenance_url)
    }

    /// Returns its URL with the server and the role of another database's URL.
    #[must_use]
    pub fn url_by(&self, maintenance_url: &str) -> String {
        let (place, parameters) = match maintenance_url.split_once('?') {
            Some((place, parameters)) => (place, format!("?{parameters}")),
            None => (maintenance_url, String::new()),
        };
        let server = place.rsplit_once('/').map_or(place, |(server, _)| server);
        format!("{server}/{}{parameters}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropped = Sql::open(&self.maintenance_url).and_then(|mut sql| sql.run(&drop));
        if let Err(error) = dropped {
            // The test has its outcome. A server that outlives the tests has to be cleaned up by hand.
            eprintln!("database {} is left over: {error}", self.name);
        }
    }
}

/// Creates an empty database with a unique name and returns the name.
pub(crate) fn create(maintenance_url: &str) -> Result<String, SqlError> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let now = Clock::system().now().unix_milliseconds();
    let name = format!("sonae_{}_{now}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    Sql::open(maintenance_url)?.run(&format!("CREATE DATABASE {name}"))?;
    Ok(name)
}
