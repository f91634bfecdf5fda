//! Published orders become a portfolio, and Sonae takes it like any other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Folder, Ran, Score, headings, read_csv, sonae};

const BUYER: &str = "資源エネルギー庁";

fn links() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/procurement/links.csv")
}

fn convert(links: &Path, buyer: &str, folder: &Path) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_procurement-portfolio"));
    Ran(command.arg(links).arg(buyer).arg(folder).output().unwrap())
}

fn portfolio() -> Folder {
    let folder = Folder::empty();
    convert(&links(), BUYER, folder.path()).ok();
    folder
}

/// Returns yen a year by supplier, computed from the links without the converter.
fn annual_spends() -> BTreeMap<String, f64> {
    let text = fs::read_to_string(links()).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let [buyer, number, _, total, first, last] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
            assert_eq!(buyer, BUYER);
            let years = (day(last) - day(first)) / 365.25;
            (number.to_owned(), (total.parse::<f64>().unwrap() / years.max(1.0)).round())
        })
        .collect()
}

/// Returns the days since some day, by the calendar whose year begins in March.
fn day(date: &str) -> f64 {
    let [year, month, day] =
        date.split('-').map(|part| part.parse::<i64>().unwrap()).collect::<Vec<_>>().try_into().unwrap();
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    (365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day) as f64
}

/// Returns `1234567` as `1,234,567`.
fn grouped(yen: f64) -> String {
    let digits = format!("{yen:.0}");
    let places = digits.len();
    let parts = digits.char_indices().map(|(place, digit)| {
        let comma = place > 0 && (places - place) % 3 == 0;
        if comma { format!(",{digit}") } else { digit.to_string() }
    });
    parts.collect()
}

#[test]
fn the_orders_of_a_whole_agency_score_without_a_warning() {
    let spends = annual_spends();
    assert!((100..=200).contains(&spends.len()));

    let ran = Score::of(portfolio().path()).run().ok();

    assert_eq!(ran.stderr(), "");
    let text = ran.stdout();
    for line in [
        format!("取引先: {}社（2026-09-30時点、", spends.len()),
        format!("年間取引額（直接の取引先）: ¥{}\n", grouped(spends.values().sum())),
        "監視対象の取引額割合: 0.0%\n".to_owned(),
        "取引額が未入力の行: 0\n".to_owned(),
        format!("規模が不明な取引先: {0} / {0}（100.0%）", spends.len()),
    ] {
        assert!(text.contains(&line), "{line} is missing in\n{text}");
    }
    let counts = ('A'..='E').map(|letter| {
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{letter} "))).unwrap();
        let counts: Vec<usize> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        (counts[0], counts[1])
    });
    assert_eq!(counts.fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1)), (spends.len(), spends.len()));
}

#[test]
fn nothing_is_written_but_what_the_orders_tell() {
    let (folder, spends) = (portfolio(), annual_spends());

    let path = folder.path().join("suppliers.csv");
    assert_eq!(headings(&path), ["supplier_code", "corporate_number"]);
    let suppliers = read_csv(&path);
    assert!(suppliers.iter().all(|row| row["supplier_code"] == row["corporate_number"]));
    assert!(suppliers.iter().map(|row| &row["supplier_code"]).eq(spends.keys()));
    let rows = read_csv(&folder.path().join("relationships.csv"));
    assert_eq!(rows.len(), spends.len());
    for row in rows {
        let number = &row["upstream_code"];
        assert_eq!(row["annual_spend_jpy"], format!("{:.0}", spends[number]), "{number}");
        assert_eq!(row["external_id"], format!("{BUYER}/{number}"));
        assert_eq!((row["criticality"].as_str(), row["substitutability"].as_str()), ("degrades", "limited"));
        assert_eq!((row["downstream_code"].as_str(), row["stock_cover_days"].as_str()), ("", ""));
    }
}

