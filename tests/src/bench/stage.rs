//! What measurements share: the portfolio, and installations that are made once and copied for each measurement.

use std::cell::OnceCell;

use crate::Failure;
use crate::installation::{Installation, Site};
use crate::portfolio::Portfolio;
use crate::service::Service;

/// One of the databases, with the installations made on it so far.
pub(crate) struct Stage<'a> {
    pub(crate) site: Site<'a>,
    pub(crate) portfolio: &'a Portfolio,
    /// How often each measurement is done.
    pub(crate) runs: u32,
    empty: OnceCell<Installation<'a>>,
    imported: OnceCell<Installation<'a>>,
    scored: OnceCell<Installation<'a>>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(site: Site<'a>, portfolio: &'a Portfolio, runs: u32) -> Self {
        let (empty, imported, scored) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { site, portfolio, runs, empty, imported, scored }
    }

    /// Returns an installation with a buyer and nothing else.
    pub(crate) fn empty(&self) -> Result<&Installation<'a>, Failure> {
        kept(&self.empty, || {
            let empty = Installation::empty(self.site)?;
            Service::start(&empty)?.stop()?;
            Ok(empty)
        })
    }

    /// Returns an installation with the portfolio.
    pub(crate) fn imported(&self) -> Result<&Installation<'a>, Failure> {
        kept(&self.imported, || {
            let imported = self.empty()?.copy()?;
            let service = Service::start(&imported)?;
            for kind in ["suppliers", "relationships", "incidents"] {
                service.import(kind, &self.portfolio.file(kind))?;
            }
            service.stop()?;
            Ok(imported)
        })
    }

    /// Keeps an installation into which the portfolio has been imported anyway.
    pub(crate) fn keep_imported(&self, installation: Installation<'a>) {
        // Later ones are like the first.
        let _ = self.imported.set(installation);
    }

    /// Returns an installation with the portfolio and its scores.
    pub(crate) fn scored(&self) -> Result<&Installation<'a>, Failure> {
        kept(&self.scored, || {
            let scored = self.imported()?.copy()?;
            let service = Service::start(&scored)?;
            service.score()?;
            service.stop()?;
            Ok(scored)
        })
    }
}

fn kept<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T, Failure>) -> Result<&T, Failure> {
    if let Some(kept) = cell.get() {
        return Ok(kept);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}
