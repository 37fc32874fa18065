//! After a crash: make files and index agree again, before the first message is stored.

use std::collections::HashSet;
use std::sync::Arc;

use super::entry::checked_id;
use super::file_format::Away;
use super::folder::{Folder, Kept, Listing};
use super::index::Index;
use super::{QuarantineError, blocking};

/// What was found and repaired when the quarantine was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Files whose writing or removal was cut off; removed.
    pub temporary: usize,
    /// Messages whose file was whole and which the index did not know; entered.
    pub entered: Vec<String>,
    /// Messages whose removal was cut off; removed.
    pub deleted: usize,
    /// Messages in the index whose file is missing; marked `lost`.
    pub lost: Vec<String>,
    /// Lost messages whose file is there again, from a backup perhaps; held again.
    pub found: usize,
    /// Files that are damaged or do not belong there; left alone.
    pub foreign: usize,
}

pub(super) async fn recover(
    folder: &Arc<Folder>,
    index: &Index,
) -> Result<Recovered, QuarantineError> {
    let mut report = Recovered::default();
    let (temporary, listing) = {
        let folder = folder.clone();
        blocking(move || {
            let temporary = folder.clear_temporary()?;
            Ok::<_, QuarantineError>((temporary, folder.list()?))
        })
        .await??
    };
    report.temporary = temporary;
    report.foreign = listing.foreign.len();
    for path in &listing.foreign {
        tracing::warn!(?path, "this does not belong into the quarantine");
    }

    finish_removals(folder, index, &mut report).await?;
    let rows: Vec<(String, String, bool)> =
        sqlx::query_as("SELECT id, state, elsewhere FROM messages")
            .fetch_all(index.readers())
            .await?;

    let mut tx = index.begin().await?;
    for (id, state, _) in &rows {
        let there = listing.ids.contains(id);
        let state = match (there, state.as_str()) {
            (false, "held" | "partly" | "releasing" | "released") => {
                tracing::error!(id, "message lost: its file is missing");
                report.lost.push(id.clone());
                "lost"
            }
            (true, "lost") => {
                report.found += 1;
                "held"
            }
            _ => continue,
        };
        sqlx::query("UPDATE messages SET state = ? WHERE id = ?")
            .bind(state)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        super::release::refresh(&mut tx, id).await?;
    }
    tx.commit().await?;
    finish_moves(folder, index, &rows, &listing).await?;

    let known: HashSet<&String> = rows.iter().map(|(id, ..)| id).collect();
    for id in listing.ids.iter().filter(|id| !known.contains(id)) {
        enter(folder, index, id, &mut report).await?;
    }
    // The crash came between two names; nobody was told that such a message is kept. In an index that knows
    // nothing it may be something else, and stays.
    let halves = listing.halves.iter().filter(|id| !known.contains(id));
    let halves = halves
        .map(|id| checked_id(id))
        .collect::<Result<Vec<_>, _>>()?;
    if known.is_empty() {
        report.foreign += halves.len();
    } else if !halves.is_empty() {
        report.temporary += halves.len();
        let folder = folder.clone();
        let (_, error) = blocking(move || folder.remove(&halves)).await?;
        error.map_or(Ok(()), Err)?;
    }
    report.entered.sort_unstable();
    if report != Recovered::default() {
        tracing::warn!(
            temporary = report.temporary,
            entered = report.entered.len(),
            deleted = report.deleted,
            lost = report.lost.len(),
            found = report.found,
            foreign = report.foreign,
            "quarantine repaired"
        );
    }
    Ok(report)
}

async fn finish_removals(
    folder: &Arc<Folder>,
    index: &Index,
    report: &mut Recovered,
) -> Result<(), QuarantineError> {
    let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM messages WHERE state = 'deleting'")
        .fetch_all(index.readers())
        .await?;
    if ids.is_empty() {
        return Ok(());
    }
    let (gone, error) = super::removal::finish(folder, index, ids).await?;
    report.deleted = gone;
    if let Some(error) = error {
        tracing::error!(%error, "a removal could not be finished");
    }
    Ok(())
}

/// Makes the index say of each message where its head says that the bytes are: a move was cut off between the two.
async fn finish_moves(
    folder: &Arc<Folder>,
    index: &Index,
    rows: &[(String, String, bool)],
    listing: &Listing,
) -> Result<(), QuarantineError> {
    for (id, _, elsewhere) in rows {
        let doubtful = match elsewhere {
            true => listing.both.contains(id),
            false => listing.away.contains(id),
        };
        if !doubtful {
            continue;
        }
        let ulid = checked_id(id)?;
        let at = folder.clone();
        match blocking(move || at.get(ulid)).await?? {
            Some(Kept::Away(head)) => {
                // A damaged head stays what it is, for whoever reads it.
                if let Ok(away) = Away::open(&head) {
                    index.set_away(id, &away.content).await?;
                    let folder = folder.clone();
                    blocking(move || folder.remove_message(ulid)).await??;
                }
            }
            Some(Kept::Here(..)) => index.set_here(id).await?,
            None => {}
        }
    }
    Ok(())
}

/// Enters a file that the index does not know: a crash came between the two.
async fn enter(
    folder: &Arc<Folder>,
    index: &Index,
    id: &str,
    report: &mut Recovered,
) -> Result<(), QuarantineError> {
    let ulid = checked_id(id)?;
    let file = {
        let folder = folder.clone();
        blocking(move || folder.get(ulid)).await??
    };
    // Somebody else removed it a moment ago.
    let Some(kept) = file else {
        return Ok(());
    };
    let elsewhere = matches!(kept, Kept::Away(_));
    let opened = blocking(move || {
        let (away, raw) = match kept {
            Kept::Here(head, apart) => Away::of(&head, apart),
            Kept::Away(head) => Away::open(&head).map(|away| (away, None)),
        }
        .ok()?;
        let sized = away.entry.size == away.size as u64;
        let whole = sized && raw.is_none_or(|raw| raw.len() == away.size);
        (whole && away.entry.id == ulid.to_string()).then_some(away)
    })
    .await?;
    match opened {
        None => {
            tracing::warn!(id, "a damaged file in the quarantine is left alone");
            report.foreign += 1;
        }
        Some(away) => {
            let inserted = index
                .insert(&away.entry, &away.likeness, &away.content)
                .await?;
            let folder = folder.clone();
            match inserted {
                super::index::Inserted::Retry(_) => {
                    let (_, error) = blocking(move || folder.remove(&[ulid])).await?;
                    error.map_or(Ok(()), Err)?;
                }
                _ if elsewhere => {
                    index.set_away(id, &away.content).await?;
                    blocking(move || folder.remove_message(ulid)).await??;
                }
                _ => {}
            }
            report.entered.push(id.to_owned());
        }
    }
    Ok(())
}
