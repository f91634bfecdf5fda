//! The address of a PostgreSQL server: which are valid, what of one may be shown, and whether data would travel in the
//! clear.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

/// The address of a PostgreSQL server with the name of a database, and possibly a password. It is shown without the
/// password.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(Arc<Known>);

/// The parts of an address.
#[derive(PartialEq, Eq)]
struct Known {
    full: String,
    /// As people may see it.
    shown: String,
    /// As given, but without passwords, which libpq then takes from elsewhere.
    without_password: String,
    /// The passwords, both as in the URL and decoded.
    passwords: Vec<String>,
    /// A host that is not this machine, if there is one.
    far: Option<String>,
    sslmode: String,
}

/// Why an address cannot be used. The texts contain nothing that could be a part of a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another database, or none.
    #[error(
        "the database's URL must begin with postgres://, for example postgres://user@host/database; leave it out for the embedded database in the data folder"
    )]
    Scheme,
    /// An unescaped character that ends a part of the URL, most likely within a password.
    #[error(
        "the database's URL cannot be read; write {} in a password as {}, and other characters that have a meaning in a URL in the same way: / %2F, ? %3F, # %23, @ %40, % %25, space %20",
        shown_character(.0), percent_encoded(.0)
    )]
    Unescaped(char),
    /// A port that is not a number, most likely a password without a host after it.
    #[error(
        "the database's URL has a port that is not a number from 1 to 65535; the password goes between : and @, as in postgres://user:password@host/database"
    )]
    Port,
    /// Brackets that hold no IPv6 address.
    #[error("the database's URL has brackets without an IPv6 address between them; write [::1] or [::1]:5432")]
    Brackets,
    /// A part after ? that is not an option.
    #[error(
        "the database's URL has something after ? that is not an option of PostgreSQL; write options as name=value, separated by &"
    )]
    Option,
    /// An option that occurs twice.
    #[error("the database's URL has the option {0} twice")]
    Twice(&'static str),
    /// An `sslmode` that PostgreSQL does not know.
    #[error("the database's URL has an invalid sslmode; use one of {}", SSL_MODES.join(", "))]
    SslMode,
    /// A service instead of a host.
    #[error("the database's URL names a service; name the host instead")]
    Service,
    /// Data would pass in the clear.
    #[error(
        "data and passwords would be sent to {host} unencrypted: {remedy}, or allow it with --allow-plaintext-db if the network is safe"
    )]
    InTheClear {
        /// The host.
        host: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// This build cannot encrypt.
    #[error("this build cannot encrypt connections to a database (sslmode={0}); build with --features postgres-tls")]
    NoTls(&'static str),
}

impl UrlError {
    /// Returns the character to escape, as a message shows it, and what to write instead.
    pub fn escape(&self) -> Option<(String, String)> {
        let Self::Unescaped(character) = self else { return None };
        Some((shown_character(character), percent_encoded(character)))
    }
}

/// Whether this build can encrypt connections to a server.
const HAS_TLS: bool = cfg!(feature = "postgres-tls");
/// The options that a URL gets unless it has them: time-outs for connecting to a server, and for one that went silent,
/// both while data is being sent to it and while it is to send some.
const DEFAULT_OPTIONS: [(&str, &str); 6] = [
    ("connect_timeout", "5"),
    ("tcp_user_timeout", "30000"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("application_name", "sonae"),
];

/// The values of `sslmode`.
pub const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// The options that libpq accepts in a URL. It would repeat others, which may be a part of a password.
const KNOWN_OPTIONS: [&str; 51] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "options",
    "passfile",
    "password",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "service",
    "servicefile",
    "ssl",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "tcp_user_timeout",
];
/// The option for the user's name, which otherwise is written before @.
const USER_OPTION: &str = "user";
/// Options that must not be shown.
const SECRET_OPTIONS: [&str; 5] =
    ["password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"];

impl FromStr for ServerUrl {
    type Err = UrlError;

    /// Parses a URL such as `postgres://user:password@host:5432/database?sslmode=verify-full`.
    fn from_str(url: &str) -> Result<Self, UrlError> {
        let scheme = ["postgres://", "postgresql://"].into_iter().find(|scheme| url.starts_with(scheme));
        let rest = scheme.and_then(|scheme| url.strip_prefix(scheme)).ok_or(UrlError::Scheme)?;
        let parts = Parts::of(rest)?;
        for part in [parts.user, parts.password.unwrap_or_default(), parts.database] {
            decoded(part)?;
        }
        let options = options(parts.query)?;
        let option = |name: &str| options.iter().find(|option| option.name == name);
        if option("service").is_some() || option("servicefile").is_some() {
            return Err(UrlError::Service);
        }
        if option("sslmode").is_some_and(|option| !SSL_MODES.contains(&option.value.as_str())) {
            return Err(UrlError::SslMode);
        }

        let hosts = without_ports(parts.hosts)?;
        let named = option("host").map_or(hosts.as_str(), |option| &option.value);
        let addresses = option("hostaddr").into_iter().flat_map(|option| option.value.split(','));
        let far = named.split(',').chain(addresses).find(|host| !is_here(host)).map(str::to_owned);

        let secrets = options.iter().filter(|option| SECRET_OPTIONS.contains(&option.name));
        let passwords = secrets.map(|option| option.raw).chain(parts.password).filter(|password| !password.is_empty());
        let passwords = passwords.flat_map(|raw| [Some(raw.to_owned()), decoded(raw).ok()]).flatten().collect();

        let at = if parts.user.is_empty() { "" } else { "@" };
        let shown = format!("postgres://{}{at}{}/{}", parts.user, parts.hosts, parts.database);
        let kept = options.iter().filter(|option| !SECRET_OPTIONS.contains(&option.name));
        let kept: Vec<_> = kept.map(|option| format!("{}={}", option.name, option.raw)).collect();
        let mark = if kept.is_empty() { "" } else { "?" };
        let without_password = format!("{shown}{mark}{}", kept.join("&"));

        let mut full = url.to_owned();
        for (name, value) in DEFAULT_OPTIONS {
            if option(name).is_none() {
                full.push(if full.contains('?') { '&' } else { '?' });
                full += &format!("{name}={value}");
            }
        }
        let sslmode = option("sslmode").map(|option| option.value.clone()).unwrap_or_default();
        Ok(Self(Arc::new(Known { full, shown, without_password, passwords, far, sslmode })))
    }
}

impl ServerUrl {
    /// Refuses an address to which data would travel in the clear, or to which this build cannot encrypt.
    ///
    /// # Errors
    /// [`UrlError::InTheClear`] or [`UrlError::NoTls`].
    pub fn check_transport(&self, allow_plaintext: bool) -> Result<(), UrlError> {
        let encrypted = ["require", "verify-ca", "verify-full"].into_iter().find(|mode| *mode == self.0.sslmode);
        match (&self.0.far, encrypted) {
            (_, Some(mode)) if !HAS_TLS => Err(UrlError::NoTls(mode)),
            (Some(host), None) if !allow_plaintext => {
                let remedy = if HAS_TLS {
                    "add sslmode=verify-full and sslrootcert=FILE to the URL"
                } else {
                    "build with --features postgres-tls and add sslmode=verify-full to the URL"
                };
                Err(UrlError::InTheClear { host: host.clone(), remedy })
            }
            _ => Ok(()),
        }
    }

    /// Returns the whole URL, with its password.
    pub(crate) fn as_str(&self) -> &str {
        &self.0.full
    }

    /// Returns the URL as given, but without passwords. Libpq then takes one from PGPASSWORD or ~/.pgpass.
    pub fn without_password(&self) -> &str {
        &self.0.without_password
    }

    /// Returns whether both lead to the same database, regardless of the user: by hosts, ports and the database's name.
    pub fn is_same_database(&self, other: &Self) -> bool {
        self.hosts_and_database() == other.hosts_and_database()
    }

    /// Returns the hosts with ports, and the database, such as `db.example.jp:5432/sonae`.
    fn hosts_and_database(&self) -> String {
        let shown = self.0.shown.trim_start_matches("postgres://");
        let (authority, database) = shown.split_once('/').unwrap_or((shown, ""));
        let hosts = authority.rsplit('@').next().unwrap_or_default();
        let with_port = |host: &str| {
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && !port.ends_with(']'));
            if has_port { host.to_owned() } else { format!("{}:5432", host.trim_end_matches(':')) }
        };
        format!("{}/{database}", hosts.split(',').map(with_port).collect::<Vec<_>>().join(","))
    }

    /// Returns whether it contains a password.
    pub fn has_password(&self) -> bool {
        !self.0.passwords.is_empty()
    }

    /// Removes secrets from a text of libpq.
    pub(crate) fn redact(&self, text: &str) -> String {
        let secrets = std::iter::once(&self.0.full).chain(&self.0.passwords);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.shown)
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.shown)
    }
}

