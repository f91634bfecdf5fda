//! The encrypted connection to a server.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rcgen::CertifiedKey;
use tests::cluster::Cluster;
use tests::sql::Sql;

use crate::gate::within;
use crate::support::{Data, Process, admin_token, command};

/// Makes a server encrypt as `localhost`. Returns the file with the certificate that vouches for it.
fn encrypt(cluster: &Cluster) -> PathBuf {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let owner = cluster.data().metadata().unwrap();
    let keep = |name: &str, text: String| {
        let path = cluster.data().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        path
    };
    keep("server.key", signing_key.serialize_pem());
    let certificate = keep("server.crt", cert.pem());
    let mut admin = Sql::open(&cluster.admin_url("postgres")).unwrap();
    admin.run("ALTER SYSTEM SET ssl = on").unwrap();
    admin.run("SELECT pg_reload_conf()").unwrap();
    within(30, "it encrypts", || admin.text("SELECT current_setting('ssl')").unwrap() == "on");
    certificate
}

fn with(url: &str, host: &str, mode: &str, authority: &Path) -> String {
    format!("{}?sslmode={mode}&sslrootcert={}", url.replace("127.0.0.1", host), authority.display())
}

#[test]
fn a_server_that_proves_who_it_is_is_reached_encrypted_and_no_other() {
    let cluster = Cluster::start().unwrap();
    let authority = encrypt(&cluster);
    let data = Data::on(&with(&cluster.url("postgres"), "localhost", "verify-full", &authority));
    let service = Process::start(&data, &[]);
    assert_eq!(service.client(&admin_token(&data, "default")).get("/v1/settings").status, 200);
    let mut admin = Sql::open(&cluster.admin_url("postgres")).unwrap();
    let connections = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                       WHERE application_name LIKE 'sonae %'";
    assert_eq!(admin.texts(connections).unwrap(), ["true"]);

    let refused = |url: &str| {
        let done = command(&data, &["tenant", "list"]).env("DATABASE_URL", url).output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let other = Cluster::start().unwrap();
    let other_authority = encrypt(&other);
    let plain = Cluster::start().unwrap();
    for (url, code, part) in [
        (with(&cluster.url("postgres"), "localhost", "verify-full", &other_authority), 1, "certificate verify failed"),
        // The certificate is for localhost.
        (with(&cluster.url("postgres"), "127.0.0.1", "verify-full", &authority), 1, "does not match host name"),
        (format!("{}?sslmode=require", plain.url("postgres")), 1, "does not support SSL"),
        ("postgres://sonae@192.0.2.1/sonae".to_owned(), 2, "add sslmode=verify-full"),
        ("postgres://sonae@192.0.2.1/sonae?sslmode=prefer".to_owned(), 2, "add sslmode=verify-full"),
    ] {
        let (exit, text) = refused(&url);
        assert!(exit == Some(code) && text.contains(part), "{url}: {exit:?} {text}");
    }
}
