//! Workbooks as people and programs make them, and as nobody should: nothing in them silently becomes something else.

use std::io::{Cursor, Write};

use api::Limits;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::support::{App, Client, command};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A workbook whose parts are written by hand.
struct Parts {
    /// Each sheet: its name, further attributes, and its content.
    sheets: Vec<(&'static str, &'static str, String)>,
    /// The content of the list of shared texts, and the list's part.
    texts: String,
    texts_part: &'static str,
    /// The content of the styles, and what precedes the sheets in the book.
    styles: String,
    book: &'static str,
    namespace: &'static str,
    /// An additional part, or a replacement of one of these.
    other: Option<(&'static str, Vec<u8>)>,
    method: zip::CompressionMethod,
}

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const STRICT: &str = "http://purl.oclc.org/ooxml/spreadsheetml/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// Returns a workbook with one sheet of suppliers, with these rows below `supplier_code` and `name`.
fn suppliers(rows: &str) -> Parts {
    sheet(&["supplier_code", "name"], rows)
}

/// Returns a workbook with one sheet, with rows below these headings.
fn sheet(headings: &[&str], rows: &str) -> Parts {
    Parts {
        sheets: vec![("suppliers", "", table(headings, rows))],
        texts: String::new(),
        texts_part: "sharedStrings.xml",
        styles: String::new(),
        book: "",
        namespace: MAIN,
        other: None,
        method: zip::CompressionMethod::Deflated,
    }
}

fn table(headings: &[&str], rows: &str) -> String {
    let cells: String = headings.iter().map(|heading| text(heading)).collect();
    format!("<sheetData><row>{cells}</row>{rows}</sheetData>")
}

fn text(text: &str) -> String {
    format!("<c t='inlineStr'><is><t>{text}</t></is></c>")
}

impl Parts {
    fn packed(&self) -> Vec<u8> {
        let main = format!("xmlns='{}' xmlns:x='{}' xmlns:r='{RELATIONS}'", self.namespace, self.namespace);
        let relation = |id: &str, kind: &str, target: &str| {
            format!("<Relationship Id='{id}' Type='{RELATIONS}/{kind}' Target='{target}'/>")
        };
        let mut relations = relation("t", "sharedStrings", self.texts_part) + &relation("s", "styles", "styles.xml");
        let mut book = format!("<workbook {main}>{}<sheets>", self.book);
        let mut parts = Vec::new();
        for (place, (name, more, inner)) in self.sheets.iter().enumerate() {
            relations += &relation(&format!("r{place}"), "worksheet", &format!("worksheets/sheet{place}.xml"));
            book += &format!("<sheet name='{name}' sheetId='{}' {more} r:id='r{place}'/>", place + 1);
            let name = format!("xl/worksheets/sheet{place}.xml");
            parts.push((name, format!("<worksheet {main}>{inner}</worksheet>").into_bytes()));
        }
        let list = |inner: &str| format!("<Relationships xmlns='http://x'>{inner}</Relationships>").into_bytes();
        parts.push(("_rels/.rels".into(), list(&relation("b", "officeDocument", "xl/workbook.xml"))));
        parts.push(("xl/_rels/workbook.xml.rels".into(), list(&relations)));
        parts.push(("xl/workbook.xml".into(), format!("{book}</sheets></workbook>").into_bytes()));
        parts.push((format!("xl/{}", self.texts_part), format!("<sst {main}>{}</sst>", self.texts).into_bytes()));
        parts.push(("xl/styles.xml".into(), format!("<styleSheet {main}>{}</styleSheet>", self.styles).into_bytes()));
        if let Some((name, bytes)) = &self.other {
            parts.retain(|(known, _)| known != name);
            parts.push(((*name).to_owned(), bytes.clone()));
        }
        packed(self.method, parts)
    }
}

fn packed(method: zip::CompressionMethod, parts: Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        archive.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(&bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Returns a workbook with one sheet that a writer fills.
fn written(name: &str, fill: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name(name).unwrap();
    fill(sheet);
    book.save_to_buffer().unwrap()
}

fn headings(sheet: &mut Worksheet, headings: &[&str]) {
    for (column, heading) in headings.iter().enumerate() {
        sheet.write(0, column as u16, *heading).unwrap();
    }
}

/// Returns why an import is refused: the code, the sheet, the row, and the sentence.
fn refusal(client: &Client, file: &[u8]) -> (String, String, Value, String) {
    let job = client.import("kind=suppliers", XLSX, file);
    assert_eq!((&job["state"], client.count("/v1/suppliers")), (&json!("failed"), 0), "{job}");
    let failure = &job["result"]["failure"];
    let text = |name: &str| failure[name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("sheet"), failure["row"].clone(), text("detail"))
}

fn found(row: u64, column: &str, code: &str) -> (u64, String, String) {
    (row, column.to_owned(), code.to_owned())
}

fn supplier(client: &Client, code: &str) -> Value {
    client.get(&format!("/v1/suppliers/by-code?code={code}")).json
}

#[test]
fn codes_that_a_spreadsheet_has_changed_are_refused_by_name() {
    let app = App::start();
    let mut analyst = app.analyst();
    analyst.lang = "ja";
    let file = written("取引先", |sheet| {
        headings(sheet, &["取引先コード", "取引先名", "法人番号"]);
        let date = Format::new().set_num_format("m\"月\"d\"日\"");
        let padded = Format::new().set_num_format("000000");
        sheet.write(1, 0, 123_456_789_012_345_678_f64).unwrap();
        sheet.write_with_format(2, 0, ExcelDateTime::from_ymd(2026, 1, 2).unwrap(), &date).unwrap();
        sheet.write(3, 0, true).unwrap();
        sheet.write(4, 0, 12.1).unwrap();
        sheet.write_with_format(5, 0, 12.1, &padded).unwrap();
        sheet.write(6, 0, "A").unwrap();
        sheet.write_with_format(6, 2, ExcelDateTime::parse_from_str("2026-01-02T09:00").unwrap(), &date).unwrap();
        sheet.write(7, 0, "B").unwrap();
        sheet.write(7, 1, 12_345_678_901_234_567_890_f64).unwrap();
        sheet.write(8, 0, 123_456_789_012_345_f64).unwrap();
        sheet.write(9, 0, "0012").unwrap();
        sheet.write_with_format(10, 0, 0.5, &Format::new().set_num_format("h:mm")).unwrap();
        sheet.write_with_format(9, 1, ExcelDateTime::from_ymd(2026, 1, 2).unwrap(), &date).unwrap();
    });

    let job = analyst.import("mode=accept_valid", XLSX, &file);

    let code = |row| found(row, "supplier_code", "not-text");
    assert_eq!(
        analyst.findings(&job),
        [
            code(2),
            code(3),
            code(4),
            code(5),
            code(6),
            found(7, "corporate_number", "not-text"),
            found(8, "name", "not-text"),
            code(11)
        ]
    );
    assert_eq!(supplier(&analyst, "123456789012345")["supplier_code"], "123456789012345");
    assert_eq!(supplier(&analyst, "0012")["name"], "2026-01-02");
    let first = &analyst.get(job["result"]["findings_url"].as_str().unwrap()).json["items"][0]["detail"];
    assert!(first.as_str().unwrap().contains("列の書式を「文字列」に"), "{first}");
}

#[test]
fn numbers_whose_format_has_places_are_read_as_they_are_shown() {
    let app = App::start();
    let analyst = app.analyst();
    let cells = [
        (123.0, "000000", "000123"),
        (350_002.0, "0000000", "0350002"),
        (12.0, "\"A-\"000", "A-012"),
        (12_345.0, "00\\-000", "12-345"),
        (7.0, "0000;-0000", "0007"),
        (1234.0, "#,##0", "1234"),
        (123.0, "0.00", "123"),
        (1e14, "0.00E+00", "100000000000000"),
        (46.0, "General", "46"),
    ];
    let file = written("suppliers", |sheet| {
        headings(sheet, &["supplier_code", "jsic_division", "employee_count"]);
        for (row, (number, format, _)) in cells.iter().enumerate() {
            let (row, format) = (row as u32 + 1, Format::new().set_num_format(*format));
            sheet.write_with_format(row, 0, *number, &format).unwrap();
            sheet.write_with_format(row, 1, 9, &Format::new().set_num_format("00")).unwrap();
            sheet.write_with_format(row, 2, 46, &Format::new().set_num_format("0000\"名\"")).unwrap();
        }
    });

    let job = analyst.import("", XLSX, &file);

    assert_eq!(job["result"]["created"], cells.len(), "{job}");
    for (_, format, code) in cells {
        let supplier = supplier(&analyst, code);
        assert_eq!((&supplier["jsic_division"], &supplier["employee_count"]), (&json!("09"), &json!(46)), "{format}");
    }
}

#[test]
fn formulas_without_a_value_are_refused_and_empty_texts_are_not() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.import_csv("kind=suppliers", "supplier_code,employee_count\nA,46\nC,1\nD,1\nE,1\nF,1\nG,1\nH,1\n");
    let cells = [
        ("A", "<c><f>40+6</f><v></v></c>"),
        ("B", "<c><f>40+6</f><v>46</v></c>"),
        ("C", "<c><f>40+6</f></c>"),
        ("D", "<c><f t='shared' ref='B5:B6' si='0'>1+1</f><v/></c>"),
        ("E", "<c><f t='shared' si='0'/><v/></c>"),
        ("F", "<c><f t='array' ref='B7:B8'>1+1</f><v/></c>"),
        // The formula above fills the cell below it.
        ("G", ""),
        ("H", "<c t='str'><f>\"\"</f><v></v></c>"),
        ("I", "<c t='e'><f>1/0</f><v>#DIV/0!</v></c>"),
    ];
    let rows: String = cells.iter().map(|(code, cell)| format!("<row>{}{cell}</row>", text(code))).collect();

    let job = analyst.import("mode=accept_valid", XLSX, &sheet(&["supplier_code", "employee_count"], &rows).packed());

    let count = |row| found(row, "employee_count", "uncalculated-formula");
    assert_eq!(
        analyst.findings(&job),
        [count(2), count(4), count(5), count(6), count(7), count(8), found(10, "employee_count", "error-cell")]
    );
    for (code, employees) in [("A", json!(46)), ("B", json!(46)), ("C", json!(1)), ("G", json!(1)), ("H", Value::Null)]
    {
        assert_eq!(supplier(&analyst, code)["employee_count"], employees, "{code}");
    }
}

#[test]
fn merged_cells_are_refused_by_their_range_where_they_are_read() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.import_csv("kind=suppliers", "supplier_code\nA\nB\nC\nD\n");
    let plain = Format::new();
    let file = written("relationships", |sheet| {
        headings(sheet, &["upstream_code", "downstream_code", "criticality", "substitutability", "memo", "memo"]);
        for (row, code) in ["A", "B", "C"].into_iter().enumerate() {
            let row = row as u32 + 1;
            sheet.write(row, 0, code).unwrap();
            sheet.write(row, 2, "routine").unwrap();
            sheet.write(row, 3, "sole").unwrap();
        }
        sheet.merge_range(1, 1, 3, 1, "D", &plain).unwrap();
        sheet.merge_range(0, 4, 0, 5, "memo", &plain).unwrap();
        sheet.merge_range(1, 4, 3, 5, "not read", &plain).unwrap();
        sheet.merge_range(4, 0, 6, 5, "", &plain).unwrap();
    });

    let job = analyst.import("mode=accept_valid", XLSX, &file);

    let merged = |row| found(row, "downstream_code", "merged-cells");
    assert_eq!(
        analyst.findings(&job),
        [found(0, "memo", "unknown-heading"), merged(3), merged(4)],
        "a range is no fault where nothing of it is read, or nothing stands in it"
    );
    let url = job["result"]["findings_url"].as_str().unwrap();
    let details: Vec<_> = analyst.get(url).json["items"].as_array().unwrap()[1..].to_vec();
    assert!(details.iter().all(|finding| finding["detail"].as_str().unwrap().contains("B2:B4")), "{details:?}");
    assert_eq!(analyst.get("/v1/relationships").json["items"][0]["downstream_code"], "D");
    assert_eq!(analyst.count("/v1/relationships"), 1);
}

#[test]
fn merged_ranges_that_overlap_are_refused() {
    let app = App::start();
    let ranges = "<mergeCell ref='A1:B9'/>".repeat(300);
    let mut parts = suppliers(&format!("<row>{}</row>", text("A")));
    parts.sheets[0].2 += &format!("<mergeCells>{ranges}</mergeCells>");
    let (code, sheet, ..) = refusal(&app.analyst(), &parts.packed());
    assert_eq!((code.as_str(), sheet.as_str()), ("unreadable", "suppliers"));
}

#[test]
fn hidden_sheets_are_not_read_and_are_named() {
    let app = App::start();
    let analyst = app.analyst();
    let rows = |code: &str| table(&["supplier_code"], &format!("<row>{}</row>", text(code)));
    let mut parts = suppliers("");
    parts.sheets = vec![
        ("取引先", "state='hidden'", rows("HIDDEN")),
        ("説明", "", rows("NOTES")),
        ("suppliers", "state='visible'", rows("SHOWN")),
    ];

    let job = analyst.import("", XLSX, &parts.packed());
    assert_eq!(analyst.findings(&job), [found(0, "", "hidden-sheet")], "{job}");
    assert_eq!(job["result"]["tables"][0]["name"], "suppliers");
    assert!(supplier(&analyst, "SHOWN")["id"].is_string() && supplier(&analyst, "HIDDEN")["id"].is_null());

    parts.sheets[2].1 = "state='veryHidden'";
    let job = analyst.import("kind=suppliers", XLSX, &parts.packed());
    assert_eq!(job["result"]["tables"][0]["name"], "説明", "{job}");
    let job = analyst.import("", XLSX, &parts.packed());
    assert_eq!(job["result"]["failure"]["code"], "hidden-sheet", "{job}");
    assert!(job["result"]["failure"]["detail"].as_str().unwrap().contains("取引先"), "{job}");
}

#[test]
fn dates_are_read_in_each_of_their_forms_and_times_of_day_are_not_cut_off() {
    let app = App::start();
    let analyst = app.analyst();
    let formats =
        ["ge.m.d", "ggge\"年\"m\"月\"d\"日\"", "[$-ja-JP-x-gannen]ggge\"年\"m\"月\"d\"日\";@", "yyyy/m/d h:mm"];
    let codes: String = formats
        .iter()
        .enumerate()
        .map(|(place, code)| {
            format!("<numFmt numFmtId='{}' formatCode='{}'/>", 200 + place, code.replace('"', "&quot;"))
        })
        .collect();
    let styles: String =
        [0, 200, 201, 202, 203, 14, 31, 58].iter().map(|id| format!("<xf numFmtId='{id}'/>")).collect();
    let styles = format!("<numFmts>{codes}</numFmts><cellXfs>{styles}</cellXfs>");
    let dates = |number: &str| (1..8).map(|style| format!("<c s='{style}'><v>{number}</v></c>")).collect::<Vec<_>>();
    let rows = |cells: &[String]| -> String {
        cells.iter().enumerate().map(|(row, cell)| format!("<row>{}{cell}</row>", text(&format!("S{row}")))).collect()
    };
    let checked = |mut parts: Parts, namespace, book| {
        (parts.styles, parts.namespace, parts.book) = (styles.clone(), namespace, book);
        let job = analyst.import("kind=suppliers", XLSX, &parts.packed());
        assert_eq!(job["state"], "succeeded", "{job}");
        let items = analyst.get("/v1/suppliers").json["items"].as_array().unwrap().clone();
        assert!(items.iter().all(|item| item["reports_incidents_since"] == "2026-04-01"), "{items:?}");
    };
    let parts = |cells: &[String]| sheet(&["supplier_code", "reports_incidents_since"], &rows(cells));

    checked(parts(&dates("46113")), MAIN, "");
    checked(parts(&dates("46113.395833333336")), MAIN, "");
    checked(parts(&dates("44651")), MAIN, "<workbookPr date1904='1'/>");
    let written: Vec<_> = ["2026-04-01", "2026-04-01T00:00:00.000", "2026-04-01T09:30:00Z"]
        .map(|date| format!("<c t='d'><v>{date}</v></c>"))
        .to_vec();
    checked(parts(&written), STRICT, "");

    let bad: Vec<_> =
        ["0.5", "60", "-1", "1e300", "NaN", "2958466"].map(|number| format!("<c s='5'><v>{number}</v></c>")).to_vec();
    let mut parts = parts(&bad);
    parts.styles = styles.clone();
    let job = analyst.import("kind=suppliers&mode=accept_valid", XLSX, &parts.packed());
    assert_eq!(job["result"]["rejected"], bad.len(), "{job}");
    assert!(analyst.findings(&job).iter().all(|(_, _, code)| code == "not-a-date"), "{job}");
}

#[test]
fn a_time_of_day_without_an_offset_is_shown_and_refused() {
    let app = App::start();
    let analyst = app.analyst();
    analyst.import_csv("kind=suppliers", "supplier_code\nA-100\n");
    let file = written("事案", |sheet| {
        headings(sheet, &["外部ID", "取引先コード", "発生日", "結果", "検知日時"]);
        let (date, time) = (Format::new().set_num_format("yyyy-mm-dd"), Format::new().set_num_format("yyyy/m/d h:mm"));
        sheet.write(1, 0, "XI1").unwrap();
        sheet.write(1, 1, "A-100").unwrap();
        sheet.write_with_format(1, 2, ExcelDateTime::from_ymd(2026, 4, 1).unwrap(), &date).unwrap();
        sheet.write(1, 3, "封じ込め").unwrap();
        sheet.write_with_format(1, 4, ExcelDateTime::parse_from_str("2026-04-01T09:30").unwrap(), &time).unwrap();
    });

    let job = analyst.import("", XLSX, &file);

    let finding = &analyst.get(job["result"]["findings_url"].as_str().unwrap()).json["items"][0];
    assert_eq!(
        (&finding["column"], &finding["code"], &finding["value"]),
        (&json!("detected_at"), &json!("not-a-time"), &json!("2026-04-01T09:30:00"))
    );
}

#[test]
fn texts_are_read_as_excel_shows_them() {
    let app = App::start();
    let analyst = app.analyst();
    let mut parts = suppliers("<row><c t='s'><v>0</v></c><c t='s'><v>1</v></c></row>");
    parts.texts = "<x:si><x:r><x:t>A&amp;</x:t></x:r><x:r><x:t xml:space='preserve'>B </x:t></x:r>\
                   <x:r><x:t>&#x43;_x0044__x005F_x0041_</x:t></x:r><x:rPh><x:t>フリ</x:t></x:rPh></x:si >\
                   <si><t><![CDATA[<甲>]]></t><phoneticPr/></si>"
        .to_owned();
    parts.texts_part = "texts/all.xml";

    let job = analyst.import("", XLSX, &parts.packed());

    assert_eq!(job["state"], "succeeded", "{job}");
    let supplier = &analyst.get("/v1/suppliers").json["items"][0];
    assert_eq!((&supplier["supplier_code"], &supplier["name"]), (&json!("A&B CD_x0041_"), &json!("<甲>")));
}

#[test]
fn texts_longer_than_a_cell_are_refused_where_they_are_read_first() {
    let app = App::start();
    let analyst = app.analyst();
    let long = "x".repeat(32_768);
    let mut shared = suppliers(&"<row><c t='s'><v>0</v></c></row>".repeat(1000));
    shared.texts = format!("<si><t>{long}</t></si>");
    let runs = format!("<r><t>{}</t></r>", "x".repeat(1000)).repeat(33);
    let entities = "&#x3042;".repeat(32_768);
    let inline = |inner: &str| suppliers(&format!("<row>{}<c t='inlineStr'><is>{inner}</is></c></row>", text("A")));
    let formula = suppliers(&format!("<row>{}<c t='str'><f>A1</f><v>{long}</v></c></row>", text("A")));
    for (parts, row) in [
        (shared, Value::Null),
        (inline(&runs), json!(2)),
        (inline(&format!("<t>{entities}</t>")), json!(2)),
        (formula, json!(2)),
    ] {
        let (code, sheet, at, detail) = refusal(&analyst, &parts.packed());
        assert_eq!((code.as_str(), &at, sheet == "suppliers"), ("too-much", &row, row.is_number()));
        assert!(detail.contains("32767 characters"), "{detail}");
    }
    let fits = inline(&format!("<t>{}</t>", "あ".repeat(32_767)));
    let job = analyst.import("kind=suppliers", XLSX, &fits.packed());
    assert_eq!(analyst.findings(&job), [found(2, "name", "too-long")]);
}

#[test]
fn no_token_of_a_workbook_is_taken_whole_if_it_is_huge() {
    let app = App::start();
    let analyst = app.analyst();
    let huge = "x".repeat(2 << 20);
    let row = |inner: &str| suppliers(&format!("<row>{inner}</row>"));
    let cells = [
        row(&format!("<c t='inlineStr'><is><t>{huge}</t></is></c>")),
        row(&format!("<c t='{huge}'/>")),
        row(&format!("<!--{huge}--><c/>")),
        row(&format!("<c t='str'><v><![CDATA[{huge}]]></v></c>")),
        row(&format!("<c><f>{huge}</f></c>")),
        row(&format!("<?x {huge}?><c/>")),
        row(&format!("<{huge}/>")),
        row(&"<a>".repeat(1000)),
        row(&format!("<c t='str'><v>&{huge};</v></c>")),
    ];
    for (place, mut parts) in cells.into_iter().enumerate() {
        parts.method = zip::CompressionMethod::Stored;
        let (code, sheet, ..) = refusal(&analyst, &parts.packed());
        assert_eq!((code.as_str(), sheet.as_str()), ("unreadable", "suppliers"), "{place}");
    }
    let relations = format!("<Relationships><Relationship Id='{huge}'/></Relationships>");
    for (name, part) in [
        ("xl/styles.xml", format!("<styleSheet><numFmts><numFmt formatCode='{huge}'/></numFmts></styleSheet>")),
        (
            "xl/workbook.xml",
            format!("<workbook><definedNames><definedName>{huge}</definedName></definedNames></workbook>"),
        ),
        ("xl/_rels/workbook.xml.rels", relations),
        ("xl/sharedStrings.xml", format!("<!DOCTYPE x [<!ENTITY a '{huge}'>]><sst/>")),
    ] {
        let mut parts = suppliers("");
        (parts.other, parts.method) = (Some((name, part.into_bytes())), zip::CompressionMethod::Stored);
        assert_eq!(refusal(&analyst, &parts.packed()).0, "unreadable", "{name}");
    }
}

#[test]
fn cells_at_places_that_are_not_there_are_refused_by_sheet_and_row() {
    let app = App::start();
    let analyst = app.analyst();
    for place in ["ZZZZZZZZ99999999999", "A4294967296", "A0", "1", "XFE2", "A3", "A1048577", "", "Ａ2"] {
        let (code, sheet, row, detail) =
            refusal(&analyst, &suppliers(&format!("<row r='2'><c r='{place}'><v>1</v></c></row>")).packed());
        assert_eq!((code.as_str(), sheet.as_str(), row), ("unreadable", "suppliers", json!(2)), "{place}: {detail}");
        assert!(detail.contains(place), "{detail}");
    }
    for rows in [
        "<row r='99999999999'/>",
        "<row r='0'/>",
        "<row r='1048577'/>",
        "<row r='-1'/>",
        "<row r='5'/><row r='5'/>",
        "<row r='5'><c r='B5'/><c r='A5'/></row>",
        "<row r='5'><c r='A5'/><c r='A5'/></row>",
        "<row r='2'><c t='s'><v>7</v></c></row>",
        "<row r='2'><c t='s'><v>-1</v></c></row>",
    ] {
        let (code, sheet, ..) = refusal(&analyst, &suppliers(rows).packed());
        assert_eq!((code.as_str(), sheet.as_str()), ("unreadable", "suppliers"), "{rows}");
    }
}

#[test]
fn numbers_that_are_none_are_told_as_they_stand() {
    let app = App::start();
    let analyst = app.analyst();
    let cells = ["NaN", "inf", "1e999", "-infinity", "0x10", "1,5"];
    let rows: String =
        cells.iter().map(|number| format!("<row>{}<c><v>{number}</v></c></row>", text(number))).collect();
    let job = analyst.import("", XLSX, &sheet(&["supplier_code", "employee_count"], &rows).packed());
    let findings = analyst.get(job["result"]["findings_url"].as_str().unwrap()).json["items"].clone();
    let values: Vec<_> =
        findings.as_array().unwrap().iter().map(|finding| finding["value"].as_str().unwrap()).collect();
    assert_eq!(values, cells);
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["code"] == "not-a-number"), "{findings}");
}

