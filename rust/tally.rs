//! Counts for the report of what is kept, and of what the order of rows with one time decides.

/// Where the held-out rows of one user are.
#[derive(Clone, Copy)]
pub enum Targets {
    /// The last so many rows.
    Last(usize),
    /// The first rows of two periods: so many rows are before each.
    After([usize; 2]),
}

/// Counts for the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that passed the row filter.
    pub rows_filtered: usize,
    /// Rows dropped because their user has their item in another row.
    pub rows_duplicate: usize,
    /// Rows dropped because their item has too few interactions.
    pub rows_of_rare_items: usize,
    /// Kept rows.
    pub rows_kept: usize,
    /// Users dropped for too few interactions.
    pub users_dropped: usize,
    /// Kept rows that share their time with another kept row of their user.
    pub rows_tied: usize,
    /// Kept users whose held-out targets depend on the order of tied rows.
    pub users_tie_dependent: usize,
}

impl Tally {
    /// Sums of two tallies.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rows_filtered: self.rows_filtered + other.rows_filtered,
            rows_duplicate: self.rows_duplicate + other.rows_duplicate,
            rows_of_rare_items: self.rows_of_rare_items + other.rows_of_rare_items,
            rows_kept: self.rows_kept + other.rows_kept,
            users_dropped: self.users_dropped + other.users_dropped,
            rows_tied: self.rows_tied + other.rows_tied,
            users_tie_dependent: self.users_tie_dependent + other.users_tie_dependent,
        }
    }
}

/// Count the rows of one user that share their time, and whether their order decides what is held
/// out, or in what order.
pub fn count_ties<I: Copy + PartialEq>(times: &[I], targets: Targets, tally: &mut Tally) {
    let tied = |pair: &[I]| pair[0] == pair[1];
    let mut before = false;
    for pair in times.windows(2) {
        let after = tied(pair);
        tally.rows_tied += usize::from(before | after);
        before = after;
    }
    tally.rows_tied += usize::from(before);
    let dependent = match targets {
        Targets::Last(count) => times[times.len().saturating_sub(count + 1)..].windows(2).any(tied),
        Targets::After([validation, test]) => {
            let first_tied = |at: usize| at > 0 && times.get(at..at + 2).is_some_and(tied);
            first_tied(validation) || first_tied(test)
        }
    };
    tally.users_tie_dependent += usize::from(dependent);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(times: &[u32], targets: Targets) -> (usize, usize) {
        let mut tally = Tally::default();
        count_ties(times, targets, &mut tally);
        (tally.rows_tied, tally.users_tie_dependent)
    }

    #[test]
    fn the_order_of_the_last_rows_counts() {
        assert_eq!(counted(&[1, 1, 2, 3], Targets::Last(2)), (2, 0));
        assert_eq!(counted(&[1, 2, 2, 3], Targets::Last(2)), (2, 1));
        assert_eq!(counted(&[1, 2, 3, 3], Targets::Last(0)), (2, 0));
    }

    #[test]
    fn the_first_row_of_a_period_counts_where_it_is_a_target() {
        // Validation from time 2, test from time 3.
        assert_eq!(counted(&[1, 2, 2, 3], Targets::After([1, 3])), (2, 1));
        assert_eq!(counted(&[1, 2, 3, 3], Targets::After([1, 2])), (2, 1));
        assert_eq!(counted(&[1, 1, 2, 3], Targets::After([2, 3])), (2, 0));
        // Nothing before the period, so no input and no row.
        assert_eq!(counted(&[2, 2, 3], Targets::After([0, 2])), (2, 0));
        // Nothing in the validation period: the same rows are the test's.
        assert_eq!(counted(&[1, 3, 3], Targets::After([1, 1])), (2, 1));
        assert_eq!(counted(&[1, 2], Targets::After([2, 2])), (0, 0));
    }
}
