//! Against the plain formulas in double precision, on every processor that is here.
#![allow(clippy::float_cmp)] // zeros and ones are meant exactly

use super::*;
use crate::machine;

/// What `forward` and `backward` give: what is seen, and three gradients.
type Results = [Vec<f32>; 4];

struct Case {
    shape: [usize; 4],
    arrays: [Vec<f32>; 4],
    real: Vec<u8>,
    dropout: Dropout,
}

impl Case {
    fn new(shape: [usize; 4], limit: u32) -> Self {
        let size = shape.iter().product();
        let draw = Dropout::new([7, limit], u32::MAX);
        let numbers = |array: u32| {
            (0..size).map(|i| draw.number(array * 100_000 + i as u32) * 4.0 - 2.0).collect()
        };
        let [rows, length, ..] = shape;
        // The first row ends early, the second has a gap, the third has no real position.
        let real = |row: usize, position: usize| match row {
            0 => position <= length / 2,
            1 => position % 5 != 2,
            _ => row != 2,
        };
        let marks = (0..rows).flat_map(|row| (0..length).map(move |p| u8::from(real(row, p))));
        Self {
            shape,
            arrays: [numbers(0), numbers(1), numbers(2), numbers(3)],
            real: marks.collect(),
            dropout: Dropout::new([5, 9], limit),
        }
    }

    fn inputs(&self) -> Inputs<'_> {
        let [query, key, value, _] = &self.arrays;
        let (shape, dropout) = (self.shape, self.dropout);
        Inputs { shape, query, key, value, real: &self.real, dropout }
    }

    fn run(&self, processor: Processor) -> Result<Results, Error> {
        let inputs = self.inputs();
        let (numbers, norms) = inputs.row_lengths()?;
        let rows = self.shape[0];
        let mut results = [(); 4].map(|()| vec![f32::NAN; rows * numbers]);
        let mut kept = vec![f32::NAN; rows * norms];
        let [view, query, key, value] = &mut results;
        let views = view.chunks_exact_mut(numbers).zip(kept.chunks_exact_mut(norms));
        let views = views.enumerate().map(|(row, (seen, norms))| View { row, seen, norms });
        processor.forward(&inputs, &mut { views })?;
        let given = Given { view, norms: &kept, slope: &self.arrays[3] };
        let places = key.chunks_exact_mut(numbers).zip(value.chunks_exact_mut(numbers));
        let places = query.chunks_exact_mut(numbers).zip(places).enumerate();
        let slopes = places.map(|(row, (query, (key, value)))| Slopes { row, query, key, value });
        processor.backward(&inputs, &given, &mut { slopes })?;
        Ok(results)
    }

    /// The formulas.
    fn expected(&self) -> [Vec<f64>; 4] {
        let [rows, length, heads, width] = self.shape;
        let mut results = [(); 4].map(|()| vec![0.0; self.arrays[0].len()]);
        let scale = (width as f64).sqrt().recip();
        for (row, head) in (0..rows).flat_map(|row| (0..heads).map(move |head| (row, head))) {
            let at = |position: usize| ((row * length + position) * heads + head) * width;
            let dot = |a: usize, i: usize, b: usize, j: usize| -> f64 {
                let (a, b) = (&self.arrays[a][at(i)..], &self.arrays[b][at(j)..]);
                a.iter().zip(b).take(width).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            for query in 0..length {
                let real = |key: usize| self.real[row * length + key] != 0;
                let score = |key| if real(key) { dot(0, query, 1, key) * scale } else { -1e9 };
                let scores: Vec<f64> = (0..=query).map(score).collect();
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
                let factor = |key: usize| {
                    let number = ((row * heads + head) * length + query) * length + key;
                    let [kept] = self.dropout.kept(number, 1);
                    if kept { f64::from(self.dropout.keep()).recip() } else { 0.0 }
                };
                let share = |key: usize| (scores[key] - most).exp() / sum;
                let slope = |key: usize| dot(3, query, 2, key) * factor(key);
                let mean: f64 = (0..=query).map(|key| share(key) * slope(key)).sum();
                for key in 0..=query {
                    let score_slope = share(key) * (slope(key) - mean) * scale;
                    let score_slope = if real(key) { score_slope } else { 0.0 };
                    for i in 0..width {
                        let of = |array: usize, position| {
                            f64::from(self.arrays[array][at(position) + i])
                        };
                        let weight = share(key) * factor(key);
                        results[0][at(query) + i] += weight * of(2, key);
                        results[1][at(query) + i] += score_slope * of(1, key);
                        results[2][at(key) + i] += score_slope * of(0, query);
                        results[3][at(key) + i] += weight * of(3, query);
                    }
                }
            }
        }
        results
    }
}