#[test]
fn names_and_errors_that_are_no_names_and_errors_are_stored_short_and_clean() {
    let app = App::start();
    let analyst = app.analyst();
    let error = format!("<c t='e'><v>#{}</v></c>", "x".repeat(30_000));
    let mut parts = suppliers(&format!("<row>{}{error}</row>", text("A")));
    parts.sheets[0].0 = "a\0b";

    let job = analyst.import("kind=suppliers", XLSX, &parts.packed());

    let finding = &analyst.get(job["result"]["findings_url"].as_str().unwrap()).json["items"][0];
    assert_eq!((&finding["code"], &finding["sheet"]), (&json!("error-cell"), &json!("a\u{fffd}b")));
    assert!(finding["detail"].as_str().unwrap().len() < 200, "{finding}");
}

#[test]
fn limits_of_a_workbook_are_said_as_sentences() {
    let app = App::with_limits(Limits { xlsx_unpacked_bytes: 6_000_000, ..Limits::default() });
    let mut analyst = app.analyst();
    analyst.lang = "ja";
    let numbers: String = (0..200_000).map(|number| format!("<row><c><v>{number}</v></c></row>")).collect();
    let mut same_text = suppliers(&"<row><c t='s'><v>0</v></c></row>".repeat(200));
    same_text.texts = format!("<si><t>{}</t></si>", "x".repeat(32_767));
    let mut many_sheets = suppliers("");
    many_sheets.sheets = vec![("x", "", String::new()); 1001];
    let many_parts = (0..5001).map(|place| (format!("xl/{place}"), Vec::new())).collect();
    for (file, sentence) in [
        (suppliers(&"<row><c/></row>".repeat(200_000)).packed(), "100倍を超える"),
        (suppliers(&numbers).packed(), "展開すると6000000バイトを超え"),
        (same_text.packed(), "合わせて長すぎます"),
        (many_sheets.packed(), "シートが1000枚を超え"),
        (packed(zip::CompressionMethod::Stored, many_parts), "ファイルが5000個を超え"),
    ] {
        let (code, .., detail) = refusal(&analyst, &file);
        assert_eq!((code.as_str(), detail.contains(sentence)), ("too-much", true), "{detail}");
    }
}

