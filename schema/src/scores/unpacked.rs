//! Scores of a run in memory: column by column in order of supplier id, searched and sorted without the database.
//!
//! The orders are those of database queries: by the sort key and then by id. Texts are compared by their bytes, -0.0 is
//! equal to 0.0, and NaN, which no model produces, comes after all other numbers.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use uuid::Uuid;

use super::block::{self, Column, Packed, PackedBytes, Texts, damaged};
use super::pack::{FACTS, SUPPLIER_ID, TEXTS, TIER};
use super::{ScoreFilter, ScorePage, ScoreRow, ScoreSort};
use crate::error::RepoError;
use crate::record::from_key;
use crate::{Choice, SupplierId};

/// Scores of a run: all of them, or those of one block.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    ids: Vec<SupplierId>,
    /// In order of [`TEXTS`].
    texts: [Words; TEXTS.len()],
    tiers: Vec<Option<i32>>,
    /// In order of [`ScoreRow::NUMBERS`].
    numbers: [Vec<f64>; ScoreRow::NUMBERS.len()],
    /// The explanations of the scores, by block.
    facts: Vec<FactsBlock>,
    keeps_facts: bool,
    /// The rows in each of the orders that a list may have, from the first time that it is asked for.
    orders: [OnceLock<Vec<u32>>; ScoreSort::ALL.len()],
}

/// The explanations of the scores of a block.
#[derive(Debug)]
struct FactsBlock {
    first_row: usize,
    packed: PackedBytes,
    /// The same unpacked, from the first time that they are asked for, if they are kept.
    unpacked: OnceLock<Texts>,
}

impl FactsBlock {
    fn unpack(&self) -> Result<Texts, RepoError> {
        let mut frame = Packed::of(&self.packed).read()?;
        match frame.take(FACTS) {
            Some(Column::Texts(texts)) => Ok(texts),
            _ => Err(damaged("a column is missing")),
        }
    }

    /// Returns the number of bytes of memory that it takes once it is unpacked.
    fn size(&self, row_count: usize) -> usize {
        let (unpacked_length, packed) = &self.packed;
        size_of::<Self>() + packed.len() + unpacked_length + row_count * (size_of::<String>() + OVERHEAD)
    }
}

/// The bytes that the allocator adds to each text.
const OVERHEAD: usize = 16;

/// A column of texts, each of which is kept once.
#[derive(Debug, Default)]
struct Words {
    words: Vec<Box<str>>,
    known: HashMap<Box<str>, u32>,
    /// For each row the place of its text, from 1; 0 for no text.
    places: Vec<u32>,
}

impl Words {
    /// Adds the texts of a block. In columns where few texts recur, they are not looked up in other blocks.
    fn extend(&mut self, texts: Texts) -> Result<(), RepoError> {
        let recurs = texts.words.len() * 2 < texts.places.len();
        let mut now = vec![0];
        for word in texts.words {
            let word = word.into_boxed_str();
            let next = u32::try_from(self.words.len() + 1).map_err(|_| damaged("too many texts"))?;
            let place = if recurs { *self.known.entry(word.clone()).or_insert(next) } else { next };
            if place == next {
                self.words.push(word);
            }
            now.push(place);
        }
        let place = |place: u16| now.get(usize::from(place)).copied().unwrap_or_default();
        self.places.extend(texts.places.into_iter().map(place));
        Ok(())
    }

    fn get(&self, row: usize) -> Option<&str> {
        let place = usize::try_from(*self.places.get(row)?).ok()?.checked_sub(1)?;
        self.words.get(place).map(AsRef::as_ref)
    }

    fn size(&self) -> usize {
        let text = |word: &str| word.len() + size_of::<Box<str>>() + OVERHEAD;
        let words: usize = self.words.iter().map(|word| text(word)).sum();
        let known: usize = self.known.keys().map(|word| text(word) + size_of::<u64>()).sum();
        words + known + self.places.capacity() * size_of::<u32>()
    }
}

/// A value that rows are sorted by.
#[derive(Debug, Clone, Copy)]
enum Key<'a> {
    None,
    Number(f64),
    Text(&'a str),
}

impl Key<'_> {
    fn cmp(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => order(one, other),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            _ => Ordering::Equal,
        }
    }
}

/// Compares numbers as a database orders them.
fn order(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or_else(|| one.is_nan().cmp(&other.is_nan()))
}

