//! Bad data ends with 1, and the message says where, why and what to do. Bad usage ends with 2.

use crate::support::{Folder, Ran, Score, example, sonae};

/// Returns the standard error, line by line, of a folder that cannot be scored.
#[track_caller]
fn faults(folder: &Folder) -> Vec<String> {
    let text = Score::of(folder.path()).english().run().fails_with(1);
    text.lines().skip(1).map(str::to_owned).collect()
}

/// Asserts what is reported about a folder with one more file.
#[track_caller]
fn refused(file: &str, content: impl AsRef<[u8]>, expected: &[&str]) {
    assert_eq!(faults(&Folder::new().with(file, content)), expected);
}

#[test]
fn a_fault_names_file_line_column_value_reason_and_remedy() {
    refused(
        "suppliers.csv",
        "supplier_code,employee_count\nA,12\n\nB,-5\n",
        &["suppliers.csv:4: employee_count: \"-5\": out of range; use 0 to 1,000,000,000,000 [out-of-range]"],
    );
}

#[test]
fn the_only_row_of_a_table_is_quoted_like_any_other() {
    refused(
        "incidents.csv",
        "supplier_code,occurred_on,outcome\nX,2026-01-01,blocked\n",
        &[
            "incidents.csv:2: supplier_code: \"X\": no supplier has this code; correct the code, or add the supplier first [unknown-supplier]",
        ],
    );
}

#[test]
fn a_choice_is_quoted_as_its_word() {
    let sent = "supplier_code,control,status,total_score,assessed_on,assurance\n\
                A,自社診断,not_met,72,2026-06-01,self_reported\nA,edr,met,5,2026-06-01,self_reported\n";
    let folder = Folder::new().with("suppliers.csv", "supplier_code\nA\n").with("assessments.csv", sent);

    assert_eq!(
        faults(&folder),
        [
            "assessments.csv:2: status: \"not_met\": a self-assessment has a total, not a status; leave status empty and give the total in total_score [status-of-self-assessment]",
            "assessments.csv:3: total_score: \"5\": only a self-assessment has a total; leave total_score empty [total-of-control]",
        ]
    );
}

#[test]
fn faults_are_told_in_japanese_too() {
    let folder = Folder::new().with("suppliers.csv", "supplier_code,capital_jpy\nA,1億\nA,\n");

    let text = Score::of(folder.path()).run().fails_with(1);

    assert!(text.contains("誤り: 2件"), "{text}");
    assert!(text.contains("suppliers.csv:2: capital_jpy: \"1億\": 数値ではありません。半角数字だけで、桁区切りや単位なしで書いてください [not-a-number]"), "{text}");
    assert!(text.contains("suppliers.csv:3: supplier_code: \"A\": 取引先コードが重複しています。どちらかの行を消すか直してください（最初は2行目） [duplicate-supplier]"), "{text}");
}

#[test]
fn faults_of_all_files_come_at_once_in_order() {
    let folder = Folder::new()
        .with("suppliers.csv", "supplier_code,jsic_division,reports_incidents_since\nA,12.5,2026-02-30\nB,100,2026-9-30\n")
        .with("enrollments.csv", "supplier_code,service_class,starts_on,ends_on,onsite_response\nA,class_1,2026-13-01,,yes\nX,class_1,2026-01-01,2025-01-01,true\n")
        .with("incidents.csv", "supplier_code,occurred_on,outcome,count\nA,,harmful,3\nA,20260101,blocked,1e400\n");

    assert_eq!(
        faults(&folder),
        [
            "suppliers.csv:2: jsic_division: \"12.5\": write 2 digits [not-digits]",
            "suppliers.csv:2: reports_incidents_since: \"2026-02-30\": not a calendar date as YYYY-MM-DD; write it like 2026-09-30 [not-a-date]",
            "suppliers.csv:3: jsic_division: \"100\": write 2 digits [not-digits]",
            "suppliers.csv:3: reports_incidents_since: \"2026-9-30\": not a calendar date as YYYY-MM-DD; write it like 2026-09-30 [not-a-date]",
            "enrollments.csv:2: starts_on: \"2026-13-01\": not a calendar date as YYYY-MM-DD; write it like 2026-09-30 [not-a-date]",
            "enrollments.csv:2: onsite_response: \"yes\": neither true nor false; write true or false [not-a-flag]",
            "enrollments.csv:3: supplier_code: \"X\": no supplier has this code; correct the code, or add the supplier first [unknown-supplier]",
            "enrollments.csv:3: ends_on: \"2025-01-01\": the end is not after the start; set ends_on, which is exclusive, after starts_on [ends-before-start]",
            "incidents.csv:2: occurred_on: a required value is empty; fill the value in [missing-value]",
            "incidents.csv:2: count: \"3\": a harmful incident has a count other than 1; give each harmful incident a row of its own [harmful-count]",
            "incidents.csv:3: occurred_on: \"20260101\": not a calendar date as YYYY-MM-DD; write it like 2026-09-30 [not-a-date]",
            "incidents.csv:3: count: \"1e400\": not a number; write digits only, without separators or units [not-a-number]",
        ]
    );
}

