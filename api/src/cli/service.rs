//! `sonae service`: the registered お助け隊 services, which all buyers share.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Subcommand;
use schema::services::{self, Service};
use schema::{Clock, Installation};
use scoring::Lang;

use super::{DataFolder, Failure, access};
use crate::base::fields::{Cell, Fields};

/// Import and list the registered お助け隊 services
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add services from a CSV file, or change those with the same provider and name
    ///
    /// Columns: provider_name, service_name, service_class (class_1, class_2, new_type), and, where they are known,
    /// registration_number and monitoring (network, endpoint, combined).
    Import {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        data: DataFolder,
    },
    /// List the services
    List {
        #[command(flatten)]
        data: DataFolder,
    },
}

const SERVICE_COLUMNS: [&str; 5] =
    ["provider_name", "service_name", "service_class", "registration_number", "monitoring"];

pub(super) fn run(verb: &Verb, lang: Lang) -> Result<(), Failure> {
    match verb {
        Verb::Import { file, data } => {
            let rows = read(file, &Clock::system(), lang)?;
            access(&data.open(lang)?, Installation, "sonae service import").write(|tx| services::put(tx, &rows))?;
            let count = rows.len();
            super::print(&lang.pick(format!("お助け隊サービス: {count}件\n"), format!("services: {count}\n")))
        }
        Verb::List { data } => {
            let access = access(&data.open(lang)?, Installation, "sonae service list");
            let rows = access.read(|tx| services::list(tx, None, None, i64::MAX))?;
            let key = schema::Choice::key;
            let line =
                |row: &Service| format!("{}  {}  {}\n", key(row.service_class), row.provider_name, row.service_name);
            super::print(&rows.iter().map(line).collect::<String>())
        }
    }
}

fn read(file: &PathBuf, clock: &Clock, lang: Lang) -> Result<Vec<Service>, Failure> {
    let failed = |error: ::csv::Error| {
        let file = file.display();
        Failure::Usage(lang.pick(format!("{file} を読めません: {error}"), format!("{file} cannot be read: {error}")))
    };
    let mut reader = ::csv::Reader::from_path(file).map_err(failed)?;
    let headings = reader.headers().map_err(failed)?.clone();
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let mut lines = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let cells = headings.iter().map(|heading| heading.trim_start_matches('\u{feff}').trim()).zip(&record);
        let cells =
            cells.map(|(name, text)| (name, if text.is_empty() { Cell::Null } else { Cell::Text(text.into()) }));
        let mut none = ();
        let mut fields = Fields::new(cells.collect(), &mut none);
        fields.expect_only(&SERVICE_COLUMNS);
        let provider_name = fields.value("provider_name", None);
        let service_name = fields.value("service_name", None);
        let service_class = fields.value("service_class", None);
        let registration_number = fields.value("registration_number", None);
        let monitoring = fields.value("monitoring", None);
        let line = record.position().map_or(0, ::csv::Position::line);
        faults.extend(fields.faults.into_iter().map(|fault| {
            format!(
                "{}:{line}: {}: {} [{}]",
                file.display(),
                fault.field,
                fault.reason.detail().pick(lang),
                fault.reason.code()
            )
        }));
        let read = (|| {
            Some(Service {
                id: clock.id(),
                registration_number: registration_number?,
                provider_name: provider_name?,
                service_name: service_name?,
                service_class: service_class?,
                monitoring: monitoring?,
                recorded_at: clock.now(),
            })
        })();
        if let Some(row) = &read {
            let first = *lines.entry((row.provider_name.clone(), row.service_name.clone())).or_insert(line);
            if first != line {
                let text = lang.pick(
                    format!("事業者名とサービス名が{first}行目と同じです。どちらかの行を消してください"),
                    format!("provider and service are the same as on line {first}; remove one of the two rows"),
                );
                faults.push(format!("{}:{line}: service_name: {text} [repeated-key]", file.display()));
            }
        }
        rows.extend(read);
    }
    if faults.is_empty() { Ok(rows) } else { Err(Failure::Data(faults.join("\n"))) }
}
