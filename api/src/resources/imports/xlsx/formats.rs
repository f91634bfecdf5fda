//! Number formats: which of them make a number a date, and how others show a code.

use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

/// How a format shows a number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Format {
    /// In no way that matters.
    Number,
    /// A date, a time of day, or both.
    Moment,
    /// An elapsed time, such as `[h]:mm`.
    Elapsed,
    /// Digits by places, such as `0000`, with the code of the format.
    Places(Arc<str>),
}

/// A character of a format.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece {
    /// `0`, `#` or `?`.
    Digit(char),
    /// A character that is shown as it is.
    Literal(char),
    /// Anything else, which may have a meaning.
    Code(char),
}

/// A section of a format: for positive numbers, negative ones and so on.
#[derive(Debug, Default)]
struct Section {
    pieces: Vec<Piece>,
    /// What a number is compared with, such as `<=9999999`.
    condition: Option<(Comparison, f64)>,
    is_elapsed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Format {
    /// Returns a built-in format, which has a number and is not written in the file. Those of East Asia are 27 to 36
    /// and 50 to 58.
    pub(super) fn built_in(id: u32) -> Self {
        match id {
            14..=22 | 27..=36 | 45 | 47 | 50..=58 => Self::Moment,
            46 => Self::Elapsed,
            _ => Self::Number,
        }
    }

    pub(super) fn parse(code: &str) -> Self {
        let sections = sections(code);
        let Some(first) = sections.first() else { return Self::Number };
        let letters: String =
            first.pieces.iter().filter_map(Piece::code).map(|code| code.to_ascii_lowercase()).collect();
        if first.is_elapsed {
            Self::Elapsed
        } else if letters.contains(['d', 'm', 'y', 'h', 's']) || letters.contains("aaa") {
            Self::Moment
        } else if sections.iter().any(Section::has_places) {
            Self::Places(code.into())
        } else {
            Self::Number
        }
    }
}

/// Returns a whole number as a format of places shows it, if it shows it digit by digit.
pub(super) fn shown(code: &str, number: f64) -> Option<String> {
    let sections = sections(code);
    let (section, has_sign) = match sections.as_slice() {
        // A section with a condition is for the numbers that meet it. The last section is for all others.
        all if all.iter().any(|section| section.condition.is_some()) => {
            let met = all.iter().find(|section| section.condition.is_some_and(|condition| meets(number, condition)));
            (met.or(all.last())?, number < 0.0)
        }
        [_, negative, ..] if number < 0.0 => (negative, false),
        [_, _, zero, ..] if number == 0.0 => (zero, false),
        [first, ..] => (first, number < 0.0),
        [] => return None,
    };
    if !section.has_places() {
        return None;
    }
    let digits = format!("{:.0}", number.abs());
    let mut left: Vec<char> = if number == 0.0 { Vec::new() } else { digits.chars().collect() };
    let mut places = section.pieces.iter().filter(|piece| matches!(piece, Piece::Digit(_))).count();
    let mut shown = String::from(if has_sign { "-" } else { "" });
    let mut is_first = true;
    for piece in &section.pieces {
        match *piece {
            Piece::Digit(place) => {
                // The first place takes all digits that the others do not need.
                let taken = left.len().saturating_sub(places.saturating_sub(1));
                let taken = if is_first { taken } else { taken.min(1) };
                is_first = false;
                places -= 1;
                match taken {
                    0 if place == '0' => shown.push('0'),
                    taken => shown.extend(left.drain(..taken)),
                }
            }
            Piece::Literal(literal) => shown.push(literal),
            Piece::Code(_) => return None,
        }
    }
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

fn meets(number: f64, (comparison, other): (Comparison, f64)) -> bool {
    match comparison {
        Comparison::Less => number < other,
        Comparison::LessOrEqual => number <= other,
        Comparison::Greater => number > other,
        Comparison::GreaterOrEqual => number >= other,
        Comparison::Equal => number == other,
        Comparison::NotEqual => number != other,
    }
}

impl Piece {
    fn code(&self) -> Option<char> {
        match self {
            Self::Code(code) => Some(*code),
            _ => None,
        }
    }
}

impl Section {
    /// Returns whether it has places for digits, and nothing that shows the number in another way.
    fn has_places(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Digit(_)))
            && self.pieces.iter().all(|piece| piece.code().is_none())
    }
}

