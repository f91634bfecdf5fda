//! A separate service for each test, and a client that checks every answer against the API document.

#![expect(dead_code, reason = "each of the targets that share this uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use api::{ClockMover, Config, ConnectionLimits, DatabaseOptions, Limits, Running};
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};
use tests::database::Database;
use ureq::Agent;
use ureq::http::{Method, Request};

use crate::answers::conforms;

/// The API document, as JSON.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| api::document(api::Lang::En).unwrap());

/// The data folder of a test and, if `SONAE_TEST_POSTGRES` names a PostgreSQL, a database there. Both are removed with
/// it.
pub(crate) struct Data {
    folder: TempDir,
    database: Option<Database>,
}

impl Data {
    pub(crate) fn new() -> Self {
        let server = std::env::var("SONAE_TEST_POSTGRES").ok();
        Self { folder: tempfile::tempdir().unwrap(), database: server.map(|url| Database::create(&url).unwrap()) }
    }

    /// Creates a data folder, and a database on a server of the test's own. `server` is the URL of a database there.
    pub(crate) fn on(server: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database: Some(Database::create(server).unwrap()) }
    }

    /// Returns the URL of the database, if it is on a server.
    pub(crate) fn url(&self) -> Option<String> {
        self.database.as_ref().map(Database::url)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the same URL with the role in the URL of another database of the server.
    pub(crate) fn url_by(&self, maintenance_url: &str) -> String {
        self.database.as_ref().unwrap().url_by(maintenance_url)
    }

    fn options(&self) -> DatabaseOptions {
        DatabaseOptions { url: self.url().map(|url| url.parse().unwrap()), ..DatabaseOptions::embedded() }
    }
}

/// A service with its own data.
pub(crate) struct App {
    pub(crate) data: Data,
    config: Config,
    /// Moves the clock of the service, which the command line does not have.
    pub(crate) clock: ClockMover,
    running: Option<Running>,
    pub(crate) address: SocketAddr,
    pub(crate) admin_address: SocketAddr,
}

impl App {
    pub(crate) fn start() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        // Scores follow changes only in tests of just that.
        Self::with(limits, None, Duration::from_secs(86_400))
    }

    /// Starts a service whose scores follow changes at once.
    pub(crate) fn rescoring() -> Self {
        Self::with(Limits::default(), None, Duration::ZERO)
    }

    /// Starts a service with a model of its own.
    pub(crate) fn with_model(model: &Path) -> Self {
        Self::with(Limits::default(), Some(model.to_owned()), Duration::from_secs(86_400))
    }

    /// Starts a service with limits on connections, behind a proxy or not.
    pub(crate) fn with_connections(connections: ConnectionLimits, behind_proxy: bool) -> Self {
        let mut app = Self::start();
        (app.config.connection_limits, app.config.behind_proxy) = (connections, behind_proxy);
        app.start_again();
        app
    }

    /// Starts a service, with a model of its own if one is given, whose scores follow changes after a while.
    pub(crate) fn with(limits: Limits, model: Option<PathBuf>, rescore_after: impl Into<Option<Duration>>) -> Self {
        Self::over(Data::new(), limits, model, rescore_after)
    }

    /// Starts a service over existing data, without automatic scores.
    pub(crate) fn beside(data: Data) -> Self {
        Self::over(data, Limits::default(), None, Duration::from_secs(86_400))
    }

    fn over(data: Data, limits: Limits, model: Option<PathBuf>, rescore_after: impl Into<Option<Duration>>) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test may move its clock")]
        let clock = ClockMover::new();
        let config = Config {
            data: data.path().to_owned(),
            database: data.options(),
            listen: any,
            admin_listen: any,
            tls: None,
            behind_proxy: false,
            connection_limits: ConnectionLimits::default(),
            workers: 1,
            limits,
            model,
            rescore_after: rescore_after.into(),
            clock: clock.clock(),
            handles_signals: false,
        };
        let running = api::serve(&config).unwrap();
        let (address, admin_address) = (running.address(), running.admin_address());
        Self { data, config, clock, running: Some(running), address, admin_address }
    }

    /// Stops the service.
    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// Starts the service anew over the same data, at another address.
    pub(crate) fn start_again(&mut self) {
        self.stop();
        let running = api::serve(&self.config).unwrap();
        (self.address, self.admin_address) = (running.address(), running.admin_address());
        self.running = Some(running);
    }

    /// Runs the command line over the same data and returns its output.
    pub(crate) fn sonae(&self, arguments: &[&str]) -> String {
        let done = command(&self.data, arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// Returns a client with a new token of a role.
    pub(crate) fn client(&self, role: &str) -> Client {
        self.client_of("default", role)
    }

    /// Returns a client with a new token of a role for some buyer. A provider is 事業者01, a supplier is A.
    pub(crate) fn client_of(&self, tenant: &str, role: &str) -> Client {
        match role {
            "provider" => self.token(tenant, role, &["--provider", "事業者01"]),
            "supplier" => self.token(tenant, role, &["--supplier", "A"]),
            _ => self.token(tenant, role, &[]),
        }
    }

    /// Returns a client with a new token of a provider.
    pub(crate) fn provider(&self, name: &str) -> Client {
        self.token("default", "provider", &["--provider", name])
    }

    /// Returns a client with a new token for some buyer, made with more arguments than the role.
    pub(crate) fn token(&self, tenant: &str, role: &str, more: &[&str]) -> Client {
        let name = format!("{role} {tenant} {}", nanos());
        let arguments = ["token", "create", "--name", &name, "--role", role, "--tenant", tenant];
        let token = self.sonae(&[&arguments, more].concat());
        Client { address: self.address, token: Some(token), lang: "en" }
    }

    /// Returns an analyst, which most tests need.
    pub(crate) fn analyst(&self) -> Client {
        self.client("analyst")
    }

    /// Returns a client without a token.
    pub(crate) fn stranger(&self) -> Client {
        Client { address: self.address, token: None, lang: "en" }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Asks a question again and again until it has an answer, because work goes on in other threads. Returns the answer.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(300), "not yet: {what}");
        // Other threads, for which it waits, get the processor.
        std::thread::yield_now();
    }
}

