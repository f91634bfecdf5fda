//! What `/metrics` shows of a server that stops or hangs, and of a replica.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::cluster::{Cluster, Stop};
use tests::sql::Sql;

use crate::gate::within;
use crate::scrape::{Scrape, listed, scrape};
use crate::support::{Data, Process, admin_token};

/// Automatic scoring is practically off.
const QUIET: [&str; 2] = ["--rescore-after-seconds", "86400"];

/// Reads the metrics, which must be quick whatever the server does.
fn scrape_in_time(service: &Process) -> Scrape {
    let start = Instant::now();
    let shown = scrape(service.admin_address());
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    shown
}

#[track_caller]
fn is_shown_as_away(service: &Process) {
    within(10, "the server is shown as away", || {
        let shown = scrape_in_time(service);
        let is_away = shown.value("sonae_database_away", &[]) == 1.0;
        assert!(!is_away || shown.find("sonae_jobs", &[]).is_none(), "{}", shown.text);
        is_away && shown.value("sonae_ready", &[]) == 0.0
    });
}

#[track_caller]
fn is_shown_as_here(service: &Process) {
    within(30, "the server is shown as here", || {
        let shown = scrape_in_time(service);
        shown.value("sonae_database_away", &[]) == 0.0
            && shown.find("sonae_jobs", &[]) == Some(0.0)
            && shown.value("sonae_ready", &[]) == 1.0
    });
}

#[test]
fn a_server_that_is_stopped_is_shown_as_away_until_it_is_back() {
    let cluster = Cluster::start().unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let service = Process::start(&data, &QUIET);
    is_shown_as_here(&service);
    cluster.stop(Stop::Fast).unwrap();
    is_shown_as_away(&service);
    cluster.start_again().unwrap();
    is_shown_as_here(&service);
}

/// Processes of a server that are stopped, as by a paused machine, for as long as this value lives.
struct Hung(Vec<String>);

impl Hung {
    fn new(cluster: &Cluster) -> Self {
        let mut sql = Sql::open(&cluster.admin_url("postgres")).unwrap();
        let mut processes = sql.texts("SELECT pid FROM pg_stat_activity WHERE usename = 'sonae'").unwrap();
        drop(sql);
        let lock = fs::read_to_string(cluster.data().join("postmaster.pid")).unwrap();
        processes.push(lock.lines().next().unwrap().to_owned());
        let hung = Self(processes);
        hung.signal("-STOP");
        hung
    }

    fn signal(&self, signal: &str) {
        // A process that has ended in the meantime is not an error.
        let _ = Command::new("kill").arg(signal).args(&self.0).status();
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[test]
fn a_server_that_hangs_is_shown_as_away_and_scrapes_do_not_pile_up() {
    let cluster = Cluster::start().unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let service = Process::start(&data, &QUIET);
    is_shown_as_here(&service);
    let hung = Hung::new(&cluster);
    is_shown_as_away(&service);
    let threads = scrape_in_time(&service).value("process_threads", &[]);
    for _ in 0..20 {
        let shown = scrape_in_time(&service);
        assert_eq!(shown.value("sonae_database_away", &[]), 1.0, "{}", shown.text);
    }
    let after = scrape_in_time(&service);
    assert!(after.value("process_threads", &[]) <= threads + 2.0, "{threads}: {}", after.text);
    drop(hung);
    is_shown_as_here(&service);
}

#[test]
fn a_replica_is_shown_by_the_metrics_that_the_list_has_for_it() {
    let primary = Cluster::start().unwrap();
    let data = Data::on(&primary.url("postgres"));
    let token = admin_token(&data, "default");
    let replica = Cluster::replica_of(&primary).unwrap();
    let url = data.url().unwrap();
    let replica_url = replica.url(url.rsplit('/').next().unwrap());
    let service = Process::start(&data, &[&QUIET[..], &["--database-replica-url", &replica_url]].concat());
    assert_eq!(service.client(&token).get("/v1/suppliers").status, 200);

    let shown = scrape_in_time(&service);
    assert!(shown.label_values("pool").contains("replica"), "{}", shown.text);
    let metrics = shown.metrics();
    for metric in listed().into_iter().filter(|metric| metric.place == "replica") {
        assert_eq!(metrics.get(&metric.name), Some(&(metric.kind, metric.labels)), "{}: {}", metric.name, shown.text);
    }
}
