//! Finds the format of a file by its first bytes: names, endings and media types are only hints.

use std::borrow::Cow;
use std::io::Read;

use memchr::memmem;

use crate::base::fault::Reason;
use crate::base::text::Text;
use crate::resources::jobs::Format;

/// How many bytes decide for nearly every file.
pub(super) const HEAD: usize = 8 << 10;
/// How many bytes are looked at if the first ones do not decide.
pub(super) const MAX_HEAD_BYTES: usize = 256 << 10;

/// What the first bytes of a file show.
#[derive(Debug)]
pub(super) enum Sniffed {
    Is(Format),
    /// Nothing that can be imported.
    Not(Reason),
    /// More bytes are needed.
    Undecided,
}

/// Finds the format of a file by its first bytes. `is_final` is whether they are all that will be shown.
pub(super) fn sniff(head: &[u8], is_final: bool) -> Sniffed {
    if head.starts_with(b"PK") && head.get(2).is_some_and(|byte| *byte < 8) {
        return archive(head, is_final);
    }
    if head.starts_with(&OLE) {
        return ole(head, is_final);
    }
    if let Some((_, what)) = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)) {
        return Sniffed::Not(no_table(what));
    }
    let fault = crate::files::text::head_fault(head);
    let Some(text) = text(head) else { return Sniffed::Not(fault.unwrap_or_else(|| no_table(&BINARY))) };
    let blank = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{1a}');
    let text = text.trim_start_matches(blank);
    match text.chars().next() {
        None if is_final => Sniffed::Not(empty()),
        None => Sniffed::Undecided,
        Some('<') => markup(text),
        Some(_) if fault.is_some() => fault.map_or(Sniffed::Undecided, Sniffed::Not),
        Some('{') => object(text, is_final),
        Some('[') => match text.get(1..).unwrap_or_default().trim_start().chars().next() {
            Some('{' | '[' | ']') => Sniffed::Not(no_lines()),
            _ => Sniffed::Is(Format::Csv),
        },
        Some(_) => {
            let first = text.get(..13).unwrap_or_default().to_ascii_lowercase();
            match first.as_str() {
                "mime-version:" => Sniffed::Not(no_table(&WEB_ARCHIVE)),
                _ => Sniffed::Is(Format::Csv),
            }
        }
    }
}

/// The first bytes of a compound file: .xls, .doc, and workbooks with a password.
const OLE: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

type Name = (&'static str, &'static str);

const BINARY: Name = ("文字のファイルでもブックでもない", "neither text nor a workbook");
const WEB_ARCHIVE: Name = ("Webページとして保存された", "a web page");

const SIGNATURES: [(&[u8], Name); 16] = [
    (b"%PDF-", ("PDF の", "a PDF")),
    (b"\x89PNG", ("画像の", "a picture")),
    (b"\xff\xd8\xff", ("画像の", "a picture")),
    (b"GIF8", ("画像の", "a picture")),
    (b"II*\0", ("画像の", "a picture")),
    (b"MM\0*", ("画像の", "a picture")),
    (b"{\\rtf", ("リッチテキスト（RTF）の", "rich text (RTF)")),
    (b"7z\xbc\xaf\x27\x1c", ("7z の", "a 7z archive")),
    (b"Rar!\x1a\x07", ("RAR の", "a RAR archive")),
    (b"\xfd7zXZ\0", ("xz で圧縮した", "packed with xz")),
    (b"BZh", ("bzip2 で圧縮した", "packed with bzip2")),
    (b"\x28\xb5\x2f\xfd", ("Zstandard で圧縮した", "packed with Zstandard")),
    (b"PAR1", ("Parquet の", "Parquet")),
    (b"SQLite format 3\0", ("データベースの", "a database")),
    (b"ID;P", ("SYLK の", "SYLK")),
    // UTF-32, whose byte-order mark begins like that of UTF-16.
    (b"\xff\xfe\0\0", ("UTF-32 の", "UTF-32")),
];

fn file(code: &'static str, ja: impl Into<String>, en: impl Into<String>) -> Reason {
    Reason::File { code, text: Text::new(ja, en) }
}

fn empty() -> Reason {
    file(
        "empty-file",
        "ファイルが空です。見出し行とデータのあるファイルを送ってください",
        "the file is empty; send one with a header and rows",
    )
}

fn no_table(what: &Name) -> Reason {
    file(
        "not-a-table",
        format!("{}ファイルのようです。CSV（UTF-8）か Excel ブック（.xlsx）で保存し直してください", what.0),
        format!("the file looks like {}; save it as CSV (UTF-8) or as a workbook (.xlsx)", what.1),
    )
}

