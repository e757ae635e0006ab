//! The compact store, and the rows that are made of it: which part of a user's sequence a row
//! shows, and which items it rejects as negatives.

use crate::error::{Error, ensure};

/// The compact store, borrowed.
#[derive(Clone, Copy)]
pub struct Store<'a> {
    /// User u owns `items[offsets[u]..offsets[u + 1]]`.
    pub offsets: &'a [i64],
    /// Item indices `1..=num_items`.
    pub items: &'a [i32],
    /// The key of each user's random stream.
    pub user_keys: &'a [u64],
}

/// Rows of a split, an entry each in every slice.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// Position of the row's user in the store; -1 for a row left empty.
    pub users: &'a [i32],
    /// The row is taken from the user's first so many items.
    pub ends: &'a [i32],
    /// Which window of that sequence is shown; without entries, number 0 in every row.
    pub windows: &'a [i32],
}

/// Which part of its sequence a row shows, and how.
#[derive(Clone, Copy)]
pub struct Window {
    /// 0 train, 1 validation, 2 test.
    pub split: usize,
    /// Most input positions of a row.
    pub max_sequence_length: usize,
    /// Window 0 shows the first items of a long sequence, not the last.
    pub oldest: bool,
    /// Positions between the windows of one sequence.
    pub stride: usize,
    /// The windows are prefixes, of which the last target alone counts.
    pub prefixes: bool,
    /// Reject all items of the user, not only those of the row's sequence.
    pub reject_all: bool,
    /// Negatives a position.
    pub num_negatives: usize,
    /// Number of items.
    pub num_items: usize,
    /// Seed of all streams.
    pub seed: u64,
}

/// What one row shows of a user.
pub struct Row<'a> {
    /// Position of the user in the store.
    pub user: usize,
    /// Number of the window.
    pub window: usize,
    /// All items of the user.
    pub all: &'a [i32],
    /// The items of the split, before the window cuts them.
    pub sequence: &'a [i32],
    /// The items in the window: inputs and the last target.
    pub shown: &'a [i32],
    /// Whether the last item of the sequence is shown.
    pub shows_last: bool,
}

impl<'a> Row<'a> {
    /// The row of a number; None for one left empty.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where the store has no such row.
    pub fn of(
        store: &Store<'a>,
        window: &Window,
        rows: &Rows,
        number: usize,
    ) -> Result<Option<Self>, Error> {
        let user = rows.users[number];
        if user < 0 {
            return Ok(None);
        }
        let all = store.items_of(user as usize)?;
        let end = rows.ends[number];
        let index = rows.windows.get(number).map_or(0, |&index| index as usize);
        let skipped = index.saturating_mul(window.stride);
        let sequence = usize::try_from(end).ok().and_then(|end| all.get(..end));
        let Some(sequence) = sequence.filter(|sequence| skipped <= sequence.len()) else {
            return Err(Error::Inconsistent(format!(
                "window {index} of the first {end} items of user {user}, who has {}",
                all.len()
            )));
        };
        let left = sequence.len() - skipped;
        let length = left.min(window.max_sequence_length + 1);
        let first = if window.oldest { skipped } else { left - length };
        Ok(Some(Self {
            user: user as usize,
            window: index,
            all,
            sequence,
            shown: &sequence[first..first + length],
            shows_last: first + length == sequence.len(),
        }))
    }

    /// Real positions.
    pub fn positions(&self) -> usize {
        self.shown.len().saturating_sub(1)
    }

    /// The items that are no negatives of this row.
    pub fn rejected(&self, window: &Window) -> &'a [i32] {
        if window.reject_all { self.all } else { self.sequence }
    }
}

impl Rows<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.users.len()
    }
}

impl<'a> Store<'a> {
    /// Check that there is a key for each user, and that all slices of the rows have one length.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where it is not so.
    pub fn check(&self, rows: &Rows) -> Result<(), Error> {
        let (offsets, users) = (self.offsets.len(), self.user_keys.len());
        ensure!(
            offsets == users + 1,
            "{offsets} offsets for {users} users; one more than users is needed"
        );
        let (users, ends, windows) = (rows.users.len(), rows.ends.len(), rows.windows.len());
        ensure!(
            ends == users && [0, users].contains(&windows),
            "{users} users, {ends} ends and {windows} windows of rows"
        );
        Ok(())
    }

    /// The items that a row is taken from; none for one left empty.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where the store has no such row.
    pub fn sequence(&self, rows: &Rows, number: usize) -> Result<&'a [i32], Error> {
        let (user, end) = (rows.users[number], rows.ends[number]);
        if user < 0 {
            return Ok(&[]);
        }
        let all = self.items_of(user as usize)?;
        usize::try_from(end).ok().and_then(|end| all.get(..end)).ok_or_else(|| {
            Error::Inconsistent(format!("the first {end} items of user {user}, of {}", all.len()))
        })
    }

    /// Items of the user who has most.
    pub fn longest(&self) -> usize {
        let lengths = self.offsets.windows(2).map(|bounds| bounds[1].saturating_sub(bounds[0]));
        lengths.max().map_or(0, |most| usize::try_from(most).unwrap_or(0))
    }

    /// All items of a user.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] where there is no such user, or its offsets are damaged.
    pub fn items_of(&self, user: usize) -> Result<&'a [i32], Error> {
        let users = self.user_keys.len();
        ensure!(user < users, "user {user} asked for, but there are {users}");
        let (start, end) = (self.offsets[user], self.offsets[user + 1]);
        self.items.get(start as usize..end as usize).ok_or_else(|| {
            Error::Inconsistent(format!("user {user} owns {start}..{end} of {}", self.items.len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: Store = Store { offsets: &[0, 7], items: &[1, 2, 3, 4, 5, 6, 7], user_keys: &[0] };
    const WINDOW: Window = Window::EXAMPLE;

    impl Window {
        /// A window for tests.
        pub const EXAMPLE: Self = Self {
            split: 0,
            max_sequence_length: 3,
            oldest: false,
            stride: 3,
            prefixes: false,
            reject_all: false,
            num_negatives: 1,
            num_items: 9,
            seed: 0,
        };
    }

    fn shown(window: &Window, end: i32, number: i32) -> Result<Vec<i32>, Error> {
        let rows = Rows { users: &[0], ends: &[end], windows: &[number] };
        Ok(Row::of(&STORE, window, &rows, 0)?.map_or(Vec::new(), |row| row.shown.to_vec()))
    }

    #[test]
    fn windows_go_back_from_the_last_item() {
        assert_eq!(shown(&WINDOW, 6, 0), Ok(vec![3, 4, 5, 6]));
        assert_eq!(shown(&WINDOW, 6, 1), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn the_oldest_window_comes_first() {
        let window = Window { oldest: true, ..WINDOW };
        assert_eq!(shown(&window, 6, 0), Ok(vec![1, 2, 3, 4]));
        assert_eq!(shown(&window, 6, 1), Ok(vec![4, 5, 6]));
    }

    #[test]
    fn rows_that_do_not_exist_are_errors() {
        for (end, number) in [(8, 0), (-1, 0), (6, 3), (6, -1)] {
            assert!(matches!(shown(&WINDOW, end, number), Err(Error::Inconsistent(_))));
        }
        let rows = Rows { users: &[1], ends: &[2], windows: &[] };
        assert!(Row::of(&STORE, &WINDOW, &rows, 0).is_err());
        assert!(STORE.check(&Rows { users: &[1], ends: &[], windows: &[] }).is_err());
    }
}