#[test]
fn a_row_with_too_few_or_too_many_fields_is_refused_and_blames_no_other() {
    let folder = Folder::new()
        .with("suppliers.csv", "supplier_code,name,employee_count\nA,x\nB,y,3,4\n")
        .with("relationships.csv", "upstream_code,criticality,substitutability\nA,routine,sole\nB\n");

    assert_eq!(
        faults(&folder),
        [
            "suppliers.csv:2: fields in this row: 2, in the header: 3; correct the commas, and quote values that hold one [field-count]",
            "suppliers.csv:3: fields in this row: 4, in the header: 3; correct the commas, and quote values that hold one [field-count]",
            "relationships.csv:3: fields in this row: 1, in the header: 3; correct the commas, and quote values that hold one [field-count]",
        ]
    );
}

#[test]
fn lines_are_counted_at_every_kind_of_line_end() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["supplier_code,employee_count", "A,1", "", "B,x", "C,2"].join(end);
        let expected = "suppliers.csv:4: employee_count: \"x\": not a number; write digits only, without separators or units [not-a-number]";
        refused("suppliers.csv", text, &[expected]);
    }
}

/// Large files are read in blocks, in parallel. Lines are those of a spreadsheet: a cell of two lines is on one.
#[test]
fn faults_of_a_large_file_are_told_on_their_lines() {
    for two_lines_each in [u64::MAX, 50_000] {
        let mut text = "supplier_code,occurred_on,outcome,external_id\n".to_owned();
        let (mut line, mut expected) = (2, Vec::new());
        for row in 1..=200_000 {
            let is_of_two_lines = row % two_lines_each == 0;
            let external_id = if is_of_two_lines { format!("\"{row},\n{row}\"") } else { format!("{row:020}") };
            let (code, on, outcome) = match row {
                5 | 120_001 => ("X", "2026-01-01", "blocked"),
                70_000 | 199_999 => ("A", "2026-01-32", "blocked"),
                100_000 => ("A", "2026-01-01", "harmless"),
                _ => ("A", "2026-01-01", "blocked"),
            };
            text += &format!("{code},{on},{outcome},{external_id}\n");
            let wrong = [
                (code == "X").then_some("supplier_code: \"X\": no supplier has this code"),
                (on == "2026-01-32").then_some("occurred_on: \"2026-01-32\": not a calendar date"),
                (outcome == "harmless").then_some("outcome: \"harmless\": use one of"),
            ];
            expected.extend(wrong.into_iter().flatten().map(|wrong| format!("incidents.csv:{line}: {wrong}")));
            line += 1;
        }
        let found = faults(&Folder::new().with("suppliers.csv", "supplier_code\nA\n").with("incidents.csv", text));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found.starts_with(expected), "{found} is not {expected}");
        }
    }
}

