//! The rows of a sheet as they are copied out of a workbook: they never take more bytes than its XML has for them.

use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use crate::files::spill::Spill;

/// The value of a cell, before the use of its column is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// The number of a text that cells share.
    Shared(u32),
    /// A number and its style.
    Number(f64, u16),
    /// A date and time that is written out, in milliseconds since 1970.
    Moment(i64),
    Flag(bool),
    /// The error of a formula, such as `#N/A`.
    Error(String),
    /// A formula whose value nothing has calculated.
    Uncalculated,
}

/// Writes the rows that are copied.
pub(super) struct RowWriter(BufWriter<Spill>);

/// Reads the copied rows from the first one.
pub(super) struct RowReader<'a> {
    bytes: BufReader<&'a mut Spill>,
    /// The number of the row whose cells come next.
    next: Option<u32>,
}

const ROW: u8 = b'R';
const TEXT: u8 = b'T';
const SHARED: u8 = b'S';
const NUMBER: u8 = b'N';
const MOMENT: u8 = b'M';
const FLAG: u8 = b'F';
const ERROR: u8 = b'E';
const UNCALCULATED: u8 = b'U';

impl RowWriter {
    pub(super) fn new() -> Self {
        Self(BufWriter::new(Spill::default()))
    }

    /// Begins a row.
    pub(super) fn row(&mut self, number: u32) -> io::Result<()> {
        self.0.write_all(&[ROW])?;
        self.0.write_all(&number.to_le_bytes())
    }

    pub(super) fn cell(&mut self, column: u8, value: &Value) -> io::Result<()> {
        let tag = match value {
            Value::Text(_) => TEXT,
            Value::Shared(_) => SHARED,
            Value::Number(..) => NUMBER,
            Value::Moment(_) => MOMENT,
            Value::Flag(_) => FLAG,
            Value::Error(_) => ERROR,
            Value::Uncalculated => UNCALCULATED,
        };
        self.0.write_all(&[tag, column])?;
        match value {
            Value::Text(text) | Value::Error(text) => {
                self.0.write_all(&(text.len() as u32).to_le_bytes())?;
                self.0.write_all(text.as_bytes())
            }
            Value::Shared(number) => self.0.write_all(&number.to_le_bytes()),
            Value::Number(number, style) => {
                self.0.write_all(&number.to_le_bytes())?;
                self.0.write_all(&style.to_le_bytes())
            }
            Value::Moment(time) => self.0.write_all(&time.to_le_bytes()),
            Value::Flag(flag) => self.0.write_all(&[u8::from(*flag)]),
            Value::Uncalculated => Ok(()),
        }
    }

    pub(super) fn finish(self) -> io::Result<Spill> {
        self.0.into_inner().map_err(|error| error.into_error())
    }
}

impl<'a> RowReader<'a> {
    pub(super) fn new(bytes: &'a mut Spill) -> io::Result<Self> {
        bytes.rewind()?;
        let mut bytes = BufReader::new(bytes);
        let next = match tag(&mut bytes)? {
            Some(_) => Some(u32::from_le_bytes(array(&mut bytes)?)),
            None => None,
        };
        Ok(Self { bytes, next })
    }

    /// Reads the next row into `cells` and returns its number.
    pub(super) fn next(&mut self, cells: &mut Vec<(usize, Value)>) -> io::Result<Option<u32>> {
        cells.clear();
        let Some(row) = self.next.take() else { return Ok(None) };
        while let Some(tag) = tag(&mut self.bytes)? {
            if tag == ROW {
                self.next = Some(u32::from_le_bytes(array(&mut self.bytes)?));
                break;
            }
            let [column] = array(&mut self.bytes)?;
            cells.push((usize::from(column), self.value(tag)?));
        }
        Ok(Some(row))
    }

    fn value(&mut self, tag: u8) -> io::Result<Value> {
        let bytes = &mut self.bytes;
        Ok(match tag {
            TEXT => Value::Text(text(bytes)?),
            SHARED => Value::Shared(u32::from_le_bytes(array(bytes)?)),
            NUMBER => Value::Number(f64::from_le_bytes(array(bytes)?), u16::from_le_bytes(array(bytes)?)),
            MOMENT => Value::Moment(i64::from_le_bytes(array(bytes)?)),
            FLAG => Value::Flag(array(bytes)? == [1]),
            ERROR => Value::Error(text(bytes)?),
            _ => Value::Uncalculated,
        })
    }
}

fn tag(bytes: &mut impl Read) -> io::Result<Option<u8>> {
    let mut tag = [0];
    Ok((bytes.read(&mut tag)? == 1).then_some(u8::from_le_bytes(tag)))
}

fn array<const N: usize>(bytes: &mut impl Read) -> io::Result<[u8; N]> {
    let mut array = [0; N];
    bytes.read_exact(&mut array)?;
    Ok(array)
}

fn text(bytes: &mut impl Read) -> io::Result<String> {
    let length = u32::from_le_bytes(array(bytes)?);
    let mut text = String::new();
    bytes.take(u64::from(length)).read_to_string(&mut text)?;
    Ok(text)
}
