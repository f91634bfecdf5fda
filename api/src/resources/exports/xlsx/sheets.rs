//! The sheets, one function each.

use std::borrow::Cow;

use rust_xlsxwriter::{ColNum, ConditionalFormatDataBar, ConditionalFormatType, Format, RowNum, Worksheet, XlsxError};
use scoring::{CAVEATS, CONTRIBUTIONS, Explanation, LOSSES, Lang, RESULTS, ResultColumn, Unit, label, name};

use super::formats::Formats;

use super::{Conditions, Line, excel_date};
use crate::frames::FrameCell;
use crate::resources::exports::file::FileError;
use crate::resources::score_runs::overview::{self, Overview, Value};

/// The first row below the two of headings.
pub(super) const FIRST_ROW: RowNum = 2;
/// The height of three lines of a heading.
const HEADING_HEIGHT: f64 = 54.0;
const PAGES_OF_WIDE_SHEET: u16 = 3;

/// What all sheets use.
pub(super) struct Book {
    formats: Formats,
    lang: Lang,
    /// The columns of the list.
    columns: Vec<Column>,
}

/// A column of the list.
enum Column {
    Name,
    Tier,
    Result(&'static ResultColumn),
}

/// A column of a wide sheet: its machine name, its heading, its width, and the format of cells without one of their
/// own.
struct Heading<'a> {
    name: &'static str,
    text: String,
    width: f64,
    format: &'a Format,
}

/// The tier, a column in addition to the model's results.
const TIER: (&str, &str, &str) = ("tier", "取引階層（1＝直接取引先）", "tier (1 supplies the buyer)");

/// The columns that people look for. All others follow in the model's order.
const FIRST_COLUMNS: [&str; 13] = [
    name::SUPPLIER_CODE,
    name::NAME,
    name::GRADE,
    name::RISK_SCORE,
    name::RISK_SCORE_LOW,
    name::RISK_SCORE_HIGH,
    name::CHAIN_GRADE,
    name::CHAIN_SCORE,
    name::EXPECTED_ANNUAL_LOSS_CAUSED_JPY,
    name::EXPECTED_ANNUAL_LOSS_DIRECT_JPY,
    TIER.0,
    name::SIZE_CLASS,
    name::JSIC_SECTION,
];

/// Returns the columns of the list, in order.
fn columns() -> Vec<Column> {
    let others = RESULTS.iter().map(|column| column.name).filter(|name| !FIRST_COLUMNS.contains(name));
    let column = |name| match name {
        name::NAME => Some(Column::Name),
        _ if name == TIER.0 => Some(Column::Tier),
        _ => RESULTS.iter().find(|column| column.name == name).map(Column::Result),
    };
    FIRST_COLUMNS.into_iter().chain(others).filter_map(column).collect()
}

impl Book {
    pub(super) fn new(lang: Lang) -> Self {
        Self { formats: Formats::new(lang), lang, columns: columns() }
    }

    /// Begins a sheet with one row for each supplier and all its results.
    pub(super) fn begin_scores(&self, sheet: &mut Worksheet, part: usize) -> Result<(), XlsxError> {
        sheet.set_name(self.part_name("一覧", "Scores", part))?;
        self.headings(sheet, &self.score_headings())
    }

    pub(super) fn score(&self, sheet: &mut Worksheet, row: RowNum, line: &impl Line) -> Result<(), XlsxError> {
        for (place, column) in (0..).zip(&self.columns) {
            match *column {
                Column::Name => column_text(sheet, row, place, line.name())?,
                Column::Tier => {
                    if let Some(tier) = line.tier() {
                        sheet.write_number(row, place, tier)?;
                    }
                }
                Column::Result(column) => match line.cell(column) {
                    FrameCell::Number(number) => sheet.write_number(row, place, number).map(drop)?,
                    FrameCell::Absent => {}
                    FrameCell::Text(text) => self.result_text(sheet, row, place, column, text)?,
                },
            }
        }
        Ok(())
    }

    /// Writes a text of the results: classes and sections in words, grades in colour.
    fn result_text(
        &self,
        sheet: &mut Worksheet,
        line: RowNum,
        place: ColNum,
        column: &ResultColumn,
        text: &str,
    ) -> Result<(), XlsxError> {
        if let Some(format) = self.formats.of_grade(column.name, text) {
            return sheet.write_string_with_format(line, place, text, format).map(drop);
        }
        let words = match (column.name, self.lang) {
            // In English the key is the shorter word.
            (name::SIZE_CLASS, Lang::Ja) => label(text, self.lang).into(),
            (name::JSIC_SECTION, _) if text != "unknown" => format!("{text} {}", label(text, self.lang)).into(),
            (name::JSIC_SECTION, _) => label(text, self.lang).into(),
            _ => Cow::Borrowed(text),
        };
        column_text(sheet, line, place, &words)
    }