fn nanos() -> u128 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_nanos()
}

/// Returns the command over a test's data.
pub(crate) fn command(data: &Data, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonae-under-test"));
    for (inherited, _) in std::env::vars_os() {
        let is_setting = |name: &str| name.starts_with("SONAE_") || name.starts_with("DATABASE_");
        if inherited.to_str().is_some_and(is_setting) {
            command.env_remove(inherited);
        }
    }
    command.args(arguments).env("SONAE_DATA", data.path()).env("SONAE_LANG", "en");
    if let Some(database) = &data.database {
        command.env("DATABASE_URL", database.url());
    }
    command
}

/// Creates a token for everything that a buyer's own people may do.
pub(crate) fn admin_token(data: &Data, tenant: &str) -> String {
    let name = format!("admin {}", nanos());
    let arguments = ["token", "create", "--name", &name, "--role", "admin", "--tenant", tenant];
    let done = command(data, &arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// The service in a process of its own.
pub(crate) struct Process {
    child: Child,
    log: NamedTempFile,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts it and waits until it prints its address.
    pub(crate) fn start(data: &Data, arguments: &[&str]) -> Self {
        let arguments = [&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], arguments].concat();
        Self::spawn(command(data, &arguments))
    }

    /// Starts it with a command.
    pub(crate) fn spawn(mut service: Command) -> Self {
        let log = NamedTempFile::new().unwrap();
        let mut child = service.stdout(Stdio::piped()).stderr(log.reopen().unwrap()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("//").nth(1).and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("{}", fs::read_to_string(log.path()).unwrap()));
        Self { address: address.parse().unwrap(), child, log }
    }

    /// Returns a client of it with a token.
    pub(crate) fn client(&self, token: &str) -> Client {
        Client { address: self.address, token: Some(token.to_owned()), lang: "en" }
    }

    /// Returns the address of health and metrics.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        let log = self.log();
        let address = log.split("admin_address=").nth(1).and_then(|rest| rest.split_whitespace().next());
        address.unwrap_or_else(|| panic!("{log}")).parse().unwrap()
    }

    /// Returns its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Ends it with a signal and returns its exit code.
    #[cfg(unix)]
    pub(crate) fn end(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.wait()
    }

    /// Waits for its end and returns its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} has logged:\n{}", self.address, self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends requests with a token and checks the answers against the document.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
    /// What it accepts. Empty: it says nothing about languages.
    pub(crate) lang: &'static str,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) json: Value,
}

