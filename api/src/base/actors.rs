//! Who acts without a token, as records and jobs name them.

use schema::{Access, Context, Database, Installation};

/// The command line.
pub(crate) const COMMAND_LINE: &str = "command line";
/// The schedule that scores what has changed.
pub(crate) const AUTOMATIC: &str = "automatic";
/// The service, for its own purposes.
pub(crate) const SERVICE: &str = "service";

/// The rows of the installation, for the service's own purposes.
pub(crate) fn operator(database: &Database, operation: &str) -> Access<Installation> {
    database.access(Installation, &Context::new(SERVICE, operation))
}
