//! Tables, migrations and queries: the only crate that is to know the database.
//!
//! Empty until the service keeps data; `sonae score` reads and writes files alone.
