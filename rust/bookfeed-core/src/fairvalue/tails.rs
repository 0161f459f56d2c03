//! The shape of moves: normal, or with fatter tails.

use std::fmt;

const SQRT_2: f64 = std::f64::consts::SQRT_2;
const TWO_OVER_PI: f64 = std::f64::consts::FRAC_2_PI;

/// A distribution of moves with a mean of 0 and a deviation of [`Tails::scale`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tails {
    /// Degrees of freedom of Student's t; `None` is the normal distribution.
    freedom: Option<u32>,
    scale: f64,
}

/// Why there is no such distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTails {
    /// Fewer degrees of freedom than a variance needs, or so many that it is the normal one.
    Freedom,
    /// A scale that is not positive, or not a number of sense.
    Scale,
}

impl fmt::Display for BadTails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Freedom => "degrees of freedom must be 3 to 100; leave them out for normal tails",
            Self::Scale => "the scale must be above 0 and at most 100",
        })
    }
}

impl std::error::Error for BadTails {}

impl Tails {
    /// Moves of a driftless walk.
    pub const NORMAL: Self = Self { freedom: None, scale: 1.0 };

    /// Student's t with so many degrees of freedom, and a deviation multiplied by `scale`.
    ///
    /// # Errors
    /// [`BadTails`] unless there are 3 to 100 degrees, or none, and the scale is within (0, 100].
    pub fn new(freedom: Option<u32>, scale: f64) -> Result<Self, BadTails> {
        if freedom.is_some_and(|freedom| !(3..=100).contains(&freedom)) {
            return Err(BadTails::Freedom);
        }
        if !(scale > 0.0 && scale <= 100.0) {
            return Err(BadTails::Scale);
        }
        Ok(Self { freedom, scale })
    }

    /// The same with the scale in parts per million.
    ///
    /// # Errors
    /// [`BadTails`], as [`Tails::new`].
    pub fn of_ppm(freedom: Option<u32>, scale: u32) -> Result<Self, BadTails> {
        Self::new(freedom, f64::from(scale) / 1e6)
    }

    /// Degrees of freedom; `None` of the normal distribution.
    #[must_use]
    pub const fn freedom(self) -> Option<u32> {
        self.freedom
    }

    /// What deviations are multiplied by.
    #[must_use]
    pub const fn scale(self) -> f64 {
        self.scale
    }

    /// Probability of a move of at most `z` deviations, before they are scaled.
    #[must_use]
    pub fn cdf(self, z: f64) -> f64 {
        let z = z / self.scale;
        match self.freedom {
            None => libm::erfc(-z / SQRT_2) / 2.0,
            Some(freedom) => student(z, freedom),
        }
    }
}

impl Tails {
    /// The greatest density, per deviation.
    pub(super) fn peak(self) -> f64 {
        self.density(0.0) / self.scale
    }

    /// The mean of what a move is beyond `z` deviations, and 0 where it is not, in deviations.
    pub(super) fn excess(self, z: f64) -> f64 {
        let z = z / self.scale;
        // Of the normal density the integral of x is itself; of Student's t a part of it.
        let weight = self.freedom.map_or(1.0, |freedom| {
            let nu = f64::from(freedom);
            (nu - 2.0 + z * z) / (nu - 1.0)
        });
        let under = match self.freedom {
            None => libm::erfc(z / SQRT_2) / 2.0,
            Some(freedom) => student(-z, freedom),
        };
        self.scale * (weight * self.density(z) - z * under).max(0.0)
    }

    /// Density of a move of `z` deviations, unscaled.
    fn density(self, z: f64) -> f64 {
        let Some(freedom) = self.freedom else {
            return libm::exp(-z * z / 2.0) / libm::sqrt(2.0 * std::f64::consts::PI);
        };
        let nu = f64::from(freedom);
        let ratio = libm::exp(libm::lgamma((nu + 1.0) / 2.0) - libm::lgamma(nu / 2.0));
        // Stretched to a deviation of 1.
        let stretched = z * z / (nu - 2.0);
        ratio / libm::sqrt((nu - 2.0) * std::f64::consts::PI)
            * libm::pow(1.0 + stretched, -(nu + 1.0) / 2.0)
    }
}

