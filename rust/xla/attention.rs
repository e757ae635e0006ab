//! Causal attention as two handlers.
#![allow(unsafe_code)] // the handlers are called by XLA alone; see each `SAFETY`

use super::abi::{CallFrame, XlaError};
use super::call::{Call, answer};
use crate::attention::{Dropout, Given, Inputs, Processor, Slopes, View};
use crate::error::{Error, ensure};
use crate::memory::collected;

/// What each position sees of its past.
///
/// Arguments: queries, keys and values, float32 [rows, length, heads, width]; marks of real
/// positions, bool [rows, length] or [rows, 0]; the two numbers of the seed and the limit of dropout,
/// uint32 [3]. Results: what is seen, as the queries; norms, float32 [rows, heads, 2, length].
///
/// # Safety
/// To be called by XLA.
pub unsafe extern "C" fn attention_forward(frame: *mut CallFrame) -> *mut XlaError {
    // SAFETY: by the caller's word.
    unsafe { answer(frame, forward) }
}

/// The gradients of queries, keys and values.
///
/// Arguments: those of `attention_forward`, its results, and the gradient of what is seen. Results:
/// the gradients, each as the queries.
///
/// # Safety
/// To be called by XLA.
pub unsafe extern "C" fn attention_backward(frame: *mut CallFrame) -> *mut XlaError {
    // SAFETY: by the caller's word.
    unsafe { answer(frame, backward) }
}

fn forward(call: &Call<'_>) -> Result<(), Error> {
    let inputs = inputs(call)?;
    let (numbers, norms) = inputs.row_lengths()?;
    // SAFETY: each once.
    let results = unsafe { [call.result(0)?, call.result(1)?] };
    let lengths = [results[0].len(), results[1].len()];
    let rows = inputs.shape[0];
    ensure!(lengths == [rows * numbers, rows * norms], "results of {lengths:?} numbers");
    let [seen, kept] = results;
    let views = seen.chunks_exact_mut(numbers).zip(kept.chunks_exact_mut(norms)).enumerate();
    let views = collected(views.map(|(row, (seen, norms))| View { row, seen, norms }))?;
    let processor = Processor::best();
    call.threads().share(views, |views| processor.forward(&inputs, views))
}

fn backward(call: &Call<'_>) -> Result<(), Error> {
    let inputs = inputs(call)?;
    let (numbers, norms) = inputs.row_lengths()?;
    let given = Given { view: call.floats(5)?, norms: call.floats(6)?, slope: call.floats(7)? };
    let rows = inputs.shape[0];
    let lengths = [given.view.len(), given.norms.len(), given.slope.len()];
    let expected = [rows * numbers, rows * norms, rows * numbers];
    ensure!(lengths == expected, "arguments of {lengths:?} numbers");
    // SAFETY: each once.
    let [query, key, value] = unsafe { [call.result(0)?, call.result(1)?, call.result(2)?] };
    let lengths = [query.len(), key.len(), value.len()];
    ensure!(lengths == [rows * numbers; 3], "results of {lengths:?} numbers");
    let keys = key.chunks_exact_mut(numbers).zip(value.chunks_exact_mut(numbers));
    let slopes = query.chunks_exact_mut(numbers).zip(keys).enumerate();
    let slopes = slopes.map(|(row, (query, (key, value)))| Slopes { row, query, key, value });
    let slopes = collected(slopes)?;
    let processor = Processor::best();
    call.threads().share(slopes, |slopes| processor.backward(&inputs, &given, slopes))
}

fn inputs<'a>(call: &Call<'a>) -> Result<Inputs<'a>, Error> {
    let &[own, count, limit] = call.words(4)? else {
        return Err(Error::Inconsistent("a seed and limit that are not three words".to_owned()));
    };
    Ok(Inputs {
        shape: call.shape(0)?,
        query: call.floats(0)?,
        key: call.floats(1)?,
        value: call.floats(2)?,
        real: call.predicates(3)?,
        dropout: Dropout::new([own, count], limit),
    })
}
