//! The files that are imported. The same size gives the same bytes.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tests::draw::Draw;
use tests::shuffled;

/// The numbers of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) suppliers: u32,
    pub(crate) relationships: u32,
    pub(crate) incidents: u32,
}

/// The files of a portfolio.
///
/// A few suppliers have most of the relationships and incidents, most incidents were blocked, and codes are in no order.
#[derive(Debug)]
pub(crate) struct Portfolio {
    pub(crate) counts: Counts,
    folder: PathBuf,
}

impl Portfolio {
    /// Writes the files to a folder.
    pub(crate) fn write(counts: Counts, folder: &Path) -> io::Result<Self> {
        let portfolio = Self { counts, folder: folder.to_owned() };
        let codes = shuffled(counts.suppliers);
        portfolio.suppliers(&codes)?;
        portfolio.relationships(&codes)?;
        portfolio.incidents(&codes)?;
        Ok(portfolio)
    }

    /// Returns the file of a kind of record.
    pub(crate) fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(kind).with_extension("csv")
    }

    /// Returns the code of a supplier, by its number.
    pub(crate) fn code(number: u32) -> String {
        format!("S{number:07}")
    }

    fn create(&self, kind: &str) -> io::Result<BufWriter<File>> {
        Ok(BufWriter::with_capacity(1 << 20, File::create(self.file(kind))?))
    }

    fn suppliers(&self, codes: &[u32]) -> io::Result<()> {
        let mut out = self.create("suppliers")?;
        let head = "supplier_code,name,jsic_division,employee_count,capital_jpy,data_access,network_access,\
                    total_endpoints,reports_incidents_since";
        writeln!(out, "{head}")?;
        let mut draw = Draw::new(11);
        for &code in codes {
            let division = draw.or_empty(20, |draw| draw.below(99) + 1);
            let employees = draw.or_empty(20, |draw| draw.skewed(2000));
            let capital = draw.or_empty(10, |draw| draw.skewed(1000) * 1_000_000);
            let data = draw.one_of(&["none", "none", "internal", "confidential"]);
            let network = draw.one_of(&["none", "none", "none", "limited", "privileged"]);
            let endpoints = draw.or_empty(5, |draw| draw.skewed(1000) + 1);
            let reports = if draw.some(3) { draw.date() } else { String::new() };
            let shown = Self::code(code);
            writeln!(
                out,
                "{shown},取引先{code}株式会社,{division},{employees},{capital},{data},{network},{endpoints},{reports}"
            )?;
        }
        out.flush()
    }

    /// Writes relationships, no two of the same pair. One in ten suppliers delivers to the buyer.
    fn relationships(&self, codes: &[u32]) -> io::Result<()> {
        let mut out = self.create("relationships")?;
        writeln!(out, "upstream_code,downstream_code,annual_spend_jpy,criticality,substitutability,stock_cover_days")?;
        let mut draw = Draw::new(12);
        let mut pairs = HashSet::new();
        while pairs.len() < self.counts.relationships as usize {
            let upstream = draw.below(self.counts.suppliers);
            let to_buyer = upstream == 0 || draw.some(10);
            let downstream = (!to_buyer).then(|| draw.skewed(upstream));
            if !pairs.insert((upstream, downstream)) {
                continue;
            }
            let ends = (Some(upstream), downstream);
            let (upstream, downstream) = if downstream.is_some() && draw.some(100) { (ends.1, ends.0) } else { ends };
            let code = |number: Option<u32>| {
                number.and_then(|number| codes.get(number as usize)).map_or_else(String::new, |&code| Self::code(code))
            };
            let spend = draw.skewed(100_000) * 10_000;
            let criticality = draw.one_of(&["stops_line", "degrades", "degrades", "routine", "routine", "routine"]);
            let substitutability = draw.one_of(&["sole", "limited", "multiple", "multiple"]);
            let stock = draw.below(60);
            let (upstream, downstream) = (code(upstream), code(downstream));
            writeln!(out, "{upstream},{downstream},{spend},{criticality},{substitutability},{stock}")?;
        }
        out.flush()
    }

    fn incidents(&self, codes: &[u32]) -> io::Result<()> {
        let mut out = self.create("incidents")?;
        writeln!(out, "external_id,supplier_code,occurred_on,outcome,count")?;
        let mut draw = Draw::new(13);
        for incident in shuffled(self.counts.incidents) {
            let supplier = draw.skewed(self.counts.suppliers);
            let code = codes.get(supplier as usize).map_or_else(String::new, |&code| Self::code(code));
            let (outcome, count) = match draw.below(100) {
                0 => ("harmful", 1),
                1..=9 => ("contained", draw.below(5) + 1),
                _ => ("blocked", draw.below(500) + 1),
            };
            writeln!(out, "I{incident:08},{code},{},{outcome},{count}", draw.date())?;
        }
        out.flush()
    }
}
