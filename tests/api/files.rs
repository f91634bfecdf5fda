//! Files of every sort: workbooks, and files that are not what they claim to be.

use std::io::{Cursor, Write};

use calamine::Reader;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::json;

use crate::support::{App, Client};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// What an import of a file ends with: its state and the code of its failure.
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

    assert_eq!(csv(b""), failed("missing-column"));
    assert_eq!(csv(b"name\nA\n"), failed("missing-column"));
    assert_eq!(csv(b"supplier_code,supplier_code\nA,A\n"), failed("repeated-heading"));
    assert_eq!(csv(b"\x8e\xe6\x88\xf8\x90\xe6\nA\n"), failed("not-utf-8"));
    assert_eq!(csv(b"supplier_code,name\nA,\"x\nB,y\n"), failed("bad-quotes"));
    assert_eq!(csv(b"supplier_code,name\nA,\"x\" y\nB,y\n"), failed("bad-quotes"));
    assert_eq!(csv("a,".repeat(300).as_bytes()), failed("too-much"));
    assert_eq!(csv(&[b"supplier_code\n".as_slice(), &vec![b'x'; 6 << 20]].concat()), failed("too-much"));
    assert_eq!(failure(&analyst, "application/x-ndjson", &vec![b'['; 2 << 20]), failed("too-much"));
    assert_eq!(failure(&analyst, XLSX, b"PK\x03\x04 this is no archive"), failed("unreadable"));
    assert_eq!(failure(&analyst, XLSX, b"supplier_code\nA\n"), failed("unreadable"));
    let whole = workbook();
    assert_eq!(failure(&analyst, XLSX, &whole[..whole.len() / 2]), failed("unreadable"));
    let bad_cell = analyst.import_csv("kind=suppliers&mode=accept_valid", "supplier_code,name\nA,\u{0}\nB,b\n");
    assert_eq!(analyst.findings(&bad_cell), [(2, "name".to_owned(), "control-character".to_owned())]);
}

/// A workbook as people make them: two sheets, typed cells, a note above nothing, an empty row.
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
    let app = App::with_limits(crate::support::limits(&["--xlsx-unpacked-bytes", "1000000"]));
    let analyst = app.analyst();
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("xl/workbook.xml", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(&vec![0; 2_000_000]).unwrap();
    let bomb = archive.finish().unwrap().into_inner();
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for place in 0..300 {
        archive.start_file(format!("{place}"), zip::write::SimpleFileOptions::default()).unwrap();
    }
    let many = archive.finish().unwrap().into_inner();

    assert_eq!(failure(&analyst, XLSX, &bomb), failed("too-much"));
    assert_eq!(failure(&analyst, XLSX, &many), failed("too-much"));
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
        assert_eq!((names.len(), names[0].as_str(), names[7].as_str()), (8, sheet, words));
        assert_eq!(book.worksheet_range(sheet).unwrap().get((0, 0)).unwrap().to_string(), heading);
        assert!(book.worksheet_range(words).unwrap().height() > 50);
        let job = analyst.import("", XLSX, &answer.bytes);
        assert_eq!(
            (&job["state"], &job["result"]["created"], job["result"]["tables"].as_array().unwrap().len()),
            (&json!("succeeded"), &json!(0), 7),
            "{job}"
        );
    }
    analyst.get("/v1/imports/template.xlsx?lang=fr").is_problem(
        400,
        "invalid-parameters",
        &[("lang", "unknown-choice")],
    );
}
