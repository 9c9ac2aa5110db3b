//! Loops compiled for wider registers than the oldest processor of the platform has.

/// Runs `work`, compiled for AVX2 where the processor has it.
///
/// What `work` calls must be `#[inline(always)]`, or it is compiled for the platform's oldest
/// processor as usual.
///
/// Numerics: wider registers hold more lanes of the same operations. Fused multiply-add stays off,
/// so every lane is what it would be without.
#[inline(always)]
pub(crate) fn vectorise<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, the one requirement of the function.
        return unsafe { with_avx2(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<T>(work: impl FnOnce() -> T) -> T {
    work()
}
