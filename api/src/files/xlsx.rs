//! The workbook: scores, their contributions with reasons, the portfolio, the data dictionary, the conditions.

use std::io::Write;

use rust_xlsxwriter::{
    Color, ConditionalFormatDataBar, DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Workbook,
    Worksheet, XlsxError,
};
use scoring::{CAVEATS, Explainer, GRADES, Lang, RESULTS, Scores, Summary, Unit, name};

use crate::frames::{Cell, Provenance, Results};
use crate::overview::{self, Value};

/// A sheet holds 1,048,576 rows; two are headings.
const ROWS_A_SHEET: usize = 1_048_574;
const FIRST_ROW: u32 = 2;

/// Why a workbook could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkbookError {
    #[error("the workbook could not be written")]
    Xlsx(#[from] XlsxError),
    #[error("a step on a data frame failed")]
    Frame(#[from] crate::frames::FrameError),
}

/// Writes the workbook in constant memory.
pub(crate) fn write(
    provenance: &Provenance,
    scores: &Scores,
    summary: &Summary,
    explainer: &Explainer<'_>,
    lang: Lang,
    out: &mut (impl Write + Send),
) -> Result<(), WorkbookError> {
    let results = Results::new(scores)?;
    let formats = Formats::new();
    let mut workbook = Workbook::new();
    workbook.set_properties(&properties(provenance));
    for (part, rows) in parts(results.row_count()) {
        scores_sheet(workbook.add_worksheet_with_constant_memory()?, part, rows, &results, &formats, lang)?;
    }
    for (part, rows) in parts(results.row_count()) {
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        contributions_sheet(sheet, part, rows, &results, explainer, &formats, lang)?;
    }
    summary_sheet(workbook.add_worksheet_with_constant_memory()?, summary, &formats, lang)?;
    dictionary_sheet(workbook.add_worksheet_with_constant_memory()?, &formats, lang)?;
    conditions_sheet(workbook.add_worksheet_with_constant_memory()?, provenance, results.row_count(), &formats, lang)?;
    workbook.save_to_writer(out)?;
    Ok(())
}

/// The rows of each part of a sheet, with the number of the part.
fn parts(row_count: usize) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    (0..row_count.div_ceil(ROWS_A_SHEET).max(1)).map(move |part| {
        let start = part * ROWS_A_SHEET;
        (part, start..row_count.min(start + ROWS_A_SHEET))
    })
}

/// Named after the day scored, not the day written: the same scores give the same bytes.
fn properties(provenance: &Provenance) -> DocProperties {
    let created = excel_date(provenance).unwrap_or_default();
    DocProperties::new().set_title("Sonae").set_author("Sonae").set_creation_datetime(&created)
}

/// The day scored for; none where it lies before the first that Excel knows.
fn excel_date(provenance: &Provenance) -> Option<ExcelDateTime> {
    ExcelDateTime::parse_from_str(&provenance.as_of.to_string()).ok()
}

/// A text as long as a cell can hold.
fn cell_text(text: &str) -> String {
    const LONGEST: usize = 32_767;
    text.chars().take(LONGEST).collect()
}

struct Formats {
    hidden: Format,
    heading: Format,
    text: Format,
    wrapped: Format,
    decimal: Format,
    score: Format,
    yen: Format,
    share: Format,
    count: Format,
    date: Format,
    /// A to E, from green to red; the letter says the same.
    grades: [Format; 5],
}

impl Formats {
    fn new() -> Self {
        let plain = || Format::new().set_font_name("Yu Gothic");
        let number = |pattern: &str| plain().set_num_format(pattern);
        let grade = |colour: u32| plain().set_background_color(Color::RGB(colour)).set_align(FormatAlign::Center);
        Self {
            hidden: plain().set_font_color(Color::Gray),
            heading: plain()
                .set_bold()
                .set_text_wrap()
                .set_align(FormatAlign::Top)
                .set_background_color(Color::RGB(0x00DD_E6F0))
                .set_border_bottom(FormatBorder::Thin),
            // The quote prefix keeps what looks like a formula, or like a number, a text when it is edited.
            text: number("@").set_quote_prefix(),
            wrapped: plain().set_text_wrap().set_align(FormatAlign::Top),
            decimal: number("0.0000"),
            score: number("0.0"),
            yen: number("#,##0"),
            share: number("0.0%"),
            count: number("#,##0"),
            date: number("yyyy-mm-dd"),
            grades: [0x00C6_E5C3, 0x00E3_F1C4, 0x00FF_F2C2, 0x00FB_D5B0, 0x00F4_B6B0].map(grade),
        }
    }