/// Returns an agent that sends requests over connections of its own, which it keeps.
pub(crate) fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(60)));
    config.allow_non_standard_methods(true).build().new_agent()
}

impl Client {
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        self.send_over(&agent(), method, path, headers, body)
    }

    /// Sends a request over the connections of an agent.
    pub(crate) fn send_over(
        &self,
        agent: &Agent,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = Request::builder().method(method.clone()).uri(format!("http://{}{path}", self.address));
        if !self.lang.is_empty() {
            request = request.header("accept-language", self.lang);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answered = match body {
            Some(body) => agent.run(request.body(body.to_vec()).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        };
        let mut answered = answered.unwrap();
        let text = |value: &ureq::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let answer_headers = answered.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let bytes = answered.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        let is_packed = answered.headers().contains_key("content-encoding");
        let json = match is_packed {
            true => serde_json::from_reader(flate2::read::GzDecoder::new(&bytes[..])),
            false => serde_json::from_slice(&bytes),
        };
        let status = answered.status().as_u16();
        let answer = Answer { status, headers: answer_headers, bytes, json: json.unwrap_or(Value::Null) };
        conforms(method.as_str(), path, &answer);
        answer
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], Some(body.to_string().as_bytes()))
    }

    /// Sends a change with the version to which it is made.
    pub(crate) fn change(&self, method: &str, path: &str, etag: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("if-match", etag)];
        self.send(method, path, &headers, Some(body.to_string().as_bytes()))
    }

    /// Requests an action on a version.
    pub(crate) fn act(&self, method: &str, path: &str, etag: &str) -> Answer {
        self.send(method, path, &[("if-match", etag)], None)
    }

    /// Creates a record and returns it as it is shown.
    pub(crate) fn create(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json
    }

    /// Creates a supplier with a code.
    pub(crate) fn supplier(&self, code: &str) -> Value {
        self.create("/v1/suppliers", &json!({ "supplier_code": code, "name": format!("{code}製作所") }))
    }

    /// Sends a file and waits for its job to end.
    pub(crate) fn import(&self, query: &str, media_type: &str, file: &[u8]) -> Value {
        self.import_to("/v1/imports", "/v1/jobs", query, media_type, file)
    }

    /// Sends a file to a path and waits for the job there to end.
    pub(crate) fn import_to(&self, path: &str, jobs: &str, query: &str, media_type: &str, file: &[u8]) -> Value {
        let answer = self.send("POST", &format!("{path}?{query}"), &[("content-type", media_type)], Some(file));
        assert_eq!(answer.status, 202, "{answer:?}");
        let location = format!("{jobs}/{}", id(&answer.json));
        assert_eq!(answer.header("location"), Some(location.as_str()));
        self.ended_at(&location)
    }

    /// Sends CSV and waits for its job to end.
    pub(crate) fn import_csv(&self, query: &str, text: &str) -> Value {
        self.import(query, "text/csv", text.as_bytes())
    }

    /// Waits for a job to end.
    pub(crate) fn ended(&self, id: &str) -> Value {
        self.ended_at(&format!("/v1/jobs/{id}"))
    }

    fn ended_at(&self, path: &str) -> Value {
        eventually("the job ends", || {
            let job = self.get(path);
            assert_eq!(job.status, 200, "{job:?}");
            (!job.json["finished_at"].is_null()).then_some(job.json)
        })
    }

    /// Starts a score run, waits for it and returns the job.
    pub(crate) fn score(&self, body: &Value) -> Value {
        let answer = self.post("/v1/score-runs", body);
        assert_eq!(answer.status, 202, "{answer:?}");
        let job = self.ended(answer.json["id"].as_str().unwrap());
        assert_eq!(job["state"], "succeeded", "{job}");
        job
    }

    /// Returns the findings of an import: row, column and code of each.
    pub(crate) fn findings(&self, job: &Value) -> Vec<(u64, String, String)> {
        let answer = self.get(&format!("{}?limit=1000", job["result"]["findings_url"].as_str().unwrap()));
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let items = answer.json["items"].as_array().unwrap().iter();
        items
            .map(|item| (item["row"].as_u64().unwrap_or_default(), text(&item["column"]), text(&item["code"])))
            .collect()
    }

    /// Returns the number of rows in a list.
    pub(crate) fn count(&self, path: &str) -> u64 {
        let separator = if path.contains('?') { '&' } else { '?' };
        let answer = self.get(&format!("{path}{separator}count=exact&limit=1"));
        answer.json["count"].as_u64().unwrap_or_else(|| panic!("{answer:?}"))
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the entity tag with the version alone: the rest of the tag is a hash of the body.
    pub(crate) fn etag(&self) -> String {
        let tag = self.header("etag").unwrap();
        tag.split_once('-').filter(|_| tag.len() < 20).map_or(tag.to_owned(), |(version, _)| format!("{version}\""))
    }

    /// Asserts that it is a problem of this kind with exactly these faults.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str, faults: &[(&str, &str)]) {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{self:?}");
        let found = self.json["errors"].as_array().unwrap().iter();
        let found: Vec<_> =
            found.map(|fault| (fault["pointer"].as_str().unwrap(), fault["code"].as_str().unwrap())).collect();
        assert_eq!(found, faults, "{self:?}");
    }
}

