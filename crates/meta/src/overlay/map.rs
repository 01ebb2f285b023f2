//! An ordered map whose copies share everything that they have in common.

use std::borrow::Borrow;
use std::sync::Arc;

/// Most entries of a node. Wider nodes make lookups cheaper and the first change after a copy dearer.
const NODE_SIZE_MAX: usize = 24;

/// An ordered map: a B-tree whose nodes are shared between copies.
///
/// `clone` takes constant time. A change copies the nodes from the root to its leaf, but only those that another copy
/// still shares: a run of changes without a clone in between works in place.
#[derive(Clone)]
pub(crate) struct PersistentMap<K, V> {
    root: Option<Arc<Node<K, V>>>,
    len: usize,
}

enum Node<K, V> {
    Leaf(Vec<Arc<(K, V)>>),
    Inner(Vec<Child<K, V>>),
}

struct Child<K, V> {
    /// Not above any key below it; of the first child, not a bound at all.
    first: K,
    node: Arc<Node<K, V>>,
}

/// What a node became: itself, and a right neighbour when it was full.
type Split<K, V> = Option<Child<K, V>>;

impl<K: Clone, V> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(entries) => Self::Leaf(entries.clone()),
            Self::Inner(children) => Self::Inner(children.clone()),
        }
    }
}

impl<K: Clone, V> Clone for Child<K, V> {
    fn clone(&self) -> Self {
        Self { first: self.first.clone(), node: self.node.clone() }
    }
}

impl<K, V> Default for PersistentMap<K, V> {
    fn default() -> Self {
        Self { root: None, len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> PersistentMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Inner(children) => node = &children[child_of(children, key)].node,
                Node::Leaf(entries) => {
                    let position = entries.binary_search_by(|entry| entry.0.borrow().cmp(key)).ok()?;
                    return Some(&entries[position].1);
                }
            }
        }
    }

    /// Applies `change` to the value of `key`, inserting `V::default()` first when there is none.
    pub(crate) fn update<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> R
    where
        V: Default,
    {
        let root = self.root.get_or_insert_with(|| Arc::new(Node::Leaf(Vec::new())));
        let (result, is_new, split) = update_below(root, key, change);
        self.len += usize::from(is_new);
        if let Some(right) = split {
            let left = Child { first: right.first.clone(), node: root.clone() };
            *root = Arc::new(Node::Inner(vec![left, right]));
        }
        result
    }

    /// All entries in order.
    pub(crate) fn iter(&self) -> MapIter<'_, K, V> {
        let mut iter = MapIter { above: Vec::new(), leaf: [].iter() };
        if let Some(root) = &self.root {
            iter.enter(root);
        }
        iter
    }

    /// A cursor before the first entry.
    pub(crate) fn cursor(&self) -> MapCursor<K, V> {
        let mut cursor = MapCursor { map: self.clone(), path: Vec::new() };
        cursor.descend(self.root.clone(), |_| 0, |_| 0);
        cursor
    }
}

/// The child of an inner node that `key` belongs to.
fn child_of<K: Borrow<Q>, V, Q: Ord + ?Sized>(children: &[Child<K, V>], key: &Q) -> usize {
    children[1..].partition_point(|child| child.first.borrow() <= key)
}

fn update_below<K: Ord + Clone, V: Clone + Default, R>(
    node: &mut Arc<Node<K, V>>,
    key: K,
    change: impl FnOnce(&mut V) -> R,
) -> (R, bool, Split<K, V>) {
    match Arc::make_mut(node) {
        Node::Leaf(entries) => match entries.binary_search_by(|entry| entry.0.cmp(&key)) {
            Ok(position) => (change(&mut Arc::make_mut(&mut entries[position]).1), false, None),
            Err(position) => {
                let mut value = V::default();
                let result = change(&mut value);
                entries.insert(position, Arc::new((key, value)));
                let split = split_off(entries).map(|right| {
                    let first = right[0].0.clone();
                    Child { first, node: Arc::new(Node::Leaf(right)) }
                });
                (result, true, split)
            }
        },
        Node::Inner(children) => {
            let position = child_of(children, &key);
            let (result, is_new, split) = update_below(&mut children[position].node, key, change);
            let split = split.and_then(|right| {
                children.insert(position + 1, right);
                split_off(children).map(|right| {
                    let first = right[0].first.clone();
                    Child { first, node: Arc::new(Node::Inner(right)) }
                })
            });
            (result, is_new, split)
        }
    }
}

/// The upper half of an overfull node.
fn split_off<T>(items: &mut Vec<T>) -> Option<Vec<T>> {
    (NODE_SIZE_MAX < items.len()).then(|| items.split_off(items.len() / 2))
}

