//! Registered お助け隊 services: the same for every buyer, imported by whoever runs the installation.

use diesel::prelude::*;

use crate::conn::{Conn, each_backend};
use crate::error::RepoError;
use crate::tables::services;
use crate::{ExternalId, Id, Instant, Monitoring, Name, ServiceClass};

/// A registered service.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = services, treat_none_as_default_value = false)]
pub struct Service {
    /// Its id.
    pub id: Id<Service>,
    /// Its registration, where it is known.
    pub registration_number: Option<ExternalId>,
    /// Who runs it.
    pub provider_name: Name,
    /// What it is called.
    pub service_name: Name,
    /// Its class.
    pub service_class: ServiceClass,
    /// What it watches.
    pub monitoring: Option<Monitoring>,
    /// When it was imported.
    pub recorded_at: Instant,
}

/// Lists services after one, by id.
///
/// # Errors
/// Those of the database.
pub fn list(
    conn: &mut Conn,
    class: Option<ServiceClass>,
    after: Option<Id<Service>>,
    limit: i64,
) -> Result<Vec<Service>, RepoError> {
    Ok(each_backend!(conn, c => {
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

/// Finds a service by its provider and name.
///
/// # Errors
/// Those of the database.
pub fn find(conn: &mut Conn, provider: &Name, name: &Name) -> Result<Option<Service>, RepoError> {
    Ok(each_backend!(conn, c => services::table
        .filter(services::provider_name.eq(provider).and(services::service_name.eq(name)))
        .select(Service::as_select())
        .first(c)
        .optional())?)
}

/// Adds services, or changes those with the same provider and name.
///
/// # Errors
/// Those of the database.
pub fn put(conn: &mut Conn, rows: &[Service]) -> Result<(), RepoError> {
    for row in rows {
        each_backend!(&mut *conn, c => diesel::insert_into(services::table)
            .values(row)
            .on_conflict((services::provider_name, services::service_name))
            .do_update()
            .set((
                services::registration_number.eq(&row.registration_number),
                services::service_class.eq(row.service_class),
                services::monitoring.eq(row.monitoring),
                services::recorded_at.eq(row.recorded_at),
            ))
            .execute(c))?;
    }
    Ok(())
}