fn no_workbook(what: &Name) -> Reason {
    file(
        "not-a-workbook",
        format!("{}ファイルのようです。Excel や LibreOffice で開き、.xlsx で保存し直してください", what.0),
        format!("the file looks like {}; open it in Excel or LibreOffice and save it as .xlsx", what.1),
    )
}

fn no_lines() -> Reason {
    file(
        "not-ndjson",
        "JSON の配列か、数行にわたるオブジェクトのようです。1行に1つのオブジェクトを書いてください（NDJSON）",
        "the file looks like a JSON array, or an object over several lines; write one object on each line (NDJSON)",
    )
}

/// Returns the reason for refusing a file whose bytes contradict the format that was asked for.
pub(super) fn format_differs(asked: Format, found: Format) -> Reason {
    let name = |format| match format {
        Format::Csv => ("CSV（文字）", "text (CSV)"),
        Format::Ndjson => ("NDJSON", "NDJSON"),
        Format::Xlsx => ("Excel ブック（.xlsx）", "a workbook (.xlsx)"),
    };
    let (asked, found) = (name(asked), name(found));
    file(
        "format-differs",
        format!(
            "format は {} ですが、ファイルは {} です。format を外すか、ファイルに合わせてください",
            asked.0, found.0
        ),
        format!("format says {}, but the file is {}; leave format out, or make it fit", asked.1, found.1),
    )
}

/// Returns the first bytes as text, or `None` if they hold what no text holds.
fn text(head: &[u8]) -> Option<Cow<'_, str>> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).filter_map(|pair| Some(unit(pair.try_into().ok()?))).collect();
        Some(Cow::Owned(String::from_utf16_lossy(&units)))
    };
    match head {
        [0xff, 0xfe, rest @ ..] => return wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return wide(rest, u16::from_be_bytes),
        _ => {}
    }
    // Mainframes fill the end of a file with NULs.
    let end = head.iter().rposition(|byte| !matches!(byte, 0 | 0x1a)).map_or(0, |last| last + 1);
    let filled = head.get(..end).unwrap_or_default();
    // A NUL that strayed into a cell is a fault of its row.
    let nuls = memchr::memchr_iter(0, filled).count();
    let is_odd = |byte: &u8| matches!(byte, 1..=8 | 14..=25 | 127);
    let is_binary = nuls > 0 && (nuls * 10 > filled.len() || filled.iter().any(is_odd));
    let is_text = !is_binary && (end > 0 || !head.contains(&0));
    is_text.then(|| String::from_utf8_lossy(filled))
}

/// Refuses HTML under any name, and XML: neither is read.
fn markup(text: &str) -> Sniffed {
    let begin: String = text.chars().take(2048).collect::<String>().to_ascii_lowercase();
    const PAGES: [&str; 9] =
        ["<!doctype html", "<html", "<head", "<meta", "<body", "<table", "<style", "<script", "<div"];
    let is_page = PAGES.iter().any(|tag| begin.starts_with(tag));
    if is_page || (begin.starts_with("<?xml") || begin.starts_with("<!--")) && begin.contains("<html") {
        let page = ("Webページ（HTML）の", "a web page (HTML), which some programs save as .xls");
        return Sniffed::Not(no_workbook(&page));
    }
    if begin.starts_with("<?xml") || begin.starts_with("<!") {
        let sheet = ("XML スプレッドシートなど XML の", "XML, such as an XML spreadsheet");
        return Sniffed::Not(no_workbook(&sheet));
    }
    Sniffed::Is(Format::Csv)
}

/// Recognizes a line that begins like an object: it is NDJSON unless the line has nothing but the brace.
fn object(text: &str, is_final: bool) -> Sniffed {
    match text.split_once(['\n', '\r']) {
        Some((line, _)) if matches!(line.trim_end(), "{") => Sniffed::Not(no_lines()),
        None if is_final && text.trim_end() == "{" => Sniffed::Not(no_lines()),
        _ => Sniffed::Is(Format::Ndjson),
    }
}

/// Refuses a compound file: a workbook with a password, or a file of Excel before 2007.
fn ole(head: &[u8], is_final: bool) -> Sniffed {
    let has = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memmem::find(head, &wide).is_some()
    };
    if has("EncryptedPackage") {
        return Sniffed::Not(file(
            "password-protected",
            "パスワードの付いたファイルです。パスワードを外し、.xlsx で保存し直してください",
            "the file has a password; remove it and save the file as .xlsx",
        ));
    }
    if has("Workbook") || has("Book") {
        return Sniffed::Not(no_workbook(&("古い形式（.xls）の Excel", "an old workbook (.xls)")));
    }
    if has("WordDocument") || has("PowerPoint Document") {
        return Sniffed::Not(no_table(&("Word や PowerPoint の", "a document or slides")));
    }
    if !is_final {
        return Sniffed::Undecided;
    }
    Sniffed::Not(file(
        "not-a-workbook",
        "古い形式（.xls）か、パスワードの付いたブックのようです。パスワードを外し、.xlsx で保存し直してください",
        "the file looks like an old workbook (.xls), or one with a password; remove the password and save it as .xlsx",
    ))
}

