//! `sonae tenant`: the buyers of an installation.

use chrono_tz::Tz;
use clap::Subcommand;
use schema::tenants::{self, TenantRow};
use schema::{ConnRole, Instant, Name, RepoError, Scope, TenantId};

use super::{DataFolder, Failure, find_tenant};
use crate::service::USUAL_ZONE;

/// Create, list, suspend and delete buyers
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a buyer, and print its id
    Create {
        /// What it is called
        name: String,
        /// In which its days begin
        #[arg(long, value_name = "ZONE", default_value = USUAL_ZONE)]
        time_zone: String,
        #[command(flatten)]
        data: DataFolder,
    },
    /// List the buyers
    List {
        #[command(flatten)]
        data: DataFolder,
    },
    /// Refuse all tokens of a buyer
    Suspend {
        /// Its name or id
        tenant: String,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Take the tokens of a suspended buyer again
    Resume {
        /// Its name or id
        tenant: String,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Delete a buyer and everything that it has, for good
    Delete {
        /// Its name or id
        tenant: String,
        /// Its name once more: there is no way back
        #[arg(long, value_name = "NAME")]
        confirm: String,
        #[command(flatten)]
        data: DataFolder,
    },
}

pub(super) fn run(verb: &Verb) -> Result<(), Failure> {
    match verb {
        Verb::Create { name, time_zone, data } => create(name, time_zone, data),
        Verb::List { data } => list(data),
        Verb::Suspend { tenant, data } => suspend(tenant, data, Some(Instant::now())),
        Verb::Resume { tenant, data } => suspend(tenant, data, None),
        Verb::Delete { tenant, confirm, data } => delete(tenant, confirm, data),
    }
}

fn create(name: &str, time_zone: &str, data: &DataFolder) -> Result<(), Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::Usage(format!("{name:?} cannot be a name: {error}"));
    let row = TenantRow {
        id: TenantId::new(),
        name: Name::parse(name).map_err(|error| usage(&error))?,
        time_zone: time_zone.to_owned(),
        created_at: Instant::now(),
        suspended_at: None,
    };
    if time_zone.parse::<Tz>().is_err() {
        return Err(Failure::Usage(format!("--time-zone {time_zone}: use an IANA name such as Asia/Tokyo")));
    }
    let inserted = data.open()?.database.run(ConnRole::Writer, Scope::Installation, |conn| tenants::insert(conn, &row));
    match inserted {
        Ok(()) => super::print(&format!("{}\n", row.id)),
        Err(RepoError::Duplicate(_)) => Err(Failure::Usage(format!("there is a buyer {name} already"))),
        Err(error) => Err(error.into()),
    }
}

fn list(data: &DataFolder) -> Result<(), Failure> {
    let all = data.open()?.database.run(ConnRole::Reader, Scope::Installation, tenants::list)?;
    let line = |tenant: &TenantRow| {
        let state = tenant.suspended_at.map_or_else(|| "active".to_owned(), |at| format!("suspended since {at}"));
        format!("{}  {}  {}  {state}\n", tenant.id, tenant.name, tenant.time_zone)
    };
    super::print(&all.iter().map(line).collect::<String>())
}

fn suspend(wanted: &str, data: &DataFolder, since: Option<Instant>) -> Result<(), Failure> {
    let store = data.open()?;
    let tenant = find_tenant(&store, wanted)?;
    store.database.run(ConnRole::Writer, Scope::Installation, |conn| tenants::set_suspended(conn, tenant.id, since))?;
    let state = if since.is_some() { "suspended: its tokens are refused from now on" } else { "active" };
    super::print(&format!("{} is {state}\n", tenant.name))
}

fn delete(wanted: &str, confirm: &str, data: &DataFolder) -> Result<(), Failure> {
    let store = data.open()?;
    let tenant = find_tenant(&store, wanted)?;
    if tenant.name.as_str() != confirm {
        return Err(Failure::Usage(format!("--confirm {confirm}: the buyer is called {}", tenant.name)));
    }
    store.database.run(ConnRole::Writer, tenant.id, |conn| tenants::delete(conn, tenant.id))?;
    store.database.fold_log()?;
    super::print(&format!("{} is deleted\n", tenant.name))
}