    fn of_unit(&self, unit: Unit) -> &Format {
        match unit {
            Unit::Text => &self.text,
            Unit::Score | Unit::Points => &self.score,
            Unit::Probability => &self.share,
            Unit::Yen => &self.yen,
            Unit::PerYear | Unit::Count | Unit::Years | Unit::Factor => &self.decimal,
        }
    }

    fn of_grade(&self, grade: &str) -> &Format {
        let place = GRADES.iter().position(|known| *known == grade);
        place.and_then(|place| self.grades.get(place)).unwrap_or(&self.text)
    }
}

/// A column of a table: its machine name, heading and width.
struct Heading {
    name: &'static str,
    text: String,
    width: f64,
}

/// Two heading rows: a hidden one of machine names, then one for people, frozen and with a filter.
fn headings(sheet: &mut Worksheet, headings: &[Heading], row_count: usize, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_row_hidden(0)?;
    for (column, heading) in (0u16..).zip(headings) {
        sheet.set_column_width(column, heading.width)?;
        sheet.write_string_with_format(0, column, heading.name, &formats.hidden)?;
    }
    for (column, heading) in (0u16..).zip(headings) {
        sheet.write_string_with_format(1, column, &heading.text, &formats.heading)?;
    }
    let last_column = headings.len().saturating_sub(1) as u16;
    sheet.autofilter(1, 0, FIRST_ROW - 1 + row_count as u32, last_column)?;
    sheet.set_freeze_panes(FIRST_ROW, 2)?;
    for_print(sheet)?;
    sheet.set_repeat_rows(1, 1)?;
    Ok(())
}

/// A4, landscape, as wide as one page.
fn for_print(sheet: &mut Worksheet) -> Result<(), XlsxError> {
    const A4: u8 = 9;
    sheet.set_landscape().set_paper_size(A4).set_print_fit_to_pages(1, 0);
    Ok(())
}

fn sheet_name(ja: &str, en: &str, part: usize, lang: Lang) -> String {
    let name = lang.pick(ja, en);
    if part == 0 { name.to_owned() } else { format!("{name} {}", part + 1) }
}

fn scores_sheet(
    sheet: &mut Worksheet,
    part: usize,
    rows: std::ops::Range<usize>,
    results: &Results,
    formats: &Formats,
    lang: Lang,
) -> Result<(), XlsxError> {
    sheet.set_name(sheet_name("一覧", "Scores", part, lang))?;
    let mut columns: Vec<_> = RESULTS
        .iter()
        .map(|column| Heading {
            name: column.name,
            text: lang.pick(column.heading.0, column.heading.1).to_owned(),
            width: if column.unit == Unit::Yen { 18.0 } else { 13.0 },
        })
        .collect();
    columns.insert(1, Heading { name: name::NAME, text: lang.pick("取引先名", "name").to_owned(), width: 28.0 });
    headings(sheet, &columns, rows.len(), formats)?;
    for (row, line) in rows.clone().zip(FIRST_ROW..) {
        for (place, (column, cell)) in results.cells(row).enumerate() {
            // The name stands second.
            let place = if place == 0 { 0 } else { place as u16 + 1 };
            match cell {
                Cell::Text(grade) if column.name == name::GRADE || column.name == name::CHAIN_GRADE => {
                    sheet.write_string_with_format(line, place, grade, formats.of_grade(grade))?;
                }
                Cell::Text(text) => {
                    sheet.write_string_with_format(line, place, cell_text(text), &formats.text)?;
                }
                Cell::Number(number) => {
                    sheet.write_number_with_format(line, place, number, formats.of_unit(column.unit))?;
                }
            }
            if place == 0 {
                sheet.write_string_with_format(line, 1, cell_text(results.name(row)), &formats.text)?;
            }
        }
    }
    for score in [name::RISK_SCORE, name::CHAIN_SCORE] {
        if let Some(column) = columns.iter().position(|column| column.name == score).filter(|_| !rows.is_empty()) {
            let bars = ConditionalFormatDataBar::new().set_fill_color("8FB4DC");
            let last = FIRST_ROW + rows.len() as u32 - 1;
            sheet.add_conditional_format(FIRST_ROW, column as u16, last, column as u16, &bars)?;
        }
    }
    Ok(())
}