/// The parts of a URL after its scheme, as written there.
struct Parts<'a> {
    user: &'a str,
    password: Option<&'a str>,
    hosts: &'a str,
    database: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    /// Splits a URL as libpq does, and refuses one that libpq would split within a password.
    fn of(rest: &'a str) -> Result<Self, UrlError> {
        let is_odd = |character: &char| character.is_whitespace() || character.is_control() || *character == '#';
        if let Some(odd) = rest.chars().find(is_odd) {
            return Err(UrlError::Unescaped(odd));
        }
        let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = before_query.split_once('/').unwrap_or((before_query, ""));
        let (user, hosts) = authority.split_once('@').unwrap_or(("", authority));
        if hosts.contains('@') {
            return Err(UrlError::Unescaped('@'));
        }
        if database.contains('@') || query.contains('@') {
            // Without an @ before it, this one ends a user name and password that contain the character which ended the
            // host.
            let ended_by = rest.get(authority.len()..).and_then(|rest| rest.chars().next());
            return Err(UrlError::Unescaped(ended_by.filter(|_| !authority.contains('@')).unwrap_or('@')));
        }
        let (user, password) = user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
        Ok(Self { user, password, hosts, database, query })
    }
}

/// An option of a URL.
struct UrlOption<'a> {
    name: &'static str,
    /// As written in the URL.
    raw: &'a str,
    value: String,
}

