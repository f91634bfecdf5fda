//! The supply graph in compressed rows, each pair of suppliers once, both ways round.

#![expect(clippy::indexing_slicing, reason = "suppliers' rows and offsets are bounded once, when the graph is built")]

use std::ops::Range;

/// Edges by one of their ends: those of `node` lie at `offsets[node]..offsets[node + 1]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edges {
    offsets: Vec<usize>,
    ends: Vec<u32>,
    weights: Vec<f64>,
}

impl Edges {
    /// The other end and the weight of each edge of `node`, in ascending order of the other end.
    pub(crate) fn of(&self, node: usize) -> impl ExactSizeIterator<Item = (usize, f64)> {
        let Range { start, end } = self.range(node);
        self.ends[start..end].iter().zip(&self.weights[start..end]).map(|(end, weight)| (*end as usize, *weight))
    }

    /// `Σ weight · values[end]` over the edges of `node`, in their order.
    pub(crate) fn weighted_sum(&self, node: usize, values: &[f64]) -> f64 {
        self.of(node).fold(0.0, |sum, (end, weight)| sum + weight * values[end])
    }

    fn range(&self, node: usize) -> Range<usize> {
        self.offsets[node]..self.offsets[node + 1]
    }

    /// Sorts edges by `key`, keeping the order of those with the same one.
    fn sorted(node_count: usize, keys: &[u32], ends: impl Fn(usize) -> u32, weights: &[f64]) -> Self {
        let mut offsets = vec![0; node_count + 1];
        for key in keys {
            offsets[*key as usize + 1] += 1;
        }
        for node in 0..node_count {
            offsets[node + 1] += offsets[node];
        }
        let mut next = offsets.clone();
        let mut edges = Self { offsets, ends: vec![0; keys.len()], weights: vec![0.0; keys.len()] };
        for (row, key) in keys.iter().enumerate() {
            let place = &mut next[*key as usize];
            edges.ends[*place] = ends(row);
            edges.weights[*place] = weights[row];
            *place += 1;
        }
        edges
    }

    /// The same edges by their other end, in ascending order of this one.
    fn turned(&self) -> Self {
        let node_count = self.offsets.len() - 1;
        let mut nodes = Vec::with_capacity(self.ends.len());
        for node in 0..node_count {
            nodes.extend(std::iter::repeat_n(node as u32, self.range(node).len()));
        }
        Self::sorted(node_count, &self.ends, |row| nodes[row], &self.weights)
    }

    /// Keeps, of the edges between the same two nodes, one with the largest weight.
    fn merged(&self) -> Self {
        let node_count = self.offsets.len() - 1;
        let mut merged = Self { offsets: vec![0], ends: Vec::new(), weights: Vec::new() };
        for node in 0..node_count {
            let first = merged.ends.len();
            for row in self.range(node) {
                match merged.ends.last() {
                    Some(last) if merged.ends.len() > first && *last == self.ends[row] => {
                        let weight = merged.ends.len() - 1;
                        merged.weights[weight] = merged.weights[weight].max(self.weights[row]);
                    }
                    _ => {
                        merged.ends.push(self.ends[row]);
                        merged.weights.push(self.weights[row]);
                    }
                }
            }
            merged.offsets.push(merged.ends.len());
        }
        merged
    }
}

/// Who can stop whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    /// By the supplier that is stopped: its upstream suppliers.
    pub(crate) upstream: Edges,
    /// By the supplier that stops: its downstream suppliers.
    pub(crate) downstream: Edges,
}

impl Graph {
    /// Builds the graph of rows `upstream[k] → downstream[k]`, in any order.
    ///
    /// Of parallel rows the largest weight counts.
    pub(crate) fn new(node_count: usize, upstream: &[u32], downstream: &[u32], weights: &[f64]) -> Self {
        // Sorted by upstream and then turned, edges come by downstream with their upstreams ascending.
        let by_upstream = Edges::sorted(node_count, upstream, |row| downstream[row], weights);
        let upstream = by_upstream.turned().merged();
        Self { downstream: upstream.turned(), upstream }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_rows_become_one_edge_and_both_ways_agree() {
        let graph = Graph::new(4, &[2, 0, 0, 2, 3], &[1, 1, 3, 1, 0], &[0.2, 0.1, 0.3, 0.5, 0.4]);

        let upstream: Vec<Vec<_>> = (0..4).map(|node| graph.upstream.of(node).collect()).collect();
        let downstream: Vec<Vec<_>> = (0..4).map(|node| graph.downstream.of(node).collect()).collect();

        assert_eq!(upstream, [vec![(3, 0.4)], vec![(0, 0.1), (2, 0.5)], vec![], vec![(0, 0.3)]]);
        assert_eq!(downstream, [vec![(1, 0.1), (3, 0.3)], vec![], vec![(1, 0.5)], vec![(0, 0.4)]]);
    }
}
