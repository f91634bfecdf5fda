//! `sonae score` over files, against polars and bare loops with the same files.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tests::Size;

use crate::observation::Observation;
use crate::{Failure, SONAE, bare};

/// How many edges and how many incidents a portfolio has for each supplier.
const ROWS_A_SUPPLIER: u32 = 10;
/// The factor by which each of the smaller portfolios, for the growth, is smaller.
const GROWTH: u32 = 10;

pub(crate) fn measure(suppliers: u32, runs: u32, folder: &Path) -> Result<Vec<Observation>, Failure> {
    let written = |suppliers: u32| -> Result<String, Failure> {
        let rows = suppliers * ROWS_A_SUPPLIER;
        let path = folder.join(format!("files-{suppliers}"));
        Size { suppliers, edges: rows, incidents: rows }.write(&path)?;
        Ok(path.to_str().ok_or("no UTF-8")?.to_owned())
    };
    let (smaller, smallest) = (suppliers / GROWTH, suppliers / GROWTH / GROWTH);
    let (large, small, least) = (written(suppliers)?, written(smaller)?, written(smallest)?);
    let out = folder.join("scores.csv").to_str().ok_or("no UTF-8")?.to_owned();
    let copied = folder.join("copied.csv").to_str().ok_or("no UTF-8")?.to_owned();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);

    let [mut score, mut peak, mut growth] = ["score", "score-peak", "score-growth"].map(Observation::of);
    let [mut model, mut disruption, mut systemic] = ["model", "disruption", "systemic"].map(Observation::of);
    let mut speed_up = Observation::of("chain-speed-up");
    for _ in 0..runs {
        let of_least = Scored::of(&least, &out, threads)?;
        let of_small = Scored::of(&small, &out, threads)?;
        let scored = Scored::of(&large, &out, threads)?;
        for (suppliers, scored) in [(smallest, &of_least), (smaller, &of_small), (suppliers, &scored)] {
            growth.note_growth("total", suppliers, scored.seconds);
            scored.steps.iter().for_each(|(step, seconds)| growth.note_growth(step, suppliers, *seconds));
        }
        score.values.push(scored.seconds);
        score.limits.push(bare::copy(&large, &out, &copied)?.seconds);
        score.peaks_bytes.push(scored.peak_bytes);
        peak.values.push(scored.peak_bytes / 1e6);
        growth.values.push(scored.seconds / of_small.seconds);

        let product = bare::product(&large, threads)?.seconds;
        let grouped = bare::group(&large)?.seconds;
        let [(forward, forth), (back, backward)] = scored.iterations;
        model.values.push(scored.model_seconds()?);
        model.limits.push(grouped + f64::from(forth + backward) * product);
        model.note("group_s", grouped);
        disruption.values.push(1e3 * forward / f64::from(forth));
        disruption.limits.push(1e3 * product);
        disruption.note("iterations", f64::from(forth));
        systemic.values.push(1e3 * back / f64::from(backward));
        systemic.limits.push(1e3 * product);
        systemic.note("iterations", f64::from(backward));

        let alone = Scored::of(&large, &out, 1)?;
        let [(alone_forward, _), (alone_back, _)] = alone.iterations;
        speed_up.values.push((alone_forward + alone_back) / (forward + back));
        speed_up.limits.push(bare::product(&large, 1)?.seconds / product);
    }
    Ok(vec![score, peak, growth, model, disruption, systemic, speed_up])
}

/// The output of `sonae score --timings`.
struct Scored {
    /// The time from the start of the process to its end.
    seconds: f64,
    steps: BTreeMap<String, f64>,
    /// The seconds and the iterations of both ways along the chain.
    iterations: [(f64, u32); 2],
    peak_bytes: f64,
}

impl Scored {
    fn of(folder: &str, out: &str, threads: usize) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg0(SONAE).args(["score", folder, "--as-of", "2026-09-30", "--timings", "--out", out]);
        command.env("SONAE_LANG", "en").env("RAYON_NUM_THREADS", threads.to_string());
        let start = Instant::now();
        let done = command.output()?;
        let seconds = start.elapsed().as_secs_f64();
        let said = String::from_utf8(done.stderr)?;
        if !done.status.success() {
            return Err(said.into());
        }
        let mut scored = Self { seconds, steps: BTreeMap::new(), iterations: [(0.0, 0); 2], peak_bytes: 0.0 };
        for (what, figure) in said.lines().filter_map(|line| line.split_once(": ")) {
            if let Some(kilobytes) = figure.strip_suffix(" kB").filter(|_| what == "peak memory") {
                scored.peak_bytes = 1024.0 * kilobytes.parse::<f64>()?;
            }
            let Some(seconds) = figure.strip_suffix(" s").and_then(|seconds| seconds.parse().ok()) else { continue };
            let (step, iterations) = what.split_once(", iterations ").unwrap_or((what, "0"));
            match step {
                "disruption rates" => scored.iterations[0] = (seconds, iterations.parse()?),
                "systemic losses" => scored.iterations[1] = (seconds, iterations.parse()?),
                _ => {}
            }
            scored.steps.insert(step.to_owned(), seconds);
        }
        Ok(scored)
    }

    /// Returns the seconds of all steps but reading and output.
    fn model_seconds(&self) -> Result<f64, Failure> {
        let step = |name: &str| self.steps.get(name).copied().ok_or(format!("no time of the step {name}"));
        let all: f64 = self.steps.values().sum();
        Ok(all - step("reading")? - step("output")?)
    }
}
