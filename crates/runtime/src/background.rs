//! Long computations that must not slow down what answers people: index builds, imports.

use rustix::process::setpriority_process;
use tokio::sync::oneshot;

/// How nice a background thread is: a thread at 0 gets about ten times its share of a busy core (sched(7)).
const NICE: i32 = 10;

/// A computation that ended without a result: it panicked, or no thread could be started for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("background computation ended without a result")]
pub struct Lost;

/// Runs a computation on a thread of its own, at a lower priority than everything else in the process. Dropping the
/// future does not stop it.
pub async fn background<T: Send + 'static>(
    name: &str,
    compute: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Lost> {
    let (done, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // On Linux "this process" means the calling thread. Where it is refused, the work is done all the same.
        if let Err(error) = setpriority_process(None, NICE) {
            tracing::debug!(%error, "background thread keeps its priority");
        }
        // Nobody may be waiting any more.
        let _unwanted = done.send(compute());
    });
    thread.map_err(|_| Lost)?;
    result.await.map_err(|_| Lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_result_comes_back_and_a_panic_is_told() {
        assert_eq!(background("sum", || 1 + 1).await, Ok(2));
        assert_eq!(background("bad", || panic!("on purpose")).await, Err::<(), _>(Lost));
    }

    #[tokio::test]
    async fn it_runs_at_a_lower_priority_than_its_caller() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let (here, there) = (priority(), background("nice", priority).await.unwrap());
        assert!(there >= here + NICE || there == 19, "{there} is not nicer than {here}");
    }
}
