//! The sheets, one function each.

use rust_xlsxwriter::{ColNum, ConditionalFormatDataBar, ConditionalFormatType, Format, RowNum, Worksheet, XlsxError};
use scoring::{CAVEATS, CONTRIBUTIONS, Explainer, GRADES, LOSSES, Lang, RESULTS, Summary, Unit, name};

use super::formats::Formats;
use super::{Part, excel_date};
use crate::frames::{Cell, Provenance, Results};
use crate::overview::{self, Value};

/// The first row below the two of headings.
const FIRST_ROW: RowNum = 2;
/// Three lines of a heading.
const HEADING_HEIGHT: f64 = 54.0;
const PAGES_OF_WIDE_SHEET: u16 = 3;

/// What all sheets draw on.
pub(super) struct Book {
    pub(super) results: Results,
    pub(super) formats: Formats,
    pub(super) lang: Lang,
}

/// A column of a wide sheet: its machine name, heading and width.
struct Heading {
    name: &'static str,
    text: String,
    width: f64,
}

impl Book {
    /// One row a supplier, all results.
    pub(super) fn scores(&self, sheet: &mut Worksheet, part: &Part) -> Result<(), XlsxError> {
        sheet.set_name(self.part_name("一覧", "Scores", part))?;
        let mut columns: Vec<_> = RESULTS.iter().map(|column| self.result_heading(column.name)).collect();
        columns.insert(1, self.name_heading());
        self.headings(sheet, &columns, part)?;
        for (row, line) in part.rows.clone().zip(FIRST_ROW..) {
            // The name stands second.
            let places = (0..).filter(|place| *place != 1);
            for ((column, cell), place) in self.results.cells(row).zip(places) {
                match cell {
                    Cell::Text(text) => text_cell(sheet, line, place, text, self.formats.of_text(column.name, text))?,
                    Cell::Number(number) => {
                        number_cell(sheet, line, place, number, self.formats.of_unit(column.unit))?;
                    }
                }
                if place == 0 {
                    text_cell(sheet, line, 1, self.results.name(row), &self.formats.text)?;
                }
            }
        }
        for (place, column) in (0..).zip(&columns) {
            if column.name == name::RISK_SCORE || column.name == name::CHAIN_SCORE {
                data_bars(sheet, place, part)?;
            }
        }
        Ok(())
    }

    /// One row a supplier, its contributions and losses with their reasons.
    pub(super) fn contributions(
        &self,
        sheet: &mut Worksheet,
        part: &Part,
        explainer: &Explainer<'_>,
    ) -> Result<(), XlsxError> {
        sheet.set_name(self.part_name("内訳", "Contributions", part))?;
        self.headings(sheet, &self.contribution_headings(), part)?;
        let Formats { text, score, yen, .. } = &self.formats;
        for (row, line) in part.rows.clone().zip(FIRST_ROW..) {
            let explanation = explainer.explain(row);
            text_cell(sheet, line, 0, self.results.text(name::SUPPLIER_CODE, row), text)?;
            text_cell(sheet, line, 1, self.results.name(row), text)?;
            number_cell(sheet, line, 2, self.results.number(name::RISK_SCORE, row), score)?;
            number_cell(sheet, line, 3, self.results.number(name::CHAIN_SCORE, row), score)?;
            let points = explanation.contributions.iter().map(|part| (part.points, part.reason(self.lang), score));
            let losses = explanation.losses.iter().map(|part| (part.yen, part.reason(self.lang), yen));
            for (place, (number, reason, format)) in (4..).step_by(2).zip(points.chain(losses)) {
                number_cell(sheet, line, place, number, format)?;
                text_cell(sheet, line, place + 1, &reason, text)?;
            }
        }
        Ok(())
    }