fn contributions_sheet(
    sheet: &mut Worksheet,
    part: usize,
    rows: std::ops::Range<usize>,
    results: &Results,
    explainer: &Explainer<'_>,
    formats: &Formats,
    lang: Lang,
) -> Result<(), XlsxError> {
    sheet.set_name(sheet_name("内訳", "Contributions", part, lang))?;
    headings(sheet, &contribution_headings(lang), rows.len(), formats)?;
    for (row, line) in rows.zip(FIRST_ROW..) {
        let explanation = explainer.explain(row);
        sheet.write_string_with_format(line, 0, cell_text(results.text(name::SUPPLIER_CODE, row)), &formats.text)?;
        sheet.write_string_with_format(line, 1, cell_text(results.name(row)), &formats.text)?;
        sheet.write_number_with_format(line, 2, results.number(name::RISK_SCORE, row), &formats.score)?;
        sheet.write_number_with_format(line, 3, results.number(name::CHAIN_SCORE, row), &formats.score)?;
        let points = explanation.contributions.iter().map(|part| (part.points, part.reason(lang), &formats.score));
        let losses = explanation.losses.iter().map(|part| (part.yen, part.reason(lang), &formats.yen));
        for (column, (number, reason, format)) in (4u16..).step_by(2).zip(points.chain(losses)) {
            sheet.write_number_with_format(line, column, number, format)?;
            sheet.write_string_with_format(line, column + 1, cell_text(&reason), &formats.text)?;
        }
    }
    Ok(())
}

fn contribution_headings(lang: Lang) -> Vec<Heading> {
    let result = |name: &'static str| {
        let heading = RESULTS.iter().find(|column| column.name == name).map(|column| column.heading);
        heading.map_or(name, |(ja, en)| lang.pick(ja, en)).to_owned()
    };
    let pair = |name: &'static str, text: String| {
        [
            Heading { name, text, width: 11.0 },
            Heading { name: "", text: lang.pick("理由", "reason").to_owned(), width: 42.0 },
        ]
    };
    let first = [
        Heading { name: name::SUPPLIER_CODE, text: result(name::SUPPLIER_CODE), width: 13.0 },
        Heading { name: name::NAME, text: lang.pick("取引先名", "name").to_owned(), width: 28.0 },
        Heading { name: name::RISK_SCORE, text: result(name::RISK_SCORE), width: 11.0 },
        Heading { name: name::CHAIN_SCORE, text: result(name::CHAIN_SCORE), width: 11.0 },
    ];
    let points = scoring::CONTRIBUTIONS.into_iter().flat_map(|name| pair(name, result(name)));
    let losses = scoring::LOSSES.into_iter().flat_map(|(name, ja, en)| pair(name, lang.pick(ja, en).to_owned()));
    first.into_iter().chain(points).chain(losses).collect()
}

