//! What all handlers share.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use schema::{Conn, ConnRole, Database, TenantId};

use crate::auth::Keys;
use crate::config::Limits;
use crate::edge::Edge;
use crate::jobs::Runner;
use crate::problem::{ApiError, ProblemKind};

/// What all handlers share.
pub(crate) struct State {
    pub(crate) db: Db,
    pub(crate) keys: Keys,
    pub(crate) limits: Limits,
    pub(crate) runner: Runner,
    /// The model that scores.
    pub(crate) model: scoring::Model,
    /// What is particular to how requests come in.
    pub(crate) edge: Edge,
    /// The folder that uploads are stored in, unless they go to a server.
    pub(crate) uploads: Option<PathBuf>,
}

impl State {
    /// Refuses an upload that the disk has no room for, before any of it is stored.
    pub(crate) fn expect_room(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let free = self.uploads.as_deref().and_then(crate::service::free_bytes);
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced: u64 = announced.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
        let needed = announced.saturating_add(self.limits.min_free_disk_bytes);
        match free {
            Some(free) if free < needed => Err(ProblemKind::InsufficientStorage.into()),
            _ => Ok(()),
        }
    }
}

/// For how long an import may hold the writer before an upload gives up.
const LONGEST_IMPORT: Duration = Duration::from_secs(1800);

/// The database, off the threads that serve requests.
#[derive(Debug, Clone)]
pub(crate) struct Db(Database);

impl Db {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }

    /// The database itself, for threads that may wait.
    pub(crate) fn database(&self) -> &Database {
        &self.0
    }

    /// Reads rows of a buyer, all from one state of the database.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl FnOnce(&mut Conn, TenantId) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run(ConnRole::Reader, tenant, work).await
    }

    /// Writes rows of a buyer: all that `work` writes, or nothing if it fails.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl FnOnce(&mut Conn, TenantId) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run(ConnRole::Writer, tenant, work).await
    }

    /// Writes jobs of a buyer and what belongs to them, and waits for as long as a large import holds an embedded database.
    pub(crate) async fn write_jobs<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl Fn(&mut Conn, TenantId) -> Result<T, ApiError> + Clone + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_patiently(ConnRole::Queue, tenant, work).await
    }

    /// Writes rows of a buyer, and waits for as long as a large import holds the writer: what has been uploaded is not
    /// to be sent again because of another upload.
    pub(crate) async fn write_patiently<T: Send + 'static>(
        &self,
        tenant: TenantId,
        work: impl Fn(&mut Conn, TenantId) -> Result<T, ApiError> + Clone + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_patiently(ConnRole::Writer, tenant, work).await
    }

    async fn run_patiently<T: Send + 'static>(
        &self,
        role: ConnRole,
        tenant: TenantId,
        work: impl Fn(&mut Conn, TenantId) -> Result<T, ApiError> + Clone + Send + 'static,
    ) -> Result<T, ApiError> {
        let start = Instant::now();
        loop {
            match self.run(role, tenant, work.clone()).await {
                // On a server jobs wait for no import; where it is away, whoever asks is told so.
                Err(ApiError::Busy(_)) if !self.0.is_shared() && start.elapsed() < LONGEST_IMPORT => {}
                done => return done,
            }
        }
    }

    /// Makes what was erased stand in no file any more.
    pub(crate) async fn fold_log(&self) -> Result<(), ApiError> {
        let database = self.0.clone();
        Ok(web::block(move || database.fold_log()).await.map_err(ApiError::internal)??)
    }

    async fn run<T: Send + 'static>(
        &self,
        role: ConnRole,
        tenant: TenantId,
        work: impl FnOnce(&mut Conn, TenantId) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let database = self.0.clone();
        web::block(move || database.run(role, tenant, |conn| work(conn, tenant))).await.map_err(ApiError::internal)?
    }
}
