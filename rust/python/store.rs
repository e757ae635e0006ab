//! The compact store, rows and options of Python's `store/`, each read by its attributes.

use super::draws::AliasTable;
use crate::rows::{Rows, Store, Window};
use crate::windows::Source;
use numpy::PyReadonlyArray1;
use pyo3::intern;
use pyo3::prelude::*;

#[derive(FromPyObject)]
pub struct StoreArrays<'py> {
    offsets: PyReadonlyArray1<'py, i64>,
    items: PyReadonlyArray1<'py, i32>,
    user_keys: PyReadonlyArray1<'py, u64>,
}

impl StoreArrays<'_> {
    pub fn borrow(&self) -> PyResult<Store<'_>> {
        Ok(Store {
            offsets: self.offsets.as_slice()?,
            items: self.items.as_slice()?,
            user_keys: self.user_keys.as_slice()?,
        })
    }

    pub fn source<'a>(
        &'a self,
        window: Window,
        popularity: Option<&'a Bound<'_, AliasTable>>,
        epoch: u64,
    ) -> PyResult<Source<'a>> {
        let popularity = popularity.map(|table| &table.get().0);
        Ok(Source { store: self.borrow()?, window, popularity, epoch })
    }
}

#[derive(FromPyObject)]
pub struct RowArrays<'py> {
    users: PyReadonlyArray1<'py, i32>,
    ends: PyReadonlyArray1<'py, i32>,
    windows: PyReadonlyArray1<'py, i32>,
}

impl RowArrays<'_> {
    pub fn borrow(&self) -> PyResult<Rows<'_>> {
        Ok(Rows {
            users: self.users.as_slice()?,
            ends: self.ends.as_slice()?,
            windows: self.windows.as_slice()?,
        })
    }
}

impl FromPyObject<'_, '_> for Window {
    type Error = PyErr;

    fn extract(options: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let py = options.py();
        Ok(Self {
            split: options.getattr(intern!(py, "split"))?.extract()?,
            max_sequence_length: options.getattr(intern!(py, "max_sequence_length"))?.extract()?,
            oldest: options.getattr(intern!(py, "oldest"))?.extract()?,
            stride: options.getattr(intern!(py, "stride"))?.extract()?,
            prefixes: options.getattr(intern!(py, "prefixes"))?.extract()?,
            reject_all: options.getattr(intern!(py, "reject_all"))?.extract()?,
            num_negatives: options.getattr(intern!(py, "num_negatives"))?.extract()?,
            num_items: options.getattr(intern!(py, "num_items"))?.extract()?,
            seed: options.getattr(intern!(py, "seed"))?.extract()?,
        })
    }
}
