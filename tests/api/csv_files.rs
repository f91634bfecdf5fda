//! CSV files for `sonae score` and for imports: both read them in the same way, with the same values, codes and lines.

use std::fs;

use serde_json::{Value, json};

use crate::support::{App, Client, command, id};

/// A fault: its line (`None` if the file as a whole is at fault), its code, and its column if it has one.
type Told = (Option<u64>, String, String);

/// A file of a table, with the lines (0 for none) and codes of its faults.
type Case<'a> = (&'a str, Vec<u8>, Vec<(u64, &'a str)>);

/// Makes a folder with a file and the suppliers A and B, unless the file has suppliers itself.
fn folder(table: &str, file: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("suppliers.csv"), "supplier_code\nA\nB\n").unwrap();
    fs::write(folder.path().join(format!("{table}.csv")), file).unwrap();
    folder
}

/// Returns the scores of a folder with this file, or its faults.
fn scored(app: &App, table: &str, file: &[u8]) -> Result<Vec<u8>, Vec<Told>> {
    let folder = folder(table, file);
    let (path, out) = (folder.path().to_str().unwrap(), folder.path().join("out.csv"));
    let arguments = ["score", path, "--as-of", "2026-09-30", "--out", out.to_str().unwrap()];
    let done = command(&app.data, &arguments).output().unwrap();
    let printed = String::from_utf8(done.stderr).unwrap();
    if done.status.success() {
        return Ok(fs::read(out).unwrap());
    }
    let told = |line: &str| {
        let rest = line.strip_prefix(&format!("{table}.csv:")).unwrap_or_else(|| panic!("{line}"));
        let mut parts = rest.split(": ");
        let line_number = parts.next().unwrap().parse().ok();
        let column = parts.next().filter(|part| part.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        let code = line.rsplit('[').next().unwrap().trim_end_matches(']');
        (line_number, code.to_owned(), column.unwrap_or_default().to_owned())
    };
    Err(printed.lines().skip(1).map(told).collect())
}

/// What ended an import.
#[derive(PartialEq)]
enum End {
    /// Nothing: rows alone are at fault.
    Rows,
    /// A fault of the file as a whole.
    File,
    /// The same, reported at once from the first bytes, without a line.
    Upload,
}

/// Returns what an import of a file finds wrong.
fn imported(client: &Client, kind: &str, file: &[u8]) -> (Vec<Told>, End) {
    let path = format!("/v1/imports?kind={kind}&mode=accept_valid&dry_run=true&format=csv");
    let answer = client.send("POST", &path, &[("content-type", "text/csv")], Some(file));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = |fault: &Value| (fault["row"].as_u64(), text(&fault["code"]), text(&fault["column"]));
    if answer.status == 422 {
        return (vec![told(&answer.json["errors"][0])], End::Upload);
    }
    let job = client.ended(id(&answer.json));
    if job["state"] == "failed" {
        return (vec![told(&job["result"]["failure"])], End::File);
    }
    let findings = client.get(&format!("{}?limit=1000", job["result"]["findings_url"].as_str().unwrap())).json;
    let faults = findings["items"].as_array().unwrap().iter().filter(|item| item["is_warning"] == json!(false));
    (faults.map(told).collect(), End::Rows)
}

#[test]
fn files_in_every_form_mean_the_same_at_both_doors() {
    let app = App::start();
    let analyst = app.analyst();
    let plain = "supplier_code,name,jsic_division,employee_count,capital_jpy,data_access\nA,甲,09,46,30000000,none\nB,乙,31,1000,5,confidential\n";
    let enrollments = "external_id,supplier_code,service_class,coverage_share,starts_on,ends_on,onsite_response\n1,A,class_1,0.5,2025-01-01,,true\n2,B,new_type,1,2025-01-01,2026-12-31,false\n";
    let relationships = "upstream_code,downstream_code,annual_spend_jpy,criticality,substitutability,stock_cover_days\nA,B,1000,stops_line,sole,4.5\nB,,2000,routine,multiple,\n";
    let assessments = "external_id,supplier_code,control,status,total_score,assessed_on,expires_on,assurance\n1,A,remote_access,not_met,,2026-01-01,,self_reported\n2,B,self_assessment,,72,2026-01-01,2026-12-31,verified_by_provider\n";
    let with = |from: &str, to: &str| plain.replace(from, to);
    let odd: Vec<(&str, &str, String)> = vec![
        ("suppliers", plain, plain.trim_end().to_owned()),
        ("suppliers", plain, with("\n", "\r\n")),
        ("suppliers", plain, with("\n", "\r")),
        ("suppliers", plain, format!("\n\n{}\n \n", with("\n", "\n\n")).replace("\n \n", "\n")),
        ("suppliers", plain, format!("\u{feff}{plain}")),
        ("suppliers", plain, format!("{plain}\u{1a}")),
        ("suppliers", plain, format!("\u{feff}{plain}\u{1a}\r\n\0\0")),
        ("suppliers", plain, format!("{plain}\0\0\0")),
        ("suppliers", plain, with("甲", "\"甲\"")),
        (
            "suppliers",
            plain,
            with(",", "\",\"").replace('\n', "\"\n\"").trim_end_matches('"').replacen("supplier", "\"supplier", 1),
        ),
        ("suppliers", plain, with("supplier_code,name", "取引先コード,取引先名")),
        ("suppliers", plain, with("supplier_code,name", " Supplier Code ,取引先名※")),
        ("suppliers", plain, with("employee_count", "従業員数（人）")),
        (
            "suppliers",
            plain,
            with("capital_jpy", "資本金（千円）").replace("30000000", "30000").replace(",5,", ",0.005,"),
        ),
        ("suppliers", plain, with(",46,", ",４６,")),
        ("suppliers", plain, with(",46,", ", 46 ,").replace("甲", " 甲　")),
        ("suppliers", plain, with(",46,", ",46.0,").replace("30000000", "3e7")),
        ("suppliers", plain, with(",46,", ",'+46,")),
        ("suppliers", plain, with(",09,", ",9,").replace(",31,", ",３１,")),
        ("suppliers", plain, with("\nA,", "\nＡ,").replace("\nB,", "\n B ,")),
        ("suppliers", plain, with(",none", ",なし").replace("confidential", " 機密情報 ")),
        (
            "suppliers",
            plain,
            with("\nA", ",メモ\nA")
                .replace("none", "none,\"二行\nの\"\"メモ\"\"\"")
                .replace("confidential", "confidential,"),
        ),
        ("enrollments", enrollments, enrollments.replace(",true", ",TRUE").replace(",false", ",False ")),
        ("enrollments", enrollments, enrollments.replace("2025-01-01", " 2025-01-01 ").replace("0.5", "0.50")),
        (
            "enrollments",
            enrollments,
            enrollments.replace("class_1", "1類").replace("new_type", "新類型").replace("0.5", "５e-1"),
        ),
        ("enrollments", enrollments, enrollments.replace(",A,", ",Ａ,").replace(",B,", ",\"B\",")),
        (
            "assessments",
            assessments,
            assessments
                .replace("control,status,total_score", "対策,実施状況,自社診断の合計点")
                .replace("assessed_on,expires_on,assurance", "確認日,有効期限,確認者")
                .replace("remote_access,not_met", "外部接続口の最新化,未実施")
                .replace("self_assessment", "自社診断"),
        ),
        (
            "assessments",
            assessments,
            assessments
                .replace("total_score,assessed_on", "合計点,評価日")
                .replace(",assurance", ",確認区分")
                .replace("remote_access,not_met", "\"外部接続口（VPN装置等）の最新化、RDP非公開\",未実施（一部を含む）")
                .replace("self_assessment", "自社診断の合計点")
                .replace("self_reported", "自己申告")
                .replace("verified_by_provider", "事業者が確認"),
        ),
        (
            "assessments",
            assessments,
            assessments
                .replace("total_score,assessed_on", "自社診断点数（点）,回答日")
                .replace("not_met", "未導入")
                .replace(",72,", ",７２,"),
        ),
        ("relationships", relationships, relationships.replace("A,B", "Ａ, B").replace("sole", "1社のみ")),
        (
            "relationships",
            relationships,
            relationships.replace("stops_line", "ライン停止").replace("multiple", "複数 "),
        ),
        (
            "relationships",
            relationships,
            relationships.replace("annual_spend_jpy", "年間取引額(万円)").replace("1000", "0.1").replace("2000", "0.2"),
        ),
        ("relationships", relationships, relationships.replace("1000", "1000.0").replace("4.5", "+4.5")),
    ];
    analyst.import_csv("kind=suppliers", plain);
    for (table, plain, odd) in odd {
        assert_ne!(plain, odd);
        let expected = scored(&app, table, plain.as_bytes()).unwrap();
        assert_eq!(scored(&app, table, odd.as_bytes()), Ok(expected), "{odd:?}");
        let query = format!("kind={table}");
        analyst.import_csv(&query, plain);
        let job = analyst.import_csv(&query, &odd);
        assert_eq!((&job["state"], &job["result"]["unchanged"]), (&json!("succeeded"), &json!(2)), "{odd:?}: {job}");
    }
}

#[test]
fn a_guard_is_taken_from_codes_at_both_doors() {
    let app = App::start();
    let analyst = app.analyst();
    let suppliers = "supplier_code\n'-9\nA\n";
    let certifications = "external_id,supplier_code,scheme,issued_on\n1,'-9,isms,2026-01-01\n2,-9,isms,2026-01-01\n";
    let folder = folder("suppliers", suppliers.as_bytes());
    fs::write(folder.path().join("certifications.csv"), certifications).unwrap();
    let path = folder.path().to_str().unwrap();
    let arguments = ["score", path, "--as-of", "2026-09-30", "--explain=-9"];
    let done = command(&app.data, &arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    analyst.import_csv("kind=suppliers", suppliers);
    let job = analyst.import_csv("kind=certifications", certifications);
    assert_eq!((&job["state"], &job["result"]["created"]), (&json!("succeeded"), &json!(2)), "{job}");
}

#[test]
fn faults_have_the_same_codes_and_lines_at_both_doors() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.import_csv("kind=suppliers", "supplier_code\nA\nB\n");
    let utf16 = |text: &str, mark: bool| {
        let mark = mark.then_some('\u{feff}').into_iter();
        let text: String = mark.chain(text.chars()).collect();
        text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
    };
    let head = "supplier_code,name,employee_count\n";
    let long = "x".repeat(30_000);
    // The file has more than two blocks, and a fault in the last one.
    let late = |quote: &str, fault: &str| {
        let rows: String = (0..400).map(|row| format!("S{row},{quote}{long}{quote},{row}\n")).collect();
        format!("supplier_code,メモ,employee_count\n{rows}{fault}").into_bytes()
    };
    let suppliers = vec![
        (b"".to_vec(), vec![(0, "empty-file")]),
        (b"\n\r\n\n".to_vec(), vec![(0, "empty-file")]),
        (utf16("取引先コード,取引先名\r\nA,備\r\n", true), vec![(0, "not-utf-8")]),
        (utf16("supplier_code,name\r\nA,x\r\n", false), vec![(0, "not-utf-8")]),
        (b"\x8e\xe6\x88\xf8\x90\xe6\x83R\x81[\x83h,name\nA,x\n".to_vec(), vec![(1, "not-utf-8")]),
        (b"supplier_code,name\nA,x\nB,\x94\xf5\x90\xbb\n".to_vec(), vec![(3, "not-utf-8")]),
        (b"supplier_code,name\n\nA,\"\xbc\xe8\xb0\xfa\"\nB,x\n".to_vec(), vec![(3, "not-utf-8")]),
        (b"supplier_code,kana\nA,\x94\xf5\n".to_vec(), vec![(2, "not-utf-8")]),
        (b"supplier_code,name\nA,\x1b$BHw\x1b(B\n".to_vec(), vec![(0, "not-utf-8")]),
        (b"supplier_code,name\nA,+UJmI/U9cYkA-\n".to_vec(), vec![(2, "not-utf-8")]),
        ("supplier_code,name\nA,備\u{fffd}\nB,繧ｫ繝翫き\n".into(), vec![(2, "garbled-text"), (3, "garbled-text")]),
        ("supplier_code,\u{fffd}\nA,x\n".into(), vec![(1, "garbled-text")]),
        (b"\nsupplier_code,na\x07me\nA,x\n".to_vec(), vec![(2, "control-character")]),
        (b"supplier_code;name\nA;x\n".to_vec(), vec![(1, "wrong-separator")]),
        (b"\nsupplier_code\tname\nA\tx\n".to_vec(), vec![(2, "wrong-separator")]),
        (b"supplier_code,name,name\nA,x,y\n".to_vec(), vec![(1, "repeated-heading")]),
        ("supplier_code,取引先コード\nA,B\n".into(), vec![(1, "repeated-heading")]),
        (b"\nname\nx\n".to_vec(), vec![(2, "missing-column")]),
        ("supplier_code,業種\nA,製造業\n".into(), vec![(1, "unread-column")]),
        ("supplier_code,".repeat(300).into(), vec![(1, "too-much")]),
        (format!("{head}A,x,1\nB{}\n", ",".repeat(300)).into(), vec![(3, "too-much")]),
        (format!("{head}A,x\nB,y,3,4\n\nC\n").into(), vec![(2, "field-count"), (3, "field-count"), (5, "field-count")]),
        (format!("{head}\"A\",\"x\ny\"\nB,\"y\",3,4\n").into(), vec![(2, "field-count"), (3, "field-count")]),
        (format!("{head}A,x,1\r\nB,\"y\r\n,3\r\n").into(), vec![(3, "bad-quotes")]),
        (format!("{head}A,x,1\nB,\"y\" z,3\nC,z,4\n").into(), vec![(3, "bad-quotes")]),
        (b"supplier_code,\"name\nA,x\n".to_vec(), vec![(1, "bad-quotes")]),
        (b"name,\"supplier_code\nx,A\n".to_vec(), vec![(1, "bad-quotes")]),
        (b"\nsupplier_code,\"name\" x\nA,x\n".to_vec(), vec![(2, "bad-quotes")]),
        (format!("{head}A,x,1\nB,{},\n", "x".repeat(1 << 20)).into(), vec![(3, "line-too-long")]),
        (format!("{head}A,x,1\n\nB,\"{}", "x\n".repeat(1 << 20)).into(), vec![(4, "line-too-long")]),
        ([&b"supplier_code\n"[..], &vec![b'x'; 6 << 20]].concat(), vec![(2, "line-too-long")]),
        ("x".repeat(2 << 20).into(), vec![(1, "line-too-long")]),
        (format!("{head}A,{},1\nB,乙,\n", "長".repeat(32_768)).into(), vec![(2, "too-much")]),
        (format!("{head}A,{},1\n", "長".repeat(201)).into(), vec![(2, "too-long")]),
        (format!("{head}A,a\0b,1\n\0,x,1\n").into(), vec![(2, "control-character"), (3, "control-character")]),
        (format!("{head}{},x,1\n", "S".repeat(65)).into(), vec![(2, "too-long")]),
        (format!("{head}\u{200b}A,x,1\n").into(), vec![(2, "control-character")]),
        (format!("{head},x,1\n \u{3000},x,1\nA, ,1\n").into(), vec![(2, "missing-value"), (3, "missing-value"), (4, "missing-value")]),
        (
            format!("{head}A,x,80名\nB,x,\"1,000\"\nC,x,１億\nD,x,1e400\nE,x,NaN\nF,x,0x10\nG,x, \n").into(),
            (2..=8).map(|line| (line, "not-a-number")).collect(),
        ),
        (
            format!("{head}A,x,12.5\nB,x,-1\nC,x,99999999999999999999\nD,x,１.５\n").into(),
            vec![(2, "not-whole"), (3, "out-of-range"), (4, "out-of-range"), (5, "not-whole")],
        ),
        (
            b"supplier_code,jsic_division\nA,100\nB,+9\nC,9.0\nD,0\nE,x\n".to_vec(),
            vec![(2, "not-digits"), (3, "not-digits"), (4, "not-digits"), (5, "out-of-range"), (6, "not-digits")],
        ),
        (
            "supplier_code,capital_jpy\nA,0.5\nB,1000000000000001\nC,5円\nD,¥5\n".into(),
            vec![(2, "not-whole"), (3, "out-of-range"), (4, "not-a-number"), (5, "not-a-number")],
        ),
        (
            "supplier_code,資本金（千円）\nA,0.0005\nB,三千\n".into(),
            vec![(2, "not-whole"), (3, "not-a-number")],
        ),
        (
            "supplier_code,data_access\nA,極秘\nB,None\nC,none,\n".into(),
            vec![(2, "unknown-choice"), (3, "unknown-choice"), (4, "field-count")],
        ),
        (
            "supplier_code,reports_incidents_since\nA,2026/4/1\nB,2026-4-1\nC,20260401\nD,2026-02-30\nE,R8.4.1\nF,２０２６-04-01\nG,0000-12-31\n".into(),
            (2..=8).map(|line| (line, "not-a-date")).collect(),
        ),
        (late("", "Z,x,many\n"), vec![(402, "not-a-number")]),
        (late("\"", "Z,x,many\nY,\"x"), vec![(402, "not-a-number"), (403, "bad-quotes")]),
        (late("", &format!("Z,{},1\n", "x".repeat(1 << 20))), vec![(402, "line-too-long")]),
        (late("", "Z,\"x\" y,1\n"), vec![(402, "bad-quotes")]),
        ([late("", ""), b"Z,\x1b$BHw\x1b(B,1\n".to_vec()].concat(), vec![(0, "not-utf-8")]),
    ];
    let evidence: Vec<Case<'_>> = vec![
        (
            "enrollments",
            "external_id,supplier_code,service_class,coverage_share,starts_on,onsite_response\n1,A,class_1,50%,2026-01-01,はい\n2,A,class_3,1.1,2026-01-01,1\n3,X,class_1,,2026-01-01,yes\n"
                .into(),
            vec![
                (2, "not-a-number"),
                (2, "not-a-flag"),
                (3, "unknown-choice"),
                (3, "out-of-range"),
                (3, "not-a-flag"),
                (4, "unknown-supplier"),
                (4, "not-a-flag"),
            ],
        ),
        (
            "relationships",
            format!(
                "upstream_code,criticality,substitutability,annual_spend_jpy,stock_cover_days\nA,routine,sole,-1,365251\n{},routine,sole,1.5,-3\nA\u{200b},,sole,x,y\n",
                "A".repeat(65)
            )
            .into(),
            vec![
                (2, "out-of-range"),
                (2, "out-of-range"),
                (3, "too-long"),
                (3, "not-whole"),
                (3, "out-of-range"),
                (4, "control-character"),
                (4, "missing-value"),
                (4, "not-a-number"),
                (4, "not-a-number"),
            ],
        ),
        (
            "assessments",
            "external_id,supplier_code,control,status,total_score,assessed_on,assurance\n1,A,mfa,実施（一部）,,2026-01-32,self_reported\n2,A,self_assessment,,101,2026-01-01,本人\n3,A,vpn,met,-26,2026-01-01,self_reported\n4,X,mfa,met,1.5,2026-01-01,self_reported\n"
                .into(),
            vec![
                (2, "unknown-choice"),
                (2, "not-a-date"),
                (3, "out-of-range"),
                (3, "unknown-choice"),
                (4, "unknown-choice"),
                (4, "out-of-range"),
                (5, "unknown-supplier"),
                (5, "not-whole"),
            ],
        ),
        (
            "assessments",
            "external_id,supplier_code,control,status,total_score,assessed_on,expires_on,assurance\n1,A,mfa,,,2026-01-05,,self_reported\n2,A,edr,met,50,2026-01-05,,self_reported\n3,A,self_assessment,met,50,2026-01-05,,self_reported\n4,A,self_assessment,,,2026-01-05,2026-01-04,self_reported\n"
                .into(),
            vec![
                (2, "missing-status"),
                (3, "total-of-control"),
                (4, "status-of-self-assessment"),
                (5, "missing-total"),
                (5, "expires-before-assessment"),
            ],
        ),
        (
            "assessments",
            "external_id,supplier_code,control,導入状況,assessed_on,assurance\n1,A,mfa,met,2026-01-05,self_reported\n".into(),
            vec![(1, "unread-column")],
        ),
        (
            "incidents",
            b"external_id,supplier_code,occurred_on,outcome,count\n1,A,2026-01-32,blocked,0\n2,A,2026-01-01,harmless,\n".to_vec(),
            vec![(2, "not-a-date"), (2, "out-of-range"), (3, "unknown-choice")],
        ),
    ];
    let suppliers = suppliers.into_iter().map(|(file, faults)| ("suppliers", file, faults));
    for (table, file, expected) in suppliers.chain(evidence) {
        let shown = String::from_utf8_lossy(&file).chars().take(200).collect::<String>();
        let sorted = |mut faults: Vec<Told>| {
            faults.sort();
            faults
        };
        let told = sorted(scored(&app, table, &file).unwrap_err());
        let found: Vec<_> = told.iter().map(|(line, code, _)| (line.unwrap_or_default(), code.as_str())).collect();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(found, expected, "score of {shown:?}");
        // An import ends with the first fault of a file as a whole, and reports no other.
        let wholes = ["bad-quotes", "line-too-long"];
        let whole = told.iter().find(|(_, code, _)| wholes.contains(&code.as_str())).or(told.first());
        let place = |told: &Told| (told.0, told.1.clone());
        let (faults, end) = imported(&analyst, table, &file);
        match end {
            End::Rows => assert_eq!(sorted(faults), told, "import of {shown:?}"),
            End::File => assert_eq!(faults.first().map(place), whole.map(place), "import of {shown:?}"),
            End::Upload => assert_eq!(faults.first().map(|told| &told.1), whole.map(|told| &told.1), "{shown:?}"),
        }
    }
}
