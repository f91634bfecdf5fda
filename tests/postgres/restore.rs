//! Backups, restored in the places that the manual allows: under another name, on another server, without roles.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tests::cluster::Cluster;
use tests::sql::Sql;

use crate::support::{Data, Process, admin_token, command};

/// Automatic scoring is practically off.
const QUIET: [&str; 2] = ["--rescore-after-seconds", "86400"];

/// Returns the first block of a language below a heading of a page of the manual.
fn block(page: &str, heading: &str, language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operate").join(page);
    let text = fs::read_to_string(path).unwrap();
    let section = text.split_once(&format!("## {heading}\n")).unwrap().1;
    let block = section.split_once(&format!("```{language}\n")).unwrap().1;
    block.split_once("```").unwrap().0.to_owned()
}

/// Two buyers with their own suppliers, and tokens for them.
struct Buyers(Vec<(String, BTreeSet<String>)>);

impl Buyers {
    fn of(data: &Data) -> Self {
        assert!(command(data, &["tenant", "create", "rival"]).output().unwrap().status.success());
        let service = Process::start(data, &QUIET);
        let buyers = [("default", "A"), ("rival", "B")].map(|(name, letter)| {
            let token = admin_token(data, name);
            let codes: BTreeSet<_> = (0..20).map(|number| format!("{letter}{number}")).collect();
            let rows: String = codes.iter().map(|code| format!("{code}\n")).collect();
            let job = service.client(&token).import_csv("kind=suppliers", &format!("supplier_code\n{rows}"));
            assert_eq!(job["state"], "succeeded", "{job}");
            (token, codes)
        });
        Self(buyers.into())
    }

    /// Asserts that a service over a database serves each buyer its own suppliers and takes changes.
    fn are_served(&self, service: &Process) {
        for (token, codes) in &self.0 {
            let client = service.client(token);
            let listed = client.get("/v1/suppliers?limit=100");
            let listed = listed.json["items"].as_array().unwrap_or_else(|| panic!("{listed:?}"));
            let listed: BTreeSet<_> =
                listed.iter().map(|supplier| supplier["supplier_code"].as_str().unwrap().to_owned()).collect();
            assert_eq!(listed, *codes);
            client.supplier("new");
        }
    }
}

