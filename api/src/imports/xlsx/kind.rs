//! What a file is that was sent as a workbook and is none.

use std::fs::File;
use std::io::{self, Read, Seek};

use super::archive::Archive;
use super::{Ended, damaged};
use crate::fault::{Fault, Reason};
use crate::problem::Text;

/// Refuses what the first bytes show to be no archive.
pub(super) fn check(file: &mut File) -> Result<(), Ended> {
    let mut start = Vec::new();
    let failed = |error: io::Error| damaged(&error);
    file.rewind().map_err(failed)?;
    file.by_ref().take(1024).read_to_end(&mut start).map_err(failed)?;
    let fault = if start.is_empty() {
        fault(
            "empty-file",
            "ファイルが空です。中身のあるファイルを送ってください",
            "the file is empty; send one that holds rows",
        )
    } else if start.starts_with(b"PK") {
        return Ok(());
    } else if start.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        match is_encrypted(file).map_err(failed)? {
            true => with_password(),
            false => no_workbook(
                "古い形式（.xls）のブックです。Excel で開き、「Excel ブック（.xlsx）」で保存し直してください",
                "it is a workbook of the old format (.xls); open it and save it as .xlsx (Excel Workbook)",
            ),
        }
    } else if start.contains(&0) {
        no_workbook(
            "Excel ブック（.xlsx）ではありません。.xlsx で保存し直してください",
            "it is no workbook; save it as .xlsx (Excel Workbook)",
        )
    } else {
        no_workbook(
            "Excel ブックではなく、文字のファイルです。CSV なら text/csv として（ファイル名は .csv で）送るか、Excel で開いて .xlsx で保存し直してください",
            "it is text and no workbook; send CSV as text/csv (with a name in .csv), or open it in Excel and save it as .xlsx",
        )
    };
    Err(Ended::Refused(fault))
}

/// An archive without a workbook that can be read.
pub(super) fn other_archive(archive: &Archive<'_>) -> Fault {
    if archive.has("xl/workbook.bin") {
        no_workbook(
            "バイナリ形式（.xlsb）のブックです。「Excel ブック（.xlsx）」で保存し直してください",
            "it is a binary workbook (.xlsb); save it as .xlsx (Excel Workbook)",
        )
    } else if archive.has("content.xml") && archive.has("mimetype") {
        no_workbook(
            "OpenDocument（.ods）のファイルです。「Excel ブック（.xlsx）」で保存し直してください",
            "it is an OpenDocument file (.ods); save it as .xlsx (Excel Workbook)",
        )
    } else {
        no_workbook(
            "中に Excel ブックがありません。圧縮せずに、.xlsx のファイルそのものを送ってください",
            "there is no workbook in it; send the .xlsx file itself, not packed into another archive",
        )
    }
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

/// Whether a compound file holds a packed one: what Excel makes of a workbook with a password.
fn is_encrypted(file: &mut File) -> io::Result<bool> {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    file.rewind()?;
    let mut window = Vec::new();
    loop {
        let kept = window.len().saturating_sub(name.len());
        window.drain(..kept);
        if file.by_ref().take(1 << 16).read_to_end(&mut window)? == 0 {
            return Ok(false);
        }
        if memchr::memmem::find(&window, &name).is_some() {
            return Ok(true);
        }
    }
}