/// The entries of a map in order.
pub(crate) struct MapIter<'a, K, V> {
    /// Children to come, of the nodes from the root down.
    above: Vec<std::slice::Iter<'a, Child<K, V>>>,
    leaf: std::slice::Iter<'a, Arc<(K, V)>>,
}

impl<'a, K, V> MapIter<'a, K, V> {
    fn enter(&mut self, mut node: &'a Node<K, V>) {
        loop {
            match node {
                Node::Leaf(entries) => {
                    self.leaf = entries.iter();
                    return;
                }
                Node::Inner(children) => {
                    self.above.push(children[1..].iter());
                    node = &children[0].node;
                }
            }
        }
    }
}

impl<'a, K, V> Iterator for MapIter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.leaf.next() {
                return Some((&entry.0, &entry.1));
            }
            match self.above.last_mut()?.next() {
                Some(child) => self.enter(&child.node),
                None => {
                    self.above.pop();
                }
            }
        }
    }
}

/// A place between two entries of a map as it was when the cursor was made.
pub(crate) struct MapCursor<K, V> {
    map: PersistentMap<K, V>,
    /// From the root to a leaf: each node, and the position in it of the child taken, or of the next entry.
    path: Vec<(Arc<Node<K, V>>, usize)>,
}

impl<K: Ord + Clone, V: Clone> MapCursor<K, V> {
    /// Moves before the first entry whose key is at least `key`.
    pub(crate) fn seek<Q: Ord + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.path.clear();
        self.descend(
            self.map.root.clone(),
            |children| child_of(children, key),
            |entries| entries.partition_point(|entry| entry.0.borrow() < key),
        );
    }

    /// The next entry, without moving.
    pub(crate) fn peek(&mut self) -> Option<&(K, V)> {
        self.settle();
        match self.path.last() {
            Some((node, position)) => match node.as_ref() {
                Node::Leaf(entries) => entries.get(*position).map(|entry| entry.as_ref()),
                Node::Inner(_) => None,
            },
            None => None,
        }
    }

    /// Moves behind the next entry.
    pub(crate) fn advance(&mut self) {
        self.settle();
        if let Some((_, position)) = self.path.last_mut() {
            *position += 1;
        }
    }

    /// Goes on to the next leaf when this one is used up.
    fn settle(&mut self) {
        while let Some((node, position)) = self.path.last() {
            let next = match node.as_ref() {
                Node::Leaf(entries) if *position < entries.len() => return,
                Node::Inner(children) if *position + 1 < children.len() => children[*position + 1].node.clone(),
                Node::Leaf(_) | Node::Inner(_) => {
                    self.path.pop();
                    continue;
                }
            };
            let last = self.path.len() - 1;
            self.path[last].1 += 1;
            self.descend(Some(next), |_| 0, |_| 0);
        }
    }

    fn descend(
        &mut self,
        from: Option<Arc<Node<K, V>>>,
        child: impl Fn(&[Child<K, V>]) -> usize,
        entry: impl Fn(&[Arc<(K, V)>]) -> usize,
    ) {
        let mut next = from;
        while let Some(node) = next.take() {
            let position = match node.as_ref() {
                Node::Leaf(entries) => entry(entries),
                Node::Inner(children) => {
                    let position = child(children);
                    next = Some(children[position].node.clone());
                    position
                }
            };
            self.path.push((node, position));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entries(map: &PersistentMap<u16, u32>) -> Vec<(u16, u32)> {
        let mut cursor = map.cursor();
        let mut found = Vec::new();
        while let Some(entry) = cursor.peek().copied() {
            found.push(entry);
            cursor.advance();
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn behaves_as_a_sorted_map_and_copies_stay_as_they_were(
            changes in prop::collection::vec((0..2000u16, any::<u32>(), prop::bool::weighted(0.05)), 0..1500),
            seeks in prop::collection::vec(0..2100u16, 20),
        ) {
            let mut map = PersistentMap::default();
            let mut model = BTreeMap::new();
            let mut copies = Vec::new();
            for (key, value, copy) in changes {
                map.update(key, |found: &mut u32| *found = value);
                model.insert(key, value);
                prop_assert_eq!(map.len(), model.len());
                if copy {
                    copies.push((map.clone(), model.clone()));
                }
            }
            copies.push((map, model));
            for (map, model) in copies {
                prop_assert_eq!(entries(&map), model.clone().into_iter().collect::<Vec<_>>());
                prop_assert!(map.iter().eq(model.iter()));
                let mut cursor = map.cursor();
                for seek in &seeks {
                    cursor.seek(seek);
                    let expected = model.range(seek..).next().map(|(key, value)| (*key, *value));
                    prop_assert_eq!(cursor.peek().copied(), expected);
                    prop_assert_eq!(map.get(seek), model.get(seek));
                }
            }
        }
    }
}