/// Returns the options of a URL, each of which may occur once.
fn options(query: &str) -> Result<Vec<UrlOption<'_>>, UrlError> {
    let mut found: Vec<UrlOption<'_>> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, raw) = pair.split_once('=').ok_or(UrlError::Option)?;
        let name = decoded(name)?;
        let name =
            KNOWN_OPTIONS.into_iter().chain([USER_OPTION]).find(|known| *known == name).ok_or(UrlError::Option)?;
        if raw.contains('=') {
            return Err(UrlError::Unescaped('='));
        }
        if found.iter().any(|known| known.name == name) {
            return Err(UrlError::Twice(name));
        }
        found.push(UrlOption { name, raw, value: decoded(raw)? });
    }
    Ok(found)
}

/// Returns the hosts of `host:1,[::1]:2,%2Fsocket`.
fn without_ports(hosts: &str) -> Result<String, UrlError> {
    let names = hosts.split(',').map(|host| {
        let (name, port) = match host.strip_prefix('[') {
            Some(bracketed) => {
                let (address, rest) = bracketed.split_once(']').ok_or(UrlError::Brackets)?;
                // An address may name the network interface through which it is reached.
                let number = address.split('%').next().unwrap_or_default();
                number.parse::<Ipv6Addr>().map_err(|_| UrlError::Brackets)?;
                let port = rest.strip_prefix(':').or_else(|| rest.is_empty().then_some(""));
                (address.to_owned(), port.ok_or(UrlError::Brackets)?)
            }
            None => {
                let (name, port) = host.split_once(':').unwrap_or((host, ""));
                (decoded(name)?, port)
            }
        };
        if port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0) { Ok(name) } else { Err(UrlError::Port) }
    });
    Ok(names.collect::<Result<Vec<_>, _>>()?.join(","))
}

