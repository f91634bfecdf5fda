//! Text files, and the signs that a text is in an encoding other than UTF-8, or was read in a wrong one earlier.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::sync::LazyLock;

use encoding_rs::{EUC_JP, Encoding, SHIFT_JIS, WINDOWS_1252};
use unicode_normalization::UnicodeNormalization;

use crate::base::fault::Reason;

/// The number of bytes that are checked before a file is read.
const CHECKED_BYTES: u64 = 1 << 12;

/// Opens a text file without the marks at its ends: a byte order mark, and what mainframes and DOS append after the
/// last line.
///
/// # Errors
/// Fails with the errors of the file system. If the file is in UTF-16 or UTF-32, the cause of the error is the reason.
pub(crate) fn open(file: &File) -> io::Result<Take<File>> {
    let mut file = file.try_clone()?;
    let end = end_of_text(&mut file)?;
    file.rewind()?;
    let mut head = Vec::new();
    (&mut file).take(CHECKED_BYTES.min(end)).read_to_end(&mut head)?;
    if let Some(name) = wide_encoding(&head) {
        return Err(Refused(Reason::NotUtf8(Some(name))).into());
    }
    let start = if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    file.seek(SeekFrom::Start(start))?;
    Ok(file.take(end.saturating_sub(start)))
}

/// Returns the position at which the text of a file ends: before a final 0x1A and any NULs.
fn end_of_text(file: &mut File) -> io::Result<u64> {
    let whole = file.seek(SeekFrom::End(0))?;
    let mut end = last_but(file, whole, b"\0")?;
    // Line breaks may follow the mark. Without a mark they belong to the text.
    let mark = last_but(file, end, b"\0\r\n")?;
    if mark > 0 {
        file.seek(SeekFrom::Start(mark - 1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last == [0x1A] {
            end = last_but(file, mark - 1, b"\0")?;
        }
    }
    Ok(end)
}

/// Returns the position after the last byte before `end` that is not one of `skipped`.
fn last_but(file: &mut File, mut end: u64, skipped: &[u8]) -> io::Result<u64> {
    const PIECE: u64 = 1 << 16;
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        file.take(end - start).read_to_end(&mut piece)?;
        if let Some(place) = piece.iter().rposition(|byte| !skipped.contains(byte)) {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Returns why a text with these first bytes is refused as a whole: it is in another encoding, or its header is not
/// UTF-8.
pub(crate) fn head_fault(head: &[u8]) -> Option<Reason> {
    if let Some(name) = wide_encoding(head) {
        return Some(Reason::NotUtf8(Some(name)));
    }
    if has_escape(head) {
        return Some(ISO_2022_JP);
    }
    let header = head.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    // The last character of the bytes may be cut off.
    let is_wrong = str::from_utf8(header).is_err_and(|error| error.error_len().is_some());
    is_wrong.then(|| not_utf8(header))
}

/// Whether the bytes switch the character set, as ISO-2022-JP does.
fn has_escape(bytes: &[u8]) -> bool {
    memchr::memchr_iter(ESCAPE, bytes).any(|place| is_set(bytes.get(place + 1)))
}

const ESCAPE: u8 = 0x1B;

/// Whether a byte after an escape names a character set.
fn is_set(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b'$' | b'('))
}

/// Refuses whole lines of a file that are ISO-2022-JP: their bytes are ASCII and would pass for UTF-8.
pub(super) fn refuse_escapes(lines: &[u8]) -> io::Result<()> {
    if has_escape(lines) { Err(Refused(ISO_2022_JP).into()) } else { Ok(()) }
}

const ISO_2022_JP: Reason = Reason::NotUtf8(Some("ISO-2022-JP (JIS)"));

/// Returns the encoding with two or four bytes per character that a text seems to have.
fn wide_encoding(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\xFF\xFE\0\0") || head.starts_with(b"\0\0\xFE\xFF") {
        return Some("UTF-32");
    }
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return Some("UTF-16");
    }
    // Without a byte order mark: each ASCII character has a NUL in its pair, and so have the commas and line breaks of
    // a Japanese text.
    let nuls = |parity: usize| head.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nuls(0), nuls(1));
    let has_pairs = |pairs: [&[u8]; 2]| pairs.iter().any(|pair| memchr::memmem::find(head, pair).is_some());
    match (even, odd) {
        (_, 2..) if odd > 4 * even && has_pairs([b",\0", b"\n\0"]) => Some("UTF-16"),
        (2.., _) if even > 4 * odd && has_pairs([b"\0,", b"\0\n"]) => Some("UTF-16"),
        (3.., 3..) if is_utf32(head) => Some("UTF-32"),
        _ => None,
    }
}

/// Whether every four bytes are a UTF-32 character other than NUL.
fn is_utf32(head: &[u8]) -> bool {
    let is = |wide: fn(&[u8]) -> bool| head.chunks_exact(4).all(wide);
    is(|four| matches!(four, [1..=255, _, 0, 0] | [_, 1..=255, 0, 0]))
        || is(|four| matches!(four, [0, 0, 1..=255, _] | [0, 0, _, 1..=255]))
}

