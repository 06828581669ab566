//! What a load call answers: the value, an option, or how it was come by.

use std::sync::Arc;

use larder_core::{Error, ErrorKind, Result};

use crate::load::Outcome;

/// What a load call answers.
pub trait Answer<T>: Send + 'static {
    /// The type of it.
    type Output;

    /// The answer to an outcome.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Absent`] where there is no value and the answer needs one.
    fn of(outcome: Outcome<T>) -> Result<Self::Output>;
}

/// Answers the value; an absence is an error.
#[derive(Debug)]
pub struct Plain;

/// Answers the value or `None`.
#[derive(Debug)]
pub struct Optional;

/// Answers the [`Outcome`].
#[derive(Debug)]
pub struct Detailed;

impl<T> Answer<T> for Plain {
    type Output = Arc<T>;

    #[inline]
    fn of(outcome: Outcome<T>) -> Result<Arc<T>> {
        outcome
            .value
            .ok_or_else(|| Error::new(ErrorKind::Absent, "the origin has no such value"))
    }
}

impl<T> Answer<T> for Optional {
    type Output = Option<Arc<T>>;

    #[inline]
    fn of(outcome: Outcome<T>) -> Result<Option<Arc<T>>> {
        Ok(outcome.value)
    }
}

impl<T> Answer<T> for Detailed {
    type Output = Outcome<T>;

    #[inline]
    fn of(outcome: Outcome<T>) -> Result<Outcome<T>> {
        Ok(outcome)
    }
}
