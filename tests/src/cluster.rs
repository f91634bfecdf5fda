//! A PostgreSQL server of the tests' own: made in a temporary folder, and removed when the process that started it
//! ends.

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
    /// PostgreSQL does not run as root, and there is no other user.
    #[error("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")]
    NoUser,
    /// A program failed.
    #[error("{program} failed: {said}")]
    Program {
        /// The name of the program.
        program: &'static str,
        /// Its output.
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
    /// Connections are ended, and the server shuts down properly.
    Fast,
    /// At once, as if the machine had lost its power. The next start recovers.
    Immediate,
}

/// A running server with databases of its own.
///
/// It listens on 127.0.0.1 only and asks nobody for a password: the machine belongs to the tests. The role `sonae` owns
/// the databases and is not a superuser. Code can rely neither on the order of texts nor on the time zone: texts are in
/// the order of Japanese if the build supports that, and times are in that of Tokyo.
///
/// A shell waits for the end of a pipe that only this process holds. Then it stops the server and removes the folder,
/// even after a kill -9.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    folder: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    watchdog: Child,
}

/// Settings for speed: what a loss of power would destroy is removed after the test anyway.
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

    /// Starts a new server with settings of `postgresql.conf` in addition to the usual ones, or in their place.
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

    /// Starts a replica of another server, which can only be read.
    ///
    /// `SELECT pg_wal_replay_pause()` on it, as superuser, makes it lag.
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

    /// Returns the URL of a database, for the role `sonae`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://sonae@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns the URL of a database, for the superuser.
    #[must_use]
    pub fn admin_url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates an empty database, which lasts as long as the cluster, and returns its URL.
    ///
    /// # Errors
    /// The server refuses, or is stopped.
    pub fn create_database(&self) -> Result<String, ClusterError> {
        Ok(self.url(&database::create(&self.url("postgres"))?))
    }

    /// Stops the server, which keeps its data and port.
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

    /// Starts the server after a stop, and waits until it answers.
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

    /// Returns the version of the server, such as 15.18.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.programs.version
    }

    /// Returns the folder of the data. It and everything in it belong to the user that the server runs as.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Returns the folder of the server's and the client's programs.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs.folder
    }

    /// Returns the log file of the server.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Creates an empty folder, and the shell that watches it.
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
        // Ctrl-C goes to the processes in the foreground. This one must outlive them.
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

    /// Adds settings to the existing ones. The last one of a name counts.
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
        // It cannot fail in a way that could be handled: the shell is our child, and nobody else waits for it.
        let _ = self.watchdog.wait();
    }
}

/// Runs a command to its end. On failure its output is the error.
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

/// Returns the user and the group as which root runs the server.
fn somebody() -> Result<(u32, u32), ClusterError> {
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let mut fields =
            users.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody")).ok_or(ClusterError::NoUser)
}

/// Returns a port on which nobody listens. It is below those that systems assign, so that it stays free while the
/// server is stopped.
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
