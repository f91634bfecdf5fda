//! The bytes of a block: named columns, in frames that are each compressed as a whole.
//!
//! A block begins with the version of its format. A frame is its packed length, its unpacked length and one frame of
//! Zstandard, whose checksum is verified when it is unpacked. It contains the number of rows and the columns, each with
//! its name, its kind and its length. So this release skips columns that a later one adds, and finds those of an
//! earlier one by name.
//!
//! A column holds each of its values once, in the order in which they first appear, and for each row the place of its
//! value. Numbers that follow from the same evidence appear and recur together. The places of one column are then equal
//! to those of another byte by byte, and cost nothing once they are compressed. Values are stored byte by byte (all
//! first bytes, then all second ones), since the leading bytes of numbers of one kind are alike.

use std::collections::HashMap;
use std::hash::Hash;

use crate::error::RepoError;

/// The format that is written.
const VERSION: u8 = 1;
/// The maximum number of rows of a frame: places are two bytes, and 0 means no value.
pub(super) const MAX_ROWS: usize = u16::MAX as usize;
/// The level of compression: the compressor's default.
const LEVEL: i32 = 3;
/// The maximum size of an unpacked frame, so that the length in a damaged one cannot take all memory.
const MAX_UNPACKED: usize = 1 << 28;

/// A column of a frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    /// Ids, which are all different.
    Ids(Vec<[u8; 16]>),
    /// Numbers, each with all its bits.
    Numbers(Vec<f64>),
    /// Whole numbers, or none.
    Wholes(Vec<Option<i32>>),
    /// Texts, or none.
    Texts(Texts),
}

/// A column of texts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Texts {
    /// Each text once.
    pub(super) words: Vec<String>,
    /// For each row the place of its text, from 1; 0 for no text.
    pub(super) places: Vec<u16>,
}

impl Texts {
    /// Creates a column of these texts.
    pub(super) fn of<'a>(rows: impl Iterator<Item = Option<&'a str>>) -> Self {
        let (words, places) = distinct(rows);
        Self { words: words.into_iter().map(str::to_owned).collect(), places }
    }

    /// Returns the text of a row.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let place = usize::from(*self.places.get(row)?).checked_sub(1)?;
        self.words.get(place).map(String::as_str)
    }
}

/// Columns with their names.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Frame {
    /// The number of rows of each column.
    pub(super) row_count: usize,
    /// The columns.
    pub(super) columns: Vec<(String, Column)>,
}

impl Frame {
    /// Takes a column out, by its name.
    pub(super) fn take(&mut self, name: &str) -> Option<Column> {
        let place = self.columns.iter().position(|(known, _)| known == name)?;
        Some(self.columns.swap_remove(place).1)
    }
}

/// Returns the error of bytes that are not those that were written, with what shows it.
pub(super) fn damaged(what: &str) -> RepoError {
    RepoError::Failed(format!("a block of scores is damaged: {what}").into())
}

/// Packs frames into a block.
pub(super) fn pack(frames: &[Frame]) -> Result<Vec<u8>, RepoError> {
    let failed = |error: std::io::Error| RepoError::Failed(error.into());
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(failed)?;
    compressor.include_checksum(true).map_err(failed)?;
    let mut out = vec![VERSION];
    for frame in frames {
        let plain = write_frame(frame)?;
        let packed = compressor.compress(&plain).map_err(failed)?;
        out.extend(length(packed.len())?);
        out.extend(length(plain.len())?);
        out.extend(packed);
    }
    Ok(out)
}

/// A frame that is kept packed: its unpacked length and its bytes.
pub(super) type PackedBytes = (usize, Box<[u8]>);

/// A frame as stored in a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'a> {
    unpacked_length: usize,
    bytes: &'a [u8],
}

