//! The format description event: server version, creation time, checksum algorithm.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumAlgorithm {
    None,
    Crc32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatDescription {
    pub server_version: String,
    /// Creation time of the binlog file, seconds since the epoch; 0 when the file was not created by a server start.
    pub created: u32,
    pub checksum: ChecksumAlgorithm,
}
