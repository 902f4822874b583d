//! Offsets beyond 4 GiB: events tell theirs in 32 bits.

/// The 64-bit offset with these low 32 bits that lies nearest to `near`, not more than 2 GiB before it.
pub(super) fn extend(low: u32, near: u64) -> u64 {
    let high = near & !0xffff_ffff;
    let candidate = high | u64::from(low);
    if candidate + (1 << 31) < near { candidate + (1 << 32) } else { candidate }
}

#[cfg(test)]
mod tests {
    use super::extend;

    #[test]
    fn the_nearest_offset_with_these_bits() {
        const FOUR_GIB: u64 = 1 << 32;
        for (low, near, offset) in [
            (100, 90, 100),
            (100, FOUR_GIB - 50, FOUR_GIB + 100),
            (100, FOUR_GIB + 90, FOUR_GIB + 100),
            (u32::MAX, FOUR_GIB - 90, FOUR_GIB - 1),
            (7, 5 * FOUR_GIB - 1, 5 * FOUR_GIB + 7),
            (4, 4, 4),
        ] {
            assert_eq!(extend(low, near), offset, "{low} near {near}");
        }
    }
}
