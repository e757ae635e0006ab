//! What an array of users' rows became: which rows are gone, which are new and where, so that the
//! array can be kept as it was, beside what changed.

use crate::error::{Error, ensure};
use crate::memory::{push, zeroed};
use crate::threads::Pause;

/// How an array is made of an older one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Places in the older one, ascending, of what is gone.
    pub removed: Vec<i64>,
    /// Places in the newer one, ascending, of what is new.
    pub places: Vec<i64>,
}

/// Users' rows, borrowed.
#[derive(Clone, Copy)]
pub struct Rows<'a, T> {
    /// User u owns `values[offsets[u]..offsets[u + 1]]`.
    pub offsets: &'a [i64],
    /// A value for each row.
    pub values: &'a [T],
}

impl<'a, T> Rows<'a, T> {
    fn check(&self) -> Result<(), Error> {
        let rows = self.values.len();
        let ends = (self.offsets.first(), self.offsets.last());
        ensure!(
            ends == (Some(&0), Some(&(rows as i64))) && self.offsets.is_sorted(),
            "offsets that do not ascend from 0 to {rows}"
        );
        Ok(())
    }

    fn of(&self, user: usize) -> (i64, &'a [T]) {
        let (start, end) = (self.offsets[user], self.offsets[user + 1]);
        (start, &self.values[start as usize..end as usize])
    }
}

/// The edit that makes `new` of `old`, whose users are at ascending `places` among the new ones.
///
/// # Errors
/// [`Error::Inconsistent`] where arrays do not fit together, [`Error::OutOfMemory`], or what `pause`
/// returns.
pub fn find<T: PartialEq>(
    old: Rows<T>,
    new: Rows<T>,
    places: &[i64],
    pause: &Pause,
) -> Result<Edit, Error> {
    old.check()?;
    new.check()?;
    let (users, known) = (new.offsets.len() - 1, old.offsets.len() - 1);
    ensure!(
        places.len() == known
            && places.is_sorted_by(|a, b| a < b)
            && places.first().is_none_or(|first| *first >= 0)
            && places.last().is_none_or(|last| (*last as usize) < users),
        "places of {known} users among {users} that do not ascend"
    );
    let mut edit = Edit::default();
    let mut known = places.iter().enumerate().peekable();
    for user in 0..users {
        if user % (1 << 10) == 0 {
            pause.ask()?;
        }
        let before = known.next_if(|(_, place)| **place == user as i64);
        let (first, before) = before.map_or((0, &[][..]), |(number, _)| old.of(number));
        let (start, now) = new.of(user);
        edit.of_user((first, before), (start, now))?;
    }
    Ok(edit)
}

impl Edit {
    /// Add that of a user: what is new among what was there, or all of it where that lost a row.
    fn of_user<T: PartialEq>(
        &mut self,
        (first, before): (i64, &[T]),
        (start, now): (i64, &[T]),
    ) -> Result<(), Error> {
        let found = self.places.len();
        // Most users have what they had, and perhaps more at the end.
        let same = if now.starts_with(before) { before.len() } else { 0 };
        let mut rest = &before[same..];
        for (place, value) in (start + same as i64..).zip(&now[same..]) {
            match rest {
                [next, others @ ..] if next == value => rest = others,
                _ => push(&mut self.places, place)?,
            }
        }
        if !rest.is_empty() {
            self.places.truncate(found);
            for place in start..start + now.len() as i64 {
                push(&mut self.places, place)?;
            }
            for place in first..first + before.len() as i64 {
                push(&mut self.removed, place)?;
            }
        }
        Ok(())
    }
}

/// An older array without what is gone, and with new values at their places.
///
/// # Errors
/// [`Error::Inconsistent`] where places do not ascend or are outside, [`Error::OutOfMemory`], or what
/// `pause` returns.
pub fn apply<T: Copy + bytemuck::Zeroable>(
    old: &[T],
    edit: (&[i64], &[i64]),
    values: &[T],
    pause: &Pause,
) -> Result<Vec<T>, Error> {
    let (removed, places) = edit;
    let kept = require_places("removed", removed, old.len())?;
    let total = kept + places.len();
    require_places("new", places, total)?;
    ensure!(places.len() == values.len(), "{} places of {} values", places.len(), values.len());
    let mut made: Vec<T> = zeroed(total)?;
    pause.between()?;
    let mut gone = removed.iter().map(|place| *place as usize).peekable();
    let (mut taken, mut end) = (0, 0);
    let mut copy = |made: &mut [T], until: usize| {
        // What was there, up to a place, without what is gone.
        while end < until {
            while gone.next_if_eq(&taken).is_some() {
                taken += 1;
            }
            let left = gone.peek().map_or(old.len(), |gone| *gone) - taken;
            let length = left.min(until - end);
            made[end..end + length].copy_from_slice(&old[taken..taken + length]);
            (taken, end) = (taken + length, end + length);
        }
        end = until + 1;
    };
    for (number, (&place, &value)) in places.iter().zip(values).enumerate() {
        if number % (1 << 16) == 0 {
            pause.ask()?;
        }
        copy(&mut made, place as usize);
        made[place as usize] = value;
    }
    copy(&mut made, total);
    Ok(made)
}

/// How many of so many are left, once those at ascending places are gone.
fn require_places(what: &str, places: &[i64], of: usize) -> Result<usize, Error> {
    let inside = places.last().is_none_or(|last| (*last as usize) < of);
    ensure!(
        places.is_sorted_by(|a, b| a < b)
            && places.first().is_none_or(|first| *first >= 0)
            && inside,
        "places of {what} values that do not ascend from 0 to below {of}"
    );
    Ok(of - places.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(old: (&[i64], &[i32]), new: (&[i64], &[i32]), places: &[i64]) -> Edit {
        let old_rows = Rows { offsets: old.0, values: old.1 };
        let new_rows = Rows { offsets: new.0, values: new.1 };
        let edit = find(old_rows, new_rows, places, &Pause::default()).unwrap();
        let values: Vec<i32> = edit.places.iter().map(|place| new.1[*place as usize]).collect();
        let made = apply(old.1, (&edit.removed, &edit.places), &values, &Pause::default());
        assert_eq!(made.unwrap(), new.1);
        edit
    }

    #[test]
    fn what_is_new_is_found_and_put_in_place() {
        let found =
            edited((&[0, 2, 4], &[1, 2, 1, 3]), (&[0, 3, 4, 7], &[1, 9, 2, 8, 1, 3, 1]), &[0, 2]);
        assert_eq!(found, Edit { removed: vec![], places: vec![1, 3, 6] });
    }

    #[test]
    fn a_user_who_lost_a_row_is_written_anew() {
        let found = edited((&[0, 2, 5], &[1, 2, 1, 3, 4]), (&[0, 3, 5], &[1, 2, 2, 1, 4]), &[0, 1]);
        assert_eq!(found, Edit { removed: vec![2, 3, 4], places: vec![2, 3, 4] });
        edited((&[0, 2], &[1, 2]), (&[0, 0], &[]), &[0]);
        edited((&[0], &[]), (&[0, 2], &[1, 2]), &[]);
    }

    #[test]
    fn places_that_are_outside_are_refused() {
        for (removed, places) in
            [(&[2i64][..], &[][..]), (&[], &[4]), (&[], &[-1]), (&[1, 0], &[0, 1])]
        {
            let values = vec![7; places.len()];
            assert!(apply(&[1, 2], (removed, places), &values, &Pause::default()).is_err());
        }
    }
}
