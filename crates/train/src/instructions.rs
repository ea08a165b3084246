//! Which instructions this processor has: what chooses a kernel, at run time.

/// Which of two kernels runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instructions {
    /// What every processor has.
    Plain,
    /// AVX-512 F, DQ, BW and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// Proof that the processor has AVX-512 F, DQ, BW and VL: it was detected, or this would not exist.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Instructions {
    /// The best that this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
        {
            return Self::Avx512(Avx512(()));
        }
        Self::Plain
    }
}

/// A function of [`Instructions`] and the arguments given, whose loops are compiled once for every processor and once for AVX-512.
macro_rules! for_each_instructions {
    ($(#[$doc:meta])* $visible:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        $visible fn $name(instructions: $crate::instructions::Instructions, $($argument: $type),*) {
            #[inline(always)]
            fn plain($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
            fn avx512($($argument: $type),*) {
                plain($($argument),*);
            }

            match instructions {
                $crate::instructions::Instructions::Plain => plain($($argument),*),
                #[cfg(target_arch = "x86_64")]
                #[expect(unsafe_code, reason = "proof that the processor has the instructions is in the variant")]
                // SAFETY: an `Avx512` exists only where these instructions were detected.
                $crate::instructions::Instructions::Avx512(_) => unsafe { avx512($($argument),*) },
            }
        }
    };
}

pub(crate) use for_each_instructions;
