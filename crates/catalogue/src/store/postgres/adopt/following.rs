//! Triggers that note which rows of an adopted table change, and what is done about it.
//!
//! A trigger writes keys into `libellus.changes` and does nothing else. It must never be the reason that the other
//! program's transaction fails or waits: the table of changes has no constraint to wait for, the function runs with our
//! rights and a fixed search path, and whatever goes wrong in it becomes a warning. There is one call a statement, not
//! one a row. No notification is sent: with those, transactions queue up at their commit.
//!
//! A change is dealt with by reading the row again, as it is by then. So changes may come in any order, several times,
//! and from several workers.

use super::super::pool::{Answer, Parameter};
use super::super::{Changed, PostgresStore, raising_revision};
use super::copying::{Taken, delete, prune, put, take};
use super::{Adoption, Lock, adopted, known, named_for, rows};
use crate::adopt::{ChangesTaken, Mapping, quoted};
use crate::{Error, PassageCutter};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// Changes taken in one transaction; fewer where rows are long.
const BATCH: i64 = 500;

/// How long adding or removing triggers waits for the other program's transactions, which wait behind it meanwhile.
const LOCK_PATIENCE: &str = "SET LOCAL lock_timeout = '1s'";
/// How often it tries, and how long it stands back in between.
const TRIES: u32 = 8;
const STAND_BACK: Duration = Duration::from_millis(700);

/// The functions behind the triggers: the event, which is also the end of their names, what of it holds rows, and those
/// rows' keys. A key that is null stands for all.
const EVENTS: [(&str, &str, &str); 4] = [
    ("insert", "REFERENCING NEW TABLE AS new_rows", "SELECT KEY::text FROM new_rows WHERE KEY IS NOT NULL"),
    (
        "update",
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "SELECT KEY::text FROM old_rows WHERE KEY IS NOT NULL UNION SELECT KEY::text FROM new_rows WHERE KEY IS NOT NULL",
    ),
    ("delete", "REFERENCING OLD TABLE AS old_rows", "SELECT KEY::text FROM old_rows WHERE KEY IS NOT NULL"),
    ("truncate", "", "VALUES (NULL::text)"),
];

/// How a table is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Following {
    /// Triggers that note changes.
    pub triggers: u64,
    /// Changes that wait to be dealt with.
    pub waiting: u64,
}

impl Adoption {
    /// How the adopted table is followed; no triggers if it is not.
    ///
    /// # Errors
    /// Those of reading.
    pub fn following(&self) -> Result<Following, Error> {
        self.store.read("looking for triggers", following)
    }

    /// Adds the triggers that are missing, also to partitions and tables that inherit.
    ///
    /// # Errors
    /// [`Error::NotAdopted`] if nothing was [begun](Adoption::begin); [`Error::Unadoptable`] for what triggers cannot
    /// follow; [`Error::MissingRights`] with the grant that helps; [`Error::Locked`] if the table is never free.
    pub fn follow(&self) -> Result<Following, Error> {
        let Some(mapping) = self.mapping()? else {
            return Err(Error::NotAdopted { location: self.store.location.clone() });
        };
        mapping.check_can_be_followed()?;
        let add = async |client: &Client| add_triggers(client, &mapping).await;
        self.standing_back(Some(&mapping), "adding triggers", add)?;
        self.following()
    }

    /// Deals with a batch of the changes that wait, in one transaction; returns an empty account if there are none.
    ///
    /// # Errors
    /// As [`crate::Catalogue::take_changes`].
    pub fn take_changes(&self, cutter: &dyn PassageCutter) -> Result<ChangesTaken, Error> {
        take_changes(&self.store, cutter)
    }