/// Returns the frames of a block, not yet unpacked.
pub(super) fn frames<const N: usize>(block: &[u8]) -> Result<[Packed<'_>; N], RepoError> {
    let mut reader = Reader(block);
    let [version] = reader.array()?;
    if version != VERSION {
        return Err(RepoError::Failed(format!("a block of scores has the unknown format {version}").into()));
    }
    let mut frames = [Packed { unpacked_length: 0, bytes: &[] }; N];
    for frame in &mut frames {
        let (length, unpacked_length) = (reader.length()?, reader.length()?);
        *frame = Packed { unpacked_length, bytes: reader.take(length)? };
    }
    Ok(frames)
}

impl Packed<'_> {
    /// Returns a copy that owns its bytes, to be read back with [`Packed::of`] and [`Packed::read`].
    pub(super) fn to_boxed(self) -> PackedBytes {
        (self.unpacked_length, self.bytes.into())
    }

    /// Returns a frame that was kept.
    pub(super) fn of((unpacked_length, bytes): &PackedBytes) -> Packed<'_> {
        Packed { unpacked_length: *unpacked_length, bytes }
    }

    /// Unpacks the frame.
    pub(super) fn read(self) -> Result<Frame, RepoError> {
        if self.unpacked_length > MAX_UNPACKED {
            return Err(damaged("a length"));
        }
        let plain = zstd::bulk::decompress(self.bytes, self.unpacked_length).map_err(|error| {
            let text = format!("a block of scores is damaged: {error}");
            RepoError::Failed(text.into())
        })?;
        if plain.len() != self.unpacked_length {
            return Err(damaged("a length"));
        }
        read_frame(&plain)
    }
}

fn length(length: usize) -> Result<[u8; 4], RepoError> {
    let length = u32::try_from(length).map_err(|_| RepoError::Failed("a block of scores is too large".into()))?;
    Ok(length.to_le_bytes())
}

const IDS: u8 = 0;
const NUMBERS: u8 = 1;
const WHOLES: u8 = 2;
const TEXTS: u8 = 3;

fn write_frame(frame: &Frame) -> Result<Vec<u8>, RepoError> {
    if frame.row_count > MAX_ROWS {
        return Err(RepoError::Failed("a block of scores has too many rows".into()));
    }
    let mut out = Vec::new();
    out.extend(length(frame.row_count)?);
    out.extend(length(frame.columns.len())?);
    for (name, column) in &frame.columns {
        let mut values = Vec::new();
        let kind = match column {
            Column::Ids(ids) => {
                put_planes(&mut values, ids);
                IDS
            }
            Column::Numbers(numbers) => {
                let (bits, places) = distinct(numbers.iter().map(|number| Some(number.to_bits())));
                let bits: Vec<_> = bits.into_iter().map(u64::to_le_bytes).collect();
                put_places(&mut values, bits.len(), &places)?;
                put_planes(&mut values, &bits);
                NUMBERS
            }
            Column::Wholes(wholes) => {
                let (wholes, places) = distinct(wholes.iter().copied());
                let wholes: Vec<_> = wholes.into_iter().map(i32::to_le_bytes).collect();
                put_places(&mut values, wholes.len(), &places)?;
                put_planes(&mut values, &wholes);
                WHOLES
            }
            Column::Texts(texts) => {
                put_places(&mut values, texts.words.len(), &texts.places)?;
                let lengths = texts.words.iter().map(|word| length(word.len())).collect::<Result<Vec<_>, _>>()?;
                put_planes(&mut values, &lengths);
                texts.words.iter().for_each(|word| values.extend(word.as_bytes()));
                TEXTS
            }
        };
        out.extend(length(name.len())?);
        out.extend(name.as_bytes());
        out.push(kind);
        out.extend(length(values.len())?);
        out.extend(values);
    }
    Ok(out)
}

