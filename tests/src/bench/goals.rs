//! What is measured, and what must hold.

use serde::Serialize;

/// One row of the report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// Its name, for `--only` and for the record.
    pub(crate) name: &'static str,
    /// The measurement that gives it; several goals can come from one.
    pub(crate) work: Work,
    /// What is measured.
    pub(crate) what: &'static str,
    /// The unit of what is measured.
    pub(crate) unit: &'static str,
    /// What it is compared with, in the same unit. `None` for an absolute figure.
    pub(crate) limit: Option<&'static str>,
    /// What must hold for the median, or for its ratio to the median of the limit.
    pub(crate) bound: Bound,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Imports of files, and of the same files again.
    Imports,
    /// Reading many incidents for a score run.
    Frames,
    /// Score runs.
    Runs,
    /// Changes of one supplier, until its score follows.
    Changes,
    /// Scores by code, under load.
    Lookups,
    /// Pages of the list of scores.
    Lists,
    /// Workbooks of scores.
    Exports,
    /// Starts of the service.
    Starts,
    /// `sonae score` over files, without a database.
    Files,
}

/// The bound of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// At least this figure.
    AtLeast(f64),
    /// At most this figure.
    AtMost(f64),
}

impl Bound {
    /// Returns whether a figure keeps to the bound.
    pub(crate) fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }
}

/// All goals, in the order of the report.
pub(crate) const GOALS: [Goal; 22] = [
    Goal {
        name: "import-suppliers",
        work: Work::Imports,
        what: "import of suppliers and relationships as CSV, over HTTP",
        unit: "rows/s",
        limit: Some("bare inserts of the same rows"),
        bound: Bound::AtLeast(0.30),
    },
    Goal {
        name: "import-incidents",
        work: Work::Imports,
        what: "import of incidents as CSV, over HTTP",
        unit: "rows/s",
        limit: Some("bare inserts of the same rows"),
        bound: Bound::AtLeast(0.30),
    },
    Goal {
        name: "import-again",
        work: Work::Imports,
        what: "the same files again, nothing changed",
        unit: "rows/s",
        limit: None,
        bound: Bound::AtLeast(150_000.0),
    },
    Goal {
        name: "frames",
        work: Work::Frames,
        what: "rows of incidents read for a score run, ten times as many as were imported",
        unit: "rows/s",
        limit: Some("a bare scan of the same rows (PostgreSQL: binary COPY)"),
        bound: Bound::AtLeast(0.50),
    },
    Goal {
        name: "run",
        work: Work::Runs,
        what: "a score run, from the request to the stored result",
        unit: "s",
        limit: Some("its reading and its model, and bare inserts of as many results"),
        bound: Bound::AtMost(2.0),
    },
    Goal {
        name: "run-bytes",
        work: Work::Runs,
        what: "database size of one more run over unchanged data",
        unit: "bytes/supplier",
        limit: None,
        bound: Bound::AtMost(400.0),
    },
    Goal {
        name: "changed-score",
        work: Work::Changes,
        what: "one changed supplier among 10,000, from the answer until its new score is served",
        unit: "ms",
        limit: None,
        bound: Bound::AtMost(300.0),
    },
    Goal {
        name: "by-code",
        work: Work::Lookups,
        what: "scores by code with a token, random codes, 32 connections",
        unit: "requests/s",
        limit: Some("a bare handler that returns the same bytes"),
        bound: Bound::AtLeast(0.12),
    },
    Goal {
        name: "by-code-p99",
        work: Work::Lookups,
        what: "99th percentile of the same answers",
        unit: "ms",
        limit: None,
        bound: Bound::AtMost(5.0),
    },
    Goal {
        name: "revoke",
        work: Work::Lookups,
        what: "time until a revoked token in use is refused",
        unit: "s",
        limit: None,
        bound: Bound::AtMost(1.0),
    },
    Goal {
        name: "lists",
        work: Work::Lists,
        what: "list of 1,000 scores, or of 1,000 suppliers, by the slowest sortable column",
        unit: "ms",
        limit: None,
        bound: Bound::AtMost(20.0),
    },
    Goal {
        name: "workbook",
        work: Work::Exports,
        what: "the workbook of all scores, from the request to the stored file",
        unit: "s",
        limit: Some("a bare write of the same cells in constant memory"),
        bound: Bound::AtMost(2.0),
    },
    Goal {
        name: "workbook-peak",
        work: Work::Exports,
        what: "peak of memory of the same, above that of the idle service",
        unit: "MB",
        limit: None,
        bound: Bound::AtMost(100.0),
    },
    Goal {
        name: "start",
        work: Work::Starts,
        what: "start until /readyz answers 200",
        unit: "s",
        limit: None,
        bound: Bound::AtMost(1.0),
    },
    Goal {
        name: "idle-memory",
        work: Work::Starts,
        what: "resident memory, idle after the start",
        unit: "MB",
        limit: None,
        bound: Bound::AtMost(150.0),
    },
    Goal {
        name: "score",
        work: Work::Files,
        what: "`sonae score`, CSV to CSV, a million suppliers with ten relationships and ten incidents each",
        unit: "s",
        limit: Some("polars' own reading of the same columns and its writing of the same results"),
        bound: Bound::AtMost(1.6),
    },
    Goal {
        name: "score-peak",
        work: Work::Files,
        what: "peak of memory of the same",
        unit: "MB",
        limit: None,
        bound: Bound::AtMost(2147.0),
    },
    Goal {
        name: "score-growth",
        work: Work::Files,
        what: "its time over that of a tenth of the portfolio",
        unit: "times",
        limit: None,
        bound: Bound::AtMost(11.0),
    },
    Goal {
        name: "model",
        work: Work::Files,
        what: "the model alone, on the same portfolio in memory",
        unit: "s",
        limit: Some(
            "polars' grouping of its incidents and of its relationships, and as many bare products as it has iterations",
        ),
        bound: Bound::AtMost(1.5),
    },
    Goal {
        name: "disruption",
        work: Work::Files,
        what: "an iteration of the disruption rates",
        unit: "ms",
        limit: Some("a bare product of the same sparse matrix with a vector"),
        bound: Bound::AtMost(1.5),
    },
    Goal {
        name: "systemic",
        work: Work::Files,
        what: "an iteration of the systemic losses",
        unit: "ms",
        limit: Some("the same product"),
        bound: Bound::AtMost(1.5),
    },
    Goal {
        name: "chain-speed-up",
        work: Work::Files,
        what: "time of both iterations on one thread over that on all threads",
        unit: "times",
        limit: Some("that of the bare product"),
        bound: Bound::AtLeast(0.95),
    },
];