/// Runs a script with variables, and `sonae` and the programs of a server in its path.
fn run(cluster: &Cluster, script: &str, variables: &[(&str, &str)]) -> Output {
    let programs = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sonae-under-test"), programs.path().join("sonae")).unwrap();
    let path =
        format!("{}:{}:{}", programs.path().display(), cluster.programs().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-euc", script]).current_dir(programs.path()).env("PATH", path).env("SONAE_LANG", "en");
    shell.envs(variables.iter().copied()).output().unwrap()
}

#[track_caller]
fn succeeds(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn admin_url(cluster: &Cluster, data: &Data) -> String {
    data.url_by(&cluster.admin_url("postgres"))
}

fn name(data: &Data) -> String {
    data.url().unwrap().rsplit_once('/').unwrap().1.to_owned()
}

/// Starts a service with the data folder of one installation and the database of another.
fn serve(folder: &Data, url: &str) -> Process {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", QUIET[0], QUIET[1]];
    let mut service = command(folder, &arguments);
    service.env("DATABASE_URL", url);
    Process::spawn(service)
}

#[test]
fn a_backup_by_the_manual_is_restored_by_the_manual_on_any_server_under_any_name() {
    let (first, second) = (Cluster::start().unwrap(), Cluster::start().unwrap());
    let data = Data::on(&first.url("postgres"));
    let buyers = Buyers::of(&data);
    let backups = tempfile::tempdir().unwrap();

    Sql::open(&admin_url(&first, &data)).unwrap().run(&block("backup.md", "PostgreSQL", "sql")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/backup.sh");
    let backup_url = data.url().unwrap().replace("//sonae@", "//sonae_backup@");
    let variables = [
        ("SCRIPT", script.to_str().unwrap()),
        ("BACKUPS", backups.path().to_str().unwrap()),
        ("BACKUP_DATABASE_URL", &backup_url),
        ("DATABASE_URL", &data.url().unwrap()),
        ("SONAE_DATA", data.path().to_str().unwrap()),
    ];
    let made = run(&first, "sh \"$SCRIPT\" \"$BACKUPS\"", &variables);
    succeeds(&made);
    let backup = String::from_utf8(made.stdout).unwrap();

    for server in [&first, &second] {
        let restored = Data::on(&server.url("postgres"));
        let (url, admin_url) = (restored.url().unwrap(), admin_url(server, &restored));
        let folder = restored.path().to_str().unwrap();
        let variables =
            [("BACKUP", backup.trim()), ("ADMIN_URL", &admin_url), ("DATABASE_URL", &url), ("SONAE_DATA", folder)];
        let done = run(server, &block("restore.md", "Restore PostgreSQL", "sh"), &variables);
        succeeds(&done);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(said.contains("row-level security was incomplete and has been completed"), "{said}");
        buyers.are_served(&Process::start(&restored, &QUIET));
    }
    buyers.are_served(&Process::start(&data, &QUIET));
}

#[test]
fn a_dump_with_its_policies_is_served_under_another_name_and_the_old_roles_reach_nothing() {
    let cluster = Cluster::start().unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let buyers = Buyers::of(&data);
    let restored = Data::on(&cluster.url("postgres"));
    let variables = [("FROM", admin_url(&cluster, &data)), ("TO", admin_url(&cluster, &restored))];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let script = "pg_dump --format=custom \"$FROM\" | pg_restore --exit-on-error --dbname=\"$TO\"";
    succeeds(&run(&cluster, script, &variables));

    buyers.are_served(&serve(&data, &restored.url().unwrap()));
    let mut sql = Sql::open(&restored.url().unwrap()).unwrap();
    for part in ["tenant", "operator"] {
        let reached = |database: &Data| {
            format!(
                "SELECT count(*) FROM pg_class, aclexplode(relacl) WHERE grantee = '{}_{part}'::regrole",
                name(database)
            )
        };
        assert_eq!(sql.text(&reached(&data)).unwrap(), "0");
        assert_ne!(sql.text(&reached(&restored)).unwrap(), "0");
    }
    buyers.are_served(&Process::start(&data, &QUIET));
}

#[test]
fn a_renamed_database_is_served_and_the_roles_of_its_old_name_can_be_dropped() {
    let cluster = Cluster::start().unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let buyers = Buyers::of(&data);
    let mut admin = Sql::open(&cluster.admin_url("postgres")).unwrap();
    admin.run(&format!("ALTER DATABASE {} RENAME TO \"Sonae-Prod\"", name(&data))).unwrap();

    buyers.are_served(&serve(&data, &cluster.url("Sonae-Prod")));
    let drop = block("restore.md", "What the name of the database means", "sql").replace("old_name", &name(&data));
    admin.run(&drop).unwrap();
    let roles = "SELECT rolname FROM pg_roles WHERE rolname LIKE '%~_tenant' ESCAPE '~'";
    assert_eq!(admin.texts(roles).unwrap(), ["Sonae-Prod_tenant"]);
}

#[test]
fn a_dump_that_was_restored_without_any_role_is_served_after_the_statement_that_is_asked_for() {
    let (first, second) = (Cluster::start().unwrap(), Cluster::start().unwrap());
    let data = Data::on(&first.url("postgres"));
    let buyers = Buyers::of(&data);
    // The role sonae is created too late: the tables belong to the superuser.
    let mut admin = Sql::open(&second.admin_url("postgres")).unwrap();
    admin.run("ALTER ROLE sonae RENAME TO somebody").unwrap();
    admin.run("CREATE DATABASE restored").unwrap();
    let variables = [("FROM", admin_url(&first, &data)), ("TO", second.admin_url("restored"))];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    run(&first, "pg_dump --format=custom \"$FROM\" | pg_restore --dbname=\"$TO\"", &variables);
    admin.run("CREATE ROLE sonae LOGIN CREATEROLE").unwrap();

    let url = second.url("restored");
    let refused = command(&data, &["migrate"]).env("DATABASE_URL", &url).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && said.contains("sonae may not read the tables"), "{said}");
    let asked = said.split_once("has to run, in this database: ").unwrap().1;
    Sql::open(&second.admin_url("restored")).unwrap().run(asked).unwrap();
    buyers.are_served(&serve(&data, &url));
}
