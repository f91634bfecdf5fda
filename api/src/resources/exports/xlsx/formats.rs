//! How cells look: number formats, and colours of grades in addition to their letters.

use rust_xlsxwriter::{Color, Format, FormatAlign, FormatBorder};
use scoring::{GRADES, Lang, Unit, name};

/// The formats of the workbook's cells.
pub(super) struct Formats {
    pub(super) hidden: Format,
    pub(super) heading: Format,
    pub(super) text: Format,
    pub(super) wrapped: Format,
    pub(super) decimal: Format,
    pub(super) score: Format,
    pub(super) yen: Format,
    /// Yen with its sign, for sheets that mix units.
    pub(super) yen_with_sign: Format,
    pub(super) days: Format,
    pub(super) share: Format,
    pub(super) count: Format,
    pub(super) date: Format,
    /// A to E, from green to red. The letter says the same.
    grades: [Format; 5],
}

impl Formats {
    pub(super) fn new(lang: Lang) -> Self {
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
            // The quote prefix keeps what looks like a formula or a number a text when it is edited.
            text: number("@").set_quote_prefix(),
            wrapped: plain().set_text_wrap().set_align(FormatAlign::Top),
            decimal: number("0.0000"),
            score: number("0.0"),
            yen: number("#,##0"),
            yen_with_sign: number("\"¥\"#,##0"),
            days: number(lang.pick("#,##0\"日\"", "#,##0\" days\"")),
            share: number("0.0%"),
            count: number("#,##0"),
            date: number("yyyy-mm-dd"),
            grades: [0x00C6_E5C3, 0x00E3_F1C4, 0x00FF_F2C2, 0x00FB_D5B0, 0x00F4_B6B0].map(grade),
        }
    }

    pub(super) fn of_unit(&self, unit: Unit) -> &Format {
        match unit {
            Unit::Text => &self.text,
            Unit::Score | Unit::Points => &self.score,
            Unit::Probability => &self.share,
            Unit::Yen => &self.yen,
            Unit::PerYear | Unit::Count | Unit::Years | Unit::Factor | Unit::Days => &self.decimal,
        }
    }

    /// Returns the colour of a grade, or `None` for any other text.
    pub(super) fn of_grade(&self, column: &str, text: &str) -> Option<&Format> {
        let is_grade = column == name::GRADE || column == name::CHAIN_GRADE;
        let place = GRADES.iter().position(|grade| is_grade && *grade == text)?;
        self.grades.get(place)
    }
}
