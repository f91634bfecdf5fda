//! A PostgreSQL of the tests' own: made in a temporary folder, and gone with whoever started it.

mod pooler;
mod programs;

use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

pub use self::pooler::Pooler;
use self::programs::Programs;
use crate::database;
use crate::sql::{Sql, SqlError};

/// Why there is no PostgreSQL to test with.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Its programs are not installed.
    #[error(
        "no PostgreSQL server programs (initdb, pg_ctl, postgres) of version {} or later were found; on Debian: apt-get install postgresql",
        programs::OLDEST
    )]
    NoPrograms,
    /// As root nothing can be run, and there is nobody else.
    #[error("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")]
    NoUser,
    /// A program failed.
    #[error("{program} failed: {said}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// A file or a process failed.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The server refused something.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy)]
pub enum Stop {
    /// Connections are ended, and everything is put in order.
    Fast,
    /// At once, as if the machine had lost its power; the next start recovers.
    Immediate,
}

/// A running server with databases of its own.
///
/// It listens on 127.0.0.1 alone and asks nobody for a password: the machine is the tests' own. The role `sonae` owns
/// the databases and is no superuser. Neither the order of texts nor the time zone is one that code may rely on: texts
/// are in the order of Japanese where the build can do that, times in that of Tokyo.
///
/// A shell waits for the end of a pipe that only this process holds, stops the server then and removes the folder: also
/// after a kill -9.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    folder: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    watchdog: Child,
}

/// As quick as it gets: what a loss of power would destroy is gone after the test anyway.
const SETTINGS: [(&str, &str); 8] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("max_connections", "400"),
    ("wal_level", "replica"),
    ("timezone", "Asia/Tokyo"),
    ("log_line_prefix", "%m %u@%d "),
    ("listen_addresses", "127.0.0.1"),
];

impl Cluster {
    /// Starts a new server.
    ///
    /// # Errors
    /// The programs are missing, or one of them fails.
    pub fn start() -> Result<Self, ClusterError> {
        Self::with(&[])
    }

    /// Starts a new server with settings of `postgresql.conf` beside the usual ones, or in their place.
    ///
    /// # Errors
    /// The programs are missing, or one of them fails.
    pub fn with(settings: &[(&str, &str)]) -> Result<Self, ClusterError> {
        let cluster = Self::folder_of_its_own()?;
        cluster.init()?;
        cluster.configure(&SETTINGS)?;
        cluster.configure(settings)?;
        cluster.start_again()?;
        Sql::open(&cluster.admin_url("postgres"))?.run("CREATE ROLE sonae LOGIN CREATEDB CREATEROLE")?;
        Ok(cluster)
    }

    /// Starts a server that follows another one, and can only be read.
    ///
    /// `SELECT pg_wal_replay_pause()` there, as superuser, makes it fall behind.
    ///
    /// # Errors
    /// The programs are missing, or one of them fails.
    pub fn replica_of(primary: &Self) -> Result<Self, ClusterError> {
        let replica = Self::folder_of_its_own()?;
        let mut copy = replica.program("pg_basebackup");
        copy.args(["--dbname", &primary.admin_url("postgres"), "--checkpoint=fast", "--no-sync"]);
        copy.args(["--write-recovery-conf", "--pgdata"]).arg(replica.data());
        done("pg_basebackup", &mut copy)?;
        replica.configure(&[])?;
        replica.start_again()?;
        Ok(replica)
    }