fn summary_sheet(sheet: &mut Worksheet, summary: &Summary, formats: &Formats, lang: Lang) -> Result<(), XlsxError> {
    sheet.set_name(lang.pick("集計", "Portfolio"))?;
    for_print(sheet)?;
    for (column, width) in [44.0, 20.0, 20.0].into_iter().enumerate() {
        sheet.set_column_width(column as u16, width)?;
    }
    let mut line = 0;
    for (column, (ja, en)) in
        [("等級", "grade"), ("リスク等級", "own risk"), ("連鎖等級", "with the chain")].into_iter().enumerate()
    {
        sheet.write_string_with_format(line, column as u16, lang.pick(ja, en), &formats.heading)?;
    }
    for ((grade, own), chain) in GRADES.into_iter().zip(summary.grades).zip(summary.chain_grades) {
        line += 1;
        sheet.write_string_with_format(line, 0, grade, formats.of_grade(grade))?;
        sheet.write_number_with_format(line, 1, own as f64, &formats.count)?;
        sheet.write_number_with_format(line, 2, chain as f64, &formats.count)?;
    }
    for lines in overview::lines(summary, lang) {
        line += 1;
        for overview::Line { label, value } in lines {
            line += 1;
            sheet.write_string_with_format(line, 0, label, &formats.wrapped)?;
            match value {
                Value::Yen(yen) => sheet.write_number_with_format(line, 1, yen, &formats.yen)?,
                Value::Share(share) => sheet.write_number_with_format(line, 1, share, &formats.share)?,
                Value::Count(count) => sheet.write_number_with_format(line, 1, count as f64, &formats.count)?,
                Value::Of(count, all) => {
                    sheet.write_number_with_format(line, 1, count as f64, &formats.count)?;
                    sheet.write_number_with_format(line, 2, overview::share(count, all), &formats.share)?
                }
            };
        }
    }
    Ok(())
}

fn dictionary_sheet(sheet: &mut Worksheet, formats: &Formats, lang: Lang) -> Result<(), XlsxError> {
    sheet.set_name(lang.pick("データ定義", "Data dictionary"))?;
    for_print(sheet)?;
    let headings =
        [("列", "column", 36.0), ("見出し", "heading", 36.0), ("単位", "unit", 16.0), ("意味", "meaning", 80.0)];
    for (column, (ja, en, width)) in headings.into_iter().enumerate() {
        sheet.set_column_width(column as u16, width)?;
        sheet.write_string_with_format(0, column as u16, lang.pick(ja, en), &formats.heading)?;
    }
    for (column, line) in RESULTS.iter().zip(1..) {
        sheet.write_string_with_format(line, 0, column.name, &formats.wrapped)?;
        sheet.write_string_with_format(line, 1, lang.pick(column.heading.0, column.heading.1), &formats.wrapped)?;
        sheet.write_string_with_format(line, 2, column.unit.text(lang), &formats.wrapped)?;
        sheet.write_string_with_format(line, 3, lang.pick(column.meaning.0, column.meaning.1), &formats.wrapped)?;
    }
    Ok(())
}

fn conditions_sheet(
    sheet: &mut Worksheet,
    provenance: &Provenance,
    row_count: usize,
    formats: &Formats,
    lang: Lang,
) -> Result<(), XlsxError> {
    sheet.set_name(lang.pick("条件", "Conditions"))?;
    for_print(sheet)?;
    sheet.set_column_width(0, 24.0)?.set_column_width(1, 100.0)?;
    let label = |ja: &'static str, en: &'static str| lang.pick(ja, en);
    sheet.write_string_with_format(0, 0, label("基準日", "as of"), &formats.heading)?;
    match excel_date(provenance) {
        Some(as_of) => sheet.write_datetime_with_format(0, 1, &as_of, &formats.date)?,
        None => sheet.write_string_with_format(0, 1, provenance.as_of.to_string(), &formats.text)?,
    };
    sheet.write_string_with_format(1, 0, label("モデルの版", "model version"), &formats.heading)?;
    sheet.write_string_with_format(1, 1, &provenance.model_version, &formats.text)?;
    sheet.write_string_with_format(2, 0, label("モデルのSHA-256", "model SHA-256"), &formats.heading)?;
    sheet.write_string_with_format(2, 1, &provenance.model_hash, &formats.text)?;
    sheet.write_string_with_format(3, 0, label("取引先数", "suppliers"), &formats.heading)?;
    sheet.write_number_with_format(3, 1, row_count as f64, &formats.count)?;
    for ((ja, en), line) in CAVEATS.into_iter().zip(4..) {
        sheet.write_string_with_format(line, 0, label("ご注意", "please note"), &formats.heading)?;
        sheet.write_string_with_format(line, 1, lang.pick(ja, en), &formats.wrapped)?;
    }
    Ok(())
}
