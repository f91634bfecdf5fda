//! Finds the records of a file's rows by their keys, first where they most likely are.
//!
//! A sender who sends a file again mostly sends its rows in the order in which they were first recorded, which is that
//! of their ids. So the records that follow the last one found are read in one piece. Only those that are not among
//! them are searched for one by one, each in another place of a large index.

use std::collections::HashMap;

use schema::{Id, RepoError, Source, Stored, Tx};

use crate::records::Resource;

/// Looks up records, batch after batch.
pub(super) struct LookUp<R: Resource> {
    /// The last record that was found.
    last: Option<Id<R>>,
    /// How many times in a row only few records were where they were expected.
    misses: u32,
    /// How many batches are looked up without that expectation.
    pause: u32,
}

/// After this many misses pauses grow no longer, because the order may come back.
const MAX_MISSES: u32 = 6;

impl<R: Resource> Default for LookUp<R> {
    fn default() -> Self {
        Self { last: None, misses: 0, pause: 0 }
    }
}

impl<R: Resource> LookUp<R> {
    /// Returns the current version of the record of each key.
    pub(super) fn find(
        &mut self,
        tx: &mut Tx,
        source: &Source,
        keys: &[&str],
    ) -> Result<Vec<Option<Stored<R>>>, RepoError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // A map, because keys are compared here a million times.
        let places: HashMap<&str, usize> = keys.iter().enumerate().map(|(place, key)| (*key, place)).collect();
        let mut found: Vec<Option<Stored<R>>> = keys.iter().map(|_| None).collect();
        if let Some(last) = self.expected_after() {
            let count = put(&mut found, &places, R::following(tx, source, last, keys.len())?);
            // A record that is searched for takes several times as long as one that is read in passing.
            self.note(count * 8 >= keys.len());
        }
        let others = keys.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(key, _)| *key);
        let others: Vec<&str> = others.collect();
        put(&mut found, &places, R::with_keys(tx, source, &others, None)?);
        self.last = found.iter().flatten().next_back().map(|row| row.meta.id).or(self.last);
        Ok(found)
    }

    fn expected_after(&mut self) -> Option<Id<R>> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        self.last
    }

    /// Notes whether records were where they were expected. If not, that is tried more and more rarely, so that it
    /// costs little.
    fn note(&mut self, was_right: bool) {
        self.misses = if was_right { 0 } else { MAX_MISSES.min(self.misses + 1) };
        self.pause = if was_right { 0 } else { 1 << self.misses };
    }
}

/// Puts rows in their places by their keys. Returns how many have one.
fn put<R: Resource>(found: &mut [Option<Stored<R>>], places: &HashMap<&str, usize>, rows: Vec<Stored<R>>) -> usize {
    let mut count = 0;
    for row in rows {
        let place = places.get(row.meta.record_key.as_str());
        if let Some(found) = place.and_then(|place| found.get_mut(*place)) {
            *found = Some(row);
            count += 1;
        }
    }
    count
}