#[test]
fn shared_texts_are_counted_however_they_are_spelled() {
    let app = App::start();
    let mut parts = suppliers("");
    (parts.texts, parts.method) = ("<x:si />".repeat(2_000_001), zip::CompressionMethod::Stored);
    parts.texts_part = "all-texts.xml";
    let (code, .., detail) = refusal(&app.analyst(), &parts.packed());
    assert_eq!((code.as_str(), detail.contains("2000000 different texts")), ("too-much", true), "{detail}");
}

#[test]
fn a_directory_that_states_more_parts_than_it_can_have_is_refused() {
    let app = App::start();
    let analyst = app.analyst();
    let sound = suppliers("").packed();
    let end = sound.len() - 22;
    for (place, bytes) in [(10, [0xff, 0xff]), (8, [0xff, 0xff]), (10, [0x00, 0x40])] {
        let mut file = sound.clone();
        file[end + place..end + place + 2].copy_from_slice(&bytes);
        assert_eq!(refusal(&analyst, &file).0, "too-much", "{place} {bytes:?}");
    }
    let long_names = (0..80).map(|place| (format!("xl/{place}{}", "x".repeat(60_000)), Vec::new())).collect();
    assert_eq!(refusal(&analyst, &packed(zip::CompressionMethod::Stored, long_names)).0, "unreadable");
}

