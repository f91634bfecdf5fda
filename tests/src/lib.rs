//! What tests share: a PostgreSQL of their own, portfolios of any size, and texts without what differs from run to run.

pub mod cluster;
pub mod database;
pub mod draw;
pub mod procurement;
pub mod redact;
pub mod sql;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::draw::Draw;

/// The size of a made-up portfolio.
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
    /// Writes the six tables to a folder. The same size gives the same bytes.
    ///
    /// A few suppliers have most of the rows, at both ends. A row leads from one supplier to one of a lower rank, which
    /// has nothing to do with how many rows it has. One row in a hundred leads back and closes a cycle. Most are
    /// routine and multiple, most incidents were blocked, and codes are in random order. A third are enrolled.
    ///
    /// # Errors Those of the file system.
    pub fn write(self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let codes = &shuffled(self.suppliers);
        self.suppliers_table(codes, &mut create(folder, "suppliers")?)?;
        self.relationships(codes, &mut create(folder, "relationships")?)?;
        self.enrollments(codes, &mut create(folder, "enrollments")?)?;
        self.certifications(codes, &mut create(folder, "certifications")?)?;
        self.assessments(codes, &mut create(folder, "assessments")?)?;
        self.incidents_table(codes, &mut create(folder, "incidents")?)
    }

    fn suppliers_table(self, codes: &[u32], out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "supplier_code,name,jsic_division,employee_count,capital_jpy,data_access,network_access,total_endpoints,reports_incidents_since"
        )?;
        let mut draw = Draw::new(1);
        for supplier in codes {
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

    fn relationships(self, codes: &[u32], out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "upstream_code,downstream_code,annual_spend_jpy,criticality,substitutability,stock_cover_days")?;
        let mut draw = Draw::new(2);
        let mut row = |upstream: u32, downstream: String, draw: &mut Draw| {
            let spend = draw.skewed(100_000) * 10_000;
            let criticality =
                if draw.some(12) { "stops_line" } else { draw.one_of(&["degrades", "routine", "routine"]) };
            let substitutability =
                if draw.some(12) { "sole" } else { draw.one_of(&["limited", "multiple", "multiple"]) };
            let stock = draw.or_empty(4, |draw| draw.below(60));
            writeln!(out, "S{upstream:07},{downstream},{spend},{criticality},{substitutability},{stock}")
        };
        for supplier in codes.iter().step_by(10) {
            row(*supplier, String::new(), &mut draw)?;
        }
        for _ in 0..if self.suppliers > 1 { self.edges } else { 0 } {
            // The code is also the rank.
            let (one, other) = loop {
                let ends = [draw.skewed(self.suppliers), draw.skewed(self.suppliers)];
                let [one, other] = ends.map(|place| codes.get(place as usize).copied().unwrap_or_default());
                if one != other {
                    break (one, other);
                }
            };
            let (upstream, downstream) = if draw.some(100) == (one > other) { (other, one) } else { (one, other) };
            row(upstream, format!("S{downstream:07}"), &mut draw)?;
        }
        out.flush()
    }

    fn enrollments(self, codes: &[u32], out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "supplier_code,service_class,coverage_share,covered_endpoints,starts_on,ends_on,onsite_response"
        )?;
        let mut draw = Draw::new(3);
        for supplier in codes.iter().step_by(3) {
            let class = draw.one_of(&["class_1", "class_1", "class_2", "new_type"]);
            let share = draw.or_empty(3, |draw| f64::from(draw.below(101)) / 100.0);
            let covered = draw.or_empty(2, |draw| draw.below(500));
            let ends = if draw.some(5) { "2026-12-31" } else { "" };
            let onsite = draw.some(2);
            writeln!(out, "S{supplier:07},{class},{share},{covered},{},{ends},{onsite}", draw.date())?;
        }
        out.flush()
    }

    fn certifications(self, codes: &[u32], out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "supplier_code,scheme,issued_on,expires_on")?;
        let mut draw = Draw::new(4);
        for supplier in codes.iter().step_by(2) {
            let scheme = draw.one_of(&["security_action_1", "security_action_1", "security_action_2", "isms"]);
            writeln!(out, "S{supplier:07},{scheme},{},", draw.date())?;
        }
        out.flush()
    }

    fn assessments(self, codes: &[u32], out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "supplier_code,control,status,total_score,assessed_on,expires_on,assurance")?;
        let mut draw = Draw::new(6);
        // A third answers: a questionnaire of some controls, and some of them the self-assessment.
        for supplier in codes.iter().skip(1).step_by(3) {
            let assessed_on = draw.date();
            let assurance = if draw.some(8) { "verified_by_provider" } else { "self_reported" };
            for control in ["mfa", "patching", "hardening", "remote_access", "edr", "backup"] {
                if !draw.some(3) {
                    let status = if draw.some(3) { "met" } else { "not_met" };
                    writeln!(out, "S{supplier:07},{control},{status},,{assessed_on},,{assurance}")?;
                }
            }
            if draw.some(3) {
                let total = draw.below(126) as i32 - 25;
                writeln!(out, "S{supplier:07},self_assessment,,{total},{},,self_reported", draw.date())?;
            }
        }
        out.flush()
    }

    fn incidents_table(self, codes: &[u32], out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "supplier_code,occurred_on,outcome,count")?;
        let mut draw = Draw::new(5);
        for _ in 0..if self.suppliers > 0 { self.incidents } else { 0 } {
            let supplier = codes.get(draw.skewed(self.suppliers) as usize).copied().unwrap_or_default();
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

/// Returns the numbers below a limit in random order.
pub fn shuffled(count: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count).collect();
    let mut draw = Draw::new(10);
    for last in (1..count).rev() {
        numbers.swap(last as usize, draw.below(last + 1) as usize);
    }
    numbers
}

fn create(folder: &Path, table: &str) -> io::Result<BufWriter<File>> {
    let file = File::create(folder.join(table).with_extension("csv"))?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}
