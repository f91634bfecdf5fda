//! The three formats: the same numbers in each, and what people need in addition.

use std::fs::{self, File};
use std::path::Path;

use calamine::{Data, DataType as _, Range, Reader, Xlsx, open_workbook};
use polars::prelude::{CompatLevel, DataType, SchemaExt};
use polars_io::prelude::{ParquetReader, SerReader};
use polars_parquet::write::schema_to_metadata_key;

use crate::support::{EXAMPLES, Folder, Score, example, headings, read_csv, sonae};

#[test]
fn csv_has_the_columns_and_numbers_of_the_examples() {
    for name in EXAMPLES {
        let (folder, path) = out("scores.csv");
        Score::of(&example(name)).model_of(&example(name)).out(&path).run().ok();

        let expected = example(name).join("expected.csv");
        assert_eq!(headings(&path), headings(&expected));
        let (found, expected) = (read_csv(&path), read_csv(&expected));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            for (column, expected) in expected {
                let found = &found[column];
                let agrees = match (found.parse::<f64>(), expected.parse::<f64>()) {
                    (Ok(found), Ok(expected)) => (found - expected).abs() <= f64::max(1e-9 * expected.abs(), 1e-6),
                    _ => found == expected,
                };
                assert!(agrees, "{name}: {column}: {found}, expected {expected}");
            }
        }
        drop(folder);
    }
}

#[test]
fn timings_tell_each_step_and_how_often_the_chain_was_reckoned() {
    let (_folder, path) = out("scores.csv");
    let score = || Score::of(&example("portfolio")).english().out(&path);

    let ran = score().arg("--timings").run().ok();

    let steps = [
        "reading: ",
        "suppliers: ",
        "graph: ",
        "disruption rates, iterations ",
        "direct losses: ",
        "systemic losses, iterations ",
        "results: ",
        "output: ",
    ];
    let stderr = ran.stderr();
    let told: Vec<_> = stderr.lines().filter(|line| line.ends_with(" s")).collect();
    assert_eq!(told.len(), steps.len(), "{told:?}");
    for (told, step) in told.iter().zip(steps) {
        assert!(told.starts_with(step), "{told} is not {step}");
    }
    let without = score().run().ok();
    assert!(!without.stderr().contains("reading: "), "{}", without.stderr());
}

#[test]
fn parquet_holds_the_same_doubles_and_says_what_they_rest_on() {
    let (_folder, path) = out("scores.parquet");
    let csv = csv_of("portfolio");
    Score::of(&example("portfolio")).out(&path).run().ok();

    let mut reader = ParquetReader::new(File::open(&path).unwrap());
    let metadata = reader.get_metadata().unwrap().key_value_metadata().clone().unwrap();
    let value = |key: &str| metadata.iter().find(|pair| pair.key == key).unwrap().value.clone().unwrap();
    assert_eq!(value("sonae.as_of"), "2026-09-30");
    assert_eq!(value("sonae.model_version"), "2026.2");
    assert_eq!(value("sonae.model_sha256").len(), 64);

    let table = reader.finish().unwrap();
    // Not all readers can open, filter or sort views of texts.
    let arrow = schema_to_metadata_key(&table.schema().to_arrow(CompatLevel::oldest()));
    assert!(metadata.contains(&arrow), "{metadata:?}");
    assert_eq!(table.height(), csv.len());
    for column in table.columns() {
        for (row, expected) in csv.iter().enumerate() {
            let expected = &expected[column.name().as_str()];
            match column.dtype() {
                DataType::String => assert_eq!(column.str().unwrap().get(row), Some(expected.as_str())),
                _ => assert_eq!(column.f64().unwrap().get(row), expected.parse().ok(), "{}", column.name()),
            }
        }
    }
}

#[test]
fn the_workbook_holds_typed_cells_under_two_headings() {
    let (_folder, path) = out("scores.xlsx");
    Score::of(&example("portfolio")).out(&path).run().ok();

    let sheet = sheet(&path, "一覧");
    let names: Vec<_> = sheet.rows().next().unwrap().iter().map(|cell| cell.get_string().unwrap().to_owned()).collect();
    assert_eq!((names[0].as_str(), names[1].as_str(), names.len()), ("supplier_code", "name", 39));
    let labels: Vec<_> = sheet.rows().nth(1).unwrap().iter().map(|cell| cell.get_string().unwrap()).collect();
    assert_eq!(
        (labels[0], labels[1], labels[2], labels[3]),
        ("取引先コード", "取引先名", "リスク等級", "リスクスコア")
    );
    let words = sheet.rows().nth(2).unwrap();
    assert_eq!((&words[11], &words[12]), (&Data::String("大企業".into()), &Data::String("E 製造業".into())));
    let csv = csv_of("portfolio");
    assert_eq!(sheet.rows().len(), csv.len() + 2);
    for (cells, expected) in sheet.rows().skip(2).zip(&csv) {
        // In addition to the results there are the name and the tier. Classes and sections are in words.
        let others = ["name", "tier", "size_class", "jsic_section"];
        for (name, cell) in names.iter().zip(cells).filter(|(name, _)| !others.contains(&name.as_str())) {
            match cell {
                Data::Float(number) => assert_eq!(*number, expected[name].parse::<f64>().unwrap(), "{name}"),
                Data::Int(number) => assert_eq!(*number as f64, expected[name].parse::<f64>().unwrap(), "{name}"),
                other => assert_eq!(other.get_string(), Some(expected[name].as_str()), "{name}"),
            }
        }
    }
}