/// A reason, as the cause of a reader's error.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.code())]
pub(crate) struct Refused(Reason);

/// Returns why a text is refused, if that is the cause of its reader's error.
pub(crate) fn refusal(error: &io::Error) -> Option<&Reason> {
    error.get_ref()?.downcast_ref().map(|Refused(reason)| reason)
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::other(refused)
    }
}

/// Passes bytes through as long as they are not ISO-2022-JP.
pub(crate) struct Watched<R> {
    inner: R,
    is_after_escape: bool,
}

impl<R> Watched<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, is_after_escape: false }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        if (self.is_after_escape && is_set(read.first())) || has_escape(read) {
            return Err(Refused(ISO_2022_JP).into());
        }
        self.is_after_escape = if count == 0 { self.is_after_escape } else { read.last() == Some(&ESCAPE) };
        Ok(count)
    }
}

/// Returns the fault of bytes that are not UTF-8, with the encoding that they seem to have.
pub(crate) fn not_utf8(bytes: &[u8]) -> Reason {
    let is =
        |encoding: &'static Encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes).is_some();
    // Bytes that are valid in both are more often EUC-JP: Shift_JIS reads half of all bytes as half-width katakana.
    Reason::NotUtf8(match () {
        () if is(EUC_JP) => Some("EUC-JP"),
        () if is(SHIFT_JIS) => Some("Shift_JIS (CP932)"),
        () => None,
    })
}

/// Returns why a text cannot be what its author wrote, if so.
pub(crate) fn fault(text: &str) -> Option<Reason> {
    if text.is_ascii() {
        return is_utf7(text).then_some(Reason::NotUtf8(Some("UTF-7")));
    }
    is_garbled(text).then_some(Reason::GarbledText)
}

/// Whether a text was UTF-8 that was read in another encoding and written again. What was lost then is U+FFFD.
fn is_garbled(text: &str) -> bool {
    let (mut first, mut kana) = (None, 0);
    for character in text.chars().filter(|character| !character.is_ascii()) {
        first = first.or(Some(character));
        match character {
            '\u{fffd}' => return true,
            // Kana as CP932 shows them. These three are rare otherwise.
            '縺' | '繧' | '繝' => kana += 1,
            _ => {}
        }
    }
    // 繧繝 is a real word.
    if kana > 1 && !text.contains("繧繝") {
        return true;
    }
    let is_japanese = |bytes: &[u8]| str::from_utf8(bytes).is_ok_and(|before| before.chars().any(is_japanese));
    // The first character that is not ASCII decides which misreading is possible. For most texts none is.
    let Some(first) = first else { return false };
    if u32::from(first) < 0x2200 {
        return as_latin(text).is_some_and(|bytes| is_japanese(&bytes) || is_cut(&bytes));
    }
    if !begins_garbled(first) {
        return false;
    }
    let (bytes, _, has_others) = SHIFT_JIS.encode(text);
    !has_others && is_japanese(&bytes)
}

/// Whether CP932 encodes a character with a first byte that begins Japanese text in UTF-8. The characters are listed
/// once: encoding one is a search through all characters, and almost no text has one of them.
fn begins_garbled(character: char) -> bool {
    static CHARACTERS: LazyLock<Vec<char>> = LazyLock::new(|| {
        // The encoder writes the characters of 0xED and 0xEE with other bytes.
        let pairs = (0xE2..=0xEC).flat_map(|lead| (0x40..=0xFC).map(move |trail| [lead, trail]));
        let read = |pair: [u8; 2]| {
            SHIFT_JIS.decode_without_bom_handling_and_without_replacement(&pair).and_then(|text| text.chars().next())
        };
        let mut characters: Vec<char> = pairs.filter_map(read).collect();
        characters.sort_unstable();
        characters
    });
    CHARACTERS.binary_search(&character).is_ok()
}

/// Returns a text as bytes of Latin-1, or of Windows-1252 for characters that only that has.
fn as_latin(text: &str) -> Option<Vec<u8>> {
    let byte = |character: char| match u8::try_from(character) {
        Ok(byte) => Some(byte),
        Err(_) => {
            let mut buffer = [0; 4];
            let (bytes, _, is_other) = WINDOWS_1252.encode(character.encode_utf8(&mut buffer));
            bytes.first().copied().filter(|_| !is_other)
        }
    };
    text.chars().map(byte).collect()
}

/// Whether bytes look like Japanese UTF-8 from which some bytes were lost: `æ ªå¼`.
fn is_cut(bytes: &[u8]) -> bool {
    let is_lead = |byte: &u8| matches!(byte, 0xE3..=0xE9);
    let leads = bytes.iter().filter(|byte| is_lead(byte)).count();
    let pairs = bytes.windows(2).filter(|pair| matches!(pair, [lead, 0x80..=0xBF] if is_lead(lead))).count();
    leads >= 2 && pairs * 2 >= leads
}

