//! A data folder and, on a server, a database, which can be copied as a whole.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::prelude::*;
use tests::cluster::Cluster;
use tests::sql::Sql;

use crate::Failure;
use crate::cells::texts;

/// The place where installations are made: one of the databases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<'a> {
    /// The folder that holds all data folders.
    pub(crate) folder: &'a Path,
    /// The server; `None` for the embedded database.
    pub(crate) cluster: Option<&'a Cluster>,
}

/// Everything that a service stores. It is removed with this value.
#[derive(Debug)]
pub(crate) struct Installation<'a> {
    site: Site<'a>,
    folder: PathBuf,
    /// The name of its database on the server.
    database: String,
}

impl<'a> Installation<'a> {
    /// Creates an installation without anything: the first service that is started on it creates the schema.
    pub(crate) fn empty(site: Site<'a>) -> Result<Self, Failure> {
        let installation = Self::named(site);
        fs::create_dir(&installation.folder)?;
        if let Some(cluster) = site.cluster {
            let create = format!("CREATE DATABASE {} OWNER sonae", installation.database);
            Sql::open(&cluster.admin_url("postgres"))?.run(&create)?;
        }
        Ok(installation)
    }

    /// Copies this installation. No service may be running on it.
    pub(crate) fn copy(&self) -> Result<Self, Failure> {
        let copy = Self::named(self.site);
        let mut cp = Command::new("cp");
        run(cp.args(["-a", "--reflink=auto"]).arg(&self.folder).arg(&copy.folder))?;
        // Otherwise the disk is busy with the copy while something else is measured.
        run(Command::new("sync").arg("-f").arg(&copy.folder))?;
        if let Some(cluster) = self.site.cluster {
            let create = format!("CREATE DATABASE {} OWNER sonae TEMPLATE {}", copy.database, self.database);
            Sql::open(&cluster.admin_url("postgres"))?.run(&create)?;
        }
        Ok(copy)
    }

    fn named(site: Site<'a>) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let database = format!("bench_{}", MADE.fetch_add(1, Ordering::Relaxed));
        Self { site, folder: site.folder.join(&database), database }
    }

    /// Returns the command `sonae` for its data.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<Command, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg0(crate::SONAE);
        for (inherited, _) in std::env::vars_os() {
            let is_setting = |name: &str| name.starts_with("SONAE_") || name.starts_with("DATABASE_");
            if inherited.to_str().is_some_and(is_setting) {
                command.env_remove(inherited);
            }
        }
        command.args(arguments).env("SONAE_DATA", &self.folder).env("SONAE_LANG", "en");
        if let Some(cluster) = self.site.cluster {
            command.env("DATABASE_URL", cluster.url(&self.database));
        }
        Ok(command)
    }

    /// Runs a command on its data and returns its output.
    pub(crate) fn sonae(&self, arguments: &[&str]) -> Result<String, Failure> {
        run(&mut self.command(arguments)?)
    }

    /// Returns whether it is on a server.
    pub(crate) fn is_on_server(&self) -> bool {
        self.site.cluster.is_some()
    }

    /// Returns the address of its database: the superuser's URL on a server, or the file.
    pub(crate) fn address(&self) -> String {
        match self.site.cluster {
            Some(cluster) => cluster.admin_url(&self.database),
            None => self.folder.join("sonae.db").display().to_string(),
        }
    }

    /// Returns how many bytes its database takes, without the space that is free for later rows.
    pub(crate) fn database_bytes(&self) -> Result<f64, Failure> {
        if self.is_on_server() {
            let mut sql = Sql::open(&self.address())?;
            sql.run("VACUUM")?;
            sql.run("CHECKPOINT")?;
            return Ok(sql.text("SELECT pg_database_size(current_database())")?.parse()?);
        }
        let mut conn = SqliteConnection::establish(&self.address())?;
        let bytes = "SELECT CAST((page_count - freelist_count) * page_size AS TEXT) \
                     FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
        let rows = texts(&mut conn, bytes)?;
        Ok(rows.first().and_then(|row| row.first()).ok_or("no size of the database")?.parse()?)
    }
}

impl Drop for Installation<'_> {
    fn drop(&mut self) {
        // Anything left over is removed with the folder and the server of the bench.
        let _ = fs::remove_dir_all(&self.folder);
        if let Some(cluster) = self.site.cluster {
            let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
            let _ = Sql::open(&cluster.admin_url("postgres")).and_then(|mut sql| sql.run(&drop));
        }
    }
}

/// Runs a command to its end. Returns its output, or fails with its error output.
pub(crate) fn run(command: &mut Command) -> Result<String, Failure> {
    let done = command.output()?;
    if !done.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr).trim()).into());
    }
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}
