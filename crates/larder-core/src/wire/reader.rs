//! Reading what may not be there.

/// Takes bytes off the front; what isn't there is `None`.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// As many bytes as the two before them say.
    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_be_bytes(self.array()?);
        let (data, rest) = self.0.split_at_checked(len.into())?;
        self.0 = rest;
        Some(data)
    }
}
