//! Uploads: every way in which clients send files, and files that are refused because of their first bytes.

use std::io::Write;

use api::Limits;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};

use crate::support::{Answer, App, Client, id};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const CSV: &[u8] = "取引先コード,取引先名\nA,備製作所\n".as_bytes();

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("suppliers").unwrap();
    for (column, (heading, value)) in [("supplier_code", "A"), ("name", "備製作所")].into_iter().enumerate() {
        sheet.write(0, column as u16, heading).unwrap();
        sheet.write(1, column as u16, value).unwrap();
    }
    book.save_to_buffer().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Returns a ZIP archive of these files, not compressed.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in files {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Returns the first bytes of a compound file with streams of these names.
fn compound(names: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    bytes.resize(20_000, 0);
    for name in names {
        bytes.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        bytes.resize(bytes.len() + 64, 0);
    }
    bytes
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=XyZ");

/// Returns a form of parts: a name, a file name if it is a file, and its content.
fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"\r\ncontent-type: text/csv")).unwrap_or_default();
        write!(body, "--XyZ\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n").unwrap();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XyZ--\r\n");
    body
}

fn send(client: &Client, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    client.send("POST", &format!("/v1/imports{query}"), headers, Some(body))
}

/// Waits for the import that was begun. Returns its format and the name of the supplier A.
fn taken(client: &Client, answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 202, "{answer:?}");
    let job = client.ended(id(&answer.json));
    assert_eq!(job["state"], "succeeded", "{job}");
    let name = client.get("/v1/suppliers/by-code?code=A").json["name"].as_str().unwrap_or_default().to_owned();
    (job["request"]["format"].as_str().unwrap().to_owned(), name)
}

/// Returns the status, the code and the detail of a refusal.
fn refusal(answer: &Answer) -> (u16, String, String) {
    let fault = &answer.json["errors"][0];
    let text = |name: &str| fault[name].as_str().unwrap_or_default().to_owned();
    (answer.status, text("code"), text("detail"))
}

fn job_count(client: &Client) -> usize {
    client.get("/v1/jobs").json["items"].as_array().unwrap().len()
}

#[test]
fn a_csv_is_taken_under_every_type_that_clients_give_to_it() {
    let app = App::start();
    let integrator = app.client("integrator");
    let types = [
        "application/octet-stream",
        "text/csv",
        "text/csv; charset=utf-8",
        "TEXT/CSV",
        "text/plain",
        "application/csv",
        "application/x-csv",
        "text/x-csv",
        "text/comma-separated-values",
        "application/vnd.ms-excel",
        "application/x-www-form-urlencoded",
        "application/json",
        "application/x-ndjson",
        "application/zip",
        XLSX,
    ];
    for kind in types {
        let answer = send(&integrator, "?kind=suppliers", &[("content-type", kind)], CSV);
        assert_eq!(taken(&integrator, &answer), ("csv".to_owned(), "備製作所".to_owned()), "{kind}");
    }
    let answer = send(&integrator, "?kind=suppliers", &[], CSV);
    assert_eq!(taken(&integrator, &answer).0, "csv", "without a type");
}

#[test]
fn a_workbook_and_lines_of_json_are_known_by_their_content() {
    let app = App::start();
    let integrator = app.client("integrator");
    let lines = "\u{feff}\n {\"supplier_code\":\"A\",\"name\":\"備製作所\"}\n".as_bytes();
    for kind in
        ["application/octet-stream", "text/csv", "application/zip", "application/x-zip-compressed", "application/json"]
    {
        let header = [("content-type", kind)];
        let answer = send(&integrator, "", &header, &workbook());
        assert_eq!(taken(&integrator, &answer), ("xlsx".to_owned(), "備製作所".to_owned()), "{kind}");
        let answer = send(&integrator, "?kind=suppliers", &header, lines);
        assert_eq!(taken(&integrator, &answer).0, "ndjson", "{kind}");
    }
}

#[test]
fn a_format_that_is_asked_for_stands_over_the_content_unless_the_bytes_contradict_it() {
    let app = App::start();
    let integrator = app.client("integrator");
    let answer = send(&integrator, "?kind=suppliers&format=csv", &[], b"{\"supplier_code\":1}\n");
    assert_eq!(integrator.ended(id(&answer.json))["request"]["format"], "csv");

    for (format, bytes) in [("csv", workbook()), ("ndjson", workbook()), ("xlsx", CSV.to_vec())] {
        let answer = send(&integrator, &format!("?kind=suppliers&format={format}"), &[], &bytes);
        assert_eq!(refusal(&answer).1, "format-differs", "{format}: {answer:?}");
    }
    send(&integrator, "?kind=suppliers&format=ods", &[], CSV).is_problem(
        400,
        "invalid-parameters",
        &[("format", "unknown-choice")],
    );
}

