//! The address of a PostgreSQL server: what it may be, and whether data would travel in the clear.

use std::fmt;
use std::net::IpAddr;

/// The address of a PostgreSQL server with the name of a database, and perhaps a password: it shows without that.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    full: String,
    /// As people may see it.
    shown: String,
}

/// Why an address cannot be used. The texts name no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another database, or none.
    #[error(
        "the database's URL begins with {0}; give postgres://user@host/database, or none for the embedded database in the data folder"
    )]
    Scheme(String),
    /// Not a URL of a server.
    #[error("the database's URL cannot be read: {0}")]
    Shape(String),
    /// Data would pass in the clear.
    #[error(
        "data and passwords would travel to {host} in the clear: {remedy}, or allow it with --allow-plaintext-db where the network is safe"
    )]
    InTheClear {
        /// The host.
        host: String,
        /// What to do.
        remedy: &'static str,
    },
    /// This build cannot encrypt.
    #[error("this build cannot encrypt the way to a database (sslmode={0}); build with --features postgres-tls")]
    NoTls(String),
}

/// Whether this build can encrypt the way to a server.
const HAS_TLS: bool = cfg!(feature = "postgres-tls");
/// What a URL says unless it says otherwise: how long to wait for a server, and for one that went silent: with something
/// to say to it, and while it is to say something.
const USUAL: [(&str, &str); 6] = [
    ("connect_timeout", "5"),
    ("tcp_user_timeout", "30000"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("application_name", "sonae"),
];

impl ServerUrl {
    /// Takes a URL such as `postgres://user:password@host:5432/database?sslmode=verify-full`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str, allow_plaintext: bool) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| UrlError::Scheme(first_word(url)))?;
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(UrlError::Scheme(format!("{scheme}://")));
        }
        if rest.contains(|character: char| character.is_whitespace() || character.is_control() || character == '#') {
            return Err(UrlError::Shape("write spaces and # in it as %20 and %23".to_owned()));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        // The last @: libpq takes passwords with an @ in them.
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let user = user.split_once(':').map_or(user, |(user, _)| user);
        let options = options(query)?;
        let option = |name: &str| options.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if option("service").is_some() || option("servicefile").is_some() {
            return Err(UrlError::Shape("name the host in it in place of a service".to_owned()));
        }

        let named = match option("host") {
            Some(hosts) => hosts.to_owned(),
            None => without_ports(hosts)?,
        };
        let reached = named.split(',').chain(option("hostaddr").into_iter().flat_map(|hosts| hosts.split(',')));
        let far = reached.map(str::to_owned).find(|host| !is_here(host));
        let mode = option("sslmode").unwrap_or_default();
        let is_encrypted = matches!(mode, "require" | "verify-ca" | "verify-full");
        if is_encrypted && !HAS_TLS {
            return Err(UrlError::NoTls(mode.to_owned()));
        }
        if let (Some(host), false, false) = (far, is_encrypted, allow_plaintext) {
            let remedy = if HAS_TLS {
                "add sslmode=verify-full and sslrootcert=FILE to the URL"
            } else {
                "build with --features postgres-tls and add sslmode=verify-full to the URL"
            };
            return Err(UrlError::InTheClear { host, remedy });
        }

        let mut full = url.to_owned();
        for (name, value) in USUAL {
            if option(name).is_none() {
                full.push(if full.contains('?') { '&' } else { '?' });
                full += &format!("{name}={value}");
            }
        }
        let at = if user.is_empty() { "" } else { "@" };
        Ok(Self { full, shown: format!("postgres://{user}{at}{hosts}/{database}") })
    }

    /// The whole URL, with its password.
    pub(crate) fn as_str(&self) -> &str {
        &self.full
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown)
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown)
    }
}

/// The options of a URL, each of which may be there once.
fn options(query: &str) -> Result<Vec<(String, String)>, UrlError> {
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| UrlError::Shape(format!("{pair} has no value")))?;
        let (name, value) = (decoded(name)?, decoded(value)?);
        if found.iter().any(|(known, _)| *known == name) {
            return Err(UrlError::Shape(format!("{name} stands in it twice")));
        }
        found.push((name, value));
    }
    Ok(found)
}

/// The hosts of `host:1,[::1]:2,%2Fsocket`.
fn without_ports(hosts: &str) -> Result<String, UrlError> {
    let names = hosts.split(',').map(|host| match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => Ok(address.to_owned()),
        None => decoded(host.split_once(':').map_or(host, |(host, _)| host)),
    });
    Ok(names.collect::<Result<Vec<_>, _>>()?.join(","))
}

/// Whether a host is this machine: a socket's folder, nothing at all where nothing else names one, or loopback.
fn is_here(host: &str) -> bool {
    if host.is_empty() {
        return ["PGHOST", "PGHOSTADDR", "PGSERVICE"].iter().all(|name| std::env::var_os(name).is_none());
    }
    host.starts_with(['/', '@'])
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn decoded(text: &str) -> Result<String, UrlError> {
    let bad = || UrlError::Shape("a % in it is not followed by two hexadecimal digits".to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(bad)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// Enough of a text to know it again, but no password.
fn first_word(text: &str) -> String {
    let word: String = text.chars().take_while(|character| character.is_ascii_alphanumeric()).take(20).collect();
    if word.is_empty() { "nothing that names a database".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<ServerUrl, UrlError> {
        ServerUrl::parse(url, false)
    }

    #[test]
    fn a_server_on_this_machine_is_taken_and_shown_without_its_password() {
        for url in [
            "postgres://sonae:secret@localhost:5432/sonae",
            "postgresql://sonae:secret@127.0.0.1/sonae",
            "postgres://sonae:secret@[::1]:5433,127.0.0.2/sonae",
            "postgres://sonae:secret@%2Fvar%2Frun%2Fpostgresql/sonae",
            "postgres://sonae:s@cret@/sonae?host=/run/postgresql",
        ] {
            let taken = parsed(url).unwrap();
            assert!(!format!("{taken} {taken:?}").contains("cret"), "{taken}");
            assert!(taken.as_str().starts_with(url) && taken.as_str().contains("connect_timeout=5"), "{url}");
        }
        let own = parsed("postgres://localhost/sonae?connect_timeout=1").unwrap();
        assert!(!own.as_str().contains("connect_timeout=5"));
    }

    #[test]
    fn other_databases_and_texts_that_are_no_url_are_refused_without_repeating_passwords() {
        for (url, part) in [
            ("mysql://root:secret@localhost/x", "mysql://"),
            ("sqlite://x.db", "sqlite://"),
            ("host=localhost password=secret", "begins with host;"),
            ("", "nothing that names a database"),
            ("postgres://localhost/a b?password=secret", "%20"),
            ("postgres://localhost/x?host=a&host=b", "host stands in it twice"),
            ("postgres://localhost/x?service=far", "in place of a service"),
            ("postgres://%2/x", "hexadecimal"),
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
            assert!(ServerUrl::parse(url, true).is_ok(), "{url}");
        }
        let encrypted = parsed("postgres://db.example.jp/sonae?sslmode=verify-full");
        assert_eq!(encrypted.is_ok(), HAS_TLS, "{encrypted:?}");
    }
}