    /// Grades, losses, coverage, and what is unknown.
    pub(super) fn summary(&self, sheet: &mut Worksheet, summary: &Summary) -> Result<(), XlsxError> {
        let Formats { wrapped, yen, share, count, .. } = &self.formats;
        let headings =
            [("等級", "grade", 44.0), ("リスク等級", "own risk", 20.0), ("連鎖等級", "with the chain", 20.0)];
        self.plain_sheet(sheet, self.lang.pick("集計", "Portfolio"), &headings)?;
        let mut line = 0;
        for ((grade, own), chain) in GRADES.into_iter().zip(summary.grades).zip(summary.chain_grades) {
            line += 1;
            text_cell(sheet, line, 0, grade, self.formats.of_text(name::GRADE, grade))?;
            number_cell(sheet, line, 1, own as f64, count)?;
            number_cell(sheet, line, 2, chain as f64, count)?;
        }
        for lines in overview::lines(summary, self.lang) {
            line += 1;
            for overview::Line { label, value } in lines {
                line += 1;
                text_cell(sheet, line, 0, label, wrapped)?;
                match value {
                    Value::Yen(value) => number_cell(sheet, line, 1, value, yen)?,
                    Value::Share(value) => number_cell(sheet, line, 1, value, share)?,
                    Value::Count(value) => number_cell(sheet, line, 1, value as f64, count)?,
                    Value::Of(part, all) => {
                        number_cell(sheet, line, 1, part as f64, count)?;
                        number_cell(sheet, line, 2, overview::share(part, all), share)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What each column means.
    pub(super) fn dictionary(&self, sheet: &mut Worksheet) -> Result<(), XlsxError> {
        let headings =
            [("列", "column", 36.0), ("見出し", "heading", 36.0), ("単位", "unit", 16.0), ("意味", "meaning", 80.0)];
        self.plain_sheet(sheet, self.lang.pick("データ定義", "Data dictionary"), &headings)?;
        for (column, line) in RESULTS.iter().zip(1..) {
            let texts = [
                column.name,
                self.lang.pick(column.heading.0, column.heading.1),
                column.unit.text(self.lang),
                self.lang.pick(column.meaning.0, column.meaning.1),
            ];
            for (place, text) in (0..).zip(texts) {
                text_cell(sheet, line, place, text, &self.formats.wrapped)?;
            }
        }
        Ok(())
    }

    /// What the scores were computed from, and what is to be said of them.
    pub(super) fn conditions(&self, sheet: &mut Worksheet, provenance: &Provenance) -> Result<(), XlsxError> {
        let Formats { text, wrapped, count, date, .. } = &self.formats;
        self.plain_sheet(
            sheet,
            self.lang.pick("条件", "Conditions"),
            &[("項目", "item", 24.0), ("値", "value", 100.0)],
        )?;
        let label = |sheet: &mut Worksheet, line, ja, en| text_cell(sheet, line, 0, self.lang.pick(ja, en), wrapped);
        // In constant memory a row is gone once the next one is begun.
        label(sheet, 1, "基準日", "as of")?;
        match excel_date(provenance) {
            Some(as_of) => sheet.write_datetime_with_format(1, 1, &as_of, date).map(drop)?,
            None => text_cell(sheet, 1, 1, &provenance.as_of.to_string(), text)?,
        }
        label(sheet, 2, "モデルの版", "model version")?;
        text_cell(sheet, 2, 1, &provenance.model_version, text)?;
        label(sheet, 3, "モデルのSHA-256", "model SHA-256")?;
        text_cell(sheet, 3, 1, &provenance.model_hash, text)?;
        label(sheet, 4, "取引先数", "suppliers")?;
        number_cell(sheet, 4, 1, self.results.row_count() as f64, count)?;
        for ((ja, en), line) in CAVEATS.into_iter().zip(5..) {
            label(sheet, line, "ご注意", "please note")?;
            text_cell(sheet, line, 1, self.lang.pick(ja, en), wrapped)?;
        }
        Ok(())
    }

    fn part_name(&self, ja: &str, en: &str, part: &Part) -> String {
        let name = self.lang.pick(ja, en);
        if part.number == 0 { name.to_owned() } else { format!("{name} {}", part.number + 1) }
    }

    fn result_heading(&self, name: &'static str) -> Heading {
        let column = RESULTS.iter().find(|column| column.name == name);
        let text = column.map_or(name, |column| self.lang.pick(column.heading.0, column.heading.1));
        let is_yen = column.is_some_and(|column| column.unit == Unit::Yen);
        Heading { name, text: text.to_owned(), width: if is_yen { 18.0 } else { 13.0 } }
    }

    fn name_heading(&self) -> Heading {
        Heading { name: name::NAME, text: self.lang.pick("取引先名", "name").to_owned(), width: 28.0 }
    }

    fn contribution_headings(&self) -> Vec<Heading> {
        let reason = || Heading { name: "", text: self.lang.pick("理由", "reason").to_owned(), width: 42.0 };
        let mut headings = vec![self.result_heading(name::SUPPLIER_CODE), self.name_heading()];
        headings.extend([name::RISK_SCORE, name::CHAIN_SCORE].map(|name| self.result_heading(name)));
        headings.extend(CONTRIBUTIONS.into_iter().flat_map(|name| [self.result_heading(name), reason()]));
        headings.extend(LOSSES.into_iter().flat_map(|(name, ja, en)| {
            [Heading { name, text: self.lang.pick(ja, en).to_owned(), width: 14.0 }, reason()]
        }));
        headings
    }

    /// Two heading rows: a hidden one of machine names, then one for people, frozen and with a filter.
    fn headings(&self, sheet: &mut Worksheet, headings: &[Heading], part: &Part) -> Result<(), XlsxError> {
        sheet.set_row_hidden(0)?;
        sheet.set_row_height(1, HEADING_HEIGHT)?;
        for (place, heading) in (0..).zip(headings) {
            sheet.set_column_width(place, heading.width)?;
            text_cell(sheet, 0, place, heading.name, &self.formats.hidden)?;
        }
        for (place, heading) in (0..).zip(headings) {
            text_cell(sheet, 1, place, &heading.text, &self.formats.heading)?;
        }
        let last_place = headings.len().saturating_sub(1) as ColNum;
        sheet.autofilter(1, 0, FIRST_ROW - 1 + part.rows.len() as RowNum, last_place)?;
        sheet.set_freeze_panes(FIRST_ROW, 2)?;
        for_print(sheet, PAGES_OF_WIDE_SHEET);
        sheet.set_repeat_rows(1, 1)?.set_repeat_columns(0, 1)?;
        Ok(())
    }

    /// A sheet for reading: its name and one row of headings.
    fn plain_sheet(&self, sheet: &mut Worksheet, name: &str, headings: &[(&str, &str, f64)]) -> Result<(), XlsxError> {
        sheet.set_name(name)?;
        for_print(sheet, 1);
        for (place, (ja, en, width)) in (0..).zip(headings) {
            sheet.set_column_width(place, *width)?;
            text_cell(sheet, 0, place, self.lang.pick(ja, en), &self.formats.heading)?;
        }
        Ok(())
    }
}

/// Writes a text, as long as a cell can hold; an empty one leaves the cell empty.
fn text_cell(sheet: &mut Worksheet, line: RowNum, place: ColNum, text: &str, format: &Format) -> Result<(), XlsxError> {
    const LONGEST: usize = 32_767;
    let text: String = text.chars().take(LONGEST).collect();
    sheet.write_string_with_format(line, place, text, format).map(drop)
}

fn number_cell(
    sheet: &mut Worksheet,
    line: RowNum,
    place: ColNum,
    number: f64,
    format: &Format,
) -> Result<(), XlsxError> {
    sheet.write_number_with_format(line, place, number, format).map(drop)
}

/// Bars behind the scores of a column, 0 to 100.
fn data_bars(sheet: &mut Worksheet, place: ColNum, part: &Part) -> Result<(), XlsxError> {
    if part.rows.is_empty() {
        return Ok(());
    }
    let bars = ConditionalFormatDataBar::new()
        .set_fill_color("8FB4DC")
        .set_solid_fill(true)
        .set_minimum(ConditionalFormatType::Number, 0)
        .set_maximum(ConditionalFormatType::Number, 100);
    let last = FIRST_ROW + part.rows.len() as RowNum - 1;
    sheet.add_conditional_format(FIRST_ROW, place, last, place, &bars).map(drop)
}

/// A4, landscape, so many pages wide.
fn for_print(sheet: &mut Worksheet, pages: u16) {
    const A4: u8 = 9;
    sheet.set_landscape().set_paper_size(A4).set_print_fit_to_pages(pages, 0);
}
