//! Sorting of what is sorted seldom: lists of a configuration, of the admin, of diagnostics.
//!
//! The standard library's sorts are made anew for each type, 7 KB each. Here numbers are sorted, by what is asked about
//! the items, so that the program has that once; equal items keep their order.

use std::cmp::Ordering;

/// Sorts by a comparison.
pub fn sort_by<T>(items: &mut Vec<T>, mut compare: impl FnMut(&T, &T) -> Ordering) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    sort_numbers(
        &mut order,
        &mut |one, other| match (items.get(one), items.get(other)) {
            (Some(one), Some(other)) => compare(one, other),
            _ => Ordering::Equal,
        },
    );
    let mut unsorted: Vec<Option<T>> = items.drain(..).map(Some).collect();
    let next = |at: usize| unsorted.get_mut(at)?.take();
    items.extend(order.into_iter().filter_map(next));
}

/// Sorts by a key.
pub fn sort_by_key<T, K: Ord>(items: &mut Vec<T>, mut key: impl FnMut(&T) -> K) {
    sort_by(items, |one, other| key(one).cmp(&key(other)));
}

/// Sorts by the items' own order.
pub fn sort<T: Ord>(items: &mut Vec<T>) {
    sort_by(items, T::cmp);
}

#[inline(never)]
fn sort_numbers(order: &mut [usize], compare: &mut dyn FnMut(usize, usize) -> Ordering) {
    order.sort_by(|one, other| compare(*one, *other));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_sorted_and_equal_ones_keep_their_order() {
        let mut items = vec![(2, "a"), (1, "b"), (2, "c"), (0, "d"), (1, "e")];
        sort_by_key(&mut items, |(number, _)| *number);
        assert_eq!(items, [(0, "d"), (1, "b"), (1, "e"), (2, "a"), (2, "c")]);
        sort_by(&mut items, |one, other| other.cmp(one));
        assert_eq!(items, [(2, "c"), (2, "a"), (1, "e"), (1, "b"), (0, "d")]);
        let mut names: Vec<String> = (0..100).rev().map(|n| format!("{n:03}")).collect();
        sort(&mut names);
        assert!(names.is_sorted());
        let mut none: Vec<u8> = Vec::new();
        sort(&mut none);
        assert!(none.is_empty());
    }
}
