//! A PgBouncer in front of a server of the tests' own.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Cluster, ClusterError, free_port, run_as};

/// A running PgBouncer. It ends with the process that started it, as the server does.
#[derive(Debug)]
pub struct Pooler {
    folder: PathBuf,
    port: u16,
    settings: String,
    watchdog: Child,
}

impl Pooler {
    /// Returns the path of the program, if it is installed. Debian's package is called pgbouncer.
    fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/opt/homebrew/bin".into()]);
        folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())
    }

    /// Starts one with a pool mode and more settings, such as `server_round_robin = 1`. Returns `None` if it is not
    /// installed.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(cluster: &Cluster, mode: &str, settings: &[&str]) -> Result<Option<Self>, ClusterError> {
        let Some(program) = Self::program() else { return Ok(None) };
        let port = free_port()?;
        let folder = cluster.folder.join(format!("pooler-{port}"));
        fs::create_dir(&folder)?;
        fs::write(folder.join("users"), "\"sonae\" \"\"\n\"postgres\" \"\"\n")?;
        let shown = folder.display();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {shown}/users\nadmin_users = postgres\n\
             logfile = {shown}/log\npidfile = {shown}/pid\n{}\n",
            cluster.port,
            settings.join("\n"),
        );
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", "\"$1\" --quiet \"$2/ini\" & cat; kill $!; wait", "sh"]).arg(program).arg(&folder);
        watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        write(&folder, &settings, mode)?;
        for file in ["ini", "users", ""] {
            let (user, group) = cluster.user.unzip();
            chown(folder.join(file), user, group)?;
        }
        let watchdog = run_as(&mut watchdog, cluster.user).current_dir("/").spawn()?;
        let pooler = Self { folder, port, settings, watchdog };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                let said = fs::read_to_string(pooler.folder.join("log")).unwrap_or_default();
                return Err(ClusterError::Program { program: "pgbouncer", said });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(pooler))
    }

    /// Returns the URL of a database behind it, from the URL of the database itself.
    #[must_use]
    pub fn url(&self, direct: &str) -> String {
        let database = direct.rsplit('/').next().unwrap_or_default();
        format!("postgres://sonae@127.0.0.1:{}/{database}", self.port)
    }

    /// Changes the pool mode while it runs.
    ///
    /// # Errors
    /// It has ended.
    pub fn turn_to(&self, mode: &str) -> Result<(), ClusterError> {
        write(&self.folder, &self.settings, mode)?;
        let pid = fs::read_to_string(self.folder.join("pid"))?;
        let sent = Command::new("kill").args(["-HUP", pid.trim()]).status()?;
        if sent.success() { Ok(()) } else { Err(io::Error::other("PgBouncer has ended").into()) }
    }
}

fn write(folder: &Path, settings: &str, mode: &str) -> io::Result<()> {
    fs::write(folder.join("ini"), format!("{settings}pool_mode = {mode}\n"))
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}