    pub(super) fn end_scores(&self, sheet: &mut Worksheet, end: RowNum) -> Result<(), XlsxError> {
        let headings = self.score_headings();
        filter(sheet, &headings, end)?;
        for (place, column) in (0..).zip(&headings) {
            if column.name == name::RISK_SCORE || column.name == name::CHAIN_SCORE {
                data_bars(sheet, place, end)?;
            }
        }
        Ok(())
    }

    /// Begins a sheet with one row for each supplier, its contributions and losses with their reasons.
    pub(super) fn begin_contributions(&self, sheet: &mut Worksheet, part: usize) -> Result<(), XlsxError> {
        sheet.set_name(self.part_name("内訳", "Contributions", part))?;
        self.headings(sheet, &self.contribution_headings())
    }

    pub(super) fn contribution(&self, sheet: &mut Worksheet, row: RowNum, line: &impl Line) -> Result<(), FileError> {
        for (place, name) in [(0, name::SUPPLIER_CODE), (2, name::RISK_SCORE), (3, name::CHAIN_SCORE)] {
            let cell = RESULTS.iter().find(|column| column.name == name).map(|column| line.cell(column));
            match cell {
                Some(FrameCell::Number(number)) => sheet.write_number(row, place, number).map(drop)?,
                Some(FrameCell::Absent) => {}
                Some(FrameCell::Text(text)) => column_text(sheet, row, place, text)?,
                None => {}
            }
        }
        column_text(sheet, row, 1, line.name())?;
        let Explanation { contributions, downtime, losses } = line.explanation()?;
        // What the model of an older run does not have stays blank.
        let points = CONTRIBUTIONS.map(|key| {
            let part = contributions.iter().find(|part| part.key == key)?;
            Some((part.points, part.reason(self.lang)))
        });
        let losses = losses.iter().map(|part| Some((part.yen, part.reason(self.lang))));
        let downtime = downtime.map(|downtime| (downtime.days, downtime.sentence(self.lang)));
        for (place, part) in (4..).step_by(2).zip(points.into_iter().chain(losses).chain([downtime])) {
            if let Some((number, reason)) = part {
                sheet.write_number(row, place, number)?;
                column_text(sheet, row, place + 1, &reason)?;
            }
        }
        Ok(())
    }

    pub(super) fn end_contributions(&self, sheet: &mut Worksheet, end: RowNum) -> Result<(), XlsxError> {
        filter(sheet, &self.contribution_headings(), end)
    }

    /// Writes the grades, losses, coverage, and what is unknown.
    pub(super) fn overview(&self, sheet: &mut Worksheet, overview: &Overview) -> Result<(), XlsxError> {
        let Formats { wrapped, days, yen_with_sign: yen, share, count, .. } = &self.formats;
        let headings =
            [("等級", "grade", 52.0), ("リスク等級", "own risk", 20.0), ("連鎖等級", "with the chain", 20.0)];
        self.plain_sheet(sheet, self.lang.pick("集計", "Portfolio"), &headings)?;
        let mut line = 0;
        for (grade, own, chain) in overview.by_grade() {
            line += 1;
            let format = self.formats.of_grade(name::GRADE, grade).unwrap_or(&self.formats.text);
            text_cell(sheet, line, 0, grade, format)?;
            number_cell(sheet, line, 1, own as f64, count)?;
            number_cell(sheet, line, 2, chain as f64, count)?;
        }
        line += 1;
        text_cell(
            sheet,
            line,
            0,
            self.lang.pick("全取引先（絞り込みによらない）", "all suppliers, whatever the filter"),
            wrapped,
        )?;
        number_cell(sheet, line, 1, overview.supplier_count as f64, count)?;
        number_cell(sheet, line, 2, overview.supplier_count as f64, count)?;
        for lines in overview.lines(self.lang) {
            line += 1;
            for overview::Line { label, value } in lines {
                line += 1;
                text_cell(sheet, line, 0, &label, wrapped)?;
                match value {
                    Value::Yen(value) => number_cell(sheet, line, 1, value, yen)?,
                    Value::Share(value) => number_cell(sheet, line, 1, value, share)?,
                    Value::Count(value) => number_cell(sheet, line, 1, value as f64, count)?,
                    Value::Days(value) => number_cell(sheet, line, 1, value, days)?,
                    Value::Of(part) => {
                        number_cell(sheet, line, 1, part.count as f64, count)?;
                        if let Some(part) = part.share() {
                            number_cell(sheet, line, 2, part, share)?;
                        }
                    }
                }
            }
        }
        self.controls(sheet, line + 2, overview)
    }

