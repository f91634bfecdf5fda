//! The measurements, for people and for programs.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use crate::goals::Bound;
use crate::observation::{Summary, Verdict};
use crate::portfolio::Counts;

/// The page with the results.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operate/performance.md");
/// The page before its figures are filled in.
const TEMPLATE: &str = include_str!("performance.md");

/// All results, and where they come from.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    version: &'static str,
    suppliers: u32,
    relationships: u32,
    incidents: u32,
    runs: u32,
    machine: Machine,
    results: Vec<Verdict>,
}

#[derive(Debug, Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    memory_bytes: f64,
    kernel: String,
    postgres: Option<String>,
}

impl Machine {
    fn this(postgres: Option<&str>) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory: Option<f64> = memory.and_then(|memory| memory.strip_suffix(" kB")?.parse().ok());
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory.unwrap_or_default() * 1024.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            postgres: postgres.map(str::to_owned),
        }
    }
}

impl Report {
    pub(crate) fn new(counts: Counts, runs: u32, postgres: Option<&str>, results: Vec<Verdict>) -> Self {
        let Counts { suppliers, relationships, incidents } = counts;
        let machine = Machine::this(postgres);
        Self { version: env!("CARGO_PKG_VERSION"), suppliers, relationships, incidents, runs, machine, results }
    }

    /// Returns the goals that are missed, with their databases.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = self.results.iter().filter(|verdict| !verdict.is_met);
        missed.map(|verdict| format!("{} ({})", verdict.name, verdict.backend)).collect()
    }

    /// Returns the results as a table, which is also Markdown.
    pub(crate) fn table(&self) -> String {
        let head = ["name", "database", "median (min to max)", "limit", "figure", "goal", "met", "peak MB"];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(self.results.iter().map(row));
        let width = |place: usize| {
            let cells = rows.iter().filter_map(|row| row.get(place));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let mut table = String::new();
        for (place, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} |")).collect::<String>();
            table += &format!("|{cells}\n");
            if place == 0 {
                let line = widths.iter().map(|width| format!(" {} |", "-".repeat(*width))).collect::<String>();
                table += &format!("|{line}\n");
            }
        }
        table
    }

    /// Writes the page with the results.
    pub(crate) fn write_docs(&self) -> io::Result<()> {
        fs::write(Path::new(PAGE), self.page())
    }

    fn page(&self) -> String {
        let machine = &self.machine;
        let postgres = machine.postgres.as_ref().map(|version| format!(", PostgreSQL {version} on the same machine"));
        let described = format!(
            "{} cores ({}), {:.0} GB of memory, Linux {}{}",
            machine.cores,
            machine.processor,
            machine.memory_bytes / 1e9,
            machine.kernel,
            postgres.unwrap_or_default(),
        );
        let missed = self.missed();
        let missed = if missed.is_empty() { "none".to_owned() } else { missed.join(", ") };
        let places = [
            ("{what}", self.what()),
            ("{table}", self.table()),
            ("{growth}", self.growth()),
            ("{details}", self.details()),
            ("{missed}", missed),
            ("{machine}", described),
            ("{suppliers}", number(f64::from(self.suppliers))),
            ("{relationships}", number(f64::from(self.relationships))),
            ("{incidents}", number(f64::from(self.incidents))),
            ("{runs}", self.runs.to_string()),
        ];
        places.iter().fold(TEMPLATE.to_owned(), |page, (place, text)| page.replace(place, text.trim_end()))
    }

    /// Returns the table of what each name means.
    fn what(&self) -> String {
        let mut table = "| name | measured | compared with |\n| --- | --- | --- |\n".to_owned();
        for goal in crate::goals::GOALS {
            let _ = writeln!(table, "| {} | {}, {} | {} |", goal.name, goal.what, goal.unit, goal.limit.unwrap_or("–"));
        }
        table
    }

    /// Returns the steps of `sonae score` by the number of suppliers.
    fn growth(&self) -> String {
        let mut table = String::new();
        for (step, sizes) in self.results.iter().flat_map(|verdict| &verdict.growth) {
            if table.is_empty() {
                let heads: String = sizes.keys().map(|size| format!(" {} |", number(f64::from(*size)))).collect();
                let _ = writeln!(table, "| step, s |{heads}\n| --- |{}", " --- |".repeat(sizes.len()));
            }
            let cells: String = sizes.values().map(|summary| format!(" {} |", spread(summary))).collect();
            let _ = writeln!(table, "| {step} |{cells}");
        }
        table
    }

    /// Returns what was measured in addition to the goals.
    fn details(&self) -> String {
        let mut table = "| name | database | detail | median (min to max) |\n| --- | --- | --- | --- |\n".to_owned();
        for verdict in &self.results {
            for (name, summary) in &verdict.details {
                let _ = writeln!(table, "| {} | {} | {name} | {} |", verdict.name, verdict.backend, spread(summary));
            }
        }
        table
    }
}

fn row(verdict: &Verdict) -> [String; 8] {
    let is_ratio = verdict.limit.is_some();
    let figure = |figure: f64| if is_ratio { format!("{figure:.2} of the limit") } else { number(figure) };
    let goal = match verdict.goal {
        Bound::AtLeast(least) => format!("≥ {}", figure(least)),
        Bound::AtMost(most) => format!("≤ {}", figure(most)),
    };
    [
        verdict.name.to_owned(),
        verdict.backend.to_owned(),
        format!("{} {}", spread(&verdict.measured), verdict.unit),
        verdict.limit.as_ref().map_or_else(|| "–".to_owned(), spread),
        figure(verdict.figure),
        goal,
        if verdict.is_met { "yes" } else { "NO" }.to_owned(),
        verdict.peak_bytes.as_ref().map_or_else(|| "–".to_owned(), |peak| number(peak.median / 1e6)),
    ]
}

fn spread(summary: &Summary) -> String {
    format!("{} ({} to {})", number(summary.median), number(summary.min), number(summary.max))
}

/// Returns a number with about three significant digits and separators.
fn number(number: f64) -> String {
    match number.abs() {
        size if size < 10.0 => format!("{number:.2}"),
        size if size < 100.0 => format!("{number:.1}"),
        _ => {
            let digits = format!("{number:.0}");
            let places = digits.char_indices();
            let separated = places.flat_map(|(place, digit)| {
                let is_group = place > 0 && (digits.len() - place).is_multiple_of(3);
                is_group.then_some(',').into_iter().chain([digit])
            });
            separated.collect()
        }
    }
}