#[test]
fn each_unknown_code_is_told_whichever_column_it_stands_in() {
    let rows: String = (0..60).map(|row| format!("X{row},Y{row},routine,sole\n")).collect();
    let text = format!("upstream_code,downstream_code,criticality,substitutability\n{rows}");
    let found = faults(&Folder::new().with("relationships.csv", text));
    for (row, found) in (0..25).zip(found.chunks(2)) {
        let [upstream, downstream] =
            ["upstream_code: \"X", "downstream_code: \"Y"].map(|code| format!("{code}{row}\""));
        assert!(found[0].contains(&upstream) && found[1].contains(&downstream), "{found:?}");
    }
    assert!(found.last().unwrap().contains("70 more"), "{found:?}");
}

#[test]
fn suppliers_that_were_not_read_make_no_code_unknown() {
    let text = "supplier_code,name\nA,x\nB,\"".to_owned() + &"never closed\n".repeat(500_000);
    let folder = Folder::new()
        .with("suppliers.csv", text)
        .with("certifications.csv", "supplier_code,scheme,issued_on\nZ,isms,2026-01-01\n");
    assert_eq!(
        faults(&folder),
        [
            "suppliers.csv:3: a line has more than 1048576 bytes, usually because a quotation mark is not closed; check quotation marks and line breaks [line-too-long]"
        ]
    );
}

#[test]
fn a_row_without_end_ends_the_reading_of_its_file() {
    let rows = "A,x\n".repeat(2) + "B,\"" + &"never closed\n".repeat(500_000);
    refused(
        "certifications.csv",
        format!("supplier_code,scheme\n{rows}"),
        &[
            "certifications.csv:1: issued_on: the column issued_on (取得日) is missing; headings of this table: supplier_code, scheme; make the first row the header, and add the column [missing-column]",
            "certifications.csv:2: scheme: \"x\": use one of security_action_1, security_action_2, scs_3, scs_4, scs_5, isms [unknown-choice]",
            "certifications.csv:3: scheme: \"x\": use one of security_action_1, security_action_2, scs_3, scs_4, scs_5, isms [unknown-choice]",
            "certifications.csv:4: a line has more than 1048576 bytes, usually because a quotation mark is not closed; check quotation marks and line breaks [line-too-long]",
        ],
    );
}

#[test]
fn a_value_is_told_as_the_file_has_it() {
    let starts = "supplier_code,service_class,coverage_share,starts_on,onsite_response";
    for share in ["1.000000000001", "-123456789.12", "2"] {
        let fault = format!("enrollments.csv:2: coverage_share: \"{share}\": out of range; use 0 to 1 [out-of-range]");
        refused("enrollments.csv", format!("{starts}\nA,class_1,{share},2026-01-01,true\n"), &[&fault]);
    }
    refused(
        "suppliers.csv",
        "supplier_code,employee_count\nA,99999999999999999999\n",
        &[
            "suppliers.csv:2: employee_count: \"99999999999999999999\": out of range; use 0 to 1,000,000,000,000 [out-of-range]",
        ],
    );
}

#[test]
fn the_year_0_is_no_date() {
    refused(
        "incidents.csv",
        "supplier_code,occurred_on,outcome\nA,0000-12-31,blocked\n",
        &[
            "incidents.csv:2: occurred_on: \"0000-12-31\": not a calendar date as YYYY-MM-DD; write it like 2026-09-30 [not-a-date]",
        ],
    );
}

#[test]
fn faults_of_one_table_do_not_hide_those_of_another() {
    let folder = Folder::new()
        .with("suppliers.csv", "supplier_code,employee_count\nA,-1\nA,\n")
        .with("incidents.csv", "supplier_code,date,outcome\nA,2026-01-01,harmless\n");

    assert_eq!(
        faults(&folder),
        [
            "suppliers.csv:2: employee_count: \"-1\": out of range; use 0 to 1,000,000,000,000 [out-of-range]",
            "suppliers.csv:3: supplier_code: \"A\": the supplier code appears twice; remove or correct one of the two rows (first: line 2) [duplicate-supplier]",
            "incidents.csv:1: occurred_on: the column occurred_on (発生日) is missing; headings of this table: supplier_code, date, outcome; make the first row the header, and add the column [missing-column]",
            "incidents.csv:2: outcome: \"harmless\": use one of blocked, contained, harmful [unknown-choice]",
        ]
    );
}