    /// Writes what is known about each control, each count with its share, from a line of the sheet on.
    fn controls(&self, sheet: &mut Worksheet, first: RowNum, overview: &Overview) -> Result<(), XlsxError> {
        let Formats { wrapped, heading, share, count, .. } = &self.formats;
        if overview.controls.is_empty() {
            return Ok(());
        }
        let of_all = self.lang.pick("割合", "share");
        let [(ja, en), parts @ ..] = overview::CONTROL_HEADINGS;
        text_cell(sheet, first, 0, self.lang.pick(ja, en), heading)?;
        for (place, (ja, en)) in (1..).step_by(2).zip(parts) {
            text_cell(sheet, first, place, self.lang.pick(ja, en), heading)?;
            text_cell(sheet, first, place + 1, of_all, heading)?;
        }
        for (line, known) in (first + 1..).zip(&overview.controls) {
            text_cell(sheet, line, 0, label(&known.control, self.lang), wrapped)?;
            for (place, part) in (1..).step_by(2).zip([Some(known.known), known.met, Some(known.verified)]) {
                let Some(part) = part else { continue };
                number_cell(sheet, line, place, part.count as f64, count)?;
                if let Some(part) = part.share() {
                    number_cell(sheet, line, place + 1, part, share)?;
                }
            }
        }
        Ok(())
    }

