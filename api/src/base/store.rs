//! The database of an installation and its keys, as the service and the commands open them.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use schema::tenants::{self, TenantRow};
use schema::{Bilingual, Clock, Database, DatabasePlace, Name, Notice, OperatorTx, Pending, RepoError, SchemaState};
use scoring::Lang;
use tracing::warn;

use crate::base::actors::operator;
use crate::base::config::{PlaceError, note_server};
use crate::base::keys::{Keys, private_folder};
use crate::base::machine::{self, FILE_OWNER_ADVICE, naming};
use crate::base::text::{Text, with_causes};

/// Why the data of an installation cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data folder cannot be used.
    #[error("the data folder cannot be used")]
    Data(#[source] io::Error),
    /// The database cannot be used.
    #[error("the database cannot be used")]
    Database(#[from] RepoError),
}

impl StoreError {
    /// Whether the disk is the cause, because it is full or takes no writes.
    pub(crate) fn is_of_disk(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match self {
            Self::Data(error) => matches!(error.kind(), QuotaExceeded | ReadOnlyFilesystem | StorageFull),
            Self::Database(error) => error.is_of_disk(),
        }
    }
}

/// An open database that has at least one buyer, and the keys of the data folder.
pub(crate) struct Store {
    pub(crate) database: Database,
    pub(crate) keys: Keys,
}

/// The first buyer of a new database.
const FIRST_TENANT: &str = "default";
/// The default time zone, in which a buyer's days begin.
pub(crate) const DEFAULT_TIME_ZONE: &str = "Asia/Tokyo";

impl Store {
    pub(crate) fn open(
        folder: &Path,
        place: &DatabasePlace,
        connection_count: u32,
        patience: Duration,
        pending: Pending<'_>,
        clock: &Clock,
    ) -> Result<Self, StoreError> {
        make_data_folder(folder)?;
        machine::hide(folder).map_err(StoreError::Data)?;
        let keys = Keys::open(folder, clock).map_err(StoreError::Data)?;
        let database = open_database(place, connection_count, patience, pending, clock)?;
        if let DatabasePlace::Server { url, .. } = place {
            note_server(folder, url);
        }
        let operator = operator(&database, "open");
        let is_empty = operator.read(|tx| tenants::list(tx).map(|all| all.is_empty()))?;
        if is_empty {
            operator.write(|tx| {
                // Checked again, because another process may have been faster.
                if tenants::list(tx)?.is_empty() { tenants::insert(tx, &first_tenant(tx)?) } else { Ok(()) }
            })?;
        }
        Ok(Self { database, keys })
    }

    /// Opens an existing installation for reading, on a disk that takes no writes.
    pub(crate) fn open_read_only(
        folder: &Path,
        connection_count: u32,
        patience: Duration,
        clock: &Clock,
    ) -> Result<Self, StoreError> {
        let keys = Keys::read(folder, clock).map_err(StoreError::Data)?;
        Ok(Self { database: Database::open_read_only(folder, connection_count, patience, clock)?, keys })
    }

    /// Returns a buyer that commands must name, or `None` if the default buyer exists, which they use if none is named.
    pub(crate) fn first_buyer(&self) -> Result<Option<Name>, StoreError> {
        let buyers = operator(&self.database, "serve").read(tenants::list)?;
        let has_default = buyers.iter().any(|buyer| buyer.name.as_str() == FIRST_TENANT);
        Ok(buyers.into_iter().next().filter(|_| !has_default).map(|buyer| buyer.name))
    }
}

/// Creates a data folder that is private to its owner.
pub(crate) fn make_data_folder(folder: &Path) -> Result<(), StoreError> {
    private_folder(folder).map_err(naming(folder)).map_err(StoreError::Data)
}

/// Opens a database, without the keys.
pub(crate) fn open_database(
    place: &DatabasePlace,
    connection_count: u32,
    patience: Duration,
    mut pending: Pending<'_>,
    clock: &Clock,
) -> Result<Database, StoreError> {
    let DatabasePlace::Folder(folder) = place else {
        return Ok(Database::open(place, connection_count, patience, pending, clock)?);
    };
    if matches!(pending, Pending::Refuse) {
        // Checked before a file is created.
        SchemaState::of(place, patience)?.refuse_older()?;
    }
    machine::make_database_file(folder).map_err(StoreError::Data)?;
    let mut open = || Database::open(place, connection_count, patience, pending.reborrow(), clock);
    match open() {
        Ok(database) => {
            machine::keep_reserve(folder);
            Ok(database)
        }
        Err(error) if error.is_of_disk() && machine::give_up_reserve(folder) => {
            warn!(error = %with_causes(&error), "the database cannot be opened for writing; the room that is kept for a full disk is used");
            Ok(open()?)
        }
        Err(error) => Err(error.into()),
    }
}

fn first_tenant(tx: &OperatorTx) -> Result<TenantRow, RepoError> {
    Ok(TenantRow {
        id: tx.clock().id(),
        name: Name::parse(FIRST_TENANT).map_err(|error| RepoError::Failed(error.into()))?,
        time_zone: DEFAULT_TIME_ZONE.to_owned(),
        created_at: tx.moment(),
        suspended_at: None,
    })
}

/// Returns a notice as text.
pub(crate) fn described(notice: &Notice) -> Bilingual {
    match notice {
        Notice::Migrating { is_new: true, .. } => Bilingual {
            en: "the tables are being created".to_owned(),
            ja: "データベースの表を作成しています".to_owned(),
        },
        Notice::Migrating { names, is_compatible, .. } => Bilingual {
            en: format!(
                "the tables are being brought up to date: {}; {}",
                names.join(", "),
                older(*is_compatible, Lang::En)
            ),
            ja: format!("データベースの表を更新しています: {}。{}", names.join("、"), older(*is_compatible, Lang::Ja)),
        },
        Notice::Waiting => Bilingual {
            en: "another process or a long transaction, such as an import, uses the tables: waiting for it".to_owned(),
            ja: "他のプロセス、またはインポートなどの長いトランザクションが表を使用しているため、終了を待っています"
                .to_owned(),
        },
        Notice::Migrated { duration, .. } => {
            let seconds = duration.as_secs_f64();
            Bilingual {
                en: format!("the migrations have run, in {seconds:.1} seconds"),
                ja: format!("マイグレーションを適用しました（{seconds:.1}秒）"),
            }
        }
        Notice::Secured { what } => Bilingual {
            en: format!("row-level security was incomplete and has been completed ({})", what.en),
            ja: format!("行レベルセキュリティの不備を修正しました（{}）", what.ja),
        },
        Notice::Newer { versions } => Bilingual {
            en: format!(
                "a newer release has changed the tables, in ways that this one can work with (migrations {})",
                versions.join(", ")
            ),
            ja: format!(
                "より新しいリリースが表を更新していますが、このリリースでも利用できます（マイグレーション {}）",
                versions.join("、")
            ),
        },
    }
}

/// Returns a text that says whether processes of the previous release may keep running while the tables change.
pub(crate) fn older(can_go_on: bool, lang: Lang) -> &'static str {
    match can_go_on {
        true => lang.pick(
            "旧リリースのプロセスは稼働したままで構いません",
            "processes of the previous release can continue to run, and can be restarted",
        ),
        false => lang.pick(
            "旧リリースのプロセスは先に停止してください",
            "processes of the previous release cannot work with the new tables: stop them first",
        ),
    }
}