/// Returns the id of a record that was created.
pub(crate) fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

/// Returns the entity tag of a record as shown.
pub(crate) fn etag(thing: &Value) -> String {
    format!("\"{}\"", thing["version"])
}

/// An operation of the document.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) name: &'static str,
    /// The lowest role that its security requirement names. `None` if it needs no token.
    pub(crate) role: Option<&'static str>,
    /// The media type of its body.
    pub(crate) has_body: Option<&'static str>,
    /// The names of its query parameters.
    pub(crate) query: Vec<&'static str>,
}

/// Returns every operation of the document.
pub(crate) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["security"][0]["bearer"][0].as_str();
            let content = operation["requestBody"]["content"].as_object();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query = parameters.filter(|parameter| parameter["in"] == "query");
            all.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                name: operation["operationId"].as_str().unwrap(),
                role,
                has_body: content.map(|content| content.keys().next().unwrap().as_str()),
                query: query.map(|parameter| parameter["name"].as_str().unwrap()).collect(),
            });
        }
    }
    assert!(all.len() > 50, "{}", all.len());
    all
}

impl Operation {
    /// Returns the query of an operation that needs one.
    pub(crate) fn needed_query(&self) -> &'static str {
        match self.name {
            "create_import" => "?kind=suppliers",
            "create_submitted_import" => "?kind=incidents",
            "get_supplier_by_code" | "get_score_by_code" => "?code=A",
            "put_supplier_by_code" => "?supplier_code=A",
            name if name.ends_with("_by_key") => "?external_id=X",
            _ => "",
        }
    }

    /// Sends it with a value in each place.
    pub(crate) fn send(&self, client: &Client, id: &str) -> Answer {
        let path = format!("{}{}", self.path.replace("{id}", id), self.needed_query());
        let mut headers = vec![("if-match", "*")];
        headers.extend(self.has_body.map(|kind| ("content-type", kind)));
        let body = self.has_body.map(|kind| if kind.contains("csv") { b"supplier_code\n".as_slice() } else { b"{}" });
        client.send(&self.method, &path, &headers, body)
    }
}

/// Returns the operation of the document that matches a request, by the path with the fewest parameters.
pub(crate) fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let asked: Vec<&str> = path.split('?').next()?.split('/').collect();
    let paths = DOCUMENT["paths"].as_object()?.iter();
    let mut fitting: Vec<_> = paths
        .filter(|(template, _)| {
            let known: Vec<&str> = template.split('/').collect();
            known.len() == asked.len()
                && known
                    .iter()
                    .zip(&asked)
                    .all(|(known, asked)| (known.starts_with('{') && !asked.is_empty()) || known == asked)
        })
        .collect();
    fitting.sort_by_key(|(template, _)| template.matches('{').count());
    fitting.first().and_then(|(_, item)| item.get(method.to_lowercase()))
}
