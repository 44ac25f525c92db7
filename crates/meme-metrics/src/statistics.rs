//! Mean and covariance of feature rows, gathered in one pass.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::feature::widen;
use crate::{Error, Feature, Result};

/// Rows that are centred and multiplied at once: bounds the memory beside the statistics.
const ROWS_PER_BLOCK: usize = 1024;
/// Rows of the scatter matrix that are one task. Fixed, so that the same sums are made on any number
/// of threads.
const STRIPE: usize = 128;

/// Count, mean and scatter of a set of feature rows, in float64.
///
/// Rows arrive in blocks of any size, and parts gathered on different threads or machines merge.
/// Blocks are centred on their own mean before they are joined (Chan, Golub and LeVeque,
/// "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979, eq. 2.1), so
/// a large common offset costs no digits, as it does with sums of squares.
///
/// ```
/// use meme_metrics::Statistics;
/// use ndarray::array;
///
/// let mut all = Statistics::new(2);
/// all.add(array![[1.0, 2.0], [3.0, 6.0]].view())?;
/// let mut more = Statistics::new(2);
/// more.add(array![[5.0, 4.0]].view())?;
/// all.merge(&more)?;
/// assert_eq!(all.count(), 3);
/// assert_eq!(all.mean().to_vec(), [3.0, 4.0]);
/// assert_eq!(all.covariance()?, array![[4.0, 2.0], [2.0, 4.0]]);
/// # Ok::<(), meme_metrics::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    count: u64,
    mean: Array1<f64>,
    /// Sum over rows of (row - mean)(row - mean)^T.
    scatter: Array2<f64>,
}

impl Statistics {
    /// No rows yet, of `dimension` features each.
    #[must_use]
    pub fn new(dimension: usize) -> Self {
        Self {
            count: 0,
            mean: Array1::zeros(dimension),
            scatter: Array2::zeros((dimension, dimension)),
        }
    }

    /// The statistics of `rows` (one feature vector a row).
    ///
    /// # Errors
    /// As [`Statistics::add`].
    pub fn of<A: Feature>(rows: ArrayView2<'_, A>) -> Result<Self> {
        let mut statistics = Self::new(rows.ncols());
        statistics.add(rows)?;
        Ok(statistics)
    }

    /// The statistics that were taken apart with [`Statistics::count`], [`Statistics::mean`] and
    /// [`Statistics::scatter`].
    ///
    /// # Errors
    /// [`Error::Dimension`] where `scatter` is not square of the mean's length,
    /// [`Error::NotFinite`] where a number is not finite.
    pub fn from_parts(count: u64, mean: Array1<f64>, scatter: Array2<f64>) -> Result<Self> {
        for found in scatter.shape() {
            if *found != mean.len() {
                return Err(Error::Dimension {
                    what: "scatter matrix",
                    expected: mean.len(),
                    found: *found,
                });
            }
        }
        check_finite(mean.view().insert_axis(Axis(0)), "mean")?;
        check_finite(scatter.view(), "scatter matrix")?;
        Ok(Self { count, mean, scatter })
    }

    /// Adds a block of rows. The cost is rows x dimension^2 multiplications.
    ///
    /// # Errors
    /// [`Error::Dimension`] for rows of another length, [`Error::NotFinite`] naming the first row
    /// and column that is NaN or infinite. The statistics are then unchanged.
    pub fn add<A: Feature>(&mut self, rows: ArrayView2<'_, A>) -> Result<()> {
        self.check_dimension(rows.ncols())?;
        check_finite(rows, "features")?;
        for block in rows.axis_chunks_iter(Axis(0), ROWS_PER_BLOCK) {
            self.add_block(widen(block));
        }
        Ok(())
    }

    fn add_block(&mut self, rows: Array2<f64>) {
        let Some(mean) = rows.mean_axis(Axis(0)) else { return };
        let (ours, theirs) = (self.count as f64, rows.nrows() as f64);
        let share = theirs / (ours + theirs);
        let shift = &mean - &self.mean;
        // The shift between the means is one more row of the product.
        let mut centred = Array2::zeros((rows.nrows() + 1, self.dimension()));
        centred.slice_mut(s![..-1, ..]).assign(&(rows - &mean));
        centred.slice_mut(s![-1, ..]).assign(&(&shift * (ours * share).sqrt()));
        self.add_product(&centred);
        self.mean.scaled_add(share, &shift);
        self.count += theirs as u64;
    }

    /// Adds rows^T rows to the scatter matrix: its upper triangle by stripes, then the mirror image.
    fn add_product(&mut self, rows: &Array2<f64>) {
        let stripes: Vec<_> = self.scatter.axis_chunks_iter_mut(Axis(0), STRIPE).collect();
        stripes.into_par_iter().enumerate().for_each(|(number, mut stripe)| {
            let start = number * STRIPE;
            let left = rows.slice(s![.., start..start + stripe.nrows()]);
            let right = rows.slice(s![.., start..]);
            general_mat_mul(1.0, &left.t(), &right, 1.0, &mut stripe.slice_mut(s![.., start..]));
        });
        for row in 1..self.dimension() {
            for column in 0..row {
                self.scatter[[row, column]] = self.scatter[[column, row]];
            }
        }
    }

    /// Joins the rows behind `other` to these.
    ///
    /// # Errors
    /// [`Error::Dimension`] for statistics of another number of features.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.check_dimension(other.dimension())?;
        if other.count == 0 {
            return Ok(());
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let share = theirs / (ours + theirs);
        let shift = &other.mean - &self.mean;
        self.scatter += &other.scatter;
        let column = shift.view().insert_axis(Axis(1));
        self.scatter += &(column.dot(&column.t()) * (ours * share));
        self.mean.scaled_add(share, &shift);
        self.count += other.count;
        Ok(())
    }

    /// Rows so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Features in a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.mean.len()
    }

    /// The mean row; zeros before the first.
    #[must_use]
    pub fn mean(&self) -> ArrayView1<'_, f64> {
        self.mean.view()
    }

    /// Sum over rows of (row - mean)(row - mean)^T.
    #[must_use]
    pub fn scatter(&self) -> ArrayView2<'_, f64> {
        self.scatter.view()
    }

    /// The unbiased covariance: scatter / (count - 1).
    ///
    /// # Errors
    /// [`Error::TooFew`] with fewer than two rows.
    pub fn covariance(&self) -> Result<Array2<f64>> {
        if self.count < 2 {
            return Err(Error::TooFew {
                what: "feature rows for a covariance",
                needed: 2,
                found: self.count,
            });
        }
        Ok(&self.scatter / (self.count - 1) as f64)
    }

    fn check_dimension(&self, found: usize) -> Result<()> {
        if found == self.dimension() {
            return Ok(());
        }
        Err(Error::Dimension { what: "feature row", expected: self.dimension(), found })
    }
}

/// Refuses NaN and infinity, naming the place.
pub(crate) fn check_finite<A: Feature>(rows: ArrayView2<'_, A>, what: &'static str) -> Result<()> {
    let mut values = rows.indexed_iter().map(|(place, value)| (place, (*value).into()));
    match values.find(|(_, value): &(_, f64)| !value.is_finite()) {
        None => Ok(()),
        Some(((row, column), value)) => Err(Error::NotFinite { what, row, column, value }),
    }
}
