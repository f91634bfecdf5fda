//! Finds out what a file is that was sent as a workbook but is none.

use std::fs::File;
use std::io::{self, Read, Seek};

use super::archive::Archive;
use super::{Ended, damaged};
use crate::base::fault::{Fault, Reason};
use crate::base::text::Text;
use crate::resources::imports::Format;
use crate::resources::imports::sniff::{MAX_HEAD_BYTES, Sniffed, sniff};

/// Refuses a file whose first bytes are not those of a workbook. Those of an upload were checked as it came, those of a
/// file in a folder were not.
pub(super) fn check(file: &mut File) -> Result<(), Ended> {
    let mut start = Vec::new();
    let failed = |error: io::Error| damaged(&error);
    file.rewind().map_err(failed)?;
    file.by_ref().take(MAX_HEAD_BYTES as u64).read_to_end(&mut start).map_err(failed)?;
    let fault = match sniff(&start, true) {
        Sniffed::Is(Format::Xlsx) => return Ok(()),
        Sniffed::Not(reason) => Fault::new("", reason),
        Sniffed::Is(Format::Csv | Format::Ndjson) | Sniffed::Undecided => no_workbook(
            "Excel ブックではなく、文字のファイルです。CSV ならファイル名を .csv にするか、Excel で開いて .xlsx で保存し直してください",
            "it is text and no workbook; give CSV a name in .csv, or open it in Excel and save it as .xlsx",
        ),
    };
    Err(Ended::Refused(fault))
}

/// Returns the fault of an archive without a workbook that can be read.
pub(super) fn other_archive(archive: &Archive<'_>) -> Fault {
    if archive.has("xl/workbook.bin") {
        return no_workbook(
            "バイナリ形式（.xlsb）のブックです。「Excel ブック（.xlsx）」で保存し直してください",
            "it is a binary workbook (.xlsb); save it as .xlsx (Excel Workbook)",
        );
    }
    no_workbook(
        "中に Excel ブックがありません。圧縮せずに、.xlsx のファイルそのものを送ってください",
        "there is no workbook in it; send the .xlsx file itself, not packed into another archive",
    )
}

pub(super) fn with_password() -> Fault {
    fault(
        "password-protected",
        "パスワードで保護されています。パスワードを外して保存し直してください",
        "it is protected by a password; take the password away and save it again",
    )
}

fn no_workbook(ja: &str, en: &str) -> Fault {
    fault("not-a-workbook", ja, en)
}

fn fault(code: &'static str, ja: &str, en: &str) -> Fault {
    Fault::new("", Reason::File { code, text: Text::new(ja, en) })
}
