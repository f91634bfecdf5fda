//! Packs the scores of a run into blocks, before anything is stored.

use super::ScoreRow;
use super::block::{self, Column, Frame, Texts};
use crate::SupplierId;
use crate::error::RepoError;

/// The number of scores in a block. With more, they are compressed better, but a single one takes longer to read. With
/// 512, a score takes 2% less space than with 256, and twice the time.
const BLOCK_ROWS: usize = 256;

pub(super) const SUPPLIER_ID: &str = "supplier_id";
pub(super) const TIER: &str = "tier";
pub(super) const FACTS: &str = "facts";

/// A text of a row.
type TextOf = fn(&ScoreRow) -> Option<&str>;

/// The texts of a row, by the names of their columns.
pub(super) const TEXTS: [(&str, TextOf); 6] = [
    ("supplier_code", |row| Some(&row.supplier_code)),
    ("name", |row| row.name.as_deref()),
    ("size_class", |row| Some(&row.size_class)),
    ("jsic_section", |row| Some(&row.jsic_section)),
    ("grade", |row| Some(&row.grade)),
    ("chain_grade", |row| Some(&row.chain_grade)),
];

/// The scores of a run, packed into blocks and ready to be stored.
#[derive(Debug, Clone)]
pub struct PackedScores {
    supplier_ids: Vec<SupplierId>,
    pub(super) blocks: Vec<(SupplierId, Vec<u8>)>,
}

impl PackedScores {
    /// Packs scores, each with its explanation as JSON.
    ///
    /// # Errors
    /// If there is no memory for it, or a text is larger than a block can be.
    pub fn new(rows: &[(ScoreRow, String)]) -> Result<Self, RepoError> {
        let mut rows: Vec<_> = rows.iter().collect();
        rows.sort_unstable_by_key(|(row, _)| row.supplier_id);
        let mut blocks = Vec::with_capacity(rows.len().div_ceil(BLOCK_ROWS));
        for rows in rows.chunks(BLOCK_ROWS) {
            let Some((first, _)) = rows.first() else { continue };
            blocks.push((first.supplier_id, pack(rows)?));
        }
        Ok(Self { supplier_ids: rows.iter().map(|(row, _)| row.supplier_id).collect(), blocks })
    }

    /// Returns the suppliers, in order.
    pub fn supplier_ids(&self) -> &[SupplierId] {
        &self.supplier_ids
    }
}

/// Packs scores and, separately so that lists need not unpack them, their explanations.
fn pack(rows: &[&(ScoreRow, String)]) -> Result<Vec<u8>, RepoError> {
    let scores = || rows.iter().map(|(row, _)| row);
    let ids = scores().map(|row| *row.supplier_id.bytes()).collect();
    let mut columns = vec![(SUPPLIER_ID.to_owned(), Column::Ids(ids))];
    columns.extend(TEXTS.map(|(name, text)| (name.to_owned(), Column::Texts(Texts::of(scores().map(text))))));
    columns.push((TIER.to_owned(), Column::Wholes(scores().map(|row| row.tier).collect())));
    for name in ScoreRow::NUMBERS {
        let numbers = scores().map(|row| row.number(name).unwrap_or(f64::NAN));
        columns.push(((*name).to_owned(), Column::Numbers(numbers.collect())));
    }
    let facts = Column::Texts(Texts::of(rows.iter().map(|(_, facts)| Some(facts.as_str()))));
    block::pack(&[
        Frame { row_count: rows.len(), columns },
        Frame { row_count: rows.len(), columns: vec![(FACTS.to_owned(), facts)] },
    ])
}
