//! Bytes from first to last.

use crate::Fault;

/// Hands out bytes from first to last.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many have been handed out.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..n).ok_or(Fault::Truncated)?;
        self.at += n;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::Truncated)
    }

    /// A little-endian number of `N` bytes, at most eight.
    pub(crate) fn unsigned<const N: usize>(&mut self) -> Result<usize, Fault> {
        let number = self.array::<N>()?.iter().rev().fold(0_u64, |n, &b| (n << 8) | u64::from(b));
        usize::try_from(number).map_err(|_| Fault::Truncated)
    }

    /// As many bytes as a number of `N` bytes says.
    pub(crate) fn counted<const N: usize>(&mut self) -> Result<&'a [u8], Fault> {
        let n = self.unsigned::<N>()?;
        self.take(n)
    }

    /// The text up to the end of a line.
    pub(crate) fn line(&mut self) -> Result<&'a str, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let n = rest.iter().position(|&byte| byte == b'\n').ok_or(Fault::Truncated)?;
        let line = self.take(n + 1)?;
        std::str::from_utf8(&line[..n]).map_err(|_| Fault::Text)
    }
}