/// Recognizes a ZIP archive: a workbook, or something else.
fn archive(head: &[u8], is_final: bool) -> Sniffed {
    let mut has_parts = false;
    let mut first = None;
    for place in memmem::find_iter(head, b"PK\x03\x04") {
        let Some(entry) = Entry::read(head.get(place..).unwrap_or_default()) else { continue };
        let name = String::from_utf8_lossy(entry.name);
        let within = |folder: &str| name.replace('\\', "/").starts_with(folder);
        match &*name {
            "xl/workbook.bin" => return Sniffed::Not(binary_workbook()),
            "[Content_Types].xml" => {
                has_parts = true;
                if let Some(known) = entry.content().and_then(|types| by_content_types(&types)) {
                    return known;
                }
            }
            "mimetype" if first.is_none() => return Sniffed::Not(by_mimetype(&entry.content().unwrap_or_default())),
            _ if within("xl/") => return Sniffed::Is(Format::Xlsx),
            _ if within("word/") || within("ppt/") => return Sniffed::Not(document()),
            _ if within("_rels/") || within("docProps/") || within("customXml/") => has_parts = true,
            _ => {}
        }
        first.get_or_insert_with(|| name.into_owned());
    }
    match (has_parts, is_final, first) {
        // The job reports what is wrong with it.
        (true, true, _) => Sniffed::Is(Format::Xlsx),
        (true, false, _) => Sniffed::Undecided,
        (false, _, None) => Sniffed::Not(no_workbook(&("空か壊れた ZIP", "an archive that is empty or damaged"))),
        (false, _, Some(name)) => {
            let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
            Sniffed::Not(file(
                "not-a-workbook",
                format!("Excel ブックではない ZIP です。中のファイル（{name} など）を取り出して送ってください"),
                format!("an archive, and no workbook; take the file out of it ({name}) and send that"),
            ))
        }
    }
}

fn binary_workbook() -> Reason {
    no_workbook(&("バイナリ形式（.xlsb）の Excel", "a binary workbook (.xlsb)"))
}

fn document() -> Reason {
    no_table(&("Word や PowerPoint の", "a document or slides"))
}

fn by_content_types(types: &[u8]) -> Option<Sniffed> {
    let has = |word: &str| memmem::find(types, word.as_bytes()).is_some();
    if has("sheet.binary") {
        Some(Sniffed::Not(binary_workbook()))
    } else if has("spreadsheetml") || has("ms-excel") {
        Some(Sniffed::Is(Format::Xlsx))
    } else if has("wordprocessingml") || has("presentationml") {
        Some(Sniffed::Not(document()))
    } else {
        None
    }
}

fn by_mimetype(kind: &[u8]) -> Reason {
    let has = |word: &str| memmem::find(kind, word.as_bytes()).is_some();
    if has("opendocument.spreadsheet") {
        no_workbook(&("LibreOffice などの表（.ods）の", "an OpenDocument spreadsheet (.ods)"))
    } else if has("opendocument") {
        no_table(&("OpenDocument の文書の", "an OpenDocument text or drawing"))
    } else {
        no_table(&("表ではない文書の", "a document that is no table"))
    }
}

/// An entry of an archive, read from its local header.
struct Entry<'a> {
    name: &'a [u8],
    is_packed: bool,
    size: usize,
    rest: &'a [u8],
}

impl<'a> Entry<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let number = |place: usize| {
            let pair = bytes.get(place..place + 2)?;
            Some(usize::from(u16::from_le_bytes(pair.try_into().ok()?)))
        };
        let (method, size) = (number(8)?, number(18)? | (number(20)? << 16));
        let (name_size, extra_size) = (number(26)?, number(28)?);
        let name = bytes.get(30..30 + name_size)?;
        let rest = bytes.get(30 + name_size + extra_size..).unwrap_or_default();
        Some(Self { name, is_packed: method == 8, size, rest })
    }

    /// Returns its content, as far as its bytes are in the head.
    fn content(&self) -> Option<Vec<u8>> {
        /// The list of parts of a workbook is a few kilobytes.
        const LONGEST: u64 = 64 << 10;
        if !self.is_packed {
            return self.rest.get(..self.size.min(self.rest.len())).map(<[u8]>::to_vec);
        }
        let mut content = Vec::new();
        // Data that is cut off ends in an error, but what came before it counts.
        let _ = flate2::read::DeflateDecoder::new(self.rest).take(LONGEST).read_to_end(&mut content);
        Some(content)
    }
}
