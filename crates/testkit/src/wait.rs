//! Waiting for a condition with a deadline, instead of sleeping and hoping.

use std::panic::Location;
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks: short beside anything worth waiting for, long beside the cost of a look.
const PAUSE: Duration = Duration::from_millis(5);

/// Returns as soon as `holds` is true.
///
/// # Panics
/// After `within`, naming `what` was waited for.
#[track_caller]
pub fn wait_until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, within, || holds().then_some(()));
}

/// Returns the first value that `look` finds.
///
/// # Panics
/// After `within`, naming `what` was waited for.
#[track_caller]
pub fn wait_for<T>(what: &str, within: Duration, look: impl FnMut() -> Option<T>) -> T {
    match poll(within, look) {
        Some(value) => value,
        None => too_late(what, within, Location::caller()),
    }
}

/// [`wait_until`] for async conditions.
///
/// # Panics
/// After `within`, naming `what` was waited for.
pub async fn wait_until_async(what: &str, within: Duration, mut holds: impl AsyncFnMut() -> bool) {
    wait_for_async(what, within, async || holds().await.then_some(())).await;
}

/// [`wait_for`] for async looks. A look that hangs counts against the deadline too.
///
/// # Panics
/// After `within`, naming `what` was waited for.
pub async fn wait_for_async<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looks = async {
        loop {
            if let Some(value) = look().await {
                return value;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(within, looks).await {
        Ok(value) => value,
        Err(_) => too_late(what, within, Location::caller()),
    }
}

/// Looks at least twice, and a last time after the deadline: a slow machine must not turn a condition that holds
/// into a failure.
pub(crate) fn poll<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = look() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return look();
        }
        thread::sleep(PAUSE);
    }
}

#[expect(clippy::panic, reason = "the condition never came: the test has failed")]
fn too_late(what: &str, within: Duration, place: &Location<'_>) -> ! {
    panic!("waited {within:?} in vain for {what} ({place})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_when_the_condition_holds() {
        let mut looks = 0;
        let found = wait_for("the third look", Duration::from_secs(10), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, 3);
    }

    #[test]
    #[should_panic(expected = "in vain for pigs to fly")]
    fn waiting_in_vain_says_for_what() {
        wait_until("pigs to fly", Duration::from_millis(1), || false);
    }

    #[tokio::test]
    async fn async_waiting_ends_when_the_condition_holds() {
        let mut looks = 0;
        wait_until_async("the third look", Duration::from_secs(10), async || {
            looks += 1;
            looks == 3
        })
        .await;
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for an answer")]
    async fn a_look_that_hangs_is_cut_off() {
        wait_until_async("an answer", Duration::from_millis(20), async || std::future::pending().await).await;
    }
}
