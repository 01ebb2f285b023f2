//! What the tests of several modules share.

/// A mistake seeded into the editor, to see that the suite catches it (P19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The editor takes a width one too small when it asks whether an old boundary stands.
    WidthOffByOne,
    /// The editor takes every page for a whole natural chunk.
    DropNaturalEnd,
    /// A tree that grows a level forgets its old root when that stands unchanged as a child.
    DropReappearingRoot,
}