#[test]
fn a_form_with_a_file_is_taken_with_its_parameters_in_the_form_or_in_the_address() {
    let app = App::start();
    let integrator = app.client("integrator");
    let forms: [(&str, Vec<u8>); 7] = [
        ("?kind=suppliers", form(&[("file", Some("a.csv"), CSV)])),
        ("", form(&[("kind", None, b"suppliers"), ("source", None, b"erp"), ("file", Some("a.csv"), CSV)])),
        ("", form(&[("file", Some("a.csv"), CSV), ("kind", None, b"suppliers")])),
        ("", form(&[("upload", Some("suppliers.csv"), CSV)])),
        ("", form(&[("file", Some("取引先.csv"), CSV)])),
        ("?kind=suppliers", form(&[("file", None, CSV)])),
        ("?kind=suppliers", form(&[("file", Some("a.csv.gz"), &gzip(CSV))])),
    ];
    for (query, body) in &forms {
        let answer = send(&integrator, query, &[FORM], body);
        assert_eq!(taken(&integrator, &answer), ("csv".to_owned(), "備製作所".to_owned()), "{query}");
    }
    let answer = send(&integrator, "", &[FORM], &form(&[("file", Some("book.bin"), &workbook())]));
    assert_eq!(taken(&integrator, &answer).0, "xlsx");
}

#[test]
fn a_large_file_in_a_form_arrives_whole() {
    let app = App::start();
    let integrator = app.client("integrator");
    // Rows with line ends and dashes like those of boundaries.
    let rows: String = (0..60_000).map(|row| format!("S{row},\"--XyZ {row}\"\r\n")).collect();
    let csv = format!("supplier_code,name\r\n{rows}");
    let answer = send(&integrator, "?kind=suppliers", &[FORM], &form(&[("file", Some("a.csv"), csv.as_bytes())]));
    let job = integrator.ended(id(&answer.json));
    assert_eq!((&job["result"]["created"], &job["request"]["bytes"]), (&json!(60_000), &json!(csv.len())), "{job}");
}

#[test]
fn a_form_that_is_no_form_with_one_file_says_what_is_wrong() {
    let app = App::start();
    let integrator = app.client("integrator");
    let csv = ("file", Some("a.csv"), CSV);
    let post = |query: &str, body: &[u8]| send(&integrator, query, &[FORM], body);

    post("", &form(&[("kind", None, b"suppliers")])).is_problem(422, "invalid-body", &[("#/file", "missing-file")]);
    let twice = post("?kind=suppliers", &form(&[csv, ("other", Some("b.csv"), CSV)]));
    twice.is_problem(422, "invalid-body", &[("#/other", "several-files")]);
    let detail = refusal(&twice).2;
    assert!(detail.contains("file") && detail.contains("other"), "{detail}");
    post("", &form(&[csv])).is_problem(400, "invalid-parameters", &[("kind", "missing-value")]);
    post("?kind=suppliers", &form(&[("kind", None, b"incidents"), csv])).is_problem(
        400,
        "invalid-parameters",
        &[("kind", "repeated-field")],
    );
    post("?kind=suppliers", &form(&[csv, ("colour", None, b"red")])).is_problem(
        400,
        "invalid-parameters",
        &[("colour", "unknown-field")],
    );
    post("?kind=suppliers", &form(&[("file", Some("a.csv"), b"")])).is_problem(
        422,
        "invalid-body",
        &[("#", "empty-file")],
    );
    let whole = form(&[csv]);
    post("?kind=suppliers", &whole[..whole.len() - 12]).is_problem(400, "malformed-body", &[]);
    let no_boundary = [("content-type", "multipart/form-data")];
    send(&integrator, "?kind=suppliers", &no_boundary, &whole).is_problem(400, "malformed-body", &[]);
    let mixed = [("content-type", "multipart/mixed; boundary=XyZ")];
    send(&integrator, "?kind=suppliers", &mixed, &whole).is_problem(415, "unsupported-media-type", &[]);
    assert_eq!(job_count(&integrator), 0, "and nothing is kept");
}