#[test]
fn the_workbook_explains_itself_in_both_languages() {
    let (_folder, path) = out("scores.xlsx");
    Score::of(&example("basics")).out(&path).run().ok();
    let book: Xlsx<_> = open_workbook(&path).unwrap();
    assert_eq!(book.sheet_names(), ["一覧", "内訳", "集計", "データ定義", "条件"]);
    let reasons = sheet(&path, "内訳");
    assert!(cells(&reasons).contains(&"1類に加入中（カバー率100.0%、2024-10-01から）".to_owned()));
    let conditions = cells(&sheet(&path, "条件"));
    assert!(conditions.contains(&"2026.2".to_owned()));
    assert!(conditions.iter().any(|cell| cell.contains("取引をやめる理由にはなりません")));

    Score::of(&example("basics")).english().out(&path).run().ok();
    let book: Xlsx<_> = open_workbook(&path).unwrap();
    assert_eq!(book.sheet_names(), ["Scores", "Contributions", "Portfolio", "Data dictionary", "Conditions"]);
    assert!(
        cells(&sheet(&path, "Contributions"))
            .contains(&"enrolled in class 1 (coverage 100.0%, since 2024-10-01)".to_owned())
    );
}

#[test]
fn text_that_looks_like_a_formula_stays_text() {
    let folder =
        Folder::empty().with("suppliers.csv", "supplier_code,name\n=1+1,\"=HYPERLINK(\"\"x\"\")\"\n@A,+81\n0012,-3\n");
    let path = folder.path().join("scores.xlsx");
    Score::of(folder.path()).out(&path).run().ok();

    let sheet = sheet(&path, "一覧");
    let found: Vec<_> =
        sheet.rows().skip(2).map(|row| (row[0].get_string().unwrap(), row[1].get_string().unwrap())).collect();
    assert_eq!(found, [("0012", "-3"), ("=1+1", "=HYPERLINK(\"x\")"), ("@A", "+81")]);
    let mut book: Xlsx<_> = open_workbook(&path).unwrap();
    assert!(book.worksheet_formula("一覧").unwrap().is_empty());
}

#[test]
fn the_same_input_gives_the_same_file_in_every_format() {
    for ending in ["csv", "xlsx", "parquet"] {
        let folder = Folder::empty();
        let files = ["first", "second"].map(|name| folder.path().join(name).with_extension(ending));
        files.iter().for_each(|path| drop(Score::of(&example("chain")).out(path).run().ok()));
        assert!(fs::read(&files[0]).unwrap() == fs::read(&files[1]).unwrap(), "{ending}");
    }
}

#[test]
fn a_failed_run_leaves_the_old_file_and_no_other() {
    let folder = Folder::new().with("scores.csv", "old").with("incidents.csv", "supplier_code\nX\n");
    let path = folder.path().join("scores.csv");

    Score::of(folder.path()).out(&path).run().fails_with(1);

    assert_eq!(fs::read_to_string(path).unwrap(), "old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_day_before_the_first_of_excel_is_written_as_text() {
    let folder = Folder::new();
    let path = folder.path().join("scores.xlsx");
    let ran = sonae().args(["score", "--as-of", "1850-06-30", "--out"]).arg(&path).arg(folder.path()).output().unwrap();
    assert_eq!(ran.status.code(), Some(0));

    assert!(cells(&sheet(&path, "条件")).contains(&"1850-06-30".to_owned()));
}

#[test]
#[cfg(unix)]
fn a_link_stays_a_link_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new().with("real.csv", "old");
    let (real, link) = (folder.path().join("real.csv"), folder.path().join("link.csv"));
    fs::set_permissions(&real, PermissionsExt::from_mode(0o600)).unwrap();
    symlink(&real, &link).unwrap();

    Score::of(folder.path()).out(&link).run().ok();

    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().starts_with("supplier_code,"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Returns a path in a folder that lives as long as the first value.
fn out(name: &str) -> (Folder, std::path::PathBuf) {
    let folder = Folder::empty();
    let path = folder.path().join(name);
    (folder, path)
}

fn csv_of(name: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let (_folder, path) = out("scores.csv");
    Score::of(&example(name)).out(&path).run().ok();
    read_csv(&path)
}

fn sheet(path: &Path, name: &str) -> Range<Data> {
    open_workbook::<Xlsx<_>, _>(path).unwrap().worksheet_range(name).unwrap()
}

fn cells(sheet: &Range<Data>) -> Vec<String> {
    sheet.cells().map(|(_, _, cell)| cell.to_string()).collect()
}