/// Returns whether a host is this machine: the folder of a socket, loopback, or nothing if no environment variable
/// names a host.
fn is_here(host: &str) -> bool {
    if host.is_empty() {
        return ["PGHOST", "PGHOSTADDR", "PGSERVICE"].iter().all(|name| std::env::var_os(name).is_none());
    }
    host.starts_with(['/', '@'])
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn decoded(text: &str) -> Result<String, UrlError> {
    let bad = || UrlError::Unescaped('%');
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(bad)?;
        // `from_str_radix` would accept `+a`.
        let is_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|byte| is_digits && *byte != 0);
        bytes.push(byte.ok_or_else(bad)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// Returns a character as a message shows it.
fn shown_character(character: &char) -> String {
    match *character {
        ' ' => "a space".to_owned(),
        other if other.is_whitespace() || other.is_control() => format!("U+{:04X}", u32::from(other)),
        other => other.to_string(),
    }
}

/// Returns a character as written within a part of a URL.
fn percent_encoded(character: &char) -> String {
    character.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<ServerUrl, UrlError> {
        let url: ServerUrl = url.parse()?;
        url.check_transport(false).map(|()| url)
    }

    #[test]
    fn a_server_on_this_machine_is_taken_and_shown_without_its_password() {
        for url in [
            "postgres://sonae:secret@localhost:5432/sonae",
            "postgresql://sonae:secret@127.0.0.1/sonae",
            "postgres://sonae:secret@[::1]:5433,127.0.0.2/sonae",
            "postgres://sonae:secret@%2Fvar%2Frun%2Fpostgresql/sonae",
            "postgres://sonae:s:e%40cret%2F@/sonae?host=/run/postgresql",
            "postgres://sonae@localhost/sonae?password=secret",
        ] {
            let taken = parsed(url).unwrap();
            assert!(!format!("{taken} {taken:?} {}", taken.without_password()).contains("cret"), "{taken}");
            assert!(taken.as_str().starts_with(url) && taken.as_str().contains("connect_timeout=5"), "{url}");
            assert!(taken.has_password() && !taken.redact(&format!("no {url}")).contains("cret"), "{url}");
        }
        let own = parsed("postgres://localhost/sonae?connect_timeout=1").unwrap();
        assert!(!own.as_str().contains("connect_timeout=5"));
    }

    #[test]
    fn without_its_password_a_url_keeps_everything_else() {
        let url = parsed("postgres://sonae:secret@localhost:5433/sonae?password=x&keepalives=1").unwrap();
        assert_eq!(url.without_password(), "postgres://sonae@localhost:5433/sonae?keepalives=1");
    }

    #[test]
    fn other_databases_and_texts_that_are_no_url_are_refused_without_repeating_passwords() {
        for (url, part) in [
            ("mysql://root:secret@localhost/x", "must begin with postgres://"),
            ("host=localhost password=secret", "must begin with postgres://"),
            ("secret", "must begin with postgres://"),
            ("", "must begin with postgres://"),
            ("postgres://localhost/a b?password=secret", "a space in a password as %20"),
            ("postgres://localhost/x?host=a&host=b", "the option host twice"),
            ("postgres://localhost/x?service=far", "name the host"),
            ("postgres://%2/x", "% in a password as %25"),
            ("postgres://sonae:secret/abc@localhost/x", "/ in a password as %2F"),
            ("postgres://sonae:1234/secret@localhost/x", "/ in a password as %2F"),
            ("postgres://sonae:secret?abc@localhost/x", "? in a password as %3F"),
            ("postgres://sonae:123?secret=4@localhost/x", "? in a password as %3F"),
            ("postgres://sonae:secret#abc@localhost/x", "# in a password as %23"),
            ("postgres://sonae:secret@abc@localhost/x", "@ in a password as %40"),
            ("postgres://sonae:secret@abc/def@localhost/x", "@ in a password as %40"),
            ("postgres://sonae:secret%abc%zz@localhost/x", "% in a password as %25"),
            ("postgres://sonae:secret%00@localhost/x", "% in a password as %25"),
            ("postgres://sonae:secret\n@localhost/x", "as %0A"),
            ("postgres://sonae:secret", "port"),
            ("postgres://sonae:secret/x", "port"),
            ("postgres://sonae:x@[::1]secret/x", "IPv6"),
            ("postgres://sonae:x@[secret/x", "IPv6"),
            ("postgres://localhost/x?secret", "not an option"),
            ("postgres://localhost/x?secret=1", "not an option"),
            ("postgres://localhost/x?password=secret==", "= in a password as %3D"),
        ] {
            let text = parsed(url).unwrap_err().to_string();
            assert!(text.contains(part) && !text.contains("secret"), "{url}: {text}");
        }
    }

    #[test]
    fn a_server_elsewhere_needs_encryption_or_an_allowance() {
        for url in [
            "postgres://db.example.jp/sonae",
            "postgres://localhost,10.0.0.7/sonae",
            "postgres://localhost/sonae?host=10.0.0.7",
            "postgres://localhost/sonae?hostaddr=10.0.0.7",
            "postgres://db.example.jp/sonae?sslmode=prefer",
        ] {
            assert!(matches!(parsed(url), Err(UrlError::InTheClear { .. })), "{url}");
            assert!(url.parse::<ServerUrl>().unwrap().check_transport(true).is_ok(), "{url}");
        }
        let encrypted = parsed("postgres://db.example.jp/sonae?sslmode=verify-full");
        assert_eq!(encrypted.is_ok(), HAS_TLS, "{encrypted:?}");
    }
}
