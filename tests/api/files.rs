//! Files of every kind: workbooks, and files that are not what they claim to be.

use std::io::{Cursor, Write};

use api::Limits;
use calamine::Reader;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::json;

use crate::support::{App, Client};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Returns how an import of a file ends: its state and the code of its failure.
fn failure(client: &Client, media_type: &str, file: &[u8]) -> (String, String) {
    let job = client.import("kind=suppliers", media_type, file);
    assert_eq!(client.count("/v1/suppliers"), 0, "{job}");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&job["state"]), text(&job["result"]["failure"]["code"]))
}

fn failed(code: &str) -> (String, String) {
    ("failed".to_owned(), code.to_owned())
}

#[test]
fn files_that_are_not_what_they_claim_to_be_are_refused() {
    let app = App::start();
    let analyst = app.analyst();
    let csv = |file: &[u8]| failure(&analyst, "text/csv", file);

    assert_eq!(csv(b"name\nA\n"), failed("missing-column"));
    assert_eq!(csv(b"supplier_code,supplier_code\nA,A\n"), failed("repeated-heading"));
    assert_eq!(csv(b"supplier_code,name\nA,\"x\nB,y\n"), failed("bad-quotes"));
    assert_eq!(csv(b"supplier_code,name\nA,\"x\" y\nB,y\n"), failed("bad-quotes"));
    assert_eq!(csv("a,".repeat(300).as_bytes()), failed("too-much"));
    assert_eq!(csv(&[b"supplier_code\n".as_slice(), &vec![b'x'; 6 << 20]].concat()), failed("line-too-long"));
    assert_eq!(csv(b"supplier_code;name\nA;b\n"), failed("wrong-separator"));
    assert_eq!(failure(&analyst, "application/x-ndjson", &vec![b'{'; 2 << 20]), failed("line-too-long"));
    let whole = workbook();
    assert_eq!(failure(&analyst, XLSX, &whole[..whole.len() / 2]), failed("unreadable"));
    let bad_cell = analyst.import_csv("kind=suppliers&mode=accept_valid", "supplier_code,name\nA,\u{0}\nB,b\n");
    assert_eq!(analyst.findings(&bad_cell), [(2, "name".to_owned(), "control-character".to_owned())]);
}

/// Returns a workbook as people make them: two sheets, typed cells, a note above nothing, an empty row.
fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name("取引先").unwrap();
    for (column, heading) in
        ["取引先コード", "取引先名", "従業員数", "産業中分類", "報告の合意日", "メモ"].into_iter().enumerate()
    {
        sheet.write(0, column as u16, heading).unwrap();
    }
    let date = Format::new().set_num_format("yyyy/m/d");
    sheet.write(1, 0, "A").unwrap();
    sheet.write(1, 1, "備製作所").unwrap();
    sheet.write(1, 2, 46).unwrap();
    sheet.write(1, 3, 9).unwrap();
    sheet.write_with_format(1, 4, ExcelDateTime::from_ymd(2024, 4, 1).unwrap(), &date).unwrap();
    sheet.write(3, 0, 123).unwrap();
    sheet.write(3, 2, 4.5).unwrap();
    let sheet = book.add_worksheet();
    sheet.set_name("incidents").unwrap();
    for (column, heading) in ["external_id", "supplier_code", "occurred_on", "outcome"].into_iter().enumerate() {
        sheet.write(0, column as u16, heading).unwrap();
    }
    for (column, cell) in ["I1", "A", "2026-01-05", "遮断"].into_iter().enumerate() {
        sheet.write(1, column as u16, cell).unwrap();
    }
    book.add_worksheet().set_name("ほかの表").unwrap();
    book.save_to_buffer().unwrap()
}

#[test]
fn a_workbook_is_read_sheet_by_sheet_with_the_rows_as_the_user_sees_them() {
    let app = App::start();
    let analyst = app.analyst();

    let job = analyst.import("mode=accept_valid", XLSX, &workbook());

    let tables: Vec<_> = job["result"]["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| (&table["name"], &table["created"], &table["rejected"]))
        .collect();
    assert_eq!(
        tables,
        [(&json!("取引先"), &json!(1), &json!(1)), (&json!("incidents"), &json!(1), &json!(0))],
        "{job}"
    );
    assert_eq!(
        analyst.findings(&job),
        [
            (0, "メモ".to_owned(), "unknown-heading".to_owned()),
            (4, "従業員数".to_owned().replace("従業員数", "employee_count"), "not-whole".to_owned()),
        ]
    );
    let supplier = analyst.get("/v1/suppliers/by-code?code=A").json;
    assert_eq!(
        (&supplier["jsic_division"], &supplier["reports_incidents_since"]),
        (&json!("09"), &json!("2024-04-01"))
    );
    assert_eq!(analyst.get("/v1/incidents").json["items"][0]["outcome"], "blocked");
}

#[test]
fn a_workbook_with_cells_at_its_corners_costs_nothing() {
    let app = App::start();
    let analyst = app.analyst();
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "supplier_code").unwrap();
    sheet.write(1_048_575, 16_383, "corner").unwrap();
    sheet.write(1_048_575, 0, "A").unwrap();
    let job = analyst.import("kind=suppliers", XLSX, &book.save_to_buffer().unwrap());

    assert_eq!((&job["state"], &job["result"]["created"]), (&json!("succeeded"), &json!(1)), "{job}");
}