#[test]
fn gzip_is_unpacked_by_its_coding_or_by_its_content() {
    let app = App::start();
    let integrator = app.client("integrator");
    let coded = [("content-type", "text/csv"), ("content-encoding", "gzip")];
    let two_members = [gzip(&CSV[..10]), gzip(&CSV[10..])].concat();
    for (headers, body) in [
        (&coded[..], gzip(CSV)),
        (&[("content-type", "application/gzip")][..], gzip(CSV)),
        (&[("content-type", "text/csv")][..], gzip(CSV)),
        (&coded[..], two_members),
    ] {
        let answer = send(&integrator, "?kind=suppliers", headers, &body);
        assert_eq!(taken(&integrator, &answer), ("csv".to_owned(), "備製作所".to_owned()));
    }
    let answer = send(&integrator, "", &coded, &gzip(&workbook()));
    assert_eq!(taken(&integrator, &answer).0, "xlsx");
}

#[test]
fn gzip_that_is_damaged_or_packed_twice_or_too_large_is_refused_at_once() {
    let app = App::with_limits(Limits { text_upload_bytes: 2_000_000, ..Limits::default() });
    let integrator = app.client("integrator");
    let post = |body: &[u8]| send(&integrator, "?kind=suppliers", &[("content-encoding", "gzip")], body);
    let (packed, mut damaged) = (gzip(CSV), gzip(CSV));
    *damaged.last_mut().unwrap() ^= 1;

    for body in [&packed[..packed.len() - 9], &damaged, &gzip(&packed), CSV] {
        assert_eq!(refusal(&post(body)).1, "bad-gzip");
    }
    let rows: String = (0..200_000).map(|row| format!("S{row},{row}\n")).collect();
    let large = gzip(format!("supplier_code,name\n{rows}").as_bytes());
    assert!(large.len() < 1_000_000, "{}", large.len());
    post(&large).is_problem(413, "body-too-large", &[]);
    let answer = send(&integrator, "?kind=suppliers", &[("content-encoding", "br")], CSV);
    answer.is_problem(415, "unsupported-media-type", &[]);
    assert_eq!(answer.header("accept-encoding"), Some("gzip, identity"));
    assert_eq!(job_count(&integrator), 0, "and nothing is kept");
}

#[test]
fn a_gzip_bomb_is_stopped_before_it_has_unpacked() {
    let app = App::start();
    let integrator = app.client("integrator");
    let bomb = gzip(&[CSV, &vec![b' '; 4 << 20]].concat());
    assert_eq!(refusal(&send(&integrator, "?kind=suppliers", &[], &bomb)).1, "too-much");
    assert_eq!(job_count(&integrator), 0);
}

#[test]
fn a_file_without_anything_in_it_is_refused_at_once() {
    let app = App::start();
    let integrator = app.client("integrator");
    let files: [&[u8]; 7] = [
        b"",
        b"\xef\xbb\xbf",
        b"\n\n\r\n  \n",
        b"\xff\xfe\r\0\n\0",
        &[b'\n'; 20_000],
        b"\x1a",
        "\u{3000}\n".as_bytes(),
    ];
    for file in files {
        for query in ["?kind=suppliers", "?kind=suppliers&format=csv", "?kind=suppliers&format=xlsx"] {
            let answer = send(&integrator, query, &[("content-type", "text/csv")], file);
            answer.is_problem(422, "invalid-body", &[("#", "empty-file")]);
        }
    }
    let mut clerk = integrator.clone();
    clerk.lang = "ja";
    assert!(refusal(&send(&clerk, "?kind=suppliers", &[], b"")).2.starts_with("ファイルが空です"));
    assert_eq!(job_count(&integrator), 0);
}