    /// The address of a database, for the role `sonae`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://sonae@127.0.0.1:{}/{database}", self.port)
    }

    /// The address of a database, for the superuser.
    #[must_use]
    pub fn admin_url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database; it lasts as long as the cluster. Gives its address.
    ///
    /// # Errors
    /// The server refuses, or is stopped.
    pub fn create_database(&self) -> Result<String, ClusterError> {
        Ok(self.url(&database::create(&self.url("postgres"))?))
    }

    /// Stops the server; data and port stay its own.
    ///
    /// # Errors
    /// It is stopped already, or does not stop.
    pub fn stop(&self, how: Stop) -> Result<(), ClusterError> {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        done("pg_ctl", self.program("pg_ctl").args(["stop", "--mode", mode, "--pgdata"]).arg(self.data()))
    }

    /// Starts the server after it was stopped, and waits until it answers.
    ///
    /// # Errors
    /// It runs, or does not start.
    pub fn start_again(&self) -> Result<(), ClusterError> {
        let log = self.log();
        let mut start = self.program("pg_ctl");
        start.args(["start", "--silent", "--wait", "--pgdata"]).arg(self.data()).arg("--log").arg(&log);
        done("pg_ctl", &mut start).map_err(|error| match fs::read_to_string(&log) {
            Ok(said) => ClusterError::Program { program: "postgres", said },
            Err(_) => error,
        })
    }

    /// What the server runs, such as 15.18.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.programs.version
    }

    /// The folder of the data; it and all in it belong to the user that the server runs as.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder of its programs, with those of the client.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs.folder
    }

    /// The file with what the server has logged.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// An empty folder, and the shell that watches over it.
    fn folder_of_its_own() -> Result<Self, ClusterError> {
        let programs = Programs::find().ok_or(ClusterError::NoPrograms)?;
        let made = tempfile::Builder::new().prefix("sonae-postgres-").tempdir()?;
        let user = if made.path().metadata()?.uid() == 0 { Some(somebody()?) } else { None };
        if let Some((uid, gid)) = user {
            chown(made.path(), Some(uid), Some(gid))?;
        }
        let watch = "cat; \"$1/pg_ctl\" stop --mode immediate --pgdata \"$2/data\"; rm -rf \"$2\"";
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", watch, "sh"]).arg(&programs.folder).arg(made.path()).current_dir("/");
        watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C is for those in the foreground: this one has to outlive them.
        let watchdog = run_as(&mut watchdog, user).process_group(0).spawn()?;
        Ok(Self { programs, folder: made.keep(), user, port: free_port()?, watchdog })
    }

    fn init(&self) -> Result<(), ClusterError> {
        let init = |locale: &[&str]| {
            let mut init = self.program("initdb");
            init.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]).args(locale);
            done("initdb", init.arg("--pgdata").arg(self.data()))
        };
        init(&["--no-locale", "--locale-provider=icu", "--icu-locale=ja"]).or_else(|_| init(&[]))
    }

    /// Adds settings to those there are; the last of a name counts.
    fn configure(&self, settings: &[(&str, &str)]) -> Result<(), ClusterError> {
        let place = [("port", self.port.to_string()), ("unix_socket_directories", self.folder.display().to_string())];
        let place = place.iter().map(|(name, value)| (*name, value.as_str()));
        let mut file = fs::OpenOptions::new().append(true).open(self.data().join("postgresql.conf"))?;
        for (name, value) in place.chain(settings.iter().copied()) {
            writeln!(file, "{name} = '{}'", value.replace('\'', "''"))?;
        }
        Ok(())
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.folder.join(name));
        run_as(&mut command, self.user).current_dir(&self.folder).stdin(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // It cannot fail in a way that somebody could handle: it is our child, and nobody else waits for it.
        let _ = self.watchdog.wait();
    }
}

/// Runs a command to its end; what it said is the error.
fn done(program: &'static str, command: &mut Command) -> Result<(), ClusterError> {
    let done = command.output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = [done.stdout, done.stderr].concat();
    Err(ClusterError::Program { program, said: String::from_utf8_lossy(&said).trim().to_owned() })
}

fn run_as(command: &mut Command, user: Option<(u32, u32)>) -> &mut Command {
    match user {
        Some((uid, gid)) => command.uid(uid).gid(gid),
        None => command,
    }
}

/// Whom root runs the server as: user and group.
fn somebody() -> Result<(u32, u32), ClusterError> {
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let mut fields =
            users.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody")).ok_or(ClusterError::NoUser)
}

/// A port that nobody listens on, below those that systems give away, so that it stays free while the server is stopped.
fn free_port() -> io::Result<u16> {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    const PORTS: u16 = 12_000;
    let first = (std::process::id() % u32::from(PORTS)) as u16;
    for _ in 0..PORTS {
        let port = 20_000 + (first + TRIED.fetch_add(1, Ordering::Relaxed)) % PORTS;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free from 20000 to 31999"))
}
