//! The service in a process of its own, and a client of it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::NamedTempFile;
use ureq::Agent;

use crate::Failure;
use crate::installation::{Installation, run};

/// The polling interval for the end of a job.
const POLLING_INTERVAL: Duration = Duration::from_millis(5);

/// How long a line may take to reach the log.
const LOG_DELAY: Duration = Duration::from_secs(5);

/// A running service.
pub(crate) struct Service {
    child: Child,
    log: NamedTempFile,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    /// The time from the start of the process until it was ready.
    pub(crate) ready_after: Duration,
    agent: Agent,
}

/// An exported file.
pub(crate) struct Exported {
    /// The time from the request until its job had ended.
    pub(crate) took: Duration,
    pub(crate) result_url: String,
}

/// An answer with its body as text.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Service {
    /// Starts it, waits until it is ready, and creates a token for an analyst. Automatic scoring is practically off.
    pub(crate) fn start(installation: &Installation<'_>) -> Result<Self, Failure> {
        Self::start_with(installation, &[("SONAE_RESCORE_AFTER_SECONDS", "86400")])
    }

    /// Starts it in the same way, but with scores that follow changes as they do by default.
    pub(crate) fn start_rescoring(installation: &Installation<'_>) -> Result<Self, Failure> {
        Self::start_with(installation, &[])
    }

    fn start_with(installation: &Installation<'_>, settings: &[(&str, &str)]) -> Result<Self, Failure> {
        let log = NamedTempFile::new()?;
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let mut command = installation.command(&arguments)?;
        command.env("SONAE_KEEP_ALIVE_SECONDS", "60").envs(settings.iter().copied());
        let start = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(log.reopen()?).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(1800)));
        let agent = config.build().new_agent();
        let address = line.split("//").nth(1).and_then(|rest| rest.split('/').next());
        let said = || fs::read_to_string(log.path()).unwrap_or_default();
        let address = address.ok_or_else(said)?.parse()?;
        let mut service = Self { child, address, token: String::new(), ready_after: Duration::ZERO, agent, log };
        let admin_address = service.logged("admin_address").ok_or("the log lacks the address for health")?;
        while service.agent.get(format!("http://{admin_address}/readyz")).call()?.status() != 200 {
            thread::sleep(Duration::from_millis(2));
        }
        service.ready_after = start.elapsed();
        // A folder in which no service has run yet takes no tokens.
        service.token = AccessToken::create(installation)?.secret;
        Ok(service)
    }

    /// Sends a file and waits for its job to end. Returns how long both took.
    pub(crate) fn import(&self, kind: &str, file: &Path) -> Result<Duration, Failure> {
        let start = Instant::now();
        let url = format!("http://{}/v1/imports?kind={kind}&source=bench", self.address);
        let request = self.agent.post(url).header("authorization", self.authorization());
        let mut answer = request.header("content-type", "text/csv").send(File::open(file)?)?;
        let (status, body) = (answer.status(), answer.body_mut().read_to_string()?);
        self.wait_for(status.as_u16(), &body)?;
        Ok(start.elapsed())
    }

    /// Requests an export and waits for its file.
    pub(crate) fn export(&self, path: &str) -> Result<Exported, Failure> {
        let start = Instant::now();
        let Answer { status, body, .. } = self.get(path)?;
        let job = self.wait_for(status, &body)?;
        let result_url = job.get("result_url").and_then(Value::as_str).ok_or("an export without a file")?;
        Ok(Exported { took: start.elapsed(), result_url: result_url.to_owned() })
    }

    /// Returns the content of a path, as it comes.
    pub(crate) fn open(&self, path: &str) -> Result<impl Read + use<>, Failure> {
        let request = self.agent.get(format!("http://{}{path}", self.address));
        let answer = request.header("authorization", self.authorization()).call()?;
        if answer.status() != 200 {
            return Err(format!("{path}: {}", answer.status()).into());
        }
        Ok(answer.into_body().into_reader())
    }

    /// Requests a score run and waits for its end. Returns how long it took.
    pub(crate) fn score(&self) -> Result<Duration, Failure> {
        let start = Instant::now();
        let request = self.agent.post(format!("http://{}/v1/score-runs", self.address));
        let request = request.header("authorization", self.authorization()).content_type("application/json");
        let mut answer = request.send("{}")?;
        let (status, body) = (answer.status(), answer.body_mut().read_to_string()?);
        self.wait_for(status.as_u16(), &body)?;
        Ok(start.elapsed())
    }

    /// Waits for the end of the job that an answer names, and returns the job.
    fn wait_for(&self, status: u16, body: &str) -> Result<Value, Failure> {
        let id = |body: &str| Some(serde_json::from_str::<Value>(body).ok()?.get("id")?.as_str()?.to_owned());
        let id = id(body).filter(|_| status == 202).ok_or_else(|| format!("{status}: {body}"))?;
        loop {
            let job = self.get(&format!("/v1/jobs/{id}"))?;
            let job: Value = serde_json::from_str(&job.body)?;
            match job.get("state").and_then(Value::as_str) {
                Some("queued" | "running") => thread::sleep(POLLING_INTERVAL),
                Some("succeeded") => return Ok(job),
                _ => return Err(format!("a job failed: {job}").into()),
            }
        }
    }

    /// Gets a path with its own token.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.get_with(&self.token, path)
    }

    /// Gets a path with another token.
    pub(crate) fn get_with(&self, token: &str, path: &str) -> Result<Answer, Failure> {
        let request = self.agent.get(format!("http://{}{path}", self.address));
        let mut answer = request.header("authorization", format!("Bearer {token}")).call()?;
        let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_string()?;
        Ok(Answer { status: answer.status().as_u16(), content_type, body })
    }

    /// Changes what is at a path, whatever its version.
    pub(crate) fn patch(&self, path: &str, change: &Value) -> Result<(), Failure> {
        let request = self.agent.patch(format!("http://{}{path}", self.address));
        let request = request.header("authorization", self.authorization()).header("if-match", "*");
        let mut answer = request.content_type("application/json").send(change.to_string())?;
        let (status, body) = (answer.status(), answer.body_mut().read_to_string()?);
        if status == 200 { Ok(()) } else { Err(format!("{path}: {status}: {body}").into()) }
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Returns the last value of a field in its log.
    pub(crate) fn logged(&self, field: &str) -> Option<String> {
        let log = fs::read_to_string(self.log.path()).ok()?;
        let value = log.rsplit_once(&format!("{field}="))?.1;
        value.split_whitespace().next().map(str::to_owned)
    }

    /// Returns a figure of its last score run in the log, in seconds.
    pub(crate) fn logged_seconds(&self, field: &str) -> Result<f64, Failure> {
        let start = Instant::now();
        // For others the job ends a moment before the line is written.
        loop {
            match self.logged(field) {
                Some(value) => return Ok(value.parse::<f64>()? / 1000.0),
                None if start.elapsed() < LOG_DELAY => thread::sleep(POLLING_INTERVAL),
                None => return Err(format!("the log has no {field}").into()),
            }
        }
    }

    /// Returns a figure of its process as the system keeps it, in bytes.
    pub(crate) fn memory_bytes(&self, field: &str) -> Result<f64, Failure> {
        memory_bytes(&self.child.id().to_string(), field)
    }

    /// Stops it and returns the peak of its memory in bytes.
    pub(crate) fn stop(mut self) -> Result<f64, Failure> {
        let peak = self.memory_bytes("VmHWM")?;
        run(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        self.child.wait()?;
        Ok(peak)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already, unless a measurement failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A token with its name, by which it is revoked.
pub(crate) struct AccessToken {
    pub(crate) name: String,
    pub(crate) secret: String,
}

impl AccessToken {
    /// Creates a token for an analyst.
    pub(crate) fn create(installation: &Installation<'_>) -> Result<Self, Failure> {
        // An installation may be a copy of one that has tokens already, so no two names are the same.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("bench {}", MADE.fetch_add(1, Ordering::Relaxed));
        let secret = installation.sonae(&["token", "create", "--name", &name, "--role", "analyst"])?;
        Ok(Self { name, secret })
    }
}

/// Returns a figure of a process from `/proc`, such as `VmHWM`, in bytes.
pub(crate) fn memory_bytes(process: &str, field: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kilobytes: f64 = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no such figure")?.parse()?;
    Ok(kilobytes * 1024.0)
}
