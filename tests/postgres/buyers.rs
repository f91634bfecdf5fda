//! Two buyers over one database, each with rows in every table that holds rows of buyers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::sql::Sql;

use crate::support::{App, Client, id};

/// A word in every text of the other buyer, and in none of ours.
pub(crate) const MARK: &str = "zqxb7";
/// A word in our texts.
const OURS: &str = "ours";
/// How many suppliers each buyer has, and how many records of each kind of evidence.
pub(crate) const SUPPLIERS: usize = 24;

/// A service with two buyers.
pub(crate) struct Buyers {
    pub(crate) app: App,
    pub(crate) ours: Buyer,
    pub(crate) theirs: Buyer,
}

/// A buyer with a client of each kind.
pub(crate) struct Buyer {
    pub(crate) id: String,
    pub(crate) admin: Client,
    pub(crate) provider: Client,
    pub(crate) supplier: Client,
}

impl Buyers {
    pub(crate) fn new() -> Self {
        let app = App::start();
        let mut admin = Sql::open(&app.data.url_by(&superuser())).unwrap();
        let [ours, theirs] = [OURS, MARK].map(|word| Buyer::with_everything(&app, &mut admin, word));
        let buyers = Self { app, ours, theirs };
        let mut sql = buyers.superuser();
        for table in walled_tables(&mut sql) {
            for buyer in [&buyers.ours, &buyers.theirs] {
                assert_ne!(
                    count(&mut sql, &table, &buyer.id),
                    "0",
                    "{table} has no rows of both: nothing would be shown"
                );
            }
        }
        buyers
    }

    /// Starts the service anew.
    pub(crate) fn start_again(&mut self) {
        self.app.start_again();
        for buyer in [&mut self.ours, &mut self.theirs] {
            for client in [&mut buyer.admin, &mut buyer.provider, &mut buyer.supplier] {
                client.address = self.app.address;
            }
        }
    }

    /// Returns a connection to which row-level security does not apply.
    pub(crate) fn superuser(&self) -> Sql {
        Sql::open(&self.app.data.url_by(&superuser())).unwrap()
    }

    /// Returns a connection of the role as which the service logs in.
    pub(crate) fn login(&self) -> Sql {
        Sql::open(&self.app.data.url().unwrap()).unwrap()
    }
}

/// Returns the URL of the server, as its superuser.
pub(crate) fn superuser() -> String {
    std::env::var("SONAE_TEST_POSTGRES_ADMIN").unwrap()
}

/// Returns the tables with rows of buyers that need row-level security, from the catalogue, without the list of the
/// buyers itself.
pub(crate) fn walled_tables(sql: &mut Sql) -> Vec<String> {
    let tables = sql.texts(
        "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid \
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attname = 'tenant_id' \
         AND relname <> 'job_queue' ORDER BY relname",
    );
    let tables = tables.unwrap();
    assert!(tables.len() > 15, "{tables:?}");
    tables
}

/// Returns how many rows of a buyer a table has.
pub(crate) fn count(sql: &mut Sql, table: &str, buyer: &str) -> String {
    sql.text(&format!("SELECT count(*) FROM {table} WHERE tenant_id = '{buyer}'")).unwrap()
}

/// Returns a hash of a buyer's rows in each table, and of its rows in the list of buyers and in the queue.
pub(crate) fn state(sql: &mut Sql, buyer: &str) -> BTreeMap<String, String> {
    let hash = |sql: &mut Sql, table: &str, key: &str| {
        let query =
            format!("SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} t WHERE {key} = '{buyer}'");
        (table.to_owned(), sql.text(&query).unwrap())
    };
    let mut hashes: BTreeMap<_, _> = walled_tables(sql).iter().map(|table| hash(sql, table, "tenant_id")).collect();
    hashes.extend([hash(sql, "tenants", "id"), hash(sql, "job_queue", "tenant_id")]);
    hashes
}

/// No table.
pub(crate) const NOTHING: [&str; 0] = [];

/// Returns the tables in which something of a buyer has changed.
pub(crate) fn changed(before: &BTreeMap<String, String>, sql: &mut Sql, buyer: &str) -> Vec<String> {
    let now = state(sql, buyer);
    assert!(now.keys().eq(before.keys()) && now.values().all(|hash| !hash.is_empty()), "{now:?}");
    now.into_iter().filter(|(table, hash)| before[table] != *hash).map(|(table, _)| table).collect()
}

