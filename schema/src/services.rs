//! Registered お助け隊 services: the same for every buyer, imported by the operator of the installation.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use diesel::upsert::excluded;

use crate::conn::{Conn, each_backend};
use crate::error::RepoError;
use crate::record::BATCH;
use crate::tables::services;
use crate::{ExternalId, Monitoring, Name, OperatorTx, ServiceClass, ServiceId, Timestamp, Tx};

/// A registered service.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = services, treat_none_as_default_value = false)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Its registration number, if known.
    pub registration_number: Option<ExternalId>,
    /// The provider that runs it.
    pub provider_name: Name,
    /// Its name.
    pub service_name: Name,
    /// Its class.
    pub service_class: ServiceClass,
    /// What it watches.
    pub monitoring: Option<Monitoring>,
    /// When it was imported.
    pub recorded_at: Timestamp,
}

/// Lists services after one, by id.
///
/// # Errors
/// Database errors.
pub fn list<T>(
    tx: &mut Tx<T>,
    class: Option<ServiceClass>,
    after: Option<ServiceId>,
    limit: i64,
) -> Result<Vec<Service>, RepoError> {
    Ok(each_backend!(tx.conn, c => {
        let mut query = services::table.into_boxed();
        if let Some(class) = class {
            query = query.filter(services::service_class.eq(class));
        }
        if let Some(after) = after {
            query = query.filter(services::id.gt(after));
        }
        query.order(services::id.asc()).limit(limit).select(Service::as_select()).load(c)
    })?)
}

/// Reads the classes of registered services by provider and name: those of these pairs, and possibly of others.
///
/// # Errors
/// Database errors.
pub fn classes(tx: &mut Tx, keys: &HashSet<(&Name, &Name)>) -> Result<HashMap<(Name, Name), ServiceClass>, RepoError> {
    let mut found = HashMap::new();
    for keys in keys.iter().collect::<Vec<_>>().chunks(BATCH) {
        let (providers, names) = keys.iter().copied().copied().unzip::<_, _, Vec<_>, Vec<_>>();
        let rows: Vec<(Name, Name, ServiceClass)> = each_backend!(tx.conn, c => services::table
            .filter(services::provider_name.eq_any(&providers).and(services::service_name.eq_any(&names)))
            .select((services::provider_name, services::service_name, services::service_class))
            .load(c))?;
        found.extend(rows.into_iter().map(|(provider, name, class)| ((provider, name), class)));
    }
    Ok(found)
}

/// Adds services, or changes those with the same provider and name. No pair may occur twice.
///
/// # Errors
/// Database errors.
pub fn put(tx: &mut OperatorTx, rows: &[Service]) -> Result<(), RepoError> {
    macro_rules! put {
        ($c:expr, $values:expr) => {
            diesel::insert_into(services::table)
                .values($values)
                .on_conflict((services::provider_name, services::service_name))
                .do_update()
                .set((
                    services::registration_number.eq(excluded(services::registration_number)),
                    services::service_class.eq(excluded(services::service_class)),
                    services::monitoring.eq(excluded(services::monitoring)),
                    services::recorded_at.eq(excluded(services::recorded_at)),
                ))
                .execute($c)?
        };
    }
    match &mut *tx.conn {
        // For SQLite, diesel has no such statement with many rows. It is not needed either, since there is no network
        // to cross.
        Conn::Sqlite(c) => rows.iter().try_for_each(|row| {
            put!(c, row);
            Ok(())
        }),
        Conn::Postgres(c, _) => rows.chunks(BATCH).try_for_each(|rows| {
            put!(c, rows);
            Ok(())
        }),
    }
}
