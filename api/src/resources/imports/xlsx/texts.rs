//! The texts that the cells of a workbook share, by number.

use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use super::archive::Source;
use super::xml::{Part, Token};
use super::{Ended, limit, spilled};
use crate::files::spill::Spill;

/// The most texts. The place of each is held in memory.
const MAX_TEXTS: usize = 2_000_000;

/// The shared texts: in memory while they are small, otherwise on the disk.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Spill,
    ends: Vec<u64>,
}

impl Texts {
    pub(super) fn read(mut part: Part<Source<'_, '_>>) -> Result<Self, Ended> {
        let (mut bytes, mut ends, mut end) = (BufWriter::new(Spill::default()), Vec::new(), 0);
        let mut text = String::new();
        loop {
            match part.next()? {
                // In a list of shared texts each is an element below the root, whatever its prefix is.
                Token::Open(2, tag) if tag.name() == "si" => {
                    text.clear();
                    part.text(2, &mut text)?;
                    if ends.len() == MAX_TEXTS {
                        return Err(Ended::Refused(limit(
                            format!(
                                "ブックの文字列が{MAX_TEXTS}種類を超えています。行を分けて、別々のファイルで送ってください"
                            ),
                            format!(
                                "the workbook has more than {MAX_TEXTS} different texts; split its rows into several files"
                            ),
                        )));
                    }
                    bytes.write_all(text.as_bytes()).map_err(spilled)?;
                    end += text.len() as u64;
                    ends.push(end);
                }
                Token::End => break,
                _ => {}
            }
        }
        Ok(Self { bytes: bytes.into_inner().map_err(|error| spilled(error.into_error()))?, ends })
    }

    /// Returns where a text begins and ends, if there is one with this number.
    fn place(&self, number: u32) -> Option<(u64, u64)> {
        let end = *self.ends.get(number as usize)?;
        let before = number.checked_sub(1).and_then(|before| self.ends.get(before as usize));
        Some((before.copied().unwrap_or_default(), end))
    }

    /// Returns the length of a text in bytes, if there is one with this number.
    pub(super) fn length(&self, number: u32) -> Option<u64> {
        self.place(number).map(|(start, end)| end - start)
    }

    /// Reads a text by its number; an empty one if there is none.
    pub(super) fn get(&mut self, number: u32) -> io::Result<String> {
        let (start, end) = self.place(number).unwrap_or_default();
        let mut text = String::new();
        self.bytes.seek(SeekFrom::Start(start))?;
        (&mut self.bytes).take(end - start).read_to_string(&mut text)?;
        Ok(text)
    }
}
