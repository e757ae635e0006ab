//! Memory that may not be there. What grows with the input is asked for, and its lack is an error
//! that says how much was wanted, where the standard collections end the process.

use crate::error::Error;
use bytemuck::Zeroable;
use foldhash::HashMap;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};

/// So many zeros, fresh from the allocator.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn zeroed<T: Zeroable>(length: usize) -> Result<Vec<T>, Error> {
    bytemuck::try_zeroed_vec(length).map_err(|()| lack::<T>(length))
}

/// Nothing yet, but room for so many.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn room<T>(length: usize) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    values.try_reserve_exact(length).map_err(|_| lack::<T>(length))?;
    Ok(values)
}

/// So many equal values.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn filled<T: Clone>(length: usize, value: T) -> Result<Vec<T>, Error> {
    let mut values = room(length)?;
    values.resize(length, value);
    Ok(values)
}

/// All values of an iterator.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn collected<T>(values: impl IntoIterator<Item = T>) -> Result<Vec<T>, Error> {
    let values = values.into_iter();
    let mut found = room(values.size_hint().0)?;
    for value in values {
        push(&mut found, value)?;
    }
    Ok(found)
}

/// Make room for so many more.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn reserve<T>(values: &mut Vec<T>, more: usize) -> Result<(), Error> {
    values.try_reserve(more).map_err(|_| lack::<T>(values.len().saturating_add(more)))
}

/// Append a value.
///
/// # Errors
/// [`Error::OutOfMemory`].
#[inline]
pub fn push<T>(values: &mut Vec<T>, value: T) -> Result<(), Error> {
    if values.len() == values.capacity() {
        reserve(values, 1)?;
    }
    values.push(value);
    Ok(())
}

/// Put a value into a set; returns whether it is new.
///
/// # Errors
/// [`Error::OutOfMemory`].
#[inline]
pub fn insert<T: Eq + Hash, S: BuildHasher>(
    set: &mut HashSet<T, S>,
    value: T,
) -> Result<bool, Error> {
    if set.len() == set.capacity() {
        set.try_reserve(1).map_err(|_| lack::<T>(2 * set.len()))?;
    }
    Ok(set.insert(value))
}

/// Put a key that is new into a map.
///
/// # Errors
/// [`Error::OutOfMemory`].
#[inline]
pub fn enter<K: Eq + Hash, V, S: BuildHasher>(
    map: &mut std::collections::HashMap<K, V, S>,
    key: K,
    value: V,
) -> Result<(), Error> {
    if map.len() == map.capacity() {
        map.try_reserve(1).map_err(|_| lack::<(K, V)>(2 * map.len()))?;
    }
    map.insert(key, value);
    Ok(())
}

/// A map with room for so many entries.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn map<K: Eq + Hash, V>(length: usize) -> Result<HashMap<K, V>, Error> {
    let mut map = HashMap::default();
    map.try_reserve(length).map_err(|_| lack::<(K, V)>(length))?;
    Ok(map)
}

/// The error for so many values without a place.
pub fn lack<T>(length: usize) -> Error {
    Error::OutOfMemory { bytes: length.saturating_mul(size_of::<T>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_an_error() {
        let most = isize::MAX as usize;
        let lacking = Error::OutOfMemory { bytes: most };
        assert_eq!(zeroed::<u8>(most).err(), Some(lacking.clone()));
        assert_eq!(room::<u8>(most).err(), Some(lacking.clone()));
        assert_eq!(filled(most, 1u8).err(), Some(lacking.clone()));
        assert_eq!(reserve(&mut Vec::<u8>::new(), most).err(), Some(lacking));
        assert_eq!(map::<u64, u64>(most).err(), Some(Error::OutOfMemory { bytes: usize::MAX }));
        assert_eq!(zeroed::<u64>(most).err(), Some(Error::OutOfMemory { bytes: usize::MAX }));
    }

    #[test]
    fn what_fits_is_there() {
        assert_eq!(zeroed::<u32>(2), Ok(vec![0, 0]));
        assert_eq!(collected((0..100).filter(|n| n % 3 == 0)).map(|found| found.len()), Ok(34));
        let mut set = HashSet::new();
        assert_eq!((insert(&mut set, 1), insert(&mut set, 1)), (Ok(true), Ok(false)));
    }
}
