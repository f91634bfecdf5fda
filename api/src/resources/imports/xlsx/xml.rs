//! The XML of a workbook's parts, token by token.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::archive::Source;
use super::{Ended, damage, damaged, limit};

/// The longest text of a cell in Excel.
pub(super) const MAX_TEXT_LENGTH: usize = 32_767;
/// The longest name of an element, and the deepest nesting: names of open elements are held in memory.
const MAX_NAME_LENGTH: usize = 256;
const DEEPEST: usize = 64;
/// The longest value of an attribute that is kept.
const MAX_ATTRIBUTE_LENGTH: usize = 4096;

/// A part that is being read.
pub(super) struct Part<S> {
    xml: Reader<S>,
    buffer: Vec<u8>,
    depth: usize,
}

/// The next token of a part. The root element has depth 1.
pub(super) enum Token<'a> {
    Open(usize, Tag<'a>),
    /// The end of the element that was opened at this depth.
    Close(usize),
    Text(Cow<'a, str>),
    /// A comment or the like.
    Other,
    End,
}

/// An element as it opens.
pub(super) struct Tag<'a>(BytesStart<'a>);

impl Tag<'_> {
    /// Returns its name, without a prefix.
    pub(super) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// Calls `visit` with each attribute: its name without a prefix, and its value.
    pub(super) fn attributes(&self, mut visit: impl FnMut(&str, &str)) -> Result<(), Ended> {
        for attribute in self.0.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| damaged(&error))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| damaged(&error))?;
            visit(attribute.key.local_name().as_ref(), &value);
        }
        Ok(())
    }

    /// Returns the value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Result<Option<String>, Ended> {
        let (mut found, mut is_long) = (None, false);
        self.attributes(|known, value| {
            if known == name && found.is_none() {
                is_long = value.len() > MAX_ATTRIBUTE_LENGTH;
                found = (!is_long).then(|| value.to_owned());
            }
        })?;
        match is_long {
            true => Err(damage(format!("{name} が長すぎます"), format!("{name} is too long"))),
            false => Ok(found),
        }
    }
}

impl<'s, 'p> Part<Source<'s, 'p>> {
    pub(super) fn new(source: Source<'s, 'p>) -> Self {
        let mut xml = Reader::from_reader(source);
        xml.config_mut().expand_empty_elements = true;
        Self { xml, buffer: Vec::new(), depth: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Token<'_>, Ended> {
        self.buffer.clear();
        self.xml.get_mut().next_token();
        let event = match self.xml.read_event_into(&mut self.buffer) {
            Ok(event) => event,
            Err(error) => return Err(self.xml.get_mut().take_end().unwrap_or_else(|| damaged(&error))),
        };
        Ok(match event {
            Event::Start(tag) => {
                self.depth += 1;
                if self.depth > DEEPEST || tag.name().as_ref().len() > MAX_NAME_LENGTH {
                    return Err(damage("XMLの入れ子が深すぎます", "its XML is nested too deeply"));
                }
                Token::Open(self.depth, Tag(tag))
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Token::Close(self.depth + 1)
            }
            Event::Text(text) => Token::Text(text.xml10_content()),
            Event::CData(text) => Token::Text(text.xml10_content()),
            Event::GeneralRef(name) => {
                let character = name.resolve_char_ref().map_err(|error| damaged(&error))?;
                match (character, quick_xml::escape::resolve_xml_entity(&name)) {
                    (Some(character), _) => Token::Text(Cow::Owned(character.to_string())),
                    (None, Some(text)) => Token::Text(Cow::Borrowed(text)),
                    (None, None) => return Err(damage("不明な実体参照があります", "it has an unknown entity")),
                }
            }
            // Workbooks have no document types. What one declares is never expanded.
            Event::DocType(_) => return Err(damage("文書型宣言があります", "it declares a document type")),
            Event::Eof if self.depth > 0 => return Err(damage("途中で終わっています", "it ends too early")),
            Event::Eof => Token::End,
            _ => Token::Other,
        })
    }

    /// Reads the text of an element up to its end: its runs joined, without phonetic guides.
    pub(super) fn text(&mut self, depth: usize, text: &mut String) -> Result<(), Ended> {
        // The depth of the run, where it begins in the text, and whether its outer blanks count.
        let mut run: Option<(usize, usize, bool)> = None;
        let mut guide = None;
        loop {
            match self.next()? {
                Token::Open(at, tag) if tag.name() == "rPh" => guide = guide.or(Some(at)),
                Token::Open(at, tag) if tag.name() == "t" && guide.is_none() && run.is_none() => {
                    let mut is_exact = false;
                    tag.attributes(|name, value| is_exact |= name == "space" && value == "preserve")?;
                    run = Some((at, text.len(), is_exact));
                }
                Token::Text(piece) if run.is_some() => append(text, &piece)?,
                Token::Close(at) if at == depth => return check_length(text),
                Token::Close(at) => {
                    if guide == Some(at) {
                        guide = None;
                    }
                    if let Some((_, start, is_exact)) = run.take_if(|(opened, ..)| *opened == at) {
                        let written = text.split_off(start);
                        let blanks: &[char] = if is_exact { &[] } else { &[' ', '\t', '\r', '\n'] };
                        text.push_str(&unescaped(written.trim_matches(blanks)));
                    }
                }
                Token::End => return Err(damage("途中で終わっています", "it ends too early")),
                _ => {}
            }
        }
    }
}

/// Adds a piece to the text of a cell. Fails once the text is too long in any case.
pub(super) fn append(text: &mut String, piece: &str) -> Result<(), Ended> {
    if text.len() + piece.len() > 4 * MAX_TEXT_LENGTH {
        return Err(too_long());
    }
    text.push_str(piece);
    Ok(())
}

/// Refuses the complete text of a cell if it has more characters than a cell can have.
pub(super) fn check_length(text: &str) -> Result<(), Ended> {
    if text.len() > MAX_TEXT_LENGTH && text.chars().count() > MAX_TEXT_LENGTH { Err(too_long()) } else { Ok(()) }
}

fn too_long() -> Ended {
    Ended::Refused(limit(
        format!("1つのセルの文字列が{MAX_TEXT_LENGTH}文字を超えています。短くしてください"),
        format!("the text of a cell has more than {MAX_TEXT_LENGTH} characters; shorten it"),
    ))
}

/// Returns a text as Excel shows it. Excel writes a carriage return as `_x000D_`, and `_x005F_` for the `_` of a text
/// that looks like that.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("_x") {
        return Cow::Borrowed(text);
    }
    let (mut units, mut rest) = (Vec::new(), text);
    while let Some(place) = rest.find("_x") {
        let (before, after) = rest.split_at(place);
        units.extend(before.encode_utf16());
        let digits = after.get(2..6).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits
            .and_then(|digits| u16::from_str_radix(digits, 16).ok())
            .zip(after.get(6..).and_then(|after| after.strip_prefix('_')))
        {
            Some((unit, after)) => {
                units.push(unit);
                rest = after;
            }
            None => {
                units.extend("_".encode_utf16());
                rest = after.get(1..).unwrap_or_default();
            }
        }
    }
    units.extend(rest.encode_utf16());
    Cow::Owned(String::from_utf16_lossy(&units))
}