fn sections(code: &str) -> Vec<Section> {
    let (mut sections, mut section) = (Vec::new(), Section::default());
    // General shows all digits of a whole number.
    let code = code.replace("General", "0");
    let mut characters = code.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ';' => sections.push(std::mem::take(&mut section)),
            '"' => section.pieces.extend(characters.by_ref().take_while(|next| *next != '"').map(Piece::Literal)),
            // In Japanese formats `!` means what `\` means elsewhere.
            '\\' | '!' => section.pieces.extend(characters.next().map(Piece::Literal)),
            // A blank as wide as the next character, or a fill with it.
            '_' | '*' => {
                characters.next();
                section.pieces.push(Piece::Literal(' '));
            }
            '[' => section.bracket(&bracketed(&mut characters)),
            '0' | '#' | '?' => section.pieces.push(Piece::Digit(character)),
            ' ' | '-' | '+' | '(' | ')' | ':' | '$' | '&' | '\'' | '~' | '{' | '}' | '=' | '^' | '<' | '>' => {
                section.pieces.push(Piece::Literal(character));
            }
            _ if character.is_ascii() => section.pieces.push(Piece::Code(character)),
            _ => section.pieces.push(Piece::Literal(character)),
        }
    }
    sections.push(section);
    sections
}

fn bracketed(characters: &mut Peekable<Chars<'_>>) -> String {
    characters.take_while(|next| *next != ']').collect()
}

impl Section {
    /// Reads the text in brackets: a colour, a language, a condition, or hours that go beyond a day.
    fn bracket(&mut self, inner: &str) {
        let small = inner.to_ascii_lowercase();
        if let Some(first) = small.chars().next().filter(|first| matches!(first, 'h' | 'm' | 's'))
            && small.chars().all(|next| next == first)
        {
            self.is_elapsed = true;
        } else if small.starts_with("dbnum") {
            // Digits of another script.
            self.pieces.push(Piece::Code('['));
        } else if let Some(symbol) = inner.strip_prefix('$') {
            // A currency and a language: [$€-407], or a language alone: [$-411].
            let symbol = symbol.split('-').next().unwrap_or_default();
            self.pieces.extend(symbol.chars().map(Piece::Literal));
        } else {
            const SIGNS: [(&str, Comparison); 6] = [
                ("<=", Comparison::LessOrEqual),
                (">=", Comparison::GreaterOrEqual),
                ("<>", Comparison::NotEqual),
                ("<", Comparison::Less),
                (">", Comparison::Greater),
                ("=", Comparison::Equal),
            ];
            let found = SIGNS.iter().find_map(|(sign, comparison)| Some((*comparison, inner.strip_prefix(sign)?)));
            if let Some((comparison, number)) = found
                && let Ok(number) = number.trim().parse()
            {
                self.condition = Some((comparison, number));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(code: &str, number: f64) -> Option<String> {
        match Format::parse(code) {
            Format::Places(code) => shown(&code, number),
            _ => None,
        }
    }

    #[test]
    fn codes_are_shown_as_their_format_shows_them() {
        for (code, number, wanted) in [
            ("000000", 123.0, "000123"),
            ("0000000", 350_002.0, "0350002"),
            ("0000;-0000", -12.0, "-0012"),
            ("\"A-\"000", 12.0, "A-012"),
            ("00-000", 12_345.0, "12-345"),
            ("00-000", 1_234_567.0, "1234-567"),
            ("00\\-000", 7.0, "00-007"),
            ("[<=999]000;[<=9999]000\\-00;000\\-0000", 1_000_001.0, "100-0001"),
            ("[<=99999999]####\\-####;\\(00\\)\\ ####\\-####", 312_345_678.0, "(03) 1234-5678"),
            ("0_ ", 12.0, "12"),
            ("0番", 12.0, "12番"),
            ("[$-411]000", 12.0, "012"),
            ("0;-0;000", 0.0, "000"),
            ("#", 45.0, "45"),
            ("\"No.\"General", 45.0, "No.45"),
        ] {
            assert_eq!(digits(code, number).as_deref(), Some(wanted), "{code}");
        }
        for code in ["#,##0", "0.00", "0%", "0.00E+00", "# ?/?", "@", "[DBNum3]000", ""] {
            assert_eq!(digits(code, 12.0), None, "{code}");
        }
    }

    #[test]
    fn formats_of_dates_are_known_by_their_letters() {
        for code in [
            "yyyy/m/d",
            "ge.m.d",
            "ggge\"年\"m\"月\"d\"日\"",
            "[$-ja-JP-x-gannen]ggge\"年\"m\"月\"d\"日\";@",
            "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy",
            "h:mm AM/PM",
            "m\"月\"d\"日\"",
            "aaa",
        ] {
            assert_eq!(Format::parse(code), Format::Moment, "{code}");
        }
        for code in ["[h]:mm", "[mm]", "[s].00", "[Red][h]:mm;[h]:mm"] {
            assert_eq!(Format::parse(code), Format::Elapsed, "{code}");
        }
        for code in ["#,##0;[Red]-#,##0", "\\Y\"dm\"#,##0", "#,##0*d", "@"] {
            assert_eq!(Format::parse(code), Format::Number, "{code}");
        }
    }
}
