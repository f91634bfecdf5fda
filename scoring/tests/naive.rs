//! The model once more, in plain loops: no frames, no sorting, no shared code, and parameters read directly from TOML.

mod numerics;

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use proptest::prelude::*;
use scoring::{Model, Unit, name, results};
use toml::Table;

use crate::plain::{ASSURANCES, Assessment, Firm, Plain, portfolio};
use crate::support::{as_of, cases, example, score_table};
use numerics::{gamma_quantile, solve};

/// Of format 1.
const OTHER_MODEL: &str = include_str!("examples/other-model/model.toml");
/// Of format 2, with BiCGSTAB after three plain steps.
const SKEWED_MODEL: &str = include_str!("examples/skewed/model.toml");

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn frames_and_loops_agree(plain in portfolio()) {
        agree(&plain, Model::DEFAULT_TOML)?;
    }

    #[test]
    fn frames_and_loops_agree_on_the_model_before(plain in portfolio()) {
        agree(&plain, Model::TOML_2026_1)?;
    }

    #[test]
    fn frames_and_loops_agree_on_other_models(plain in portfolio()) {
        agree(&plain, OTHER_MODEL)?;
        agree(&plain, SKEWED_MODEL)?;
    }
}

#[test]
fn frames_and_loops_agree_on_the_examples_with_assessments() {
    for name in ["assessments", "overlap", "recovery"] {
        agree(&Plain::read(&example(name)), Model::DEFAULT_TOML).unwrap();
    }
    agree(&Plain::read(&example("skewed")), SKEWED_MODEL).unwrap();
}

