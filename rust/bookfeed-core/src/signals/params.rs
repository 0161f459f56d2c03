//! What a rule is told: its parameters as text, read one by one, and complained of where they are
//! wrong or nobody's.

use super::{Gates, ReferenceAge};
use crate::fixed::ABSENT;
use crate::time::{Nanos, SECOND};
use std::collections::BTreeMap;
use std::fmt;

/// Degrees of freedom of fat tails, unless it is said otherwise.
const FREEDOM: i64 = 4;

/// Parameters of a rule, as text, with the names used in configuration.
pub type Params = BTreeMap<String, String>;

/// A rule that cannot be built from its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError(pub String);

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RuleError {}

/// Reads parameters one by one, and complains of those nobody asked for.
#[derive(Debug)]
pub struct ParamReader<'a> {
    /// What the parameters are of, in words: `rule spread`.
    whose: String,
    params: &'a Params,
    asked: Vec<&'static str>,
}

impl<'a> ParamReader<'a> {
    /// A reader of `params` for the rule called `rule`.
    #[must_use]
    pub fn new(rule: &'static str, params: &'a Params) -> Self {
        Self::of(format!("rule {rule}"), params)
    }

    /// A reader of `params` for what is called so in complaints.
    pub(crate) const fn of(whose: String, params: &'a Params) -> Self {
        Self { whose, params, asked: Vec::new() }
    }

    /// A complaint, which begins with what it is about.
    pub(crate) fn complaint(&self, what: &str) -> RuleError {
        RuleError(format!("{}: {what}", self.whose))
    }

    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'a str> {
        self.asked.push(key);
        self.params.get(key).map(String::as_str)
    }

    pub(crate) fn wrong(&self, key: &str, wanted: &str, given: &str) -> RuleError {
        self.complaint(&format!("{key} must be {wanted}, not {given:?}"))
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// If it is missing.
    pub fn text(&mut self, key: &'static str) -> Result<&'a str, RuleError> {
        self.take(key).ok_or_else(|| self.complaint(&format!("{key} is required")))
    }

    /// A decimal in units of 10^-`SCALE`.
    ///
    /// # Errors
    /// If it is not a plain decimal, or missing without a default.
    pub fn decimal<const SCALE: u32>(
        &mut self,
        key: &'static str,
        default: Option<i64>,
    ) -> Result<i64, RuleError> {
        match (self.take(key), default) {
            (Some(text), _) => crate::fixed::parse_unsigned::<SCALE>(text.as_bytes())
                .map(|d| d.value)
                .map_err(|_| self.wrong(key, "a plain decimal such as \"0.01\"", text)),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.complaint(&format!("{key} is required"))),
        }
    }

    /// A duration in milliseconds, as nanoseconds.
    ///
    /// # Errors
    /// If it is not a plain decimal.
    pub fn millis(&mut self, key: &'static str, default: Nanos) -> Result<Nanos, RuleError> {
        self.decimal::<6>(key, Some(default))
    }

    /// A time, Unix nanoseconds: more digits than a decimal has.
    ///
    /// # Errors
    /// If it is none, or missing without a default.
    pub(crate) fn instant(
        &mut self,
        key: &'static str,
        default: Option<Nanos>,
    ) -> Result<Nanos, RuleError> {
        let Some(text) = self.take(key) else {
            return default.ok_or_else(|| self.complaint(&format!("{key} is required")));
        };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let refused = || self.wrong(key, "Unix nanoseconds", text);
        text.parse().ok().filter(|_| digits).ok_or_else(refused)
    }

    /// Degrees of freedom of fat tails; 0 are normal ones.
    ///
    /// # Errors
    /// If it is not a whole number.
    pub(crate) fn freedom(&mut self) -> Result<Option<u32>, RuleError> {
        let freedom = self.decimal::<0>("freedom", Some(FREEDOM))?;
        Ok((freedom > 0).then(|| u32::try_from(freedom).unwrap_or(u32::MAX)))
    }

    /// One of several words.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn word(
        &mut self,
        key: &'static str,
        allowed: &'static [&'static str],
    ) -> Result<&'static str, RuleError> {
        let Some(text) = self.take(key) else { return Ok(allowed[0]) };
        let found = allowed.iter().copied().find(|a| *a == text);
        found.ok_or_else(|| self.wrong(key, &format!("one of {}", allowed.join(", ")), text))
    }

    /// The common gates, of a rule whose legs `confirm` each other or not, and may be `max_lag`
    /// apart, unless it is said otherwise.
    ///
    /// # Errors
    /// If one of them is not a plain decimal.
    pub fn gates(&mut self, confirm: bool, max_lag: Nanos) -> Result<Gates, RuleError> {
        let mut gates = Gates {
            max_age: self.millis("max_age_ms", 30 * SECOND)?,
            max_skew: self.millis("max_skew_ms", ABSENT)?,
            max_lag: self.millis("max_lag_ms", max_lag)?,
            confirm: self.word("confirm", if confirm { &["on", "off"] } else { &["off", "on"] })?
                == "on",
            proof: self.word("proof", &["off", "venue"])? == "venue",
            min_time_to_close: self.millis("min_time_to_close_ms", 0)?,
            min_hold: self.millis("min_hold_ms", 0)?,
            cooldown: self.millis("cooldown_ms", 0)?,
            min_qty: self.decimal::<8>("min_qty", Some(1))?,
            allow_poll: self.word("allow_poll", &["off", "on"])? == "on",
            max_reference_age: ReferenceAge::Any,
        };
        if gates.max_skew == ABSENT {
            // What is confirmed stood so at one time, and holds as long as the evidence may be
            // old. Else nearness in time has to do.
            gates.max_skew = if gates.confirm { 30 * SECOND } else { 2 * SECOND };
        }
        Ok(gates)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// If a parameter was given that the rule does not have.
    pub(crate) fn finish(self) -> Result<(), RuleError> {
        match self.params.keys().find(|k| !self.asked.contains(&k.as_str())) {
            Some(key) => {
                Err(self
                    .complaint(&format!("no parameter {key:?}; there are {}", self.asked.join(", "))))
            }
            None => Ok(()),
        }
    }
}
