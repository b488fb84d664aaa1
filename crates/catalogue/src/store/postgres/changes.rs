//! Which books changed at which revision: see `store/changes.rs`, and the migration that makes triggers and functions.

use super::pool::{Answer, Parameter};
use crate::store::CatalogueState;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

pub(super) async fn state(client: &Client) -> Answer<CatalogueState> {
    let sql = "SELECT revision, coalesce(mark_revision, 0), coalesce(mark, 0) FROM libellus.state()";
    let row = client.query_typed_one(sql, &[]).await?;
    Ok(CatalogueState { revision: row.try_get(0)?, mark: (row.try_get(1)?, row.try_get(2)?) })
}

pub(super) async fn since(client: &Client, state: &CatalogueState, most: usize) -> Answer<Option<Vec<i64>>> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let CatalogueState { revision, mark } = state;
    let parameters: &[Parameter<'_>] =
        &[(revision, Type::INT8), (&mark.0, Type::INT8), (&mark.1, Type::INT8), (&limit, Type::INT8)];
    // A null, which comes first, says that the state is not known.
    let rows = client.query_typed("SELECT libellus.changed_since($1, $2, $3, $4)", parameters).await?;
    let changed = rows.iter().map(|row| row.try_get(0)).collect::<Result<Option<Vec<i64>>, _>>()?;
    Ok(changed.filter(|changed| changed.len() <= most))
}