#[test]
#[cfg(unix)]
fn what_cannot_be_read_is_not_taken_for_absent() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("nowhere", folder.path().join("incidents.csv")).unwrap();
    assert!(Score::of(folder.path()).english().run().fails_with(1).contains("incidents.csv cannot be read"));

    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("incidents.csv")).unwrap();
    assert!(Score::of(folder.path()).english().run().fails_with(1).contains("not a regular file"));
}

#[test]
fn a_table_under_a_misspelt_name_is_noted() {
    let folder = Folder::new().with("enrolments.csv", "supplier_code\n");

    let ran = Score::of(folder.path()).english().run().ok();

    assert!(ran.stderr().contains("CSV files with unknown names were not read: enrolments.csv"), "{}", ran.stderr());
}

#[test]
fn a_model_that_leads_beyond_numbers_is_refused() {
    let model = std::fs::read_to_string(example("other-model").join("model.toml")).unwrap();
    for (right, wrong, column) in [
        ("revenue_at_risk_multiplier = 1.7", "revenue_at_risk_multiplier = 1e305", "loss_per_disruption_jpy"),
        ("micro = 1.7", "micro = 1e308", "own_rate"),
    ] {
        assert!(model.contains(right));
        let folder = Folder::empty().with("model.toml", model.replace(right, wrong));
        let text = Score::of(&example("other-model"))
            .english()
            .arg("--model")
            .arg(folder.path().join("model.toml"))
            .run()
            .fails_with(1);
        assert!(text.contains("is beyond what a number can hold"), "{column}: {text}");
    }
}

#[test]
fn quotes_that_do_not_end_are_refused_where_they_open() {
    let fault = "quotes do not close, or text follows them; correct the quotes [bad-quotes]";
    for (text, line) in [("supplier_code,name\nA,x\nB,\"y\n", 3), ("supplier_code,name\nA,\"x\nB,\"y\"\nC,z\n", 2)] {
        refused("suppliers.csv", text, &[&format!("suppliers.csv:{line}: {fault}")]);
    }
}

#[test]
fn headers_are_checked() {
    refused(
        "suppliers.csv",
        "",
        &[
            "suppliers.csv: the file is empty; check that it is the right one and that it was written completely [empty-file]",
        ],
    );
    refused(
        "suppliers.csv",
        "supplier_code,取引先コード\nA,B\n",
        &[
            "suppliers.csv:1: supplier_code: supplier_code and 取引先コード are the same column; keep one [repeated-heading]",
        ],
    );
    refused(
        "certifications.csv",
        "supplier_code;scheme;issued_on\nA;isms;2026-01-01\n",
        &[
            "certifications.csv:1: the separator is not a comma; save the file with commas (in Excel: CSV UTF-8, comma delimited) [wrong-separator]",
        ],
    );
}

#[test]
fn a_column_that_scores_rest_on_is_read_or_left_out_on_demand() {
    let folder = Folder::new().with("suppliers.csv", "supplier_code,業種,メモ\nA,製造業,x\n");
    let found = faults(&folder);
    assert!(found[0].starts_with("suppliers.csv:1: 業種: columns on which scores depend cannot be read"), "{found:?}");
    let ran = Score::of(folder.path()).english().arg("--accept-unread-columns").run().ok();
    assert!(ran.stderr().contains("suppliers.csv: columns that were not read: メモ, 業種"), "{}", ran.stderr());
}

#[test]
fn files_in_another_encoding_are_refused() {
    let remedy = "save the file as UTF-8: in Excel as CSV UTF-8 (comma delimited), elsewhere by the encoding of the export, or in a text editor [not-utf-8]";
    refused(
        "suppliers.csv",
        b"supplier_code,name\nA,\x83\x54\x83\x76\n",
        &[&format!("suppliers.csv:2: name: not UTF-8 (it seems to be Shift_JIS (CP932)); {remedy}")],
    );
    refused(
        "suppliers.csv",
        b"\xff\xfes\0u\0",
        &[&format!("suppliers.csv: not UTF-8 (it seems to be UTF-16); {remedy}")],
    );
}

