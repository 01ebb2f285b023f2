//! Who owns the objects of a bucket, and what its public access block refuses.

/// The setting of a bucket that says who owns its objects, and with that whether lists grant anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectOwnership {
    /// The owner of the bucket; lists grant nothing.
    BucketOwnerEnforced,
    /// The owner of the bucket, when the writer grants it full control.
    BucketOwnerPreferred,
    /// Whoever wrote them.
    ObjectWriter,
}

impl ObjectOwnership {
    const NAMES: [(Self, &'static str); 3] = [
        (Self::BucketOwnerEnforced, "BucketOwnerEnforced"),
        (Self::BucketOwnerPreferred, "BucketOwnerPreferred"),
        (Self::ObjectWriter, "ObjectWriter"),
    ];

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, own)| *own == name).map(|(ownership, _)| *ownership)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(own, _)| *own == self).map(|(_, name)| *name).expect("every setting has a name")
    }

    /// Whether lists of grants mean anything.
    pub fn has_acls(self) -> bool {
        self != Self::BucketOwnerEnforced
    }
}

/// The four switches of a bucket's public access block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublicAccessBlock {
    /// Refuses new lists that grant something to the public.
    pub block_public_acls: bool,
    /// Lists grant nothing to the public, whatever they say.
    pub ignore_public_acls: bool,
    /// Refuses new policies that are public.
    pub block_public_policy: bool,
    /// A public policy lets in nobody but services and the bucket's own account.
    pub restrict_public_buckets: bool,
}