impl Buyer {
    /// Creates a buyer with rows in every table. Each of its texts contains `word`.
    fn with_everything(app: &App, superuser: &mut Sql, word: &str) -> Self {
        let name = format!("{word}-buyer");
        let id = app.sonae(&["tenant", "create", &name]);
        let admin = app.client_of(&name, "admin");
        let text = |what: &str| format!("{word}-{what}");
        let set = json!({ "scores_automatically": false, "buyer_breach_loss_jpy": 50_000_000 });
        change(&admin, "PATCH", "/v1/settings", &set);
        fill(&admin, word);
        for code in [code(word, 0), code(word, 1)] {
            let contact = json!({
                "name": text("contact"), "department": text("department"), "mail_address": format!("{word}@example.jp"),
                "phone_number": "03-1234-5678",
            });
            let path = format!("/v1/suppliers/{}/incident-contact", supplier_id(&admin, &code));
            change(&admin, "PUT", &path, &contact);
        }
        let provider = app.token(&name, "provider", &["--provider", &text("provider")]);
        let supplier = app.token(&name, "supplier", &["--supplier", &code(word, 0)]);
        submit(&provider, word);
        admin.score(&json!({}));
        change_some(&admin, word);
        let run = admin.score(&json!({}));
        assert_eq!(admin.get("/v1/exports/scores.csv").status, 200);
        by_hand(superuser, &id, crate::support::id(&run), word);
        Self { id, admin, provider, supplier }
    }
}

/// Returns the code of a buyer's supplier.
pub(crate) fn code(word: &str, number: usize) -> String {
    format!("{word}-code-{number:02}")
}

fn supplier_id(client: &Client, code: &str) -> String {
    let found = client.get(&format!("/v1/suppliers/by-code?code={code}"));
    assert_eq!(found.status, 200, "{found:?}");
    id(&found.json).to_owned()
}