    /// Does what needs a lock on the other program's table, again and again rather than for long.
    pub(super) fn standing_back<T>(
        &self,
        mapping: Option<&Mapping>,
        action: &'static str,
        work: impl AsyncFn(&Client) -> Answer<T>,
    ) -> Result<T, Error> {
        let mut tries = 0;
        loop {
            let work = async |client: &Client| {
                client.batch_execute(LOCK_PATIENCE).await?;
                work(client).await
            };
            match self.store.pool.write(work).map_err(|failure| self.named_for(mapping, action, failure)) {
                Err(Error::Locked { .. }) if tries < TRIES => tries += 1,
                result => return result,
            }
            thread::sleep(STAND_BACK);
        }
    }
}

/// The triggers that there are, and the changes that wait.
pub(super) async fn following(client: &Client) -> Answer<Following> {
    let sql = "SELECT (SELECT count(*) FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
               JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
               WHERE n.nspname = 'libellus' AND NOT t.tgisinternal AND p.proname LIKE 'note%'), (SELECT count(*) FROM libellus.changes)";
    let row = client.query_typed_one(sql, &[]).await?;
    let count = |at| row.try_get(at).map(i64::cast_unsigned);
    Ok(Following { triggers: count(0)?, waiting: count(1)? })
}

async fn add_triggers(client: &Client, mapping: &Mapping) -> Answer<()> {
    // Nobody else does the same meanwhile.
    client.execute_typed("SELECT FROM libellus.adoption FOR UPDATE", &[]).await?;
    let key = quoted(&mapping.key);
    for (event, _, keys) in EVENTS {
        let keys = keys.replace("KEY", &key);
        client
            .batch_execute(&format!(
                "CREATE OR REPLACE FUNCTION libellus.note_{event}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
                 SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $libellus$ \
                 BEGIN \
                     INSERT INTO libellus.changes (key) {keys}; \
                     RETURN NULL; \
                 EXCEPTION WHEN OTHERS THEN \
                     RAISE WARNING 'libellus missed a change of % (run `libellus adopt --copy` to catch up): %', \
                                   TG_RELID::regclass, SQLERRM; \
                     RETURN NULL; \
                 END $libellus$; \
                 REVOKE ALL ON FUNCTION libellus.note_{event}() FROM PUBLIC"
            ))
            .await?;
    }
    for (table, event) in missing_triggers(client, mapping).await? {
        let Some((event, rows, _)) = EVENTS.into_iter().find(|(name, ..)| *name == event) else { continue };
        client
            .batch_execute(&format!(
                "CREATE TRIGGER libellus_{event} AFTER {event} ON {table} {rows} \
                 FOR EACH STATEMENT EXECUTE FUNCTION libellus.note_{event}()"
            ))
            .await?;
    }
    Ok(())
}

/// Whether every change of the table is noted.
pub(super) async fn is_all_noted(client: &Client, mapping: &Mapping) -> Answer<bool> {
    Ok(mapping.kind.can_be_followed() && missing_triggers(client, mapping).await?.is_empty())
}

