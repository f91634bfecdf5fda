//! `sonae tenant`: the buyers of an installation.

use chrono_tz::Tz;
use clap::Subcommand;
use schema::tenants::{self, TenantRow};
use schema::{Installation, Name, RepoError};
use scoring::Lang;

use super::{DataFolder, Failure, access, faults, find_tenant};
use crate::base::store::DEFAULT_TIME_ZONE;

/// Create, list, suspend and delete buyers
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Add a buyer, and print its id
    Create {
        /// Its name
        name: String,
        /// The time zone in which its days begin
        #[arg(long, value_name = "ZONE", default_value = DEFAULT_TIME_ZONE)]
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
    /// Accept the tokens of a suspended buyer again
    Resume {
        /// Its name or id
        tenant: String,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Delete a buyer and all its data permanently
    Delete {
        /// Its name or id
        tenant: String,
        /// Its name again, as confirmation; this cannot be undone
        #[arg(long, value_name = "NAME")]
        confirm: String,
        #[command(flatten)]
        data: DataFolder,
    },
}

pub(super) fn run(verb: &Verb, lang: Lang) -> Result<(), Failure> {
    match verb {
        Verb::Create { name, time_zone, data } => create(name, time_zone, data, lang),
        Verb::List { data } => list(data, lang),
        Verb::Suspend { tenant, data } => suspend(tenant, data, true, lang),
        Verb::Resume { tenant, data } => suspend(tenant, data, false, lang),
        Verb::Delete { tenant, confirm, data } => delete(tenant, confirm, data, lang),
    }
}

fn create(name: &str, time_zone: &str, data: &DataFolder, lang: Lang) -> Result<(), Failure> {
    let name = Name::parse(name).map_err(|error| Failure::Usage(faults::name(name, error, lang)))?;
    if time_zone.parse::<Tz>().is_err() {
        return Err(Failure::Usage(lang.pick(
            format!("--time-zone {time_zone}: Asia/Tokyo のようなIANAの名前を指定してください"),
            format!("--time-zone {time_zone}: use an IANA name such as Asia/Tokyo"),
        )));
    }
    let store = data.open(lang)?;
    let access = access(&store, Installation, "sonae tenant create");
    let row = TenantRow {
        id: access.clock().id(),
        name,
        time_zone: time_zone.to_owned(),
        created_at: access.clock().now(),
        suspended_at: None,
    };
    let inserted = access.write(|tx| tenants::insert(tx, &row));
    match inserted {
        Ok(()) => super::print(&format!("{}\n", row.id)),
        Err(RepoError::Duplicate(_)) => Err(Failure::Usage(lang.pick(
            format!("{} という発注者は既にあります", row.name),
            format!("there already is a buyer {}", row.name),
        ))),
        Err(error) => Err(error.into()),
    }
}

fn list(data: &DataFolder, lang: Lang) -> Result<(), Failure> {
    let all = access(&data.open(lang)?, Installation, "sonae tenant list").read(tenants::list)?;
    let line = |tenant: &TenantRow| {
        let state = match tenant.suspended_at {
            None => lang.pick("有効", "active").to_owned(),
            Some(at) => lang.pick(format!("{at} から停止中"), format!("suspended since {at}")),
        };
        format!("{}  {}  {}  {state}\n", tenant.id, tenant.name, tenant.time_zone)
    };
    super::print(&all.iter().map(line).collect::<String>())
}

fn suspend(wanted: &str, data: &DataFolder, is_suspended: bool, lang: Lang) -> Result<(), Failure> {
    let store = data.open(lang)?;
    let tenant = find_tenant(&store, wanted, lang)?;
    let command = if is_suspended { "sonae tenant suspend" } else { "sonae tenant resume" };
    access(&store, Installation, command).write(|tx| tenants::set_suspended(tx, tenant.id, is_suspended))?;
    let name = &tenant.name;
    super::print(&match is_suspended {
        true => lang.pick(
            format!("{name} を停止しました。今後、そのトークンは使えません\n"),
            format!("{name} is suspended: its tokens are refused from now on\n"),
        ),
        false => lang.pick(format!("{name} を有効にしました\n"), format!("{name} is active\n")),
    })
}

fn delete(wanted: &str, confirm: &str, data: &DataFolder, lang: Lang) -> Result<(), Failure> {
    let store = data.open(lang)?;
    let tenant = find_tenant(&store, wanted, lang)?;
    let name = &tenant.name;
    if name.as_str() != confirm {
        return Err(Failure::Usage(lang.pick(
            format!("--confirm {confirm}: 発注者の名前は {name} です"),
            format!("--confirm {confirm}: the buyer is called {name}"),
        )));
    }
    access(&store, tenant.id, "sonae tenant delete").write(tenants::delete)?;
    store.database.fold_log()?;
    super::print(&lang.pick(format!("{name} を削除しました\n"), format!("{name} is deleted\n")))
}