/// Student's t, stretched to a deviation of 1: for a whole number of degrees a finite sum
/// (Abramowitz and Stegun, 26.7.3 and 26.7.4).
fn student(z: f64, freedom: u32) -> f64 {
    let nu = f64::from(freedom);
    let t = z * libm::sqrt(nu / (nu - 2.0));
    let root = libm::sqrt(nu + t * t);
    let (sin, cos_squared) = (t / root, nu / (nu + t * t));
    let (mut term, mut sum) = (1.0, 1.0);
    let mut k = if freedom % 2 == 1 { 3 } else { 2 };
    while k < freedom {
        term *= f64::from(k - 1) / f64::from(k) * cos_squared;
        sum += term;
        k += 2;
    }
    let inside = if freedom % 2 == 1 {
        let cos = libm::sqrt(cos_squared);
        TWO_OVER_PI * (libm::atan(t / libm::sqrt(nu)) + sin * cos * sum)
    } else {
        sin * sum
    };
    (0.5 + inside / 2.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The density, integrated by Simpson's rule: nothing of the finite sum is in it.
    fn by_area(z: f64, freedom: u32) -> f64 {
        let nu = f64::from(freedom);
        let gamma_ratio = libm::exp(libm::lgamma((nu + 1.0) / 2.0) - libm::lgamma(nu / 2.0));
        let scale = libm::sqrt((nu - 2.0) / nu);
        let density = |x: f64| {
            let t = x / scale;
            gamma_ratio / libm::sqrt(nu * std::f64::consts::PI)
                * libm::pow(1.0 + t * t / nu, -(nu + 1.0) / 2.0)
                / scale
        };
        let steps = 2_000;
        let h = z / f64::from(steps);
        let inner: f64 =
            (1..steps).map(|i| density(h * f64::from(i)) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        0.5 + (density(0.0) + inner + density(z)) * h / 3.0
    }

    #[test]
    fn a_t_is_the_area_under_its_density() {
        for freedom in [3, 4, 5, 6, 7, 30, 31, 99, 100] {
            for z in [-6.0, -2.0, -0.3, 0.0, 0.001, 0.7, 1.5, 4.0] {
                let (got, wanted) = (student(z, freedom), by_area(z, freedom));
                assert!((got - wanted).abs() < 1e-9, "t({freedom}) at {z}: {got}, {wanted}");
            }
        }
    }

    #[test]
    fn what_is_beyond_is_the_area_of_what_is_more() {
        for freedom in [None, Some(3), Some(4), Some(7), Some(40)] {
            for scale in [1.0, 1.6] {
                let tails = Tails::new(freedom, scale).unwrap();
                for z in [-3.0, -0.4, 0.0, 0.8, 2.5] {
                    // Of the rest of the way to infinity little is left out.
                    let steps = 400_000;
                    let h = 2_000.0 / f64::from(steps);
                    let at = |i: i32| tails.cdf(-(z + h * f64::from(i)));
                    let inner: f64 = (1..steps).map(at).sum();
                    let area = h * (inner + (at(0) + at(steps)) / 2.0);
                    let got = tails.excess(z);
                    assert!((got - area).abs() < 1e-5, "{freedom:?} beyond {z}: {got}, {area}");
                }
                let (step, peak) = (1e-4, tails.peak());
                let slope = (tails.cdf(step) - tails.cdf(-step)) / (2.0 * step);
                assert!((peak - slope).abs() < 1e-6, "{freedom:?}: {peak}, {slope}");
            }
        }
    }

    #[test]
    fn bad_tails_are_refused() {
        for freedom in [0, 1, 2, 101] {
            assert_eq!(Tails::new(Some(freedom), 1.0), Err(BadTails::Freedom));
        }
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 101.0] {
            assert_eq!(Tails::new(Some(4), scale), Err(BadTails::Scale));
        }
        let tails = Tails::new(Some(4), 1.5).unwrap();
        assert_eq!((tails.freedom(), tails.scale()), (Some(4), 1.5));
        assert_eq!(tails.cdf(0.0), 0.5);
    }
}
