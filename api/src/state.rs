//! What all handlers share.

use actix_web::web;
use schema::{Conn, ConnRole, Database, TenantId};

use crate::auth::Keys;
use crate::config::Limits;
use crate::jobs::Runner;
use crate::problem::ApiError;

/// What all handlers share.
pub(crate) struct State {
    pub(crate) db: Db,
    pub(crate) keys: Keys,
    pub(crate) limits: Limits,
    pub(crate) runner: Runner,
}

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
        web::block(move || database.run(role, |conn| work(conn, tenant))).await.map_err(ApiError::internal)?
    }
}
