//! A catalogue in a PostgreSQL database.

mod address;

pub use address::PostgresAddress;