fn read_frame(plain: &[u8]) -> Result<Frame, RepoError> {
    let mut reader = Reader(plain);
    let (row_count, column_count) = (reader.length()?, reader.length()?);
    if row_count > MAX_ROWS {
        return Err(damaged("the number of rows"));
    }
    let mut columns = Vec::new();
    for _ in 0..column_count {
        let name = reader.length()?;
        let name = str::from_utf8(reader.take(name)?).map_err(|_| damaged("a name"))?.to_owned();
        let [kind] = reader.array()?;
        let length = reader.length()?;
        let mut values = Reader(reader.take(length)?);
        let column = match kind {
            IDS => Column::Ids(values.planes(row_count)?),
            NUMBERS => {
                let (count, places) = values.places(row_count)?;
                let numbers = values.planes(count)?;
                let number = |place: u16| numbers.get(usize::from(place).checked_sub(1)?).copied();
                let numbers = places.into_iter().map(|place| Some(f64::from_le_bytes(number(place)?)));
                Column::Numbers(numbers.collect::<Option<_>>().ok_or_else(|| damaged("a number"))?)
            }
            WHOLES => {
                let (count, places) = values.places(row_count)?;
                let wholes = values.planes(count)?;
                let whole = |place: u16| {
                    let place = usize::from(place).checked_sub(1)?;
                    wholes.get(place).copied().map(i32::from_le_bytes)
                };
                Column::Wholes(places.into_iter().map(whole).collect())
            }
            TEXTS => {
                let (count, places) = values.places(row_count)?;
                let lengths = values.planes(count)?;
                let mut words = Vec::with_capacity(count);
                for length in lengths {
                    let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| damaged("a length"))?;
                    let word = str::from_utf8(values.take(length)?).map_err(|_| damaged("a text"))?;
                    words.push(word.to_owned());
                }
                Column::Texts(Texts { words, places })
            }
            // A column of a later release.
            _ => continue,
        };
        columns.push((name, column));
    }
    Ok(Frame { row_count, columns })
}

/// Returns the distinct values of rows, in the order in which they first appear, and for each row the place of its
/// value, from 1; 0 for no value. There are at most [`MAX_ROWS`] rows.
fn distinct<T: Copy + Eq + Hash>(rows: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<u16>) {
    let (mut values, mut known) = (Vec::new(), HashMap::new());
    let places = rows.map(|value| {
        let Some(value) = value else { return 0 };
        *known.entry(value).or_insert_with(|| {
            values.push(value);
            u16::try_from(values.len()).unwrap_or_default()
        })
    });
    let places = places.collect();
    (values, places)
}

fn put_places(out: &mut Vec<u8>, value_count: usize, places: &[u16]) -> Result<(), RepoError> {
    out.extend(length(value_count)?);
    let places: Vec<_> = places.iter().map(|place| place.to_le_bytes()).collect();
    put_planes(out, &places);
    Ok(())
}

/// Appends all first bytes, then all second ones, and so on.
fn put_planes<const N: usize>(out: &mut Vec<u8>, values: &[[u8; N]]) {
    for plane in 0..N {
        out.extend(values.iter().filter_map(|value| value.get(plane)));
    }
}

