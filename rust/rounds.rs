//! The rounds of the k-core where all rows are in memory: after the first, each reads only the users
//! who are left, and counts only what they lose.

use crate::emission::Instant;
use crate::error::Error;
use crate::filters::{Minima, core_round, note_rare};
use crate::finish::{Verdict, weigh};
use crate::memory::{collected, push, zeroed};
use crate::shard::View;
use crate::slices::split_off;
use crate::tally::Tally;
use crate::threads::Pause;
use rayon::prelude::*;

/// What all rounds leave.
pub struct Core {
    /// By item code, the round in which it was found rare, or 0.
    pub rare: Vec<i32>,
    /// By item code, the rows that are left.
    pub counts: Vec<u32>,
    /// What is left of each user.
    pub verdict: Verdict,
}

/// Find the k-core of a shard of all users, whose item codes are below `codes`.
///
/// # Errors
/// As [`weigh`].
pub fn core<I: Instant>(
    shard: &View<I>,
    minima: Minima,
    codes: usize,
    pause: &Pause,
) -> Result<Core, Error> {
    let mut rare = zeroed(codes)?;
    let mut verdict = weigh(shard, minima.user, &[], pause)?;
    let mut counts = core_round(shard, minima.user, (&[], codes), pause)?;
    let mut round = 1;
    while note_rare(&counts, minima.item, &mut rare, round) {
        pause.between()?;
        let (lost, tally) = losses(shard, &mut verdict.left, minima.user, (&rare, round), pause)?;
        lost.into_iter().flatten().for_each(|code| counts[code as usize] -= 1);
        verdict.tally = Tally {
            rows_of_rare_items: verdict.tally.rows_of_rare_items + tally.rows_of_rare_items,
            users_dropped: verdict.tally.users_dropped + tally.users_dropped,
            rows_kept: verdict.tally.rows_kept - tally.rows_kept,
            ..verdict.tally
        };
        round += 1;
    }
    Ok(Core { rare, counts, verdict })
}

/// The item codes of the rows that go with the items found rare in a round and the users whom this
/// leaves too few, who are taken from `left`; the tally has what goes.
fn losses<I: Instant>(
    shard: &View<I>,
    left: &mut [u32],
    least: usize,
    (rare, round): (&[i32], i32),
    pause: &Pause,
) -> Result<(Vec<Vec<i32>>, Tally), Error> {
    let mut rest = left;
    let ranges = shard.ranges().into_iter();
    let jobs = collected(ranges.map(|users| (users.clone(), split_off(&mut rest, users.len()))))?;
    let found = jobs.into_par_iter().map(|(users, left)| {
        pause.ask()?;
        let (mut lost, mut tally) = (Vec::new(), Tally::default());
        for (user, left) in users.zip(left).filter(|(_, left)| **left > 0) {
            let user = shard.user(user);
            let is_new = |row: usize| rare[user.items[row] as usize] == round;
            let rows = 0..user.items.len();
            let going = rows.clone().filter(|&row| is_new(row) & user.is_distinct(row)).count();
            if going == 0 {
                continue;
            }
            let stays = *left as usize >= least.max(1) + going;
            tally.rows_of_rare_items += going;
            tally.users_dropped += usize::from(!stays);
            tally.rows_kept += if stays { going } else { *left as usize };
            *left = if stays { *left - going as u32 } else { 0 };
            for row in rows.filter(|&row| user.is_distinct(row)) {
                if is_new(row) || !stays && rare[user.items[row] as usize] == 0 {
                    push(&mut lost, user.items[row])?;
                }
            }
        }
        Ok((lost, tally))
    });
    let found: Vec<_> = found.collect::<Result<_, Error>>()?;
    let tally = found.iter().fold(Tally::default(), |sum, (_, tally)| sum.plus(*tally));
    Ok((found.into_iter().map(|(lost, _)| lost).collect(), tally))
}
