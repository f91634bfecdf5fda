//! The servers that tests start: what is theirs stays theirs, and ends with them.

use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use tests::cluster::{Cluster, Stop};

fn client(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap()
}

fn count(client: &mut Client) -> i64 {
    client.query_one("SELECT count(*) FROM kept", &[]).unwrap().get(0)
}

/// Waits until a condition holds on a server.
fn wait_until(client: &mut Client, condition: &str) {
    let start = Instant::now();
    while !client.query_one(&format!("SELECT {condition}"), &[]).unwrap().get::<_, bool>(0) {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {condition}");
    }
}

#[test]
fn a_server_keeps_its_data_however_it_is_stopped() {
    let cluster = Cluster::start().unwrap();
    let url = cluster.create_database().unwrap();
    client(&url).batch_execute("CREATE TABLE kept AS SELECT generate_series(1, 1000)").unwrap();
    for how in [Stop::Fast, Stop::Immediate] {
        cluster.stop(how).unwrap();
        assert!(Client::connect(&url, NoTls).is_err());
        cluster.start_again().unwrap();
        assert_eq!(count(&mut client(&url)), 1000);
    }
    let folder = cluster.data();
    drop(cluster);
    assert!(Client::connect(&url, NoTls).is_err());
    assert!(!folder.parent().unwrap().exists());
}

#[test]
fn a_replica_follows_until_it_is_paused() {
    let primary = Cluster::with(&[("max_connections", "20")]).unwrap();
    let url = primary.create_database().unwrap();
    let database = url.rsplit('/').next().unwrap();
    let mut writer = client(&url);
    assert_eq!(writer.query_one("SHOW max_connections", &[]).unwrap().get::<_, String>(0), "20");
    writer.batch_execute("CREATE TABLE kept AS SELECT 1").unwrap();
    let replica = Cluster::replica_of(&primary).unwrap();
    let mut reader = client(&replica.url(database));
    let mut admin = client(&replica.admin_url(database));

    assert_eq!(count(&mut reader), 1);
    assert!(reader.batch_execute("DELETE FROM kept").is_err(), "a replica is only read");
    admin.batch_execute("SELECT pg_wal_replay_pause()").unwrap();
    wait_until(&mut admin, "pg_get_wal_replay_pause_state() = 'paused'");
    writer.batch_execute("INSERT INTO kept VALUES (2)").unwrap();
    let written: String = writer.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).unwrap().get(0);
    wait_until(&mut admin, &format!("pg_last_wal_receive_lsn() >= '{written}'"));
    assert_eq!(count(&mut reader), 1);
    admin.batch_execute("SELECT pg_wal_replay_resume()").unwrap();
    wait_until(&mut reader, "count(*) = 2 FROM kept");
}
