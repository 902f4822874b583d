//! The two hash functions of `kafka_partition_hash` (contract §5.4). They take the partition string as UTF-8.

/// `kafka_partition_hash`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashFunction {
    /// `default`: java.lang.String.hashCode.
    #[default]
    Java,
    /// `murmur3`: MurmurHash3 x86 32-bit with Maxwell's seed.
    Murmur3,
}

impl HashFunction {
    #[inline]
    pub fn of(self, text: &[u8]) -> i32 {
        match self {
            HashFunction::Java => java_string_hash(text),
            HashFunction::Murmur3 => murmur3(text),
        }
    }
}

/// Maxwell's seed of MurmurHash3.
const SEED: u32 = 25342;

/// h = 31·h + unit over the UTF-16 units of the text, in 32 bits.
pub fn java_string_hash(text: &[u8]) -> i32 {
    let mut hash = 0u32;
    let mut add = |unit: u32| hash = hash.wrapping_mul(31).wrapping_add(unit);
    for piece in text.utf8_chunks() {
        for c in piece.valid().chars() {
            match u32::from(c) {
                unit @ 0..=0xffff => add(unit),
                code_point => {
                    add(0xd800 | (code_point - 0x1_0000) >> 10);
                    add(0xdc00 | (code_point & 0x3ff));
                }
            }
        }
        if !piece.invalid().is_empty() {
            add(0xfffd);
        }
    }
    hash as i32
}

/// MurmurHash3 x86 32-bit (Austin Appleby, public domain algorithm) over the UTF-8 bytes.
pub fn murmur3(text: &[u8]) -> i32 {
    let scramble = |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (blocks, tail) = text.as_chunks::<4>();
    let mut hash = blocks
        .iter()
        .fold(SEED, |hash, block| (hash ^ scramble(u32::from_le_bytes(*block))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64));
    let last = tail.iter().rev().fold(0, |block, b| block << 8 | u32::from(*b));
    hash ^= scramble(last);
    hash ^= text.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    (hash ^ hash >> 16) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors() {
        for (text, java, murmur) in [
            ("test", 3556498, 986285685),
            ("shard_1", 2054216720, -1752474718),
            ("maxwell", 845149234, -1810932721),
            ("1", 49, -1155099792),
            ("None", 2433880, -1571757336),
            ("é", 233, -50240202),
            ("😀", 1772899, -1960074101),
            ("", 0, 213229777),
        ] {
            assert_eq!(HashFunction::Java.of(text.as_bytes()), java, "{text}");
            assert_eq!(HashFunction::Murmur3.of(text.as_bytes()), murmur, "{text}");
        }
        assert_eq!(java_string_hash(b"hello-world"), -2128682281);
        assert_eq!((java_string_hash(b"hello-world") % 12).abs(), 1);
        assert_eq!((java_string_hash(b"test") % 12).abs(), 10);
    }
}
