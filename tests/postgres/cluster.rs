//! The servers that tests start: their data stays their own, and they end with the tests.

use std::time::{Duration, Instant};

use tests::cluster::{Cluster, Stop};
use tests::sql::Sql;

fn open(url: &str) -> Sql {
    Sql::open(url).unwrap()
}

fn count(sql: &mut Sql) -> String {
    sql.text("SELECT count(*) FROM kept").unwrap()
}

/// Waits until a condition holds on a server.
fn wait_until(sql: &mut Sql, condition: &str) {
    let start = Instant::now();
    while sql.text(&format!("SELECT {condition}")).unwrap() != "true" {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {condition}");
    }
}

#[test]
fn a_server_keeps_its_data_however_it_is_stopped() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.create_database().unwrap();
    open(&url).run("CREATE TABLE kept AS SELECT generate_series(1, 1000)").unwrap();
    for how in [Stop::Fast, Stop::Immediate] {
        cluster.stop(how).unwrap();
        assert!(Sql::open(&url).is_err());
        cluster.start_again().unwrap();
        assert_eq!(count(&mut open(&url)), "1000");
    }
    let folder = cluster.data();
    drop(cluster);
    assert!(Sql::open(&url).is_err());
    assert!(!folder.parent().unwrap().exists());
}

#[test]
fn a_replica_follows_until_it_is_paused() {
    let primary = Cluster::with(&[("max_connections", "20")]).unwrap();
    let url = primary.create_database().unwrap();
    let database = url.rsplit('/').next().unwrap();
    let mut writer = open(&url);
    assert_eq!(writer.text("SELECT current_setting('max_connections')").unwrap(), "20");
    writer.run("CREATE TABLE kept AS SELECT 1").unwrap();
    let replica = Cluster::replica_of(&primary).unwrap();
    let mut reader = open(&replica.url(database));
    let mut admin = open(&replica.admin_url(database));

    assert_eq!(count(&mut reader), "1");
    assert!(reader.run("DELETE FROM kept").is_err(), "a replica is only read");
    admin.run("SELECT pg_wal_replay_pause()").unwrap();
    wait_until(&mut admin, "pg_get_wal_replay_pause_state() = 'paused'");
    writer.run("INSERT INTO kept VALUES (2)").unwrap();
    let written = writer.text("SELECT pg_current_wal_insert_lsn()").unwrap();
    wait_until(&mut admin, &format!("pg_last_wal_receive_lsn() >= '{written}'"));
    assert_eq!(count(&mut reader), "1");
    admin.run("SELECT pg_wal_replay_resume()").unwrap();
    wait_until(&mut reader, "count(*) = 2 FROM kept");
}