/// The table, and those beneath it, with the events that no trigger of ours notes there: the name as SQL has it, and the
/// event.
async fn missing_triggers(client: &Client, mapping: &Mapping) -> Answer<Vec<(String, String)>> {
    let events: Vec<&str> = EVENTS.iter().map(|(event, ..)| *event).collect();
    let books = mapping.books.sql();
    let parameters: &[Parameter<'_>] = &[(&books, Type::TEXT), (&events, Type::TEXT_ARRAY)];
    let sql = "WITH RECURSIVE beneath AS ( \
                   SELECT pg_catalog.to_regclass($1)::oid AS oid \
                   UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN beneath b ON i.inhparent = b.oid \
               ) \
               SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), event \
               FROM beneath JOIN pg_catalog.pg_class c USING (oid) \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS JOIN unnest($2::text[]) AS event \
               WHERE c.relkind IN ('r', 'p') AND NOT EXISTS ( \
                   SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
                   JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace \
                   WHERE t.tgrelid = c.oid AND f.nspname = 'libellus' AND p.proname = 'note_' || event)";
    let rows = client.query_typed(sql, parameters).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Deals with the changes that wait. See [`crate::Catalogue::take_changes`].
pub(in crate::store) fn take_changes(store: &PostgresStore, cutter: &dyn PassageCutter) -> Result<ChangesTaken, Error> {
    let waiting = "SELECT EXISTS (SELECT FROM libellus.changes)";
    let is_waiting = store.read("looking for changes", async |client| {
        client.query_typed_one(waiting, &[]).await?.try_get::<_, bool>(0)
    })?;
    if !is_waiting {
        return Ok(ChangesTaken::default());
    }
    store.check_writable()?;
    // For the error: what is followed is read in the transaction that deals with its changes.
    let followed = RefCell::new(None);
    let take = async |client: &Client| {
        let mapping = match adopted(client, Lock::Yes).await? {
            Some(Err(unknown)) => return Ok((Some(Err(unknown)), Changed::No)),
            Some(Ok(noted)) => Some(noted.mapping),
            None => None,
        };
        followed.replace(mapping.clone());
        let (taken, changed) = take_batch(client, mapping.as_ref(), cutter).await?;
        Ok((Some(Ok(taken)), changed))
    };
    let taken = store.pool.write(raising_revision(take));
    let action = "following an adopted table";
    let taken = taken.map_err(|failure| named_for(&store.pool.address, followed.take().as_ref(), action, failure))?;
    Ok(known(taken, &store.location)?.unwrap_or_default())
}

/// Without a mapping nothing is followed any more, and the changes are forgotten.
async fn take_batch(
    client: &Client,
    mapping: Option<&Mapping>,
    cutter: &dyn PassageCutter,
) -> Answer<(ChangesTaken, Changed)> {
    let parameters: &[Parameter<'_>] = &[(&BATCH, Type::INT8)];
    let sql = "SELECT change_id, key FROM libellus.changes ORDER BY change_id LIMIT $1 FOR UPDATE SKIP LOCKED";
    let found = client.query_typed(sql, parameters).await?;
    let mut changes: Vec<(i64, Option<&str>)> = Vec::with_capacity(found.len());
    for row in &found {
        changes.push((row.try_get(0)?, row.try_get(1)?));
    }
    let mut taken = ChangesTaken::default();
    let mut changed = Changed::No;
    if let Some(mapping) = mapping {
        if changes.iter().any(|(_, key)| key.is_none()) {
            taken.deleted = prune(client, mapping).await?;
        }
        let keys: BTreeSet<&str> = changes.iter().filter_map(|(_, key)| *key).collect();
        let keys: Vec<&str> = keys.into_iter().collect();
        // After the revision's row was locked: see `copying.rs`.
        let (found, sought) = rows::with_keys(client, mapping, &keys).await?;
        let Taken { books, rejects, unread, .. } = take(found, cutter);
        (taken.written, changed) = put(client, &books).await?;
        let there = books.iter().map(|book| &book.book.id).chain(&unread).map(String::as_str);
        let is_there: BTreeSet<&str> = there.collect();
        let gone: Vec<&str> = sought.difference(&is_there).copied().collect();
        taken.deleted += delete(client, &gone).await?;
        taken.rejected = rejects.len() as u64;
        taken.rejects = rejects;
        // The others wait for the next batch.
        changes.retain(|(_, key)| key.is_none_or(|key| sought.contains(key)));
    }
    taken.changes = changes.len() as u64;
    let changes: Vec<i64> = changes.into_iter().map(|(change, _)| change).collect();
    let parameters: &[Parameter<'_>] = &[(&changes, Type::INT8_ARRAY)];
    client.execute_typed("DELETE FROM libellus.changes WHERE change_id = ANY($1)", parameters).await?;
    let has_changed = changed == Changed::Yes || taken.deleted > 0;
    Ok((taken, Changed::from(has_changed)))
}
