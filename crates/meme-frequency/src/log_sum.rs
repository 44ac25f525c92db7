//! Sums of logarithms, as the logarithm of a product.
//!
//! A mean over a hundred thousand maps needs a logarithm for every frequency of every map, and those
//! take longer than the transforms. Multiplying takes no time at all; all that is needed is to keep the
//! product in range, by moving its binary exponent into an integer after every factor. A product of n
//! factors is off by at most n rounding errors, so its logarithm is off by n * 1.1e-16, and the mean of
//! the logarithms by 1.1e-16: that is better than a running sum does.

const MANTISSA_BITS: u32 = 52;
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
const EXPONENT_OF_ONE: i64 = 1023;

/// For each of a number of places, the product of all factors so far.
#[derive(Clone, Debug)]
pub(crate) struct LogSums {
    /// In `1.0..2.0`.
    mantissas: Vec<f64>,
    /// Powers of two.
    exponents: Vec<i64>,
}

impl LogSums {
    pub(crate) fn new(places: usize) -> LogSums {
        LogSums { mantissas: vec![1.0; places], exponents: vec![0; places] }
    }

    /// Multiplies each place by its factor, which must be positive, normal and finite.
    pub(crate) fn add(&mut self, factors: impl Iterator<Item = f64>) {
        let places = self.mantissas.iter_mut().zip(&mut self.exponents);
        for ((mantissa, exponent), factor) in places.zip(factors) {
            let (m, e) = split(factor);
            let (product, carry) = split(*mantissa * m);
            *mantissa = product;
            *exponent += e + carry;
        }
    }

    pub(crate) fn merge(&mut self, other: &LogSums) {
        self.add(other.mantissas.iter().copied());
        for (exponent, more) in self.exponents.iter_mut().zip(&other.exponents) {
            *exponent += more;
        }
    }

    /// The logarithms' sum at every place, divided by `count`.
    pub(crate) fn means(&self, count: u64) -> Vec<f64> {
        let sums = self.mantissas.iter().zip(&self.exponents);
        sums.map(|(mantissa, &exponent)| {
            (mantissa.ln() + exponent as f64 * std::f64::consts::LN_2) / count as f64
        })
        .collect()
    }
}

/// A positive normal number as a mantissa in `1.0..2.0` and a power of two.
fn split(value: f64) -> (f64, i64) {
    let bits = value.to_bits();
    let mantissa = f64::from_bits((bits & MANTISSA) | ((EXPONENT_OF_ONE as u64) << MANTISSA_BITS));
    (mantissa, (bits >> MANTISSA_BITS) as i64 - EXPONENT_OF_ONE)
}

#[cfg(test)]
mod tests {
    use super::LogSums;

    #[test]
    fn the_logarithm_of_a_product_is_the_sum_of_logarithms() {
        let factors = [1e-6, 3.0, 7.5e11, 0.1, 1e100, 2.0, 1.0, 0.999_999];
        let mut sums = LogSums::new(1);
        let mut expected = 0.0;
        for round in 0..1000 {
            for factor in factors {
                let factor = factor * (1.0 + f64::from(round));
                sums.add(std::iter::once(factor));
                expected += factor.ln();
            }
        }
        let mut twice = sums.clone();
        twice.merge(&sums);
        assert!((sums.means(1)[0] / expected - 1.0).abs() < 1e-12);
        assert!((twice.means(2)[0] / expected - 1.0).abs() < 1e-12);
    }
}
