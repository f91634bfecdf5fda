//! Every operation, asked by one buyer with whatever another one has: not a byte of it is in any answer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::sync::OnceLock;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use polars_io::SerReader;
use polars_io::prelude::ParquetReader;
use serde_json::{Value, json};
use tests::sql::Sql;

use crate::buyers::{Buyer, Buyers, MARK, NOTHING, changed, code, state, walled_tables};
use crate::support::{Answer, Operation, agent, id, operations};

/// Where a request names something.
const NAMED: &str = "{named}";
/// An id that nobody has.
const NOBODY: &str = "01999999-9999-7999-8999-999999999999";

/// What a buyer has that a request of another one can name.
struct Things {
    ids: Vec<String>,
    /// Codes, keys, names and whatever else is a text without spaces.
    texts: Vec<String>,
    cursors: Vec<String>,
    tags: Vec<String>,
    /// What a run was made of, as its hash.
    hashes: Vec<String>,
}

/// A request that is asked of each of many things.
struct Question {
    operation: Operation,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
    values: Vec<String>,
    /// What nobody has, of the same form.
    made_up: String,
    /// What is said of that.
    expected: OnceLock<(u16, Value)>,
}

impl Buyer {
    /// The client whose role an operation asks for.
    fn client(&self, operation: &Operation) -> &crate::support::Client {
        match operation.role {
            Some("provider") => &self.provider,
            Some("supplier") => &self.supplier,
            _ => &self.admin,
        }
    }
}

