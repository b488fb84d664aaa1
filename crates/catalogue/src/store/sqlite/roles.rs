//! What spaces are for: `store/role.rs` says what that means.

use super::Changed;
use crate::store::{MAX_ATTEMPTS, MigrationProblem, ModelSpace, RoleChange, SpaceRoles};
use rusqlite::{Connection, Transaction, params};

/// The roles by their names.
pub(super) const SELECT: &str = "SELECT key, space, model FROM meta WHERE space IS NOT NULL ORDER BY key";

pub(super) fn read(connection: &Connection) -> rusqlite::Result<SpaceRoles> {
    let mut select = connection.prepare_cached(SELECT)?;
    let mut rows = select.query([])?;
    let mut roles = SpaceRoles::default();
    while let Some(row) = rows.next()? {
        let role: String = row.get(0)?;
        roles.set(&role, ModelSpace { space: row.get(1)?, model: row.get(2)? });
    }
    Ok(roles)
}

pub(super) fn change(
    transaction: &Transaction<'_>,
    change: RoleChange<'_>,
) -> rusqlite::Result<(Result<SpaceRoles, MigrationProblem>, Changed)> {
    let before = read(transaction)?;
    let missing = match (&change, &before.next) {
        (RoleChange::CutOver, Some(next)) => missing(transaction, &next.space)?,
        _ => 0,
    };
    let (roles, dropped) = match before.after(change, missing) {
        Ok(changed) => changed,
        Err(problem) => return Ok((Err(problem), Changed::No)),
    };
    if let Some(space) = dropped {
        transaction.execute("DELETE FROM embeddings WHERE space = ?1", [&space])?;
        transaction.execute("DELETE FROM claims WHERE space = ?1", [&space])?;
        transaction.execute("DELETE FROM agreements WHERE space = ?1", [&space])?;
    }
    write(transaction, &roles)?;
    let changed = Changed::from(roles != before);
    Ok((Ok(roles), changed))
}

/// Deletes some of the embeddings that go with a change; none if it cannot be made.
pub(super) fn delete_before(
    transaction: &Transaction<'_>,
    change: RoleChange<'_>,
    limit: u32,
) -> rusqlite::Result<u64> {
    let Ok((_, Some(space))) = read(transaction)?.after(change, 0) else { return Ok(0) };
    let sql = "DELETE FROM embeddings WHERE rowid IN (SELECT rowid FROM embeddings WHERE space = ?1 LIMIT ?2)";
    transaction.execute(sql, params![space, limit]).map(|deleted| deleted as u64)
}

/// Records these roles instead of those before.
pub(super) fn write(transaction: &Transaction<'_>, roles: &SpaceRoles) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM meta WHERE space IS NOT NULL", [])?;
    for (role, ModelSpace { space, model }) in roles.named() {
        transaction
            .execute("INSERT INTO meta (key, value, space, model) VALUES (?1, 0, ?2, ?3)", [role, space, model])?;
    }
    Ok(())
}

/// Passages without a fresh embedding in a space, but for those that were given up.
fn missing(connection: &Connection, space: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM passages p \
               WHERE NOT EXISTS (SELECT 1 FROM embeddings e \
                                 WHERE e.passage_id = p.passage_id AND e.space = ?1 AND e.text_hash = p.text_hash) \
               AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.passage_id = p.passage_id AND c.space = ?1 \
                               AND c.text_hash = p.text_hash AND c.attempts >= ?2)";
    connection.query_row(sql, params![space, MAX_ATTEMPTS], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}
