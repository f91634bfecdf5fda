//! What tests share: a PostgreSQL of their own, and portfolios of any size, made up or of published orders.

pub mod cluster;
pub mod database;
pub mod procurement;
pub mod sql;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// How large a made-up portfolio is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows of suppliers.
    pub suppliers: u32,
    /// Rows between suppliers.
    pub edges: u32,
    /// Rows of incidents.
    pub incidents: u32,
}

impl Size {
    /// Writes the five tables into a folder; the same size gives the same bytes.
    ///
    /// Suppliers lie in tiers: a row leads from one supplier to one of a lower number, so that most supply few and
    /// some supply many; one row in a hundred leads back and closes a cycle. A third are enrolled.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        self.suppliers_table(&mut create(folder, "suppliers")?)?;
        self.relationships(&mut create(folder, "relationships")?)?;
        self.enrollments(&mut create(folder, "enrollments")?)?;
        self.certifications(&mut create(folder, "certifications")?)?;
        self.incidents_table(&mut create(folder, "incidents")?)
    }

    fn suppliers_table(self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "supplier_code,name,jsic_division,employee_count,capital_jpy,data_access,network_access,total_endpoints,reports_incidents_since"
        )?;
        let mut draw = Draw::new(1);
        for supplier in 0..self.suppliers {
            let division = draw.or_empty(20, |draw| draw.below(99) + 1);
            let employees = draw.or_empty(20, |draw| draw.skewed(2000));
            let capital = draw.or_empty(10, |draw| draw.skewed(1000) * 1_000_000);
            let data = draw.one_of(&["none", "none", "internal", "confidential"]);
            let network = draw.one_of(&["none", "none", "none", "limited", "privileged"]);
            let endpoints = draw.or_empty(5, |draw| draw.skewed(1000) + 1);
            let reports = if draw.some(3) { draw.date() } else { String::new() };
            writeln!(
                out,
                "S{supplier:07},取引先{supplier},{division},{employees},{capital},{data},{network},{endpoints},{reports}"
            )?;
        }
        out.flush()
    }

    fn relationships(self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "upstream_code,downstream_code,annual_spend_jpy,criticality,substitutability,stock_cover_days")?;
        let mut draw = Draw::new(2);
        let mut row = |upstream: u32, downstream: String, draw: &mut Draw| {
            let spend = draw.skewed(100_000) * 10_000;
            let criticality = draw.one_of(&["stops_line", "degrades", "degrades", "routine", "routine", "routine"]);
            let substitutability = draw.one_of(&["sole", "limited", "multiple", "multiple"]);
            let stock = draw.below(60);
            writeln!(out, "S{upstream:07},{downstream},{spend},{criticality},{substitutability},{stock}")
        };
        for supplier in (0..self.suppliers).step_by(10) {
            row(supplier, String::new(), &mut draw)?;
        }
        for _ in 0..if self.suppliers > 1 { self.edges } else { 0 } {
            let upstream = draw.below(self.suppliers - 1) + 1;
            let downstream = draw.below(upstream);
            let (upstream, downstream) = if draw.some(100) { (downstream, upstream) } else { (upstream, downstream) };
            row(upstream, format!("S{downstream:07}"), &mut draw)?;
        }
        out.flush()
    }

    fn enrollments(self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "supplier_code,service_class,coverage_share,covered_endpoints,starts_on,ends_on,onsite_response"
        )?;
        let mut draw = Draw::new(3);
        for supplier in (0..self.suppliers).step_by(3) {
            let class = draw.one_of(&["class_1", "class_1", "class_2", "new_type"]);
            let share = draw.or_empty(3, |draw| f64::from(draw.below(101)) / 100.0);
            let covered = draw.or_empty(2, |draw| draw.below(500));
            let ends = if draw.some(5) { "2026-12-31" } else { "" };
            let onsite = draw.some(2);
            writeln!(out, "S{supplier:07},{class},{share},{covered},{},{ends},{onsite}", draw.date())?;
        }
        out.flush()
    }

    fn certifications(self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "supplier_code,scheme,issued_on,expires_on")?;
        let mut draw = Draw::new(4);
        for supplier in (0..self.suppliers).step_by(2) {
            let scheme = draw.one_of(&["security_action_1", "security_action_1", "security_action_2", "isms"]);
            writeln!(out, "S{supplier:07},{scheme},{},", draw.date())?;
        }
        out.flush()
    }

    fn incidents_table(self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "supplier_code,occurred_on,outcome,count")?;
        let mut draw = Draw::new(5);
        for _ in 0..if self.suppliers > 0 { self.incidents } else { 0 } {
            let supplier = draw.below(self.suppliers);
            let (outcome, count) = match draw.below(100) {
                0 => ("harmful", 1),
                1..=9 => ("contained", draw.below(5) + 1),
                _ => ("blocked", draw.below(500) + 1),
            };
            writeln!(out, "S{supplier:07},{},{outcome},{count}", draw.date())?;
        }
        out.flush()
    }
}

fn create(folder: &Path, table: &str) -> io::Result<BufWriter<File>> {
    let file = File::create(folder.join(table).with_extension("csv"))?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}

/// A stream of draws that its seed settles, in every version of the generator.
struct Draw(SplitMix64);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    fn below(&mut self, limit: u32) -> u32 {
        (self.0.next_u64() % u64::from(limit)) as u32
    }

    /// Small numbers much more often than large ones.
    fn skewed(&mut self, limit: u32) -> u32 {
        let share = f64::from(self.below(1 << 20)) / f64::from(1 << 20);
        (share.powi(4) * f64::from(limit)) as u32
    }

    /// True once in so many times.
    fn some(&mut self, once_in: u32) -> bool {
        self.below(once_in) == 0
    }

    /// A value, but empty once in so many times.
    fn or_empty<T: ToString>(&mut self, once_in: u32, value: impl FnOnce(&mut Self) -> T) -> String {
        if self.some(once_in) { String::new() } else { value(self).to_string() }
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let place = self.below(choices.len() as u32) as usize;
        choices.get(place).copied().unwrap_or_default()
    }

    /// A day from 2016-10 to 2026-09.
    fn date(&mut self) -> String {
        let month = self.below(120) + 9;
        format!("{}-{:02}-{:02}", 2016 + month / 12, month % 12 + 1, self.below(28) + 1)
    }
}
