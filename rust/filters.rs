//! Which interactions are kept: repeated items of a user, and the iterated k-core, in which every
//! user and every item has enough interactions among those kept. The k-core is unique.

use crate::error::Error;
use crate::memory::{collected, insert, push, room, zeroed};
use crate::slices::by_offsets;
use crate::threads::Pause;
use foldhash::HashSet;
use rayon::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// What to do with an item that a user has more than once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Keep every interaction.
    Keep,
    /// Keep the earliest.
    First,
    /// Keep the latest.
    Last,
}

impl Duplicates {
    /// The rows of one user, in time order, that are kept; None for all of them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn kept<R: Copy>(
        self,
        rows: &[R],
        item: impl Fn(R) -> u32,
    ) -> Result<Option<Vec<R>>, Error> {
        let (mut seen, mut kept) = (HashSet::default(), Vec::new());
        let mut keep_new = |row: &R| {
            if insert(&mut seen, item(*row))? { push(&mut kept, *row) } else { Ok(()) }
        };
        match self {
            Self::Keep => return Ok(None),
            Self::First => rows.iter().try_for_each(&mut keep_new)?,
            Self::Last => {
                rows.iter().rev().try_for_each(&mut keep_new)?;
                kept.reverse();
            }
        }
        Ok((kept.len() < rows.len()).then_some(kept))
    }
}

/// Interactions a user and an item must have.
#[derive(Clone, Copy)]
pub struct Minima {
    /// Of each user.
    pub user: usize,
    /// Of each item.
    pub item: usize,
}

/// Mark the rows outside the k-core in `keep`, all true at first; returns how many went with rare
/// items. In every round users are dropped first, then items, and the count follows that order.
///
/// # Errors
/// [`Error::Inconsistent`] where the offsets do not ascend, [`Error::OutOfMemory`], or what `pause`
/// returns.
pub fn k_core(
    offsets: &[i64],
    (items, num_items): (&[i32], usize),
    minima: Minima,
    keep: &mut [bool],
    pause: &Pause,
) -> Result<usize, Error> {
    let mut rows_of_rare_items = 0;
    let counts: Vec<AtomicU32> = zeroed(num_items + 1)?;
    let mut rare = room(num_items + 1)?;
    items.par_iter().with_min_len(1 << 15).for_each(|&item| {
        counts[item as usize].fetch_add(1, Ordering::Relaxed);
    });
    let mut users = by_user(offsets, items, keep)?;
    loop {
        pause.between()?;
        drop_users(&mut users, minima.user, &counts);
        let count = |count: &AtomicU32| count.load(Ordering::Relaxed) as usize;
        rare.clear();
        rare.extend(counts.iter().map(|found| count(found) < minima.item));
        let rows = drop_items(&mut users, &rare, &counts);
        rows_of_rare_items += rows;
        if rows == 0 {
            return Ok(rows_of_rare_items);
        }
    }
}

/// One user's items, which of them are kept, and how many.
struct User<'a> {
    items: &'a [i32],
    keep: &'a mut [bool],
    kept: usize,
}

fn by_user<'a>(
    offsets: &[i64],
    items: &'a [i32],
    keep: &'a mut [bool],
) -> Result<Vec<User<'a>>, Error> {
    let parts = by_offsets(offsets, keep)?.into_iter().zip(offsets);
    let users = parts.map(|(keep, &start)| {
        let (start, kept) = (start as usize, keep.len());
        User { items: &items[start..start + kept], keep, kept }
    });
    collected(users)
}

/// Drop users with fewer than `least` kept rows.
fn drop_users(users: &mut [User], least: usize, counts: &[AtomicU32]) {
    users.par_iter_mut().filter(|user| user.kept > 0 && user.kept < least).for_each(|user| {
        for (keep, &item) in user.keep.iter_mut().zip(user.items) {
            if std::mem::take(keep) {
                counts[item as usize].fetch_sub(1, Ordering::Relaxed);
            }
        }
        user.kept = 0;
    });
}

/// Drop the rows of rare items; returns how many.
fn drop_items(users: &mut [User], rare: &[bool], counts: &[AtomicU32]) -> usize {
    let dropped = users
        .par_iter_mut()
        .map(|user| {
            let mut dropped = 0;
            for (keep, &item) in user.keep.iter_mut().zip(user.items) {
                if *keep && rare[item as usize] {
                    *keep = false;
                    dropped += 1;
                }
            }
            user.kept -= dropped;
            dropped
        })
        .sum();
    for (count, _) in counts.iter().zip(rare).filter(|(_, rare)| **rare) {
        count.store(0, Ordering::Relaxed);
    }
    dropped
}
