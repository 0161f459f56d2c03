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
