//! An array of which one message touches few elements, made in the time of those and not of its length.
//!
//! Sets of rules have tens of thousands of rules and literals, and a message wakes some hundred of them; to clear
//! an array of all took longer than to evaluate those.

/// Elements that are made together.
const PAGE: usize = 64;

/// The array. Elements that were not written are `T::default()`.
#[derive(Debug)]
pub(super) struct Sparse<T> {
    pages: Vec<Option<Box<[T; PAGE]>>>,
}

impl<T: Copy + Default> Sparse<T> {
    /// An array of a length, rounded up.
    pub(super) fn new(length: usize) -> Sparse<T> {
        Sparse {
            pages: vec![None; length.div_ceil(PAGE)],
        }
    }

    pub(super) fn get(&self, index: usize) -> T {
        let page = self.pages.get(index / PAGE).and_then(Option::as_deref);
        let held = page.and_then(|page| page.get(index % PAGE));
        held.copied().unwrap_or_default()
    }

    /// An element to write to; `None` past the end.
    pub(super) fn entry(&mut self, index: usize) -> Option<&mut T> {
        let page = self.pages.get_mut(index / PAGE)?;
        page.get_or_insert_with(|| Box::new([T::default(); PAGE]))
            .get_mut(index % PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_the_rest_is_the_default() {
        let mut array = Sparse::new(130);
        for index in [0, 63, 64, 129] {
            *array.entry(index).unwrap() = index + 1;
        }
        let read: Vec<_> = [0, 1, 63, 64, 65, 128, 129].map(|i| array.get(i)).to_vec();
        assert_eq!(read, [1, 0, 64, 65, 0, 0, 130]);
        assert!(array.entry(192).is_none());
        assert_eq!(array.get(1_000), 0);
    }
}