    /// Writes what each column means.
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
        let yen = Unit::Yen.text(self.lang);
        let others = [
            (
                TIER,
                "",
                "発注者への最短の供給経路の長さ。空は経路が未登録",
                "the length of the shortest path of supply to the buyer; empty where none is recorded",
            ),
            ((name::NAME, "取引先名", "name"), "", "計算したときの名称", "the name when it was scored"),
        ];
        let losses = LOSSES.map(|loss| {
            (
                loss,
                yen,
                "年間期待損失の内訳（内訳のシート）",
                "a part of the expected annual losses, on the sheet of contributions",
            )
        });
        for (((name, ja, en), unit, meaning_ja, meaning_en), line) in
            others.into_iter().chain(losses).zip(RESULTS.len() as RowNum + 1..)
        {
            let texts = [name, self.lang.pick(ja, en), unit, self.lang.pick(meaning_ja, meaning_en)];
            for (place, text) in (0..).zip(texts) {
                text_cell(sheet, line, place, text, &self.formats.wrapped)?;
            }
        }
        Ok(())
    }

    /// Writes what the scores were computed from, and what has to be noted about them.
    pub(super) fn conditions(&self, sheet: &mut Worksheet, conditions: &Conditions) -> Result<(), XlsxError> {
        let Formats { text, wrapped, count, date, .. } = &self.formats;
        let Conditions { provenance, supplier_count, others } = conditions;
        self.plain_sheet(
            sheet,
            self.lang.pick("条件", "Conditions"),
            &[("項目", "item", 24.0), ("値", "value", 100.0)],
        )?;
        let label = |sheet: &mut Worksheet, line, ja, en| text_cell(sheet, line, 0, self.lang.pick(ja, en), wrapped);
        // In constant-memory mode a row cannot be changed once the next one has begun.
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
        number_cell(sheet, 4, 1, *supplier_count as f64, count)?;
        let mut line = 4;
        for (item, value) in others {
            line += 1;
            label(sheet, line, item.ja.as_str(), item.en.as_str())?;
            text_cell(sheet, line, 1, value, text)?;
        }
        for (ja, en) in CAVEATS {
            line += 1;
            label(sheet, line, "ご注意", "please note")?;
            text_cell(sheet, line, 1, self.lang.pick(ja, en), wrapped)?;
        }
        Ok(())
    }

    fn part_name(&self, ja: &str, en: &str, part: usize) -> String {
        let name = self.lang.pick(ja, en);
        if part == 0 { name.to_owned() } else { format!("{name} {}", part + 1) }
    }

    fn score_headings(&self) -> Vec<Heading<'_>> {
        let heading = |column: &Column| match column {
            Column::Name => self.name_heading(),
            Column::Tier => {
                let (name, ja, en) = TIER;
                Heading { name, text: self.lang.pick(ja, en).to_owned(), width: 13.0, format: &self.formats.count }
            }
            Column::Result(column) => self.result_heading(column),
        };
        self.columns.iter().map(heading).collect()
    }

    fn result_heading(&self, column: &ResultColumn) -> Heading<'_> {
        let text = self.lang.pick(column.heading.0, column.heading.1).to_owned();
        let width = if column.unit == Unit::Yen { 18.0 } else { 13.0 };
        Heading { name: column.name, text, width, format: self.formats.of_unit(column.unit) }
    }

    fn name_heading(&self) -> Heading<'_> {
        let text = self.lang.pick("取引先名", "name").to_owned();
        Heading { name: name::NAME, text, width: 28.0, format: &self.formats.text }
    }

    fn contribution_headings(&self) -> Vec<Heading<'_>> {
        let Formats { text: plain, yen, .. } = &self.formats;
        let result = |name: &str| RESULTS.iter().find(|column| column.name == name);
        let with_reason = |number| {
            let number: Heading<'_> = number;
            let text = self.lang.pick(format!("理由（{}）", number.text), format!("reason ({})", number.text));
            [number, Heading { name: "", text, width: 42.0, format: plain }]
        };
        let mut headings = Vec::new();
        headings.extend(result(name::SUPPLIER_CODE).map(|column| self.result_heading(column)));
        headings.push(self.name_heading());
        let scores = [name::RISK_SCORE, name::CHAIN_SCORE].into_iter().filter_map(result);
        headings.extend(scores.map(|column| self.result_heading(column)));
        let points = CONTRIBUTIONS.into_iter().filter_map(result).map(|column| self.result_heading(column));
        headings.extend(points.flat_map(with_reason));
        let losses = LOSSES.into_iter().map(|(name, ja, en)| {
            let text = self.lang.pick(ja, en).to_owned();
            Heading { name, text, width: 14.0, format: yen }
        });
        headings.extend(losses.flat_map(with_reason));
        let downtime = result(name::MEAN_DOWNTIME_DAYS).map(|column| self.result_heading(column));
        headings.extend(downtime.into_iter().flat_map(with_reason));
        headings
    }

    /// Writes two rows of headings, frozen: a hidden one of machine names, then one for people.
    fn headings(&self, sheet: &mut Worksheet, headings: &[Heading<'_>]) -> Result<(), XlsxError> {
        sheet.set_row_hidden(0)?;
        sheet.set_row_height(1, HEADING_HEIGHT)?;
        for (place, heading) in (0..).zip(headings) {
            sheet.set_column_width(place, heading.width)?;
            // The format is that of the column, not of each cell: a cell's own format is looked up each time.
            sheet.set_column_format(place, heading.format)?;
            text_cell(sheet, 0, place, heading.name, &self.formats.hidden)?;
        }
        for (place, heading) in (0..).zip(headings) {
            text_cell(sheet, 1, place, &heading.text, &self.formats.heading)?;
        }
        sheet.set_freeze_panes(FIRST_ROW, 2)?;
        for_print(sheet, PAGES_OF_WIDE_SHEET);
        sheet.set_repeat_rows(1, 1)?.set_repeat_columns(0, 1)?;
        Ok(())
    }

    /// Begins a sheet for reading, with its name and one row of headings.
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

/// Returns as much of a text as a cell can hold.
fn held(text: &str) -> &str {
    const MAX_CELL_LENGTH: usize = 32_767;
    if text.len() <= MAX_CELL_LENGTH {
        return text;
    }
    text.char_indices().nth(MAX_CELL_LENGTH).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Writes a text in the format of its column. An empty text leaves the cell empty.
fn column_text(sheet: &mut Worksheet, line: RowNum, place: ColNum, text: &str) -> Result<(), XlsxError> {
    sheet.write_string(line, place, held(text)).map(drop)
}

/// Writes a text in a format of its own.
fn text_cell(sheet: &mut Worksheet, line: RowNum, place: ColNum, text: &str, format: &Format) -> Result<(), XlsxError> {
    sheet.write_string_with_format(line, place, held(text), format).map(drop)
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

/// Adds a filter over the rows before `end`.
fn filter(sheet: &mut Worksheet, headings: &[Heading<'_>], end: RowNum) -> Result<(), XlsxError> {
    let last_place = headings.len().saturating_sub(1) as ColNum;
    sheet.autofilter(FIRST_ROW - 1, 0, end - 1, last_place).map(drop)
}

/// Adds bars behind the scores of a column, from 0 to 100.
fn data_bars(sheet: &mut Worksheet, place: ColNum, end: RowNum) -> Result<(), XlsxError> {
    if end == FIRST_ROW {
        return Ok(());
    }
    let bars = ConditionalFormatDataBar::new()
        .set_fill_color("8FB4DC")
        .set_solid_fill(true)
        .set_minimum(ConditionalFormatType::Number, 0)
        .set_maximum(ConditionalFormatType::Number, 100);
    sheet.add_conditional_format(FIRST_ROW, place, end - 1, place, &bars).map(drop)
}

/// Sets a sheet to A4, landscape and `pages` pages wide.
fn for_print(sheet: &mut Worksheet, pages: u16) {
    const A4: u8 = 9;
    sheet.set_landscape().set_paper_size(A4).set_print_fit_to_pages(pages, 0);
}
