//! Names for those who act without a token, as records and jobs store them.

use schema::{Access, Context, Database, Installation};

/// The command line.
pub(crate) const COMMAND_LINE: &str = "command line";
/// The schedule, which scores changed data.
pub(crate) const AUTOMATIC: &str = "automatic";
/// The service itself.
pub(crate) const SERVICE: &str = "service";

/// Returns access to the rows of the installation, for the service's own work.
pub(crate) fn operator(database: &Database, operation: &str) -> Access<Installation> {
    database.access(Installation, &Context::new(SERVICE, operation))
}
