//! The workbook that people fill in: a sheet for each kind, and one that explains each column.

use rust_xlsxwriter::{Color, DataValidation, Format, FormatAlign, Workbook, Worksheet, XlsxError};
use schema::{Choice, RecordKind};
use scoring::Lang;

use crate::base::fields::{Field, Kind};
use crate::records::columns;

/// How many rows are prepared for entries.
const ROWS: u32 = 5000;

struct Formats {
    required: Format,
    optional: Format,
    text: Format,
    date: Format,
    wrapped: Format,
}

impl Formats {
    fn new() -> Self {
        let base = || Format::new().set_font_name("Yu Gothic").set_font_size(11);
        let heading = |color| base().set_bold().set_background_color(Color::RGB(color)).set_text_wrap();
        Self {
            required: heading(0x00FF_E699),
            optional: heading(0x00DD_EBF7),
            // Codes stay text: a spreadsheet would remove their leading zeros.
            text: base().set_num_format("@"),
            date: base().set_num_format("yyyy-mm-dd"),
            wrapped: base().set_text_wrap().set_align(FormatAlign::Top),
        }
    }
}

/// Returns the bytes of the workbook.
pub(super) fn write(lang: Lang) -> Result<Vec<u8>, XlsxError> {
    let (mut book, formats) = (Workbook::new(), Formats::new());
    for (kind, key, ja) in RecordKind::ALL {
        let sheet = book.add_worksheet();
        sheet.set_name(lang.pick(*ja, *key))?;
        write_kind(sheet, *kind, lang, &formats)?;
    }
    let sheet = book.add_worksheet();
    sheet.set_name(lang.pick("列の説明", "columns"))?;
    explain(sheet, lang, &formats)?;
    book.save_to_buffer()
}

fn write_kind(sheet: &mut Worksheet, kind: RecordKind, lang: Lang, formats: &Formats) -> Result<(), XlsxError> {
    for (place, field) in columns(kind).enumerate() {
        let column = place as u16;
        let heading = if field.is_required { &formats.required } else { &formats.optional };
        let cells = match field.kind {
            Kind::Date => &formats.date,
            Kind::Text { .. } | Kind::Digits { .. } | Kind::Choice(_) | Kind::Time | Kind::Id => &formats.text,
            Kind::Whole(..) | Kind::Number(..) | Kind::Flag => &Format::new(),
        };
        sheet.set_column_format(column, cells)?.set_column_width(column, 18)?;
        sheet.write_with_format(0, column, lang.pick(field.heading, field.name), heading)?;
        if let Some(rule) = validation(&field, lang)? {
            sheet.add_data_validation(1, column, ROWS, column, &rule)?;
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    Ok(())
}

/// Returns the list that a cell offers if its values are a closed set.
fn validation(field: &Field, lang: Lang) -> Result<Option<DataValidation>, XlsxError> {
    let values: Vec<&str> = match field.kind {
        Kind::Choice(words) => words.iter().map(|(key, ja)| lang.pick(*ja, *key)).collect(),
        Kind::Flag => vec!["TRUE", "FALSE"],
        _ => return Ok(None),
    };
    Ok(Some(DataValidation::new().allow_list_strings(&values)?))
}

fn explain(sheet: &mut Worksheet, lang: Lang, formats: &Formats) -> Result<(), XlsxError> {
    let headings: [&str; 7] = lang.pick(
        ["シート", "見出し", "列名", "必須", "内容", "値", "例"],
        ["sheet", "Japanese heading", "column", "required", "meaning", "values", "example"],
    );
    for (column, heading) in headings.into_iter().enumerate() {
        sheet.write_with_format(0, column as u16, heading, &formats.optional)?;
    }
    let mut row = 0;
    for (kind, key, ja) in RecordKind::ALL {
        for field in columns(*kind) {
            row += 1;
            let required = if field.is_required { lang.pick("必須", "required") } else { "" };
            let example = field.example.trim_matches('"');
            let cells = [
                lang.pick(*ja, *key).to_owned(),
                field.heading.to_owned(),
                field.name.to_owned(),
                required.to_owned(),
                lang.pick(field.ja, field.en).to_owned(),
                values(&field, lang),
                example.to_owned(),
            ];
            for (column, cell) in cells.iter().enumerate() {
                sheet.write_string_with_format(row, column as u16, cell, &formats.wrapped)?;
            }
        }
    }
    for (column, width) in [16, 18, 24, 8, 60, 48, 24].into_iter().enumerate() {
        sheet.set_column_width(column as u16, width)?;
    }
    sheet.set_freeze_panes(1, 0)?.autofilter(0, 0, row, 6)?;
    Ok(())
}

/// Returns in words what a column may hold.
fn values(field: &Field, lang: Lang) -> String {
    match field.kind {
        Kind::Text { max } => lang.pick(format!("文字列（{max}文字まで）"), format!("text, {max} characters at most")),
        Kind::Digits { count } => lang.pick(format!("数字{count}桁"), format!("{count} digits")),
        Kind::Choice(words) => {
            let each = words.iter().map(|(key, ja)| format!("{ja} ({key})"));
            each.collect::<Vec<_>>().join(lang.pick("、", ", "))
        }
        Kind::Whole(low, _) => lang.pick(format!("{low}以上の整数"), format!("a whole number, {low} or more")),
        Kind::Number(low, high) => lang.pick(format!("{low}〜{high}の数"), format!("a number, {low} to {high}")),
        Kind::Date => lang.pick("日付（YYYY-MM-DD）", "a date, YYYY-MM-DD").to_owned(),
        Kind::Time => lang.pick("時差つきの日時（RFC 3339）", "a moment with its offset (RFC 3339)").to_owned(),
        Kind::Flag => "TRUE / FALSE".to_owned(),
        Kind::Id => "UUID".to_owned(),
    }
}