/// The bytes that are left to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], RepoError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| damaged("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RepoError> {
        self.take(N)?.try_into().map_err(|_| damaged("it ends too early"))
    }

    fn length(&mut self) -> Result<usize, RepoError> {
        usize::try_from(u32::from_le_bytes(self.array()?)).map_err(|_| damaged("a length"))
    }

    fn places(&mut self, row_count: usize) -> Result<(usize, Vec<u16>), RepoError> {
        let value_count = self.length()?;
        let places: Vec<_> = self.planes(row_count)?.into_iter().map(u16::from_le_bytes).collect();
        if value_count > row_count || places.iter().any(|place| usize::from(*place) > value_count) {
            return Err(damaged("a place"));
        }
        Ok((value_count, places))
    }

    fn planes<const N: usize>(&mut self, count: usize) -> Result<Vec<[u8; N]>, RepoError> {
        let bytes = self.take(count.saturating_mul(N))?;
        let mut values = vec![[0; N]; count];
        for (plane, bytes) in bytes.chunks_exact(count.max(1)).enumerate() {
            for (value, byte) in values.iter_mut().zip(bytes) {
                if let Some(cell) = value.get_mut(plane) {
                    *cell = *byte;
                }
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Returns the columns in a form that compares bits: to `==`, -0.0 is 0.0 and NaN is not itself.
    fn bits(frame: &Frame) -> Vec<(String, String)> {
        let shown = |column: &Column| match column {
            Column::Numbers(numbers) => {
                format!("{:?}", numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>())
            }
            // Words may be in any order.
            Column::Texts(texts) => {
                format!("{:?}", (0..frame.row_count).map(|row| texts.get(row)).collect::<Vec<_>>())
            }
            other => format!("{other:?}"),
        };
        frame.columns.iter().map(|(name, column)| (name.clone(), shown(column))).collect()
    }

    prop_compose! {
        fn any_frame()(row_count in 0_usize..40)(
            row_count in Just(row_count),
            ids in vec(any::<[u8; 16]>(), row_count),
            numbers in vec(prop_oneof![
                any::<u64>().prop_map(f64::from_bits),
                Just(-0.0), Just(0.0), Just(f64::NAN), Just(f64::INFINITY), Just(1.5),
            ], row_count),
            wholes in vec(any::<Option<i32>>(), row_count),
            texts in vec(prop_oneof![any::<Option<String>>(), Just(Some(String::new())), Just(None)], row_count),
        ) -> Frame {
            let texts = Texts::of(texts.iter().map(Option::as_deref));
            let columns = [Column::Ids(ids), Column::Numbers(numbers), Column::Wholes(wholes), Column::Texts(texts)];
            let columns = ["ids", "numbers", "wholes", "取引先名"].map(str::to_owned).into_iter().zip(columns);
            Frame { row_count, columns: columns.collect() }
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_to_the_bit(one in any_frame(), other in any_frame()) {
            let block = pack(&[one.clone(), other.clone()]).unwrap();
            let [first, second] = frames(&block).unwrap();
            for (frame, read) in [(one, first.read().unwrap()), (other, second.read().unwrap())] {
                prop_assert_eq!(frame.row_count, read.row_count);
                prop_assert_eq!(bits(&frame), bits(&read));
            }
        }

        #[test]
        fn a_changed_or_shortened_block_is_an_error(frame in any_frame(), place: prop::sample::Index, bit in 0_u32..8) {
            let block = pack(std::slice::from_ref(&frame)).unwrap();
            let read = |block: &[u8]| frames::<1>(block).and_then(|[frame]| frame.read());
            let place = place.index(block.len());
            prop_assert!(read(&block[..place]).is_err());
            let mut changed = block.clone();
            changed[place] ^= 1_u8 << bit;
            // A bit of Zstandard's header means nothing.
            prop_assert!(read(&changed).map_or(true, |read| bits(&read) == bits(&frame)));
        }

        #[test]
        fn bytes_of_anything_are_an_error_and_no_panic(bytes in vec(any::<u8>(), 0..300)) {
            let _ = read_frame(&bytes);
            prop_assert!(frames::<2>(&bytes).and_then(|[one, other]| one.read().and(other.read())).is_err());
        }
    }

    #[test]
    fn a_column_of_an_unknown_kind_is_passed_over_and_an_unknown_format_refused() {
        let known = ("known".to_owned(), Column::Numbers(vec![1.0]));
        let frame =
            Frame { row_count: 1, columns: vec![("new".to_owned(), Column::Wholes(vec![Some(1)])), known.clone()] };
        let mut plain = write_frame(&frame).unwrap();
        // After two counts, the length of the name and the name.
        plain[4 + 4 + 4 + 3] = 99;
        assert_eq!(read_frame(&plain).unwrap().columns, [known]);

        let mut block = pack(&[frame]).unwrap();
        block[0] = 2;
        assert!(frames::<1>(&block).unwrap_err().to_string().contains("the database failed"));
    }

    #[test]
    fn numbers_that_recur_together_cost_little_more_than_once() {
        let numbers =
            |factor: f64| Column::Numbers((0..500).map(|row| f64::from(row * row % 97).sqrt() * factor).collect());
        let packed = |count: usize| {
            let columns = (0..count).map(|column| (format!("{column}"), numbers(column as f64 + 1.1)));
            pack(&[Frame { row_count: 500, columns: columns.collect() }]).unwrap().len()
        };
        assert!(packed(10) < packed(1) * 8, "{} {}", packed(1), packed(10));
    }
}
