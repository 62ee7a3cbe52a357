//! What the processor can do beyond plain code: compare a block of postings at once, and fetch ahead.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "vector instructions; each use has its proof, and a scalar path gives the same"
    )
)]

use super::blocks::{Blocks, Line, Pass};
use super::postings::{Block, Cursor, Marks, Signature};

/// Proof that the processor has AVX2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wide(());

#[cfg(not(target_arch = "x86_64"))]
impl Wide {
    pub(super) fn find() -> Option<Self> {
        None
    }

    /// Never called: there is no such value here.
    pub(super) fn mark(self, _: &[Block], _: &mut [Cursor], _: Signature, _: &mut Marks<'_>) {}

    /// Never called either.
    pub(super) fn combine(self, _: &Blocks, _: &mut [Pass<'_>], _: usize, _: &mut [Line]) {}
}

#[cfg(target_arch = "x86_64")]
impl Wide {
    /// `None` when the processor has no AVX2.
    pub(super) fn find() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// See [`Postings::mark`](super::postings::Postings::mark).
    #[inline]
    pub(super) fn mark(self, blocks: &[Block], lists: &mut [Cursor], has: Signature, marks: &mut Marks<'_>) {
        // SAFETY: a `Wide` is made by `find` alone, after the processor said that it has AVX2.
        unsafe { avx2::mark(blocks, lists, has, marks) }
    }

    /// See [`combine`](super::blocks::combine_with).
    #[inline]
    pub(super) fn combine(self, blocks: &Blocks, passes: &mut [Pass<'_>], first: usize, found: &mut [Line]) {
        // SAFETY: as above.
        unsafe { avx2::combine(blocks, passes, first, found) }
    }
}

/// Asks the processor to fetch a cache line.
#[inline]
pub(crate) fn prefetch<T>(at: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program could see; the reference is valid anyway.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_castsi128_ps, _mm_cmpeq_epi32, _mm_cmpgt_epi32, _mm_movemask_ps, _mm_or_si128,
        _mm_set1_epi32, _mm_setzero_si128, _mm256_andnot_si256, _mm256_castsi256_si128,
        _mm256_extracti128_si256, _mm256_load_si256, _mm256_or_si256, _mm256_set_m128i,
    };

    use super::super::blocks::{Blocks, Line, Pass, combine_with};
    use super::super::postings::LANES;
    use super::{Block, Cursor, Marks, Signature};

    /// Plain code, compiled for wide registers.
    #[target_feature(enable = "avx2")]
    pub(super) fn combine(blocks: &Blocks, passes: &mut [Pass<'_>], first: usize, found: &mut [Line]) {
        combine_with(blocks, passes, first, found);
    }

    const WIDTH: u32 = LANES as u32;

    /// The four records, and the lanes whose signature lacks nothing that the request has.
    #[target_feature(enable = "avx2")]
    fn compare(block: &Block, first: __m256i, second: __m256i) -> (__m128i, u32) {
        let at = std::ptr::from_ref(block).cast::<__m256i>();
        // SAFETY: a block is 64 bytes aligned to 64 without padding (`repr(C, align(64))`, sixteen u32), so both
        // loads are aligned and within it.
        let (low, high) = unsafe { (_mm256_load_si256(at), _mm256_load_si256(at.add(1))) };
        // The upper half of `high` is the records, and that of `second` is zero: they never lack anything.
        let lacking = _mm256_or_si256(_mm256_andnot_si256(low, first), _mm256_andnot_si256(high, second));
        let lacking = _mm_or_si128(_mm256_castsi256_si128(lacking), _mm256_extracti128_si256::<1>(lacking));
        let pass = _mm_cmpeq_epi32(lacking, _mm_setzero_si128());
        (_mm256_extracti128_si256::<1>(high), lanes(pass))
    }

    #[target_feature(enable = "avx2")]
    fn lanes(mask: __m128i) -> u32 {
        _mm_movemask_ps(_mm_castsi128_ps(mask)).cast_unsigned()
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn mark(blocks: &[Block], lists: &mut [Cursor], has: Signature, marks: &mut Marks<'_>) {
        let word = |word: u32| _mm_set1_epi32(word.cast_signed());
        let [a, b, c] = has;
        let first = _mm256_set_m128i(word(b), word(a));
        let second = _mm256_set_m128i(_mm_setzero_si128(), word(c));
        let end = word(marks.end);
        for list in lists {
            if list.next < marks.end && list.at < list.end {
                mark_list(blocks, list, [first, second], end, marks);
            }
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn mark_list(
        blocks: &[Block],
        list: &mut Cursor,
        [first, second]: [__m256i; 2],
        end: __m128i,
        marks: &mut Marks<'_>,
    ) {
        let number = list.at / WIDTH;
        let Some(blocks) = blocks.get(number as usize..list.end.div_ceil(WIDTH) as usize) else {
            return;
        };
        // Lanes before the list are not its own; those after it are cut off at the last block.
        let mut own = 0b1111 << (list.at % WIDTH) & 0b1111;
        let mut at = number * WIDTH;
        for block in blocks {
            let (records, pass) = compare(block, first, second);
            // Records are below 2^31, so the signed comparison is right.
            let below = lanes(_mm_cmpgt_epi32(end, records));
            if at + WIDTH > list.end {
                own &= 0b1111 >> (at + WIDTH - list.end);
            }
            let mut hits = pass & below & own;
            while hits != 0 {
                let lane = hits.trailing_zeros() as usize;
                marks.set(block.records.get(lane).copied().unwrap_or(u32::MAX));
                hits &= hits - 1;
            }
            let beyond = own & !below;
            if beyond != 0 {
                let lane = beyond.trailing_zeros();
                list.at = at + lane;
                list.next = block.records.get(lane as usize).copied().unwrap_or(u32::MAX);
                return;
            }
            own = 0b1111;
            at += WIDTH;
        }
        list.at = list.end;
    }
}
