//! What all lists have in common: pages that lead on, and cursors that are valid for one list only.

use serde_json::{Value, json};

use crate::support::{App, Client, id, operations};

const SUBMISSIONS: &str = "/v1/submissions/imports";

/// Two rows of everything that a list shows.
const IMPORTS: [(&str, &str); 9] = [
    ("suppliers", "supplier_code\nA\nB\n"),
    ("supplier_codes", "system,code,supplier_code\nsap,1,A\nsap,2,A\n"),
    (
        "relationships",
        "external_id,upstream_code,criticality,substitutability\n1,A,routine,multiple\n2,B,routine,multiple\n",
    ),
    ("provider_assignments", "supplier_code,provider_name\nA,事業者01\nB,事業者01\n"),
    ("certifications", "external_id,supplier_code,scheme,issued_on\n1,A,isms,2026-01-05\n2,A,isms,2026-01-06\n"),
    ("enrollments", ENROLLMENTS),
    ("assessments", ASSESSMENTS),
    ("incidents", INCIDENTS),
    ("suppliers", "supplier_code,employee_count\nC,x\nD,x\n"),
];
const ENROLLMENTS: &str = "external_id,supplier_code,service_class,starts_on,onsite_response\n1,A,class_1,2026-01-05,true\n2,A,class_1,2026-01-06,true\n";
const ASSESSMENTS: &str = "external_id,supplier_code,control,status,assessed_on,assurance\n1,A,mfa,met,2026-01-05,self_reported\n2,A,edr,not_met,2026-01-06,self_reported\n";
const INCIDENTS: &str =
    "external_id,supplier_code,occurred_on,outcome\n1,A,2026-01-05,blocked\n2,A,2026-01-06,blocked\n";

/// Fills every list. Returns the ids of an import of the buyer and of one of the provider, both with findings.
fn fill(app: &App, admin: &Client, provider: &Client) -> [String; 2] {
    let mut last = Value::Null;
    for (kind, file) in IMPORTS {
        last = admin.import_csv(&format!("kind={kind}"), file);
    }
    let send = |kind: &str, file: &str| {
        provider.import_to(SUBMISSIONS, SUBMISSIONS, &format!("kind={kind}"), "text/csv", file.as_bytes())
    };
    send("enrollments", ENROLLMENTS);
    send("assessments", ASSESSMENTS);
    send("incidents", INCIDENTS);
    let refused = send("incidents", &INCIDENTS.replace("blocked", "x"));
    let services = app.data.path().join("services.csv");
    std::fs::write(&services, "provider_name,service_name,service_class\nP,1,class_1\nP,2,class_1\n").unwrap();
    app.sonae(&["service", "import", services.to_str().unwrap()]);
    for day in ["2026-01-05", "2026-01-06"] {
        admin.score(&json!({ "as_of": day }));
    }
    [id(&last).to_owned(), id(&refused).to_owned()]
}

#[test]
fn every_list_leads_on_and_takes_no_cursor_but_its_own() {
    let app = App::start();
    let (admin, provider) = (app.client("admin"), app.client("provider"));
    let [import, submitted] = fill(&app, &admin, &provider);
    let supplier = app.client("supplier");
    let known = admin.get("/v1/suppliers/by-code?code=A").json;

    // Cursors as lists had them once: a number, and an id.
    let mut foreign = vec!["1".to_owned(), id(&known).to_owned()];
    for list in operations().into_iter().filter(|operation| operation.query.contains(&"cursor")) {
        let (client, named) = match list.role {
            Some("provider") => (&provider, &submitted),
            Some("supplier") => (&supplier, &submitted),
            _ if list.path.contains("/imports/") => (&admin, &import),
            _ => (&admin, &known["id"].as_str().unwrap().to_owned()),
        };
        let path = list.path.replace("{id}", named);
        let first = client.get(&format!("{path}?limit=1"));
        let cursor = first.json["next_cursor"].as_str().unwrap_or_else(|| panic!("{path}: {first:?}")).to_owned();
        let next = format!("{path}?limit=1&cursor={cursor}");
        let links = format!("<{next}>; rel=\"next\", <{path}?limit=1>; rel=\"first\"");
        assert_eq!(first.header("link"), Some(links.as_str()), "{path}");

        let second = client.get(&next);
        let items = |page: &Value| page["items"].as_array().unwrap().clone();
        let (first, second) = (items(&first.json), items(&second.json));
        assert!(first.len() == 1 && second.len() == 1 && first != second, "{path}: {first:?} {second:?}");

        let (tag, place) = cursor.split_at(22);
        foreign.push(format!("{place}{tag}"));
        for cursor in &foreign {
            let refused = client.get(&format!("{path}?cursor={cursor}"));
            refused.is_problem(400, "invalid-parameters", &[("cursor", "bad-cursor")]);
        }
        foreign.push(cursor);
    }
    assert!(foreign.len() > 40, "{foreign:?}");
}

#[test]
fn a_list_of_one_page_says_so() {
    let app = App::start();
    let analyst = app.analyst();
    let path = format!("/v1/suppliers/{}/versions", id(&analyst.supplier("A")));
    let versions = analyst.get(&path);

    assert_eq!((&versions.json["next_cursor"], &versions.json["count"]), (&Value::Null, &json!(1)));
    assert_eq!(versions.header("link"), Some(format!("<{path}>; rel=\"first\"").as_str()));
    // A page with the last row does not lead to an empty one.
    let page = analyst.get("/v1/suppliers?limit=1");
    assert_eq!(page.json["next_cursor"], Value::Null);
    assert_eq!(page.header("link"), Some("</v1/suppliers?limit=1>; rel=\"first\""));
}
