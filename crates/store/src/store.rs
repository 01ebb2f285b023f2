//! [`Store`]: the handle that every operation hangs on.

use std::sync::Arc;

/// Objects of one cluster. Clones share everything.
#[derive(Clone)]
pub struct Store {
    _shared: Arc<()>,
}
