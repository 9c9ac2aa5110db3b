//! Preparing the next batch while the engine is busy with the present one.

use std::sync::mpsc::sync_channel;

use crate::error::{Error, Result};

/// Gives everything that `make` puts out to `take`, in order: `make` runs on another thread, one item
/// ahead.
///
/// # Errors
/// That of `take`, which ends `make` too, or else that of `make`, after all that it had put out.
pub(crate) fn ahead<T: Send>(
    make: impl FnOnce(&mut dyn FnMut(T) -> Result<()>) -> Result<()> + Send,
    take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(0);
        let made = scope.spawn(move || {
            make(&mut |item| {
                let unwanted = |_| Error::setting("batch", "is not wanted any more");
                sender.send(item).map_err(unwanted)
            })
        });
        let taken = receiver.into_iter().try_for_each(take);
        let made = made.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.and(made)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(name: &str) -> Error {
        Error::setting(name, "fails")
    }

    fn kept_in(seen: &mut Vec<u32>) -> impl FnMut(u32) -> Result<()> {
        |item| {
            seen.push(item);
            Ok(())
        }
    }

    #[test]
    fn everything_arrives_in_order() {
        let mut seen = vec![];
        let make = |put: &mut dyn FnMut(u32) -> Result<()>| (0..100).try_for_each(put);
        ahead(make, kept_in(&mut seen)).unwrap();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn either_side_may_fail() {
        let mut seen = vec![];
        let make = |put: &mut dyn FnMut(u32) -> Result<()>| {
            put(1)?;
            Err(failure("make"))
        };
        let error = ahead(make, kept_in(&mut seen)).unwrap_err().to_string();
        assert!(error.contains("make") && seen == [1], "{error}");
        let endless = |put: &mut dyn FnMut(u32) -> Result<()>| (0..).try_for_each(put);
        let error = ahead(endless, |_| Err(failure("take"))).unwrap_err().to_string();
        assert!(error.contains("take"), "{error}");
    }

    #[test]
    #[should_panic(expected = "a bug")]
    fn a_panic_stays_what_it_is() {
        let _ = ahead(|_: &mut dyn FnMut(()) -> Result<()>| panic!("a bug"), |()| Ok(()));
    }
}