/// Returns an error and its causes as text. Our own errors are in the given language; those of the database and the
/// operating system are as they are.
pub(crate) fn in_words(error: &(dyn Error + 'static), lang: Lang) -> String {
    let own = match lang {
        Lang::Ja => in_japanese(error),
        Lang::En => None,
    };
    let text = match (own, error.source()) {
        (None, _) => with_causes(error),
        (Some(own), Some(cause)) => format!("{own}: {}", in_words(cause, lang)),
        (Some(own), None) => own,
    };
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::Data(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            let (ja, en) = FILE_OWNER_ADVICE;
            text + lang.pick(ja, en)
        }
        _ => text,
    }
}

/// Returns an error and its causes in both languages.
pub(crate) fn in_both(error: &(dyn Error + 'static)) -> Text {
    Text::new(in_words(error, Lang::Ja), in_words(error, Lang::En))
}

/// Returns the Japanese text of our own errors whose English text is fixed.
fn in_japanese(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<PlaceError>() {
        return Some(error.text(Lang::Ja));
    }
    let text = match (error.downcast_ref::<StoreError>(), error.downcast_ref::<RepoError>()) {
        (Some(StoreError::Data(_)), _) => "データフォルダーを使えません",
        (Some(StoreError::Database(_)), _) => "データベースを使えません",
        (_, Some(RepoError::Duplicate(_))) => "このキーの行は既にあります",
        (_, Some(RepoError::Busy(_))) => "データベースが使用中か、応答しません",
        (_, Some(RepoError::Full(_))) => "ディスクに空きがありません",
        (_, Some(RepoError::Unwritable(_))) => "データベースは読み取りだけできます",
        (_, Some(RepoError::Unfit(text))) => return Some(text.ja.clone()),
        (_, Some(RepoError::Failed(_))) => "データベースの処理に失敗しました",
        _ => return None,
    };
    Some(text.to_owned())
}