#[test]
fn what_is_no_table_is_refused_at_once_with_what_to_do() {
    let app = App::start();
    let integrator = app.client("integrator");
    let utf16 =
        |text: &str| [&b"\xff\xfe"[..], &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat();
    let word = b"<Types><Override ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let binary = b"<Types><Default Extension=\"bin\" ContentType=\"application/vnd.ms-excel.sheet.binary.macroEnabled.main\"/></Types>";
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("with a password", compound(&["EncryptionInfo", "EncryptedPackage"]), "password-protected", "password"),
        ("old", compound(&["Workbook"]), "not-a-workbook", ".xls)"),
        ("compound", compound(&[]), "not-a-workbook", "password"),
        ("doc", compound(&["WordDocument"]), "not-a-table", "document"),
        ("ods", zip(&[("mimetype", b"application/vnd.oasis.opendocument.spreadsheet")]), "not-a-workbook", ".ods"),
        ("odt", zip(&[("mimetype", b"application/vnd.oasis.opendocument.text")]), "not-a-table", "OpenDocument"),
        ("docx", zip(&[("[Content_Types].xml", word), ("_rels/.rels", b"")]), "not-a-table", "document"),
        ("docx", zip(&[("_rels/.rels", b""), ("word/document.xml", b"<x/>")]), "not-a-table", "document"),
        ("xlsb", zip(&[("[Content_Types].xml", binary)]), "not-a-workbook", ".xlsb"),
        ("zip", zip(&[("suppliers.csv", CSV)]), "not-a-workbook", "suppliers.csv"),
        ("empty zip", zip(&[]), "not-a-workbook", "empty"),
        ("pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), "not-a-table", "PDF"),
        ("html", b"\n<!DOCTYPE html>\n<html><body>".to_vec(), "not-a-workbook", "HTML"),
        (
            "html as .xls",
            b"<html xmlns:x=\"urn:schemas-microsoft-com:office:excel\"><table>".to_vec(),
            "not-a-workbook",
            "HTML",
        ),
        ("html, utf-16", utf16("<HTML><TABLE>"), "not-a-workbook", "HTML"),
        ("xml", b"<?xml version=\"1.0\"?><?mso-application progid=\"Excel.Sheet\"?>".to_vec(), "not-a-workbook", "XML"),
        ("mht", b"MIME-Version: 1.0\r\nContent-Type: multipart/related".to_vec(), "not-a-table", "web page"),
        ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "not-a-table", "picture"),
        ("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "not-a-table", "picture"),
        ("rtf", b"{\\rtf1\\ansi".to_vec(), "not-a-table", "RTF"),
        ("parquet", b"PAR1\x15\x04".to_vec(), "not-a-table", "Parquet"),
        ("7z", b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), "not-a-table", "7z"),
        ("binary", b"\x7fELF\x02\x01\x01\0\0\0\x03".to_vec(), "not-a-table", "neither"),
        ("nuls", vec![0; 100], "not-a-table", "neither"),
        ("array", b"\xef\xbb\xbf [\n {\"supplier_code\": \"A\"}\n]".to_vec(), "not-ndjson", "array"),
        ("object", b"{\n  \"supplier_code\": \"A\"\n}\n".to_vec(), "not-ndjson", "lines"),
    ];
    for (name, file, code, words) in cases {
        for kind in ["application/octet-stream", "text/csv", XLSX] {
            let answer = send(&integrator, "?kind=suppliers", &[("content-type", kind)], &file);
            answer.is_problem(422, "invalid-body", &[("#", code)]);
            let detail = refusal(&answer).2;
            assert!(detail.contains(words), "{name}: {detail}");
        }
    }
    assert_eq!(job_count(&integrator), 0, "and nothing is kept");
}

#[test]
fn rows_without_their_kind_are_told_which_kinds_there_are() {
    let app = App::start();
    let answer = send(&app.client("integrator"), "", &[("content-type", "text/csv")], CSV);
    answer.is_problem(400, "invalid-parameters", &[("kind", "missing-value")]);
    let detail = refusal(&answer).2;
    for kind in ["suppliers", "relationships", "enrollments", "certifications", "assessments", "incidents"] {
        assert!(detail.contains(kind), "{detail}");
    }
    let answer = app.client("provider").send("POST", "/v1/submissions/imports", &[], Some(CSV));
    answer.is_problem(400, "invalid-parameters", &[("kind", "missing-value")]);
    assert!(!refusal(&answer).2.contains("relationships"), "{answer:?}");
}

#[test]
fn providers_send_forms_too() {
    let app = App::start();
    app.analyst().supplier("A");
    let provider = app.client("provider");
    let csv = b"external_id,supplier_code,occurred_on,outcome\nI1,A,2026-08-10,blocked\n";
    for body in
        [form(&[("kind", None, b"incidents"), ("file", Some("x"), csv)]), form(&[("file", Some("incidents.csv"), csv)])]
    {
        let answer = provider.send("POST", "/v1/submissions/imports", &[FORM], Some(&body));
        assert_eq!((answer.status, &answer.json["request"]["kind"]), (202, &Value::from("incidents")), "{answer:?}");
    }
    let answer = provider.send("POST", "/v1/submissions/imports?kind=incidents", &[], Some(b"%PDF-1.7"));
    answer.is_problem(422, "invalid-body", &[("#", "not-a-table")]);
}