/// Whether an ASCII text contains Japanese as UTF-7 writes it: `+U9ZfFQ-`.
fn is_utf7(text: &str) -> bool {
    text.match_indices('+').any(|(place, _)| {
        let rest = text.get(place + 1..).unwrap_or_default();
        let digits = rest.bytes().map_while(digit);
        let (mut bits, mut held, mut units, mut is_sound) = (0_u32, 0_u32, 0, true);
        for digit in digits {
            (bits, held) = (bits << 6 | digit, held + 6);
            if held >= 16 {
                held -= 16;
                is_sound &= char::from_u32(bits >> held & 0xFFFF).is_some_and(is_japanese);
                bits &= (1 << held) - 1;
                units += 1;
            }
        }
        is_sound && units >= 2 && held < 6 && bits == 0
    })
}

fn digit(byte: u8) -> Option<u32> {
    let digit = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(digit.into())
}

fn is_japanese(character: char) -> bool {
    matches!(character, '\u{3001}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ff01}'..='\u{ff9f}')
}

/// Returns a text in the form in which headings and words are compared: NFKC, lower case, without spaces and marks.
pub(crate) fn plain(text: &str) -> String {
    let is_mark = |character: &char| character.is_whitespace() || matches!(character, '_' | '*' | '※' | '-');
    text.nfkc().flat_map(char::to_lowercase).filter(|character| !is_mark(character)).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn text_that_was_read_in_another_encoding_is_known() {
        let text = "備製作所 カブシキガイシャ の株式会社";
        let (latin, ..) = WINDOWS_1252.decode(text.as_bytes());
        let (japanese, ..) = SHIFT_JIS.decode(text.as_bytes());
        for garbled in [
            &*latin,
            &*japanese,
            "備\u{fffd}\u{fffd}",
            "æ\u{a0}ªå¼\u{8f}ä¼\u{9a}ç¤¾",
            "譬ｪ蠑丈ｼ夂､ｾ",
            "æ ªå¼",
            "繧ｫ繝・",
        ] {
            assert_eq!(fault(garbled).map(|reason| reason.code()), Some("garbled-text"), "{garbled}");
        }
        for fine in [
            text,
            "髙﨑製作所㈱",
            "Müller & Söhne",
            "Société Générale",
            "ｶﾌﾞｼｷｶﾞｲｼｬ",
            "辻\u{e0100}",
            "",
            "縺れ",
            "A-1",
            "Café®",
            "Pâtisserie à l’été",
            "繧繝錦",
        ] {
            assert!(fault(fine).is_none(), "{fine}");
        }
    }

    #[test]
    fn utf_7_is_known_and_other_texts_with_a_plus_are_not() {
        assert!(is_utf7("+U9ZfFVFIMLMw/DDJ-"));
        assert!(is_utf7("A +UJmI/U9cYkA-"));
        for fine in ["+81-3-1234-5678", "A+B-C", "+One-Stop", "C++-1", "1+1", "+AAAA-", "X+ABCDEF-1"] {
            assert!(!is_utf7(fine), "{fine}");
        }
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut read = Vec::new();
        match open(&file).and_then(|text| Watched::new(text).read_to_end(&mut read)) {
            Ok(_) => Ok(read),
            Err(error) => match refusal(&error) {
                Some(Reason::NotUtf8(Some(name))) => Err((*name).to_owned()),
                other => panic!("{other:?}"),
            },
        }
    }

    #[test]
    fn marks_at_both_ends_are_no_text() {
        for end in ["", "\x1a", "\0\0\0", "\x1a\0\0", "\0\x1a", "\x1a\r\n", "\x1a\r\n\0"] {
            assert_eq!(read(format!("\u{feff}a\nb\n{end}").as_bytes()), Ok(b"a\nb\n".to_vec()), "{end:?}");
        }
        assert_eq!(read(b"a\x1ab\n"), Ok(b"a\x1ab\n".to_vec()));
        assert_eq!(read(b""), Ok(Vec::new()));
        assert_eq!(read(&[0; 200_000]), Ok(Vec::new()));
    }

    #[test]
    fn encodings_of_other_widths_and_with_escapes_are_named() {
        let utf16 =
            |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(bytes).collect() };
        let text = "取引先コード,取引先名\r\nA,備製作所\r\n";
        for text in [text, "supplier_code,name\nA,x\n", "\u{feff}supplier_code\nA\n"] {
            assert_eq!(read(&utf16(text, u16::to_le_bytes)), Err("UTF-16".to_owned()), "{text}");
            assert_eq!(read(&utf16(text, u16::to_be_bytes)), Err("UTF-16".to_owned()), "{text}");
        }
        assert_eq!(read(b"supplier_code,name\nA,\x1b$BHw\x1b(B\n"), Err("ISO-2022-JP (JIS)".to_owned()));
        assert_eq!(read(b"supplier_code,name\nA,a\0b\nB,\0\n"), Ok(b"supplier_code,name\nA,a\0b\nB,\0\n".to_vec()));
        let name = |bytes: &[u8]| match not_utf8(bytes) {
            Reason::NotUtf8(name) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(name(&SHIFT_JIS.encode("取引先コード").0), Some("Shift_JIS (CP932)"));
        assert_eq!(name(&EUC_JP.encode("取引先コード").0), Some("EUC-JP"));
        assert_eq!(name(b"\xff\xff"), None);
    }
}