#[track_caller]
fn change(client: &Client, method: &str, path: &str, body: &Value) {
    let media_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let headers = [("content-type", media_type), ("if-match", "*")];
    // A record that is put here is new.
    let headers = if method == "PUT" { &headers[..1] } else { &headers };
    let answer = client.send(method, path, headers, Some(body.to_string().as_bytes()));
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Imports suppliers and evidence of each kind. The last row of each file is bad, so that there are findings.
fn fill(admin: &Client, word: &str) {
    let import = |kind: &str, headings: &str, row: &dyn Fn(usize) -> String, bad: &str| {
        let rows: String = (0..SUPPLIERS).map(|number| row(number) + "\n").collect();
        let query = format!("kind={kind}&source={word}-source&mode=accept_valid");
        let job = admin.import_csv(&query, &format!("{headings}\n{rows}{bad}\n"));
        assert_eq!(
            (&job["state"], &job["result"]["created"]),
            (&json!("partially_succeeded"), &json!(SUPPLIERS)),
            "{job}"
        );
    };
    let code = |number| code(word, number);
    let number = |place| if word == MARK && place == 0 { "7010401022916" } else { "" };
    import(
        "suppliers",
        "supplier_code,name,kana,corporate_number,jsic_division,employee_count,capital_jpy,data_access",
        &|i| format!("{},{word}の製作所{i:02},{word}カナ{i:02},{},24,46,10000000,confidential", code(i), number(i)),
        &format!("{word}-code-99,,,{word}-bad,,,,"),
    );
    import(
        "supplier_codes",
        "supplier_code,system,company,code",
        &|i| format!("{},{word}-system,{word}-company,{word}-mapped-{i:02}", code(i)),
        &format!("{word}-unknown,{word}-system,,{word}-mapped-99"),
    );
    import(
        "relationships",
        "external_id,upstream_code,downstream_code,item,annual_spend_jpy,criticality,substitutability",
        &|i| {
            let downstream = if i % 3 == 0 { String::new() } else { code(i - 1) };
            format!("{word}-key-{i:02},{},{downstream},{word}の部品{i:02},5000000,stops_line,sole", code(i))
        },
        &format!("{word}-key-99,{word}-unknown,,,,stops_line,sole"),
    );
    import(
        "enrollments",
        "external_id,supplier_code,service_name,provider_name,service_class,starts_on,onsite_response",
        &|i| format!("{word}-key-{i:02},{},{word}の見守り,{word}-provider,class_1,2025-04-01,true", code(i)),
        &format!("{word}-key-99,{word}-unknown,,,class_1,2025-04-01,true"),
    );
    import(
        "certifications",
        "external_id,supplier_code,scheme,issued_on,scope,evidence_url",
        &|i| format!("{word}-key-{i:02},{},isms,2025-04-01,{word}の範囲,https://example.jp/{word}/{i:02}", code(i)),
        &format!("{word}-key-99,{word}-unknown,isms,2025-04-01,,"),
    );
    import(
        "assessments",
        "external_id,supplier_code,control,status,assessed_on,assurance,assessor_name,evidence_url",
        &|i| {
            format!(
                "{word}-key-{i:02},{},mfa,met,2026-01-05,verified_by_third_party,{word}-assessor,https://example.jp/{word}/assessed/{i:02}",
                code(i)
            )
        },
        &format!("{word}-key-99,{word}-unknown,mfa,met,2026-01-05,self_reported,,"),
    );
    import(
        "incidents",
        "external_id,supplier_code,occurred_on,outcome,indicators",
        &|i| format!("{word}-key-{i:02},{},2026-01-05,contained,{word}の痕跡", code(i)),
        &format!("{word}-key-99,{word}-unknown,2026-01-05,contained,"),
    );
    import(
        "provider_assignments",
        "supplier_code,provider_name",
        &|i| format!("{},{word}-provider", code(i)),
        &format!("{word}-unknown,{word}-provider"),
    );
}

/// Sends what a provider sends about a supplier: single records, and a file with a bad row.
fn submit(provider: &Client, word: &str) {
    let supplier = code(word, 0);
    let incident = json!({ "supplier_code": supplier, "occurred_on": "2026-02-05", "outcome": "blocked", "external_id": format!("{word}-sent-1"), "indicators": format!("{word}の痕跡") });
    provider.create("/v1/submissions/incidents", &incident);
    let enrollment = json!({ "supplier_code": supplier, "service_class": "class_2", "starts_on": "2025-05-01", "onsite_response": true, "external_id": format!("{word}-sent-2"), "service_name": format!("{word}の見守り") });
    provider.create("/v1/submissions/enrollments", &enrollment);
    let assessment = json!({ "supplier_code": supplier, "control": "edr", "status": "met", "assessed_on": "2026-02-05", "assurance": "verified_by_provider", "external_id": format!("{word}-sent-5"), "evidence_url": format!("https://example.jp/{word}/sent") });
    provider.create("/v1/submissions/assessments", &assessment);
    let path = "/v1/submissions/imports";
    let file = format!(
        "external_id,supplier_code,occurred_on,outcome\n{word}-sent-3,{supplier},2026-02-06,blocked\n{word}-sent-4,{word}-unknown,2026-02-06,blocked\n"
    );
    provider.import_to(path, path, "kind=incidents&mode=accept_valid", "text/csv", file.as_bytes());
}

/// Makes records in all states: merged, archived, retracted, with more than one version.
fn change_some(admin: &Client, word: &str) {
    let supplier = |number| supplier_id(admin, &code(word, number));
    let path = |number: usize, act: &str| format!("/v1/suppliers/{}{act}", supplier(number));
    let into = json!({ "into_id": supplier(22) });
    change(admin, "POST", &path(23, "/merge"), &into);
    change(admin, "POST", &path(21, "/archive"), &json!({}));
    change(admin, "PATCH", &path(0, ""), &json!({ "kana": format!("{word}カナ") }));
    for kind in ["relationships", "enrollments", "certifications", "assessments", "incidents"] {
        let one = admin.get(&format!("/v1/{kind}?external_id={word}-key-05&source={word}-source")).json;
        let path = format!("/v1/{kind}/{}/retract", id(&one["items"][0]));
        change(admin, "POST", &path, &json!({ "reason": format!("{word}のため") }));
    }
}

/// Inserts what no request makes cheaply: the file of an export that a job wrote, a part of an upload that has not
/// ended, and a job that runs elsewhere.
fn by_hand(superuser: &mut Sql, buyer: &str, run: &str, word: &str) {
    let file = format!("{word}の書き出し");
    let export = json!({ "run": run, "format": "csv", "filters": [], "is_japanese": true, "time_zone": "Asia/Tokyo", "supplier_count": 10_001 });
    let job = "INSERT INTO jobs (tenant_id, id, kind, state, request, result, created_at, created_by, started_at, finished_at, attempt_count, stalled_count, is_cancel_requested) VALUES";
    let statements = format!(
        "DO $$ DECLARE export UUID := gen_random_uuid(); running UUID := gen_random_uuid(); BEGIN \
         {job} ('{buyer}', export, 'export', 'succeeded', '{export}', '{{\"bytes\":{bytes}}}', now(), '{word}-by', now(), now(), 1, 0, false); \
         INSERT INTO export_chunks VALUES ('{buyer}', export, 0, convert_to('{file}', 'UTF8')); \
         {job} ('{buyer}', running, 'score_run', 'running', '{{\"as_of\":null}}', NULL, now(), '{word}-by', now(), NULL, 1, 0, false); \
         INSERT INTO job_queue VALUES ('{buyer}', running, 'score_run', 'running', now(), now() + interval '1 day'); \
         INSERT INTO upload_chunks VALUES ('{buyer}', gen_random_uuid(), 0, convert_to('{file}', 'UTF8')); END $$",
        bytes = file.len()
    );
    superuser.run(&statements).unwrap();
}