#[test]
fn a_workbook_that_unpacks_to_too_much_is_refused() {
    let app = App::with_limits(Limits { xlsx_unpacked_bytes: 1_000_000, ..Limits::default() });
    let analyst = app.analyst();
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("xl/workbook.xml", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(&vec![0; 2_000_000]).unwrap();
    let bomb = archive.finish().unwrap().into_inner();
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for place in 0..6_000 {
        archive.start_file(format!("xl/{place}"), zip::write::SimpleFileOptions::default()).unwrap();
    }
    let many = archive.finish().unwrap().into_inner();

    assert_eq!(failure(&analyst, XLSX, &bomb), failed("too-much"));
    assert_eq!(failure(&analyst, XLSX, &many), failed("too-much"));
}

#[test]
fn two_tables_of_one_kind_are_refused() {
    let app = App::start();
    let analyst = app.analyst();
    let mut book = Workbook::new();
    for name in ["suppliers", "取引先"] {
        let sheet = book.add_worksheet();
        sheet.set_name(name).unwrap();
        sheet.write(0, 0, "supplier_code").unwrap();
        sheet.write(1, 0, name).unwrap();
    }
    let file = book.save_to_buffer().unwrap();
    assert_eq!(failure(&analyst, XLSX, &file), failed("repeated-table"));
}

/// Returns a workbook whose parts are given as they are.
fn crafted(texts: &str, cells: &str) -> Vec<u8> {
    let types = "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'/>";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let relation = |id: &str, kind: &str, target: &str| {
        format!("<Relationship Id='{id}' Type='{office}/{kind}' Target='{target}'/>")
    };
    let list = |inner: String| {
        format!(
            "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>{inner}</Relationships>"
        )
    };
    let main = "xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'";
    let parts = [
        ("[Content_Types].xml", types.to_owned()),
        ("_rels/.rels", list(relation("r1", "officeDocument", "xl/workbook.xml"))),
        (
            "xl/workbook.xml",
            format!(
                "<workbook {main} xmlns:r='{office}'><sheets><sheet name='suppliers' sheetId='1' r:id='r1'/></sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            list(
                relation("r1", "worksheet", "worksheets/sheet1.xml")
                    + &relation("r2", "sharedStrings", "sharedStrings.xml"),
            ),
        ),
        ("xl/sharedStrings.xml", format!("<sst {main}>{texts}</sst>")),
        ("xl/worksheets/sheet1.xml", format!("<worksheet {main}><sheetData>{cells}</sheetData></worksheet>")),
    ];
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn crafted_workbooks_are_refused_and_hold_up_nobody() {
    let app = App::start();
    let analyst = app.analyst();
    let sound = crafted("", "<row r='1'><c r='A1' t='inlineStr'><is><t>supplier_code</t></is></c></row>");
    assert_eq!(failure(&analyst, XLSX, &sound), ("succeeded".to_owned(), String::new()));
    let texts = "<si><t>a</t></si>".repeat(300_000);
    assert_eq!(failure(&analyst, XLSX, &crafted(&texts, "")), failed("too-much"));
    let cells = "<row><c/></row>".repeat(200_000);
    assert_eq!(failure(&analyst, XLSX, &crafted("", &cells)), failed("too-much"));
    for place in ["ZZZZZZZ2", "A4294967296", "A0", "1"] {
        let cells = format!("<row r='1'><c r='{place}'><v>1</v></c></row>");
        let (state, code) = failure(&analyst, XLSX, &crafted("", &cells));
        assert!(state == "failed" && code != "internal", "{place}: {code}");
    }
}

#[test]
fn the_template_opens_and_can_be_sent_back_empty_or_filled() {
    let app = App::start();
    let mut analyst = app.analyst();
    for (lang, sheet, heading, words) in
        [("ja", "取引先", "取引先コード", "列の説明"), ("en", "suppliers", "supplier_code", "columns")]
    {
        analyst.lang = lang;
        let answer = analyst.get("/v1/imports/template.xlsx");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(XLSX)), "{:?}", answer.headers);
        let mut book: calamine::Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(answer.bytes.clone())).unwrap();
        let names = book.sheet_names();
        assert_eq!((names.len(), names[0].as_str(), names[8].as_str()), (9, sheet, words));
        assert_eq!(book.worksheet_range(sheet).unwrap().get((0, 0)).unwrap().to_string(), heading);
        assert!(book.worksheet_range(words).unwrap().height() > 50);
        let job = analyst.import("", XLSX, &answer.bytes);
        assert_eq!(
            (&job["state"], &job["result"]["created"], job["result"]["tables"].as_array().unwrap().len()),
            (&json!("succeeded"), &json!(0), 8),
            "{job}"
        );
    }
    analyst.get("/v1/imports/template.xlsx?lang=fr").is_problem(
        400,
        "invalid-parameters",
        &[("lang", "unknown-choice")],
    );
}
