//! Where the process spends its CPU: samples of all threads' stacks, as a profile that `go tool pprof` and its kin read.
//!
//! While it runs, the kernel interrupts whichever thread is computing, 99 times a second of CPU. The signal's handler copies
//! registers and the top of the stack and does nothing else ([`sampler`]); stacks are unwound from those copies by an ordinary
//! thread ([`stacks`]). Unwinding in the handler itself, as profilers of this kind do it, can deadlock or crash on the locks of
//! allocator and loader that the interrupted thread may hold.

mod format;
mod sampler;
mod stacks;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::background;
use sampler::Sampler;
use stacks::{Code, Stack};

/// Seconds that a profile may take.
pub const SECONDS: std::ops::RangeInclusive<u64> = 1..=60;

/// Between two looks at what was sampled.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Stacks that are told apart; samples of others are counted as dropped.
const MOST_STACKS: usize = 20_000;

/// Why there is no profile.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// One is being taken already.
    #[error("another profile is being taken; wait for it")]
    Busy,
    /// It was to be longer, or shorter, than it may be.
    #[error("seconds={0}: use 1 to 60")]
    Seconds(u64),
    /// The system does not let us.
    #[error("{0}")]
    System(String),
}

/// How often each stack was seen.
struct Samples {
    stacks: HashMap<Stack, u64>,
    /// Samples that found no room.
    dropped: u64,
    took: Duration,
}

/// Samples the process for so long. Ends early, without a profile, when the future is dropped.
pub async fn profile(seconds: u64) -> Result<Vec<u8>, ProfileError> {
    if !SECONDS.contains(&seconds) {
        return Err(ProfileError::Seconds(seconds));
    }
    let sampler = Sampler::claim().ok_or(ProfileError::Busy)?;
    let gone = Gone(Arc::default());
    let ended = Arc::clone(&gone.0);
    let work = move || sample(&sampler, Duration::from_secs(seconds), &ended);
    let lost = |_| ProfileError::System("the profile was lost; the log says more".into());
    let profile = background("profile", work).await.map_err(lost)?;
    drop(gone);
    profile
}

/// Nobody waits any more once it is dropped.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn sample(sampler: &Sampler, time: Duration, gone: &AtomicBool) -> Result<Vec<u8>, ProfileError> {
    let system = |error: std::io::Error| ProfileError::System(format!("no profile: {error}"));
    let mut code = Code::of_process().map_err(system)?;
    let mut stacks = HashMap::new();
    let mut unkept = 0;
    let began = Instant::now();
    sampler.start().map_err(system)?;
    while began.elapsed() < time && !gone.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK_EVERY);
        sampler.take(|copy| {
            let stack = code.unwind(copy);
            if stacks.len() < MOST_STACKS || stacks.contains_key(&stack) {
                *stacks.entry(stack).or_insert(0) += 1;
            } else {
                unkept += 1;
            }
        });
    }
    let dropped = sampler.stop() + unkept;
    let samples = Samples { stacks, dropped, took: began.elapsed() };
    Ok(format::encode(&samples, &code))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::format::Profile;
    use super::*;

    /// Something to be found: half a second of CPU, in a function that is not inlined.
    #[inline(never)]
    fn a_function_that_takes_its_time(until: &AtomicBool) -> u64 {
        let mut bits = 1_u64;
        while !until.load(Ordering::Relaxed) {
            bits = std::hint::black_box(bits.wrapping_mul(6_364_136_223_846_793_005).rotate_left(7));
        }
        bits
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_profile_names_who_computes_and_who_called_and_there_is_one_at_a_time() {
        assert!(matches!(profile(0).await, Err(ProfileError::Seconds(0))));
        assert!(matches!(profile(61).await, Err(ProfileError::Seconds(61))));
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let busy = std::thread::spawn(move || a_function_that_takes_its_time(&until));
        let (first, second) = tokio::join!(profile(2), async {
            tokio::task::yield_now().await;
            profile(1).await
        });
        ended.store(true, Ordering::Relaxed);
        busy.join().unwrap();
        assert!(matches!(second, Err(ProfileError::Busy)), "{second:?}");

        let read = Profile::decode(first.unwrap().as_slice()).unwrap();
        let names = |sample: &super::format::Sample| -> Vec<String> {
            let locations = sample.location_id.iter().map(|id| &read.location[*id as usize - 1]);
            let functions = locations.map(|one| &read.function[one.line[0].function_id as usize - 1]);
            functions.map(|one| read.string_table[one.name as usize].clone()).collect()
        };
        let stacks: Vec<_> = read.sample.iter().map(names).collect();
        let found = stacks
            .iter()
            .find(|stack| stack.first().is_some_and(|leaf| leaf.contains("a_function_that_takes_its_time")));
        let found = found.unwrap_or_else(|| panic!("nobody computes in {stacks:?}"));
        assert!(found.iter().any(|caller| caller.contains("a_profile_names_who_computes")), "{found:?}");

        // Whoever leaves ends theirs, and another may be taken.
        assert!(tokio::time::timeout(Duration::from_millis(50), profile(60)).await.is_err());
        let mut next = profile(1).await;
        while matches!(next, Err(ProfileError::Busy)) {
            tokio::task::yield_now().await;
            next = profile(1).await;
        }
        assert!(next.is_ok(), "{next:?}");
    }
}