#[test]
fn the_years_between_first_and_last_order_share_the_spend() {
    let links = "buyer,supplier_corporate_number,orders,total_yen,first_order,last_order\n\
        A,0000000000001,1,1000,2020-04-01,2020-04-01\n\
        A,0000000000002,2,1000,2020-04-01,2021-04-01\n\
        A,0000000000003,2,4000,2017-04-01,2021-04-01\n\
        A,0000000000004,2,1000,2019-04-01,2021-10-01\n\
        B,0000000000004,2,5,2019-04-01,2021-10-01\n";
    let folder = Folder::empty().with("links.csv", links);

    convert(&folder.path().join("links.csv"), "A", folder.path()).ok();

    let rows = read_csv(&folder.path().join("relationships.csv"));
    let spends: Vec<_> = rows.iter().map(|row| row["annual_spend_jpy"].as_str()).collect();
    // No day, 365 days (less than a year of 365.25), 1,461 days, 914 days (2.5 years and a little).
    assert_eq!(spends, ["1000", "1000", "1000", "400"]);
}

#[test]
fn every_row_is_imported_and_a_second_import_changes_nothing() {
    let (folder, data) = (portfolio(), Folder::empty());
    let import = || {
        let mut command = sonae();
        command.arg("import").arg(folder.path()).args(["--source", "gbizinfo", "--data"]).arg(data.path());
        Ran(command.output().unwrap()).ok().stdout()
    };
    let count = annual_spends().len();

    let (first, second) = (import(), import());

    let lines = |created: usize, unchanged: usize| {
        let counts = format!("新規 {created}、更新 0、変更なし {unchanged}、不正 0、終了 0");
        format!("suppliers.csv: {counts}\nrelationships.csv: {counts}\n")
    };
    assert_eq!(first, lines(count, 0));
    assert_eq!(second, lines(0, count));
}

#[test]
fn an_unknown_buyer_is_told_which_there_are() {
    let folder = Folder::empty();

    let error = convert(&links(), "気象庁", folder.path()).fails_with(1);

    assert!(
        error.ends_with("the file has no order of the buyer \"気象庁\"; its buyers are: 資源エネルギー庁\n"),
        "{error}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn rows_that_cannot_be_read_are_named_with_line_and_reason() {
    let links = "buyer,supplier_corporate_number,orders,total_yen,first_order,last_order\n\
        A,000000000001,1,-5,2020-04-01,2020-04-31\n\
        A,0000000000001,1,1000,2020-04-02,2020-04-01\n\
        A,0000000000001,1\n\
        \n\
        ,0000000000001,1,1.5,2020-04-01,2020-04-01\n\
        A,0000000000001,1,1000,2020-04-01,2020-04-01\n\
        A,0000000000001,1,2000,2020-04-01,2020-04-01\n";
    let folder = Folder::empty().with("links.csv", links).with("crlf.csv", links.replace('\n', "\r\n"));
    let error = |name: &str| convert(&folder.path().join(name), "A", &folder.path().join("out")).fails_with(1);

    let error = [error("links.csv"), error("crlf.csv").replace("crlf.csv", "links.csv")];

    assert_eq!(error[0], error[1]);
    let (first, rest) = error[0].split_once('\n').unwrap();
    assert!(first.ends_with("links.csv: rows that cannot be read: 8"), "{first}");
    assert_eq!(
        rest.lines().collect::<Vec<_>>(),
        [
            "line 2: supplier_corporate_number: \"000000000001\": not a 法人番号 of 13 digits",
            "line 2: total_yen: \"-5\": not a whole number of yen above 0",
            "line 2: last_order: \"2020-04-31\": not a calendar date as YYYY-MM-DD",
            "line 3: last_order: \"2020-04-01\": before the first order",
            "line 4: fields in this row: 3, in the header: 6",
            "line 6: buyer: \"\": empty",
            "line 6: total_yen: \"1.5\": not a whole number of yen above 0",
            "line 8: the same buyer and supplier as on line 7; sum their orders up",
        ]
    );
    assert!(!folder.path().join("out").exists());
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = Folder::empty().with("links.csv", "buyer,total_yen\nA,5\n").with("latin.csv", b"caf\xe9\n");
    let error = |name: &str| convert(&folder.path().join(name), "A", &folder.path().join("out")).fails_with(1);

    assert!(
        error("links.csv").ends_with("the header lacks columns: supplier_corporate_number, first_order, last_order\n")
    );
    assert!(error("latin.csv").contains("the header lacks columns: buyer"));
    assert!(error("none.csv").contains("none.csv: "));
    let into_a_file = convert(&links(), BUYER, &folder.path().join("links.csv")).fails_with(1);
    assert!(into_a_file.contains("links.csv: "), "{into_a_file}");
}