impl Things {
    /// What the other buyer has, and we have not.
    fn of_theirs(buyers: &Buyers) -> Self {
        let mut sql = buyers.superuser();
        let tables = walled_tables(&mut sql);
        let all = |buyer: &Buyer| {
            let all = tables.iter().map(|table| {
                format!(
                    "SELECT text FROM {table} t, jsonb_each_text(to_jsonb(t)) AS e (name, text) WHERE tenant_id = '{}'",
                    buyer.id
                )
            });
            all.collect::<Vec<_>>().join(" UNION ")
        };
        let theirs = format!("SELECT text FROM ({}) t EXCEPT ({})", all(&buyers.theirs), all(&buyers.ours));
        let mut like = |form: &str| {
            sql.texts(&format!("SELECT text FROM ({theirs}) v WHERE text ~ '^{form}$' ORDER BY 1")).unwrap()
        };
        let things = Self {
            ids: like("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
            texts: like(&format!("{MARK}[-a-z0-9]+")),
            cursors: cursors(&buyers.theirs),
            tags: tags(&buyers.theirs),
            hashes: like("[0-9a-f]{64}"),
        };
        let counts = [things.ids.len(), things.texts.len(), things.cursors.len(), things.tags.len()];
        assert!(counts[0] > 150 && counts[1] > 75 && counts[2] > 15 && counts[3] > 30, "{counts:?}");
        things
    }
}

/// The lists that have no id in their path.
fn lists() -> Vec<Operation> {
    operations().into_iter().filter(|one| one.query.contains(&"cursor") && !one.path.contains("{id}")).collect()
}

/// A cursor of each list, and of each with a filter or in another order where it has these.
fn cursors(buyer: &Buyer) -> Vec<String> {
    let mut cursors = BTreeSet::new();
    for list in lists() {
        let more = [("sort", "&sort=-recorded_at"), ("include_ended", "&include_ended=true")];
        let more = more.into_iter().filter(|(name, _)| list.query.contains(name)).map(|(_, more)| more);
        for more in [""].into_iter().chain(more) {
            let page = buyer.client(&list).get(&format!("{}?limit=1{more}", list.path));
            cursors.extend(page.json["next_cursor"].as_str().map(str::to_owned));
        }
    }
    cursors.into_iter().collect()
}

/// Entity tags of what is shown alone and of some of each list.
fn tags(buyer: &Buyer) -> Vec<String> {
    let mut paths: Vec<(String, Operation)> = Vec::new();
    for operation in operations().into_iter().filter(|operation| operation.method == "GET" && operation.role.is_some())
    {
        let (list, rest) = operation.path.split_once("/{id}").unwrap_or((&operation.path, "none"));
        if rest.is_empty() {
            let items = buyer.client(&operation).get(&format!("{list}?limit=4")).json["items"].clone();
            let items: Vec<Value> = items.as_array().cloned().unwrap_or_default();
            let ids = items.iter().filter_map(|item| item["id"].as_str().or(item["supplier_id"].as_str()));
            let list = list.to_owned();
            paths.extend(ids.map(|id| (format!("{list}/{id}"), operation.clone())));
        } else if rest == "none" && operation.query.is_empty() {
            paths.push((operation.path.clone(), operation));
        }
    }
    let tags = paths
        .iter()
        .filter_map(|(path, operation)| buyer.client(operation).get(path).header("etag").map(str::to_owned));
    tags.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What an operation is sent that it takes, but for whom it is about.
fn body(operation: &Operation, ours: &str) -> Option<String> {
    let name = operation.name;
    let body = match () {
        () if name.starts_with("retract_") => json!({ "reason": "x" }),
        () if name == "merge_supplier" => json!({ "into_id": ours }),
        () if name == "put_incident_contact" => json!({ "name": "x" }),
        () if name.contains("relationship") => {
            json!({ "upstream_code": NAMED, "downstream_code": NAMED, "criticality": "routine", "substitutability": "sole" })
        }
        () if name.contains("enrollment") => {
            json!({ "supplier_code": NAMED, "service_class": "class_1", "starts_on": "2025-04-01", "onsite_response": true })
        }
        () if name.contains("certification") => {
            json!({ "supplier_code": NAMED, "scheme": "isms", "issued_on": "2025-04-01" })
        }
        () if name.contains("incident") => {
            json!({ "supplier_code": NAMED, "occurred_on": "2026-01-05", "outcome": "blocked" })
        }
        () if name == "create_provider_assignment" => json!({ "supplier_code": NAMED, "provider_name": "x" }),
        () if name == "create_supplier_code" => json!({ "supplier_code": NAMED, "system": "x", "code": "x" }),
        () if name == "look_up_scores" => json!({ "codes": [NAMED] }),
        () => json!({}),
    };
    operation.has_body.map(|_| body.to_string())
}

/// What requests of ours name themselves by.
struct Own {
    supplier: String,
    import: String,
}

impl Own {
    fn of(buyer: &Buyer) -> Self {
        let supplier = buyer.admin.get(&format!("/v1/suppliers/by-code?code={}", code("ours", 3)));
        let jobs = buyer.admin.get("/v1/jobs?limit=1000").json["items"].clone();
        let import = jobs.as_array().unwrap().iter().find(|job| job["kind"] == "import").unwrap().clone();
        Self { supplier: id(&supplier.json).to_owned(), import: id(&import).to_owned() }
    }
}

/// Every operation with each of their things in each place that takes such a thing.
fn questions(theirs: &Things, own: &Own) -> Vec<Question> {
    let mut all = Vec::new();
    let tag = theirs.tags.iter().find(|tag| tag.starts_with("\"1-")).unwrap();
    let tagged = vec![("if-match", tag.clone()), ("if-none-match", tag.clone())];
    let any = vec![("if-match", "*".to_owned())];
    // A bare version is that of many things, and our settings are of version 1.
    let hashed: Vec<_> = theirs.tags.iter().filter(|tag| tag.len() > 10).cloned().collect();
    let later: Vec<_> = theirs.tags.iter().filter(|tag| !tag.starts_with("\"1")).cloned().collect();
    for operation in operations().into_iter().filter(|operation| operation.role.is_some()) {
        let mut ask = |path: String,
                       headers: &[(&'static str, String)],
                       body: Option<String>,
                       values: &[String],
                       made_up: &str| {
            assert!(!values.is_empty(), "{path}");
            all.push(Question {
                operation: operation.clone(),
                path,
                headers: headers.to_vec(),
                body,
                values: values.to_vec(),
                made_up: made_up.to_owned(),
                expected: OnceLock::new(),
            });
        };
        let (path, sent) = (&operation.path, body(&operation, &own.supplier));
        let needed = operation.needed_query();
        if path.contains("{id}") {
            let named = path.replace("{id}", NAMED);
            // A change names its supplier by a code of ours.
            let sent = sent.clone().map(|sent| sent.replace(NAMED, &code("ours", 4)));
            ask(named.clone(), &any, sent.clone(), &theirs.ids, NOBODY);
            ask(named, &tagged, sent, &theirs.ids, NOBODY);
        }
        let own_path = match path.contains("/findings") {
            true => path.replace("{id}", &own.import),
            false => path.replace("{id}", &own.supplier),
        };
        let starts_job = operation.name.ends_with("_import") || operation.name == "start_score_run";
        if operation.method == "GET" {
            for parameter in &operation.query {
                let wide = if operation.query.contains(&"include_ended") { "&include_ended=true" } else { "" };
                let needs_code = if needed.contains("code=") && *parameter != "code" { "&code={named}" } else { "" };
                let path = format!("{own_path}?{parameter}={NAMED}{wide}{needs_code}");
                match *parameter {
                    "supplier_id" | "downstream_id" | "score_run_id" => {
                        let path = path.replace("&code={named}", &format!("&code={}", code("ours", 0)));
                        ask(path, &any, None, &theirs.ids, NOBODY);
                    }
                    "supplier_code" | "downstream_code" | "code" | "source" | "external_id" | "provider_name" | "q"
                    | "system" | "company" => ask(path, &any, None, &theirs.texts, "nobody-code-00"),
                    "corporate_number" => ask(path, &any, None, &["7010401022916".to_owned()], "1180301018771"),
                    "cursor" => {
                        let path = path.replace("&include_ended=true", "");
                        ask(path, &any, None, &theirs.cursors, "AAAA");
                    }
                    _ => {}
                }
            }
            if !path.contains("{id}") {
                ask(
                    format!("{path}{}", needed.replace("=A", "=ours-code-00")),
                    &[("if-none-match", NAMED.to_owned())],
                    None,
                    &hashed,
                    "\"1-00000000\"",
                );
            }
        } else if !path.contains("{id}") && !starts_job {
            match operation.name {
                // What would come to be of ours: see the end.
                "create_supplier" => {}
                "put_supplier_by_code" => {
                    ask(format!("{path}?supplier_code={NAMED}"), &tagged, sent, &theirs.texts, "nobody-code-00");
                }
                "change_settings" => {
                    ask(path.clone(), &[("if-match", NAMED.to_owned())], sent, &later, "\"9-00000000\"")
                }
                _ => {
                    let query = needed.replace("=X", "={named}");
                    ask(format!("{path}{query}"), &[], sent, &theirs.texts, "nobody-code-00");
                }
            }
        }
        if operation.name == "merge_supplier" {
            let sent = json!({ "into_id": NAMED }).to_string();
            ask(own_path, &any, Some(sent), &theirs.ids, NOBODY);
        } else if operation.name == "look_up_scores" {
            let sent = json!({ "codes": [code("ours", 0)], "score_run_id": NAMED }).to_string();
            ask(own_path, &any, Some(sent), &theirs.ids, NOBODY);
        }
    }
    all
}

/// A request as it was sent, as one text.
struct Asked {
    text: String,
    answer: Answer,
}

impl Question {
    fn ask(&self, agent: &ureq::Agent, buyer: &Buyer, value: &str) -> Asked {
        let fill = |text: &str| text.replace(NAMED, value);
        let path = fill(&self.path);
        let mut headers: Vec<(&str, String)> = self.headers.iter().map(|(name, text)| (*name, fill(text))).collect();
        headers.extend(self.operation.has_body.map(|kind| ("content-type", kind.to_owned())));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let body = self.body.as_deref().map(fill);
        let text = format!("{} {path} {headers:?} {}", self.operation.method, body.as_deref().unwrap_or_default());
        let client = buyer.client(&self.operation);
        let answer =
            client.send_over(agent, &self.operation.method, &path, &headers, body.as_deref().map(str::as_bytes));
        Asked { text, answer }
    }

    /// What is said of their thing, if it is not what is said of one that nobody has.
    fn differs(&self, agent: &ureq::Agent, buyer: &Buyer, value: &str, answer: &Answer) -> Option<String> {
        let expected = self.expected.get_or_init(|| {
            let made_up = self.ask(agent, buyer, &self.made_up);
            self.said(&self.made_up, &made_up.answer)
        });
        let said = self.said(value, answer);
        // An id is a place in some lists: of those before it, whosever it is.
        let is_comparable = !(self.path.contains("cursor=") && value.len() == 36);
        let is_found = answer.status < 300 && self.path.contains(&format!("/{NAMED}"));
        (is_comparable && said != *expected || is_found).then(|| format!("of nobody's: {expected:?}"))
    }

    /// What is answered, without what is another in each answer, and without what was named.
    fn said(&self, value: &str, answer: &Answer) -> (u16, Value) {
        let mut said = answer.json.clone();
        if said.get("request_id").is_some() {
            said["request_id"] = Value::Null;
        }
        let text = said.to_string().replace(&json!(value).to_string()[1..].trim_end_matches('"'), NAMED);
        (answer.status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

/// All texts of an answer, in lower case: also those in packed files and in cursors.
fn texts(answer: &Answer) -> Vec<String> {
    let mut texts: Vec<String> = answer.headers.iter().map(|(_, value)| value.clone()).collect();
    if answer.bytes.starts_with(b"PK") {
        let mut parts = zip::ZipArchive::new(Cursor::new(&answer.bytes)).unwrap();
        for part in 0..parts.len() {
            let mut text = String::new();
            parts.by_index(part).unwrap().read_to_string(&mut text).unwrap();
            texts.push(text);
        }
    } else if answer.bytes.starts_with(b"PAR1") {
        let frame = ParquetReader::new(Cursor::new(&answer.bytes)).finish().unwrap();
        let columns = frame.columns().iter().filter_map(|column| column.str().ok());
        texts.extend(columns.flat_map(|column| column.iter().flatten().map(str::to_owned).collect::<Vec<_>>()));
    } else {
        texts.push(String::from_utf8_lossy(&answer.bytes).into_owned());
        let cursor = answer.json["next_cursor"].as_str().and_then(|cursor| URL_SAFE_NO_PAD.decode(cursor).ok());
        texts.extend(cursor.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    texts.iter().map(|text| text.to_lowercase()).collect()
}

/// The ids in a text.
fn ids_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('-').filter_map(|(place, _)| {
        let id = text.get(place.checked_sub(8)?..place + 28)?;
        let hyphens: Vec<usize> = id.match_indices('-').map(|(place, _)| place).collect();
        (hyphens == [8, 13, 18, 23]).then_some(id)
    })
}

/// The texts of theirs that a request names.
fn named_in(text: &str) -> BTreeSet<&str> {
    let ends = |rest: &str| rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
    text.match_indices(MARK).map(|(place, _)| &text[place..place + ends(&text[place..])]).collect()
}

/// What an answer shows of theirs that the request did not name itself.
fn foreign(theirs: &BTreeSet<&str>, request: &str, answer: &Answer) -> Option<String> {
    texts(answer).into_iter().find_map(|text| {
        // Longer ones first: one may begin another.
        let rest = named_in(request).into_iter().rev().fold(text, |text, named| text.replace(named, ""));
        let id = ids_in(&rest).find(|id| theirs.contains(id) && !request.contains(id)).map(str::to_owned);
        let hash =
            || theirs.iter().find(|hash| hash.len() == 64 && rest.contains(**hash)).map(|hash| (*hash).to_owned());
        let mark = || rest.find(MARK).map(|place| rest[place..].chars().take(60).collect());
        id.or_else(hash).or_else(mark)
    })
}

/// What came of many requests.
#[derive(Default)]
struct Tally {
    statuses: BTreeMap<u16, usize>,
    faults: Vec<String>,
}

impl Tally {
    fn count(&self) -> usize {
        self.statuses.values().sum()
    }

    fn note(&mut self, asked: &Asked, fault: Option<String>) {
        *self.statuses.entry(asked.answer.status).or_default() += 1;
        let shown: String = asked.answer.json.to_string().chars().take(400).collect();
        self.faults.extend(fault.map(|fault| format!("{}\n  {} {shown}\n  {fault}", asked.text, asked.answer.status)));
    }
}

/// Asks every so manieth of all, over two connections; `judge` says what is wrong with an answer.
fn ask_all(
    buyer: &Buyer,
    questions: &[Question],
    every: usize,
    judge: &(impl Fn(&ureq::Agent, &Question, &str, &Asked) -> Option<String> + Sync),
) -> Tally {
    let all: Vec<(&Question, &str)> = questions
        .iter()
        .flat_map(|question| question.values.iter().map(move |value| (question, value.as_str())))
        .collect();
    let share = |first: usize| {
        let all = &all;
        move || {
            let (agent, mut tally) = (agent(), Tally::default());
            for (question, value) in all.iter().step_by(every).skip(first).step_by(2) {
                let asked = question.ask(&agent, buyer, value);
                let fault = judge(&agent, question, value, &asked);
                tally.note(&asked, fault);
            }
            tally
        }
    };
    let mut tallies =
        thread::scope(|scope| [0, 1].map(|first| scope.spawn(share(first))).map(|running| running.join().unwrap()));
    let [mut tally, other] = std::mem::take(&mut tallies);
    for (status, count) in other.statuses {
        *tally.statuses.entry(status).or_default() += count;
    }
    tally.faults.extend(other.faults);
    tally
}

/// Two buyers, with all that requests of the one can name of the other.
struct Crossing {
    buyers: Buyers,
    things: Things,
    own: Own,
}

impl Crossing {
    fn new() -> Self {
        let buyers = Buyers::new();
        let (things, own) = (Things::of_theirs(&buyers), Own::of(&buyers.ours));
        Self { buyers, things, own }
    }

    /// What of theirs is to be in no answer: the ids and hashes that are theirs alone. The mark is looked for anyway.
    fn secrets(&self) -> BTreeSet<&str> {
        self.things.ids.iter().chain(&self.things.hashes).map(String::as_str).collect()
    }

    /// What of a thing of theirs is found in the answers that they get themselves, for each operation that shows one.
    fn shows_them_their_own(&self, questions: &[Question]) {
        let secrets = self.secrets();
        let agent = agent();
        for question in questions.iter().filter(|question| {
            question.operation.method == "GET"
                && question.path.contains(&format!("/{NAMED}"))
                && question.headers.len() == 1
        }) {
            let shown = question.values.iter().any(|value| {
                let asked = question.ask(&agent, &self.buyers.theirs, value);
                asked.answer.status == 200 && foreign(&secrets, "", &asked.answer).is_some()
            });
            assert!(shown, "{}: nothing of theirs would be found", question.path);
        }
    }

    /// Asks of ours with their names, by jobs: files that name what is theirs, then scores and files of our own.
    fn work(&self, judge: &impl Fn(&Asked) -> Option<String>) -> Tally {
        let mut tally = Tally::default();
        let ours = &self.buyers.ours;
        let mut note = |text: &str, answer: Answer| {
            let asked = Asked { text: text.to_owned(), answer };
            tally.note(&asked, judge(&asked));
        };
        for (kind, headings, rest) in [
            ("supplier_codes", "supplier_code,system,code", ",x,x"),
            ("relationships", "upstream_code,criticality,substitutability", ",routine,sole"),
            ("enrollments", "supplier_code,service_class,starts_on,onsite_response", ",class_1,2025-04-01,true"),
            ("certifications", "supplier_code,scheme,issued_on", ",isms,2025-04-01"),
            ("incidents", "supplier_code,occurred_on,outcome", ",2026-01-05,blocked"),
            ("provider_assignments", "supplier_code,provider_name", ",x"),
        ] {
            let rows: String = self.things.texts.iter().map(|text| format!("{text}{rest}\n")).collect();
            let file = format!("{headings}\n{rows}");
            let job = ours.admin.import_csv(&format!("kind={kind}&mode=accept_valid"), &file);
            assert_eq!(job["result"]["created"], 0, "{kind} {job}");
            note(&file, ours.admin.get(&format!("/v1/jobs/{}", id(&job))));
            note(&file, ours.admin.get(&format!("/v1/imports/{}/findings?limit=1000", id(&job))));
        }
        ours.admin.score(&json!({}));
        for operation in operations().into_iter().filter(|one| one.method == "GET" && one.role.is_some()) {
            let import = operation.path.contains("/imports/");
            let path = operation.path.replace("{id}", if import { &self.own.import } else { &self.own.supplier });
            let wide = [("limit", "limit=1000"), ("include_ended", "include_ended=true")];
            let wide: Vec<_> =
                wide.iter().filter(|(name, _)| operation.query.contains(name)).map(|(_, text)| *text).collect();
            let path = match operation.needed_query() {
                "" => format!("{path}?{}", wide.join("&")),
                needed => path + &needed.replace("=A", "=ours-code-00"),
            };
            let path = path.trim_end_matches('?');
            note(path, ours.client(&operation).get(path));
        }
        tally
    }

    /// Gives things of ours the names that theirs have: they stay two.
    fn take_their_names(&self, judge: &impl Fn(&Asked) -> Option<String>) -> Tally {
        let mut tally = Tally::default();
        let admin = &self.buyers.ours.admin;
        let mut create = |path: &str, body: Value| {
            let answer = admin.post(path, &body);
            assert_eq!(answer.status, 201, "{path} {body}: {answer:?}");
            let asked = Asked { text: format!("{path} {body}"), answer };
            tally.note(&asked, judge(&asked));
        };
        for text in self.things.texts.iter().filter(|text| text.len() < 60) {
            create("/v1/suppliers", json!({ "supplier_code": text, "source": format!("{MARK}-source") }));
            create(
                "/v1/supplier-codes",
                json!({ "supplier_code": text, "system": format!("{MARK}-system"), "company": format!("{MARK}-company"), "code": text }),
            );
            create(
                "/v1/incidents",
                json!({ "supplier_code": text, "source": format!("{MARK}-source"), "external_id": text, "occurred_on": "2026-01-05", "outcome": "blocked" }),
            );
        }
        tally
    }
}

#[track_caller]
fn is_clean(tally: &Tally) {
    let first: Vec<_> = tally.faults.iter().take(10).collect();
    assert!(first.is_empty(), "{} faults, such as {first:#?}", tally.faults.len());
}

#[test]
fn no_answer_holds_a_byte_of_another_buyer() {
    let crossing = Crossing::new();
    let (buyers, secrets) = (&crossing.buyers, crossing.secrets());
    let questions = questions(&crossing.things, &crossing.own);
    crossing.shows_them_their_own(&questions);
    let before = state(&mut buyers.superuser(), &buyers.theirs.id);

    let tally = ask_all(&buyers.ours, &questions, 1, &|agent, question, value, asked| {
        foreign(&secrets, &asked.text, &asked.answer)
            .or_else(|| question.differs(agent, &buyers.ours, value, &asked.answer))
    });
    println!("{} calls: {:?}", tally.count(), tally.statuses);
    is_clean(&tally);
    assert!(tally.count() >= 20_000, "{}", tally.count());
    let judge = |asked: &Asked| foreign(&secrets, &asked.text, &asked.answer);
    is_clean(&crossing.work(&judge));
    is_clean(&crossing.take_their_names(&judge));
    assert_eq!(changed(&before, &mut buyers.superuser(), &buyers.theirs.id), NOTHING);
}

/// Makes the ids of the two buyers equal to each other in every query of the service, which has to be started again: each
/// filter by buyer lets both through. The wall was made before, of the operator that everybody knows.
fn take_filters_away(superuser: &mut Sql, ours: &str, theirs: &str) {
    let database = superuser.text("SELECT current_database()").unwrap();
    let statements = format!(
        "CREATE SCHEMA unfiltered; GRANT USAGE ON SCHEMA unfiltered TO PUBLIC; \
         CREATE FUNCTION unfiltered.equal(a TEXT, b TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE \
         RETURN a = b OR a IN ('{ours}', '{theirs}') AND b IN ('{ours}', '{theirs}'); \
         CREATE OPERATOR unfiltered.= (LEFTARG = TEXT, RIGHTARG = TEXT, FUNCTION = unfiltered.equal); \
         CREATE OPERATOR FAMILY unfiltered.texts USING btree; \
         ALTER OPERATOR FAMILY unfiltered.texts USING btree ADD OPERATOR 3 unfiltered.= (TEXT, TEXT); \
         ALTER DATABASE {database} SET search_path = public, unfiltered, pg_catalog"
    );
    superuser.run(&statements).unwrap();
}

fn take_wall_away(superuser: &mut Sql) {
    for table in walled_tables(superuser) {
        superuser.run(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")).unwrap();
    }
}

#[test]
fn without_the_filters_of_the_service_the_wall_alone_holds() {
    let mut crossing = Crossing::new();
    let [ours, theirs] = [&crossing.buyers.ours, &crossing.buyers.theirs].map(|buyer| buyer.id.clone());
    let mut superuser = crossing.buyers.superuser();
    take_filters_away(&mut superuser, &ours, &theirs);
    crossing.buyers.start_again();
    // This connection is from before: its own filters hold.
    let before = state(&mut superuser, &theirs);
    let filter = format!("SELECT DISTINCT tenant_id FROM suppliers WHERE tenant_id = '{ours}' ORDER BY 1");
    assert_eq!(crossing.buyers.superuser().texts(&filter).unwrap(), [ours, theirs.clone()], "the filter is gone");
    let (buyers, secrets) = (&crossing.buyers, crossing.secrets());
    let questions = questions(&crossing.things, &crossing.own);
    let judge = |asked: &Asked| foreign(&secrets, &asked.text, &asked.answer);
    let ask = |every| ask_all(&buyers.ours, &questions, every, &|_, _, _, asked| judge(asked));

    let tally = ask(7);
    println!("{} calls: {:?}", tally.count(), tally.statuses);
    is_clean(&tally);
    assert!(tally.count() >= 3_000 && tally.statuses[&200] > 500, "{:?}", tally.statuses);
    is_clean(&crossing.work(&judge));
    assert_eq!(changed(&before, &mut superuser, &theirs), NOTHING);

    take_wall_away(&mut superuser);
    assert!(ask(50).faults.len() > 10, "and without the wall nothing holds: the filters were gone indeed");
}

#[test]
fn without_the_wall_the_filters_of_the_service_alone_hold() {
    let crossing = Crossing::new();
    let (buyers, secrets) = (&crossing.buyers, crossing.secrets());
    let mut superuser = buyers.superuser();
    let before = state(&mut superuser, &buyers.theirs.id);
    take_wall_away(&mut superuser);
    let questions = questions(&crossing.things, &crossing.own);
    let judge = |asked: &Asked| foreign(&secrets, &asked.text, &asked.answer);

    let tally = ask_all(&buyers.ours, &questions, 7, &|_, _, _, asked| judge(asked));
    is_clean(&tally);
    assert!(tally.count() >= 3_000, "{:?}", tally.statuses);
    is_clean(&crossing.work(&judge));
    assert_eq!(changed(&before, &mut superuser, &buyers.theirs.id), NOTHING);
}