#[test]
fn a_folder_without_suppliers_is_refused() {
    assert_eq!(
        faults(&Folder::empty()),
        ["suppliers.csv: there is no such file; put the list of suppliers there under this name [no-file]",]
    );
}

#[test]
fn the_first_fifty_faults_are_shown_and_the_rest_counted() {
    let rows: String = (0..1000).map(|row| format!("S{row},-1,x\n")).collect();
    let folder = Folder::new().with("suppliers.csv", format!("supplier_code,employee_count,capital_jpy\n{rows}"));

    let text = Score::of(folder.path()).english().run().fails_with(1);

    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].ends_with("faults: 2000"), "{}", lines[0]);
    assert_eq!(lines.len(), 52);
    assert_eq!(
        lines[1],
        "suppliers.csv:2: employee_count: \"-1\": out of range; use 0 to 1,000,000,000,000 [out-of-range]"
    );
    assert!(lines[50].starts_with("suppliers.csv:26: capital_jpy"), "{}", lines[50]);
    assert_eq!(lines[51], "… and 1950 more.");
}

#[test]
fn a_long_or_strange_value_is_cut_and_escaped() {
    let folder = Folder::new()
        .with("suppliers.csv", format!("supplier_code,employee_count\nA,\"\u{1b}[31m\n{}\"\n", "9".repeat(500)));

    let text = faults(&folder);

    assert!(text[0].starts_with("suppliers.csv:2: employee_count: \"\\u{1b}[31m\\n999"), "{text:?}");
    assert!(text[0].len() < 200, "{text:?}");
}

#[test]
fn a_bad_model_is_refused_with_every_fault() {
    let folder = Folder::new().with("model.toml", "version = \"x\"\n[prior]\nshape = -1\nscale = 2\n");
    let text =
        Score::of(folder.path()).english().arg("--model").arg(folder.path().join("model.toml")).run().fails_with(1);
    assert!(text.contains("model.toml:3: prior.shape = -1: expected a number above 0"), "{text}");
    assert!(text.contains("model.toml:4: prior.scale = 2: the key is unknown"), "{text}");
    assert!(text.contains("model.toml: downtime.tail_index: the key is missing"), "{text}");

    let folder = Folder::new().with("model.toml", "version = \n");
    let text =
        Score::of(folder.path()).english().arg("--model").arg(folder.path().join("model.toml")).run().fails_with(1);
    assert!(text.contains("is not TOML") && text.contains("line 1"), "{text}");
}

#[test]
fn a_chain_that_does_not_settle_fails_and_says_what_to_do() {
    let model = std::fs::read_to_string(example("other-model").join("model.toml")).unwrap();
    let folder = Folder::empty().with("model.toml", model.replace("max_iterations = 10000", "max_iterations = 3"));
    let text = Score::of(&example("other-model"))
        .english()
        .arg("--model")
        .arg(folder.path().join("model.toml"))
        .run()
        .fails_with(1);
    assert!(text.contains("max_iterations = 3"), "{text}");
}

#[test]
fn bad_usage_ends_with_two() {
    let folder = Folder::new();
    let score = || Score::of(folder.path()).english();
    score().out(&folder.path().join("scores.ods")).run().fails_with(2);
    score().out(&folder.path().join("nowhere/scores.csv")).run().fails_with(2);
    score().out(folder.path()).run().fails_with(2);
    score().arg("--model").arg(folder.path().join("none.toml")).run().fails_with(2);
    score().arg("--explain").arg("X").run().fails_with(2);
    score().arg("--lang").arg("fr").run().fails_with(2);
    score().out(&folder.path().join("suppliers.csv")).run().fails_with(2);
    assert_eq!(std::fs::read_to_string(folder.path().join("suppliers.csv")).unwrap(), "supplier_code\nA\nB\n");
    Score::of(&folder.path().join("nowhere")).run().fails_with(2);
    for arguments in [
        &["score"][..],
        &["score", ".", "--as-of", "2026-02-30"],
        &["score", ".", "--as-of", "2026-2-3"],
        &["score", ".", "--as-of=-026-09-30"],
        &["rank"],
        &[],
    ] {
        Ran(sonae().args(arguments).output().unwrap()).fails_with(2);
    }
}
