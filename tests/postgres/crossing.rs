//! Every operation, requested by one buyer with everything that another one has: not a byte of it is in any answer.

mod foreign;
mod questions;
mod things;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use serde_json::{Value, json};
use tests::sql::Sql;

use self::foreign::foreign;
use self::questions::{Asked, NAMED, Question, questions};
use self::things::{Own, Things};
use crate::buyers::{Buyer, Buyers, MARK, NOTHING, changed, state, walled_tables};
use crate::support::{Answer, agent, id, operations};

/// The outcome of many requests.
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

/// Sends every `every`-th of all questions over two connections. `judge` returns what is wrong with an answer.
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

/// Two buyers, with everything of the other one that requests of the one can name.
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

    /// Returns what must be in no answer: the ids and hashes that only they have. The mark is searched for anyway.
    fn secrets(&self) -> BTreeSet<&str> {
        self.things.ids.iter().chain(&self.things.hashes).map(String::as_str).collect()
    }

    /// Asserts that, for each operation that shows a record, their own answers have something of theirs.
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

    /// Requests our own data under their names, by jobs: files that name what is theirs, then scores and files of our
    /// own.
    fn work(&self, judge: &impl Fn(&Asked) -> Option<String>) -> Tally {
        let mut tally = Tally::default();
        let ours = &self.buyers.ours;
        let mut note = |text: &str, answer: Answer| {
            let asked = Asked { text: text.to_owned(), answer };
            tally.note(&asked, judge(&asked));
        };
        let mut sent = String::new();
        for (kind, headings, rest) in [
            ("supplier_codes", "supplier_code,system,code", ",x,x"),
            ("relationships", "upstream_code,criticality,substitutability", ",routine,sole"),
            ("enrollments", "supplier_code,service_class,starts_on,onsite_response", ",class_1,2025-04-01,true"),
            ("certifications", "supplier_code,scheme,issued_on", ",isms,2025-04-01"),
            ("assessments", "supplier_code,control,status,assessed_on,assurance", ",mfa,met,2026-01-05,self_reported"),
            ("incidents", "supplier_code,occurred_on,outcome", ",2026-01-05,blocked"),
            ("provider_assignments", "supplier_code,provider_name", ",x"),
        ] {
            let rows: String = self.things.texts.iter().map(|text| format!("{text}{rest}\n")).collect();
            let file = format!("{headings}\n{rows}");
            let job = ours.admin.import_csv(&format!("kind={kind}&mode=accept_valid"), &file);
            assert_eq!(job["result"]["created"], 0, "{kind} {job}");
            note(&file, ours.admin.get(&format!("/v1/jobs/{}", id(&job))));
            note(&file, ours.admin.get(&format!("/v1/imports/{}/findings?limit=1000", id(&job))));
            sent += &file;
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
            // Jobs report what was wrong with the files above, which we have written ourselves.
            let text = if path.starts_with("/v1/jobs") { format!("{path}\n{sent}") } else { path.to_owned() };
            note(&text, ours.client(&operation).get(path));
        }
        tally
    }

    /// Gives our records the names of theirs: they stay separate.
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
    is_clean(&tally);
    assert!(tally.count() >= 20_000, "{}", tally.count());
    let judge = |asked: &Asked| foreign(&secrets, &asked.text, &asked.answer);
    is_clean(&crossing.work(&judge));
    is_clean(&crossing.take_their_names(&judge));
    assert_eq!(changed(&before, &mut buyers.superuser(), &buyers.theirs.id), NOTHING);
}

/// Makes the ids of the two buyers equal in every query of the service, which has to be started again: each filter by
/// buyer then matches both. Row-level security was set up before that, with the operator that everybody knows.
fn take_filters_away(superuser: &mut Sql, ours: &str, theirs: &str) {
    let database = superuser.text("SELECT current_database()").unwrap();
    let statements = format!(
        "CREATE SCHEMA unfiltered; GRANT USAGE ON SCHEMA unfiltered TO PUBLIC; \
         CREATE FUNCTION unfiltered.equal(a UUID, b UUID) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE \
         RETURN a = b OR a IN ('{ours}', '{theirs}') AND b IN ('{ours}', '{theirs}'); \
         CREATE OPERATOR unfiltered.= (LEFTARG = UUID, RIGHTARG = UUID, FUNCTION = unfiltered.equal); \
         CREATE OPERATOR FAMILY unfiltered.keys USING btree; \
         ALTER OPERATOR FAMILY unfiltered.keys USING btree ADD OPERATOR 3 unfiltered.= (UUID, UUID); \
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
    // This connection is older, so its own filters still work.
    let before = state(&mut superuser, &theirs);
    let filter = format!("SELECT DISTINCT tenant_id FROM suppliers WHERE tenant_id = '{ours}' ORDER BY 1");
    assert_eq!(crossing.buyers.superuser().texts(&filter).unwrap(), [ours, theirs.clone()], "the filter is gone");
    let (buyers, secrets) = (&crossing.buyers, crossing.secrets());
    let questions = questions(&crossing.things, &crossing.own);
    let judge = |asked: &Asked| foreign(&secrets, &asked.text, &asked.answer);
    let ask = |every| ask_all(&buyers.ours, &questions, every, &|_, _, _, asked| judge(asked));

    let tally = ask(7);
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
