//! What spaces are for: `store/role.rs` says what that means.

use super::Changed;
use super::pool::{Answer, Parameter};
use crate::store::{MAX_ATTEMPTS, MigrationProblem, ModelSpace, RoleChange, SpaceRoles};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// The roles by their names.
pub(super) const SELECT: &str = "SELECT key, space, model FROM libellus.meta WHERE space IS NOT NULL ORDER BY key";

pub(super) async fn read(client: &Client) -> Answer<SpaceRoles> {
    let mut roles = SpaceRoles::default();
    for row in client.query_typed(SELECT, &[]).await? {
        roles.set(row.try_get(0)?, ModelSpace { space: row.try_get(1)?, model: row.try_get(2)? });
    }
    Ok(roles)
}

pub(super) async fn change(
    client: &Client,
    change: RoleChange<'_>,
) -> Answer<(Result<SpaceRoles, MigrationProblem>, Changed)> {
    let before = read(client).await?;
    let missing = match (&change, &before.next) {
        (RoleChange::CutOver, Some(next)) => missing(client, &next.space).await?,
        _ => 0,
    };
    let (roles, dropped) = match before.after(change, missing) {
        Ok(changed) => changed,
        Err(problem) => return Ok((Err(problem), Changed::No)),
    };
    if let Some(space) = dropped {
        let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT)];
        client.execute_typed("DELETE FROM libellus.embeddings WHERE space = $1", parameters).await?;
        client.execute_typed("DELETE FROM libellus.claims WHERE space = $1", parameters).await?;
        client.execute_typed("DELETE FROM libellus.agreements WHERE space = $1", parameters).await?;
    }
    write(client, &roles).await?;
    let changed = Changed::from(roles != before);
    Ok((Ok(roles), changed))
}

/// Deletes some of the embeddings that go with a change; none if it cannot be made.
pub(super) async fn delete_before(client: &Client, change: RoleChange<'_>, limit: u32) -> Answer<u64> {
    let Ok((_, Some(space))) = read(client).await?.after(change, 0) else { return Ok(0) };
    let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT), (&i64::from(limit), Type::INT8)];
    let sql = "DELETE FROM libellus.embeddings WHERE space = $1 AND passage_id IN \
               (SELECT passage_id FROM libellus.embeddings WHERE space = $1 ORDER BY passage_id LIMIT $2)";
    client.execute_typed(sql, parameters).await
}

/// Records these roles instead of those before.
pub(super) async fn write(client: &Client, roles: &SpaceRoles) -> Answer<()> {
    client.execute_typed("DELETE FROM libellus.meta WHERE space IS NOT NULL", &[]).await?;
    for (role, ModelSpace { space, model }) in roles.named() {
        let parameters: &[Parameter<'_>] = &[(&role, Type::TEXT), (space, Type::TEXT), (model, Type::TEXT)];
        let sql = "INSERT INTO libellus.meta (key, value, space, model) VALUES ($1, 0, $2, $3)";
        client.execute_typed(sql, parameters).await?;
    }
    Ok(())
}

/// Passages without a fresh embedding in a space, but for those that were given up.
async fn missing(client: &Client, space: &str) -> Answer<u64> {
    let most = MAX_ATTEMPTS.cast_signed();
    let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT), (&most, Type::INT4)];
    let sql = "SELECT count(*) FROM libellus.passages p \
               WHERE NOT EXISTS (SELECT FROM libellus.embeddings e \
                                 WHERE e.passage_id = p.passage_id AND e.space = $1 AND e.text_hash = p.text_hash) \
               AND NOT EXISTS (SELECT FROM libellus.claims c WHERE c.passage_id = p.passage_id AND c.space = $1 \
                               AND c.text_hash = p.text_hash AND c.attempts >= $2)";
    client.query_typed_one(sql, parameters).await?.try_get(0).map(i64::cast_unsigned)
}