fn processors() -> Vec<Processor> {
    let mut all = vec![Processor::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        all.extend(machine::Avx2::here().map(Processor::Avx2));
        all.extend(machine::Avx512::here().map(Processor::Avx512));
    }
    all
}

#[test]
fn values_and_gradients_are_those_of_the_formulas() {
    for shape in [[1, 1, 1, 1], [2, 33, 2, 5], [4, 16, 1, 32], [3, 75, 1, 50]] {
        for limit in [u32::MAX, u32::MAX / 3] {
            let case = Case::new(shape, limit);
            let expected = case.expected();
            for processor in processors() {
                let found = case.run(processor).unwrap();
                for (found, expected) in found.iter().zip(&expected) {
                    let largest = expected.iter().fold(1e-3f64, |most, x| most.max(x.abs()));
                    for (found, expected) in found.iter().zip(expected) {
                        let error = (f64::from(*found) - expected).abs() / largest;
                        assert!(error < 1e-5, "{shape:?}, {limit}: {found}, not {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_no_number_stays_in_its_row() {
    let mut case = Case::new([3, 40, 1, 8], u32::MAX);
    case.real.clear();
    case.arrays[0][40 * 8 + 17 * 8] = f32::NAN;
    for processor in processors() {
        let found = case.run(processor).unwrap();
        for row in [0, 2] {
            let row = row * 320..(row + 1) * 320;
            assert!(found.iter().all(|array| array[row.clone()].iter().all(|x| x.is_finite())));
        }
        assert!(found[0][320..][17 * 8..18 * 8].iter().all(|x| x.is_nan()));
        assert!(found[0][320..][..17 * 8].iter().all(|x| x.is_finite()));
    }
}

#[test]
fn exponentials_are_within_two_units_of_the_last_place() {
    for i in 0..2000u16 {
        let x = -f32::from(i) * 0.043;
        let [found, ..] = exponential::exponential::<machine::Portable, 8>(&[x; 8]);
        let expected = f64::from(x).exp();
        assert!((f64::from(found) / expected - 1.0).abs() < 2.4e-7, "{x}: {found}, not {expected}");
    }
    let [least, none, one, ..] = exponential::exponential::<machine::Portable, 8>(&[
        -87.4,
        f32::NEG_INFINITY,
        0.0,
        0.,
        0.,
        0.,
        0.,
        0.,
    ]);
    assert_eq!([least, none, one], [0.0, 0.0, 1.0]);
}

#[test]
fn tiles_cover_all_queries_once() {
    for length in [1, 7, 8, 9, 200] {
        let covered: Vec<usize> =
            tiles::<8>(length).flat_map(|tile| tile.start..tile.end).collect();
        assert_eq!(covered, (0..length).collect::<Vec<_>>());
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let case = Case::new([2, 3, 1, 4], u32::MAX);
    let lacking = Inputs { key: &[], ..case.inputs() };
    assert!(matches!(lacking.row_lengths(), Err(Error::Inconsistent(_))));
    let marks = Inputs { real: &[1], ..case.inputs() };
    assert!(matches!(marks.row_lengths(), Err(Error::Inconsistent(_))));
}
