//! A layer's weights on a device, as a matrix in one of two layouts: as burn's operations read them, or as
//! our own kernel does. Only one is there at a time: the weights of a large model's folds take gigabytes.

use super::kernels::Convolve;
use burn::tensor::Tensor;
use std::cell::RefCell;

enum Held {
    /// `[term, output]`.
    Plain(Tensor<2>),
    /// [`Convolve::matrix`].
    Tiles(Tensor<2>),
}

pub(super) struct Weights {
    held: RefCell<Held>,
    terms: usize,
    output: usize,
    /// Whether the terms of an output lie side by side in memory, where it is plain.
    by_output: bool,
}

impl Weights {
    /// Of a matrix `[term, output]`, which is a turned one where the terms of an output lie side by side.
    pub(super) fn new(matrix: Tensor<2>, by_output: bool) -> Self {
        let [terms, output] = matrix.dims();
        Self { held: RefCell::new(Held::Plain(matrix)), terms, output, by_output }
    }

    /// `[term, output]`, which is the layout from now on.
    pub(super) fn plain(&self) -> Tensor<2> {
        let mut held = self.held.borrow_mut();
        if let Held::Tiles(tiles) = &*held {
            let matrix = tiles.clone().slice([0..self.terms, 0..self.output]);
            *held = Held::Plain(if self.by_output {
                // A line and back: values are where the shape says.
                let line: Tensor<1> = matrix.transpose().reshape([self.output * self.terms]);
                line.reshape([self.output, self.terms]).transpose()
            } else {
                matrix
            });
        }
        let (Held::Plain(matrix) | Held::Tiles(matrix)) = &*held;
        matrix.clone()
    }

    /// As our own kernel reads them, which is the layout from now on.
    pub(super) fn tiles(&self) -> Tensor<2> {
        let mut held = self.held.borrow_mut();
        if let Held::Plain(matrix) = &*held {
            *held = Held::Tiles(padded(matrix.clone()));
        }
        let (Held::Plain(matrix) | Held::Tiles(matrix)) = &*held;
        matrix.clone()
    }

    /// Values on the device.
    pub(super) fn values(&self) -> usize {
        let (Held::Plain(matrix) | Held::Tiles(matrix)) = &*self.held.borrow();
        matrix.dims().iter().product()
    }
}

/// A matrix of weights with the zeros that our own kernel reads, row by row in memory.
pub(super) fn padded(matrix: Tensor<2>) -> Tensor<2> {
    let [terms, output] = matrix.dims();
    let zeros: Tensor<2> = Tensor::zeros(Convolve::matrix(terms, output), &matrix.device());
    zeros.slice_assign([0..terms, 0..output], matrix)
}

#[cfg(test)]
mod tests {
    use super::super::{download, upload};
    use super::*;

    #[test]
    fn weights_come_back_as_they_were() {
        let device = burn::tensor::Device::flex();
        for by_output in [false, true] {
            let values: Vec<f32> = (0_u8..7 * 5).map(f32::from).collect();
            let matrix: Tensor<2> = if by_output {
                let rows: Tensor<2> = upload(values, [5, 7], &device);
                rows.transpose()
            } else {
                upload(values, [7, 5], &device)
            };
            let expected = download(matrix.clone()).unwrap();
            let weights = Weights::new(matrix, by_output);
            assert_eq!(weights.values(), 7 * 5);
            assert_eq!(weights.tiles().dims(), Convolve::matrix(7, 5));
            assert_eq!(weights.values(), Convolve::matrix(7, 5).iter().product::<usize>(), "not both");
            let again = weights.plain();
            assert_eq!(again.dims(), [7, 5]);
            assert_eq!(download(again).unwrap(), expected);
            assert_eq!(weights.values(), 7 * 5);
        }
    }
}
