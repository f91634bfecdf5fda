//! The structure of a workbook: its sheets, its shared texts and its number formats.

use std::collections::HashMap;

use super::archive::{Archive, Source};
use super::formats::Format;
use super::kind::other_archive;
use super::xml::{Part, Token};
use super::{Ended, damage, limit};

const MAX_SHEETS: usize = 1_000;
/// The most relations of a part. Excel writes fewer.
const MAX_RELATIONS: usize = 10_000;
const MAX_STYLES: usize = 1 << 16;
const MAX_FORMATS: usize = 10_000;
/// The longest number format in Excel.
const MAX_FORMAT_LENGTH: usize = 255;

/// A workbook, without the cells of its sheets.
pub(super) struct Book {
    pub(super) sheets: Vec<Sheet>,
    /// The part that has the shared texts, if there are any.
    pub(super) texts: Option<String>,
    styles: Option<String>,
    /// Whether dates count from 1904.
    pub(super) is_1904: bool,
}

/// A sheet with cells.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub(super) name: String,
    pub(super) part: String,
    pub(super) is_visible: bool,
}

/// How a part refers to another.
struct Relation {
    id: String,
    kind: String,
    part: String,
}

impl Book {
    pub(super) fn read(archive: &mut Archive<'_>) -> Result<Self, Ended> {
        let first = relations(archive, "", "")?;
        let document = first.into_iter().find(|relation| relation.kind == "officeDocument");
        let part = document.map_or_else(|| "xl/workbook.xml".to_owned(), |relation| relation.part);
        let (folder, name) = part.rsplit_once('/').unwrap_or(("", &part));
        let relations = relations(archive, folder, name)?;
        let of_kind = |kind| relations.iter().find(|relation| relation.kind == kind).map(|found| found.part.clone());
        let mut book =
            Self { sheets: Vec::new(), texts: of_kind("sharedStrings"), styles: of_kind("styles"), is_1904: false };
        let Some(mut xml) = archive.part(&part)? else { return Err(Ended::Refused(other_archive(archive))) };
        let is_workbook = book.read_sheets(&mut xml, &relations)?;
        drop(xml);
        if is_workbook { Ok(book) } else { Err(Ended::Refused(other_archive(archive))) }
    }

    /// Reads the sheets. Returns whether the part is a workbook at all.
    fn read_sheets(&mut self, xml: &mut Part<Source<'_, '_>>, relations: &[Relation]) -> Result<bool, Ended> {
        let mut is_list = false;
        loop {
            match xml.next()? {
                Token::Open(1, tag) if tag.name() != "workbook" => return Ok(false),
                Token::Open(2, tag) => {
                    is_list = tag.name() == "sheets";
                    if tag.name() == "workbookPr" {
                        tag.attributes(|name, value| {
                            self.is_1904 |= name == "date1904" && matches!(value, "1" | "true")
                        })?;
                    }
                }
                Token::Open(3, tag) if is_list && tag.name() == "sheet" => {
                    let (name, id) = (tag.attribute("name")?, tag.attribute("id")?);
                    let is_visible = tag.attribute("state")?.is_none_or(|state| state == "visible");
                    let relation = relations.iter().find(|relation| Some(&relation.id) == id.as_ref());
                    // A sheet of charts has no cells.
                    let part = relation.filter(|relation| relation.kind == "worksheet").map(|found| found.part.clone());
                    if let (Some(name), Some(part)) = (name, part) {
                        // Names are shown and stored. Those of Excel have no such characters.
                        let name = name.replace(char::is_control, "\u{fffd}");
                        self.sheets.push(Sheet { name, part, is_visible });
                    }
                    if self.sheets.len() > MAX_SHEETS {
                        return Err(Ended::Refused(limit(
                            format!("ブックのシートが{MAX_SHEETS}枚を超えています。使わないシートを消してください"),
                            format!("the workbook has more than {MAX_SHEETS} sheets; delete those that are not needed"),
                        )));
                    }
                }
                Token::End => return Ok(true),
                _ => {}
            }
        }
    }

    /// Returns the number format of each style.
    pub(super) fn formats(&self, archive: &mut Archive<'_>) -> Result<Vec<Format>, Ended> {
        let (mut own, mut formats) = (HashMap::new(), Vec::new());
        let Some(part) = &self.styles else { return Ok(formats) };
        let Some(mut xml) = archive.part(part)? else { return Ok(formats) };
        let mut section = Section::Other;
        loop {
            match xml.next()? {
                Token::Open(2, tag) => {
                    section = match tag.name() {
                        "numFmts" => Section::Formats,
                        "cellXfs" => Section::Styles,
                        _ => Section::Other,
                    };
                }
                Token::Open(3, tag) if section != Section::Other => {
                    let (mut id, mut code) = (0, None);
                    tag.attributes(|name, value| match name {
                        "numFmtId" => id = value.parse().unwrap_or(0),
                        "formatCode" => code = Some(value.to_owned()),
                        _ => {}
                    })?;
                    match (section, code) {
                        (Section::Formats, Some(code)) if code.chars().count() > MAX_FORMAT_LENGTH => {
                            return Err(damage("表示形式が長すぎます", "a number format is too long"));
                        }
                        (Section::Formats, Some(code)) => _ = own.insert(id, Format::parse(&code)),
                        (Section::Styles, _) => {
                            formats.push(own.get(&id).cloned().unwrap_or_else(|| Format::built_in(id)));
                        }
                        _ => {}
                    }
                    if formats.len() > MAX_STYLES || own.len() > MAX_FORMATS {
                        return Err(Ended::Refused(limit(
                            "ブックのセルの書式が多すぎます。値だけを新しいブックに貼り付けてください",
                            "the workbook has too many formats of cells; paste the values alone into a new workbook",
                        )));
                    }
                }
                Token::End => return Ok(formats),
                _ => {}
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Section {
    Formats,
    Styles,
    Other,
}

/// Reads the relations of a part, or of the whole archive if the name is empty.
fn relations(archive: &mut Archive<'_>, folder: &str, name: &str) -> Result<Vec<Relation>, Ended> {
    let mut relations = Vec::new();
    let list = joined(folder, &format!("_rels/{name}.rels"));
    let Some(mut xml) = archive.part(&list)? else { return Ok(relations) };
    loop {
        match xml.next()? {
            Token::Open(2, tag) if tag.name() == "Relationship" => {
                let kind = tag.attribute("Type")?.unwrap_or_default();
                // The rest of the type differs between the two forms of the format.
                let kind = kind.rsplit('/').next().unwrap_or_default();
                if !matches!(kind, "officeDocument" | "worksheet" | "sharedStrings" | "styles") {
                    continue;
                }
                let (id, target) = (tag.attribute("Id")?, tag.attribute("Target")?);
                if let (Some(id), Some(target)) = (id, target) {
                    relations.push(Relation { id, kind: kind.to_owned(), part: joined(folder, &target) });
                }
                if relations.len() > MAX_RELATIONS {
                    return Err(damage("参照が多すぎます", "it has too many relations"));
                }
            }
            Token::End => return Ok(relations),
            _ => {}
        }
    }
}

/// Returns the full name of a part that another part in this folder refers to.
fn joined(folder: &str, target: &str) -> String {
    let mut names: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for name in target.split('/') {
        match name {
            ".." => _ = names.pop(),
            "." => {}
            name => names.push(name),
        }
    }
    names.retain(|name| !name.is_empty());
    names.join("/")
}