impl Unpacked {
    /// Adds the scores of the next block.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), RepoError> {
        let [scores, facts] = block::frames(bytes)?;
        let first_row = self.ids.len();
        let mut frame = scores.read()?;
        let Some(Column::Ids(ids)) = frame.take(SUPPLIER_ID) else { return Err(damaged("it names no suppliers")) };
        self.ids.extend(ids.into_iter().map(|id| SupplierId::from(Uuid::from_bytes(id))));
        let new = self.ids.get(first_row.saturating_sub(1)..).unwrap_or_default();
        if !new.is_sorted_by(|one, next| one < next) {
            return Err(damaged("its suppliers are not in order"));
        }
        for (words, (name, _)) in self.texts.iter_mut().zip(TEXTS) {
            let Some(Column::Texts(texts)) = frame.take(name) else { return Err(damaged("a column is missing")) };
            words.extend(texts)?;
        }
        let Some(Column::Wholes(tiers)) = frame.take(TIER) else { return Err(damaged("a column is missing")) };
        self.tiers.extend(tiers);
        let mut numbers: BTreeMap<_, _> = frame.columns.into_iter().collect();
        for (column, name) in self.numbers.iter_mut().zip(ScoreRow::NUMBERS) {
            match numbers.remove(*name) {
                Some(Column::Numbers(numbers)) => column.extend(numbers),
                // The model of an earlier release did not have it.
                _ => column.resize(self.ids.len(), f64::NAN),
            }
        }
        self.facts.push(FactsBlock { first_row, packed: facts.to_boxed(), unpacked: OnceLock::new() });
        Ok(())
    }

    /// Also keeps explanations, once they are unpacked.
    pub(super) fn keep_facts(&mut self) {
        self.keeps_facts = true;
    }

    /// Returns the number of bytes of memory that it takes, with all orders and all explanations.
    pub(super) fn size(&self) -> usize {
        let orders = self.orders.len() * size_of::<u32>();
        let fixed = size_of::<SupplierId>() + size_of::<Option<i32>>() + self.numbers.len() * size_of::<f64>() + orders;
        let texts: usize = self.texts.iter().map(Words::size).sum();
        let rows_of_block = self.ids.len() / self.facts.len().max(1);
        let facts: usize = self.facts.iter().map(|block| block.size(rows_of_block)).sum();
        size_of::<Self>() + self.ids.capacity() * fixed + texts + facts
    }

    /// Returns the row of a supplier.
    pub(super) fn row_of(&self, supplier: SupplierId) -> Option<usize> {
        self.ids.binary_search(&supplier).ok()
    }

    /// Returns the rows of these codes, without those that do not exist.
    pub(super) fn rows_of_codes(&self, codes: &[&str]) -> Vec<usize> {
        let rows = self.order(ScoreSort::SupplierCode);
        let [found, ..] = &self.texts;
        let row_of = |code: &&str| {
            let place = rows.binary_search_by(|row| found.get(*row as usize).cmp(&Some(*code))).ok()?;
            rows.get(place).map(|row| *row as usize)
        };
        codes.iter().filter_map(row_of).collect()
    }

    /// Returns the score of a row.
    pub(super) fn score(&self, row: usize) -> Result<ScoreRow, RepoError> {
        let id = *self.ids.get(row).ok_or_else(|| damaged("a row is missing"))?;
        let [code, name, rest @ ..] = &self.texts;
        let text = |words: &Words| Ok(words.get(row).ok_or_else(|| damaged("a text is missing"))?.to_owned());
        let rest: [Result<String, RepoError>; 4] = rest.each_ref().map(text);
        let [size_class, jsic_section, grade, chain_grade] = rest;
        let name = name.get(row).map(str::to_owned);
        let tier = self.tiers.get(row).copied().flatten();
        let mut numbers = self.numbers.iter().map(|column| column.get(row).copied().unwrap_or(f64::NAN));
        Ok(ScoreRow::new((id, text(code)?, name, tier), [size_class?, jsic_section?, grade?, chain_grade?], |_| {
            numbers.next().unwrap_or(f64::NAN)
        }))
    }

    /// Returns whether the explanations of rows are unpacked, and so short that they are read at once.
    pub(super) fn has_facts_at_hand(&self, rows: &[usize]) -> bool {
        /// The size for a supplier with a hundred enrollments; most have a tenth of it.
        const SHORT: usize = 16 << 10;
        let text = |row: usize| {
            let block = self.facts.partition_point(|block| block.first_row <= row).checked_sub(1)?;
            let block = self.facts.get(block)?;
            block.unpacked.get()?.get(row - block.first_row)
        };
        rows.iter().all(|row| text(*row).is_some_and(|text| text.len() <= SHORT))
    }

    /// Returns for how many rows at a time explanations should be read. If they are not kept, blocks are unpacked again
    /// each time, most of them for rows in another order.
    pub(super) fn facts_at_a_time(&self) -> usize {
        if self.keeps_facts { 1000 } else { 10_000 }
    }

    /// Returns the explanations of the scores of rows, in their order.
    pub(super) fn facts(&self, rows: &[usize]) -> Result<Vec<String>, RepoError> {
        let mut found = vec![String::new(); rows.len()];
        let block_of = |row: usize| self.facts.partition_point(|block| block.first_row <= row).checked_sub(1);
        let mut places: Vec<_> = rows.iter().enumerate().map(|(place, row)| (block_of(*row), *row, place)).collect();
        // So that each block is unpacked once.
        places.sort_unstable();
        for places in places.chunk_by(|(one, ..), (next, ..)| one == next) {
            let Some(&(Some(block), ..)) = places.first() else { return Err(damaged("a row is missing")) };
            let Some(block) = self.facts.get(block) else { continue };
            let now;
            let texts = match block.unpacked.get() {
                Some(texts) => texts,
                None if self.keeps_facts => {
                    let texts = block.unpack()?;
                    block.unpacked.get_or_init(|| texts)
                }
                None => {
                    now = block.unpack()?;
                    &now
                }
            };
            for (_, row, place) in places {
                let text = texts.get(row - block.first_row).ok_or_else(|| damaged("a text is missing"))?;
                if let Some(found) = found.get_mut(*place) {
                    text.clone_into(found);
                }
            }
        }
        Ok(found)
    }

    /// Returns the rows of a page.
    pub(super) fn page(&self, filter: &ScoreFilter, page: &ScorePage) -> Result<Vec<usize>, RepoError> {
        let sieve = Sieve::new(self, filter);
        let limit = usize::try_from(page.limit).unwrap_or_default();
        let by_id: Vec<u32>;
        let rows = match page.sort {
            Some(sort) => self.order(sort),
            None => {
                by_id = (0..).take(self.ids.len()).collect();
                &by_id
            }
        };
        let passed = |row: &usize| sieve.lets_through(*row);
        let begin = match &page.after {
            None => None,
            Some((key, id)) => {
                let key = match page.sort {
                    None => Key::None,
                    Some(ScoreSort::SupplierCode) => Key::Text(key),
                    Some(_) => Key::Number(from_key(key)?),
                };
                let is_before = |row: &u32, wanted: Ordering| {
                    let row = *row as usize;
                    let id = self.ids.get(row).map_or(Ordering::Less, |known| known.cmp(id));
                    self.key(page.sort, row).cmp(key).then(id) <= wanted
                };
                Some(match page.is_descending {
                    false => rows.partition_point(|row| is_before(row, Ordering::Equal)),
                    true => rows.partition_point(|row| is_before(row, Ordering::Less)),
                })
            }
        };
        Ok(match page.is_descending {
            false => {
                let rows = rows.get(begin.unwrap_or(0)..).unwrap_or_default();
                rows.iter().map(|row| *row as usize).filter(passed).take(limit).collect()
            }
            true => {
                let rows = rows.get(..begin.unwrap_or(rows.len())).unwrap_or_default();
                rows.iter().rev().map(|row| *row as usize).filter(passed).take(limit).collect()
            }
        })
    }

    /// Returns the number of rows that a filter lets through.
    pub(super) fn count(&self, filter: &ScoreFilter) -> usize {
        let sieve = Sieve::new(self, filter);
        (0..self.ids.len()).filter(|row| sieve.lets_through(*row)).count()
    }

    fn key(&self, sort: Option<ScoreSort>, row: usize) -> Key<'_> {
        match sort {
            None => Key::None,
            Some(ScoreSort::SupplierCode) => {
                let [codes, ..] = &self.texts;
                codes.get(row).map_or(Key::None, Key::Text)
            }
            Some(sort) => self.column(sort.column()).get(row).map_or(Key::None, |number| Key::Number(*number)),
        }
    }

    fn column(&self, name: &str) -> &[f64] {
        let place = ScoreRow::NUMBERS.iter().position(|known| *known == name);
        place.and_then(|place| self.numbers.get(place)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the rows in an order, from lowest to highest.
    fn order(&self, sort: ScoreSort) -> &[u32] {
        let place = ScoreSort::ALL.iter().position(|(known, ..)| *known == sort);
        let Some(order) = place.and_then(|place| self.orders.get(place)) else {
            unreachable!("{sort:?} is one of them all")
        };
        order.get_or_init(|| {
            // The keys are computed once per row. The sort is stable: equal ones stay in order of id.
            let rows = 0..u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
            let mut keys: Vec<_> = rows.map(|row| (self.key(Some(sort), row as usize), row)).collect();
            keys.sort_by(|(one, _), (other, _)| one.cmp(*other));
            keys.into_iter().map(|(_, row)| row).collect()
        })
    }
}

/// A filter, resolved to the columns of a run.
struct Sieve<'a> {
    /// For columns of texts: which of their words are let through.
    words: Vec<(&'a [u32], Vec<bool>)>,
    tiers: Option<(&'a [Option<i32>], &'a [i32])>,
    ranges: Vec<(&'a [f64], [Option<f64>; 2])>,
}

impl<'a> Sieve<'a> {
    fn new(run: &'a Unpacked, filter: &'a ScoreFilter) -> Self {
        let [_, _, size_class, jsic_section, grade, chain_grade] = &run.texts;
        let words = [
            (size_class, &filter.size_classes),
            (jsic_section, &filter.jsic_sections),
            (grade, &filter.grades),
            (chain_grade, &filter.chain_grades),
        ];
        let words = words.into_iter().filter(|(_, given)| !given.is_empty()).map(|(column, given)| {
            let passes = column.words.iter().map(|word| given.iter().any(|given| **given == **word));
            // The first entry is for rows without a text.
            (column.places.as_slice(), [false].into_iter().chain(passes).collect())
        });
        let ranges = [
            ("risk_score", filter.risk_score),
            ("chain_score", filter.chain_score),
            ("expected_annual_loss_direct_jpy", filter.loss_direct_jpy),
            ("expected_annual_loss_caused_jpy", filter.loss_caused_jpy),
        ];
        let ranges = ranges.into_iter().filter(|(_, bounds)| bounds.iter().any(Option::is_some));
        Self {
            words: words.collect(),
            tiers: (!filter.tiers.is_empty()).then_some((&run.tiers, &filter.tiers)),
            ranges: ranges.map(|(name, bounds)| (run.column(name), bounds)).collect(),
        }
    }

    fn lets_through(&self, row: usize) -> bool {
        self.words.iter().all(|(places, passes)| {
            let place = places.get(row).map(|place| *place as usize);
            place.and_then(|place| passes.get(place)).copied().unwrap_or_default()
        }) && self
            .tiers
            .is_none_or(|(tiers, given)| tiers.get(row).copied().flatten().is_some_and(|tier| given.contains(&tier)))
            && self.ranges.iter().all(|(column, [from, to])| {
                column.get(row).is_some_and(|number| {
                    from.is_none_or(|from| order(*number, from).is_ge())
                        && to.is_none_or(|to| order(*number, to).is_le())
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::PackedScores;
    use super::*;

    /// Returns the scores of a run, with few distinct values, so that many are equal.
    fn scores(numbers: &[[f64; 2]]) -> Vec<(ScoreRow, String)> {
        let rows = numbers.iter().enumerate().map(|(place, [risk, loss])| {
            let id = SupplierId::from(Uuid::from_u128((place as u128 * 7919) % 10_007 + (place as u128) * 100_000));
            let grade = if *risk > 1.0 { "A" } else { "B" };
            let texts = ["sme", "E", grade, "C"].map(str::to_owned);
            // Not in order of id.
            let code = format!("S{}", (place * 31) % 1009);
            let name = (place % 3 > 0).then(|| format!("製作所{place}"));
            let row = ScoreRow::new((id, code, name, Some((place % 4) as i32)), texts, |name| match name {
                "risk_score" => *risk,
                "expected_annual_loss_caused_jpy" => *loss,
                _ => place as f64,
            });
            (row, format!("{{\"place\":{place}}}"))
        });
        rows.collect()
    }

    fn unpacked(scores: &[(ScoreRow, String)]) -> Unpacked {
        let mut run = Unpacked::default();
        PackedScores::new(scores).unwrap().blocks.iter().for_each(|(_, bytes)| run.push(bytes).unwrap());
        run
    }

    fn compare(sort: Option<ScoreSort>, one: &ScoreRow, other: &ScoreRow) -> Ordering {
        let by_key = match sort {
            None => Ordering::Equal,
            Some(ScoreSort::SupplierCode) => one.supplier_code.cmp(&other.supplier_code),
            Some(sort) => {
                let [one, other] = [one, other].map(|row| row.number(sort.column()).unwrap());
                one.partial_cmp(&other).unwrap()
            }
        };
        by_key.then(one.supplier_id.cmp(&other.supplier_id))
    }

    /// Returns a risk score and a loss.
    fn few_numbers() -> impl Strategy<Value = [f64; 2]> {
        (prop_oneof![Just(0.0), Just(-0.0), Just(1.0), 0.0..3.0], 0.0..2.0).prop_map(|(risk, loss)| [risk, loss])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn pages_are_those_of_a_plain_sort(
            numbers in vec(few_numbers(), 1..1000),
            sort in prop::option::of(prop::sample::select(ScoreSort::ALL.iter().map(|(sort, ..)| *sort).collect::<Vec<_>>())),
            is_descending: bool,
            is_filtered: bool,
            limit in 1_i64..700,
        ) {
            let scores = scores(&numbers);
            let run = unpacked(&scores);
            let filter = match is_filtered {
                true => ScoreFilter {
                    grades: vec!["B".to_owned(), "E".to_owned()],
                    tiers: vec![1, 2],
                    loss_caused_jpy: [Some(0.5), None],
                    ..ScoreFilter::default()
                },
                false => ScoreFilter::default(),
            };
            let is_wanted = |row: &ScoreRow| {
                !is_filtered
                    || (row.grade == "B" && matches!(row.tier, Some(1 | 2)) && row.expected_annual_loss_caused_jpy >= 0.5)
            };
            let mut wanted: Vec<_> = scores.iter().map(|(row, _)| row.clone()).filter(is_wanted).collect();
            wanted.sort_by(|one, other| compare(sort, one, other));
            if is_descending {
                wanted.reverse();
            }
            prop_assert_eq!(run.count(&filter), wanted.len());

            let mut page = ScorePage { sort, is_descending, after: None, limit };
            let mut found: Vec<ScoreRow> = Vec::new();
            loop {
                let rows = run.page(&filter, &page).unwrap();
                found.extend(rows.iter().map(|row| run.score(*row).unwrap()));
                if (rows.len() as i64) < limit {
                    break;
                }
                page.after = found.last().map(|row| (sort.map_or(String::new(), |sort| sort.key(row)), row.supplier_id));
            }
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn suppliers_are_found_by_id_and_by_code_with_what_explains_them() {
        let scores = scores(&vec![[1.0, 2.0]; 1200]);
        let run = unpacked(&scores[..1000]);
        for (score, facts) in &scores[..1000] {
            let row = run.row_of(score.supplier_id).unwrap();
            assert_eq!(run.rows_of_codes(&[&score.supplier_code]), [row]);
            assert_eq!((&run.score(row).unwrap(), &run.facts(&[row]).unwrap()[0]), (score, facts));
        }
        assert_eq!(run.row_of(scores[1100].0.supplier_id), None);
        assert_eq!(run.rows_of_codes(&["S0", "none", ""]).len(), 1);
        let rows = [999, 0, 255, 256, 0];
        let facts = rows.map(|row| run.facts(&[row]).unwrap().remove(0));
        assert_eq!(run.facts(&rows).unwrap(), facts, "in the order asked for");
    }

    #[test]
    fn blocks_that_are_not_in_order_are_refused() {
        let scores = scores(&vec![[1.0, 2.0]; 1200]);
        let packed = PackedScores::new(&scores).unwrap();
        let mut run = Unpacked::default();
        let [(_, first), (_, second), ..] = packed.blocks.as_slice() else { unreachable!("three blocks") };
        run.push(second).unwrap();
        assert!(run.push(first).is_err());
    }
}