#[test]
fn the_command_says_what_a_file_is_that_is_no_workbook_and_what_to_do() {
    let app = App::start();
    let wide = |name: &str| name.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let old = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 70_000]].concat();
    let zip = |name: &str, content: &str, more: &str| {
        let parts = vec![(name.to_owned(), content.as_bytes().to_vec()), (more.to_owned(), b"<x/>".to_vec())];
        packed(zip::CompressionMethod::Stored, parts)
    };
    for (file, sentence, code) in [
        (Vec::new(), "ファイルが空です", "empty-file"),
        ([old.clone(), wide("EncryptedPackage")].concat(), "パスワードを外し", "password-protected"),
        ([old, wide("Workbook")].concat(), "（.xls）", "not-a-workbook"),
        ("取引先コード\nA\n".as_bytes().to_vec(), "CSV なら", "not-a-workbook"),
        (
            zip("mimetype", "application/vnd.oasis.opendocument.spreadsheet", "content.xml"),
            "（.ods）",
            "not-a-workbook",
        ),
        (zip("a", "", "xl/workbook.bin"), "（.xlsb）", "not-a-workbook"),
        (zip("suppliers.xlsx", "", "b"), "取り出して", "not-a-workbook"),
        (zip("a", "", "xl/workbook.xml"), "中に Excel ブックがありません", "not-a-workbook"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("suppliers.xlsx"), file).unwrap();
        let done = command(&app.data, &["import", folder.path().to_str().unwrap(), "--lang", "ja"]).output().unwrap();
        let printed = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{printed}");
        assert!(
            printed.contains(sentence) && printed.contains(code) && printed.contains("suppliers.xlsx"),
            "{printed}"
        );
    }
}