fn agree(plain: &Plain, text: &str) -> Result<(), TestCaseError> {
    let model = Model::parse(text).unwrap();
    let table = score_table(plain.tables(), &model);
    let parameters = text.parse().unwrap();
    let twin = Twin { model: &parameters, plain, day: as_of() };
    prop_assert_eq!(table.width(), results(model.format()).count());
    for (row, expected) in twin.results().values().enumerate() {
        for column in results(model.format()).skip(1) {
            let found = table.column(column.name).unwrap();
            if column.unit == Unit::Text {
                let expected = &expected.texts[column.name];
                prop_assert_eq!(found.str().unwrap().get(row), Some(expected.as_str()), "{}, row {}", column.name, row);
            } else {
                let (found, expected) = (found.f64().unwrap().get(row).unwrap(), expected.numbers[column.name]);
                let absolute = match column.unit {
                    Unit::Yen => 1e-6,
                    Unit::Score | Unit::Points => 1e-9,
                    _ => 0.0,
                };
                let is_tiny = column.name == name::OWN_RATE_LOW && found < 1e-30 && expected < 1e-30;
                let agrees = is_tiny || (found - expected).abs() <= f64::max(1e-9 * expected.abs(), absolute);
                prop_assert!(agrees, "{}, row {row}: {found}, the twin {expected}", column.name);
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct Row {
    numbers: BTreeMap<&'static str, f64>,
    texts: BTreeMap<&'static str, String>,
}

/// The parts of the logarithm of the factor of all evidence, in the order of their points.
const PARTS: [&str; 9] =
    ["monitoring", "ladder", "isms", "mfa", "patching", "hardening", "remote_access", "edr", "self_assessment"];
const FIRST_CONTROL: usize = 3;

/// What the evidence about a supplier does to its rate.
struct Evidence {
    /// The logarithm of the factor.
    control: f64,
    /// Its parts, in the order of [`PARTS`].
    parts: [f64; 9],
}

/// A row of assessment as it counts.
pub(crate) struct Weighed {
    pub(crate) freshness: f64,
    certainty: f64,
    aged: f64,
}

pub(crate) struct Twin<'a> {
    pub(crate) model: &'a Table,
    pub(crate) plain: &'a Plain,
    pub(crate) day: NaiveDate,
}

impl Twin<'_> {
    fn p(&self, key: &str) -> f64 {
        self.find(key).unwrap_or_else(|| panic!("{key}"))
    }

    pub(crate) fn find(&self, key: &str) -> Option<f64> {
        let (tables, name) = key.rsplit_once('.').unwrap();
        let table = tables.split('.').try_fold(self.model, |table, name| table.get(name)?.as_table())?;
        let value = table.get(name)?;
        value.as_float().or(value.as_integer().map(|whole| whole as f64))
    }

    fn age(&self, date: NaiveDate) -> f64 {
        (self.day - date).num_days() as f64
    }

    fn decay(&self, date: NaiveDate) -> f64 {
        2f64.powf(-self.age(date) / self.p("history.half_life_days"))
    }

    fn section(firm: &Firm) -> String {
        let Some(division) = firm.division else { return "unknown".into() };
        let ends = [2, 4, 5, 8, 32, 36, 41, 49, 61, 67, 70, 74, 77, 80, 82, 85, 87, 96, 98, 99];
        let place = ends.iter().position(|end| division <= *end).unwrap();
        char::from(b'A' + place as u8).to_string()
    }

    pub(crate) fn size(firm: &Firm) -> &'static str {
        let Some(division) = firm.division else { return "unknown" };
        let (sme, capital, micro) = match division {
            50..=55 => (100, 1e8, 5),
            56..=61 | 76 | 77 => (50, 5e7, 5),
            38 | 39 | 41 | 70..=75 | 78..=96 => (100, 5e7, 5),
            _ => (300, 3e8, 20),
        };
        match (firm.employees, firm.capital) {
            (None, None) => "unknown",
            (Some(employees), _) if employees <= micro => "micro",
            (Some(employees), _) if employees <= sme => "sme",
            (_, Some(found)) if found <= capital => "sme",
            _ => "large",
        }
    }

    fn base(&self, firm: &Firm) -> f64 {
        let sizes = ["micro", "sme", "large"].map(|size| self.p(&format!("base_rate.size_multiplier.{size}")));
        let size = match Self::size(firm) {
            "micro" => sizes[0],
            "sme" => sizes[1],
            "large" => sizes[2],
            _ => sizes.into_iter().fold(0.0, f64::max),
        };
        let of_section = |section: &str| self.find(&format!("base_rate.section_multiplier.{section}"));
        let section = match Self::section(firm).as_str() {
            "unknown" => {
                (b'A'..=b'T').filter_map(|letter| of_section(&char::from(letter).to_string())).fold(1.0, f64::max)
            }
            section => of_section(section).unwrap_or(1.0),
        };
        -(1.0 - self.p("base_rate.annual_probability")).ln() * size * section
    }

    fn coverage(&self, firm: &Firm, enrollment: &crate::plain::Enrollment) -> f64 {
        match (enrollment.share, enrollment.covered, firm.endpoints) {
            (Some(share), ..) => share,
            (None, Some(covered), Some(all)) => (covered as f64 / all as f64).min(1.0),
            _ => self.p("controls.default_coverage_share"),
        }
    }

    fn enrollments(&self, firm: &Firm, on: NaiveDate) -> Vec<&crate::plain::Enrollment> {
        let of_firm = self.plain.enrollments.iter().filter(|enrollment| enrollment.code == firm.code);
        of_firm.filter(|found| found.starts <= on && found.ends.is_none_or(|ends| on < ends)).collect()
    }

    pub(crate) fn watched(&self, firm: &Firm, on: NaiveDate) -> f64 {
        let coverages = self.enrollments(firm, on).into_iter().map(|enrollment| self.coverage(firm, enrollment));
        coverages.sum::<f64>().min(1.0)
    }

    /// Monitoring, ladder and ISMS, as logarithms.
    fn enrolled_and_certified(&self, firm: &Firm) -> [f64; 3] {
        let mut active: Vec<_> = self
            .enrollments(firm, self.day)
            .into_iter()
            .map(|found| (self.p(&format!("controls.otasuketai.{}", found.class)), self.coverage(firm, found)))
            .collect();
        active.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut left, mut monitoring) = (1.0, 0.0);
        for (factor, coverage) in active {
            let take = f64::min(coverage, left);
            left -= take;
            monitoring += factor.ln() * take;
        }
        let (mut ladder, mut isms) = (0.0, 0.0);
        for found in self.plain.certifications.iter().filter(|found| found.code == firm.code) {
            let fresh = self.freshness(found);
            if found.scheme == "isms" {
                isms = f64::min(isms, self.p("controls.isms").ln() * fresh);
            } else {
                ladder = f64::min(ladder, self.p(&format!("controls.ladder.{}", found.scheme)).ln() * fresh);
            }
        }
        [monitoring, ladder, isms]
    }

    fn is_format_1(&self) -> bool {
        !self.model.contains_key("format")
    }

    fn evidence(&self, firm: &Firm) -> Evidence {
        let found = self.enrolled_and_certified(firm);
        let combined_floor = self.p("controls.combined_floor").ln();
        let mut parts = [0.0; 9];
        if self.is_format_1() {
            let sum: f64 = found.iter().sum();
            let scale = if sum < combined_floor { combined_floor / sum } else { 1.0 };
            found.iter().enumerate().for_each(|(place, part)| parts[place] = part * scale);
            return Evidence { control: sum.max(combined_floor), parts };
        }

        let [monitoring, ladder, isms] = found;
        let controls: Vec<f64> = PARTS[FIRST_CONTROL..].iter().map(|control| self.log_factor(firm, control)).collect();
        let [prevention @ .., edr, own_answers] = controls.as_slice() else { panic!("six controls") };
        let lowering = |logs: &[f64]| logs.iter().map(|log| log.min(0.0)).sum::<f64>();
        let raising = |logs: &[f64]| logs.iter().map(|log| log.max(0.0)).sum::<f64>();
        let watching = self.weights(&[monitoring, edr.min(0.0)]);
        let practice = self.weights(&[ladder + isms, lowering(prevention), own_answers.min(0.0)]);
        let gaps = self.weights(&[raising(prevention), own_answers.max(0.0)]);

        let good_weights = [
            watching[0],
            practice[0],
            practice[0],
            practice[1],
            practice[1],
            practice[1],
            practice[1],
            watching[1],
            practice[2],
        ];
        let bad_weights = [0.0, 0.0, 0.0, gaps[0], gaps[0], gaps[0], gaps[0], 1.0, gaps[1]];
        let logs: Vec<f64> = found.into_iter().chain(controls.iter().copied()).collect();
        let good: f64 = (0..9).map(|place| good_weights[place] * logs[place].min(0.0)).sum();
        let gap: f64 = (0..9).map(|place| bad_weights[place] * logs[place].max(0.0)).sum();

        let proven = lowering(&controls);
        let deepest = (self.p("assessments.evidence_floor") / self.p("controls.combined_floor")).ln();
        let floor = combined_floor + proven.max(deepest);
        let scale = if good < floor { floor / good } else { 1.0 };
        for (place, log) in logs.iter().enumerate() {
            parts[place] = if *log < 0.0 { log * good_weights[place] * scale } else { log * bad_weights[place] };
        }
        Evidence { control: good.max(floor) + gap, parts }
    }

    /// Returns the weights of the members of a family: the strongest counts in full.
    fn weights(&self, members: &[f64]) -> Vec<f64> {
        let greatest = members.iter().fold(0.0, |greatest, member| f64::max(greatest, member.abs()));
        let strongest = members.iter().position(|member| member.abs() == greatest).unwrap();
        let share = self.p("assessments.overlap_share");
        (0..members.len()).map(|place| if place == strongest { 1.0 } else { share }).collect()
    }

    /// Returns the logarithm of what the assessments of a control do to the rate; for backups, to the downtime.
    fn log_factor(&self, firm: &Firm, control: &str) -> f64 {
        let Some((_, Weighed { aged, .. })) = self.counted(firm, control) else { return 0.0 };
        let of_control = |key: &str| self.p(&format!("assessments.control.{control}.{key}"));
        let (cut, prevalence) = (of_control("cut"), of_control("prevalence"));
        ((1.0 - cut * aged) / (1.0 - cut * prevalence)).ln()
    }

    /// Returns the assessment of a control that counts.
    pub(crate) fn counted(&self, firm: &Firm, control: &str) -> Option<(&Assessment, Weighed)> {
        let of_control = |found: &&Assessment| found.code == firm.code && found.control == control;
        let known = self.plain.assessments.iter().filter(of_control).filter(|found| found.assessed <= self.day);
        let mut known: Vec<_> = known.collect();
        let trust = |found: &Assessment| ASSURANCES.iter().position(|assurance| *assurance == found.assurance).unwrap();
        // Where two are equal in all that counts, the first in this order is taken.
        known.sort_by_key(|row| (trust(row), row.assessed, row.status == Some("met"), row.total, row.expires));
        let is_replaced = |row: &Assessment| {
            known.iter().any(|other| {
                let is_newer = trust(other) == trust(row) && other.assessed > row.assessed;
                let is_better = trust(other) > trust(row) && other.assessed >= row.assessed;
                is_newer || is_better
            })
        };
        let left = known.iter().filter(|row| !is_replaced(row));
        let weighed: Vec<_> = left.map(|row| (*row, self.weighed(row))).collect();
        let greatest = weighed.iter().map(|(_, row)| row.certainty).fold(0.0, f64::max);
        let counting = weighed.into_iter().filter(|(_, row)| greatest - row.certainty < 1e-12);
        counting.min_by(|(_, a), (_, b)| a.aged.total_cmp(&b.aged))
    }

    fn weighed(&self, row: &Assessment) -> Weighed {
        let common = self.p(&format!("assessments.control.{}.prevalence", row.control));
        let of_assurance = |key: &str| self.p(&format!("assessments.assurance.{}.{key}", row.assurance));
        let (over, under) = (of_assurance("overclaim"), of_assurance("underclaim"));
        let sure = match (row.status, row.total) {
            (None, Some(total)) => {
                let answered = if total > 0 { total as f64 / 100.0 } else { 0.0 };
                common + of_assurance("score_reliability") * (answered - common)
            }
            // Bayes: the share that has it among those recorded so.
            (Some("met"), None) => {
                let (true_met, false_met) = (common * (1.0 - under), (1.0 - common) * over);
                true_met / (true_met + false_met)
            }
            (Some("not_met"), None) => {
                let (false_not_met, true_not_met) = (common * under, (1.0 - common) * (1.0 - over));
                false_not_met / (false_not_met + true_not_met)
            }
            other => panic!("{other:?}"),
        };
        let over_full = (self.age(row.assessed) - self.p("assessments.full_days")).max(0.0);
        let half_life = self.p(&format!("assessments.control.{}.half_life_days", row.control));
        let past = row.expires.map_or(0.0, |expires| self.age(expires)).max(0.0);
        let fresh = 0.5f64.powf(over_full / half_life) * (1.0 - past / self.p("controls.expiry_fade_days")).max(0.0);
        let span = if sure >= common { 1.0 - common } else { common };
        Weighed {
            freshness: fresh,
            certainty: fresh * (sure - common).abs() / span,
            aged: common + fresh * (sure - common),
        }
    }

    fn freshness(&self, found: &crate::plain::Certification) -> f64 {
        if found.issued > self.day {
            return 0.0;
        }
        let validity = self.find(&format!("controls.validity_days.{}", found.scheme));
        let expires = found.expires.or(validity.map(|days| found.issued + Days::new(days as u64)));
        match expires {
            Some(expires) if self.day <= expires => 1.0,
            Some(expires) => (1.0 - self.age(expires) / self.p("controls.expiry_fade_days")).max(0.0),
            None => {
                let over = self.age(found.issued) - self.p("controls.undated_full_days");
                if over <= 0.0 { 1.0 } else { 2f64.powf(-over / self.p("controls.undated_half_life_days")) }
            }
        }
    }

    /// E and its watched part, day by day.
    fn years(&self, firm: &Firm) -> (f64, f64) {
        let half_life = self.p("history.half_life_days");
        let (mut all, mut watched) = (0.0, 0.0);
        for back in 1..=self.p("history.lookback_days") as u64 {
            let on = self.day - Days::new(back);
            let reports = firm.reports.is_some_and(|since| since <= on);
            let quiet = self.p(if reports { "observation.reporting" } else { "observation.silent" });
            let coverage = self.watched(firm, on);
            let detect = quiet + (self.p("observation.monitored") - quiet) * coverage;
            // ∫ 2^(−t/h) dt over one day, by its antiderivative.
            let weight = |age: f64| 2f64.powf(-age / half_life);
            let day = half_life / 2f64.ln() / 365.25 * weight(back as f64 - 1.0) * -(-2f64.ln() / half_life).exp_m1();
            all += detect * day;
            if reports || coverage > 0.0 {
                watched += detect * day;
            }
        }
        (all, watched)
    }

    /// H, its watched part, and N.
    fn record(&self, firm: &Firm) -> (f64, f64, f64) {
        let first = self.day - Days::new(self.p("history.lookback_days") as u64);
        let (mut harmful, mut watched, mut contained) = (0.0, 0.0, 0.0);
        let of_firm = self.plain.incidents.iter().filter(|found| found.code == firm.code);
        for found in of_firm.filter(|found| (first..=self.day).contains(&found.occurred)) {
            let weight = self.decay(found.occurred);
            match found.outcome {
                "harmful" => {
                    harmful += weight;
                    let reports = firm.reports.is_some_and(|since| since <= found.occurred);
                    if reports || self.watched(firm, found.occurred) > 0.0 {
                        watched += weight;
                    }
                }
                "contained" => contained += found.count.unwrap_or(1) as f64 * weight,
                _ => {}
            }
        }
        let contained = (self.p("history.contained_weight") * contained).min(self.p("history.contained_cap"));
        (harmful, watched, harmful + contained)
    }

    fn results(&self) -> BTreeMap<&str, Row> {
        let firms = &self.plain.firms;
        let count = firms.len();
        let evidence: Vec<_> = firms.iter().map(|firm| self.evidence(firm)).collect();
        let bases: Vec<_> = firms.iter().map(|firm| self.base(firm)).collect();
        let priors: Vec<_> = (0..count).map(|i| bases[i] * evidence[i].control.exp()).collect();
        let years: Vec<_> = firms.iter().map(|firm| self.years(firm)).collect();
        let records: Vec<_> = firms.iter().map(|firm| self.record(firm)).collect();
        let segment: Vec<f64> = (0..count)
            .map(|i| {
                let same = |j: &usize| {
                    *j != i
                        && Self::size(&firms[*j]) == Self::size(&firms[i])
                        && Self::section(&firms[*j]) == Self::section(&firms[i])
                };
                let k = self.p("segment.pseudo_incidents");
                let found: f64 = (0..count).filter(same).map(|j| records[j].1.min(self.p("segment.peer_cap"))).sum();
                let expected: f64 = (0..count).filter(same).map(|j| priors[j] * years[j].1).sum();
                let limit = self.p("segment.factor_limit");
                ((k + found) / (k + expected)).clamp(1.0 / limit, limit)
            })
            .collect();
        let shape: Vec<_> = (0..count).map(|i| self.p("prior.shape") + records[i].2).collect();
        let denominator: Vec<_> =
            (0..count).map(|i| self.p("prior.shape") / (priors[i] * segment[i]) + years[i].0).collect();
        let own: Vec<_> = (0..count).map(|i| shape[i] / denominator[i]).collect();
        let Chain { mean, rate, direct, systemic } = self.chain(&own);

        let points = |x: f64| 100.0 * x.log2() / (self.p("scale.rate_high") / self.p("scale.rate_low")).log2();
        let score = |rate: f64| points(rate / self.p("scale.rate_low")).clamp(0.0, 100.0);
        let grade = |score: f64| {
            let grades = ["A", "B", "C", "D", "E"];
            grades.into_iter().find(|grade| score < self.p(&format!("scale.grade_upper.{grade}"))).unwrap().to_owned()
        };
        let mut results = BTreeMap::new();
        for (i, firm) in firms.iter().enumerate() {
            let (low, high) = self.interval(shape[i], denominator[i]);
            let (low, high) = (low.min(own[i]), high.max(own[i]));
            let probability = if self.is_format_1() {
                -(-own[i]).exp_m1()
            } else {
                // Negative binomial: 1 − (b / (b + 1))^a.
                -(-shape[i] * denominator[i].recip().ln_1p()).exp_m1()
            };
            let data = self.p(&format!("impact.data_loss_jpy.{}", firm.data.unwrap_or("none")));
            let lateral = self.p(&format!("impact.lateral_probability.{}", firm.network.unwrap_or("none")));
            let own_loss = data + lateral * self.p("impact.buyer_breach_loss_jpy");
            let part = |place: usize| points(evidence[i].parts[place].exp());
            let numbers = [
                ("base_rate", bases[i]),
                ("discounted_incident_count", records[i].2),
                ("discounted_observed_years", years[i].0),
                ("segment_factor", segment[i]),
                ("own_rate", own[i]),
                ("own_rate_low", low),
                ("own_rate_high", high),
                ("incident_probability", probability),
                ("risk_score", score(own[i])),
                ("risk_score_low", score(low)),
                ("risk_score_high", score(high)),
                ("points_base", points(bases[i] / self.p("scale.rate_low"))),
                ("points_segment", points(segment[i])),
                ("points_monitoring", part(0)),
                ("points_ladder", part(1)),
                ("points_isms", part(2)),
                ("points_mfa", part(3)),
                ("points_patching", part(4)),
                ("points_hardening", part(5)),
                ("points_remote_access", part(6)),
                ("points_edr", part(7)),
                ("points_self_assessment", part(8)),
                ("mean_downtime_days", mean[i]),
                ("points_history", points(own[i] / (priors[i] * segment[i]))),
                ("disruption_rate", rate[i]),
                ("disruption_probability", -(-rate[i]).exp_m1()),
                ("chain_score", score(rate[i])),
                ("points_upstream", points(rate[i] / own[i])),
                ("loss_per_disruption_jpy", direct[i]),
                ("systemic_loss_per_disruption_jpy", systemic[i]),
                ("expected_annual_loss_direct_jpy", rate[i] * direct[i] + own[i] * own_loss),
                ("expected_annual_loss_caused_jpy", own[i] * (systemic[i] + own_loss)),
            ];
            let texts = [
                ("size_class", Self::size(firm).to_owned()),
                ("jsic_section", Self::section(firm)),
                ("grade", grade(score(own[i]))),
                ("chain_grade", grade(score(rate[i]))),
            ];
            results.insert(firm.code.as_str(), Row { numbers: numbers.into(), texts: texts.into() });
        }
        results
    }

    /// Returns the ends of the interval, before they are held to their side of the mean.
    fn interval(&self, shape: f64, rate: f64) -> (f64, f64) {
        if self.is_format_1() {
            let end = |z: f64| shape / rate * (1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape.sqrt())).max(0.0).powi(3);
            return (end(-1.6448536269514722), end(1.6448536269514722));
        }
        let tail = (1.0 - self.p("interval.level")) / 2.0;
        (gamma_quantile(shape, tail) / rate, gamma_quantile(shape, 1.0 - tail) / rate)
    }

    fn mean_downtime(&self, firm: &Firm) -> f64 {
        let onsite = self.enrollments(firm, self.day).iter().any(|found| found.onsite);
        let factor = if onsite { self.p("downtime.onsite_factor") } else { 1.0 };
        let backup = if self.is_format_1() { 0.0 } else { self.log_factor(firm, "backup") };
        self.p("downtime.mean_days") * factor * backup.exp()
    }

    /// Returns m, r, L and g. The rates start far from where the model starts them, and run until no bit moves; the
    /// systemic losses are solved for.
    fn chain(&self, own: &[f64]) -> Chain {
        let firms = &self.plain.firms;
        let count = firms.len();
        let place = |code: &str| firms.iter().position(|firm| firm.code == code).unwrap();
        let alpha = self.p("downtime.tail_index");
        let mean: Vec<f64> = firms.iter().map(|firm| self.mean_downtime(firm)).collect();
        let mut q = vec![vec![0.0; count]; count];
        let mut to_buyer = vec![Vec::new(); count];
        for row in &self.plain.supplies {
            let i = place(&row.upstream);
            let sigma = mean[i] * (alpha - 1.0);
            let pass = self.p("propagation.domino")
                * self.p(&format!("propagation.criticality.{}", row.criticality))
                * self.p(&format!("propagation.substitutability.{}", row.substitutability));
            let beyond = 1.0 + row.stock.unwrap_or(0.0) / sigma;
            match &row.downstream {
                Some(code) => {
                    let j = place(code);
                    q[i][j] = f64::max(q[i][j], pass * beyond.powf(-alpha));
                }
                None => to_buyer[i].push((
                    row.spend.unwrap_or(0.0) * self.p("impact.revenue_at_risk_multiplier"),
                    pass * sigma / (alpha - 1.0) * beyond.powf(1.0 - alpha),
                )),
            }
        }
        let chances = |rate: &[f64]| rate.iter().map(|rate| -(-rate).exp_m1()).collect::<Vec<_>>();
        let mut rate: Vec<f64> = own.iter().map(|own| own + 40.0).collect();
        for _ in 0..10_000 {
            let stops = chances(&rate);
            let next: Vec<f64> =
                (0..count).map(|j| own[j] + (0..count).map(|i| q[i][j] * stops[i]).sum::<f64>()).collect();
            let has_settled = next == rate;
            rate = next;
            if has_settled {
                break;
            }
        }
        let direct: Vec<f64> = (0..count)
            .map(|i| {
                let loss = |(value, days): &(f64, f64)| {
                    let x = rate[i] * days / 365.0;
                    value * days / 365.0 * -(-x).exp_m1() / x
                };
                to_buyer[i].iter().map(loss).sum()
            })
            .collect();
        let stops = chances(&rate);
        let without_onward: Vec<Vec<f64>> = (0..count)
            .map(|i| {
                let onward = |j: usize| stops[i] / rate[i] * q[i][j];
                (0..count).map(|j| if i == j { 1.0 } else { 0.0 } - onward(j)).collect()
            })
            .collect();
        let systemic = solve(&without_onward, &direct);
        Chain { mean, rate, direct, systemic }
    }
}

struct Chain {
    mean: Vec<f64>,
    rate: Vec<f64>,
    direct: Vec<f64>,
    systemic: Vec<f64>,
}
